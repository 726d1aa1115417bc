//! The children of a supervisor on record, so that `down` can make sure of them when the supervisor is gone. A pid alone proves
//! nothing, for the kernel gives it out again: a record is its pid together with the time at which that process began.

use std::{collections::BTreeMap, fs};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use super::{StateFolder, files::read_if_there, write_private};

/// One child, the leader of its process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its id and that of its group.
    pub pid: u32,
    /// When it began, clock ticks after boot (proc(5), field 22 of `stat`).
    pub start_ticks: u64,
}

impl ProcessRecord {
    /// Whether that same process, or one that it left in its group, is still there (zombies are not).
    pub fn is_alive(self) -> bool {
        match stat(self.pid) {
            Some(own) if own.start_ticks != self.start_ticks => false,
            Some(own) if own.runs => true,
            // The kernel gives no new process the id of a group that has members: they are its own.
            _ => pids().any(|pid| stat(pid).is_some_and(|s| s.runs && s.group == self.pid)),
        }
    }
}

/// Children by host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessList {
    /// By host.
    pub hosts: BTreeMap<String, ProcessRecord>,
}

impl ProcessList {
    /// Reads the list; empty where there is none.
    ///
    /// # Errors
    /// The file system's.
    pub fn load(state: &StateFolder) -> anyhow::Result<Self> {
        let text = read_if_there(&state.processes())?;
        // A list cut short by a power loss speaks of processes that are gone with it.
        Ok(text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default())
    }

    /// Writes it.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, state: &StateFolder) -> anyhow::Result<()> {
        write_private(&state.processes(), &serde_json::to_string(self)?)
    }

    /// Hosts whose process is still there.
    pub fn alive(&self) -> Vec<&str> {
        self.hosts.iter().filter(|(_, r)| r.is_alive()).map(|(host, _)| host.as_str()).collect()
    }

    /// Kills the groups of those still there.
    pub fn kill(&self) {
        for record in self.hosts.values().filter(|r| r.is_alive()) {
            // It may have ended in between.
            let _ = killpg(Pid::from_raw(record.pid as i32), Signal::SIGKILL);
        }
    }
}

/// When a process began, clock ticks after boot; `None` where it is gone or a zombie.
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat(pid).filter(|s| s.runs).map(|s| s.start_ticks)
}

/// What `/proc/<pid>/stat` says (proc(5)).
struct Stat {
    runs: bool,
    group: u32,
    start_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may hold anything, parentheses too.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let runs = !matches!(*fields.first()?, "Z" | "X");
    Some(Stat { runs, group: fields.get(2)?.parse().ok()?, start_ticks: fields.get(19)?.parse().ok()? })
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_process_not_one_pid() {
        let pid = std::process::id();
        let start_ticks = start_ticks(pid).unwrap();
        assert!(ProcessRecord { pid, start_ticks }.is_alive());
        assert!(!ProcessRecord { pid, start_ticks: start_ticks + 1 }.is_alive());
    }

    #[test]
    fn what_a_leader_left_behind_is_alive_until_killed() {
        use std::os::unix::process::CommandExt;

        let mut leader = std::process::Command::new("sh")
            .args(["-c", "sleep 600 & read _"])
            .stdin(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = leader.id();
        let record = ProcessRecord { pid, start_ticks: start_ticks(pid).unwrap() };
        drop(leader.stdin.take());
        leader.wait().unwrap();
        assert!(record.is_alive(), "its child is");
        let list = ProcessList { hosts: [("own-1".to_owned(), record)].into() };
        list.kill();
        while !list.alive().is_empty() {
            std::thread::yield_now();
        }
    }
}
