//! What clients send: service and check definitions, in any of the key spellings that Consul takes (`Name`, `name`,
//! `deregister_critical_service_after`), and Go durations.

use std::{collections::BTreeMap, time::Duration};

use http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::RegistryError;

/// Longest name or id, bytes.
const NAME_BYTES_MAX: usize = 256;
/// Checks of one service.
const CHECKS_PER_SERVICE_MAX: usize = 8;
/// Shortest interval between HTTP checks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// State of a check, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Passing,
    Warning,
    Critical,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How a check learns its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CheckKind {
    /// Told by the instance within this time.
    Ttl(Duration),
    /// Asked for over HTTP.
    Http { url: String, interval: Duration, timeout: Duration },
}

/// A check as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckDefinition {
    pub id: String,
    pub name: String,
    pub notes: String,
    pub kind: CheckKind,
    pub status: Status,
    pub deregister_after: Option<Duration>,
}

/// A service instance as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceDefinition {
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub address: String,
    pub port: u16,
    pub meta: BTreeMap<String, String>,
    pub checks: Vec<CheckDefinition>,
}

#[derive(Deserialize)]
struct RawService {
    name: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    check: Option<RawCheck>,
    #[serde(default)]
    checks: Option<Vec<RawCheck>>,
}

#[derive(Deserialize)]
struct RawCheck {
    #[serde(default)]
    checkid: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    ttl: Option<String>,
    #[serde(default)]
    http: Option<String>,
    #[serde(default)]
    interval: Option<String>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    deregistercriticalserviceafter: Option<String>,
}

/// A service definition from a request body.
pub(super) fn service(body: &[u8], node_address: &str) -> Result<ServiceDefinition, RegistryError> {
    let raw: RawService = from_body(body)?;
    let id = raw.id.filter(|i| !i.is_empty()).unwrap_or_else(|| raw.name.clone());
    for (what, text) in [("Name", &raw.name), ("ID", &id)] {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(RegistryError::Malformed(format!("{what} must have 1 to {NAME_BYTES_MAX} bytes")));
        }
    }
    let raw_checks: Vec<RawCheck> = raw.check.into_iter().chain(raw.checks.unwrap_or_default()).collect();
    if raw_checks.len() > CHECKS_PER_SERVICE_MAX {
        return Err(RegistryError::Full { what: "checks of one service", max: CHECKS_PER_SERVICE_MAX });
    }
    let alone = raw_checks.len() == 1;
    let checks = raw_checks
        .into_iter()
        .enumerate()
        .map(|(i, c)| {
            check(c, &raw.name, if alone { format!("service:{id}") } else { format!("service:{id}:{}", i + 1) })
        })
        .collect::<Result<_, _>>()?;
    Ok(ServiceDefinition {
        address: raw.address.filter(|a| !a.is_empty()).unwrap_or_else(|| node_address.to_owned()),
        port: raw.port,
        tags: raw.tags.unwrap_or_default(),
        meta: raw.meta.unwrap_or_default(),
        name: raw.name,
        id,
        checks,
    })
}

fn check(raw: RawCheck, service: &str, default_id: String) -> Result<CheckDefinition, RegistryError> {
    let wait = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(duration).transpose();
    let kind = match (wait(&raw.ttl)?, raw.http.filter(|h| !h.is_empty())) {
        (Some(ttl), None) => CheckKind::Ttl(ttl),
        (None, Some(url)) => {
            let uri: Uri = url.parse().map_err(|_| RegistryError::Malformed(format!("HTTP {url:?} is not a URL")))?;
            if uri.scheme_str() != Some("http") || uri.host().is_none() {
                return Err(RegistryError::Malformed(format!("HTTP {url:?}: only http:// is checked here")));
            }
            let interval = wait(&raw.interval)?
                .ok_or_else(|| RegistryError::Malformed("Interval must be set for an HTTP check".to_owned()))?;
            let timeout = wait(&raw.timeout)?.unwrap_or(Duration::from_secs(10));
            CheckKind::Http { url, interval: interval.max(INTERVAL_MIN), timeout }
        }
        _ => return Err(RegistryError::Malformed("a check has either TTL or HTTP".to_owned())),
    };
    let given = raw.checkid.or(raw.id).filter(|i| !i.is_empty() && i.len() <= NAME_BYTES_MAX);
    Ok(CheckDefinition {
        id: given.unwrap_or(default_id),
        name: raw.name.filter(|n| !n.is_empty()).unwrap_or_else(|| format!("Service '{service}' check")),
        notes: raw.notes.unwrap_or_default(),
        kind,
        status: raw.status.as_deref().map_or(Ok(Status::Critical), status)?,
        deregister_after: wait(&raw.deregistercriticalserviceafter)?,
    })
}

/// The body of `check/update`.
pub(super) fn update(body: &[u8]) -> Result<(Status, String), RegistryError> {
    #[derive(Deserialize)]
    struct RawUpdate {
        status: String,
        #[serde(default)]
        output: Option<String>,
    }
    let raw: RawUpdate = from_body(body)?;
    Ok((status(&raw.status)?, raw.output.unwrap_or_default()))
}

fn status(text: &str) -> Result<Status, RegistryError> {
    match text {
        "passing" => Ok(Status::Passing),
        "warning" => Ok(Status::Warning),
        "critical" | "" => Ok(Status::Critical),
        other => Err(RegistryError::Malformed(format!("invalid check status {other:?}"))),
    }
}

fn from_body<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, RegistryError> {
    let value: Value = serde_json::from_slice(body).map_err(|e| RegistryError::Malformed(e.to_string()))?;
    serde_json::from_value(folded(value)).map_err(|e| RegistryError::Malformed(e.to_string()))
}

/// Keys in lower case without underscores, as Consul compares them; user-chosen keys (`Meta`, `Header`) stay.
fn folded(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let fold = |(key, value): (String, Value)| {
                let key = key.to_lowercase().replace('_', "");
                let free = matches!(key.as_str(), "meta" | "header" | "taggedaddresses");
                (key, if free { value } else { folded(value) })
            };
            Value::Object(map.into_iter().map(fold).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(folded).collect()),
        other => other,
    }
}

/// A Go duration: `10s`, `1m30s`, `250ms`, `1.5h`.
pub(super) fn duration(text: &str) -> Result<Duration, RegistryError> {
    let wrong = || RegistryError::Malformed(format!("invalid duration {text:?}"));
    let (mut rest, mut seconds) = (text, 0f64);
    if rest.is_empty() || rest.len() > 32 {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    // A year is far beyond any sensible check, and far below what a deadline can hold.
    Ok(Duration::from_secs_f64(seconds.min(31_536_000.0)))
}
