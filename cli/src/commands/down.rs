//! `archgen down`: stops the fleet, and makes sure that nothing of it runs, also where its supervisor was killed.

use std::{fs, io::ErrorKind, thread::sleep, time::Duration};

use anyhow::Context;

use crate::{
    arguments::DownArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    state::{ProcessList, StateFolder, running_pid},
    supervisor::{Request, ask},
};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long the fleet may take; the longest grace that a spec gives its hosts is usually half of it.
const WITHIN: Duration = Duration::from_secs(120);

/// Stops the fleet.
pub fn run(arguments: &DownArguments, printer: Printer) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let on_record = ProcessList::load(&state)?;
    let supervisor = running_pid(&state);
    let mut told = false;
    let mut waited = Duration::ZERO;
    while running_pid(&state).is_some() {
        if !told {
            // It may only just be starting, and not listen yet.
            told = ask(&state, &Request::Down)?.is_some();
        }
        if waited >= WITHIN {
            let pid = supervisor.unwrap_or_default();
            return Err(Failure::new(exit::NOT_YET, format!("the supervisor (pid {pid}) still stops its hosts")));
        }
        sleep(LOOK);
        waited += LOOK;
    }
    let orphans = on_record.alive().len();
    on_record.kill();
    while !on_record.alive().is_empty() {
        if waited >= WITHIN {
            return Err(Failure::new(exit::SYSTEM, format!("cannot kill {}", on_record.alive().join(", "))));
        }
        sleep(LOOK);
        waited += LOOK;
    }
    for left in [state.control(), state.processes()] {
        match fs::remove_file(&left) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(anyhow::Error::from(error).context(format!("cannot remove `{}`", left.display())).into());
            }
            _ => {}
        }
    }
    let data = state.root().join("data");
    let kept = fs::read_dir(&data).map(|d| d.count() > 0);
    let kept = kept.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(false) } else { Err(e) });
    let kept = kept.with_context(|| format!("cannot read `{}`", data.display()))?;
    printer.note(match (supervisor, orphans, on_record.hosts.is_empty(), kept) {
        (Some(_), _, _, true) => "stopped; the data stay for the next `archgen up`",
        (Some(_), _, _, false) => "stopped",
        (None, 0, true, _) => "no fleet is up",
        (None, 0, false, _) => "the supervisor was killed, and its hosts with it; nothing is left",
        (None, ..) => "the supervisor was killed; the hosts it left are killed, too",
    });
    Ok(exit::OK)
}
