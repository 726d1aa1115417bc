//! Input that is no text file: refused by name, with what to do, and nobody waits for it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::net::UnixListener,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::program::command;

/// Longest that a refusal may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the program with an end to patience: a program that waits for a pipe's writer would wait for ever.
fn refused(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut child = command(folder, arguments).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = child.stderr.take().unwrap();
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = notes.read_to_string(&mut text);
        said.send(read.map(|_| text))
    });
    match heard.recv_timeout(PATIENCE) {
        Ok(text) => (child.wait().unwrap().code().unwrap_or(-1), text.unwrap()),
        Err(_) => {
            child.kill().unwrap();
            panic!("{arguments:?} still waits after {PATIENCE:?}");
        }
    }
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_is_no_text_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("folder")).unwrap();
    pipe(&here.join("pipe"));
    let _socket = UnixListener::bind(here.join("socket")).unwrap();
    fs::write(here.join("latin.yaml"), b"archgen: v1\nname: a\n# caf\xe9\n").unwrap();
    fs::write(here.join("wide.yaml"), b"\xff\xfea\0r\0c\0h\0").unwrap();
    fs::write(here.join("cut.yaml"), b"archgen: v1\nname: \xf0\x9f").unwrap();
    let cases = [
        ("folder", "cannot read `folder`: it is a folder: name the file in it"),
        ("pipe", "cannot read `pipe`: it is a pipe: name `-`"),
        ("socket", "cannot read `socket`: "),
        ("/dev/null", "cannot read `/dev/null`: it is no file"),
        ("latin.yaml", "cannot read `latin.yaml`: it is not UTF-8 text (byte 0xE9 in line 3): save it as UTF-8"),
        ("wide.yaml", "cannot read `wide.yaml`: it is UTF-16: save it as UTF-8"),
        ("cut.yaml", "cannot read `cut.yaml`: it is not UTF-8 text (byte 0xF0 in line 2)"),
        ("none.yaml", "cannot read `none.yaml`: No such file"),
    ];
    for (name, said) in cases {
        for arguments in [&["check", name][..], &["config", name], &["fix", name], &["up", name]] {
            let (status, notes) = refused(here, arguments);
            assert!(status == 71 && notes.contains(said), "{arguments:?} {status}: {notes}");
        }
    }
}

#[test]
fn nul_bytes_are_named_where_they_stand_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"archgen: v1\nname: a\0b\nzones: [x] # \0\nregistry: { kind: consul, servrs: 3 }\n\0\0";
    fs::write(folder.path().join("nul.yaml"), text).unwrap();
    let (status, notes) = refused(folder.path(), &["check", "nul.yaml", "--format", "human"]);
    assert_eq!(status, 1, "{notes}");
    for place in ["nul.yaml:2:8", "nul.yaml:3:14", "nul.yaml:5:1"] {
        assert!(notes.contains(place), "{place}: {notes}");
    }
    assert!(notes.contains("a NUL byte") && notes.contains("save it as UTF-8") && notes.contains("servrs"), "{notes}");
}

#[test]
fn an_overlay_that_is_no_text_file_is_refused_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("dev")).unwrap();
    pipe(&here.join("ci"));
    fs::write(here.join("prod"), b"name: \xff\n").unwrap();
    let spec = "archgen: v1\nname: a\nenvironments: { dev: dev, ci: ci, prod: prod, sim: none }\n";
    fs::write(here.join("a.yaml"), spec).unwrap();
    let reasons = [
        ("dev", "a folder"),
        ("ci", "a pipe"),
        ("prod", "not UTF-8 text (byte 0xFF in line 1)"),
        ("sim", "no such file"),
    ];
    for (environment, reason) in reasons {
        let (status, notes) = refused(here, &["check", "a.yaml", "--env", environment]);
        assert!(status == 1 && notes.contains("AG021") && notes.contains(reason), "{environment}: {notes}");
        assert!(notes.contains("a.yaml:3:"), "{notes}");
    }
}

/// A watched file is replaced by a pipe, a folder, something that is no text, and comes back: each is said, and the watch goes on.
#[test]
fn a_watch_survives_whatever_takes_the_place_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let sound = "archgen: v1\nname: a\n";
    fs::write(&path, sound).unwrap();
    let mut child = command(folder.path(), &["check", "a.yaml", "--watch"]).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (said, heard) = mpsc::channel();
    thread::spawn(move || lines.map_while(Result::ok).all(|line| said.send(line).is_ok()));
    let until = |word: &str| {
        while let Ok(line) = heard.recv_timeout(PATIENCE) {
            if line.contains(word) {
                return;
            }
        }
        panic!("nothing said `{word}` within {PATIENCE:?}");
    };
    let cycle = |said: &str| {
        until(said);
        until("watching");
    };
    cycle("no problems");
    fs::remove_file(&path).unwrap();
    cycle("cannot read `a.yaml`");
    pipe(&path);
    cycle("it is a pipe");
    fs::remove_file(&path).unwrap();
    cycle("cannot read `a.yaml`");
    fs::create_dir(&path).unwrap();
    cycle("it is a folder");
    fs::remove_dir(&path).unwrap();
    cycle("cannot read `a.yaml`");
    fs::write(&path, b"archgen: \xff").unwrap();
    cycle("it is not UTF-8 text");
    fs::write(&path, sound).unwrap();
    cycle("no problems");
    child.kill().unwrap();
    child.wait().unwrap();
}
