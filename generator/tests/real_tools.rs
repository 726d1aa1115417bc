//! The programs that read the artifacts accept them: Debian's nginx and a real PostgreSQL. Missing programs fail the test.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a foreign process needs the real clock")]

mod example;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use archgen_generator::migrate::migrate;
use archgen_generator::{Options, generate};
use archgen_spec::topology::Topology;

fn written(spec: &str, environment: Option<&str>) -> tempfile::TempDir {
    let out = tempfile::tempdir().expect("a folder");
    let artifacts = generate(&example::topology(spec, environment), &Options::default()).expect("artifacts");
    for (path, text) in &artifacts.files {
        let file = out.path().join(path);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(file, text).expect("a file");
    }
    out
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"))
}

fn succeed(command: &mut Command) -> String {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}\n{errors}");
    text + &errors
}

fn throwaway_pair(folder: &Path, name: &str) {
    fs::create_dir_all(folder).expect("a folder");
    let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    let subject = ["-subj", "/CN=chat.example.test", "-days", "2", "-nodes"];
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]).args(subject);
    succeed(openssl.arg("-keyout").arg(key).arg("-out").arg(certificate));
}

#[test]
fn nginx_accepts_the_gateway() {
    let environments = [None, Some("prod"), Some("dev"), Some("mixed")].map(|e| ("slack", e));
    for (spec, environment) in environments.into_iter().chain([("minimal", None)]) {
        let out = written(spec, environment);
        let folder = out.path().join("nginx");
        throwaway_pair(&folder.join("tls"), "tls");
        fs::create_dir_all(folder.join("secrets")).expect("a folder");
        fs::write(folder.join("secrets/fleet.map"), "fleet \"a-key\";\n").expect("a key");
        let text = succeed(Command::new("nginx").arg("-t").arg("-p").arg(&folder).args(["-c", "nginx.conf"]));
        assert!(text.contains("test is successful"), "{text}");
        assert!(!text.contains("[warn]"), "{text}");
    }
}

/// A PostgreSQL server of its own on a Unix socket.
struct Postgres {
    programs: PathBuf,
    folder: tempfile::TempDir,
    server: Child,
}

fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let folders: BTreeMap<u32, PathBuf> = versions
        .filter_map(|v| v.ok())
        .filter_map(|v| Some((v.file_name().to_str()?.parse().ok()?, v.path().join("bin"))))
        .collect();
    folders.into_values().next_back().expect("a version")
}

