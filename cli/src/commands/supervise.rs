//! `archgen supervise`: the supervisor of a fleet that was decided by `up`; and the runtime under it.

use anyhow::Context;
use archgen_env::{os, task::Shutdown};

use crate::{
    arguments::SuperviseArguments,
    exit::Outcome,
    printer::Printer,
    state::{FleetFile, Lock, StateFolder, service_key},
    supervisor::{self, Mode},
};

/// Supervises in this process, without a terminal.
pub fn run(arguments: &SuperviseArguments, printer: Printer) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let lock = Lock::take(&state)?;
    supervise(state, lock, Mode::Detached, printer)
}

/// Supervises the fleet on record until it is told to stop.
///
/// # Errors
/// The supervisor cannot work, or a host failed before the fleet was healthy.
pub fn supervise(state: StateFolder, lock: Lock, mode: Mode, printer: Printer) -> Outcome {
    let fleet = FleetFile::load(&state)?;
    let env = os::env("supervisor", state.root(), Shutdown::default());
    let key = service_key(&state, &env.entropy("service-key"))?;
    let assembly = fleet.assembly(key)?;
    let runtime = if fleet.in_process {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        // One thread, and it is the main one: the kernel ties the children's death to the thread that started them.
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let runtime = runtime.context("cannot start the runtime")?;
    // Drivers of real engines start tasks of their own.
    let entered = runtime.enter();
    let hosts = archgen_fleet::hosts(&assembly).map_err(anyhow::Error::from)?;
    let stores = archgen_fleet::real_stores(&assembly, &env).map_err(anyhow::Error::from)?;
    let units = supervisor::units(&state, &assembly, hosts, stores, &fleet.folder, fleet.in_process)?;
    drop(entered);
    runtime.block_on(supervisor::run(state, fleet, units, lock, mode, printer))
}
