//! One escaping function per target language. Each answers `None` for text that the language cannot hold.

/// How one target writes a piece of text.
pub(super) type Rule = fn(&str) -> Option<String>;

/// The rule of a template, by the folder and the end of its output path.
pub(super) fn rule(path: &str) -> Rule {
    match path.rsplit('.').next() {
        Some("conf") if path.starts_with("nginx/") => nginx,
        Some("sql") => |text| (!text.contains('\0')).then(|| sql_identifier(text)),
        Some("cql") => |text| (!text.contains('\0')).then(|| sql_identifier(text)),
        Some("yaml" | "yml") => |text| Some(yaml(text)),
        Some("json") => |text| Some(json(text)),
        Some("js") => |text| Some(json(text)),
        _ => |text| (!text.contains(['\n', '\r', '\0'])).then(|| text.to_owned()),
    }
}

/// An nginx parameter: bare where that is safe, else quoted. nginx has no escape for `$`, so that such text is refused,
/// as are control characters.
pub(crate) fn nginx(text: &str) -> Option<String> {
    let bare = |c: char| c.is_ascii_alphanumeric() || "._-/:@=".contains(c);
    if text.contains('$') || text.chars().any(char::is_control) {
        None
    } else if !text.is_empty() && text.chars().all(bare) {
        Some(text.to_owned())
    } else {
        Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
    }
}

/// A quoted SQL or CQL identifier.
pub(crate) fn sql_identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A SQL or CQL string literal (with standard-conforming strings, as is the default).
pub(crate) fn sql_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A JSON string.
pub(crate) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A YAML double-quoted scalar: a JSON string in which what YAML does not take as it stands, or takes for the end of a line, is escaped.
pub(crate) fn yaml(text: &str) -> String {
    let as_it_stands =
        |c: char| !matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let mut out = String::with_capacity(text.len() + 2);
    for c in json(text).chars() {
        if as_it_stands(c) {
            out.push(c);
        } else {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    out
}

/// A Graphviz double-quoted string.
pub(crate) fn dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' | '"' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A Mermaid quoted label: everything but letters, digits and simple punctuation becomes an entity code.
pub(crate) fn mermaid(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if c.is_alphanumeric() || " ._-/:,()".contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("#{};", u32::from(c)));
        }
    }
    out.push('"');
    out
}
