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

/// Every object of the manifests.
fn objects(files: &Files) -> Vec<(String, Value)> {
    let manifests = files.iter().filter(|(p, _)| p.starts_with("kubernetes/") && p.ends_with(".yaml"));
    let mut objects = Vec::new();
    for (path, text) in manifests.filter(|(p, _)| !p.ends_with("kustomization.yaml")) {
        for part in text.split("---\n").filter(|p| !p.is_empty()) {
            objects.push((path.clone(), serde_yaml::from_str(part).unwrap_or_else(|e| panic!("{path}: {e}"))));
        }
    }
    objects
}

fn within(part: &Value, whole: &Value) -> bool {
    part.as_object().expect("labels").iter().all(|(name, value)| whole.get(name) == Some(value))
}

fn manifests_agree(topology: &Topology, files: &Files) {
    let objects = objects(files);
    let pods: Vec<&Value> = objects.iter().map(|(_, o)| &o["spec"]["template"]).filter(|t| t.is_object()).collect();
    let workloads: Vec<&Value> = objects
        .iter()
        .map(|(_, o)| o)
        .filter(|o| ["StatefulSet", "Deployment"].contains(&o["kind"].as_str().expect("a kind")))
        .collect();
    let named =
        |kind: &str, name: &str| objects.iter().any(|(_, o)| o["kind"] == kind && o["metadata"]["name"] == name);
    for component in topology.components() {
        let instances = topology.component_instances(component);
        let name = topology.component_name(component);
        if instances.is_empty() {
            continue;
        }
        let workload =
            workloads.iter().find(|w| w["metadata"]["name"] == name).unwrap_or_else(|| panic!("{name} runs"));
        assert_eq!(workload["spec"]["replicas"], instances.len());
        let template = &workload["spec"]["template"];
        assert!(within(&workload["spec"]["selector"]["matchLabels"], &template["metadata"]["labels"]), "{name}");
        assert!(named("ServiceAccount", template["spec"]["serviceAccountName"].as_str().expect("an account")));
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["ports"][0]["containerPort"], instances[0].port);
        let volumes: BTreeSet<&str> =
            template["spec"]["volumes"].as_array().into_iter().flatten().filter_map(|v| v["name"].as_str()).collect();
        let claims = workload["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
        let volumes: BTreeSet<&str> = claims.filter_map(|c| c["metadata"]["name"].as_str()).chain(volumes).collect();
        for mount in container["volumeMounts"].as_array().into_iter().flatten() {
            assert!(volumes.contains(mount["name"].as_str().expect("a name")), "{name} mounts {}", mount["name"]);
        }
    }
    for (path, object) in &objects {
        let selector = match object["kind"].as_str().expect("a kind") {
            "Service" => &object["spec"]["selector"],
            "PodDisruptionBudget" => &object["spec"]["selector"]["matchLabels"],
            _ => continue,
        };
        let chosen: Vec<&&Value> = pods.iter().filter(|p| within(selector, &p["metadata"]["labels"])).collect();
        assert!(!chosen.is_empty(), "{path}: {} selects nothing", object["metadata"]["name"]);
        for port in object["spec"]["ports"].as_array().into_iter().flatten() {
            let offered = chosen.iter().any(|p| {
                let ports = p["spec"]["containers"][0]["ports"].as_array().expect("ports");
                ports.iter().any(|c| c["name"] == port["targetPort"] && c["containerPort"] == port["port"])
            });
            assert!(offered, "{path}: nobody offers {port}");
        }
    }
    let kustomization = yaml(files, "kubernetes/kustomization.yaml");
    for resource in kustomization["resources"].as_array().expect("resources") {
        assert!(files.contains_key(&format!("kubernetes/{}", resource.as_str().expect("a path"))));
    }
    for map in kustomization["configMapGenerator"].as_array().expect("maps") {
        for file in map["files"].as_array().expect("files").iter().map(|f| f.as_str().expect("a path")) {
            let there = file.strip_prefix("../").is_none_or(|path| files.contains_key(path));
            assert!(there, "{file} is a file of {}", map["name"]);
        }
    }
}

fn scrapes_are_instances(topology: &Topology, files: &Files) {
    let addresses = addresses(files);
    let prometheus = yaml(files, "prometheus/prometheus.yml");
    for job in prometheus["scrape_configs"].as_array().expect("jobs") {
        let name = job["job_name"].as_str().expect("a name");
        assert!(topology.component_named(name).is_some(), "the job {name} is a component");
        for target in job["static_configs"].as_array().expect("targets") {
            let host = target["labels"]["host"].as_str().expect("a host");
            let exporter = topology.gateway.as_ref().filter(|g| !g.embedded && name == "gateway");
            let expected = match exporter.and_then(|g| g.exporter_port) {
                Some(port) => format!("{}:{port}", addresses[host].rsplit_once(':').expect("a port").0),
                None => addresses[host].clone(),
            };
            assert_eq!(target["targets"][0], expected);
        }
    }
    for rules in ["recording", "alerts"] {
        for group in yaml(files, &format!("prometheus/{rules}.rules.yml"))["groups"].as_array().expect("groups") {
            for rule in group["rules"].as_array().expect("rules") {
                let expression = rule["expr"].as_str().expect("an expression");
                for job in expression.split("job=\"").skip(1).filter_map(|r| r.split('"').next()) {
                    assert!(
                        prometheus["scrape_configs"].as_array().expect("jobs").iter().any(|j| j["job_name"] == job)
                    );
                }
            }
        }
    }
}

fn names_in_nginx_are_registered(topology: &Topology, files: &Files) {
    for server in directives(&nginx(files), "server").into_iter().filter(|s| s.contains("resolve")) {
        let service = server.split("service=").nth(1).and_then(|s| s.split(' ').next()).expect("a service");
        assert!(topology.service_named(service).is_some());
        assert!(
            files.values().any(|text| text.contains(&format!("\"name\": \"{service}\""))),
            "{service} is registered"
        );
    }
}

fn agree(topology: &Topology) {
    let files = generate(topology, &Options::default()).expect("artifacts").files;
    upstreams_are_instances(topology, &files);
    compose_is_the_fleet(topology, &files);
    consul_names_are_the_components(topology, &files);
    manifests_agree(topology, &files);
    scrapes_are_instances(topology, &files);
    names_in_nginx_are_registered(topology, &files);
}

#[test]
fn artifacts_of_the_examples_agree() {
    let environments = [None, Some("prod"), Some("dev"), Some("mixed"), Some("real")];
    for (spec, environment) in environments.map(|e| ("slack", e)).into_iter().chain([("minimal", None)]) {
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
