//! AG018: the language version is not first.

use super::Explanation;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::{Node, Span};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(18),
    title: "`archgen: v1` must be the first key",
    why: "The first line says in which language the rest is written, for people and for later versions that migrate older files.",
    fix: "Move `archgen: v1` to the top of the file.",
    before: r#"# whole
name: demo
archgen: v1
"#,
    after: r#"archgen: v1
name: demo
"#,
};

/// The spec does not say its language; `first` is its first key.
pub fn missing(first: Span) -> Diagnostic {
    let top = Span { end: first.start, ..first };
    let fix = Fix { title: "add `archgen: v1`".to_owned(), ..Fix::insert(top, "archgen: v1\n") };
    Diagnostic::error(EXPLANATION.code, first, "the spec does not say its language")
        .with_help("begin the file with the line `archgen: v1`")
        .with_fix(fix)
}

/// The root's first key must be `archgen`. That it is there at all is checked with the other required keys.
pub fn check(root: &Node, out: &mut Vec<Diagnostic>) {
    let late = root.entries().iter().skip(1).find(|e| e.key.text == "archgen");
    if let Some(entry) = late {
        let fault = Diagnostic::error(EXPLANATION.code, entry.key.span, "`archgen` must be the first key");
        let first = root.entries().first().map_or(entry.key.span, |e| e.key.span);
        out.push(fault.with_help("move it to the top of the file").with_related(first, "this stands before it"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
