//! Pods: StatefulSets with names from 1, a Deployment for nginx and for programs of the user's own, budgets and scaling.

use archgen_spec::topology::{Component, Instance, SecretSource, ServiceKind, Topology};

use super::manifests::{EXPORTER_PORT_NAME, PORT_NAME, image, labels, metadata, secret, selector};
use crate::context::container::{
    CONFIGURATION, Check, Container, ENGINE_FILES, EXPORTER_IMAGE, FLEET_KEY, Image, Join, STORE_PASSWORD, Text,
    container, cpu_request_millicores, exporter_arguments, memory_request_bytes,
};
use crate::context::nginx;
use crate::context::observe::exporter;
use crate::render::{Data, data};

/// The account of a component: it holds no token for the cluster's own API.
pub(super) fn account(topology: &Topology, component: Component) -> Data<'_> {
    let name = topology.component_name(component);
    data!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(topology, name, Some(name)),
        "automountServiceAccountToken": false,
    })
}

/// Whether its instances have no names of their own, so that their number may follow the load.
fn nameless(topology: &Topology, component: Component) -> bool {
    match component {
        Component::Gateway => topology.gateway.as_ref().is_some_and(|g| !g.embedded),
        Component::Service(id) => matches!(topology.service(id).kind, ServiceKind::Process { .. }),
        _ => false,
    }
}

/// The workload with its disruption budget and scaling.
pub(super) fn workload<'a>(
    topology: &'a Topology,
    component: Component,
    instances: &[Instance],
    made: &'a Container,
) -> Vec<Data<'a>> {
    let name = topology.component_name(component);
    let count = instances.len();
    let mut spec = data!({
        "replicas": count,
        "selector": selector(topology, name),
        "template": {"metadata": {"labels": labels(topology, Some(name))}, "spec": pod(topology, component, count, made)},
    });
    let kind = if nameless(topology, component) {
        spec["strategy"] = data!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
        "Deployment"
    } else {
        spec["serviceName"] = name.into();
        // Instances are counted from 1 everywhere.
        spec["ordinals"] = data!({"start": 1});
        spec["podManagementPolicy"] = "Parallel".into();
        if made.data.is_some() {
            spec["volumeClaimTemplates"] = data!([claim(topology, component)]);
        }
        "StatefulSet"
    };
    let mut all = vec![data!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": metadata(topology, name, Some(name)), "spec": spec,
    })];
    if count > 1 {
        all.push(data!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(topology, name, Some(name)),
            "spec": {"maxUnavailable": 1, "selector": selector(topology, name)},
        }));
    }
    if kind == "Deployment" {
        all.push(scaling(topology, name, count));
    }
    all
}

/// Twice as many at most, when processors are busy.
fn scaling<'a>(topology: &'a Topology, name: &'a str, count: usize) -> Data<'a> {
    let target = data!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70},
    }});
    data!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(topology, name, Some(name)),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": count, "maxReplicas": count * 2, "metrics": [target],
        },
    })
}

/// Ten GiB where the spec says nothing of disks.
fn claim(topology: &Topology, component: Component) -> Data<'_> {
    let bytes = match component {
        Component::Store(id) => topology.store(id).disk_bytes,
        _ => None,
    };
    let size = bytes.map_or_else(|| "10Gi".to_owned(), |b| b.to_string());
    let name = topology.component_name(component);
    data!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": labels(topology, Some(name))},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    })
}

fn pod<'a>(topology: &'a Topology, component: Component, count: usize, made: &'a Container) -> Data<'a> {
    let name = topology.component_name(component);
    let own = made.image == Image::Archgen;
    let mut security = data!({"seccompProfile": {"type": "RuntimeDefault"}});
    if own {
        security["runAsNonRoot"] = true.into();
        security["runAsUser"] = 10_001.into();
        security["runAsGroup"] = 10_001.into();
        security["fsGroup"] = 10_001.into();
    }
    let grace = match component {
        Component::Service(id) => topology.service(id).stop_within.as_secs().max(1),
        _ => 30,
    };
    let spread = |key: &'static str, rule: &'static str| data!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": rule, "labelSelector": selector(topology, name)});
    let mut constraints = vec![spread("kubernetes.io/hostname", "ScheduleAnyway")];
    if topology.zones.len() > 1 && count > 1 {
        // Copies of a datum never share a failure domain: better pending than in the wrong one.
        let rule = if matches!(component, Component::Store(_) | Component::Registry) {
            "DoNotSchedule"
        } else {
            "ScheduleAnyway"
        };
        constraints.insert(0, spread("topology.kubernetes.io/zone", rule));
    }
    data!({
        "serviceAccountName": name,
        "automountServiceAccountToken": false,
        // Variables of every service would be hundreds, and nothing reads them.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": grace,
        "securityContext": security,
        "topologySpreadConstraints": constraints,
        "affinity": apart(topology, name),
        "containers": containers(topology, component, count, made),
        "volumes": volumes(topology, component, made),
    })
}

