//! `archgen fmt`: specs in their canonical form.

use std::path::{Path, PathBuf};

use anyhow::Context;
use archgen_spec::{
    ReadError,
    diagnostic::human,
    formatting::{FormatError, formatted},
};

use crate::{
    arguments::FmtArguments,
    exit::{self, Outcome},
    printer::Printer,
    spec_files, text_file,
};

/// What formatting one file came to.
enum Came {
    Same,
    Differs,
    Faulty,
    Unreadable,
}

/// Formats every file given, and the overlays that they declare. A file that cannot be formatted does not keep the others from it.
pub fn run(arguments: &FmtArguments, printer: Printer) -> Outcome {
    let mut status = exit::OK;
    for path in files(&arguments.specs) {
        status = status.max(match one(&path, arguments.check, printer)? {
            Came::Same => exit::OK,
            Came::Differs => {
                if arguments.check {
                    exit::WRONG
                } else {
                    exit::OK
                }
            }
            Came::Faulty => exit::WRONG,
            Came::Unreadable => exit::SYSTEM,
        });
    }
    Ok(status)
}

/// The specs and the overlays that they declare, each once.
fn files(specs: &[PathBuf]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    let mut add = |path: PathBuf| {
        if !all.contains(&path) {
            all.push(path);
        }
    };
    for spec in specs {
        add(spec.clone());
        let Ok(text) = text_file::read(spec) else { continue };
        let base = archgen_spec::load("", text, None, &|_| Err(ReadError::Missing), &spec_files::variable);
        let folder = spec.parent().unwrap_or(Path::new(""));
        let declared = base.origins.iter().filter(|(path, _)| path.starts_with("environments."));
        let overlays = declared.map(|(_, origin)| folder.join(origin.value.trim_start_matches("./")));
        // A declared overlay that is not there is for `archgen check` to report.
        overlays.filter(|path| path.exists()).for_each(&mut add);
    }
    all
}

fn one(path: &Path, check: bool, printer: Printer) -> anyhow::Result<Came> {
    let piped = path.as_os_str() == "-";
    let shown = if piped { "<stdin>".to_owned() } else { path.display().to_string() };
    let text = if piped { text_file::whole(std::io::stdin().lock()) } else { text_file::read(path) };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            printer.error(&format!("cannot read `{shown}`: {error}"));
            return Ok(Came::Unreadable);
        }
    };
    match formatted(&text, &shown) {
        Ok(canonical) => {
            let same = canonical == text;
            if check {
                if !same {
                    printer.data(&format!("{shown}\n"));
                }
            } else if piped {
                printer.data(&canonical);
            } else if !same {
                spec_files::replace(path, &canonical).with_context(|| format!("cannot write `{shown}`"))?;
                printer.data(&format!("formatted {shown}\n"));
            }
            Ok(if same { Came::Same } else { Came::Differs })
        }
        Err(FormatError::Faulty(faults, sources)) => {
            printer.note(&human(&faults, &sources, printer.color_notes()));
            printer.error(&format!("`{shown}` was left as it is: its form has faults"));
            Ok(Came::Faulty)
        }
        Err(error) => {
            printer.error(&format!("`{shown}` was left as it is: {error}"));
            Ok(Came::Faulty)
        }
    }
}
