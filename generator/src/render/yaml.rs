//! YAML from data, in block form. Text that could be taken for anything else stands in quotes.

use super::{Data, Map};

/// The text of a document; lists and mappings that are empty stand in flow form.
pub(crate) fn yaml(value: &Data<'_>) -> String {
    let mut out = String::with_capacity(4_096);
    document(value, &mut out);
    out
}

/// The same at the end of another text.
pub(crate) fn document(value: &Data<'_>, out: &mut String) {
    match value {
        Data::Map(all) if !all.is_empty() => mapping(all, 0, out),
        Data::List(all) if !all.is_empty() => list(all, 0, out),
        leaf => {
            scalar(leaf, out);
            out.push('\n');
        }
    }
}

/// Entries of a mapping that is so deep in a document, at its end: what is large is written part by part.
pub(crate) fn entries(all: &Map<'_>, depth: usize, out: &mut String) {
    if !all.is_empty() {
        indent(depth, out);
        mapping(all, depth, out);
    }
}

fn mapping(all: &Map<'_>, depth: usize, out: &mut String) {
    for (index, (key, value)) in all.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        text(key, out);
        out.push(':');
        match value {
            Data::Map(below) if !below.is_empty() => {
                out.push('\n');
                indent(depth + 1, out);
                mapping(below, depth + 1, out);
            }
            Data::List(below) if !below.is_empty() => {
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

fn list(all: &[Data<'_>], depth: usize, out: &mut String) {
    for (index, value) in all.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        out.push_str("- ");
        match value {
            Data::Map(below) if !below.is_empty() => mapping(below, depth + 1, out),
            Data::List(below) if !below.is_empty() => list(below, depth + 1, out),
            leaf => {
                scalar(leaf, out);
                out.push('\n');
            }
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    const BLANK: &str = "                                ";
    match BLANK.get(..depth * 2) {
        Some(blank) => out.push_str(blank),
        None => out.extend(std::iter::repeat_n("  ", depth)),
    }
}

fn scalar(value: &Data<'_>, out: &mut String) {
    match value {
        Data::Text(value) => text(value, out),
        Data::Null => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => out.push_str(&number.to_string()),
        Data::List(_) => out.push_str("[]"),
        Data::Map(_) => out.push_str("{}"),
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

/// What a byte may be in plain text.
const BEGINS: u8 = 1;
const INSIDE: u8 = 2;
const ALLOWED: [u8; 256] = {
    let mut allowed = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            allowed[byte] = INSIDE;
        }
        if (byte as u8).is_ascii_alphabetic() {
            allowed[byte] |= BEGINS;
        }
        byte += 1;
    }
    let (begins, inside) = (b"/_$.(", b" /_-.:()$@+=%,<>\"'[]{}*|&;!?^~");
    let mut index = 0;
    while index < inside.len() {
        allowed[inside[index] as usize] |= INSIDE;
        if index < begins.len() {
            allowed[begins[index] as usize] |= BEGINS;
        }
        index += 1;
    }
    allowed
};

/// Whether every reader takes it for this text, also one of YAML 1.1.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    const WORD_BYTES_MAX: usize = 5;
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let mut before = 0;
    for byte in bytes {
        // A colon and a blank end a key.
        if ALLOWED[usize::from(*byte)] & INSIDE == 0 || (before == b':' && *byte == b' ') {
            return false;
        }
        before = *byte;
    }
    ALLOWED[usize::from(*first)] & BEGINS != 0
        && !b" :".contains(last)
        // `.5`, `.inf` and `...` are something else.
        && (*first != b'.' || bytes.get(1) == Some(&b'/'))
        && (bytes.len() > WORD_BYTES_MAX || !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)))
}