/// Instances of a component avoid each other's machines.
fn apart<'a>(topology: &'a Topology, name: &'a str) -> Data<'a> {
    data!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 100,
        "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector(topology, name)},
    }]}})
}

/// The main one, and beside nginx its exporter.
fn containers<'a>(topology: &'a Topology, component: Component, count: usize, made: &'a Container) -> Vec<Data<'a>> {
    let mut all = vec![main(topology, component, count, made)];
    if component == Component::Gateway
        && let (Some(port), Some(arguments)) = (exporter(topology), exporter_arguments(topology))
    {
        all.push(data!({
            "name": EXPORTER_PORT_NAME,
            "image": EXPORTER_IMAGE,
            "args": arguments,
            "ports": [{"name": EXPORTER_PORT_NAME, "containerPort": port}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "runAsUser": 1_001,
                "capabilities": {"drop": ["ALL"]},
            },
        }));
    }
    all
}

fn main<'a>(topology: &'a Topology, component: Component, count: usize, made: &'a Container) -> Data<'a> {
    let memory = memory_request_bytes(topology, component, made);
    let processor = cpu_request_millicores(topology, component, count as u32);
    let port = topology.component_instances(component).first().map_or(0, |i| i.port);
    let every = match component {
        Component::Service(id) => topology.service(id).health.every.as_secs().max(1),
        _ => 5,
    };
    let mut ports = vec![data!({"name": PORT_NAME, "containerPort": port})];
    if component == Component::Gateway
        && made.image != Image::Archgen
        && let Some(realtime) = &topology.realtime
    {
        ports.push(data!({"name": "realtime", "containerPort": realtime.port}));
    }
    let mut container = data!({
        "name": "main",
        "image": image(&made.image),
        "ports": ports,
        "env": environment(topology, made),
        "resources": {
            "requests": {"cpu": format!("{processor}m"), "memory": memory.to_string()},
            // No limit of processor time: throttling shows as latency. Memory is what takes a machine down.
            "limits": {"memory": (memory * 2).to_string()},
        },
        "startupProbe": probe(&made.alive, every, 60),
        "livenessProbe": probe(&made.alive, every, 6),
        "readinessProbe": probe(&made.ready, every, 2),
        "volumeMounts": mounts(component, made),
        "securityContext": {"allowPrivilegeEscalation": false},
    });
    if made.image == Image::Archgen {
        container["securityContext"] = data!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        });
    }
    if !made.entry.is_empty() {
        container["command"] = made.entry.as_slice().into();
    }
    if !made.arguments.is_empty() {
        container["args"] = made.arguments.as_slice().into();
    }
    container
}

fn probe(check: &Check, every: u64, failures: u32) -> Data<'_> {
    let mut probe = match check {
        Check::Http(_, path) => data!({"httpGet": {"path": path, "port": PORT_NAME}}),
        Check::Command(command) => data!({"exec": {"command": command.as_slice()}}),
    };
    probe["periodSeconds"] = every.into();
    probe["timeoutSeconds"] = 3.into();
    probe["failureThreshold"] = failures.into();
    probe
}

fn environment<'a>(topology: &'a Topology, made: &'a Container) -> Vec<Data<'a>> {
    let field = |path: &'static str| data!({"fieldRef": {"fieldPath": path}});
    let mut all = vec![data!({"name": "POD_NAME", "valueFrom": field("metadata.name")})];
    for (name, text) in &made.environment {
        all.push(match text {
            // `$(NAME)` would be replaced.
            Text::Plain(text) => data!({"name": name, "value": text.replace("$(", "$$(")}),
            Text::Ordinal => {
                data!({"name": name, "valueFrom": field("metadata.labels['apps.kubernetes.io/pod-index']")})
            }
            Text::Secret(of) if matches!(topology.secrets.get(of), Some(SecretSource::File(_))) => {
                data!({"name": format!("{name}_FILE"), "value": format!("/run/secrets/{of}/text")})
            }
            Text::Secret(of) => data!({"name": name, "valueFrom": {"secretKeyRef": secret(of)}}),
        });
    }
    all
}

/// Secrets that a container reads as files.
fn files_of_secrets<'a>(topology: &'a Topology, made: &'a Container) -> impl Iterator<Item = &'a String> {
    made.environment.iter().filter_map(|(_, text)| match text {
        Text::Secret(of) if matches!(topology.secrets.get(of), Some(SecretSource::File(_))) => Some(of),
        _ => None,
    })
}

