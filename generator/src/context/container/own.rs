//! Hosts of ours, and programs of the user's own.

use archgen_spec::topology::{Component, Instance, ServiceKind, Topology};

use super::{CONFIGURATION, Check, Container, FLEET_KEY, Image, Text};

/// The container of a host that archgen runs, or of the user's program.
pub(super) fn host(topology: &Topology, instance: &Instance, name: &str) -> Container {
    if let Component::Service(id) = instance.component
        && let ServiceKind::Process { command, environment } = &topology.service(id).kind
    {
        let service = topology.service(id);
        let check = Check::Http(instance.port, service.health.path.clone());
        let port = instance.port.to_string();
        return Container {
            image: Image::Own(service.name.clone()),
            entry: command.iter().map(|a| a.replace("${port}", &port)).collect(),
            arguments: Vec::new(),
            environment: environment.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            alive: check.clone(),
            ready: check,
            data: None,
            files: None,
            memory_bytes: None,
        };
    }
    let file = |name: &str| format!("{CONFIGURATION}/{name}");
    let mut arguments: Vec<String> = vec!["host".into(), name.into(), "--spec".into(), file("topology.yaml")];
    arguments.extend(["--addresses".into(), file("addresses.json"), "--service-key".into(), FLEET_KEY.1.into()]);
    arguments.extend(["--data".into(), "/var/lib/archgen".into()]);
    // Only what this component's stores and the gateway declare: a host sees no secret that it has no use for.
    let environment = secrets(topology, instance.component).map(|(variable, name)| (variable, Text::Secret(name)));
    Container {
        image: Image::Archgen,
        entry: Vec::new(),
        arguments,
        environment: environment.collect(),
        alive: Check::Http(instance.port, "/healthz".to_owned()),
        ready: Check::Http(instance.port, "/readyz".to_owned()),
        data: Some("/var/lib/archgen"),
        files: None,
        memory_bytes: None,
    }
}

fn text(value: &str) -> Text {
    value.strip_prefix("secret:").map_or_else(|| Text::Plain(value.to_owned()), |name| Text::Secret(name.to_owned()))
}

/// Secrets from the environment that a host reads: the whole spec is loaded in each, so that each declared variable must be there.
fn secrets(topology: &Topology, _: Component) -> impl Iterator<Item = (String, String)> + '_ {
    topology.secrets.iter().filter_map(|(name, source)| match source {
        archgen_spec::topology::SecretSource::Environment(variable) => Some((variable.clone(), name.clone())),
        archgen_spec::topology::SecretSource::File(_) => None,
    })
}
