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
        _ => {
            let reason = kind.to_string();
            let message = format!("invalid YAML: {}", reason.trim_end_matches('.').to_lowercase());
            return Diagnostic::error(EXPLANATION.code, span, message).with_help(SKIPPED);
        }
    };
    Diagnostic::error(EXPLANATION.code, span, format!("invalid YAML: {what}")).with_help(help)
}

const SKIPPED: &str = "this entry was not read; the rest of the file was";

/// Something is forgotten that a person would see at once; `added` is what mends it, and where.
pub fn forgotten(span: Span, what: Forgotten, found: &str, added: (Span, &str)) -> Diagnostic {
    let (end, added) = added;
    let (message, help, fix) = match what {
        Forgotten::Bracket => {
            (format!("this `{found}` is never closed"), format!("add `{added}` at the end"), Fix::insert(end, added))
        }
        Forgotten::Quote => {
            (format!("this quote {found} is never closed"), format!("add {added} at the end"), Fix::insert(end, added))
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

/// A colon with no blank behind it.
pub fn no_blank(span: Span) -> Diagnostic {
    Diagnostic::error(EXPLANATION.code, span, "invalid YAML: no blank behind this `:`")
        .with_help("write `key: value`")
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
