//! PostgreSQL: one primary on loopback. It is made with the user and the password of the spec, who may everything; the generated
//! configuration is put before it at each start, and the schema is made by whoever looks first.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command as Process,
};

use anyhow::Context;
use archgen_generator::Target;
use archgen_spec::topology::Component;
use nix::{sys::signal::Signal, unistd::chown};

use super::{Server, give, program, run, somebody_else};
use crate::supervisor::program::{Command, ServerTerms};

/// Who runs it where we are root.
const USER: &str = "postgres";

pub(super) fn prepare(server: &Server<'_>, programs: &Path) -> anyhow::Result<()> {
    let Component::Store(id) = server.instance.component else { return Ok(()) };
    let pair = server.topology().store(id).credentials.as_ref().context("it has no `credentials`")?;
    let user = somebody_else(USER)?;
    give(&server.folder, user)?;
    for (name, text) in server.generated(Target::Postgres)? {
        if matches!(name.as_str(), "primary.conf" | "pg_hba.conf") {
            give(&server.write(&name, &text)?, user)?;
        }
    }
    let data = server.folder.join("data");
    if data.exists() {
        return Ok(());
    }
    if let Some((_, group)) = user {
        // Whoever runs it must come through to its folder, and nobody else.
        for folder in [server.state.all_data(), server.state.root().to_owned()] {
            let opened = chown(&folder, None, Some(group)).map_err(io::Error::from);
            let opened = opened.and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o710)));
            opened.with_context(|| format!("cannot open `{}`", folder.display()))?;
        }
    }
    let password = server.write("password", server.secret(&pair.password)?)?;
    give(&password, user)?;
    let mut process = Process::new(program(programs, "initdb"));
    process.current_dir("/").args(["-U", &pair.user, "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"]);
    process.args(["--auth=scram-sha-256", "--pwfile"]).arg(&password);
    if let Some((uid, gid)) = user {
        process.uid(uid.as_raw()).gid(gid.as_raw());
    }
    let made = make(&data, |folder| {
        process.arg("-D").arg(folder);
        run(process).with_context(|| match user {
            Some(_) => {
                format!("user `{USER}` must be able to enter `{}` and every folder above it", server.folder.display())
            }
            None => format!("it was to be made in `{}`", server.folder.display()),
        })
    });
    let _ = fs::remove_file(&password);
    made
}

/// Makes the data folder under another name, and gives it its own once it is whole: what a start left unfinished is no database,
/// although it looks like one from its first file on.
fn make(data: &Path, initialise: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let unfinished = data.with_extension("new");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove `{}`", unfinished.display()));
        }
        _ => {}
    }
    initialise(&unfinished)?;
    let renamed = fs::rename(&unfinished, data);
    let kept = renamed.and_then(|()| data.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all()));
    kept.with_context(|| format!("cannot make `{}`", data.display()))
}

pub(super) fn command(server: &Server<'_>, programs: &Path) -> anyhow::Result<Command> {
    let at = |name: &str| server.folder.join(name).display().to_string();
    let settings = [
        format!("config_file={}", at("primary.conf")),
        format!("hba_file={}", at("pg_hba.conf")),
        // Nobody needs a socket in the file system.
        "unix_socket_directories=".to_owned(),
    ];
    let mut words = vec![program(programs, "postgres"), "-D".to_owned(), at("data")];
    words.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    // SIGTERM would wait until every pooled connection has gone.
    let terms = ServerTerms { user: somebody_else(USER)?, stop: Signal::SIGINT, orphaned: Signal::SIGINT };
    Ok(Command { server: Some(terms), ..server.started(words) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_left_unfinished_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let begun = |at: &Path| {
            fs::create_dir(at)?;
            fs::write(at.join("PG_VERSION"), "15\n")?;
            anyhow::Ok(())
        };
        let interrupted = make(&data, |at| {
            begun(at)?;
            anyhow::bail!("interrupted")
        });
        assert!(interrupted.is_err());
        assert!(!data.exists(), "half a database is none");
        make(&data, |at| {
            begun(at)?;
            Ok(fs::write(at.join("postgresql.conf"), "")?)
        })
        .expect("a database");
        let mut names: Vec<_> = fs::read_dir(folder.path()).expect("names").flatten().map(|e| e.file_name()).collect();
        names.extend(fs::read_dir(&data).expect("names").flatten().map(|e| e.file_name()));
        names.sort();
        assert_eq!(names, ["PG_VERSION", "data", "postgresql.conf"]);
    }
}