/// The server refuses to run as root: step down to the package's own user.
fn as_postgres(program: &Path) -> Command {
    let uid = succeed(Command::new("id").arg("-u"));
    if uid.trim() == "0" {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

impl Postgres {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
        // The server's user creates its data below; the folder itself holds nothing else.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
        let data = folder.path().join("data");
        let mut initdb = as_postgres(&programs.join("initdb"));
        initdb.current_dir(folder.path()).arg("-D").arg(&data);
        succeed(initdb.args(["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]));
        let mut server = as_postgres(&programs.join("postgres"));
        server.current_dir(folder.path()).arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_locks_per_transaction=1024"]);
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = server.stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("a server");
        let started = Self { programs, folder, server: child };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !run(started.client("pg_isready").arg("-q")).status.success() {
            assert!(Instant::now() < deadline, "{:?}", fs::read_to_string(started.folder.path().join("log")));
            // pg_isready itself is the wait: each call starts a process and a connection.
            std::thread::yield_now();
        }
        started
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-h").arg(self.folder.path()).args(["-U", "postgres"]);
        command
    }

    fn apply(&self, file: &Path) {
        succeed(self.client("psql").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file));
    }

    fn ask(&self, statement: &str) -> String {
        succeed(self.client("psql").args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement]))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The first line of the server's pid file is the server itself, whoever started it. SIGINT is a fast stop.
        if let Ok(text) = fs::read_to_string(self.folder.path().join("data/postmaster.pid"))
            && let Some(pid) = text.lines().next()
        {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        let _ = self.server.wait();
        // Its files belong to its user.
        let _ = as_postgres(Path::new("/bin/rm")).arg("-rf").arg(self.folder.path().join("data")).status();
    }
}

/// Partitions of `members` that a plan reads.
fn partitions(plan: &str) -> usize {
    plan.lines().filter(|l| l.contains("Scan on members_p") && !l.contains("_pkey")).count()
}

#[test]
fn postgres_accepts_the_tables_and_prunes_to_one_partition() {
    let out = written("slack", None);
    let folder = out.path().join("postgres/users");
    let server = Postgres::start();
    server.apply(&folder.join("schema.sql"));
    assert_eq!(server.ask("select count(*) from pg_inherits where inhparent = 'accounts'::regclass").trim(), "256");
    let explained = server.ask("explain select * from members where channel_id = 42 and user_id = gen_random_uuid()");
    assert_eq!(partitions(&explained), 1, "{explained}");
    let everything = server.ask("explain select * from members");
    assert_eq!(partitions(&everything), 256, "{everything}");
    server.ask(
        "begin; insert into accounts (id, email) values (gen_random_uuid(), 'a@example.test');
         insert into accounts_email_claims values ('a@example.test'); commit",
    );
    let mut again = server.client("psql");
    again.args([
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        "insert into accounts_email_claims values ('a@example.test')",
    ]);
    let refused = run(&mut again);
    assert!(!refused.status.success(), "a second claim of one address");
    server.apply(&folder.join("rollback.sql"));
    let left = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(server.ask(left).trim(), "0", "nothing is left after the rollback");
}

/// A table whose rows may belong to a tenant.
fn organisations(table: &str) -> Topology {
    let text = format!(
        "archgen: v1\nname: t\nservices:\n  one: {{ kind: process, command: [./one], port: 9000, needs: [rows] }}\nstores:\n  rows: {{ kind: postgres, \
         version: \"15\", tables: {{ a: {table} }} }}\n"
    );
    let none = |_: &str| Err(archgen_spec::ReadError::Missing);
    let loaded = archgen_spec::load("t.yaml", text, None, &none, &|_| None);
    loaded.topology.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

#[test]
fn the_wall_between_tenants_comes_and_goes_while_rows_are_there() {
    let plain = organisations("{ key: id bigint, columns: { x: text } }");
    let walled = organisations("{ key: id bigint, columns: { x: text, org: text }, tenant: org }");
    let out = tempfile::tempdir().expect("a folder");
    let schema = out.path().join("schema.sql");
    fs::write(&schema, &generate(&plain, &Options::default()).expect("artifacts").files["postgres/rows/schema.sql"])
        .expect("a file");
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let server = Postgres::start();
    server.apply(&schema);
    server
        .ask("create role app; grant select, insert, update on a to app; insert into a values (1, 'one'), (2, 'two')");
    let steps = |from: &Topology, to: &Topology| {
        let migration = migrate(from, to, true);
        assert_eq!(migration.refusals, []);
        migration.steps.into_iter().map(|step| step.statement).collect::<Vec<_>>()
    };
    // Rows of nobody stop the validation; then they are given to somebody, and it goes on where it stopped.
    let up = steps(&plain, &walled);
    let validates = up.iter().position(|s| s.contains("VALIDATE")).expect("a step that reads every row");
    up[..validates].iter().for_each(|statement| drop(server.ask(statement)));
    let refused = run(server.client("psql").args(["-X", "-v", "ON_ERROR_STOP=1", "-c", &up[validates]]));
    assert!(!refused.status.success(), "rows are nobody's");
    server.ask("update a set org = 'acme' where id = 1; update a set org = 'other' where id = 2");
    up[validates..].iter().for_each(|statement| drop(server.ask(statement)));
    let as_app = |work: &str| server.ask(&format!("begin; set local role app; {work}; commit"));
    assert_eq!(as_app("select count(*) from a").trim(), "0");
    assert_eq!(as_app("set local archgen.tenant = 'acme'; select id from a").trim(), "1");
    let written =
        "begin; set local role app; set local archgen.tenant = 'acme'; insert into a values (3, 'three', 'other')";
    assert!(!run(server.client("psql").args(["-X", "-v", "ON_ERROR_STOP=1", "-c", written])).status.success());
    // Down, with its column, and up again.
    for (from, to) in [(&walled, &plain), (&plain, &walled)] {
        for statement in steps(from, to) {
            if statement.contains("VALIDATE") {
                server.ask("update a set org = 'acme'");
            }
            server.ask(&statement);
        }
    }
    assert_eq!(as_app("set local archgen.tenant = 'acme'; select count(*) from a").trim(), "2");
}
