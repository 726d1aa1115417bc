//! Rates and rate limits.

use super::amount::COUNTS;
use super::{Unit, UnitError, number, scaled, shortest};

/// What a rate is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// `/s`.
    Second,
    /// `/m`.
    Minute,
    /// `/h`.
    Hour,
}

const PERS: [(&str, Per, f64); 3] = [("s", Per::Second, 1.0), ("m", Per::Minute, 60.0), ("h", Per::Hour, 3600.0)];

/// Events over time, kept as written so that it prints exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events.
    pub events: u64,
    /// Over what.
    pub per: Per,
}

impl Rate {
    /// Events per second.
    pub fn per_second(self) -> f64 {
        let seconds = PERS.iter().find(|(_, p, _)| *p == self.per).map_or(1.0, |(_, _, s)| *s);
        self.events as f64 / seconds
    }
}

impl Unit for Rate {
    const WHAT: &'static str = "a rate";
    const FORMS: &'static str = "`20/s`, `2k/s`, `30/m`, `100/h`";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "/s")];
    const PATTERN: &'static str = "[0-9]+[kMG]?/[smh]";
    fn parse(text: &str) -> Result<Self, UnitError> {
        let (events, per) = text.split_once('/').ok_or(UnitError::Form)?;
        let (_, per, _) = PERS.iter().find(|(s, ..)| *s == per).ok_or(UnitError::Form)?;
        match scaled(events, COUNTS)? {
            0 => Err(UnitError::Range("a rate is at least 1")),
            n if n > 1_000_000_000 => Err(UnitError::Range("a rate is at most 1G")),
            events => Ok(Self { events, per: *per }),
        }
    }
    fn print(&self) -> String {
        let per = PERS.iter().find(|(_, p, _)| *p == self.per).map_or("s", |(s, ..)| *s);
        format!("{}/{per}", shortest(self.events, COUNTS))
    }
}

/// A rate and how many events may come at once above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Sustained rate.
    pub rate: Rate,
    /// Events allowed at once above it; 0 where none is written.
    pub burst: u32,
}

impl Unit for Limit {
    const WHAT: &'static str = "a rate limit";
    const FORMS: &'static str = "`20/s` or `20/s burst 40`";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "/s")];
    const PATTERN: &'static str = "[0-9]+[kMG]?/[smh](?: +burst +[0-9]+)?";
    fn parse(text: &str) -> Result<Self, UnitError> {
        let mut words = text.split_ascii_whitespace();
        let rate = Rate::parse(words.next().ok_or(UnitError::Form)?)?;
        let burst = match (words.next(), words.next(), words.next()) {
            (None, ..) => 0,
            (Some("burst"), Some(n), None) => {
                let (value, "") = number(n)? else { return Err(UnitError::Form) };
                u32::try_from(value)
                    .ok()
                    .filter(|b| *b <= 1_000_000)
                    .ok_or(UnitError::Range("a burst is at most 1,000,000"))?
            }
            _ => return Err(UnitError::Form),
        };
        Ok(Self { rate, burst })
    }
    fn print(&self) -> String {
        match self.burst {
            0 => self.rate.print(),
            burst => format!("{} burst {burst}", self.rate.print()),
        }
    }
}
