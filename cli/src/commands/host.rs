//! `archgen host`: one host of a fleet in a process of its own. The supervisor starts it; people need not.

use std::{fs, io};

use anyhow::{Context, anyhow};
use archgen_env::{os, task::Shutdown};
use archgen_fleet::FleetError;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::HostArguments,
    exit::{self, Failure, Outcome},
    logging::log_to,
    state::{FleetFile, StateFolder, service_key},
};

/// Threads of a host: a fleet is many processes on one machine.
const WORKERS: usize = 2;

/// Runs the host until SIGTERM.
pub fn run(arguments: &HostArguments) -> Outcome {
    log_to(io::stdout)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(serve(arguments))
}

async fn serve(arguments: &HostArguments) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let fleet = FleetFile::load(&state)?;
    let shutdown = Shutdown::default();
    let data = state.data(&arguments.name);
    fs::create_dir_all(&data).with_context(|| format!("cannot make `{}`", data.display()))?;
    let env = os::env(&arguments.name, &data, shutdown.clone());
    let key = service_key(&state, &env.entropy("service-key"))?;
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

fn failure(error: FleetError) -> Failure {
    // What the topology lacks it will lack the next time, too.
    let status = if matches!(error, FleetError::Ended { .. }) { exit::SYSTEM } else { exit::CONFIGURATION };
    Failure { status, error: anyhow!(error) }
}
