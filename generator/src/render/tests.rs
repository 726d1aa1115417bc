//! Properties of the escaping rules: whatever goes in comes out of the target's own reading as it was.

use proptest::prelude::*;

use super::escape;

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
        prop_assert_eq!(serde_yaml::from_str::<String>(&quoted).expect("YAML"), text);
    }

    #[test]
    fn graph_labels_stay_in_their_quotes(text in "\\PC*") {
        prop_assert_eq!(unquote(&escape::dot(&text)), text.clone());
        let label = escape::mermaid(&text);
        let ends_a_label = label[1..label.len() - 1].contains(['"', '[', ']', '<', '>', '\n', '{', '}']);
        prop_assert!(!ends_a_label);
    }
}
