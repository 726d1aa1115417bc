//! The lock by which one supervisor owns a state folder. The kernel frees it when its holder dies in any way.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
};

use anyhow::Context;
use nix::fcntl::{Flock, FlockArg};

use super::StateFolder;
use crate::exit::{self, Failure};

/// Held as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock and writes this process's id into it.
    ///
    /// # Errors
    /// Another supervisor holds it; the message names its pid.
    pub fn take(state: &StateFolder) -> Result<Self, Failure> {
        let path = state.lock();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let written = held.set_len(0).and_then(|()| write!(held, "{}", std::process::id()));
                written.with_context(|| format!("cannot write `{}`", path.display()))?;
                Ok(Self { _held: held })
            }
            Err((mut file, _)) => {
                let pid = pid_in(&mut file).map_or_else(|| "unknown".to_owned(), |p| p.to_string());
                Err(Failure::new(
                    exit::UNAVAILABLE,
                    format!(
                        "a fleet is up already in `{}` (supervisor pid {pid}); `archgen ps` lists it, `archgen down` stops it",
                        state.root().display()
                    ),
                ))
            }
        }
    }
}

/// The supervisor's pid, where one holds the lock.
pub fn running_pid(state: &StateFolder) -> Option<u32> {
    let file = OpenOptions::new().read(true).write(true).open(state.lock()).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_free) => None,
        Err((mut file, _)) => pid_in(&mut file).or(Some(0)),
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
