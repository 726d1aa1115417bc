//! Redis: one server on loopback, with the generated configuration and access rules.

use std::path::Path;

use anyhow::Context;
use archgen_generator::Target;
use archgen_spec::topology::Component;
use sha2::{Digest, Sha256};

use super::{Server, program};
use crate::supervisor::program::Command;

pub(super) fn prepare(server: &Server<'_>, _programs: &Path) -> anyhow::Result<()> {
    let Component::Store(id) = server.instance.component else { return Ok(()) };
    let pair = server.topology().store(id).credentials.as_ref().context("it has no `credentials`")?;
    let hash: String =
        Sha256::digest(server.secret(&pair.password)?).iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, text) in server.generated(Target::Redis)? {
        match name.as_str() {
            "users.acl" => server.write(&name, &text.replace("@PASSWORD@", &hash))?,
            "redis.conf" => server.write(&name, &text)?,
            _ => continue,
        };
    }
    Ok(())
}

pub(super) fn command(server: &Server<'_>, programs: &Path) -> anyhow::Result<Command> {
    Ok(server.started(vec![program(programs, "redis-server"), "redis.conf".to_owned()]))
}
