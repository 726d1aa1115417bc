//! Every kind of reference that the language has is known to the editor: completion, definitions and renames. What a reference is says
//! `check`: a word for which another one is reported as not declared.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use archgen_spec::ast::{Scalar, ScalarKind, Shape};
use archgen_spec::diagnostic::Severity;
use archgen_spec::editor::{Project, Use};
use archgen_spec::reference::{Refers, language};
use archgen_spec::source::{FileId, Node, Span, Value, parse};
use archgen_spec::units::Date;
use archgen_spec::{Loaded, ReadError, load_on};

/// Every key that refers to a name, and every kind of thing that has one.
const SPEC: &str = r#"archgen: v1
name: demo
vars: { keep: 30d, city: eu }
zones: [eu-a, eu-b, eu-c]
secrets: { tls: "env:TLS", pg: "env:PG", ca: "file:./ca.pem", registry: "env:CONSUL" }
load: { messages: { key: channel_id } }
prices: { currency: EUR, components: { billing: 3, users: 4, gateway: 5 } }
objectives: { success: 99.9%, components: { billing: 99%, users: 99.95% } }
profiles:
  steady: { replicas: 2, timeout: 1s }
  steadier: { profile: steady, stop_within: 40s }
  real: { version: "15", credentials: { user: demo, password: secret:pg }, tls: secret:ca }
gateway:
  kind: nginx
  version: "1.22"
  host: demo.example.org
  tls: secret:tls
  limits: { per_ip: 20/s burst 40 }
  cors: { origins: ["https://app.example.org"], headers: [Idempotency-Key] }
  auth: { by: user }
  routes:
    /api/bills: { to: billing, timeout: 30s, retries: 0 }
    /api/users: { to: user, timeout: 30s, retries: 0 }
realtime: { kind: socketio, needs: [messaging, user, cache], replicas: 2 }
registry: { kind: consul, datacenter: "${vars.city}", servers: 3, endpoint: "consul.example.org:8500", token: secret:registry }
services:
  messaging: { port: 9200, replicas: 2, needs: [user, chat.messages, users.members], publishes: [events.bills] }
  user: { port: 9300, replicas: 2, needs: [users.accounts] }
  billing:
    kind: process
    profile: steadier
    port: 9700
    command: [./billing, --port, "${port}"]
    env: { PASSWORD: secret:pg, CITY: "${vars.city}" }
    needs: [users, cache, user]
    consumes: [events.bills]
    queries:
      account: { on: users.accounts, by: [email], rate: 50/s }
      bill: { on: users.accounts, by: [id] }
      page: { on: users.members, by: [user_id] }
stores:
  cache: { kind: redis, version: "7.2", nodes: 3, replicas: 1, weights: { cache-1: 2 } }
  users:
    kind: postgres
    profile: real
    endpoint: db.example.org:5432
    namespace: demo
    tables:
      accounts: { key: id uuid, columns: { email: text unique }, shard: { by: hash(id), into: 16 } }
      members:
        key: [channel_id bigint, user_id uuid]
        columns: { role: text, org_id: uuid }
        tenant: org_id
        indexes: { by_user: [user_id, role] }
  audit:
    kind: postgres
    version: "15"
    endpoint: audit.example.org:5432
    credentials: { user: demo, password: secret:pg }
    tls: secret:ca
    tables: { lines: { key: id uuid } }
  chat:
    kind: cassandra
    version: "4.1"
    nodes: 3
    replication: { eu: 3 }
    tables:
      messages: { partition: [channel_id bigint], cluster: [message_id bigint desc], ttl: "${vars.keep}" }
  events: { kind: kafka, version: "3.7", brokers: 3, topics: { bills: { partitions: 6, key: channel_id, retain: 7d } } }
sim:
  faults:
    - { kind: crash, on: billing }
    - { kind: partition, between: [messaging, chat] }
    - { kind: zone-loss, zone: eu-b, for: 2s }
policies:
  - { id: two-of-each, every: service, check: service.replicas >= 2, waive: { until: 2099-01-01, why: until the move is over } }
tests:
  - { id: zones, check: size(zones) == 3 }
  - { id: zone-gone, lose: zone eu-b for 60s, expect: [acked-not-lost] }
  - { id: one-gone, lose: one messaging for 5s, expect: [sends refused for at most 20s] }
environments: { dev: env/dev.yaml }
"#;

const OVERLAY: &str = r#"vars: { keep: 1d }
profiles: { steady: { timeout: 2s } }
services: { billing: { replicas: 3, queries: { bill: { rate: 5/s } } } }
stores:
  chat: { tables: { messages: { ttl: 2d } } }
  users: { tables: { accounts: { columns: { email: text } } } }
policies:
  - { id: two-of-each, level: warn }
tests:
  - { id: zones, check: size(zones) == 3 }
