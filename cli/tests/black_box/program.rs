//! How the tests call the program.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// A file of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What a call gave.
pub struct Given {
    pub status: i32,
    pub out: String,
    pub notes: String,
}

impl Given {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.notes))
    }

    /// The call did what it was asked.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.notes);
        self
    }
}

/// The program, to be run in a folder.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archgen"));
    command.args(arguments).current_dir(folder).env_remove("ARCHGEN_LOG");
    command
}

/// Runs it.
pub fn archgen(folder: &Path, arguments: &[&str]) -> Given {
    let Output { status, stdout, stderr } = command(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Given { status: status.code().unwrap_or(-1), out: text(stdout), notes: text(stderr) }
}