fn mounts(component: Component, made: &Container) -> Vec<Data<'_>> {
    let mut all: Vec<Data<'_>> = made.data.map(|path| data!({"name": "data", "mountPath": path})).into_iter().collect();
    if made.image == Image::Archgen {
        all.push(data!({"name": "spec", "mountPath": CONFIGURATION, "readOnly": true}));
        all.push(data!({"name": "fleet-key", "mountPath": FLEET_KEY.1, "subPath": "key", "readOnly": true}));
    }
    if made.files.is_some() {
        all.push(data!({"name": "engine", "mountPath": ENGINE_FILES, "readOnly": true}));
    }
    if component == Component::Gateway && made.image != Image::Archgen {
        all.insert(0, data!({"name": "gateway", "mountPath": "/gateway", "readOnly": true}));
    }
    all.extend(made.environment.iter().filter_map(|(name, text)| match text {
        Text::Secret(of) if name.ends_with("_FILE") => {
            Some(data!({"name": of, "mountPath": format!("/run/secrets/{of}"), "readOnly": true}))
        }
        _ => None,
    }));
    all
}

fn volumes<'a>(topology: &'a Topology, component: Component, made: &'a Container) -> Vec<Data<'a>> {
    let mut all = Vec::new();
    if made.image == Image::Archgen {
        all.push(data!({"name": "spec", "configMap": {"name": "spec"}}));
        all.push(data!({"name": "fleet-key", "secret": {"secretName": FLEET_KEY.0, "defaultMode": 0o440}}));
    }
    if let Some((folder, _)) = &made.files {
        all.push(data!({"name": "engine", "configMap": {"name": map_name(folder)}}));
    }
    if component == Component::Gateway && made.image != Image::Archgen {
        all.push(gateway(topology));
        all.push(data!({"name": "data", "emptyDir": {}}));
    }
    all.extend(files_of_secrets(topology, made).map(|of| data!({"name": of, "secret": {"secretName": of}})));
    all
}

/// The gateway's folder, put together from its files, its certificate and the fleet's key.
fn gateway(topology: &Topology) -> Data<'_> {
    let mut sources = vec![
        data!({"configMap": {"name": "nginx"}}),
        data!({"configMap": {"name": "nginx-modules", "optional": true, "items": [{"key": "njs.conf", "path": "modules/njs.conf"}]}}),
        data!({"secret": {"name": "nginx-fleet", "items": [{"key": "fleet.map", "path": "secrets/fleet.map"}]}}),
    ];
    if let Some(tls) = topology.gateway.as_ref().and_then(|g| g.tls.as_ref()) {
        let items = data!([
            {"key": "tls.crt", "path": format!("tls/{tls}.crt")}, {"key": "tls.key", "path": format!("tls/{tls}.key")},
        ]);
        sources.push(data!({"secret": {"name": tls, "items": items}}));
    }
    data!({"name": "gateway", "projected": {"sources": sources}})
}

/// Folders of generated files that containers read, with the files' names.
pub(super) fn folders(topology: &Topology) -> Vec<(String, Vec<&'static str>)> {
    let mut folders: Vec<(String, Vec<&'static str>)> = Vec::new();
    // Hosts of ours and programs of the user's own read none.
    let engines = |c: &Component| !matches!(c, Component::Service(_) | Component::Realtime);
    for component in topology.components().into_iter().filter(engines) {
        let Some(first) = topology.component_instances(component).into_iter().next() else { continue };
        let made = container(topology, &first, "", &super::manifests::host);
        folders.extend(made.files.as_ref().map(|(folder, names)| (folder.clone(), names.to_vec())));
        if component == Component::Gateway && made.image != Image::Archgen {
            let paths = nginx::paths(topology, false);
            let below = |folder: &'static str| {
                let names = paths.iter().filter_map(move |p| p.strip_prefix(folder)?.strip_prefix('/'));
                names.filter(|n| !n.contains('/') && !n.ends_with(".md")).collect::<Vec<_>>()
            };
            folders.extend(["nginx", "nginx/modules"].map(|folder| (folder.to_owned(), below(folder))));
        }
    }
    folders
}

/// The name of the object that holds a folder's files.
pub(super) fn map_name(folder: &str) -> String {
    folder.replace('/', "-")
}

/// What joins the nodes of a store.
pub(super) fn job<'a>(topology: &'a Topology, join: &'a Join) -> Data<'a> {
    let store = topology.component_name(Component::Store(join.store));
    let mut container = data!({
        "name": "main",
        "image": image(&join.image),
        "command": join.command.as_slice(),
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": false},
    });
    if join.password {
        let from = data!({"secretKeyRef": secret(STORE_PASSWORD)});
        container["env"] = data!([{"name": "STORE_PASSWORD", "valueFrom": from}]);
    }
    // Labels of the store: its own policy lets its nodes speak to each other.
    let template = data!({
        "metadata": {"labels": labels(topology, Some(store))},
        "spec": {
            "serviceAccountName": store,
            "automountServiceAccountToken": false,
            "restartPolicy": "OnFailure",
            "containers": [container],
        },
    });
    data!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(topology, &join.name, Some(store)),
        "spec": {"backoffLimit": 20, "template": template},
    })
}
