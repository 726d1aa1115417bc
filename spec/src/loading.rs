//! One call from text to topology. It reads nothing itself: files and variables come through the caller's functions.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::ast::{Decode, Decoder, Spec};
use crate::checks::{
    language_version, secret_literal, syntax, unknown_environment, unreadable_overlay, wrong_kind, wrong_type,
};
use crate::diagnostic::{Diagnostic, Severity};
use crate::lower::{self, Origins, Removed};
use crate::source::{FileId, Node, Sources, Span, parse};
use crate::topology::Topology;
use crate::units::Date;

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// The path leads out of the spec's folder.
    #[error("the path leads out of the spec's folder")]
    Outside,
    /// Another reason.
    #[error("{0}")]
    Other(String),
}

/// What a spec gives.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The topology; present exactly when there is no error.
    pub topology: Option<Topology>,
    /// Every problem, in the order of the files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, for rendering.
    pub sources: Sources,
    /// Where each final value comes from.
    pub origins: Origins,
    /// The declared environments.
    pub environments: Vec<String>,
}

/// Loads a spec: `text` of the file `path`, with the overlay of `environment` where one is asked for. `read` gets the
/// overlay's path relative to the spec's folder, `variable` the name of an environment variable. Waivers hold: a running
/// system must not fail to start again because a date has passed.
pub fn load(
    path: &str,
    text: String,
    environment: Option<&str>,
    read: &dyn Fn(&str) -> Result<String, ReadError>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    load_at(path, text, environment, (read, variable, &parse), None, Origins::default())
}

/// The same on a day: waivers that ended before it are reported.
pub fn load_on(
    today: Date,
    path: &str,
    text: String,
    environment: Option<&str>,
    read: &dyn Fn(&str) -> Result<String, ReadError>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    load_at(path, text, environment, (read, variable, &parse), Some(today), Origins::default())
}

