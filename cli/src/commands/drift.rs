//! `archgen drift`: whether what is there is what the spec says. It reads and never writes: nothing here can.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, anyhow};
use archgen_generator::diff::{difference_of_facts, facts};
use archgen_generator::{Options, reconcile};

use crate::{
    arguments::{DriftArguments, ReportFormat},
    exit::{self, Outcome},
    out_folder::OutFolder,
    printer::Printer,
    spec_files::{self, Environment},
    state::{FleetFile, StateFolder},
};

/// One thing that is not as the spec says.
#[derive(Debug, serde::Serialize)]
struct Drifted {
    /// Where: `file`, `fleet` or `nginx`.
    place: &'static str,
    what: String,
    how: String,
}

/// Compares.
pub fn run(arguments: &DriftArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let new = archgen_generator::generate(&topology, &Options::default()).map_err(|error| anyhow!(error))?;
    let mut found = Vec::new();
    if let Some(folder) = &arguments.out {
        let out = OutFolder::at(folder);
        let manifest = out.manifest()?;
        let known = manifest.iter().flat_map(|m| m.files.keys());
        let on_disk = out.hashes(known.chain(new.files.keys()))?;
        let files = reconcile(manifest.as_ref(), &on_disk, &new, false);
        let words = |path: &String| if on_disk.contains_key(path) { "an older spec's" } else { "missing" };
        found.extend(files.write.iter().map(|p| drifted("file", p, words(p))));
        found.extend(files.remove.iter().map(|p| drifted("file", p, "not in the spec any more")));
        found.extend(files.refused.iter().map(|p| drifted("file", p, "edited by hand")));
    }
    if arguments.running {
        let fleet = FleetFile::load(&StateFolder::at(&arguments.state.folder)?)?;
        let difference = difference_of_facts(&facts(&spec_files::reload(&fleet.spec)?), &facts(&topology));
        found.extend(difference.changes.iter().map(|c| {
            let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "nothing".to_owned());
            drifted("fleet", &c.path, &format!("runs with {}, the spec says {}", value(&c.from), value(&c.to)))
        }));
    }
    if let Some(path) = &arguments.nginx {
        found.extend(nginx(path, &new.files)?);
    }
    found.retain(|d| !arguments.ignore.iter().any(|start| d.what.starts_with(start.as_str())));
    match arguments.format {
        ReportFormat::Human if found.is_empty() => printer.data("nothing has drifted\n"),
        ReportFormat::Human => {
            for item in &found {
                printer.data(&format!("{:6} {}: {}\n", item.place, item.what, item.how));
            }
        }
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&found).context("a list has a JSON form")?;
            printer.data(&format!("{text}\n"));
        }
    }
    Ok(if found.is_empty() { exit::OK } else { exit::DRIFT })
}

fn drifted(place: &'static str, what: &str, how: &str) -> Drifted {
    Drifted { place, what: what.to_owned(), how: how.to_owned() }
}

/// Compares what a running nginx read, as `nginx -T` prints it, with what is generated.
fn nginx(path: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<Vec<Drifted>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut live: BTreeMap<&str, String> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(file) = line.strip_prefix("# configuration file ").and_then(|l| l.strip_suffix(':')) {
            current = Some(file);
            live.insert(file, String::new());
        } else if let Some(text) = current.and_then(|file| live.get_mut(file)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    let mut found = Vec::new();
    for (path, wanted) in files.iter().filter(|(p, _)| p.starts_with("nginx/") && p.ends_with(".conf")) {
        let name = path.trim_start_matches("nginx/");
        // A folder's own name comes before it: `/etc/gateway/nginx.conf`.
        let text = live.iter().find(|(file, _)| Path::new(file).ends_with(name)).map(|(_, text)| text);
        match text {
            None => found.push(drifted("nginx", path, "not read by the running nginx")),
            Some(text) if text.trim_end() != wanted.trim_end() => {
                let differs = text.lines().zip(wanted.lines()).position(|(a, b)| a != b);
                let line = differs.unwrap_or_else(|| text.lines().count().min(wanted.lines().count())) + 1;
                found.push(drifted("nginx", path, &format!("the running nginx differs from line {line} on")));
            }
            Some(_) => {}
        }
    }
    Ok(found)
}
