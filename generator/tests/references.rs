//! What no third-party tool checks: that the artifacts agree with each other. On the committed examples and on random systems.

mod example;
mod random;

use std::collections::{BTreeMap, BTreeSet};

use archgen_generator::{Options, generate};
use archgen_spec::topology::Topology;
use proptest::prelude::*;
use serde_json::Value;

type Files = BTreeMap<String, String>;

fn json(files: &Files, path: &str) -> Value {
    serde_json::from_str(&files[path]).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn yaml(files: &Files, path: &str) -> Value {
    serde_yaml::from_str(&files[path]).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn addresses(files: &Files) -> BTreeMap<String, String> {
    serde_json::from_str(&files["addresses.json"]).expect("addresses")
}

/// The argument of every directive of this name.
fn directives<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text.lines().map(str::trim).filter_map(|l| l.strip_prefix(name));
    lines.filter(|l| l.starts_with(' ')).map(|l| l.trim().trim_end_matches(';')).collect()
}

/// nginx's files as one text.
fn nginx(files: &Files) -> String {
    let parts = files.iter().filter(|(p, _)| p.starts_with("nginx/") && p.ends_with(".conf"));
    parts.map(|(_, t)| t.as_str()).collect::<Vec<_>>().join("\n")
}

fn upstreams_are_instances(topology: &Topology, files: &Files) {
    let known: BTreeSet<String> = addresses(files).into_values().collect();
    let text = nginx(files);
    let defined: BTreeSet<&str> =
        directives(&text, "upstream").into_iter().map(|u| u.trim_end_matches([' ', '{'])).collect();
    for server in directives(&text, "server") {
        let Some(address) = server.split(' ').next().filter(|a| !a.is_empty() && *a != "{") else { continue };
        assert!(known.contains(address) || server.contains("resolve"), "upstream member {server} is no instance");
    }
    for pass in directives(&text, "proxy_pass") {
        let name = pass.trim_start_matches("http://").split('/').next().expect("a name");
        assert!(name.starts_with('$') || defined.contains(name), "proxy_pass to {name}, which is no upstream");
    }
    let gateway = topology.gateway.as_ref().expect("a gateway");
    for route in &gateway.routes {
        assert!(text.contains(&format!("{}/", route.prefix.trim_end_matches('/'))), "{} has a location", route.prefix);
    }
}

fn compose_is_the_fleet(topology: &Topology, files: &Files) {
    let compose = yaml(files, "compose/docker-compose.yml");
    let services = compose["services"].as_object().expect("services");
    let addresses = addresses(files);
    for instance in topology.instances() {
        let service = &services[&instance.name];
        let address = service["networks"]["fleet"]["ipv4_address"].as_str().expect("an address");
        assert_eq!(format!("{address}:{}", instance.port), addresses[&instance.name]);
        for needed in service["depends_on"].as_object().into_iter().flat_map(|d| d.keys()) {
            assert!(services.contains_key(needed), "{} depends on {needed}", instance.name);
        }
        for secret in service["secrets"].as_array().into_iter().flatten() {
            let name = secret.as_str().or_else(|| secret["source"].as_str()).expect("a name");
            assert!(compose["secrets"].get(name).is_some(), "{} uses the secret {name}", instance.name);
        }
    }
}

fn consul_names_are_the_components(topology: &Topology, files: &Files) {
    let names: BTreeSet<&str> = topology.components().into_iter().map(|c| topology.component_name(c)).collect();
    let addresses = addresses(files);
    for path in files.keys().filter(|p| p.starts_with("consul/services/")) {
        let service = &json(files, path)["service"];
        assert!(names.contains(service["name"].as_str().expect("a name")), "{path}");
        let address = format!("{}:{}", service["address"].as_str().expect("an address"), service["port"]);
        assert_eq!(addresses[service["id"].as_str().expect("an id")], address);
    }
    for path in files.keys().filter(|p| p.starts_with("consul/intentions/")) {
        let intentions = json(files, path);
        for source in intentions["Sources"].as_array().expect("sources") {
            let name = source["Name"].as_str().expect("a name");
            assert!(name == "*" || names.contains(name), "{path}: {name}");
        }
    }
}

fn agree(topology: &Topology) {
    let files = generate(topology, &Options::default()).expect("artifacts").files;
    upstreams_are_instances(topology, &files);
    compose_is_the_fleet(topology, &files);
    consul_names_are_the_components(topology, &files);
}

#[test]
fn artifacts_of_the_examples_agree() {
    for (spec, environment) in [("slack", None), ("slack", Some("prod")), ("slack", Some("dev")), ("minimal", None)] {
        agree(&example::topology(spec, environment));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn artifacts_of_random_systems_agree((_, topology) in random::topologies()) {
        agree(&topology);
    }
}
