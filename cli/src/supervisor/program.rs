//! What a host runs: one of archgen's own, as a process or as a task, or the user's program.

use std::path::PathBuf;

use archgen_fleet::Host;

/// What to start for a host.
#[derive(Debug, Clone)]
pub enum Program {
    /// `archgen host NAME` in a process of its own.
    Own,
    /// A task of this process.
    Task(Box<Host>),
    /// A program of the user's own.
    Command(Command),
}

/// A program of the user's own.
#[derive(Clone)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Variables set beside those of the supervisor. Values may be secrets.
    pub variables: Vec<(String, String)>,
    /// Where it runs.
    pub folder: PathBuf,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("words", &self.words).field("folder", &self.folder).finish_non_exhaustive()
    }
}
