//! Programs under the names by which printed commands call them, in front of which a planned node's name becomes its address.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use archgen_generator::{Migration, Pace, migration};
use archgen_spec::topology::Topology;
pub use archgen_tests::{generated, topology};
use tokio::time::Instant;

/// Longest wait for anything that an engine does by itself.
const PATIENCE: Duration = Duration::from_secs(120);
const PACE: Pace = Pace { transfers_per_node_max: 4, bytes_per_second_max: 100_000_000 };

/// The folder in which an engine's programs are.
pub fn programs(name: &str) -> PathBuf {
    let folder = archgen_tests::engine(name);
    assert!(folder.exists(), "{} is missing: run `tests/plans/install`", folder.display());
    folder
}

/// The first of the ports that the test of an engine uses: beyond those of `tests/backends`.
pub fn port(offset: u16) -> u16 {
    let first = std::env::var("ARCHGEN_BACKENDS_PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(26_000);
    first + 200 + offset
}

/// The way from one topology to another, of which nothing is refused.
pub fn way(old: &Topology, new: &Topology) -> Migration {
    let found = migration(old, new, PACE);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    found
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder with the programs, in which commands run.
pub struct Tools {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Tools {
    /// With these names for these addresses. A name may have a port behind it: `events-1:9092`.
    pub fn new(names: &[(String, String)]) -> Self {
        let folder = tempfile::Builder::new().prefix("plan").tempdir_in("/var/tmp").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        // Those with a port first: their names are parts of them.
        let mut names = names.to_vec();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let rules: String = names.iter().map(|(name, address)| format!("s/\\b{name}\\b/{address}/g\n")).collect();
        fs::write(folder.path().join("names.sed"), rules).expect("a file");
        let tools = Self { folder, variables: BTreeMap::new() };
        tools.script("getent", "echo \"$(named \"$2\") $2\"");
        tools
    }

    /// Where commands run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A variable of all commands.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// A program that runs another one, with names replaced in its arguments.
    pub fn named(&self, tool: &str, program: &str) {
        self.script(
            tool,
            &format!(
                "all=()\nfor one in \"$@\"; do all+=(\"$(named \"$one\")\"); done\nexec {program} \"${{all[@]}}\""
            ),
        );
    }

    /// A program by its text; `named TEXT` prints the text with names replaced.
    pub fn script(&self, tool: &str, text: &str) {
        let folder = self.folder.path().display();
        let named = format!("named() {{ printf '%s' \"$1\" | sed -f {folder}/names.sed; }}");
        let path = self.folder.path().join("bin").join(tool);
        fs::write(&path, format!("#!/usr/bin/env bash\nset -eu\n{named}\n{text}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }

    fn output(&self, command: &str) -> Output {
        let path =
            format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let mut bash = Command::new("timeout");
        bash.args(["300", "bash", "-euo", "pipefail", "-c", command]).current_dir(self.folder.path());
        // What stays behind a command would hold a pipe open.
        bash.env("PATH", path).envs(&self.variables).stdin(std::process::Stdio::null()).output().expect("bash")
    }

    /// Runs a command as it stands; what it printed.
    pub fn run(&self, command: &str) -> String {
        let output = self.output(command);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Whether a command succeeds.
    pub fn holds(&self, command: &str) -> bool {
        self.output(command).status.success()
    }

    /// Runs every command of a store's migration, in order; how many there were.
    pub fn migrate(&self, found: &Migration, store: &str) -> usize {
        let of = found.stores.iter().find(|s| s.store == store).expect("something moves");
        let mut commands = 0;
        for step in &of.steps {
            for command in &step.commands {
                let begun = Instant::now();
                self.run(command);
                commands += 1;
                println!("{:13} {:5.1} s  {}", step.phase.name(), begun.elapsed().as_secs_f64(), short(command));
            }
        }
        commands
    }
}

/// The first line of a command.
fn short(command: &str) -> String {
    command.lines().next().unwrap_or_default().chars().take(110).collect()
}
