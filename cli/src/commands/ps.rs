//! `archgen ps`: the hosts of the running fleet.

use serde::Serialize;

use crate::{
    arguments::{ListFormat, PsArguments, StateArguments},
    exit::{self, Failure, Outcome},
    printer::{Printer, table},
    state::{StateFolder, running_pid},
    supervisor::{HostState, HostStatus, Reply, Request, ask},
};

/// A host as `--format json` lists it. A contract: additions only.
#[derive(Serialize)]
struct Entry<'a> {
    host: &'a str,
    kind: &'a str,
    address: &'a str,
    pid: Option<u32>,
    state: HostState,
    /// Why it is in that state; may be empty.
    note: &'a str,
}

/// Prints the list.
pub fn run(arguments: &PsArguments, printer: Printer) -> Outcome {
    let reply = question(&arguments.state, &Request::Status)?;
    match arguments.format {
        ListFormat::Json => printer.data(&format!("{:#}\n", entries(&reply.hosts)?)),
        ListFormat::Table => printer.data(&table(&rows(&reply.hosts))),
    }
    Ok(exit::OK)
}

/// Asks the running fleet's supervisor.
///
/// # Errors
/// No fleet is up, or it refuses.
pub fn question(state: &StateArguments, request: &Request) -> Result<Reply, Failure> {
    let state = StateFolder::at(&state.folder)?;
    match ask(&state, request) {
        Ok(Some(reply)) => Ok(reply),
        Ok(None) => Err(no_fleet(&state)),
        Err(error) => Err(Failure { status: exit::UNAVAILABLE, error }),
    }
}

/// What to say where no supervisor answers.
pub fn no_fleet(state: &StateFolder) -> Failure {
    let folder = state.root().display();
    let message = match running_pid(state) {
        Some(pid) => format!("the supervisor in `{folder}` (pid {pid}) does not answer; try again, or `archgen down`"),
        None => format!("no fleet is up in `{folder}`; `archgen up SPEC` starts one"),
    };
    Failure::new(exit::UNAVAILABLE, message)
}

fn entries(hosts: &[HostStatus]) -> anyhow::Result<serde_json::Value> {
    let entry = |h: &HostStatus| {
        let entry =
            Entry { host: &h.host, kind: &h.kind, address: &h.address, pid: h.pid, state: h.state, note: &h.note };
        serde_json::to_value(entry).map_err(Into::into)
    };
    hosts.iter().map(entry).collect::<anyhow::Result<Vec<_>>>().map(Into::into)
}

fn rows(hosts: &[HostStatus]) -> Vec<Vec<String>> {
    let mut rows = vec![["HOST", "KIND", "ADDRESS", "PID", "STATE", ""].map(str::to_owned).to_vec()];
    rows.extend(hosts.iter().map(|h| {
        let pid = h.pid.map_or_else(|| "-".to_owned(), |p| p.to_string());
        let note = h.note.lines().next().unwrap_or_default().to_owned();
        vec![h.host.clone(), h.kind.clone(), h.address.clone(), pid, h.state.name().to_owned(), note]
    }));
    rows
}
