//! What nginx reads, by its own word (`nginx -T`).

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use anyhow::{Context, bail};

use super::{Drifted, drifted};
use crate::text_file;

/// Compares. `place` is the folder in which nginx runs, which is asked (`nginx -T`), or a file with what it said, or `-`.
///
/// # Errors
/// There is no such file, or nginx refuses its configuration.
pub fn nginx(place: &Path, files: &BTreeMap<String, String>) -> anyhow::Result<Vec<Drifted>> {
    let text = said(place)?;
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
            None => found.push(drifted("nginx", path, "not read by nginx")),
            Some(text) if text.trim_end() != wanted.trim_end() => {
                let differs = text.lines().zip(wanted.lines()).position(|(a, b)| a != b);
                let line = differs.unwrap_or_else(|| text.lines().count().min(wanted.lines().count())) + 1;
                found.push(drifted("nginx", path, format!("nginx reads something else from line {line} on")));
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

fn said(place: &Path) -> anyhow::Result<String> {
    if place.as_os_str() == "-" {
        return text_file::whole(io::stdin().lock()).context("cannot read standard input");
    }
    if !place.is_dir() {
        return fs::read_to_string(place).with_context(|| format!("cannot read `{}`", place.display()));
    }
    let folder = fs::canonicalize(place).with_context(|| format!("cannot read `{}`", place.display()))?;
    let output = Command::new("nginx").arg("-p").arg(&folder).args(["-c", "nginx.conf", "-T", "-q"]).output();
    let output = output.context("cannot run `nginx`")?;
    if !output.status.success() {
        bail!("nginx refuses its configuration: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("what nginx says is no text")
}
