//! What every quantity has in common, and the reading of numbers with suffixes.

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

/// A decimal number, as a regular expression.
macro_rules! decimal {
    () => {
        "(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)"
    };
}

/// A span of time, as a regular expression: parts from large to small, at least one.
macro_rules! period {
    () => {
        "(?=[0-9])(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?(?:[0-9]+us)?"
    };
}

/// A quantity with a written form.
pub trait Unit: Sized {
    /// What it is: `a size`.
    const WHAT: &'static str;
    /// The accepted forms, as examples: `900B, 8GiB, 30GB`.
    const FORMS: &'static str;
    /// The written form as a regular expression of JSON Schema (ECMA-262), without anchors. It accepts every text that [`Unit::parse`]
    /// reads, and what is out of range besides.
    const PATTERN: &'static str;
    /// A bare number is such a quantity, too.
    const BARE: bool = false;
    /// What people forget before and after the value: `("", "s")`.
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[];
    /// What other tools say, and ours for the same.
    const HABITS: &'static [(&'static str, &'static str)] = &[];
    /// Reads it.
    ///
    /// # Errors
    /// Where the form is wrong or the value out of range.
    fn parse(text: &str) -> Result<Self, UnitError>;
    /// Prints the canonical form; [`Unit::parse`] reads it back to an equal value.
    fn print(&self) -> String;
}

/// Units as people also write them, lower-case, with the accepted spelling.
const SPELLINGS: [(&str, &str); 38] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("b", "B"),
    ("byte", "B"),
    ("bytes", "B"),
    ("kb", "kB"),
    ("mb", "MB"),
    ("gb", "GB"),
    ("tb", "TB"),
    ("kib", "KiB"),
    ("mib", "MiB"),
    ("gib", "GiB"),
    ("tib", "TiB"),
    ("ki", "KiB"),
    ("mi", "MiB"),
    ("gi", "GiB"),
    ("g", "GiB"),
    ("k", "k"),
    ("m", "M"),
    ("million", "M"),
    ("thousand", "k"),
    ("percent", "%"),
    ("per second", "/s"),
    ("per minute", "/m"),
    ("rps", "/s"),
    ("/sec", "/s"),
];

/// Units with the next smaller one and how many of that they are: a part of a unit is written in whole ones of the smaller.
const SMALLER: [(&str, &str, u64); 19] = [
    ("d", "h", 24),
    ("h", "m", 60),
    ("m", "s", 60),
    ("s", "ms", 1_000),
    ("ms", "us", 1_000),
    ("TiB", "GiB", 1 << 10),
    ("GiB", "MiB", 1 << 10),
    ("MiB", "KiB", 1 << 10),
    ("KiB", "B", 1 << 10),
    ("TB", "GB", 1_000),
    ("GB", "MB", 1_000),
    ("MB", "kB", 1_000),
    ("kB", "B", 1_000),
    ("G", "M", 1_000),
    ("M", "k", 1_000),
    ("k", "", 1_000),
    ("G/s", "M/s", 1_000),
    ("M/s", "k/s", 1_000),
    ("k/s", "/s", 1_000),
];

/// `1.5GiB` as `1536MiB`, where it comes to a whole number of a smaller unit.
fn whole(text: &str) -> Option<String> {
    let (units, rest) = text.split_once('.')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (decimals, mut unit) = rest.split_at(digits);
    let mut parts: u64 = format!("{units}{decimals}").parse().ok().filter(|_| (1..=9).contains(&digits))?;
    let one = 10_u64.pow(u32::try_from(digits).ok()?);
    while !parts.is_multiple_of(one) {
        let (_, smaller, factor) = SMALLER.iter().find(|(larger, ..)| *larger == unit)?;
        (parts, unit) = (parts.checked_mul(*factor)?, *smaller);
    }
    Some(format!("{}{unit}", parts / one))
}

/// The accepted form that a refused text probably means.
pub fn guess<U: Unit>(text: &str) -> Option<String> {
    let text = text.trim_end_matches([';', ',']);
    let mut variants = vec![text.to_owned(), text.replace([' ', '_', ','], "")];
    variants.extend(whole(text));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim().to_ascii_lowercase();
    let spellings = SPELLINGS.iter().filter(|(wrong, _)| digits > 0 && *wrong == unit);
    variants.extend(spellings.map(|(_, right)| format!("{}{right}", &text[..digits])));
    let habit = U::HABITS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(text));
    variants.extend(habit.map(|(_, ours)| (*ours).to_owned()));
    let forgotten = [("", "")].iter().chain(U::FORGOTTEN);
    let candidates = forgotten.flat_map(|(before, after)| variants.iter().map(move |v| format!("{before}{v}{after}")));
    candidates.into_iter().find(|c| c.len() <= 64 && U::parse(c).is_ok())
}

/// Splits `123abc` into the number and what follows.
pub(super) fn number(text: &str) -> Result<(u64, &str), UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(UnitError::Form);
    }
    let value = text[..digits].parse().map_err(|_| UnitError::Range("the number is too large"))?;
    Ok((value, &text[digits..]))
}

/// Reads `123abc` where `abc` is one of the suffixes, each with its factor.
pub(super) fn scaled(text: &str, suffixes: &[(&str, u64)]) -> Result<u64, UnitError> {
    let (value, suffix) = number(text)?;
    let (_, factor) = suffixes.iter().find(|(s, _)| *s == suffix).ok_or(UnitError::Form)?;
    value.checked_mul(*factor).ok_or(UnitError::Range("the number is too large"))
}

/// The shortest way to write a value with one of the suffixes; the earlier suffix wins a tie.
pub(super) fn shortest(value: u64, suffixes: &[(&str, u64)]) -> String {
    let fitting = suffixes.iter().filter(|(_, factor)| value.is_multiple_of(*factor));
    let mut all: Vec<String> = fitting.map(|(suffix, factor)| format!("{}{suffix}", value / factor)).collect();
    all.sort_by_key(String::len);
    all.into_iter().next().unwrap_or_else(|| value.to_string())
}
