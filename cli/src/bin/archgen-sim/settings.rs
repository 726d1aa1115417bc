//! `--set path=value`: one more layer over the spec, as YAML merged into the overlay that is applied last.

use serde_yaml::{Mapping, Value};

/// Why a setting cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No `=`, or nothing before it.
    #[error("expected PATH=VALUE, such as `services.messaging.lease=2s`, found `{0}`")]
    Shape(String),
    /// The value is no YAML.
    #[error("`{0}` is no YAML value: {1}")]
    Value(String, serde_yaml::Error),
    /// What it is laid over is no YAML.
    #[error("the text that it is laid over is no YAML: {0}")]
    Base(serde_yaml::Error),
}

/// The text with these settings laid over it.
///
/// # Errors
/// See [`SettingError`].
pub fn lay_over(text: &str, settings: &[String]) -> Result<String, SettingError> {
    if settings.is_empty() {
        return Ok(text.to_owned());
    }
    let mut base: Value = serde_yaml::from_str(text).map_err(SettingError::Base)?;
    for setting in settings {
        let (path, value) = setting.split_once('=').ok_or_else(|| SettingError::Shape(setting.clone()))?;
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(SettingError::Shape(setting.clone()));
        }
        let value = serde_yaml::from_str(value).map_err(|error| SettingError::Value(value.to_owned(), error))?;
        set(&mut base, path, value);
    }
    serde_yaml::to_string(&base).map_err(SettingError::Base)
}

fn set(node: &mut Value, path: &str, value: Value) {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    if !node.is_mapping() {
        *node = Value::Mapping(Mapping::new());
    }
    let Value::Mapping(mapping) = node else { return };
    let below = mapping.entry(Value::String(key.to_owned())).or_insert(Value::Null);
    match rest {
        Some(rest) => set(below, rest, value),
        None => *below = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_laid_over_what_is_there() {
        let text = "services: { messaging: { replicas: 2, lease: 10s } }\ntls: !unset\n";
        let over = |settings: &[&str]| {
            lay_over(text, &settings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).map_err(|e| e.to_string())
        };
        let laid = over(&["services.messaging.lease=2s", "stores.chat.consistency={write: one}"]).unwrap();
        let value: Value = serde_yaml::from_str(&laid).unwrap();
        assert_eq!(value["services"]["messaging"]["lease"], "2s");
        assert_eq!(value["services"]["messaging"]["replicas"], 2);
        assert_eq!(value["stores"]["chat"]["consistency"]["write"], "one");
        assert!(laid.contains("!unset"), "{laid}");
        assert!(over(&["lease"]).unwrap_err().contains("expected PATH=VALUE"));
        assert!(over(&["a..b=1"]).unwrap_err().contains("expected PATH=VALUE"));
        assert!(over(&["a=[1"]).unwrap_err().contains("no YAML value"));
    }
}
