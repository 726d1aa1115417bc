//! `archgen host`: one host of a fleet in a process of its own. The supervisor starts it; people need not.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use archgen_env::{Env, Parts, chaos::Chaos, entropy::Entropy, os, task::Shutdown};
use archgen_fleet::{Addresses, FleetError};
use archgen_ports::ServiceKey;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::HostArguments,
    exit::{self, Failure, Outcome},
    logging::log_to,
    printer::Printer,
    spec_files::{self, Environment},
    state::{FleetFile, Nodes, StateFolder, read_service_key, service_key},
};

/// Threads of a host: a fleet is many processes on one machine.
const WORKERS: usize = 2;

/// Runs the host until SIGTERM.
pub fn run(arguments: &HostArguments, printer: Printer) -> Outcome {
    log_to(io::stdout)?;
    let given = given(arguments, printer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(serve(arguments, given))
}

/// The fleet and its key where the command line says them; else a supervisor left them in the state folder.
fn given(arguments: &HostArguments, printer: Printer) -> Result<Option<(FleetFile, ServiceKey)>, Failure> {
    let (Some(spec), Some(addresses), Some(key)) = (&arguments.spec, &arguments.addresses, &arguments.service_key)
    else {
        return Ok(None);
    };
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (_, texts) = spec_files::topology(spec, environment, printer)?;
    let folder = spec_files::folder(spec)?;
    let fleet = FleetFile {
        spec: texts,
        folder,
        addresses: read_addresses(addresses)?,
        in_process: false,
        nodes: Nodes::new(),
        moved_bytes_per_second_max: None,
        chaos: false,
        #[cfg(sabotage)]
        sabotage: None,
        demo: false,
    };
    Ok(Some((fleet, read_service_key(key)?)))
}

fn read_addresses(path: &Path) -> anyhow::Result<Addresses> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let all: BTreeMap<String, String> =
        serde_json::from_str(&text).with_context(|| format!("`{}` is no list of addresses", path.display()))?;
    let parsed = all.into_iter().map(|(name, address)| Ok((name, address.parse()?)));
    parsed.collect::<anyhow::Result<Addresses>>().with_context(|| format!("`{}` is damaged", path.display()))
}

async fn serve(arguments: &HostArguments, given: Option<(FleetFile, ServiceKey)>) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let shutdown = Shutdown::default();
    let data = state.data(&arguments.name);
    fs::create_dir_all(&data).with_context(|| format!("cannot make `{}`", data.display()))?;
    let parts = os::parts(&arguments.name, &data, shutdown.clone());
    let (fleet, key) = match given {
        Some(given) => given,
        None => {
            let entropy = Entropy::new(parts.entropy.stream("service-key"));
            (FleetFile::load(&state)?, service_key(&state, &entropy)?)
        }
    };
    #[cfg(sabotage)]
    plant(fleet.sabotage.as_deref())?;
    let env = Env::new(if fleet.chaos { obedient(parts, &fleet, state.chaos()).await } else { parts });
    let assembly = fleet.assembly(key)?;
    let hosts = archgen_fleet::hosts(&assembly).map_err(failure)?;
    let host = hosts.into_iter().find(|h| h.name() == arguments.name);
    let host = host.ok_or_else(|| Failure::new(exit::USAGE, format!("the fleet has no host `{}`", arguments.name)))?;
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    // Ctrl-C is for the supervisor to act on.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let order = env.spawn("signals", async move {
        loop {
            tokio::select! {
                biased;
                _ = term.recv() => break,
                _ = interrupt.recv() => {}
            }
        }
        shutdown.trigger("SIGTERM");
    });
    tracing::info!(address = %host.address(), "starting");
    let ended = host.start(env).await;
    order.abort();
    if let Err(error) = ended {
        // The error names files as the host knows them: relative to its own disk.
        let mut failure = failure(error);
        failure.error = anyhow!("{:#} (its files are in {})", failure.error, data.display());
        return Err(failure);
    }
    tracing::info!("stopped");
    Ok(exit::OK)
}

/// Plants a bug by name for the life of this process.
#[cfg(sabotage)]
fn plant(name: Option<&str>) -> Result<(), Failure> {
    use archgen_env::sabotage::{self, Bug};
    let Some(name) = name else { return Ok(()) };
    let found = Bug::ALL.into_iter().find(|(known, _)| *known == name);
    let (_, bug) = found.ok_or_else(|| Failure::new(exit::USAGE, format!("no bug is called `{name}`")))?;
    sabotage::plant(bug);
    Ok(())
}

/// These parts under the orders of this file; returns when they let the host begin.
async fn obedient(parts: Parts, fleet: &FleetFile, orders: PathBuf) -> Parts {
    let chaos = Chaos::between(&fleet.addresses);
    chaos.look(&orders);
    let following = chaos.clone();
    parts.spawner.spawn("orders", Box::pin(async move { following.follow(&orders).await }));
    chaos.until_up(&parts.host).await;
    chaos.around(parts)
}

fn failure(error: FleetError) -> Failure {
    // What the topology lacks it will lack the next time, too.
    let status = if matches!(error, FleetError::Ended { .. }) { exit::SYSTEM } else { exit::CONFIGURATION };
    Failure { status, error: anyhow!(error) }
}
