//! A fleet with a program of the user's own (`kind: process`): it is started, watched, restarted and stopped as any host is.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
    sync::{MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{
    fleet::{ONE, free_port, kill, lives, pid, soon},
    program::{archgen, command},
};

/// Appears in no file and no output: only the program knows it.
const SECRET: &str = "hunter2-marked-secret";

/// A server that says what it was given; `/well` is its health, unless a file says otherwise.
const SERVER: &str = r#"#!/usr/bin/env python3
import hashlib, http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        token = hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest()
        body = f"{os.environ['GREETING']} from {os.getpid()} with {token} at {self.path}\n".encode()
        well = self.path != "/well" or not os.path.exists("unwell")
        self.send_response(200 if well else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        pass

print("greeter listens on", sys.argv[1], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

struct Place {
    folder: tempfile::TempDir,
    gateway: u16,
    _one: MutexGuard<'static, ()>,
}

impl Place {
    fn new(program: &str) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Self { folder: tempfile::tempdir().unwrap(), gateway: free_port(), _one: one };
        let spec = format!(
            "archgen: v1\nname: greetings\nsecrets: {{ token: \"file:./token.txt\" }}\n\
             gateway:\n  kind: nginx\n  version: \"1.22\"\n  embedded: true\n  port: {}\n\
             \x20 routes: {{ /hello: {{ to: greeter, auth: none, limit: 50/s burst 50 }} }}\n\
             services:\n  greeter:\n    kind: process\n    command: [{program}, \"${{port}}\"]\n\
             \x20   env: {{ GREETING: \"hello on ${{port}}\", TOKEN: \"secret:token\" }}\n    port: {}\n\
             \x20   health: /well every 1s\n    restart: backoff 20ms..100ms\n    stop_within: 2s\n",
            place.gateway,
            free_port()
        );
        fs::write(place.path().join("topology.yaml"), spec).unwrap();
        fs::write(place.path().join("token.txt"), SECRET).unwrap();
        let server = place.path().join("server.py");
        fs::write(&server, SERVER).unwrap();
        fs::set_permissions(server, fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn greeter(&self) -> Value {
        let hosts = archgen(self.path(), &["ps", "--format", "json"]).ok().json();
        hosts.as_array().unwrap().iter().find(|h| h["host"] == "greeter-1").unwrap().clone()
    }

    /// The body that the gateway gives for a path.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.gateway)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = command(self.path(), &["down"]).output();
    }
}

/// Every file below, where it holds the text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&path, text));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(text) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn it_serves_behind_the_gateway_is_restarted_and_ends_with_the_fleet() {
    let place = Place::new("./server.py");
    let up = archgen(place.path(), &["up", "topology.yaml", "--detach"]).ok();
    assert!(up.notes.contains("healthy") && !up.notes.contains("password"), "{}", up.notes);
    archgen(place.path(), &["wait", "--healthy", "--timeout", "10s"]).ok();
    let first = place.greeter();
    assert_eq!(first["state"], "ready");
    let port = first["address"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();

    let greeting = place.get("/hello/you");
    assert!(greeting.contains(&format!("hello on {port} from {}", pid(&first))), "{greeting}");
    assert!(greeting.contains("at /hello/you"), "the path is the client's: {greeting}");
    // It got the secret's text, and nobody else did.
    let digest = "7945d39a4456cc0a944ae3e62288dcb135e84ac86870954acc697bf200a75ce4";
    assert!(greeting.contains(digest), "{greeting}");

    kill("-9", pid(&first));
    soon("a killed program is ready again", || {
        let now = place.greeter();
        now["state"] == "ready" && pid(&now) != pid(&first)
    });
    let second = pid(&place.greeter());
    soon("the gateway finds the new one", || place.get("/hello").contains(&format!("from {second} ")));
    let logs = archgen(place.path(), &["logs", "greeter-1"]).ok();
    assert_eq!(logs.out.matches(&format!("greeter listens on {port}")).count(), 2, "{}", logs.out);

    let shown = archgen(place.path(), &["ps", "--format", "json"]).ok();
    assert!(![shown.out, shown.notes, logs.out, up.notes].concat().contains(SECRET));
    assert_eq!(holding(&place.path().join(".archgen"), SECRET), [""; 0]);

    archgen(place.path(), &["down"]).ok();
    assert!(!lives(second), "`down` ends it");
}

#[test]
fn a_command_that_is_not_there_is_said_before_anything_starts() {
    for (program, says) in [
        ("./srver.py", ["there is no program `./srver.py`", "build it, or mend `command`"]),
        ("no-such-program", ["there is no program `no-such-program` in PATH", "install it, or write its path"]),
        ("./token.txt", ["`./token.txt` is not executable", "chmod +x"]),
    ] {
        let place = Place::new(program);
        let given = archgen(place.path(), &["up", "topology.yaml", "--detach"]);
        assert_eq!(given.status, 69, "{}", given.notes);
        for said in says.into_iter().chain(["services.greeter", "nothing was started"]) {
            assert!(given.notes.contains(said), "{said}: {}", given.notes);
        }
        assert_eq!(archgen(place.path(), &["ps"]).status, 69);
    }
}

#[test]
fn a_program_that_is_never_well_is_named_with_what_it_answers() {
    let place = Place::new("./server.py");
    fs::write(place.path().join("unwell"), "").unwrap();
    let mut up = command(place.path(), &["up", "topology.yaml", "--detach"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    soon("it runs and is not ready", || {
        let shown = archgen(place.path(), &["ps", "--format", "json"]);
        shown.status == 0 && shown.out.contains("/well answers 503")
    });
    let waited = archgen(place.path(), &["wait", "--healthy", "--timeout", "300ms"]);
    assert_ne!(waited.status, 0);
    for said in ["greeter-1", "/well answers 503"] {
        assert!(waited.notes.contains(said), "{said}: {}", waited.notes);
    }
    // It becomes well, and nobody has to start it again.
    fs::remove_file(place.path().join("unwell")).unwrap();
    archgen(place.path(), &["wait", "--healthy", "--timeout", "20s"]).ok();
    assert!(up.wait().unwrap().success());
    archgen(place.path(), &["down"]).ok();
}