"#;

/// Keys whose value is plain text: no name of anything that the spec declares. A new key of text is put here, or into the table of
/// keys that refer (`spec/src/reference/names.rs`) and into the sample above.
const PLAIN: &[&str] = &[
    "name",
    "drift.ignore",
    "prices.currency",
    "environments.*",
    "profiles.*.credentials.user",
    "registry.datacenter",
    "services.*.command",
    "stores.*.credentials.user",
    "policies[].check",
    "policies[].waive.why",
    "tests[].check",
];

fn read(overlay: &str) -> impl Fn(&str) -> Result<String, ReadError> + '_ {
    move |path| if path == "env/dev.yaml" { Ok(overlay.to_owned()) } else { Err(ReadError::Missing) }
}

fn project(spec: &str, overlay: &str) -> Project {
    Project::new(Date::of_unix_days(20_000), "demo.yaml", spec, &read(overlay), &|_| None)
}

fn loaded(spec: &str) -> Loaded {
    let none = |_: &str| Err(ReadError::Missing);
    load_on(Date::of_unix_days(20_000), "demo.yaml", spec.to_owned(), None, &none, &|_| None)
}

/// One text of the sample: its key's path, where it stands, and whether it is the key itself.
struct Text {
    names: Vec<String>,
    span: Span,
    is_key: bool,
}

