//! How much of what is tried must succeed.

use serde::{Serialize, Serializer};

use super::{Unit, UnitError, number};

/// An objective, as the failures that it leaves among 100,000 tries: `99.9%` leaves 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Objective(pub u32);

/// What 100% is.
const WHOLE: u64 = 100_000;
/// Below 94% a rule that fires at 14.4 times the budget could not fire: all that there is would not be enough.
const FAILURES_MAX: u64 = 6_000;

impl Unit for Objective {
    const WHAT: &'static str = "an objective";
    const FORMS: &'static str = "`99.9%`, `99.95%` (94% to 99.999%, at most three decimals)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "%")];
    const HABITS: &'static [(&'static str, &'static str)] =
        &[("0.99", "99%"), ("0.995", "99.5%"), ("0.999", "99.9%"), ("0.9995", "99.95%"), ("0.9999", "99.99%")];
    const PATTERN: &'static str = "[0-9]+(?:\\.[0-9]{1,3})?%";
    fn parse(text: &str) -> Result<Self, UnitError> {
        let (whole, rest) = number(text)?;
        let decimals = match rest.strip_suffix('%').ok_or(UnitError::Form)? {
            "" => "0",
            fraction => fraction.strip_prefix('.').ok_or(UnitError::Form)?,
        };
        if !(1..=3).contains(&decimals.len()) || !decimals.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UnitError::Form);
        }
        let thousandths: u64 = format!("{decimals:0<3}").parse().map_err(|_| UnitError::Form)?;
        match whole.saturating_mul(1_000).saturating_add(thousandths) {
            WHOLE.. => Err(UnitError::Range(
                "an objective is at most 99.999%: with no failure allowed, every one would be an alarm",
            )),
            share if WHOLE - share > FAILURES_MAX => Err(UnitError::Range(
                "an objective is at least 94%: the fastest burn that wakes somebody is 14.4 times the budget, and could not happen",
            )),
            share => u32::try_from(WHOLE - share).map(Self).map_err(|_| UnitError::Form),
        }
    }
    fn print(&self) -> String {
        let share = WHOLE - u64::from(self.0);
        let text = format!("{}.{:03}", share / 1_000, share % 1_000);
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.print())
    }
}

impl Objective {
    /// The share that may fail, in percent.
    pub fn budget_percent(self) -> String {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
