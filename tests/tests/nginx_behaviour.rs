//! Debian's nginx with the generated files in front of a running fleet: what it answers, to whom, how often a service is asked, what it
//! leaves on the disk, and whether anybody notices that it is reloaded.
//!
//! It makes a fleet of its own, in a folder of its own, of the program that was built.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a test stands outside the hosts that it drives")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use archgen_tests::root;
use serde_json::{Value, json};

/// Ports of the fleet's own gateway and realtime host, and of nginx in front.
const FLEET: (&str, &str) = ("8185", "3105");
const NGINX: (u16, u16) = (8_186, 3_116);
/// How late a revocation may be felt, as the generated README prints it.
const TRUSTED: Duration = Duration::from_secs(2);
const PAGE: &str = "https://app.example.test";
const PASSWORD: &str = "a password of some length";
const RELOADS: u32 = 20;

/// A fleet, and an nginx with the files that were generated for it. Both end with it.
struct Place {
    folder: tempfile::TempDir,
    program: PathBuf,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}: {}", self.status, self.body))
    }
}

/// One request on a connection of its own. The first line of `extra` may replace the host's name.
fn ask(port: u16, method: &str, path: &str, extra: &[(&str, &str)], body: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = format!("{method} {path} HTTP/1.0\r\n");
    if !extra.iter().any(|(name, _)| *name == "host") {
        request.push_str("host: localhost\r\n");
    }
    for (name, value) in extra {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn get(path: &str, extra: &[(&str, &str)]) -> Answer {
    ask(NGINX.0, "GET", path, extra, "").unwrap()
}

fn post(path: &str, body: &Value) -> Answer {
    ask(NGINX.0, "POST", path, &[("content-type", "application/json")], &body.to_string()).unwrap()
}

/// Replaces each text once; all must be there.
fn amended(text: &str, parts: &[(&str, &str)]) -> String {
    parts.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "it says `{from}`");
        text.replacen(from, to, 1)
    })
}

impl Place {
    fn new() -> Self {
        let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from);
        let built = ["release", "debug"].map(|profile| target.join(profile).join("archgen"));
        let program = std::env::var_os("ARCHGEN_PROGRAM").map(PathBuf::from);
        let program = program.or_else(|| built.into_iter().find(|p| p.exists())).unwrap();
        let place = Self { folder: tempfile::tempdir().unwrap(), program };
        // nginx's workers are somebody else where this is run by root.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let minimal = fs::read_to_string(root().join("examples/minimal/topology.yaml")).unwrap();
        let fleet = amended(
            &minimal,
            &[
                ("name: minimal", "name: behaviour"),
                ("port: 8180", &format!("port: {}", FLEET.0)),
                ("port: 3100,", &format!("port: {}, replicas: 2,", FLEET.1)),
                ("user: { port: 9310,", "user: { port: 9310, replicas: 2, password_memory: 64KiB,"),
            ],
        );
        let nginx = amended(
            &fleet,
            &[
                (&format!("port: {}", FLEET.0), &format!("version: \"1.22\"\n  port: {}", NGINX.0)),
                (&format!("port: {},", FLEET.1), &format!("port: {},", NGINX.1)),
                (
                    "auth: { by: user }",
                    &format!("auth: {{ by: user, cache: 2s, cache_denied: 1s }}\n  cors: {{ origins: [\"{PAGE}\"] }}"),
                ),
                ("/oauth2: { to: user, auth: none }", "/oauth2: { to: user, auth: none, limit: 1/m burst 3 }"),
                ("/api/v1/users: { to: user }", "/api/v1/users: { to: user, micro_cache: 10m }"),
            ],
        );
        fs::write(place.path().join("fleet.yaml"), fleet).unwrap();
        fs::write(place.path().join("nginx.yaml"), nginx).unwrap();
        place.archgen(&["up", "fleet.yaml", "--detach"]);
        place.archgen(&["generate", "nginx.yaml", "--only", "nginx", "--out", "out"]);
        place.point_at_the_fleet();
        place.nginx(&[]);
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn files(&self) -> PathBuf {
        self.path().join("out/nginx")
    }

