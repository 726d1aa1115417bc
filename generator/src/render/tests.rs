//! Properties of the escaping rules: whatever goes in comes out of the target's own reading as it was.

use proptest::prelude::*;

use super::{Data, escape};

/// Reads a token in quotes, where `\` escapes.
fn unquote(text: &str) -> String {
    let inner = &text[1..text.len() - 1];
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        assert_ne!(c, '"', "an open quote in {text}");
        out.push(if c == '\\' { chars.next().expect("an escaped character") } else { c });
    }
    out
}

/// Data as artifacts hold it; words that YAML takes for something else are frequent.
fn data() -> impl Strategy<Value = serde_json::Value> {
    let word = prop_oneof![
        "\\PC{0,12}",
        "[ -~]{0,12}",
        any::<String>(),
        "(yes|No|on|off|null|~|true|1e3|0x1f|1_000|.5|.inf|...|---|- a|a: b|a #b|a:|1:30|2026-01-01|=|<<|)",
    ];
    let leaf = prop_oneof![
        word.clone().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
        ]
    })
}

fn data_of(value: &serde_json::Value) -> Data<'_> {
    match value {
        serde_json::Value::Null => Data::Null,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => Data::Number(number.clone()),
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(all) => all.iter().map(data_of).collect(),
        serde_json::Value::Object(all) => {
            Data::Map(all.iter().map(|(name, value)| (name.as_str(), data_of(value))).collect())
        }
    }
}

proptest! {
    #[test]
    fn nginx_text_comes_back(text in "\\PC*") {
        match escape::nginx(&text) {
            None => prop_assert!(text.contains('$') || text.chars().any(char::is_control)),
            Some(quoted) if quoted.starts_with('"') => prop_assert_eq!(unquote(&quoted), text),
            Some(bare) => {
                prop_assert_eq!(&bare, &text);
                let ends_a_token = bare.contains([' ', ';', '{', '}', '"', '\'', '#', '\\']);
                prop_assert!(!ends_a_token);
            }
        }
    }

    #[test]
    fn sql_text_comes_back(text in any::<String>()) {
        for (quoted, quote) in [(escape::sql_identifier(&text), "\""), (escape::sql_literal(&text), "'")] {
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inner.replace(&quote.repeat(2), "").matches(quote).count(), 0);
            prop_assert_eq!(inner.replace(&quote.repeat(2), quote), text.clone());
        }
    }

    #[test]
    fn json_and_yaml_text_comes_back(text in any::<String>()) {
        let quoted = escape::json(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).expect("JSON"), text.clone());
        prop_assert_eq!(serde_yaml::from_str::<String>(&escape::yaml(&text)).expect("YAML"), text);
    }

    #[test]
    fn data_comes_back_from_yaml(value in data()) {
        let text = super::yaml(&data_of(&value));
        prop_assert_eq!(serde_yaml::from_str::<serde_json::Value>(&text).expect("YAML"), value, "{}", text);
    }

    #[test]
    fn graph_labels_stay_in_their_quotes(text in "\\PC*") {
        prop_assert_eq!(unquote(&escape::dot(&text)), text.clone());
        let label = escape::mermaid(&text);
        let ends_a_label = label[1..label.len() - 1].contains(['"', '[', ']', '<', '>', '\n', '{', '}']);
        prop_assert!(!ends_a_label);
    }
}

#[test]
fn characters_that_yaml_does_not_take_are_escaped() {
    let text = "\u{7f} \u{80} \u{85} \u{9f} \u{a0} \u{2028} \u{2029} \u{feff} \u{fffe} \u{ffff} \u{1f600}";
    let written = super::yaml(&super::data!({ "key": text }));
    assert_eq!(serde_yaml::from_str::<serde_json::Value>(&written).expect("YAML")["key"], text, "{written}");
    assert_eq!(written.lines().count(), 1, "{written}");
}
