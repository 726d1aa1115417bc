//! `config`, `fix`, `init`, and the formats of `check`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    editor::script,
    program::{archgen, command, project},
};

fn slack() -> String {
    project("examples/slack/topology.yaml").to_str().unwrap().to_owned()
}

/// A copy of the broken specs, so that they can be changed.
fn broken(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(project("examples/broken")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_str().unwrap().to_owned();
        if name.ends_with(".yaml") {
            fs::copy(entry.path(), folder.join(&name)).unwrap();
            names.push(name);
        }
    }
    names.sort();
    names
}

/// The paths of all values below one, as `archgen config` names them.
fn leaves(value: &Value, names: Vec<String>, all: &mut BTreeMap<Vec<String>, Value>) {
    let below = |name: String| names.iter().cloned().chain([name]).collect::<Vec<_>>();
    match value {
        Value::Object(entries) => entries.iter().for_each(|(name, value)| leaves(value, below(name.clone()), all)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| leaves(value, below(format!("[{index}]")), all));
        }
        _ => {
            all.insert(names, value.clone());
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn every_value_of_the_resolved_spec_stands_where_it_says_in_every_environment() {
    let folder = tempfile::tempdir().unwrap();
    let spec = slack();
    for environment in [None, Some("dev"), Some("sim"), Some("prod"), Some("mixed"), Some("real")] {
        let chosen = environment.map_or_else(Vec::new, |name| vec!["--env", name]);
        let arguments = [&["config", spec.as_str(), "--show-origin"], chosen.as_slice()].concat();
        let given = archgen(folder.path(), &[arguments.as_slice(), &["--format", "json"]].concat()).ok().json();
        assert_eq!((given["version"].as_u64(), given["environment"].as_str()), (Some(1), environment));
        let vars = &given["spec"]["vars"];
        let (mut written, mut defaults, mut overlaid, mut put_in) = (0, 0, 0, 0);
        let mut seen = BTreeMap::new();
        for leaf in given["values"].as_array().unwrap() {
            let names = leaf["path"].as_array().unwrap().iter().map(text_of).collect::<Vec<_>>();
            assert_eq!(seen.insert(names, leaf["value"].clone()), None, "{leaf} is said twice");
            let origin = &leaf["origin"];
            if let Some(reason) = origin["default"].as_str() {
                assert!(!reason.is_empty() && origin["file"].is_null(), "{leaf}");
                defaults += 1;
                continue;
            }
            let file = origin["file"].as_str().unwrap();
            let text = fs::read_to_string(file).unwrap();
            let line = text.lines().nth(origin["line"].as_u64().unwrap() as usize - 1).unwrap();
            let there: String = line.chars().skip(origin["column"].as_u64().unwrap() as usize - 1).collect();
            let there = there.trim_start_matches(['"', '\'']);
            let mut value = text_of(&leaf["value"]);
            if let Some((name, rest)) = there.strip_prefix("${vars.").and_then(|rest| rest.split_once('}')) {
                // A variable: what it holds, and what follows it here.
                let rest: String = rest.chars().take_while(|c| !" \"',}]".contains(*c)).collect();
                assert_eq!(value, text_of(&vars[name]) + &rest, "{leaf}: {there}");
                value = format!("${{vars.{name}}}{rest}");
                put_in += 1;
            }
            let behind = there.strip_prefix(&value).unwrap_or_else(|| panic!("{leaf}: {there}"));
            assert!(behind.is_empty() || behind.starts_with([' ', ',', '}', ']', '"', '\'']), "{leaf}: {there}");
            overlaid += usize::from(environment.is_some_and(|name| file.ends_with(&format!("env/{name}.yaml"))));
            written += 1;
        }
        assert!(
            written > 200 && defaults > 30 && put_in >= 1,
            "{written} written, {defaults} defaults, {put_in} put in"
        );
        assert!(environment.is_none() || overlaid >= 4, "{environment:?}: {overlaid} of the overlay");
        let mut all = BTreeMap::new();
        leaves(&given["spec"], Vec::new(), &mut all);
        assert_eq!(all, seen, "{environment:?}: every leaf has one origin, and every origin is a leaf's");
        let yaml = archgen(folder.path(), &arguments).ok().out;
        let bare: Vec<&str> =
            yaml.lines().filter(|l| !l.ends_with(':') && !l.ends_with('-') && !l.contains("  # ")).collect();
        assert_eq!(bare, [""; 0], "{environment:?}: every leaf has an origin");
    }
}

#[test]
fn secrets_print_as_references_even_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let spec = "archgen: v1\nname: a\nvars: { pw: \"${env.PW}\" }\nsecrets: { pg: \"env:PG\" }\nservices:\n  own: { kind: process, port: 9700, command: [./own, \"${vars.pw}\"], env: { A: secret:pg, B: \"${env.PW}\" } }\n";
    fs::write(folder.path().join("a.yaml"), spec).unwrap();
    for format in ["yaml", "json"] {
        let output = command(folder.path(), &["config", "a.yaml", "--show-origin", "--format", format])
            .envs([("PW", "swordfish"), ("PG", "swordfish")])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("secret:pg") && text.contains("${env.PW}"), "{text}");
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn fix_changes_only_the_faulty_words_and_a_second_time_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixed = 0;
    for name in broken(folder.path()) {
        let before = fs::read_to_string(folder.path().join(&name)).unwrap();
        let report = archgen(folder.path(), &["check", &name, "--format", "json"]).json();
        let lines: Vec<u64> = report["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|d| d["fix"]["edits"].as_array())
            .flatten()
            .flat_map(|e| e["line"].as_u64().unwrap()..=e["end_line"].as_u64().unwrap())
            .collect();
        let dry = archgen(folder.path(), &["fix", &name, "--dry-run"]);
        assert_eq!(before, fs::read_to_string(folder.path().join(&name)).unwrap(), "{name}: a dry run writes nothing");
        let given = archgen(folder.path(), &["fix", &name]);
        assert_eq!(dry.out.matches("would fix").count(), given.out.matches("fixed").count(), "{name}");
        let after = fs::read_to_string(folder.path().join(&name)).unwrap();
        if after != before {
            fixed += 1;
            if after.lines().count() == before.lines().count() {
                for (index, _) in before.lines().zip(after.lines()).enumerate().filter(|(_, (a, b))| a != b) {
                    assert!(lines.contains(&(index as u64 + 1)), "{name}: line {} has no fix", index + 1);
                }
            }
        }
        let again = archgen(folder.path(), &["fix", &name]);
        assert!(again.out.is_empty(), "{name}: {}", again.out);
        assert_eq!(after, fs::read_to_string(folder.path().join(&name)).unwrap());
    }
    assert!(fixed >= 5, "only {fixed} files of the corpus were fixed");
}

#[test]
fn starters_are_clean_and_overwrite_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for from in ["minimal", "slack"] {
        archgen(folder.path(), &["init", from, "--from", from]).ok();
        let given = archgen(folder.path(), &["check", &format!("{from}/topology.yaml")]).ok();
        assert!(given.notes.contains("no problems"), "{}", given.notes);
        assert_eq!(archgen(folder.path(), &["init", from, "--from", from]).status, 73);
    }
    archgen(folder.path(), &["check", "slack/topology.yaml", "--env", "dev"]).ok();
}

#[test]
fn sarif_of_the_corpus_is_valid_by_the_official_schema_and_tool() {
    let folder = tempfile::tempdir().unwrap();
    let names = broken(folder.path());
    let mut arguments = vec!["check", "--format", "sarif"];
    arguments.extend(names.iter().map(String::as_str));
    let given = archgen(folder.path(), &arguments);
    assert_eq!(given.status, 1);
    let log = given.json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() >= names.len() / 2, "{} results", results.len());
    let path = folder.path().join("problems.sarif");
    fs::write(&path, &given.out).unwrap();
    let path = path.to_str().unwrap();
    let tool = project("tests/interop/node_modules/@microsoft/sarif-multitool-linux");
    // `script` installs what both need.
    let schema = tool.join("sarif-2.1.0.json");
    let report = script("validate.mjs", &[schema.to_str().unwrap(), path]);
    assert_eq!(report[path], serde_json::json!([]), "{report:#}");
    let output = Command::new(tool.join("Sarif.Multitool"))
        .args(["validate", path])
        .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("1 files scanned") && !text.contains(": error "), "{text}");
}

