//! `archgen restart`: stops one host and waits until it is ready again.

use std::{thread::sleep, time::Duration};

use super::ps::question;
use crate::{
    arguments::RestartArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
    supervisor::{HostState, HostStatus, Request},
};

/// Time between looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long the host may take, its grace to stop included.
const WITHIN: Duration = Duration::from_secs(60);

/// Restarts the host.
pub fn run(arguments: &RestartArguments, printer: Printer) -> Outcome {
    let of = |hosts: Vec<HostStatus>| hosts.into_iter().find(|h| h.host == arguments.host);
    let before = question(&arguments.state, &Request::Restart { host: arguments.host.clone() })?;
    // A task keeps the supervisor's process id and can be back before anybody looks: only the count of its starts tells.
    let starts = of(before.hosts).map_or(0, |h| h.starts);
    let mut waited = Duration::ZERO;
    while waited < WITHIN {
        sleep(LOOK);
        waited += LOOK;
        let now = of(question(&arguments.state, &Request::Status)?.hosts);
        let Some(now) = now else { break };
        match now.state {
            HostState::Ready if now.starts > starts => {
                let pid = now.pid.map_or_else(String::new, |p| format!(" (pid {p})"));
                printer.note(&format!("{} is ready again{pid}", now.host));
                return Ok(exit::OK);
            }
            HostState::Failed => {
                return Err(Failure::new(exit::UNAVAILABLE, format!("{} failed: {}", now.host, now.note)));
            }
            _ => {}
        }
    }
    Err(Failure::new(exit::NOT_YET, format!("{} is not ready again yet; `archgen ps` shows it", arguments.host)))
}
