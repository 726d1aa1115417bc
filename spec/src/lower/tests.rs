//! Overlays, variables, defaults and references, each through the whole loader.

use crate::topology::{Need, ServiceKind};
use crate::{Loaded, ReadError, load};

/// Loads a base (below a minimal head) with an overlay.
fn check(base: &str, overlay: &str) -> Loaded {
    let text = format!("archgen: v1\nname: demo\nenvironments: {{ dev: dev.yaml }}\n{base}");
    let read = |path: &str| if path == "dev.yaml" { Ok(overlay.to_owned()) } else { Err(ReadError::Missing) };
    load("spec/demo.yaml", text, Some("dev"), &read, &|name| (name == "REGION").then(|| "eu".to_owned()))
}

fn value(loaded: &Loaded, path: &str) -> String {
    let origin = loaded.origins.get(path);
    origin.map_or_else(|| "absent".to_owned(), |o| format!("{} @ {}", o.value, o.place(&loaded.sources)))
}

fn codes(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|d| format!("{} {}", d.code, loaded.sources.place(d.primary))).collect()
}

#[test]
fn mappings_merge_deeply_and_remember_their_file() {
    let base = "services:\n  user: { port: 9300, replicas: 4, needs: [cache] }\nstores:\n  cache: { kind: redis, version: \"7.2\" }\n";
    let loaded = check(base, "services:\n  user: { replicas: 1 }\nstores: { cache: { embedded: true } }\n");
    assert!(loaded.topology.is_some(), "{:?}", loaded.diagnostics);
    assert_eq!(value(&loaded, "services.user.replicas"), "1 @ spec/dev.yaml:2:21");
    assert_eq!(value(&loaded, "services.user.port"), "9300 @ spec/demo.yaml:5:17");
    assert_eq!(value(&loaded, "stores.cache.embedded"), "true @ spec/dev.yaml:3:30");
    assert_eq!(value(&loaded, "stores.cache.port"), "6379 @ default: the default of Redis");
}

#[test]
fn lists_replace_unless_their_items_have_ids() {
    let base = "zones: [a, b]\npolicies:\n  - { id: one, check: stores.size() < 2 }\n  - { id: two, check: stores.size() < 3 }\n";
    let overlay = "zones: [c]\npolicies:\n  - { id: two, level: warn }\n  - !unset { id: one }\n  - !add { id: three, every: store, check: store.nodes >= 1 }\n";
    let topology = check(base, overlay).topology;
    let topology = topology.as_ref();
    assert_eq!(topology.map(|t| t.zones.clone()), Some(vec!["c".to_owned()]));
    let policies = topology.map(|t| t.policies.iter().map(|p| (p.id.as_str(), p.error)).collect::<Vec<_>>());
    assert_eq!(policies, Some(vec![("two", false), ("three", true)]));
}

#[test]
fn a_profile_is_laid_under_what_is_said_and_over_the_defaults() {
    let base = "defaults: { service: { stop_within: 10s, replicas: 2 } }\nprofiles:\n  steady: { profile: patient, replicas: 3 }\n  patient: { replicas: 9, stop_within: 60s }\nservices:\n  user: { profile: steady, port: 9300 }\n  search: { profile: steady, port: 9600, replicas: 4, needs: [user] }\n";
    let loaded = check(base, "profiles: { patient: { stop_within: 90s } }\n");
    let topology = loaded.topology.as_ref();
    let replicas =
        topology.map(|t| t.services.iter().map(|s| (s.replicas, s.stop_within.as_secs())).collect::<Vec<_>>());
    assert_eq!(replicas, Some(vec![(3, 90), (4, 90)]));
    assert_eq!(value(&loaded, "services.user.replicas"), "3 @ spec/demo.yaml:6:41");
    assert_eq!(value(&loaded, "services.user.stop_within"), "90s @ spec/dev.yaml:1:37");
}

#[test]
fn what_is_wrong_in_a_profile_is_said_once() {
    let base = "profiles:\n  wrong: { replicas: many, nodes: 2 }\nservices:\n  user: { profile: wrong, port: 9300 }\n  search: { profile: wrong, port: 9600 }\n  file: { profile: wrnog, port: 9601 }\n";
    let loaded = check(base, "{}\n");
    let said: Vec<String> = loaded.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
    assert_eq!(said.len(), 3, "{said:?}");
}

