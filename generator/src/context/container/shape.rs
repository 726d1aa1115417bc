//! A container and what an instance asks for: image, command, environment, checks, memory, processor.

use archgen_spec::topology::{Component, Instance, Topology};

use super::{engines, own};

/// Where our own hosts find the spec, the addresses and the fleet's key.
pub(crate) const CONFIGURATION: &str = "/etc/archgen";
/// The secret that holds the fleet's key, and where it is mounted.
pub(crate) const FLEET_KEY: (&str, &str) = ("fleet-key", "/run/secrets/fleet-key");
/// The secret that holds the password of the stores' engines.
pub(crate) const STORE_PASSWORD: &str = "store-password";
/// Where generated files of an engine are mounted.
pub(crate) const ENGINE_FILES: &str = "/etc/archgen-engine";

/// Which image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Image {
    /// The one that `image/Dockerfile` makes.
    Archgen,
    /// A program of the user's own; its image is named after the component.
    Own(String),
    /// A public one.
    Public(String),
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// As it stands.
    Plain(String),
    /// A secret's text.
    Secret(String),
    /// The instance's ordinal, from 1.
    Ordinal,
}

/// How it is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// 200 on this path.
    Http(u16, String),
    /// A command inside the container that ends with 0.
    Command(Vec<String>),
}

/// One container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) image: Image,
    /// Replaces the image's own entry point where it is not empty.
    pub(crate) entry: Vec<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, Text)>,
    pub(crate) alive: Check,
    pub(crate) ready: Check,
    /// Where its data lie, if it keeps any.
    pub(crate) data: Option<&'static str>,
    /// Generated files that it reads: folder in the artifacts, and names.
    pub(crate) files: Option<(String, &'static [&'static str])>,
    pub(crate) memory_bytes: Option<u64>,
}

/// The container of an instance. `name` is how it learns its own name; `host` says where another instance is reached.
pub(crate) fn container(
    topology: &Topology,
    instance: &Instance,
    name: &str,
    host: &dyn Fn(&Instance) -> String,
) -> Container {
    match instance.component {
        Component::Store(id) if !topology.store(id).embedded => engines::store(topology, id, host),
        Component::Registry if topology.registry.as_ref().is_some_and(|r| !r.embedded) => {
            engines::consul(topology, host)
        }
        Component::Gateway if topology.gateway.as_ref().is_some_and(|g| !g.embedded) => engines::nginx(topology),
        _ => own::host(topology, instance, name),
    }
}

/// Memory that an instance asks for, bytes, from the load figures; the arithmetic is in the constants.
pub(crate) fn memory_request_bytes(topology: &Topology, component: Component, container: &Container) -> u64 {
    /// A host of ours at rest.
    const HOST: u64 = 64 << 20;
    /// A socket with its session and buffers.
    const SOCKET: u64 = 12 << 10;
    /// An engine of which the spec says nothing.
    const ENGINE: u64 = 1 << 30;
    /// Password hashes at work at once.
    const HASHES: u64 = 4;
    if let Some(bytes) = container.memory_bytes {
        return bytes;
    }
    match component {
        Component::Realtime => {
            let sockets = topology.realtime.as_ref().map_or(0, |r| {
                let share = topology.load.online.div_ceil(u64::from(r.replicas.max(1)));
                share.min(r.connections_per_replica_max)
            });
            HOST + sockets * SOCKET
        }
        Component::Service(id) => HOST + HASHES * topology.service(id).password_memory_bytes,
        Component::Store(id) if !topology.store(id).embedded => ENGINE,
        _ => HOST * 2,
    }
}

/// Processor time that an instance asks for, thousandths of a core, from the peak of messages.
pub(crate) fn cpu_request_millicores(topology: &Topology, component: Component, count: u32) -> u64 {
    /// Messages per second that one core carries with all that hangs on them.
    const MESSAGES_PER_CORE: f64 = 5_000.0;
    const LEAST: f64 = 100.0;
    const MOST: f64 = 8_000.0;
    let carries = !matches!(component, Component::Registry);
    let share = topology.load.messages.peak_per_second / f64::from(count.max(1)) / MESSAGES_PER_CORE * 1_000.0;
    if carries { share.clamp(LEAST, MOST).round() as u64 } else { LEAST as u64 }
}
