//! Quantities as people write them: `8GiB`, `30d`, `2k/s`, `70%`, `zipf(0.8)`, `100ms..3s`, `±5m`.
//!
//! Each is a type that parses, checks its range and prints itself in one canonical way. No spans here: the decoder adds
//! them.

mod amount;
mod phrase;
mod rate;
#[cfg(test)]
mod tests;
mod time;

pub use amount::{Bytes, Count, Percent, Probability, Zipf};
pub use phrase::{HealthCheck, RestartBackoff, Version};
pub use rate::{Limit, Per, Rate};
pub use time::{Period, PeriodRange, Tolerance};

use thiserror::Error;

/// Why a text is no such quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnitError {
    /// It has another form.
    #[error("has the wrong form")]
    Form,
    /// The form is right, the value is not possible.
    #[error("is out of range: {0}")]
    Range(&'static str),
}

/// A quantity with a written form.
pub trait Unit: Sized {
    /// What it is: `a size`.
    const WHAT: &'static str;
    /// The accepted forms, as examples: `900B, 8GiB, 30GB`.
    const FORMS: &'static str;
    /// Reads it.
    ///
    /// # Errors
    /// Where the form is wrong or the value out of range.
    fn parse(text: &str) -> Result<Self, UnitError>;
    /// Prints the canonical form; [`Unit::parse`] reads it back to an equal value.
    fn print(&self) -> String;
}

/// Splits `123abc` into the number and what follows.
fn number(text: &str) -> Result<(u64, &str), UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(UnitError::Form);
    }
    let value = text[..digits].parse().map_err(|_| UnitError::Range("the number is too large"))?;
    Ok((value, &text[digits..]))
}

/// Reads `123abc` where `abc` is one of the suffixes, each with its factor.
fn scaled(text: &str, suffixes: &[(&str, u64)]) -> Result<u64, UnitError> {
    let (value, suffix) = number(text)?;
    let (_, factor) = suffixes.iter().find(|(s, _)| *s == suffix).ok_or(UnitError::Form)?;
    value.checked_mul(*factor).ok_or(UnitError::Range("the number is too large"))
}

/// The shortest way to write a value with one of the suffixes; the earlier suffix wins a tie.
fn shortest(value: u64, suffixes: &[(&str, u64)]) -> String {
    let fitting = suffixes.iter().filter(|(_, factor)| value.is_multiple_of(*factor));
    let mut all: Vec<String> = fitting.map(|(suffix, factor)| format!("{}{suffix}", value / factor)).collect();
    all.sort_by_key(String::len);
    all.into_iter().next().unwrap_or_else(|| value.to_string())
}