#[test]
fn github_commands_name_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    broken(folder.path());
    let given = archgen(folder.path(), &["check", "unknown-key.yaml", "--format", "github"]);
    assert_eq!(given.status, 1);
    assert!(
        given.out.lines().all(|l| l.starts_with("::error file=unknown-key.yaml,line=")
            || l.starts_with("::warning file=unknown-key.yaml,line=")),
        "{}",
        given.out
    );
}

#[test]
fn standard_input_is_a_spec_and_an_unreadable_file_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &["check", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"archgen: v1\nname: a\nzone: [b]\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("\"file\":\"<stdin>\""), "{text}");
    broken(folder.path());
    let given = archgen(folder.path(), &["check", "none.yaml", "unknown-key.yaml"]);
    assert!(
        given.status == 71 && given.notes.contains("AG010") && given.notes.contains("`none.yaml`"),
        "{}",
        given.notes
    );
}

#[test]
fn watch_checks_again_when_a_file_changes_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, "archgen: v1\nname: a\n").unwrap();
    let mut child = command(folder.path(), &["check", "a.yaml", "--watch"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |word: &str| lines.find(|l| l.as_ref().unwrap().contains(word)).map(Result::unwrap);
    assert!(until("no problems").is_some() && until("watching").is_some());
    fs::write(&path, "archgen: v1\nname: a\nzoness: [b]\n").unwrap();
    assert!(until("AG010").is_some() && until("watching").is_some());
    fs::remove_file(&path).unwrap();
    assert!(until("cannot read `a.yaml`").is_some() && until("watching").is_some());
    fs::write(&path, "archgen: v1\nname: a\n").unwrap();
    assert!(until("no problems").is_some());
    child.kill().unwrap();
    child.wait().unwrap();
}
