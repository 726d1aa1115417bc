//! Short phrases that join a word and a quantity.

use std::time::Duration;

use super::{Period, PeriodRange, Unit, UnitError, number};

/// `/healthz every 5s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// HTTP path.
    pub path: String,
    /// Time between checks.
    pub every: Duration,
}

impl Unit for HealthCheck {
    const WHAT: &'static str = "a health check";
    const FORMS: &'static str = "`/healthz every 5s` (every 100ms to 10m)";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("", " every 5s")];
    const PATTERN: &'static str = concat!("/[A-Za-z0-9/_.~-]* +every +", period!());
    fn parse(text: &str) -> Result<Self, UnitError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [path, "every", every] = words.as_slice() else { return Err(UnitError::Form) };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
        if !path.starts_with('/') || !path.bytes().all(plain) {
            return Err(UnitError::Form);
        }
        let every = Period::parse(every)?.0;
        if every < Duration::from_millis(100) || every > Duration::from_secs(600) {
            return Err(UnitError::Range("the time between checks is 100ms to 10m"));
        }
        Ok(Self { path: (*path).to_owned(), every })
    }
    fn print(&self) -> String {
        format!("{} every {}", self.path, Period(self.every).print())
    }
}

/// `backoff 200ms..30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartBackoff(pub Duration, pub Duration);

impl Unit for RestartBackoff {
    const WHAT: &'static str = "a restart rule";
    const FORMS: &'static str = "`backoff 200ms..30s`";
    const FORGOTTEN: &'static [(&'static str, &'static str)] = &[("backoff ", ""), ("backoff ", "..30s")];
    const HABITS: &'static [(&'static str, &'static str)] = &[
        ("always", "backoff 200ms..30s"),
        ("unless-stopped", "backoff 200ms..30s"),
        ("on-failure", "backoff 200ms..30s"),
        ("OnFailure", "backoff 200ms..30s"),
    ];
    const PATTERN: &'static str = concat!("backoff +", period!(), "(?: *\\.\\. *", period!(), ")?");
    fn parse(text: &str) -> Result<Self, UnitError> {
        let range = text.strip_prefix("backoff ").ok_or(UnitError::Form)?;
        let PeriodRange(least, most) = PeriodRange::parse(range.trim())?;
        if least < Duration::from_millis(10) {
            return Err(UnitError::Range("the shortest backoff is 10ms"));
        }
        Ok(Self(least, most))
    }
    fn print(&self) -> String {
        format!("backoff {}", PeriodRange(self.0, self.1).print())
    }
}

/// `major.minor`, with an optional patch that is checked and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Unit for Version {
    const WHAT: &'static str = "a version";
    const FORMS: &'static str = "`\"1.22\"` or `\"1.22.1\"`";
    const PATTERN: &'static str = "[0-9]+\\.[0-9]+(?:\\.[0-9]+)?";
    const BARE: bool = true;
    fn parse(text: &str) -> Result<Self, UnitError> {
        let mut parts = Vec::new();
        for part in text.split('.') {
            let (value, "") = number(part)? else { return Err(UnitError::Form) };
            parts.push(u32::try_from(value).map_err(|_| UnitError::Range("the number is too large"))?);
        }
        match parts.as_slice() {
            [major, minor] | [major, minor, _] => Ok(Self(*major, *minor)),
            _ => Err(UnitError::Form),
        }
    }
    fn print(&self) -> String {
        format!("{}.{}", self.0, self.1)
    }
}