    fn archgen(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program).args(arguments).current_dir(self.path()).output().unwrap();
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {notes}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn nginx(&self, arguments: &[&str]) {
        let mut command = Command::new("nginx");
        let output = command.arg("-p").arg(self.files()).args(["-c", "nginx.conf"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Puts the addresses of the running hosts in the place of the planned ones, in the order of each list; and the fleet's key where
    /// the generated README asks for it. Nothing else is changed.
    fn point_at_the_fleet(&self) {
        let hosts: Value = serde_json::from_str(&self.archgen(&["ps", "--format", "json"])).unwrap();
        let of = |kind: &str| -> Vec<String> {
            let all = hosts.as_array().unwrap().iter().filter(|h| h["kind"] == kind);
            all.map(|h| h["address"].as_str().unwrap().to_owned()).collect()
        };
        for file in ["upstreams.conf", "realtime.conf"] {
            let path = self.files().join(file);
            let (mut text, mut members, mut only) = (String::new(), Vec::new(), None);
            for line in fs::read_to_string(&path).unwrap().lines() {
                if let Some(name) = line.strip_prefix("upstream ").and_then(|l| l.strip_suffix(" {")) {
                    // `user-least-conn` and `realtime` are all of a kind, `realtime-2` is one.
                    let (kind, rest) = name.split_once('-').unwrap_or((name, ""));
                    only = rest.parse::<usize>().ok();
                    members = of(kind);
                    assert!(!members.is_empty(), "{name} has members");
                    if let Some(ordinal) = only {
                        members = vec![members[ordinal - 1].clone()];
                    }
                }
                match line.trim_start().strip_prefix("server ").and_then(|l| l.split_once(' ')) {
                    Some((_, rest)) if !members.is_empty() && !line.contains('{') && line.contains("max_fails") => {
                        text.push_str(&format!("  server {} {rest}\n", members.remove(0)));
                    }
                    _ => text.push_str(&format!("{line}\n")),
                }
            }
            assert!(members.is_empty() && only.is_none_or(|n| n > 0), "{file}: each member was planned");
            fs::write(path, text).unwrap();
        }
        let key = fs::read_to_string(self.path().join(".archgen/service-key")).unwrap();
        fs::create_dir_all(self.files().join("secrets")).unwrap();
        fs::write(self.files().join("secrets/fleet.map"), format!("fleet \"{}\";\n", key.trim())).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Command::new("nginx").arg("-p").arg(self.files()).args(["-c", "nginx.conf", "-s", "stop"]).output();
        let _ = Command::new(&self.program).arg("down").current_dir(self.path()).output();
    }
}

fn person(name: &str) -> (String, String) {
    let email = format!("{name}@behaviour.test");
    let account = json!({"email": email, "handle": name, "name": name, "password": PASSWORD});
    assert_eq!(post("/api/v1/auth/register", &account).status, 201);
    let session = post("/api/v1/auth/login", &json!({"email": email, "password": PASSWORD, "device": "test"})).json();
    let token = session["access_token"].as_str().unwrap().to_owned();
    (token.clone(), format!("Bearer {token}"))
}

/// Every file below that holds one of the texts.
fn holding(folder: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&entry.path(), texts));
        } else {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            found.extend(texts.iter().any(|t| text.contains(*t)).then(|| entry.path()));
        }
    }
    found
}

