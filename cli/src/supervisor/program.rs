//! What a host runs: one of archgen's own, as a process or as a task, or the user's program.

use std::path::PathBuf;

use archgen_fleet::{Host, RealStore};

/// What to start for a host.
#[derive(Debug, Clone)]
pub enum Program {
    /// `archgen host NAME` in a process of its own.
    Own,
    /// A task of this process.
    Task(Box<Host>),
    /// A program of the user's own.
    Command(Command),
    /// Nothing: a server that runs already.
    There,
}

/// How it is seen that a host is ready.
#[derive(Debug, Clone)]
pub enum Readiness {
    /// It answers 200 on this path.
    Path(String),
    /// The real engine is there, with its schema.
    Store(RealStore),
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
