//! [`Server`]: one of them, and the table of the kinds that there are.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command as Process,
};

use anyhow::{Context, bail};
use archgen_env::net::Address;
use archgen_fleet::Assembly;
use archgen_generator::{Options, Target, generate};
use archgen_spec::topology::{Component, Instance, StoreKind, Topology};
use nix::unistd::{Gid, Uid, User, chown, geteuid};

use super::{consul, nginx, postgres, redis};
use crate::state::{StateFolder, write_private};
use crate::supervisor::program::Command;

/// One server that `archgen up` starts.
pub(super) struct Server<'a> {
    pub(super) state: &'a StateFolder,
    pub(super) assembly: &'a Assembly,
    pub(super) instance: Instance,
    /// Where it listens.
    pub(super) address: Address,
    /// Where its files are.
    pub(super) folder: PathBuf,
}

/// How one kind of server is looked for, made and started.
struct Kind {
    /// Whose place it takes in the spec, for messages: `stores.users`, `registry`.
    key: fn(&Topology, Component) -> String,
    /// Programs, all in one folder; the first is the server.
    programs: &'static [&'static str],
    /// Folders beside those of PATH, newest version last; `*` stands for one name.
    elsewhere: &'static [&'static str],
    /// Debian's package.
    package: &'static str,
    /// Makes its files; safe to repeat.
    prepare: fn(&Server<'_>, &Path) -> anyhow::Result<()>,
    /// What is started, in its folder.
    command: fn(&Server<'_>, &Path) -> anyhow::Result<Command>,
}

const POSTGRES: Kind = Kind {
    key: store_key,
    programs: &["postgres", "initdb"],
    elsewhere: &["/usr/lib/postgresql/*/bin"],
    package: "postgresql",
    prepare: postgres::prepare,
    command: postgres::command,
};
const REDIS: Kind = Kind {
    key: store_key,
    programs: &["redis-server"],
    elsewhere: &[],
    package: "redis-server",
    prepare: redis::prepare,
    command: redis::command,
};
const CONSUL: Kind = Kind {
    key: |_, _| "registry".to_owned(),
    programs: &["consul"],
    elsewhere: &[],
    package: "consul",
    prepare: consul::prepare,
    command: consul::command,
};
const NGINX: Kind = Kind {
    key: |_, _| "gateway".to_owned(),
    programs: &["nginx"],
    elsewhere: &["/usr/sbin"],
    package: "nginx",
    prepare: nginx::prepare,
    command: nginx::command,
};

fn store_key(topology: &Topology, component: Component) -> String {
    format!("stores.{}", topology.component_name(component))
}

/// What of a topology `archgen up` starts a server for.
fn kind(topology: &Topology, component: Component) -> Option<&'static Kind> {
    match component {
        Component::Registry => topology.registry.as_ref().filter(|r| r.managed).map(|_| &CONSUL),
        Component::Gateway => topology.gateway.as_ref().filter(|g| g.managed).map(|_| &NGINX),
        Component::Store(id) => match topology.store(id) {
            store if !store.managed => None,
            store if store.kind == StoreKind::Postgres => Some(&POSTGRES),
            store if store.kind == StoreKind::Redis => Some(&REDIS),
            _ => None,
        },
        _ => None,
    }
}

/// Programs that are missing, one line each.
pub fn missing(topology: &Topology) -> Vec<String> {
    let all = topology.components().into_iter().filter_map(|c| Some((c, kind(topology, c)?)));
    let lines = all.filter(|(_, kind)| kind.folder().is_none()).map(|(component, kind)| {
        format!(
            "{}: there is no program `{}` in PATH; install it (Debian's package is `{}`), or name a server that is there: \
             `managed` starts none of its own",
            (kind.key)(topology, component),
            kind.programs.join("` with `"),
            kind.package
        )
    });
    lines.collect()
}

/// Makes the files of all managed servers: their configuration anew, their data where there are none.
///
/// # Errors
/// A file cannot be written, or a program refuses what it is given.
pub fn prepare(state: &StateFolder, assembly: &Assembly) -> anyhow::Result<()> {
    servers(state, assembly)?.iter().try_for_each(Server::prepare)
}

/// Makes the files of the managed gateways alone. Runs programs: not for a thread that others wait for.
///
/// # Errors
/// As of [`prepare`].
pub fn prepare_gateways(state: &StateFolder, assembly: &Assembly) -> anyhow::Result<()> {
    let all = servers(state, assembly)?;
    all.iter().filter(|server| server.instance.component == Component::Gateway).try_for_each(Server::prepare)
}

/// What starts the server of this host; `None` where the host is no managed server.
///
/// # Errors
/// The program, a secret or a user is not there.
pub fn command(state: &StateFolder, assembly: &Assembly, host: &str) -> anyhow::Result<Option<Command>> {
    let Some(server) = servers(state, assembly)?.into_iter().find(|server| server.instance.name == host) else {
        return Ok(None);
    };
    let (kind, programs) = server.kind()?;
    (kind.command)(&server, &programs).map(Some)
}

/// Instances of the gateway that are managed servers.
pub fn gateways(assembly: &Assembly) -> Vec<Instance> {
    let managed = assembly.topology.gateway.as_ref().is_some_and(|g| g.managed);
    if managed { assembly.topology.component_instances(Component::Gateway) } else { Vec::new() }
}