/// As [`load_on`], without the origins of values: for those who want the problems and the topology alone, sooner.
pub fn judge_on(
    today: Date,
    path: &str,
    text: String,
    environment: Option<&str>,
    read: &dyn Fn(&str) -> Result<String, ReadError>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Loaded {
    load_at(path, text, environment, (read, variable, &parse), Some(today), Origins::idle())
}

/// How a text is parsed.
pub(crate) type Parse<'a> = &'a dyn Fn(FileId, &str, &mut Vec<Diagnostic>) -> Option<Node>;

/// How a file is read, what the environment's variables say, and how a text is parsed.
pub(crate) type Callbacks<'a> =
    (&'a dyn Fn(&str) -> Result<String, ReadError>, &'a dyn Fn(&str) -> Option<String>, Parse<'a>);

/// The same with the caller's own parser, on a day or on none.
pub(crate) fn load_at(
    path: &str,
    text: String,
    environment: Option<&str>,
    (read, variable, parse): Callbacks<'_>,
    today: Option<Date>,
    origins: Origins,
) -> Loaded {
    let mut loaded = Loaded {
        topology: None,
        diagnostics: Vec::new(),
        sources: Sources::default(),
        origins,
        environments: Vec::new(),
    };
    let mut removed = Vec::new();
    let tree = tree(path, text, environment, (read, variable, parse), (&mut loaded, &mut removed));
    if let Some(tree) = tree {
        loaded.topology = meaning(tree, variable, today, &mut loaded);
        lower::tell_removed(&removed, &mut loaded.diagnostics);
    }
    if !loaded.diagnostics.is_empty() {
        syntax::hide_consequences(&mut loaded.diagnostics);
        secret_literal::blank(&mut loaded.sources);
        loaded.diagnostics.iter_mut().for_each(secret_literal::blank_message);
    }
    uncertain(&mut loaded);
    loaded.diagnostics.sort_by_key(|d| (d.primary.file, d.primary.start, d.primary.end, d.code));
    if loaded.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        loaded.topology = None;
    }
    loaded
}

/// A fix is certain only where it replaces what was judged, not a value that a variable brought in; and none takes a
/// comment away.
fn uncertain(loaded: &mut Loaded) {
    for diagnostic in &mut loaded.diagnostics {
        let replaced = diagnostic.fix.iter().flat_map(|f| &f.edits).map(|e| loaded.sources.slice(e.span));
        if replaced.into_iter().any(|text| text.contains("${") || text.contains('#')) {
            diagnostic.fix = None;
        }
    }
}

/// The base with its overlay, and what that removed. `None` where one of them cannot be read: what remains would be reported wrongly.
fn tree(
    path: &str,
    text: String,
    environment: Option<&str>,
    (read, _, parse): Callbacks<'_>,
    (loaded, removed): (&mut Loaded, &mut Vec<Removed>),
) -> Option<Node> {
    let Some(mut base) = file(path, text, parse, loaded) else {
        if loaded.diagnostics.is_empty() {
            let nothing = Span::start_of(FileId(0));
            loaded.diagnostics.push(wrong_type::at(nothing, "the spec", "a mapping", "an empty file", None));
        }
        return None;
    };
    lower::refuse_tags(&base, &mut loaded.diagnostics);
    language_version::check(&base, &mut loaded.diagnostics);
    let declared: Vec<(&str, &Node)> =
        base.get("environments").into_iter().flat_map(Node::entries).map(|e| (e.key.text.as_str(), &e.value)).collect();
    loaded.environments = declared.iter().map(|(name, _)| (*name).to_owned()).collect();
    let Some(environment) = environment else { return Some(base) };
    let Some((_, place)) = declared.iter().find(|(name, _)| *name == environment) else {
        let names: Vec<&str> = declared.iter().map(|(name, _)| *name).collect();
        let first = base.entries().first().map_or(base.span, |e| e.key.span);
        let span = base.entries().iter().find(|e| e.key.text == "environments").map_or(first, |e| e.key.span);
        loaded.diagnostics.push(unknown_environment::at(span, environment, &names));
        return Some(base);
    };
    // An entry that is no text is reported when the section is decoded.
    let Some(relative) = place.text() else { return Some(base) };
    match within(relative).and_then(|()| read(relative)) {
        Ok(text) => {
            let folder = path.rfind(['/', '\\']).map_or("", |i| &path[..=i]);
            let before = loaded.diagnostics.len();
            match file(&format!("{folder}{relative}"), text, parse, loaded) {
                Some(overlay) => {
                    let file = overlay.span.file;
                    *removed = lower::merge(&mut base, overlay, &mut loaded.diagnostics);
                    lower::refuse_idle_tags(&base, file, &mut loaded.diagnostics);
                }
                // An overlay of nothing but comments changes nothing.
                None if loaded.diagnostics.len() == before => {}
                None => return None,
            }
        }
        Err(error) => loaded.diagnostics.push(unreadable_overlay::at(place.span, relative, &error.to_string())),
    }
    Some(base)
}

/// An overlay lies in the spec's folder or below it.
fn within(relative: &str) -> Result<(), ReadError> {
    let rooted = relative.starts_with(['/', '\\']) || relative.contains(':');
    let climbs = relative.split(['/', '\\']).any(|part| part == "..");
    if rooted || climbs { Err(ReadError::Outside) } else { Ok(()) }
}

/// One file to its tree, with secrets found and blanked out.
fn file(path: &str, text: String, parse: Parse<'_>, loaded: &mut Loaded) -> Option<Node> {
    let id = loaded.sources.add(path, String::new());
    let root = parse(id, &text, &mut loaded.diagnostics);
    loaded.sources.set(id, text);
    let mut root = root?;
    secret_literal::scan(&mut root, &mut loaded.sources, &mut loaded.diagnostics);
    Some(root)
}

fn meaning(
    mut tree: Node,
    variable: &dyn Fn(&str) -> Option<String>,
    today: Option<Date>,
    loaded: &mut Loaded,
) -> Option<Topology> {
    lower::substitute(&mut tree, variable, &mut loaded.diagnostics);
    // What a variable brought in may be a secret, too.
    secret_literal::scan(&mut tree, &mut loaded.sources, &mut loaded.diagnostics);
    let profiles = lower::apply_profiles(&mut tree, &mut loaded.diagnostics);
    loaded.origins.take_tree(&tree);
    let spec = Spec::decode(&tree, &mut Decoder::new(&mut loaded.diagnostics))?;
    // The largest thing there is: what is resolved takes its room.
    drop(tree);
    let topology = lower::resolve(&spec, today, &mut loaded.origins, &mut loaded.diagnostics);
    once(&profiles, &mut loaded.diagnostics);
    Some(topology)
}

/// What is wrong inside a profile is found wherever it is taken, and said once.
fn once(profiles: &[Span], out: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    out.retain(|d| {
        let at = d.primary;
        let inside = profiles.iter().any(|p| p.file == at.file && p.start <= at.start && at.end <= p.end);
        // What several sections say together has a message of its own for each.
        !inside || d.code > wrong_kind::EXPLANATION.code || seen.insert((d.code, at.file, at.start, at.end))
    });
}
