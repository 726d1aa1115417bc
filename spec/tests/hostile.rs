//! Files made to hurt: each is refused quickly, with an error that has a place, and without overflowing the stack.

use std::time::Duration;

use archgen_spec::{Loaded, ReadError, load};

/// Processor time that this thread has used: what a busy machine does not change.
fn used() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX))
}

/// Loads on a small stack, within seconds of processor time, and gives the codes.
fn check(what: &str, text: String, expect: &[&str]) {
    let worker = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        let start = used();
        let loaded: Loaded = load("hostile.yaml", text, None, &|_| Err(ReadError::Missing), &|_| None);
        (used() - start, loaded.topology.is_none(), loaded.diagnostics)
    });
    let joined = worker.map(std::thread::JoinHandle::join);
    let Ok(Ok((took, refused, diagnostics))) = joined else { panic!("{what}: the loader crashed") };
    let mut codes: Vec<String> = diagnostics.iter().map(|d| d.code.to_string()).collect();
    codes.dedup();
    assert_eq!(codes, expect, "{what}");
    assert!(refused, "{what}");
    // Processor time of an unoptimised build on a busy machine; optimised it is milliseconds.
    assert!(took < Duration::from_secs(5), "{what} took {took:?}");
    assert!(diagnostics.len() <= 101, "{what}: {} diagnostics", diagnostics.len());
}

#[test]
fn deep_files_are_refused() {
    let depth = 100_000;
    check("lists", format!("archgen: v1\nvars: {}", "[".repeat(depth)), &["AG004"]);
    check("closed lists", format!("archgen: v1\nvars: {}{}", "[".repeat(depth), "]".repeat(depth)), &["AG004"]);
    check("mappings", format!("archgen: v1\nvars: {}", "{a: ".repeat(depth)), &["AG004"]);
    check("block lists", format!("archgen: v1\nvars:\n  {}x", "- ".repeat(depth)), &["AG004"]);
    let mixed = "[{a: ".repeat(depth / 2);
    check("both", format!("archgen: v1\nvars: {mixed}"), &["AG004"]);
    // Indentation alone makes this one quadratic in size, so it is as deep as a file of that size allows.
    let steps: String = (0..3_500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    check("block mappings", steps, &["AG004"]);
}

#[test]
fn large_files_are_refused() {
    check("zeros", "0".repeat(16 * 1024 * 1024 + 1), &["AG003"]);
    check("comments", "# nothing\n".repeat(1_700_000), &["AG003"]);
    check("a long key", format!("archgen: v1\nname: x\n{}: 1\n", "k".repeat(100_000)), &["AG001"]);
}

#[test]
fn aliases_do_not_grow() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let uses = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    check("a billion laughs", laughs, &["AG005"]);
    check("many aliases", format!("archgen: v1\nvars: [{}]", "*x, ".repeat(1_000_000)), &["AG005"]);
}

#[test]
fn variables_do_not_grow() {
    let many = "${vars.a}".repeat(400);
    let text = format!("archgen: v1\nname: x\nvars: {{ a: {} }}\nzones: [\"{many}\"]\n", "y".repeat(4000));
    check("a long product", text, &["AG023"]);
}

#[test]
fn odd_bytes_are_errors_not_crashes() {
    check("nothing", String::new(), &["AG011"]);
    check("a scalar", "hello".to_owned(), &["AG011"]);
    check("a list", "- a\n- b\n".to_owned(), &["AG011"]);
    check("a tab", "archgen: v1\n\tname: x\n".to_owned(), &["AG001"]);
    check("a control character", "archgen: \u{1}\nname: x\n".to_owned(), &["AG001"]);
    check("NUL bytes", "archgen: v1\nname: a\0b\nzones: [\"x\0\"] # \0\n\0\0".to_owned(), &["AG001"]);
    check("nothing but NUL bytes", "\0".repeat(100_000), &["AG001"]);
    check("a directive", "%YAML 9.9\n---\narchgen: v1\nname: x\n".to_owned(), &["AG001"]);
    check("an odd key", "archgen: v1\nname: x\n? [a, b]\n: 1\n".to_owned(), &["AG011"]);
    check("a null key", "archgen: v1\nname: x\n~: 1\n".to_owned(), &["AG010"]);
    check("quotes", "archgen: v1\nname: \"x".to_owned(), &["AG001"]);
}

#[test]
fn a_long_chain_of_needs_takes_no_stack() {
    use std::fmt::Write;
    let mut text = "archgen: v1\nname: x\nservices:\n".to_owned();
    // `make bench-spec` measures five times as many, optimised. Frames of 20,000 calls would fill this stack many times over.
    for index in 0..20_000_u32 {
        let needs = index.checked_sub(1).map_or_else(String::new, |before| format!(", needs: [s{before}]"));
        let port = index + 1024;
        let _ = writeln!(text, "  s{index}: {{ kind: process, port: {port}, command: [./s]{needs} }}");
    }
    let worker = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        let loaded = load("chain.yaml", text, None, &|_| Err(ReadError::Missing), &|_| None);
        let codes: std::collections::BTreeSet<String> = loaded.diagnostics.iter().map(|d| d.code.to_string()).collect();
        codes.into_iter().collect::<Vec<_>>()
    });
    let joined = worker.map(std::thread::JoinHandle::join);
    let Ok(Ok(codes)) = joined else { panic!("the loader crashed") };
    assert_eq!(codes, [""; 0]);
}
