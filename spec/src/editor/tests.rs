//! What the editor is told of a small project, with the cursor written as `|`.

use super::{CompletionKind, Project};
use crate::ReadError;
use crate::source::{FileId, Span};
use crate::units::Date;

const SPEC: &str = "\
archgen: v1
name: demo
vars: { keep: 30d }
zones: [eu-a, eu-b]
secrets: { tls: \"env:TLS\" }
gateway:
  kind: nginx
  version: \"1.22\"
  tls: secret:tls
  routes: { /api: { to: billing, auth: none } }
services:
  billing: { kind: process, port: 9700, command: [./b], needs: [chat.messages, cache], publishes: [events.bills] }
stores:
  cache: { kind: redis, embedded: true }
  chat:
    kind: cassandra
    embedded: true
    tables:
      messages: { partition: [channel_id bigint], ttl: \"${vars.keep}\" }
  events: { kind: kafka, embedded: true, topics: { bills: { partitions: 3 } } }
environments: { dev: env/dev.yaml }
";
const OVERLAY: &str = "services:\n  billing: { replicas: 2 }\nstores:\n  chat: { tables: { messages: { ttl: 1d } } }\n";

fn project(spec: &str, overlay: &str) -> Project {
    let read = |path: &str| if path == "env/dev.yaml" { Ok(overlay.to_owned()) } else { Err(ReadError::Missing) };
    Project::new(Date::of_unix_days(20_000), "demo.yaml", spec, &read, &|_| None)
}

/// Puts lines in place of the spec's tail from a line on; `|` is the cursor.
#[track_caller]
fn completed(from: &str, tail: &str) -> String {
    let head = SPEC.find(from).map(|at| &SPEC[..at]).unwrap_or_default();
    let rest = SPEC[head.len()..].split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
    let text = format!("{head}{tail}\n{rest}");
    let offset = text.find('|').unwrap_or_default();
    let text = text.replacen('|', "", 1);
    let all = project(&text, OVERLAY).completions(FileId(0), offset);
    for one in &all {
        assert!(one.span.start <= offset && offset <= one.span.end, "{one:?}");
        assert!(one.kind != CompletionKind::Key || !one.documentation.is_empty(), "{one:?}");
    }
    all.into_iter().map(|c| c.label).collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_that_are_due() {
    assert_eq!(
        completed("  kind: nginx", "  ver|\n  kind: nginx").split(' ').next(),
        Some("embedded"),
        "version is there"
    );
    assert!(completed("secrets:", "se|").contains("secrets"));
    let redis = completed("  cache:", "  cache: { kind: redis, | }");
    assert!(redis.contains("slots") && !redis.contains("tables") && !redis.contains("kind"), "{redis}");
    let kafka = completed("  events:", "  events:\n    kind: kafka\n    |");
    assert!(kafka.contains("brokers") && !kafka.contains("slots"), "{kafka}");
    let table = completed("      messages:", "      messages:\n        par|");
    assert!(table.contains("partition") && !table.contains("shard"), "a table of Cassandra: {table}");
    let fault = completed("environments:", "sim:\n  faults:\n    - { kind: crash, | }");
    assert!(fault.contains("on"), "{fault}");
    let fault = completed("environments:", "sim:\n  faults:\n    - kind: crash\n      |");
    assert!(fault.contains("on") && !fault.contains("kind"), "{fault}");
    assert_eq!(completed("services:", "# se|\nservices:"), "");
}

#[test]
fn words_of_a_choice() {
    assert_eq!(
        completed("  cache:", "  cache: { kind: | }"),
        "redis postgres cassandra mongodb kafka elasticsearch s3"
    );
    assert_eq!(completed("  cache:", "  cache: { kind: redis, embedded: t|"), "true false");
    assert!(completed("environments:", "sim:\n  invariants: [acked-not-lost, |").contains("per-channel-order"));
}

#[test]
fn names_of_the_right_kind() {
    let line = "  billing: { kind: process, port: 9700, command: [./b], ";
    assert_eq!(completed("  billing:", &format!("{line}needs: [ca|")), "billing cache chat chat.messages");
    assert_eq!(completed("  billing:", &format!("{line}publishes: [|] }}")), "events.bills");
    assert_eq!(completed("  routes:", "  routes: { /api: { to: | } }"), "billing");
    assert_eq!(completed("  tls: secret", "  tls: s|"), "secret:tls");
    assert_eq!(completed("environments:", "sim:\n  faults:\n    - { kind: zone-loss, zone: |"), "eu-a eu-b");
    assert_eq!(
        completed("environments:", "sim:\n  faults:\n    - kind: crash\n      on: |"),
        "billing cache chat events gateway"
    );
    assert_eq!(completed("name:", "name: ${|"), "${vars.keep}");
}

#[test]
fn facts_of_what_a_policy_or_a_test_asks() {
    let service = completed("environments:", "policies:\n  - { id: a, every: service, check: service.rep| }");
    assert!(
        service.contains("service.replicas ") && service.contains("load.users") && !service.contains("store."),
        "{service}"
    );
    let all = completed("environments:", "tests:\n  - id: a\n    check: |");
    assert!(all.contains("load.users") && all.contains("services") && !all.contains("service."), "{all}");
    let element = completed("environments:", "tests:\n  - id: a\n    check: \"stores.all(s, s.|\"");
    let odd = completed("environments:", "tests:\n  - id: a\n    check: \"zone.name == 'ä日|");
    assert!(odd.contains("load.users"), "{odd}");
    assert!(element.starts_with("s.name") && element.contains("s.survives_zone_loss"), "{element}");
}

#[test]
fn an_overlay_completes_the_names_of_the_base() {
    let overlay = "services:\n  ";
    let project = project(SPEC, overlay);
    let labels: Vec<String> = project.completions(FileId(1), overlay.len()).into_iter().map(|c| c.label).collect();
    assert_eq!(labels, ["billing"]);
}

fn at(text: &str, needle: &str) -> usize {
    text.find(needle).unwrap_or_default() + 1
}

fn shown(project: &Project, spans: &[Span]) -> Vec<String> {
    let one = |span: &Span| {
        let (path, text) = project.file(span.file).unwrap_or_default();
        let line = super::Lines::new(text).position(text, span.start).line + 1;
        format!("{path}:{line} {}", &text[span.start..span.end])
    };
    spans.iter().map(one).collect()
}

#[test]
fn definitions_and_references_across_files() {
    let project = project(SPEC, OVERLAY);
    let use_of = at(SPEC, "messages, cache]");
    assert_eq!(shown(&project, &project.definitions(FileId(0), use_of)), ["demo.yaml:19 messages"]);
    let all = project.references(FileId(0), use_of, true);
    assert_eq!(shown(&project, &all), ["demo.yaml:12 messages", "demo.yaml:19 messages", "env/dev.yaml:4 messages"]);
    let keep = project.references(FileId(0), at(SPEC, "keep:"), false);
    assert_eq!(shown(&project, &keep), ["demo.yaml:19 keep"]);
    assert!(project.definitions(FileId(0), 0).is_empty());
}

#[test]
fn a_rename_keeps_the_project_sound() {
    let project = project(SPEC, OVERLAY);
    assert!(project.problems().is_empty(), "{:?}", project.problems());
    for (needle, name) in [
        ("billing:", "invoices"),
        ("chat:", "talk"),
        ("messages:", "posts"),
        ("eu-a", "eu-c"),
        ("tls: \"", "cert"),
        ("keep:", "hold"),
    ] {
        let edits = project.rename(FileId(0), at(SPEC, needle), name).unwrap();
        assert!(!edits.is_empty());
        let mut texts = [SPEC.to_owned(), OVERLAY.to_owned()];
        let mut edits = edits;
        edits.sort_by_key(|e| std::cmp::Reverse((e.span.file, e.span.start)));
        for edit in edits {
            texts[edit.span.file.0 as usize].replace_range(edit.span.start..edit.span.end, &edit.replacement);
        }
        let after = super::tests::project(&texts[0], &texts[1]);
        assert!(after.problems().is_empty(), "{name}: {:?}\n{}", after.problems(), texts[0]);
        assert!(!texts[0].contains(&format!("{needle}:")), "{}", texts[0]);
    }
    let error = |needle: &str, name: &str| project.rename(FileId(0), at(SPEC, needle), name).unwrap_err().to_string();
    assert_eq!(error("billing:", "cache"), "`cache` exists already");
    assert!(error("billing:", "Bad Name").contains("is no name"));
    assert!(error("archgen", "x").starts_with("nothing"));
}

#[test]
fn hover_explains_the_key_its_value_and_the_name() {
    let project = project(SPEC, OVERLAY);
    let text = |needle: &str| project.hover(FileId(0), at(SPEC, needle)).map(|h| h.text).unwrap_or_default();
    let ttl = text("ttl:");
    assert!(ttl.starts_with("**`stores.chat.tables.messages.ttl`**") && ttl.contains("how long a row lives"), "{ttl}");
    assert!(ttl.contains("- here: `30d` (demo.yaml:19:") && ttl.contains("- dev: `1d` (env/dev.yaml:4:"), "{ttl}");
    assert!(text("cache]").contains("component `cache`, declared in demo.yaml:14"), "{}", text("cache]"));
    assert!(text("embedded: true").contains("stands in for the engine"));
}

#[test]
fn the_outline_follows_the_text() {
    let project = project(SPEC, OVERLAY);
    let names: Vec<String> = project.outline(FileId(0)).into_iter().map(|o| o.name).collect();
    assert_eq!(names.join(" "), "archgen name vars zones secrets gateway services stores environments");
    let stores = project.outline(FileId(0)).into_iter().find(|o| o.name == "stores").unwrap();
    assert_eq!(stores.below.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["cache", "chat", "events"]);
}

#[test]
fn numbers_that_follow_from_the_reference_spec() {
    let slack = include_str!("../../../examples/slack/topology.yaml");
    let project =
        Project::new(Date::of_unix_days(20_000), "topology.yaml", slack, &|_| Err(ReadError::Missing), &|_| None);
    let hints: Vec<String> =
        project.hints(FileId(0)).iter().map(|h| format!("{}{}", &slack[h.at.start..h.at.end], h.label)).collect();
    let text = hints.join("; ");
    assert!(text.contains("2k/s= 156GB a day") && text.contains("auto(100MB)= "), "{text}");
    assert!(text.contains("16384= 5462 per primary"), "{text}");
}

#[test]
fn half_typed_files_keep_their_other_problems() {
    let spec = SPEC.replace("  cache: {", "  cach\n  other: {").replace("9700", "0");
    let problems = project(&spec, OVERLAY).problems();
    let codes: Vec<u16> = problems.iter().map(|p| p.diagnostic.code.0).collect();
    assert!(codes.contains(&1) && codes.contains(&14), "{problems:?}");
}
