//! Consul: one server on loopback, with the generated configuration and, over it, what is of this machine: folder, ports and token.

use std::path::Path;

use anyhow::Context;
use archgen_generator::Target;
use nix::sys::signal::Signal;
use serde_json::json;

use super::{Server, program};
use crate::supervisor::program::{Command, ServerTerms};

pub(super) fn prepare(server: &Server<'_>, _programs: &Path) -> anyhow::Result<()> {
    let files = server.generated(Target::Consul)?;
    let text = files.into_iter().find(|(name, _)| name == "server.json").map(|(_, text)| text);
    server.write("server.json", &text.context("`consul/server.json` is not generated")?)?;
    let port = |part: &str| {
        let name = format!("{}.{part}", server.instance.name);
        let found = server.assembly.addresses.get(&name).map(|a| a.port);
        found.with_context(|| format!("`{name}` has no port"))
    };
    let mut own = json!({
        "node_name": server.instance.name,
        "data_dir": server.folder.join("data"),
        "bind_addr": "127.0.0.1", "advertise_addr": "127.0.0.1", "client_addr": "127.0.0.1",
        "ports": {"http": server.address.port, "dns": port("dns")?, "server": port("rpc")?, "serf_lan": port("serf")?,
            "serf_wan": -1, "grpc": -1, "grpc_tls": -1},
    });
    if let Some(token) = server.topology().registry.as_ref().and_then(|r| r.token.as_ref()) {
        let token = server.secret(token)?;
        own["acl"] = json!({"tokens": {"initial_management": token, "agent": token}});
    }
    server.write("this-machine.json", &own.to_string())?;
    Ok(())
}

pub(super) fn command(server: &Server<'_>, programs: &Path) -> anyhow::Result<Command> {
    let words = [
        &program(programs, "consul"),
        "agent",
        "-config-file",
        "server.json",
        // Later files have the last word.
        "-config-file",
        "this-machine.json",
    ];
    // SIGTERM may make a server leave for good.
    let terms = ServerTerms { user: None, stop: Signal::SIGINT, orphaned: Signal::SIGINT };
    Ok(Command { server: Some(terms), ..server.started(words.map(str::to_owned).to_vec()) })
}
