//! Spans of time, ranges of them, and tolerances.

use std::time::Duration;

use super::{Unit, UnitError, number, shortest};

/// A span of time with microsecond resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

const PERIODS: &[(&str, u64)] =
    &[("s", 1_000_000), ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("ms", 1_000), ("us", 1)];
/// A hundred years.
const MICROS_MAX: u64 = 36_500 * 86_400_000_000;

impl Unit for Period {
    const WHAT: &'static str = "a duration";
    const FORMS: &'static str = "`250ms`, `30s`, `1m30s`, `12h`, `30d` (whole numbers of us, ms, s, m, h, d)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "s")];
    const PATTERN: &'static str = period!();
    fn parse(text: &str) -> Result<Self, UnitError> {
        let (mut rest, mut micros, mut last) = (text, 0_u64, u64::MAX);
        loop {
            let (value, tail) = number(rest)?;
            let width = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = tail.split_at(width);
            let (_, factor) = PERIODS.iter().find(|(s, _)| *s == unit).ok_or(UnitError::Form)?;
            // Parts stand from large to small, each unit once: `1m30s`.
            if *factor >= last {
                return Err(UnitError::Form);
            }
            last = *factor;
            micros = value
                .checked_mul(*factor)
                .and_then(|v| v.checked_add(micros))
                .filter(|v| *v <= MICROS_MAX)
                .ok_or(UnitError::Range("a duration is at most 36500d"))?;
            if after.is_empty() {
                return Ok(Self(Duration::from_micros(micros)));
            }
            rest = after;
        }
    }
    fn print(&self) -> String {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        if micros == 0 {
            return "0s".to_owned();
        }
        shortest(micros, PERIODS)
    }
}

/// Two spans of time, the first not longer than the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodRange(pub Duration, pub Duration);

impl Unit for PeriodRange {
    const WHAT: &'static str = "a range of durations";
    const FORMS: &'static str = "`100ms..3s`, or one duration such as `10s`";
    const PATTERN: &'static str = concat!(period!(), "(?: *\\.\\. *", period!(), ")?");
    fn parse(text: &str) -> Result<Self, UnitError> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let (least, most) = (Period::parse(least.trim())?.0, Period::parse(most.trim())?.0);
        if least > most {
            return Err(UnitError::Range("the first duration is longer than the second"));
        }
        Ok(Self(least, most))
    }
    fn print(&self) -> String {
        if self.0 == self.1 {
            return Period(self.0).print();
        }
        format!("{}..{}", Period(self.0).print(), Period(self.1).print())
    }
}

/// At most so much either way: `±5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance(pub Duration);

impl Unit for Tolerance {
    const WHAT: &'static str = "a tolerance";
    const FORMS: &'static str = "`±5m` or `+-5m`";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("±", ""), ("±", "s")];
    const PATTERN: &'static str = concat!("(?:±|\\+-) *", period!());
    fn parse(text: &str) -> Result<Self, UnitError> {
        let inner = text.strip_prefix('±').or_else(|| text.strip_prefix("+-")).ok_or(UnitError::Form)?;
        Period::parse(inner.trim()).map(|s| Self(s.0))
    }
    fn print(&self) -> String {
        format!("±{}", Period(self.0).print())
    }
}
