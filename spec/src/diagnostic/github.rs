//! The rendering as workflow commands, which GitHub Actions shows beside the lines of a change.

use super::{Diagnostic, Severity};
use crate::source::Sources;

/// One command per diagnostic and line, in the given order.
pub fn github_of_all(specs: &[(&[Diagnostic], &Sources)]) -> String {
    let all = specs.iter().flat_map(|(diagnostics, sources)| diagnostics.iter().map(move |d| (d, *sources)));
    all.map(|(d, sources)| command(d, sources)).collect()
}

fn command(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let span = diagnostic.primary;
    let (start, end) = (sources.position(span.file, span.start), sources.position(span.file, span.end));
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    for (place, what) in &diagnostic.related {
        text.push_str(&format!("\n{}: {what}", sources.place(*place)));
    }
    // A column has a meaning there only within one line.
    let columns = match start.line == end.line {
        true => format!(",col={},endColumn={}", start.column, end.column),
        false => String::new(),
    };
    format!(
        "::{word} file={},line={},endLine={}{columns},title={}::{}\n",
        property(sources.path(span.file)),
        start.line,
        end.line,
        diagnostic.code,
        data(&text)
    )
}

/// What would end the text of a command is written in percent form.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::source::Span;

    #[test]
    fn a_command_cannot_be_ended_by_its_text() {
        let mut sources = Sources::default();
        let file = sources.add("a,b.yaml", "x: 1\n".to_owned());
        let at = Span { file, start: 0, end: 1 };
        let one = Diagnostic::error(Code(10), at, "100% wrong").with_help("a\nb");
        assert_eq!(
            github_of_all(&[(&[one], &sources)]),
            "::error file=a%2Cb.yaml,line=1,endLine=1,col=1,endColumn=2,title=AG010::100%25 wrong%0Ahelp: a%0Ab\n"
        );
    }
}
