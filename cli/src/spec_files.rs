//! From paths to a loaded spec: reads the spec and its overlays, and keeps their texts for what must not change under a running
//! fleet. What a spec means is the spec crate's.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use archgen_generator::SPEC_SHOWN_BYTES_MAX;
use archgen_spec::{Loaded, ReadError, topology::Topology, units::Date};

use crate::{
    exit::{self, Failure},
    printer::Printer,
    text_file,
};

/// Which environment's overlay to apply.
#[derive(Debug, Clone, Copy)]
pub enum Environment<'a> {
    /// This one, or the base alone.
    Exactly(Option<&'a str>),
    /// This one where the spec declares it, else the base alone.
    IfDeclared(&'a str),
}

/// A spec's text and that of the overlays it was loaded with, by their path relative to the spec's folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SpecTexts {
    /// Path as the user gave it, for messages.
    pub path: String,
    /// The environment that was applied.
    pub environment: Option<String>,
    /// The spec.
    pub text: String,
    /// Overlays.
    pub overlays: BTreeMap<String, String>,
}

/// Reads and loads a spec. Problems with the spec are in the result's diagnostics.
///
/// # Errors
/// The file cannot be read.
pub fn load(path: &Path, environment: Environment<'_>) -> anyhow::Result<(Loaded, SpecTexts)> {
    read(path, environment, &archgen_spec::load_on)
}

/// The same without the origins of values, sooner.
///
/// # Errors
/// As [`load`].
pub fn judge(path: &Path, environment: Environment<'_>) -> anyhow::Result<(Loaded, SpecTexts)> {
    read(path, environment, &archgen_spec::judge_on)
}

type Overlays<'a> = &'a dyn Fn(&str) -> Result<String, ReadError>;
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;
type Loading<'a> = &'a dyn Fn(Date, &str, String, Option<&str>, Overlays<'_>, Variables<'_>) -> Loaded;

fn read(path: &Path, environment: Environment<'_>, load: Loading<'_>) -> anyhow::Result<(Loaded, SpecTexts)> {
    let piped = path.as_os_str() == "-";
    let shown = if piped { "<stdin>".to_owned() } else { path.display().to_string() };
    let text = if piped { text_file::whole(io::stdin().lock()) } else { text_file::read(path) };
    let text = text.with_context(|| format!("cannot read `{shown}`"))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let name = match environment {
        Environment::Exactly(name) => name.map(str::to_owned),
        Environment::IfDeclared(name) => {
            let base = archgen_spec::load(&shown, text.clone(), None, &|_| Err(ReadError::Missing), &variable);
            base.environments.iter().any(|e| e == name).then(|| name.to_owned())
        }
    };
    let overlays = RefCell::new(BTreeMap::new());
    let overlay = |relative: &str| {
        let text = text_file::overlay(&folder.join(relative))?;
        overlays.borrow_mut().insert(relative.to_owned(), text.clone());
        Ok(text)
    };
    let loaded = load(today(), &shown, text.clone(), name.as_deref(), &overlay, &variable);
    Ok((loaded, SpecTexts { path: shown, environment: name, text, overlays: overlays.into_inner() }))
}

/// The day by the machine's clock, in UTC.
#[expect(clippy::disallowed_methods, reason = "waivers end on a day of the calendar, and no host is involved")]
pub fn today() -> Date {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Date::of_unix_days(u32::try_from(since.as_secs() / 86_400).unwrap_or(u32::MAX))
}

/// The topology of kept texts. No day is asked for: a fleet that runs does not stop because a waiver ended.
///
/// # Errors
/// They have errors now: a variable of the environment changed.
pub fn reload(texts: &SpecTexts) -> anyhow::Result<Topology> {
    let overlay = |relative: &str| texts.overlays.get(relative).cloned().ok_or(ReadError::Missing);
    let loaded = archgen_spec::load(&texts.path, texts.text.clone(), texts.environment.as_deref(), &overlay, &variable);
    let problems = archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, false);
    loaded.topology.with_context(|| format!("the spec has errors in this environment\n{problems}"))
}

/// The topology of a spec; its problems are printed.
///
/// # Errors
/// The spec has errors, or cannot be read.
pub fn topology(path: &Path, environment: Environment<'_>, printer: Printer) -> Result<(Topology, SpecTexts), Failure> {
    let (topology, _, texts) = accepted(load(path, environment)?, printer)?;
    Ok((topology, texts))
}

/// The same with where each of its values stands, unless the spec is too long for that to be on a page: then nothing is noted, and it
/// is there sooner.
///
/// # Errors
/// As [`topology`].
pub fn checked(path: &Path, environment: Environment<'_>, printer: Printer) -> Result<(Topology, Loaded), Failure> {
    let load: Loading<'_> = &|today, path, text, environment, overlays, variables| {
        let load = if text.len() > SPEC_SHOWN_BYTES_MAX { archgen_spec::judge_on } else { archgen_spec::load_on };
        load(today, path, text, environment, overlays, variables)
    };
    let (topology, loaded, _) = accepted(read(path, environment, load)?, printer)?;
    Ok((topology, loaded))
}

fn accepted(
    (mut loaded, texts): (Loaded, SpecTexts),
    printer: Printer,
) -> Result<(Topology, Loaded, SpecTexts), Failure> {
    let problems = archgen_spec::diagnostic::human(&loaded.diagnostics, &loaded.sources, printer.color_notes());
    if !problems.is_empty() {
        printer.note(&problems);
    }
    let failure = || Failure::new(exit::WRONG, format!("`{}` has errors; nothing was done", texts.path));
    let topology = loaded.topology.take().ok_or_else(failure)?;
    Ok((topology, loaded, texts))
}

/// The folder in which a spec's relative paths begin.
///
/// # Errors
/// The folder is gone.
pub fn folder(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = fs::canonicalize(path).with_context(|| format!("cannot find `{}`", path.display()))?;
    Ok(whole.parent().unwrap_or(Path::new("/")).to_owned())
}

/// A variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Replaces a file whole or not at all; its permissions stay.
///
/// # Errors
/// The operating system refused.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file behind a link is meant, not the link.
    let target = fs::canonicalize(path)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = target.with_file_name(name);
    let made = fs::write(&fresh, text)
        .and_then(|()| fs::set_permissions(&fresh, fs::metadata(&target)?.permissions()))
        .and_then(|()| fs::rename(&fresh, &target));
    if made.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    made
}