#[test]
fn nginx_behaves_as_the_spec_says() {
    let place = Place::new();
    let (ada_token, ada) = person("ann");
    let (bob_token, bob) = person("ben");
    routes_and_headers(&ada);
    other_origins(&ada);
    each_caller_has_its_own_cache(&place, &ada, &bob);
    sessions_stay_on_their_node(&ada_token);
    too_many_requests_are_told_when_to_come_again();
    nobody_notices_a_reload(&place, &ada);
    a_revoked_token_is_refused_in_time(&bob);
    place.nginx(&["-s", "quit"]);
    assert_eq!(holding(&place.files(), &[&ada_token, &bob_token]), Vec::<PathBuf>::new(), "no file holds a token");
}

fn routes_and_headers(ada: &str) {
    let me = get(
        "/api/v1/me",
        &[("authorization", ada), ("x-auth-subject", "somebody-else"), ("x-request-id", "given-id-1")],
    );
    assert_eq!((me.status, &me.json()["handle"]), (200, &json!("ann")), "{}", me.body);
    assert_eq!(me.header("x-request-id"), Some("given-id-1"));
    let refused = get("/api/v1/me", &[]);
    assert_eq!((refused.status, &refused.json()["status"]), (401, &json!(401)));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(get("/nowhere", &[]).status, 404);
    // A prefix is no prefix of its siblings.
    assert_eq!(get("/api/v1/mean", &[("authorization", ada)]).status, 404);
    assert_eq!(get("/internal/users/lookup", &[("authorization", ada)]).status, 404);
    assert_eq!(get("/_auth", &[("authorization", ada)]).status, 404, "the check itself has no way in");
    assert_eq!(get("/api/v1/me", &[("host", "another.test"), ("authorization", ada)]).status, 421);
    for answer in [&me, &refused] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("server"), Some("nginx"), "without its version");
    }
}

fn other_origins(ada: &str) {
    let permissions = |answer: &Answer| -> BTreeSet<String> {
        let lines = answer.head.lines().map(str::to_ascii_lowercase);
        lines.filter(|l| l.starts_with("access-control-") || l == "vary: origin").collect()
    };
    let set = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<BTreeSet<_>>();
    for (origin, expected) in [
        (
            PAGE,
            set(&[
                "access-control-allow-headers: authorization, content-type",
                "access-control-allow-methods: get, head, post, put, patch, delete",
                "access-control-allow-origin: https://app.example.test",
                "access-control-max-age: 600",
                "vary: origin",
            ]),
        ),
        ("https://evil.example", set(&["vary: origin"])),
    ] {
        let asked = [("origin", origin), ("access-control-request-method", "POST")];
        let preflight = ask(NGINX.0, "OPTIONS", "/api/v1/channels", &asked, "").unwrap();
        assert_eq!((preflight.status, permissions(&preflight)), (204, expected), "{origin}");
    }
    let may = set(&[
        "access-control-allow-origin: https://app.example.test",
        "access-control-expose-headers: retry-after, x-request-id",
        "vary: origin",
    ]);
    assert_eq!(permissions(&get("/api/v1/me", &[("origin", PAGE), ("authorization", ada)])), may);
    assert_eq!(permissions(&get("/api/v1/me", &[("origin", PAGE)])), may, "a refusal can be read, too");
    let evil = get("/api/v1/me", &[("origin", "https://evil.example"), ("authorization", ada)]);
    assert_eq!((evil.status, permissions(&evil)), (200, set(&["vary: origin"])));
}

