//! AG001: the text is no YAML.

use granit_parser::ErrorKind;

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic, Edit, Fix};
use crate::source::{Forgotten, Key, Span};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(1),
    title: "the file is not valid YAML",
    why: "What stands at the marked place cannot be read with certainty, so that entry is left out. The rest of the file is read and checked as far as it can be.",
    fix: "Look at the marked place and just before it: an unclosed bracket or quote, a tab used as indentation, a missing space after `:`.",
    before: r#"zones: [eu-a, eu-b
"#,
    after: r#"zones: [eu-a, eu-b]
"#,
};

/// What the YAML parser found, in words that say what to do.
pub fn at(span: Span, kind: &ErrorKind) -> Diagnostic {
    use ErrorKind as K;
    let (what, help) = match kind {
        K::MappingValueNotAllowed | K::InvalidColonPlacement => {
            ("a second `: ` where a value is due", "put a value that holds `: ` in quotes, or begin a new line")
        }
        K::SimpleKeyExpected | K::InvalidSimpleKey | K::ExpectedBlockMappingKey => {
            ("`key: value` is due here", "write a key, a colon, a blank and the value")
        }
        K::ExpectedFlowMappingSeparator => ("a `,` or the closing `}` is due here", "separate the entries with commas"),
        K::ExpectedFlowSequenceSeparator => ("a `,` or the closing `]` is due here", "separate the items with commas"),
        K::MisplacedFlowCollectionEnd | K::MismatchedFlowCollectionEnd { .. } => {
            ("this bracket closes nothing", "remove it, or open the matching one before it")
        }
        K::UnclosedFlowCollection { .. } | K::UnexpectedEofFlowMapping | K::UnexpectedEofFlowSequence => {
            ("a bracket is never closed", "add the closing bracket")
        }
        K::UnclosedQuotedScalar => ("a quote is never closed", "add the closing quote"),
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            ("text behind a closing quote", "put the whole value in quotes, or separate what follows with a comma")
        }
        K::UnknownQuotedScalarEscape => {
            ("no such escape in double quotes", "write `\\\\` for a backslash, or use single quotes")
        }
        K::UnexpectedCharacter { .. } => ("a value cannot begin with this character", "put the value in quotes"),
        K::TabInIndentation | K::TabInBlockIndentation | K::TabNotAllowed | K::TabInPlainScalar => {
            ("a tab where only blanks may stand", "use blanks")
        }
        K::InvalidIndentation | K::InvalidFlowScalarIndent | K::InvalidQuotedScalarIndent => {
            ("this line is indented wrongly", "indent it like its siblings, or deeper than the key it belongs to")
        }
        K::BlockSequenceEntryNotAllowed => {
            ("a list cannot begin here", "begin it on the next line, or write it as `[a, b]`")
        }
        K::UnexpectedEofImplicitFlowMapping => {
            ("an item is due here", "write what is missing, or remove the comma or bracket before it")
        }
        _ => {
            let reason = kind.to_string();
            let message = format!("invalid YAML: {}", reason.trim_end_matches('.').to_lowercase());
            return Diagnostic::error(EXPLANATION.code, span, message).with_help(SKIPPED);
        }
    };
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {what}")).with_help(help)
}

/// Longest line that a message repeats, bytes.
const SHOWN_MAX: usize = 120;
const SKIPPED: &str = "this entry was not read; the rest of the file was";

/// Something is forgotten that a person would see at once; `found` is what it is about and, where what is missing belongs into the middle
/// of a line, what stands before that; `added` is what mends it, and where.
pub fn forgotten(span: Span, what: Forgotten, found: (&str, Option<&str>), added: (Span, &str)) -> Diagnostic {
    let ((found, before), (end, added)) = (found, added);
    let (message, help, fix) = match what {
        Forgotten::Bracket => {
            (format!("this `{found}` is never closed"), format!("add `{added}` at the end"), Fix::insert(end, added))
        }
        Forgotten::Quote => {
            let help = match before {
                Some(before) => format!("add {added} behind `{before}`"),
                None => format!("add {added} at the end"),
            };
            (format!("this quote {found} is never closed"), help, Fix::insert(end, added))
        }
        Forgotten::Quotes => {
            let quote = |at| Edit { span: Span { start: at, end: at, ..span }, replacement: "\"".to_owned() };
            let fix = Fix { title: "put it in quotes".to_owned(), edits: vec![quote(span.start), quote(span.end)] };
            (format!("`{found}` stands between brackets without quotes"), format!("write `\"{found}\"`"), fix)
        }
    };
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {message}")).with_help(help).with_fix(fix)
}

