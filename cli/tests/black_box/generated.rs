//! Around generated folders: what a plan says and does, what drift finds, what is imported, how schemas change; that a folder is the
//! same wherever and however it is made, and that no secret gets into it.

use std::{fs, path::Path, process::Command};

use crate::program::{archgen, project};

const PLANTED: &str = "planted-secret-0f3c9a";

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// The reference spec, to be edited.
fn slack(folder: &Path) -> String {
    let from = project("examples/slack");
    fs::create_dir_all(folder.join("env")).unwrap();
    for file in ["env/dev.yaml", "env/sim.yaml", "env/prod.yaml"] {
        fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    let text = fs::read_to_string(from.join("topology.yaml")).unwrap();
    write(folder, "topology.yaml", &text);
    text
}

#[test]
fn a_plan_names_the_edited_line_and_apply_does_exactly_that() {
    let folder = tempfile::tempdir().unwrap();
    let text = slack(folder.path());
    archgen(folder.path(), &["generate", "topology.yaml", "--out", "generated"]).ok();
    assert!(archgen(folder.path(), &["plan", "topology.yaml"]).ok().out.contains("nothing changes"));
    assert!(text.contains("messaging:\n    port: 9200\n    replicas: 6"));
    write(folder.path(), "topology.yaml", &text.replace("port: 9200\n    replicas: 6", "port: 9200\n    replicas: 7"));
    let plan = archgen(folder.path(), &["plan", "topology.yaml", "-o", "plan.json"]);
    assert_eq!(plan.status, 2, "{}", plan.notes);
    let facts: Vec<&str> = plan.out.lines().filter(|l| l.starts_with(['+', '-', '~'])).collect();
    assert_eq!(facts, ["~ services.messaging.replicas: 6 -> 7"]);
    assert!(plan.out.contains("start 1: messaging-7\n") && !plan.out.contains("start again"), "{}", plan.out);

    // The world moves: the plan is not done.
    let conf = folder.path().join("generated/nginx/upstreams.conf");
    let was = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("{was}# by hand\n")).unwrap();
    assert_eq!(archgen(folder.path(), &["apply", "plan.json"]).status, 73);
    fs::write(&conf, was).unwrap();
    archgen(folder.path(), &["apply", "plan.json"]).ok();
    assert!(archgen(folder.path(), &["plan", "topology.yaml"]).ok().out.contains("nothing changes"));
}

#[test]
fn drift_finds_a_hand_edit_and_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    slack(folder.path());
    archgen(folder.path(), &["generate", "topology.yaml", "--out", "generated"]).ok();
    archgen(folder.path(), &["drift", "topology.yaml", "--out", "generated"]).ok();
    let conf = folder.path().join("generated/nginx/nginx.conf");
    let edited = fs::read_to_string(&conf).unwrap() + "# by hand\n";
    fs::write(&conf, &edited).unwrap();
    let found = archgen(folder.path(), &["drift", "topology.yaml", "--out", "generated"]);
    assert_eq!(found.status, 3);
    assert!(found.out.contains("nginx/nginx.conf: edited by hand"), "{}", found.out);
    assert_eq!(fs::read_to_string(&conf).unwrap(), edited);
    archgen(folder.path(), &["drift", "topology.yaml", "--out", "generated", "--ignore", "nginx/"]).ok();
    // The spec itself says what differs on purpose.
    let spec = fs::read_to_string(folder.path().join("topology.yaml")).unwrap();
    write(
        folder.path(),
        "ignoring.yaml",
        &format!("{spec}drift: {{ ignore: [nginx/nginx.conf, architecture.html] }}\n"),
    );
    archgen(folder.path(), &["drift", "ignoring.yaml", "--out", "generated"]).ok();
    // What a running nginx would print.
    let mut live = String::new();
    for file in fs::read_dir(folder.path().join("generated/nginx")).unwrap().map(Result::unwrap) {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with(".conf") {
            live += &format!("# configuration file /etc/gateway/{name}:\n{}", fs::read_to_string(file.path()).unwrap());
        }
    }
    let njs = fs::read_to_string(folder.path().join("generated/nginx/modules/njs.conf")).unwrap();
    write(folder.path(), "live.txt", &format!("{live}# configuration file /etc/gateway/modules/njs.conf:\n{njs}"));
    let found = archgen(folder.path(), &["drift", "topology.yaml", "--nginx", "live.txt"]);
    assert_eq!((found.status, found.out.lines().count()), (3, 1), "{}", found.out);
}

