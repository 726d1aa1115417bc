//! `archgen init`: a spec to begin with.

use std::{fs, io::Write};

use anyhow::Context;

use crate::{
    arguments::{InitArguments, Starter},
    exit::{self, Failure, Outcome},
    printer::Printer,
};

/// The files of a starter, as (path in the folder, text). They are the examples that the tests run.
fn files(starter: Starter) -> &'static [(&'static str, &'static str)] {
    match starter {
        Starter::Minimal => &[("topology.yaml", include_str!("../../../examples/minimal/topology.yaml"))],
        Starter::Slack => &[
            ("topology.yaml", include_str!("../../../examples/slack/topology.yaml")),
            ("env/dev.yaml", include_str!("../../../examples/slack/env/dev.yaml")),
            ("env/sim.yaml", include_str!("../../../examples/slack/env/sim.yaml")),
            ("env/prod.yaml", include_str!("../../../examples/slack/env/prod.yaml")),
        ],
    }
}

/// Writes a starter into a folder. Nothing is written where a file is in the way.
pub fn run(arguments: &InitArguments, printer: Printer) -> Outcome {
    let places: Vec<_> = files(arguments.from).iter().map(|(path, text)| (arguments.folder.join(path), text)).collect();
    if let Some((taken, _)) = places.iter().find(|(path, _)| path.exists()) {
        let shown = taken.display();
        return Err(Failure::new(exit::REFUSED, format!("`{shown}` is there already; nothing was written")));
    }
    for (path, text) in &places {
        let shown = path.display();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write `{shown}`"))?;
        printer.data(&format!("wrote    {shown}\n"));
    }
    let spec = arguments.folder.join("topology.yaml");
    printer.note(&format!("next: archgen check {0}, then archgen up {0}", spec.display()));
    Ok(exit::OK)
}
