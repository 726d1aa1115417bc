//! How a start goes, told in lines: each host when it is ready, and what the rest waits for when it takes long.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::board::{HostState, HostStatus};

/// Time without news after which the waiting hosts are named.
const LONG: Duration = Duration::from_secs(4);

/// What was told already.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    news: Instant,
    told: BTreeMap<String, HostState>,
    healthy_after: Option<Duration>,
}

impl Progress {
    /// Nothing told yet.
    pub fn new(began: Instant) -> Self {
        Self { began, news: began, told: BTreeMap::new(), healthy_after: None }
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long it took until every host was ready.
    pub fn healthy_after(&self) -> Duration {
        self.healthy_after.unwrap_or_else(|| self.elapsed())
    }

    /// The lines to print for these states.
    pub fn observe(&mut self, hosts: &[HostStatus], color: bool) -> Vec<String> {
        let width = hosts.iter().map(|h| h.host.len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        if self.healthy_after.is_none() && hosts.iter().all(|h| h.state == HostState::Ready) {
            self.healthy_after = Some(self.elapsed());
        }
        for host in hosts {
            let before = self.told.insert(host.host.clone(), host.state);
            if before == Some(host.state) || !tells(before, host.state) {
                continue;
            }
            let note = match host.state {
                HostState::Ready => format!("{} ({:.1} s)", host.address, self.elapsed().as_secs_f64()),
                _ => host.note.clone(),
            };
            lines.push(format!("{:>10}  {:width$}  {note}", mark(host.state, color), host.host));
        }
        if !lines.is_empty() {
            self.news = Instant::now();
        } else if self.news.elapsed() >= LONG {
            self.news = Instant::now();
            let late = hosts.iter().filter(|h| matches!(h.state, HostState::Waiting | HostState::Starting));
            lines.extend(late.map(|h| format!("{:>10}  {:width$}  {}", h.state.name(), h.host, h.note)));
        }
        lines
    }
}

/// Whether a change is worth a line.
fn tells(before: Option<HostState>, now: HostState) -> bool {
    match now {
        HostState::Waiting | HostState::Starting => false,
        HostState::Stopped => before.is_some_and(|b| b != HostState::Waiting),
        HostState::Ready | HostState::Unhealthy | HostState::Restarting | HostState::Failed => true,
    }
}

fn mark(state: HostState, color: bool) -> String {
    let name = state.name();
    let code = match state {
        HostState::Ready => 32,
        HostState::Unhealthy | HostState::Failed => 31,
        HostState::Restarting => 33,
        _ => return name.to_owned(),
    };
    // Padded before the colour, whose codes have no width.
    if color { format!("\x1b[{code}m{name:>10}\x1b[0m") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_change_is_told_once() {
        let mut progress = Progress::new(Instant::now());
        let mut host = HostStatus {
            host: "user-1".to_owned(),
            kind: "user".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            starts: 0,
            pid: None,
            state: HostState::Waiting,
            note: String::new(),
        };
        assert!(progress.observe(std::slice::from_ref(&host), false).is_empty());
        host.state = HostState::Ready;
        assert_eq!(progress.observe(std::slice::from_ref(&host), false).len(), 1);
        assert!(progress.observe(std::slice::from_ref(&host), false).is_empty());
        (host.state, host.note) = (HostState::Failed, "exit status 78".to_owned());
        assert_eq!(progress.observe(std::slice::from_ref(&host), false), ["    failed  user-1  exit status 78"]);
    }
}