#[test]
fn a_compose_file_is_imported_and_checks() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "docker-compose.yml",
        "services:\n  web: { image: acme/web, ports: ['8080:80'], depends_on: [db], environment: { TOKEN: abc } }\n  db: { image: \
         'postgres:15' }\n",
    );
    let made = archgen(folder.path(), &["import", "docker-compose.yml"]).ok();
    assert!(made.notes.contains("services.web.image") && !made.out.contains("abc"), "{}{}", made.out, made.notes);
    write(folder.path(), "topology.yaml", &made.out);
    let mut check = Command::new(env!("CARGO_BIN_EXE_archgen"));
    let checked =
        check.current_dir(folder.path()).env("TOKEN", "set").args(["check", "topology.yaml"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    write(folder.path(), "none.yml", "version: '3'\n");
    assert_eq!(archgen(folder.path(), &["import", "none.yml"]).status, 1);
}

#[test]
fn schemas_change_online_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = slack(folder.path());
    write(
        folder.path(),
        "new.yaml",
        &text.replace(
            "created: timestamptz }\n        shard: { by: hash(id), into: 256 }\n      channels",
            "created: timestamptz, locale: text }\n        shard: { by: hash(id), into: 256 }\n      channels",
        ),
    );
    let steps = archgen(folder.path(), &["migrate-schema", "topology.yaml", "new.yaml"]).ok();
    assert!(steps.out.contains("ADD COLUMN IF NOT EXISTS \"locale\" text;"), "{}", steps.out);
    let back = archgen(folder.path(), &["migrate-schema", "new.yaml", "topology.yaml"]);
    assert!(back.status == 1 && back.out.contains("refused"), "{}", back.out);
    archgen(folder.path(), &["migrate-schema", "new.yaml", "topology.yaml", "--lose-data"]).ok();
}

/// The processors that this process may run on: on a shared machine not always the first ones.
fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    let ranges = list.split(',').map(|part| part.split_once('-').unwrap_or((part, part)));
    ranges.flat_map(|(first, last)| first.parse().unwrap()..=last.parse().unwrap()).collect()
}

#[test]
fn a_folder_is_the_same_in_any_place_and_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let text = slack(folder.path());
    // A file beside the spec that a secret refers to, and a variable: their texts are planted.
    write(folder.path(), "tls", PLANTED);
    assert!(text.contains("env:PG_PASSWORD"));
    let made = |name: &str, processors: &str, variables: &[(&str, &str)], from: &Path| {
        // As many threads as there are processors.
        let mut command = Command::new("taskset");
        command.args(["-c", processors, env!("CARGO_BIN_EXE_archgen")]);
        command.current_dir(from).envs(variables.iter().copied());
        command.env("PG_PASSWORD", PLANTED).env("OAUTH_KEY", PLANTED);
        command.arg("generate").arg(folder.path().join("topology.yaml")).arg("--out").arg(folder.path().join(name));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read_to_string(folder.path().join(name).join("archgen-manifest.json")).unwrap()
    };
    let processors = allowed();
    let first = made("one", &processors[0].to_string(), &[("LC_ALL", "C"), ("TZ", "UTC")], folder.path());
    let other = [("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Asia/Kathmandu")];
    assert_eq!(
        first,
        made("two", &format!("{},{}", processors[0], processors[processors.len() - 1]), &other, Path::new("/"))
    );
    let mut left = vec![folder.path().join("one")];
    let mut files = 0;
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                files += 1;
                let text = fs::read_to_string(entry.path()).unwrap();
                assert!(!text.contains(PLANTED), "{}", entry.path().display());
            }
        }
    }
    assert!(files > 200, "{files}");
}

#[test]
fn a_fact_on_the_page_links_to_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = slack(folder.path());
    archgen(folder.path(), &["generate", "topology.yaml", "--out", "out", "--only", "page"]).ok();
    let page = fs::read_to_string(folder.path().join("out/architecture.html")).unwrap();
    let line = text.lines().position(|l| l.trim() == "port: 9200").unwrap() + 1;
    let link = format!("<a href=\"#f0-{line}\" title=\"topology.yaml:{line}\">9200</a>");
    assert!(page.contains(&link), "{link}");
    assert!(page.contains(&format!("<span id=\"f0-{line}\">    port: 9200</span>")), "the line is there");
    // A link without its place would lead nowhere.
    for link in page.split("href=\"#").skip(1) {
        let place = link.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{place}\"")), "{place}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    slack(folder.path());
    let shown = archgen(folder.path(), &["generate", "topology.yaml", "--out", "generated", "--dry-run"]).ok();
    assert!(shown.out.contains("would write  generated/nginx/nginx.conf"), "{}", shown.out);
    assert!(!folder.path().join("generated").exists());
}