/// A character that no YAML text may hold.
pub fn control(span: Span, byte: u8) -> Diagnostic {
    let name = if byte == 0 { "a NUL byte".to_owned() } else { format!("the control character U+{byte:04X}") };
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {name}"))
        .with_help("remove it; a file with many of them is no text, or UTF-16: save it as UTF-8")
}

/// A line that is no entry.
pub fn no_colon(span: Span, text: &str) -> Diagnostic {
    let shown: String = text.chars().take(40).collect();
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: no `:` behind `{shown}`"))
        .with_help("write it as `key: value`")
}

/// A line with a key and a value and no colon between them.
pub fn no_colon_between(span: Span, key: Span, value: Span, text: &str) -> Diagnostic {
    let (name, said) = (&text[..key.end - span.start], &text[value.start - span.start..]);
    let between = Span { start: key.end, end: value.start, ..span };
    let fix = Fix {
        title: format!("write `{name}: {said}`"),
        edits: vec![Edit { span: between, replacement: ": ".to_owned() }],
    };
    // Several words may be a sentence that belongs somewhere else.
    let one = !said.contains(char::is_whitespace) || said.starts_with(['[', '{', '"', '\'']);
    let certain = one && text.len() <= SHOWN_MAX;
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: no `:` behind `{name}`"))
        .with_help(if certain { fix.title.clone() } else { format!("write it as `{name}: value`") })
        .with_fix(Some(fix).filter(|_| certain))
}

/// A colon with no blank behind it.
pub fn no_blank(span: Span, key: &str, value: &str) -> Diagnostic {
    let value = if key.len() + value.len() <= SHOWN_MAX { value } else { "value" };
    Diagnostic::error(EXPLANATION.code, span, "invalid YAML: no blank behind this `:`")
        .with_help(format!("write `{key}: {value}`"))
        .with_fix(Fix::insert(Span { start: span.end, ..span }, " "))
}

/// A line in a list that does not begin with a dash.
pub fn no_item(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "invalid YAML: no `- ` before this item of a list")
        .with_help("begin each item with `- `, or indent the line like the list's owner")
}

/// A tab in the indentation; only the first is reported.
pub fn tab(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "invalid YAML: a tab in the indentation")
        .with_help("indent with blanks; other lines of the file may have tabs, too")
}

/// A tab or another tool's blank in the indentation of so many lines; the first is marked.
pub fn indentation((span, found): (Span, char), lines: usize) -> Diagnostic {
    let what = match found {
        '\t' => "a tab".to_owned(),
        '\u{a0}' => "a no-break space".to_owned(),
        other => format!("the space U+{:04X}", u32::from(other)),
    };
    let help = match lines {
        1 => "indent with blanks".to_owned(),
        2 => "indent with blanks; one more line begins like that".to_owned(),
        _ => format!("indent with blanks; {} more lines begin like that", lines - 1),
    };
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {what} in the indentation")).with_help(help)
}

/// A merge that was never finished.
pub fn conflict(first: Span, second: Option<Span>) -> Diagnostic {
    let fault = Diagnostic::error(EXPLANATION.code, first, "invalid YAML: a merge conflict is left in the file")
        .with_help("keep one of the sides, and remove the three marks; until then only the first side is checked");
    match second {
        Some(second) => fault.with_related(second, "the other side begins here"),
        None => fault,
    }
}

/// A line that is indented below a key that has a value already.
pub fn indented(span: Span, key: &Key) -> Diagnostic {
    let message = format!("invalid YAML: this line stands below `{}`, which has a value already", key.text);
    Diagnostic::error(EXPLANATION.code, span, message)
        .with_related(key.span, "this key")
        .with_help(format!("indent it like `{}`", key.text))
}

/// Reading on would take too long.
pub fn too_broken(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "invalid YAML: too much is broken to read on")
        .with_help("nothing after this place was read; mend what is reported and run again")
}

/// What else is said of a place that is no YAML follows from that: it is not said.
pub fn hide_consequences(all: &mut Vec<Diagnostic>) {
    let broken: Vec<Span> = all.iter().filter(|d| d.code == EXPLANATION.code).map(|d| d.primary).collect();
    let meets = |a: Span, b: Span| a.file == b.file && a.start < b.end && b.start < a.end;
    all.retain(|d| d.code == EXPLANATION.code || !broken.iter().any(|b| meets(*b, d.primary)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