#[test]
fn replace_and_add_say_what_they_do() {
    let base = "services:\n  user: { port: 9300, replicas: 4 }\n";
    let overlay = "services:\n  user: !replace { port: 9301 }\n  search: !add { port: 9600 }\n";
    let loaded = check(base, overlay);
    assert_eq!(value(&loaded, "services.user.replicas"), "1 @ default: one instance");
    assert_eq!(value(&loaded, "services.search.port"), "9600 @ spec/dev.yaml:3:24");
    let untagged = check(base, "services:\n  search: { port: 9600 }\n");
    assert_eq!(codes(&untagged), ["AG022 spec/dev.yaml:2:3"]);
    // Sections and settings of the language have defaults, so that naming one is not naming nothing.
    assert_eq!(codes(&check(base, "sim: { clients: 2 }\n")), [""; 0]);
}

#[test]
fn a_tag_that_does_nothing_is_an_error() {
    let base = "services:\n  user: { port: 9300, needs: [cache] }\nstores:\n  cache: { kind: redis, embedded: true }\n";
    let inside = check(base, "services:\n  user: !replace { port: 9300, replicas: !add 2 }\n");
    assert_eq!(codes(&inside), ["AG007 spec/dev.yaml:2:42"]);
    let listed = check(base, "services:\n  user: { needs: [!add cache] }\n");
    assert_eq!(codes(&listed), ["AG007 spec/dev.yaml:2:19"]);
}

#[test]
fn an_overlay_of_comments_changes_nothing() {
    let loaded = check("zones: [a]\n", "# nothing yet\n");
    assert!(loaded.topology.is_some() && loaded.diagnostics.is_empty());
    assert_eq!(codes(&check("zones: [a]\n", "zones: [a\n")), ["AG001 spec/dev.yaml:1:8"]);
}

#[test]
fn variables_are_put_in_once() {
    let base = "vars: { region: \"${env.REGION}-1\", odd: \"$${x}\" }\nregistry: { kind: consul, datacenter: \"${vars.region}\" }\n";
    let loaded = check(base, "");
    let centre = loaded.topology.as_ref().and_then(|t| t.registry.as_ref()).map(|r| r.datacenter.clone());
    assert_eq!(centre.as_deref(), Some("eu-1"));
    assert_eq!(value(&loaded, "vars.odd"), "${x} @ spec/demo.yaml:4:41");
    // A faulty variable is reported where it is declared and not where it is used.
    let faulty = check("vars: { region: \"${env.NOPE}\" }\nzones: [\"${vars.region}\"]\n", "");
    assert_eq!(codes(&faulty), ["AG024 spec/demo.yaml:4:17"]);
}

#[test]
fn a_process_keeps_its_port_and_its_references() {
    let base = "secrets: { pg: \"env:PG\" }\nservices:\n  own: { kind: process, port: 9700, command: [./own, \"${port}\"], env: { PGPASSWORD: secret:pg } }\n";
    let loaded = check(base, "");
    let kind = loaded.topology.as_ref().map(|t| t.services[0].kind.clone());
    let expected = ServiceKind::Process {
        command: vec!["./own".to_owned(), "${port}".to_owned()],
        environment: vec![("PGPASSWORD".to_owned(), "secret:pg".to_owned())],
    };
    assert_eq!(kind, Some(expected));
}

#[test]
fn references_become_ids() {
    let base = "services:\n  user: { port: 1, needs: [cache, users.b] }\n  search: { port: 2, needs: [user] }\nstores:\n  cache: { kind: redis, embedded: true }\n  users: { kind: postgres, embedded: true, tables: { a: { key: id uuid }, b: { key: id uuid } } }\n";
    let topology = check(base, "").topology;
    let Some(topology) = topology else { panic!("the spec is sound") };
    let needs: Vec<&[Need]> = topology.services.iter().map(|s| s.needs.as_slice()).collect();
    assert_eq!(topology.need_component(needs[0][0]), "cache");
    assert!(matches!(needs[0][1], Need::Dataset(d) if topology.store(d.store).datasets[d.dataset].name == "b"));
    assert_eq!(topology.need_component(needs[1][0]), "user");
}

#[test]
fn the_same_text_gives_the_same_bytes() {
    let text = include_str!("../../../examples/broken/dangling.yaml");
    let once = || {
        let loaded = load("x.yaml", text.to_owned(), None, &|_| Err(ReadError::Missing), &|_| None);
        crate::diagnostic::json(&loaded.diagnostics, &loaded.sources)
    };
    assert_eq!(once(), once());
}
