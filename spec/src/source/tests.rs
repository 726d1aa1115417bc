//! What is read of half-typed files.

use proptest::prelude::*;

use super::{FileId, Node, Sources, Value, parse};

/// The tree on one line; an invalid value is `?`.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Invalid => "?".to_owned(),
        Value::Scalar { text, .. } => text.clone(),
        Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|e| format!("{}: {}", e.key.text, shown(&e.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn sound(node: &Node, text: &str) {
    assert!(text.get(node.span.start..node.span.end).is_some(), "{:?}", node.span);
    for entry in node.entries() {
        assert!(text.get(entry.key.span.start..entry.key.span.end).is_some(), "{:?}", entry.key);
        sound(&entry.value, text);
    }
    if let Value::Sequence(items) = &node.value {
        items.iter().for_each(|item| sound(item, text));
    }
}

/// Parses; expects these faults (`line:column message`, separated by `; `) and this tree.
#[track_caller]
fn check(text: &str, faults: &str, tree: &str) {
    let mut out = Vec::new();
    let root = parse(FileId(0), text, &mut out);
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text.to_owned());
    let found: Vec<String> = out
        .iter()
        .map(|d| {
            let at = sources.position(file, d.primary.start);
            assert!(text.get(d.primary.start..d.primary.end).is_some(), "{:?}", d.primary);
            format!("{}:{} {}", at.line, at.column, d.message.trim_start_matches("invalid YAML: "))
        })
        .collect();
    root.iter().for_each(|root| sound(root, text));
    assert_eq!((found.join("; ").as_str(), root.as_ref().map_or_else(String::new, shown).as_str()), (faults, tree));
}

#[test]
fn colons_that_were_forgotten() {
    check("s:\n  port 92\n  b: 2\n", "2:3 no `:` behind `port`", "{s: {port: 92, b: 2}}");
    check("s:\n  port = 92\n  b: 2\n", "2:3 no `:` behind `port`", "{s: {port: 92, b: 2}}");
    check("s:\n  port\u{ff1a} [1, 2]\n  b: 2\n", "2:3 no `:` behind `port`", "{s: {port: [1, 2], b: 2}}");
    check(
        "l:\n  - a: 1\n  b: 2\n  c: 3\n  - a: 4\n",
        "3:3 no `- ` before this item of a list",
        "{l: [{a: 1, b: 2, c: 3}, {a: 4}]}",
    );
}

#[test]
fn half_typed_words() {
    check("a: 1\nsto\nb: 2\n", "2:1 no `:` behind `sto`", "{a: 1, sto: ?, b: 2}");
    check("s:\n  a:\n    port: 1\n    re\n  b: 2\n", "4:5 no `:` behind `re`", "{s: {a: {port: 1, re: ?}, b: 2}}");
    check("s:\n  user\n    port: 1\n  b: 2\n", "2:3 no `:` behind `user`", "{s: {user: {port: 1}, b: 2}}");
    check("a: 1\nport:92\nb: 2\n", "2:5 no blank behind this `:`", "{a: 1, port: 92, b: 2}");
    check("l:\n  - a: 1\n    b\n  - a: 2\n", "3:5 no `:` behind `b`", "{l: [{a: 1, b: ?}, {a: 2}]}");
    check("l:\n- a: 1\n  b\n- a: 2\nm: 3\n", "3:3 no `:` behind `b`", "{l: [{a: 1, b: ?}, {a: 2}], m: 3}");
}

#[test]
fn open_brackets_and_quotes() {
    check("z: [a, b\nb: 2\n", "1:4 this `[` is never closed", "{z: [a, b], b: 2}");
    check("z: { a: 1, b: [x # c\nb: 2\n", "1:15 this `[` is never closed", "{z: {a: 1, b: [x]}, b: 2}");
    check("l: {\n  a: 1,\n  b: 2\nm: 3\n", "1:4 this `{` is never closed", "{l: {a: 1, b: 2}, m: 3}");
    check("l: {\n  a: 1\n}\nm: [\n", "4:4 this `[` is never closed", "{l: {a: 1}, m: []}");
    check("v: \"7.2\nb: 2\n", "1:4 this quote \" is never closed", "{v: 7.2, b: 2}");
    check("v: { a: 'x\nb: 2\n", "1:9 this quote ' is never closed", "{v: {a: x}, b: 2}");
    check("v: { a: \"é, b: {x: 1} }\nb: 2\n", "1:9 this quote \" is never closed", "{v: {a: é, b: {x: 1}}, b: 2}");
    check("v: [ a, 'é ]\nb: 2\n", "1:9 this quote ' is never closed", "{v: [a, é], b: 2}");
    check(
        "a: { t: ${vars.k}, u: 1 }\nb: 2\n",
        "1:9 `${vars.k}` stands between brackets without quotes",
        "{a: {t: ${vars.k}, u: 1}, b: 2}",
    );
    check("a: don't\nb: it's [\nc: x: y\n", "3:5 a second `: ` where a value is due", "{a: don't, b: it's [, c: ?}");
}

/// What is found in a text that was mended lies in the text as it was written.
#[test]
fn places_of_a_mended_text_lie_in_the_file() {
    let mut out = Vec::new();
    let text = "c: 2\na: {{b: 1";
    let root = parse(FileId(0), text, &mut out);
    assert!(out.len() > 1 && root.is_some(), "{out:?}");
    for fault in &out {
        assert!(text.get(fault.primary.start..fault.primary.end).is_some(), "{fault:?}");
    }
}

#[test]
fn indentation() {
    check("a: 1\n\tb: 2\n\tc: 3\n", "2:1 a tab in the indentation", "{a: 1, b: 2, c: 3}");
    check("s:\n\ta:\n\t\tp: 1\n\tb: 2\n", "2:1 a tab in the indentation", "{s: {a: {p: 1}, b: 2}}");
    check(
        "s:\n  a: 1\n   b: 2\n  c: 3\n",
        "3:4 this line stands below `a`, which has a value already",
        "{s: {a: 1, b: 2, c: 3}}",
    );
    check("s:\n    a: 1\n  b: 2\nc: 3\n", "3:3 this line is indented wrongly", "{s: {a: 1, b: 2}, c: 3}");
}

/// How wide a tab is follows from what the text can mean.
#[test]
fn tabs_and_foreign_blanks() {
    let tab = |line: usize| format!("{line}:1 a tab in the indentation");
    check("s:\n  a:\n\tp: 1\n    q: 2\n  b: 3\n", &tab(3), "{s: {a: {p: 1, q: 2}, b: 3}}");
    check("s:\n  a:\n    p: 1\n\tq: 2\n  b: 3\n", &tab(4), "{s: {a: {p: 1, q: 2}, b: 3}}");
    check("s:\n  a: 1\n\tb: 2\n", &tab(3), "{s: {a: 1, b: 2}}");
    check(
        "s:\n  a:\n  \t- 1\n  \t- 2\n  b: [\n",
        "3:3 a tab in the indentation; 5:6 this `[` is never closed",
        "{s: {a: [1, 2], b: []}}",
    );
    check(
        "s:\n  é:\n\u{a0}\u{a0}\u{a0}\u{a0}p: 1\n    q: \"ü\n",
        "3:1 a no-break space in the indentation; 4:8 this quote \" is never closed",
        "{s: {é: {p: 1, q: ü}}}",
    );
}

#[test]
fn merges_that_were_never_finished() {
    let left = "2:1 a merge conflict is left in the file";
    check("a: 1\n<<<<<<< ours\nb: 2\n=======\nb: 3 é\nc: 4\n>>>>>>> theirs\nd: 5\n", left, "{a: 1, b: 2, d: 5}");
    check("a: 1\n<<<<<<<\nb: 2\n||||||| base\nb: 0\n=======\nb: 3\n>>>>>>>\n", left, "{a: 1, b: 2}");
    check("a: |\n  =======\nb: =======\n", "", "{a: =======\n, b: =======}");
}

#[test]
fn odd_characters() {
    check("a: 1\nb: @x\nc: 2\n", "2:4 a value cannot begin with this character", "{a: 1, b: ?, c: 2}");
    check("a: 1\nb: \"x\" y\nc: 2\n", "2:8 text behind a closing quote", "{a: 1, b: ?, c: 2}");
    check("\u{feff}é: [ü\r\nb: 2\r\n", "1:5 this `[` is never closed", "{é: [ü], b: 2}");
    check("a: 1\n]\nb: 2\n", "2:1 this bracket closes nothing", "{a: 1, b: 2}");
}

const NOISE: &str = "3:1 the control character U+0001; 1:5 did not find expected <document start>; \
                     2:15 a second `: ` where a value is due";

#[test]
fn several_faults_and_nothing_to_read() {
    check(
        "a: [1\nb\nc: {x: 1\na: 2\n",
        "1:4 this `[` is never closed; 2:1 no `:` behind `b`; 3:4 this `{` is never closed; 4:1 `a` is given twice",
        "{a: [1], b: ?, c: {x: 1}, : 2}",
    );
    check("[", "1:1 this `[` is never closed", "");
    check("%YAML 9.9\n---\na: 1\n", "1:1 unsupported yaml major version", "{a: 1}");
    let second = "1:4 this `[` is never closed; 2:1 a second document starts here; a spec is one document";
    check("a: [\n---\nb: 1\n", second, "{a: []}");
    check("*** not\n  yaml: at all: !\n\u{1}", NOISE, "");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// One broken line in a sound file: exactly the untouched entries keep their values.
    #[test]
    fn one_broken_line_costs_one_entry(at in 0_usize..12, broken in "[\\[{\"'@`%]{1,2}[a-z:]{0,3}") {
        let names = ["a", "b", "c", "d"];
        let mut text: Vec<String> = names.iter().flat_map(|n| [format!("{n}:"), "  x: 1".to_owned(), "  y: [2, 3]".to_owned()]).collect();
        let key = text[at].split(':').next().unwrap_or_default().to_owned();
        // A head with something broken behind it loses its children's owner, not its neighbours.
        text[at] = format!("{key}: {broken}");
        let text = text.join("\n");
        let mut out = Vec::new();
        let root = parse(FileId(0), &text, &mut out);
        let root = root.ok_or_else(|| TestCaseError::fail(text.clone()))?;
        sound(&root, &text);
        for (index, name) in names.iter().enumerate().filter(|(index, _)| at / 3 != *index) {
            let whole = Some("{x: 1, y: [2, 3]}".to_owned());
            prop_assert_eq!(root.get(name).map(shown), whole, "{} of {}, {}", name, text, index);
        }
    }
}

/// The certain fixes make the file YAML.
#[test]
fn fixes_mend() {
    let mended = |text: &str| {
        let mut out = Vec::new();
        parse(FileId(0), text, &mut out);
        let mut edits: Vec<_> = out.into_iter().filter_map(|d| d.fix).flat_map(|f| f.edits).collect();
        edits.sort_by_key(|e| std::cmp::Reverse(e.span.start));
        let mut text = text.to_owned();
        edits.into_iter().for_each(|e| text.replace_range(e.span.start..e.span.end, &e.replacement));
        text
    };
    assert_eq!(mended("a: { b: [x # c\nb: 1\n"), "a: { b: [x]} # c\nb: 1\n");
    assert_eq!(mended("a: \"x\nport:92\n"), "a: \"x\"\nport: 92\n");
    assert_eq!(mended("s:\n  user\n    port: 1\n"), "s:\n  user:\n    port: 1\n");
    assert_eq!(mended("a: { t: ${vars.k} }\n"), "a: { t: \"${vars.k}\" }\n");
    assert_eq!(mended("a: { b: \"7.2, c: 1 }\n"), "a: { b: \"7.2\", c: 1 }\n");
    assert_eq!(
        mended("s:\n  port 92\n  b = é\n  two words here\n  c: 1\n"),
        "s:\n  port: 92\n  b: é\n  two words here\n  c: 1\n"
    );
    assert_eq!(mended("s:\n\ta:\n\t\tp: 1\n\tb: 2\n"), "s:\n  a:\n    p: 1\n  b: 2\n");
    assert_eq!(mended("s:\n  a:\n\tp: 1\n    q: 2\n"), "s:\n  a:\n    p: 1\n    q: 2\n");
    // Whether `p` stands below `a` or beside it, nobody knows.
    assert_eq!(mended("s:\n  a:\n\tp: 1\n"), "s:\n  a:\n\tp: 1\n");
    assert_eq!(mended("a: [\n  x\nb: 1\nword\n"), "a: [\n  x\nb: 1\nword\n");
}
