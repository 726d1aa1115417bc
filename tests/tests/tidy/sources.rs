//! Rules on the text of sources: opening docs, lengths, and the invariants of absence.

use crate::sources;

/// Longest source without its tests, lines.
const LINES_MAX: usize = 500;

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

/// The text before a `#[cfg(test)]` module with a body.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// Code without comments, so that a rule may be named in a sentence.
fn code(text: &str) -> String {
    let lines = without_tests(text).lines().map(|l| l.split("//").next().unwrap_or(l));
    lines.collect::<Vec<_>>().join("\n")
}

fn assert_none(found: Vec<String>, rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

fn where_code(rule: impl Fn(&str, &str) -> bool) -> Vec<String> {
    sources().iter().filter(|(path, text)| !is_test(path) && rule(path, &code(text))).map(|(p, _)| p.clone()).collect()
}

#[test]
fn every_source_says_what_it_owns() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(p, _)| p).collect();
    assert_none(silent, "sources open with //!");
}

#[test]
fn sources_are_a_few_screens() {
    let long = sources().into_iter().filter(|(path, _)| !is_test(path)).filter_map(|(path, text)| {
        let lines = without_tests(&text).lines().count();
        (lines > LINES_MAX).then(|| format!("{path}: {lines} lines"))
    });
    assert_none(long.collect(), "sources have at most 500 lines without their tests");
}

#[test]
fn roots_hold_docs_and_modules_only() {
    let found = sources().into_iter().filter(|(path, text)| {
        (path.ends_with("/lib.rs") || path.ends_with("/mod.rs"))
            && !path.starts_with("tests/")
            && !is_test(path)
            && text.lines().count() > 120
    });
    assert_none(found.map(|(p, _)| p).collect(), "lib.rs and mod.rs stay small");
}

#[test]
fn no_vague_names() {
    let vague = ["utils", "util", "common", "helpers", "helper", "manager", "types", "misc"];
    let found = sources()
        .into_iter()
        .map(|(p, _)| p)
        .filter(|path| path.split('/').any(|part| vague.contains(&part.trim_end_matches(".rs"))));
    assert_none(found.collect(), "names say what a thing is");
}

#[test]
fn spec_and_generator_are_pure() {
    let found = where_code(|path, code| {
        (path.starts_with("spec/src") || path.starts_with("generator/src"))
            && ["async fn", "tokio", "std::net", "std::fs", "std::env", "File::"].iter().any(|w| code.contains(w))
    });
    assert_none(found, "spec and generator know no async, no socket, no file system");
}

#[test]
fn turmoil_is_known_to_the_simulator_only() {
    let found = sources().into_iter().filter(|(path, text)| {
        !path.starts_with("simulator/") && !path.starts_with("tests/tests/tidy") && text.contains("turmoil")
    });
    assert_none(found.map(|(p, _)| p).collect(), "the word turmoil appears only under simulator/");
}

#[test]
fn features_choose_backends_only() {
    let found = where_code(|path, code| {
        let choice = ["cfg(feature", "cfg_attr(feature", "cfg!(feature", "(not(feature", "any(feature", "all(feature"];
        !path.starts_with("runtime/backends") && choice.iter().any(|w| code.contains(w))
    });
    assert_none(found, "no cfg(feature) outside runtime/backends/");
}

#[test]
fn services_know_ports_and_env_only() {
    let banned = [
        "TcpStream",
        "TcpListener",
        "SystemTime",
        "std::time::Instant",
        "OsRng",
        "SysRng",
        "getrandom",
        "fjall",
        "sqlx",
        "scylla",
        "rdkafka",
        "mongodb::",
        "redis::",
        "elasticsearch::",
        "tokio::spawn",
        "tokio::fs",
        "std::fs",
    ];
    let found =
        where_code(|path, code| path.starts_with("runtime/services/src") && banned.iter().any(|w| code.contains(w)));
    assert_none(found, "services name no driver, engine, socket type, wall clock or random source");
}

#[test]
fn only_the_command_line_prints_reads_the_environment_or_exits() {
    let banned = ["println!", "print!(", "eprintln!", "std::env::var", "process::exit"];
    let found = where_code(|path, code| {
        !path.starts_with("cli/")
            && !path.contains("/examples/")
            && !path.contains("tests/src")
            && banned.iter().any(|w| code.contains(w))
    });
    assert_none(found, "only cli prints, reads the environment or exits");
}

#[test]
fn only_the_spec_tree_decodes_user_input() {
    let found = where_code(|path, code| {
        path.starts_with("spec/src")
            && !path.starts_with("spec/src/ast")
            && !path.starts_with("spec/src/sharding")
            && code.contains("Deserialize")
    });
    assert_none(found, "nothing but spec::ast derives Deserialize for user input");
}

#[test]
fn no_lint_is_switched_off_in_silence() {
    let found = sources().into_iter().filter(|(path, text)| {
        !path.starts_with("tests/tests/tidy") && ["#[allow(", "#![allow("].iter().any(|w| text.contains(w))
    });
    assert_none(found.map(|(p, _)| p).collect(), "#[expect(lint, reason = …)], never #[allow]");
}

#[test]
fn tests_can_fail_and_do_not_wait_by_the_clock() {
    let banned = ["#[ignore", "#[should_panic", "todo!(", "unimplemented!("];
    let found = sources()
        .into_iter()
        .filter(|(path, text)| !path.starts_with("tests/tests/tidy") && banned.iter().any(|w| text.contains(w)));
    assert_none(found.map(|(p, _)| p).collect(), "no ignored test, no should_panic, no todo");
}
