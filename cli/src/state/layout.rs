//! Where each thing is under the state folder.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The state folder of one fleet.
#[derive(Debug, Clone)]
pub struct StateFolder {
    root: PathBuf,
}

impl StateFolder {
    /// The folder at this path, which may not exist yet.
    ///
    /// # Errors
    /// The current directory is gone.
    pub fn at(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { root: std::path::absolute(path).context("cannot find the current directory")? })
    }

    /// Makes it, for this user's eyes only.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self) -> anyhow::Result<()> {
        for folder in [self.root.clone(), self.logs(), self.all_data()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.with_context(|| format!("cannot make the state folder `{}`", folder.display()))?;
        }
        // Never committed by accident.
        match fs::write(self.root.join(".gitignore"), "*\n") {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).context("cannot write to the state folder")
            }
            _ => Ok(()),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The fleet's description: spec, addresses.
    pub fn fleet(&self) -> PathBuf {
        self.root.join("fleet.json")
    }

    /// The description that a running fleet is to take in.
    pub fn next_fleet(&self) -> PathBuf {
        self.root.join("fleet.next.json")
    }

    /// Nodes of stores that move their data.
    pub fn nodes(&self) -> PathBuf {
        self.root().join("nodes.json")
    }

    /// Ports by host.
    pub fn ports(&self) -> PathBuf {
        self.root.join("ports.json")
    }

    /// The fleet's key.
    pub fn service_key(&self) -> PathBuf {
        self.root.join("service-key")
    }

    /// The faults that a fleet brought up for them is to suffer.
    pub fn chaos(&self) -> PathBuf {
        self.root.join("chaos.json")
    }

    /// The demo users' password.
    pub fn demo(&self) -> PathBuf {
        self.root.join("demo.json")
    }

    /// Held by the supervisor.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Children that the supervisor started.
    pub fn processes(&self) -> PathBuf {
        self.root.join("processes.json")
    }

    /// The supervisor's socket.
    pub fn control(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// What a detached supervisor prints.
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }

    /// Folder of the hosts' logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Log of one host.
    pub fn log(&self, host: &str) -> PathBuf {
        self.logs().join(format!("{host}.log"))
    }

    /// Folder of the hosts' disks.
    pub fn all_data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Disk of one host.
    pub fn data(&self, host: &str) -> PathBuf {
        self.all_data().join(host)
    }
}
