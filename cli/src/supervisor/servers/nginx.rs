//! nginx: the generated files with the addresses of the fleet, and the fleet's key, by which services know the gateway.

use std::{path::Path, process::Command as Process};

use anyhow::Context;
use archgen_generator::Target;
use nix::{
    sys::signal::Signal,
    unistd::{User, geteuid},
};

use super::{Server, program, run};
use crate::supervisor::program::{Command, ServerTerms};

pub(super) fn prepare(server: &Server<'_>, programs: &Path) -> anyhow::Result<()> {
    for (name, text) in server.generated(Target::Nginx)? {
        server.write(&name, &text)?;
    }
    server.write("secrets/fleet.map", &format!("fleet \"{}\";\n", server.assembly.key.expose()))?;
    let words = words(server, programs)?;
    let mut process = Process::new(&words[0]);
    process.args(&words[1..]).arg("-t").current_dir(&server.folder);
    run(process).context("it refuses the generated files (on Debian its JavaScript module is `libnginx-mod-http-js`)")
}

fn words(server: &Server<'_>, programs: &Path) -> anyhow::Result<Vec<String>> {
    let mut globals = "daemon off;".to_owned();
    if geteuid().is_root() {
        // Its workers read and write below the state folder, which is for our eyes only.
        let us = User::from_uid(geteuid()).context("cannot read the list of users")?.context("we have no name")?;
        globals.push_str(&format!(" user {};", us.name));
    }
    let folder = server.folder.display().to_string();
    let words = [&program(programs, "nginx"), "-p", &folder, "-c", "nginx.conf", "-e", "stderr", "-g", &globals];
    Ok(words.map(str::to_owned).to_vec())
}

pub(super) fn command(server: &Server<'_>, programs: &Path) -> anyhow::Result<Command> {
    // Requests under way are answered: SIGTERM would drop them.
    let terms = ServerTerms { user: None, stop: Signal::SIGQUIT, orphaned: Signal::SIGTERM };
    Ok(Command { server: Some(terms), ..server.started(words(server, programs)?) })
}
