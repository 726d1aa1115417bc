//! Sizes, counts, shares and skews.

use super::{Unit, UnitError, scaled, shortest};

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const BYTES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Unit for Bytes {
    const WHAT: &'static str = "a size";
    const FORMS: &'static str =
        "`900B`, `64KiB`, `8GiB`, `30GB` (whole numbers of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "B")];
    const PATTERN: &'static str = "[0-9]+(?:B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)";
    fn parse(text: &str) -> Result<Self, UnitError> {
        match scaled(text, BYTES)? {
            0 => Err(UnitError::Range("a size is at least 1B")),
            bytes if bytes > 1 << 60 => Err(UnitError::Range("a size is at most 1,048,576TiB")),
            bytes => Ok(Self(bytes)),
        }
    }
    fn print(&self) -> String {
        shortest(self.0, BYTES)
    }
}

/// A whole number that may be abbreviated: `5M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

pub(super) const COUNTS: &[(&str, u64)] = &[("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];

impl Unit for Count {
    const WHAT: &'static str = "a count";
    const FORMS: &'static str = "`1200`, `250k`, `5M`, `2G`";
    const PATTERN: &'static str = "[0-9]+[kMG]?";
    const BARE: bool = true;
    fn parse(text: &str) -> Result<Self, UnitError> {
        match scaled(text, COUNTS)? {
            n if n > 1_000_000_000_000 => Err(UnitError::Range("a count is at most 1000G")),
            n => Ok(Self(n)),
        }
    }
    fn print(&self) -> String {
        shortest(self.0, COUNTS)
    }
}

/// Whole percents, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl Unit for Percent {
    const WHAT: &'static str = "a percentage";
    const FORMS: &'static str = "`70%` (0% to 100%)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "%")];
    const PATTERN: &'static str = "[0-9]+%";
    fn parse(text: &str) -> Result<Self, UnitError> {
        let value = scaled(text, &[("%", 1)])?;
        u8::try_from(value).ok().filter(|p| *p <= 100).map(Self).ok_or(UnitError::Range("a percentage is 0% to 100%"))
    }
    fn print(&self) -> String {
        format!("{}%", self.0)
    }
}

/// Digits before the point, and behind it: what is printed of such a number is never longer, so that it reads back.
const DECIMAL_DIGITS_MAX: (usize, usize) = (10, 9);

/// Digits with an optional decimal part; no sign, no exponent, no `nan`.
fn decimal(text: &str) -> Result<f64, UnitError> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, DECIMAL_DIGITS_MAX.0) || !digits(part, DECIMAL_DIGITS_MAX.1) {
        return Err(UnitError::Form);
    }
    // A point alone is none.
    text.parse().map_err(|_| UnitError::Form)
}

/// A probability, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(pub f64);

impl Unit for Probability {
    const WHAT: &'static str = "a probability";
    const FORMS: &'static str = "`0.2` or `20%` (0 to 1)";
    const PATTERN: &'static str = concat!("[0-9]+%|", decimal!());
    const BARE: bool = true;
    fn parse(text: &str) -> Result<Self, UnitError> {
        if text.ends_with('%') {
            return Percent::parse(text).map(|p| Self(f64::from(p.0) / 100.0));
        }
        let value = decimal(text)?;
        if value > 1.0 { Err(UnitError::Range("a probability is 0 to 1")) } else { Ok(Self(value)) }
    }
    fn print(&self) -> String {
        format!("{}", self.0)
    }
}

/// So many times something: `3x`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Factor(pub f64);

impl Unit for Factor {
    const WHAT: &'static str = "a factor";
    const FORMS: &'static str = "`3x`, `1.5x` (more than 0, at most 1000x)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", "x")];
    const PATTERN: &'static str = concat!(decimal!(), "x");
    fn parse(text: &str) -> Result<Self, UnitError> {
        match decimal(text.strip_suffix('x').ok_or(UnitError::Form)?)? {
            factor if factor > 0.0 && factor <= 1000.0 => Ok(Self(factor)),
            _ => Err(UnitError::Range("a factor is more than 0 and at most 1000x")),
        }
    }
    fn print(&self) -> String {
        format!("{}x", self.0)
    }
}

/// An amount of money, in whatever currency the prices are given in.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Money(pub f64);

impl Unit for Money {
    const WHAT: &'static str = "a price";
    const FORMS: &'static str = "`120`, `0.08` (0 to 1000000000)";
    const PATTERN: &'static str = decimal!();
    const BARE: bool = true;
    fn parse(text: &str) -> Result<Self, UnitError> {
        let value = decimal(text)?;
        if value > 1e9 { Err(UnitError::Range("a price is at most 1000000000")) } else { Ok(Self(value)) }
    }
    fn print(&self) -> String {
        format!("{}", self.0)
    }
}

/// Exponent of a Zipf distribution: how much hotter the hot keys are. 0 is uniform.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Zipf(pub f64);

impl Unit for Zipf {
    const WHAT: &'static str = "a skew";
    const FORMS: &'static str = "`zipf(0.8)` (exponent 0 to 4) or `uniform`";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("zipf(", ")"), ("", "(0.8)")];
    const PATTERN: &'static str = concat!("uniform|zipf\\(", decimal!(), "\\)");
    fn parse(text: &str) -> Result<Self, UnitError> {
        if text == "uniform" {
            return Ok(Self(0.0));
        }
        let inner = text.strip_prefix("zipf(").and_then(|t| t.strip_suffix(')')).ok_or(UnitError::Form)?;
        let value = decimal(inner)?;
        if value > 4.0 { Err(UnitError::Range("the exponent is 0 to 4")) } else { Ok(Self(value)) }
    }
    fn print(&self) -> String {
        if self.0 == 0.0 { "uniform".to_owned() } else { format!("zipf({})", self.0) }
    }
}
