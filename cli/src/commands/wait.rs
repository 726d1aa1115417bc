//! `archgen wait`: until every host is ready.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::ps::{no_fleet, question};
use crate::{
    arguments::WaitArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    state::{StateFolder, running_pid},
    supervisor::{HostState, HostStatus, Request, ask},
};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(50);

/// Waits.
pub fn run(arguments: &WaitArguments, printer: Printer) -> Outcome {
    let state = StateFolder::at(&arguments.state.folder)?;
    let began = now();
    let mut last: Vec<HostStatus> = Vec::new();
    loop {
        match ask(&state, &Request::Status) {
            Ok(Some(reply)) => {
                if reply.is_healthy() {
                    printer.note(&format!("healthy: {} hosts", reply.hosts.len()));
                    return Ok(exit::OK);
                }
                if let Some(host) = reply.hosts.iter().find(|h| h.state == HostState::Failed) {
                    return Err(Failure::new(exit::UNAVAILABLE, format!("{} failed: {}", host.host, host.note)));
                }
                last = reply.hosts;
            }
            // A supervisor that holds the lock and does not answer yet is only just starting.
            Ok(None) if running_pid(&state).is_none() => return Err(no_fleet(&state)),
            Ok(None) => {}
            Err(_) => drop(question(&arguments.state, &Request::Status)?),
        }
        if began.elapsed() >= arguments.timeout {
            return Err(Failure::new(exit::NOT_YET, format!("not healthy in time{}", unready(&last))));
        }
        sleep(LOOK);
    }
}

fn unready(hosts: &[HostStatus]) -> String {
    let unready = hosts.iter().filter(|h| h.state != HostState::Ready);
    unready.map(|h| format!("\n  {}: {} {}", h.host, h.state.name(), h.note)).collect()
}

#[expect(clippy::disallowed_methods, reason = "the wait is the machine's, and no host is involved")]
fn now() -> Instant {
    Instant::now()
}
