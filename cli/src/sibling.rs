//! Finds the `archgen-sim` program beside this one, and builds it under cargo where it is missing or older. It is a program of
//! its own because it carries the libc shim.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::Context;

use crate::{
    exit::{self, Failure},
    printer::Printer,
};

const NAME: &str = "archgen-sim";

/// Path of the simulator, built if need be.
///
/// # Errors
/// It is not there and cannot be built; the message says what to run.
pub fn simulator(printer: Printer) -> Result<PathBuf, Failure> {
    let own = env::current_exe().context("cannot find this program's own path")?;
    let program = own.with_file_name(NAME);
    let stale = match (modified(&program), modified(&own)) {
        (Some(sibling), Some(own)) => sibling < own,
        (sibling, _) => sibling.is_none(),
    };
    if !stale {
        return Ok(program);
    }
    match (Checkout::find(&own), program.is_file()) {
        (Some(checkout), _) => checkout.build(&program, printer),
        (None, true) => Ok(program),
        (None, false) => Err(Failure::new(
            exit::UNAVAILABLE,
            format!(
                "`{NAME}` is not beside `{}`; in a checkout run `cargo build --release`, else install both programs together",
                own.display()
            ),
        )),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// The source that this program was built from, where it was built by cargo.
struct Checkout {
    manifest: PathBuf,
    target: PathBuf,
    release: bool,
}

impl Checkout {
    /// `<target>/<profile>/archgen`, with the manifest told by `cargo run` or found above the target folder.
    fn find(own: &Path) -> Option<Self> {
        let profile = own.parent()?;
        let release = match profile.file_name()?.to_str()? {
            "release" => true,
            "debug" => false,
            _ => return None,
        };
        let target = profile.parent()?.to_owned();
        let told = env::var_os("CARGO_MANIFEST_DIR").map(|folder| PathBuf::from(folder).join("Cargo.toml"));
        let above = || target.ancestors().skip(1).map(|folder| folder.join("Cargo.toml")).find(|p| p.is_file());
        let manifest = told.filter(|p| declares_simulator(p)).or_else(above)?;
        Some(Self { manifest, target, release })
    }

    fn build(&self, program: &Path, printer: Printer) -> Result<PathBuf, Failure> {
        printer.note(&format!("building `{NAME}`, which runs simulations"));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(&cargo);
        command.args(["build", "-p", "archgen", "--bin", NAME, "--manifest-path"]).arg(&self.manifest);
        command.arg("--target-dir").arg(&self.target);
        if self.release {
            command.arg("--release");
        }
        // Cargo's own progress goes to standard error, as ours does; standard output is for data.
        let status =
            command.stdout(Stdio::null()).status().with_context(|| format!("cannot run {}", cargo.display()))?;
        if status.success() && program.is_file() {
            return Ok(program.to_owned());
        }
        let release = if self.release { " --release" } else { "" };
        Err(Failure::new(
            exit::UNAVAILABLE,
            format!("`{NAME}` could not be built; see above, or run `cargo build{release} -p archgen --bin {NAME}`"),
        ))
    }
}

fn declares_simulator(manifest: &Path) -> bool {
    fs::read_to_string(manifest).is_ok_and(|text| text.contains(&format!("name = \"{NAME}\"")))
}
