//! What a host runs: one of archgen's own, as a process or as a task, the user's program, or a real engine's server.

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use archgen_fleet::{Host, RealStore};
use nix::{
    sys::signal::Signal,
    unistd::{Gid, Uid},
};

/// What to start for a host.
#[derive(Debug, Clone)]
pub enum Program {
    /// `archgen host NAME` in a process of its own.
    Own,
    /// A task of this process.
    Task(Box<Host>),
    /// A program of the user's own, or a server.
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
    /// It answers HTTP, whatever it says.
    Answers,
}

/// What a server is started and stopped with that other programs are not.
#[derive(Debug, Clone, Copy)]
pub struct ServerTerms {
    /// Who runs it, where that is not us.
    pub user: Option<(Uid, Gid)>,
    /// Stops it in order.
    pub stop: Signal,
    /// Ends it, and its workers with it, when the supervisor has died.
    pub orphaned: Signal,
}

/// A program of the user's own, or a server.
#[derive(Clone)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Variables set beside those of the supervisor. Values may be secrets.
    pub variables: Vec<(String, String)>,
    /// Where it runs.
    pub folder: PathBuf,
    /// Where it is a real engine's server.
    pub server: Option<ServerTerms>,
}

impl Command {
    /// Where the program is, by its first word. As the shell does: a word with a slash is a path, and here it begins in the spec's
    /// folder; any other is looked for in `PATH`.
    pub fn program(&self) -> PathBuf {
        let first = self.words.first().map(String::as_str).unwrap_or_default();
        if first.contains('/') { self.folder.join(first) } else { first.into() }
    }

    /// Why the program cannot be started, and what to do, where that can be seen without starting it.
    pub fn missing(&self) -> Option<String> {
        let first = self.words.first().map(String::as_str).unwrap_or_default();
        if first.contains('/') {
            let path = self.program();
            let shown = path.display();
            return match fs::metadata(&path) {
                Err(_) => Some(format!(
                    "there is no program `{first}`: `{shown}` does not exist; build it, or mend `command` (a path begins in the spec's folder)"
                )),
                Ok(file) if file.is_dir() => {
                    Some(format!("`{first}` is no program: `{shown}` is a folder; name the file in it"))
                }
                Ok(file) if file.permissions().mode() & 0o111 == 0 => Some(format!(
                    "`{first}` is not executable; `chmod +x {shown}`, or name its interpreter first: `command: [python3, {first}]`"
                )),
                Ok(_) => None,
            };
        }
        let is_program = |folder: PathBuf| {
            fs::metadata(folder.join(first)).is_ok_and(|f| f.is_file() && f.permissions().mode() & 0o111 != 0)
        };
        // The program's own PATH counts, where the spec sets one.
        let own = self.variables.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.into());
        let path = own.or_else(|| env::var_os("PATH")).unwrap_or_default();
        let found = env::split_paths(&path).any(is_program);
        (!found).then(|| format!("there is no program `{first}` in PATH; install it, or write its path (`./{first}` begins in the spec's folder)"))
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command").field("words", &self.words).field("folder", &self.folder).finish_non_exhaustive()
    }
}