fn texts(node: &Node, names: &[String], all: &mut Vec<Text>) {
    let below = |name: &str| names.iter().cloned().chain([name.to_owned()]).collect::<Vec<_>>();
    match &node.value {
        Value::Mapping(entries) => {
            for entry in entries {
                let names = below(&entry.key.text);
                all.push(Text { names: names.clone(), span: entry.key.span, is_key: true });
                texts(&entry.value, &names, all);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| texts(item, &below("[0]"), all)),
        Value::Scalar { .. } => all.push(Text { names: names.to_vec(), span: node.span, is_key: false }),
        _ => {}
    }
}

fn sample() -> Vec<Text> {
    let mut all = Vec::new();
    texts(&parse(FileId(0), SPEC, &mut Vec::new()).unwrap(), &[], &mut all);
    all
}

/// The words of a text, each with where it stands.
fn words(span: Span) -> Vec<Span> {
    let (mut all, mut start) = (Vec::new(), None);
    for (at, c) in SPEC[span.start..span.end].char_indices().chain([(span.end - span.start, ' ')]) {
        match (start, c.is_ascii_alphanumeric() || "_-".contains(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                all.push(Span { start: span.start + from, end: span.start + at, ..span });
                start = None;
            }
            _ => {}
        }
    }
    all
}

fn pattern(text: &Text) -> String {
    let names: Vec<&str> = text.names.iter().map(String::as_str).collect();
    language().pattern(&names).unwrap_or_default().trim_end_matches("[]").to_owned()
}

/// Codes that say that a name is declared nowhere: references, columns, nodes, variables.
const NOTHING: [u16; 4] = [23, 30, 34, 58];

#[test]
fn the_sample_is_sound() {
    let problems = project(SPEC, OVERLAY).problems();
    let errors: Vec<String> =
        problems.iter().map(|p| format!("{} {}", p.diagnostic.code, p.diagnostic.message)).collect();
    assert!(loaded(SPEC).topology.is_some(), "{errors:#?}");
}

#[test]
fn whatever_check_takes_for_a_reference_the_editor_takes_for_one() {
    let project = project(SPEC, OVERLAY);
    let (mut references, mut forgotten) = (0, Vec::new());
    for text in sample() {
        for word in words(text.span) {
            let nothing = if SPEC[word.start..word.end].contains('_') { "zz_nothing" } else { "zz-nothing" };
            let broken = loaded(&format!("{}{nothing}{}", &SPEC[..word.start], &SPEC[word.end..]));
            let inside = |at: Span| at.start >= text.span.start && at.start <= word.end;
            let refers = broken.diagnostics.iter().any(|d| {
                NOTHING.contains(&d.code.0)
                    && d.message.contains("zz")
                    && !d.message.contains("is not a variable")
                    && (inside(d.primary) || d.related.iter().any(|(at, what)| what == "here, too" && inside(*at)))
            });
            if refers {
                references += 1;
                let known = project.use_at(FileId(0), word.start).is_some_and(|u: &Use| !u.declares);
                if !known || project.definitions(FileId(0), word.start + 1).is_empty() {
                    forgotten.push(format!("{} in {}", &SPEC[word.start..word.end], pattern(&text)));
                }
            }
        }
    }
    assert_eq!(forgotten, [""; 0], "the editor does not know these references: see spec/src/reference/names.rs");
    assert!(references >= 50, "{references} references");
    println!("{references} references of the sample are known to the editor");
}

#[test]
fn every_key_that_refers_is_in_the_sample_and_completed() {
    let project = project(SPEC, OVERLAY);
    let mut seen = BTreeSet::new();
    for text in sample() {
        let pattern = pattern(&text);
        let Some(key) = language().key(&pattern).filter(|key| key.refers.is_some()) else { continue };
        let refers = |word: &Span| {
            let here = project.use_at(FileId(0), word.start);
            here.is_some_and(|u| u.span == *word && !u.declares && u.name.what() != "variable")
        };
        // `system` and the value of a variable are no references.
        if text.is_key != key.names_are_keys()
            || !words(text.span).iter().any(refers) && key.refers != Some(Refers::Node)
        {
            continue;
        }
        let written = SPEC[text.span.start..text.span.end].trim_matches('"');
        seen.insert(pattern.clone());
        // The rest of what is in brackets goes with it, as if it were not typed yet.
        let line_end = SPEC[text.span.end..].find('\n').map_or(SPEC.len(), |at| text.span.end + at);
        let (start, rest) = (text.span.start, &SPEC[line_end..]);
        let typed = format!("{}{}", &SPEC[..start], rest);
        let half = self::project(&typed, OVERLAY);
        let labels: Vec<String> = half.completions(FileId(0), start).into_iter().map(|c| c.label).collect();
        let wanted = match written.split_once(" for ") {
            Some((lost, _)) => labels.iter().any(|label| label.starts_with(lost)),
            None => labels.iter().any(|label| label == written),
        };
        // What stood behind it on its line may have been declared there.
        let elsewhere = !SPEC[..start].contains(written) && !rest.contains(written);
        assert!(wanted || elsewhere, "{pattern}: `{written}` is not among {labels:?}");
    }
    let all: BTreeSet<String> =
        language().keys().filter(|key| key.refers.is_some()).map(|key| key.entry.path.to_owned()).collect();
    let missing: Vec<&String> = all.difference(&seen).collect();
    assert_eq!(missing, [""; 0], "keys that refer and do not stand in the sample");
}

#[test]
fn a_key_of_text_is_plain_or_refers() {
    let plain_text = |shape: &Shape| match shape {
        Shape::List(item) | Shape::Pair(item) => text_of(item),
        shape => text_of(shape),
    };
    let mut undecided = BTreeSet::new();
    for key in language().keys().filter(|key| key.refers.is_none() && key.declares.is_none() && plain_text(&key.shape))
    {
        undecided.insert(key.entry.path);
    }
    let plain: BTreeSet<&str> = PLAIN.iter().copied().collect();
    assert_eq!(undecided, plain, "each of these either refers to a name or does not: say which");
}

/// Any text may stand there, or a name.
fn text_of(shape: &Shape) -> bool {
    match shape {
        Shape::Scalar(Scalar { kind: ScalarKind::Text, what, .. }) => {
            ["text", "a name", "an identifier", "a column", "a secret's source"].contains(what)
        }
        Shape::Either(all) => all.iter().any(text_of),
        _ => false,
    }
}

#[test]
fn every_declared_name_is_renamed_in_the_spec_and_its_overlay() {
    let before = project(SPEC, OVERLAY);
    // Some warnings are about datasets of a name that archgen's own programs know.
    let errors = |project: &Project| {
        let all = project.problems().into_iter().filter(|p| p.diagnostic.severity == Severity::Error);
        all.map(|p| p.diagnostic.code.0).collect::<Vec<_>>()
    };
    let mut kinds = BTreeSet::new();
    for text in sample() {
        for word in words(text.span) {
            let Some(declared) = before.use_at(FileId(0), word.start).filter(|u| u.declares && u.span == word) else {
                continue;
            };
            let name = match declared.name.what() {
                "column" | "dataset" => "renamed_one",
                _ => "renamed-one",
            };
            let Ok(mut edits) = before.rename(FileId(0), word.start, name) else {
                // A service whose name is its kind keeps it.
                assert!(
                    ["messaging", "user", "gateway", "realtime", "registry"].contains(&declared.name.text()),
                    "{:?}",
                    declared.name
                );
                continue;
            };
            kinds.insert(declared.name.what());
            edits.sort_by_key(|e| std::cmp::Reverse(e.span.start));
            let mut texts = [SPEC.to_owned(), OVERLAY.to_owned()];
            for edit in edits {
                texts[edit.span.file.0 as usize].replace_range(edit.span.start..edit.span.end, &edit.replacement);
            }
            let after = project(&texts[0], &texts[1]);
            let said: Vec<String> = after.problems().iter().map(|p| p.diagnostic.message.clone()).collect();
            assert_eq!(errors(&after), errors(&before), "{:?}: {said:?}", declared.name);
        }
    }
    let wanted = ["column", "component", "dataset", "policy", "profile", "secret", "test", "variable", "zone"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
}
