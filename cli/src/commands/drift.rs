//! `archgen drift`: whether what is there is what the spec says. It reads and never writes: nothing here can.

use std::path::Path;

use anyhow::Context;
use archgen_env::{os, task::Shutdown};
use archgen_spec::topology::Topology;

use crate::{
    arguments::{DriftArguments, ReportFormat},
    artifacts::{Made, make},
    drift::{Drifted, files, fleet, nginx, registry, schemas},
    exit::{self, Failure, Outcome},
    out_folder::OutFolder,
    printer::Printer,
    registry::Registry,
    spec_files,
    state::StateFolder,
};

/// Compares.
pub fn run(arguments: &DriftArguments, printer: Printer) -> Outcome {
    let out = arguments.out.as_deref().map(OutFolder::at);
    // A gateway's folder lies in the one that `generate` wrote: what `archgen sync` keeps there is no drift.
    let around = arguments.nginx.as_deref().filter(|p| p.is_dir()).and_then(Path::parent).map(OutFolder::at);
    let kept_in = out.as_ref().or(around.as_ref());
    let Made { topology, new } = make(&arguments.spec, arguments.environment.as_deref(), Vec::new(), kept_in, printer)?;
    let unavailable = |error| Failure { status: exit::UNAVAILABLE, error };
    let mut found = Vec::new();
    if let Some(out) = &out {
        found.extend(files(out, &new)?);
    }
    if arguments.running {
        found.extend(fleet(&StateFolder::at(&arguments.state.folder)?, &topology).map_err(unavailable)?);
    }
    if let Some(place) = &arguments.nginx {
        found.extend(nginx(place, &new.files)?);
    }
    if let Some(url) = &arguments.registry {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot ask the registry")?;
        let asked = runtime.block_on(async {
            let env = os::env("drift", Path::new("."), Shutdown::default());
            let asked = Registry::of(&topology, Some(url), &spec_files::folder(&arguments.spec)?, &env)?;
            registry(&asked, &topology, &new.files).await
        });
        found.extend(asked.map_err(unavailable)?);
    }
    if arguments.stores {
        found.extend(schemas(&topology, &spec_files::folder(&arguments.spec)?).map_err(unavailable)?);
    }
    leave_out(&mut found, &arguments.ignore, &topology);
    match arguments.format {
        ReportFormat::Human if found.is_empty() => printer.data("nothing has drifted\n"),
        ReportFormat::Human => {
            let lines = found.iter().map(|item| format!("{:8} {}: {}\n", item.place, item.what, item.how));
            printer.data(&lines.collect::<String>());
        }
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&found).context("a list has a JSON form")?;
            printer.data(&format!("{text}\n"));
        }
    }
    Ok(if found.is_empty() { exit::OK } else { exit::DRIFT })
}

/// Takes away what differs on purpose, by the spec or by the call.
fn leave_out(found: &mut Vec<Drifted>, ignored: &[String], topology: &Topology) {
    let starts: Vec<&String> = ignored.iter().chain(&topology.drift_ignored).collect();
    found.retain(|d| {
        let placed = format!("{}/{}", d.place, d.what);
        !starts.iter().any(|start| d.what.starts_with(start.as_str()) || placed.starts_with(start.as_str()))
    });
}
