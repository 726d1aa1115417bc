//! Both renderings, byte for byte.

use super::{Code, Diagnostic, Fix, PRINTED_MAX, human, human_within, json, json_of_all};
use crate::source::{FileId, Sources, Span};

fn span(file: FileId, sources: &Sources, text: &str) -> Span {
    let start = sources.text(file).find(text).unwrap_or(0);
    Span { file, start, end: start + text.len() }
}

fn sample() -> (Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let base = sources.add("topology.yaml", "archgen: v1\nname: é\nservices:\n  user: { prot: 1 }\n".to_owned());
    let overlay = sources.add("env/dev.yaml", "services:\n  user: { replicas: 2 }\n".to_owned());
    let first = Diagnostic::error(Code(10), span(base, &sources, "prot"), "unknown key `prot` in `services.user`")
        .with_help("did you mean `port`?")
        .with_fix(Fix::replace(span(base, &sources, "prot"), "port"))
        .with_related(span(base, &sources, "services"), "in this section")
        .with_related(span(overlay, &sources, "user"), "also here");
    let second = Diagnostic::warning(Code(52), span(base, &sources, "é"), "the version is not pinned");
    (vec![first, second], sources)
}

#[test]
fn people_read_it_without_colour() {
    let (diagnostics, sources) = sample();
    let expected = "\
error[AG010]: unknown key `prot` in `services.user`
 --> topology.yaml:4:11
  |
3 | services:
  | -------- in this section
4 |   user: { prot: 1 }
  |           ^^^^
  |
 ::: env/dev.yaml:2:3
  |
2 |   user: { replicas: 2 }
  |   ---- also here
  |
  = help: did you mean `port`?

warning[AG052]: the version is not pinned
 --> topology.yaml:2:7
  |
2 | name: é
  |       ^

1 error, 1 warning
";
    assert_eq!(human(&diagnostics, &sources, false), expected);
    let colored = human(&diagnostics, &sources, true);
    assert!(colored.contains('\u{1b}') && colored.contains("AG010"));
}

#[test]
fn machines_read_exactly_this() {
    let (diagnostics, sources) = sample();
    let expected = concat!(
        r#"{"version":1,"diagnostics":[{"code":"AG010","severity":"error","message":"unknown key `prot` in `services.user`","#,
        r#""help":"did you mean `port`?","file":"topology.yaml","line":4,"column":11,"end_line":4,"end_column":15,"#,
        r#""related":[{"message":"in this section","file":"topology.yaml","line":3,"column":1,"end_line":3,"end_column":9},"#,
        r#"{"message":"also here","file":"env/dev.yaml","line":2,"column":3,"end_line":2,"end_column":7}],"#,
        r#""fix":{"title":"write `port`","edits":[{"file":"topology.yaml","line":4,"column":11,"end_line":4,"end_column":15,"replacement":"port"}]}},"#,
        r#"{"code":"AG052","severity":"warning","message":"the version is not pinned","help":null,"#,
        r#""file":"topology.yaml","line":2,"column":7,"end_line":2,"end_column":8,"related":[],"fix":null}]}"#,
    );
    assert_eq!(json(&diagnostics, &sources), expected);
    let twice = json_of_all(&[(&diagnostics, &sources), (&diagnostics, &sources)]);
    assert_eq!(twice.matches("AG010").count(), 2);
    assert_eq!(json(&[], &sources), r#"{"version":1,"diagnostics":[]}"#);
    assert_eq!(human(&[], &sources, false), "");
}

#[test]
fn fifty_are_printed_and_all_are_counted() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "a: 1\n".to_owned());
    let one = Diagnostic::error(Code(10), Span { file, start: 0, end: 1 }, "unknown key `a`");
    let text = human(&vec![one; 120], &sources, false);
    assert_eq!(text.matches("error[AG010]").count(), PRINTED_MAX);
    assert!(text.ends_with("120 errors (70 more not shown)\n"), "{text}");
}

#[test]
fn a_very_long_line_is_cut_around_the_mark() {
    let mut sources = Sources::default();
    let long = "é, ".repeat(5_000);
    let file = sources.add("a.yaml", format!("a: [{long}here, {long}]\n"));
    let at = span(file, &sources, "here");
    let text = human(&[Diagnostic::error(Code(11), at, "wrong")], &sources, false);
    assert!(text.contains("here") && text.len() < 2_000, "{} bytes", text.len());
}

#[test]
fn codes_are_read_as_they_are_printed() {
    assert_eq!(Code::parse("AG012"), Some(Code(12)));
    assert_eq!(Code::parse("ag012"), Some(Code(12)));
    for bad in ["AG12", "AG0012", "XX012", "AG01x", ""] {
        assert_eq!(Code::parse(bad), None);
    }
    assert_eq!(Code(12).to_string(), "AG012");
}

#[test]
fn help_fits_a_narrow_terminal() {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", "archgen: v1\n".to_owned());
    let help = "did you mean `port`? known keys: `kind`, `port`, `replicas`, `needs`, `publishes`, `consumes`";
    let one = Diagnostic::error(Code(10), Span { file, start: 0, end: 7 }, "unknown key").with_help(help);
    let text = human_within(&[(&[one], &sources)], false, Some(60));
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert!(text.contains("publishes") && text.contains("consumes"), "{text}");
}