fn each_caller_has_its_own_cache(place: &Place, ada: &str, bob: &str) {
    let path = "/api/v1/users?limit=7";
    for caller in [ada, bob] {
        let answers: Vec<u16> = (0..5).map(|_| get(path, &[("authorization", caller)]).status).collect();
        assert_eq!(answers, [200; 5]);
    }
    assert_eq!(get(path, &[]).status, 401, "what is kept is kept for those who may see it");
    // The log is written once a second.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let log = fs::read_to_string(place.files().join("run/access.log")).unwrap_or_default();
        let lines = log.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let kept: Vec<String> = lines
            .filter(|l| l["uri"] == "/api/v1/users" && l["status"] == 200)
            .map(|l| l["cache"].as_str().unwrap_or_default().to_owned())
            .collect();
        if kept.len() == 10 {
            let of = |what: &str| kept.iter().filter(|k| *k == what).count();
            assert_eq!((of("MISS"), of("HIT")), (2, 8), "{kept:?}");
            assert!(!log.contains("limit=7"), "no query string is logged");
            return;
        }
        assert!(Instant::now() < until, "ten lines in the log: {kept:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn sessions_stay_on_their_node(token: &str) {
    let mut nodes = BTreeSet::new();
    for _ in 0..6 {
        let url = "/socket.io/?EIO=4&transport=polling";
        let open = ask(NGINX.1, "GET", url, &[], "").unwrap();
        let hello: Value = serde_json::from_str(open.body.strip_prefix('0').unwrap_or("")).unwrap();
        let sid = hello["sid"].as_str().unwrap();
        nodes.insert(sid.split_once('.').unwrap().0.to_owned());
        let own = format!("{url}&sid={sid}");
        let connect = format!("40{}", json!({"token": token}));
        assert_eq!(ask(NGINX.1, "POST", &own, &[("content-type", "text/plain")], &connect).unwrap().status, 200);
        let joined = ask(NGINX.1, "GET", &own, &[], "").unwrap();
        assert!(joined.status == 200 && joined.body.starts_with("40{"), "{} {}", joined.status, joined.body);
    }
    assert_eq!(nodes.len(), 2, "both nodes have sessions: {nodes:?}");
    assert_eq!(ask(NGINX.1, "GET", "/api/v1/me", &[], "").unwrap().status, 404, "nothing else is behind that port");
}

fn too_many_requests_are_told_when_to_come_again() {
    let answers: Vec<Answer> = (0..5).map(|_| get("/oauth2/jwks", &[])).collect();
    assert!(answers[..4].iter().all(|a| a.status == 200), "one, and the burst of three");
    let limited = &answers[4];
    assert_eq!((limited.status, &limited.json()["status"]), (429, &json!(429)));
    assert_eq!(limited.header("retry-after"), Some("60"), "one a minute");
    assert_eq!(limited.header("content-type"), Some("application/problem+json"));
}

fn nobody_notices_a_reload(place: &Place, ada: &str) {
    let (over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    let failed: Vec<String> = thread::scope(|scope| {
        let load = || {
            let mut failed = Vec::new();
            while !over.load(Ordering::Relaxed) {
                match ask(NGINX.0, "GET", "/api/v1/me", &[("authorization", ada)], "") {
                    Ok(answer) if answer.status == 200 => {}
                    Ok(answer) => failed.push(format!("{} {}", answer.status, answer.body)),
                    Err(error) => failed.push(error.to_string()),
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
            failed
        };
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(load)).collect();
        for reload in 1..=RELOADS {
            place.nginx(&["-s", "reload"]);
            // Some are answered between any two.
            while asked.load(Ordering::Relaxed) < reload * 10 {
                thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let asked = asked.into_inner();
    assert!(failed.is_empty(), "{} of {asked} failed over {RELOADS} reloads: {:?}", failed.len(), failed.first());
}

fn a_revoked_token_is_refused_in_time(bob: &str) {
    assert_eq!(get("/api/v1/me", &[("authorization", bob)]).status, 200);
    let ended = ask(
        NGINX.0,
        "POST",
        "/api/v1/auth/logout",
        &[("authorization", bob), ("content-type", "application/json")],
        "{}",
    );
    assert!(ended.unwrap().status < 300);
    let revoked = Instant::now();
    // The cache counts in whole seconds, from whichever moment in the first one.
    let late = TRUSTED + Duration::from_secs(2);
    thread::sleep(late.saturating_sub(revoked.elapsed()));
    assert_eq!(get("/api/v1/me", &[("authorization", bob)]).status, 401, "{:?} after", revoked.elapsed());
}
