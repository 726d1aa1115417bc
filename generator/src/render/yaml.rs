//! YAML from data, in block form. Text that could be taken for anything else stands in quotes.

use serde_json::Value;

/// The text of a document; lists and mappings that are empty stand in flow form.
pub(crate) fn yaml(value: &Value) -> String {
    let mut out = String::with_capacity(4_096);
    match value {
        Value::Object(all) if !all.is_empty() => mapping(all, 0, &mut out),
        Value::Array(all) if !all.is_empty() => list(all, 0, &mut out),
        leaf => {
            scalar(leaf, &mut out);
            out.push('\n');
        }
    }
    out
}

fn mapping(all: &serde_json::Map<String, Value>, depth: usize, out: &mut String) {
    for (index, (key, value)) in all.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        text(key, out);
        out.push(':');
        match value {
            Value::Object(below) if !below.is_empty() => {
                out.push('\n');
                indent(depth + 1, out);
                mapping(below, depth + 1, out);
            }
            Value::Array(below) if !below.is_empty() => {
                out.push('\n');
                indent(depth, out);
                list(below, depth, out);
            }
            leaf => {
                out.push(' ');
                scalar(leaf, out);
                out.push('\n');
            }
        }
    }
}

fn list(all: &[Value], depth: usize, out: &mut String) {
    for (index, value) in all.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(below) if !below.is_empty() => mapping(below, depth + 1, out),
            Value::Array(below) if !below.is_empty() => list(below, depth + 1, out),
            leaf => {
                scalar(leaf, out);
                out.push('\n');
            }
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(value) => text(value, out),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// Plain, in single quotes where only the reading of it is in doubt, in double quotes where it needs escapes.
fn text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.chars().all(|c| (' '..='~').contains(&c) || (c.is_alphanumeric() && !c.is_ascii())) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        out.push_str(&super::escape::yaml(text));
    }
}

/// Whether every reader takes it for this text, also one of YAML 1.1.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let bytes = text.as_bytes();
    let begins = |b: u8| b.is_ascii_alphabetic() || b"/_$.(".contains(&b);
    let inside = |b: u8| b.is_ascii_alphanumeric() || b" /_-.:()$@+=%,<>\"'[]{}*|&;!?^~".contains(&b);
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    begins(*first)
        && !b" :".contains(last)
        && bytes.iter().all(|b| inside(*b))
        && bytes.windows(2).all(|pair| pair != b": ")
        // `.5`, `.inf` and `...` are something else.
        && (*first != b'.' || bytes.get(1) == Some(&b'/'))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}