fn servers<'a>(state: &'a StateFolder, assembly: &'a Assembly) -> anyhow::Result<Vec<Server<'a>>> {
    let managed = assembly.topology.instances().into_iter().filter(|i| kind(&assembly.topology, i.component).is_some());
    managed
        .map(|instance| {
            let address = assembly.addresses.get(&instance.name).cloned();
            let address = address.with_context(|| format!("`{}` has no address", instance.name))?;
            let folder = state.data(&format!("{}-server", instance.name));
            Ok(Server { state, assembly, folder, instance, address })
        })
        .collect()
}

impl Kind {
    /// The folder of its programs, of which it was said before the start that they are there.
    fn still_there(&self) -> anyhow::Result<PathBuf> {
        let gone = || format!("`{}` is not there any more", self.programs.join("` with `"));
        self.folder().with_context(gone)
    }

    /// The folder that holds all of its programs.
    fn folder(&self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let beside = self.elsewhere.iter().flat_map(|pattern| matching(pattern));
        let is_program = |file: PathBuf| {
            fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        };
        let holds_all = |folder: &PathBuf| self.programs.iter().all(|name| is_program(folder.join(name)));
        env::split_paths(&path).chain(beside).find(holds_all)
    }
}

/// Folders of this pattern, the newest version first.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once("/*/") else { return vec![pattern.into()] };
    let names =
        fs::read_dir(before).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut versions: Vec<String> = names.collect();
    versions.sort_by_key(|name| std::cmp::Reverse(name.parse::<u32>().unwrap_or(0)));
    versions.into_iter().map(|version| Path::new(before).join(version).join(after)).collect()
}

impl Server<'_> {
    pub(super) fn topology(&self) -> &Topology {
        &self.assembly.topology
    }

    /// Its kind, and the folder of its programs.
    fn kind(&self) -> anyhow::Result<(&'static Kind, PathBuf)> {
        let name = &self.instance.name;
        let kind = kind(self.topology(), self.instance.component);
        let kind = kind.with_context(|| format!("`{name}` is no server that archgen starts"))?;
        Ok((kind, kind.still_there().with_context(|| format!("`{name}` cannot be started"))?))
    }

    /// Makes its files.
    fn prepare(&self) -> anyhow::Result<()> {
        let (kind, programs) = self.kind()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| format!("cannot make `{}`", self.folder.display()))?;
        (kind.prepare)(self, &programs).with_context(|| format!("`{}` cannot be made ready", self.instance.name))
    }

    /// A secret's text.
    pub(super) fn secret(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.assembly.means.secrets.get(name);
        found.map(archgen_fleet::Secret::expose).with_context(|| format!("the secret `{name}` was not given"))
    }

    /// Generated files of one target for this server, by their path below `<target>/`, or below `<target>/<store>/`; with the
    /// addresses that the fleet really has.
    pub(super) fn generated(&self, target: Target) -> anyhow::Result<Vec<(String, String)>> {
        let mut topology = self.topology().clone();
        match self.instance.component {
            Component::Store(id) => topology.stores[id.0].port = self.address.port,
            Component::Gateway => topology.gateway.iter_mut().for_each(|g| g.port = self.address.port),
            _ => topology.registry.iter_mut().for_each(|r| (r.port, r.servers) = (self.address.port, 1)),
        }
        let known = |i: &Instance| self.assembly.addresses.get(&i.name);
        let host = |i: &Instance| known(i).map_or_else(|| "127.0.0.1".to_owned(), |a| a.host.clone());
        let port = |i: &Instance| known(i).map_or(i.port, |a| a.port);
        let options =
            Options { only: vec![target], address: Some(&host), port: Some(&port), here: true, ..Options::default() };
        let folder = match self.instance.component {
            Component::Store(id) => format!("{}/{}/", target.name(), topology.store(id).name),
            _ => format!("{}/", target.name()),
        };
        let files = generate(&topology, &options)?.files;
        Ok(files.into_iter().filter_map(|(p, text)| Some((p.strip_prefix(&folder)?.to_owned(), text))).collect())
    }

    /// Writes a file in its folder, for its owner's eyes only.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        }
        write_private(&path, text)?;
        Ok(path)
    }

    pub(super) fn started(&self, words: Vec<String>) -> Command {
        Command { words, variables: Vec::new(), folder: self.folder.clone(), server: None }
    }
}

/// Runs a program to its end; its words where it fails.
pub(super) fn run(mut process: Process) -> anyhow::Result<()> {
    let program = process.get_program().to_string_lossy().into_owned();
    let output = process.output().with_context(|| format!("cannot run `{program}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        bail!("`{program}` ended with {}:\n{}", output.status, said.trim_end());
    }
    Ok(())
}

/// The program of this name in a folder.
pub(super) fn program(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// Somebody else than root, for servers that refuse to run as root; `None` where we are somebody else already.
///
/// # Errors
/// There is no such user.
pub(super) fn somebody_else(name: &str) -> anyhow::Result<Option<(Uid, Gid)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name(name).context("cannot read the list of users")?;
    let user = user.with_context(|| {
        format!(
            "it refuses to run as root, and there is no user `{name}` to step down to: run archgen as an ordinary user"
        )
    })?;
    Ok(Some((user.uid, user.gid)))
}

/// Gives a file or folder to somebody else.
pub(super) fn give(path: &Path, to: Option<(Uid, Gid)>) -> anyhow::Result<()> {
    let Some((user, group)) = to else { return Ok(()) };
    chown(path, Some(user), Some(group)).with_context(|| format!("cannot give `{}` to user {user}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_vanished_is_named() {
        let vanished = Kind { programs: &["archgen-no-such-server", "and-its-tool"], ..REDIS };
        let error = vanished.still_there().expect_err("it is not there");
        assert_eq!(error.to_string(), "`archgen-no-such-server` with `and-its-tool` is not there any more");
    }
}
