//! One spec with its overlays, as the editor has them now: what is read of each file, what is wrong with it in any environment.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use super::Lines;
use super::names::{self, Use};
use crate::diagnostic::Diagnostic;
use crate::loading::load_at;
use crate::lower::Origins;
use crate::source::{FileId, Node, Span, parse};
use crate::units::Date;
use crate::{Loaded, ReadError};

/// A file of the project.
#[derive(Debug)]
pub(super) struct File {
    /// As the caller names it.
    pub path: String,
    /// As it is now.
    pub text: String,
    /// Where its lines begin.
    pub lines: Lines,
    /// What could be read of it.
    pub tree: Option<Node>,
    /// Where names stand in it. Looked for when somebody asks: problems are told without.
    uses: OnceCell<Vec<Use>>,
}

impl File {
    fn uses(&self, is_base: bool) -> &[Use] {
        self.uses.get_or_init(|| self.tree.as_ref().map(|tree| names::uses(tree, is_base)).unwrap_or_default())
    }
}

/// A spec and its overlays.
#[derive(Debug)]
pub struct Project {
    pub(super) files: Vec<File>,
    /// The base alone, then each environment.
    pub(super) loads: Vec<Loaded>,
    environments: Vec<String>,
    /// Whether it is known where each value comes from.
    with_origins: bool,
}

/// What a text was parsed to, with its faults.
type Outcome = (FileId, String, Option<Node>, Vec<Diagnostic>);

/// The texts of one project, each parsed once, in however many environments it is read.
#[derive(Default)]
struct Parsed(RefCell<Vec<Outcome>>);

impl Parsed {
    fn tree(&self, file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Option<Node> {
        let known = |(of, was, ..): &&Outcome| *of == file && was == text;
        if let Some((.., tree, faults)) = self.0.borrow().iter().find(known) {
            out.extend(faults.iter().cloned());
            return tree.clone();
        }
        let mut faults = Vec::new();
        let tree = parse(file, text, &mut faults);
        out.extend(faults.iter().cloned());
        self.0.borrow_mut().push((file, text.to_owned(), tree.clone(), faults));
        tree
    }

    /// The tree alone, for whoever is the last to ask.
    fn last(&self, file: FileId, text: &str) -> Option<Node> {
        let mut all = self.0.borrow_mut();
        match all.iter_mut().find(|(of, was, ..)| *of == file && was == text) {
            Some((.., tree, _)) => tree.take(),
            None => parse(file, text, &mut Vec::new()),
        }
    }
}

/// How files are read, and what the environment's variables say.
type Outside<'a> = (&'a dyn Fn(&str) -> Result<String, ReadError>, &'a dyn Fn(&str) -> Option<String>);

/// Something wrong, in which environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong. Its places name files of the project.
    pub diagnostic: Diagnostic,
    /// The environments that have it; empty where the base has it alone.
    pub environments: Vec<String>,
}

impl Project {
    /// Reads a spec: `text` of the file `path`, and through `read` the overlays that it declares. `today` is the day on which waivers
    /// must hold.
    pub fn new(
        today: Date,
        path: &str,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, ReadError>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self::read(today, (path, text), (read, variable), true)
    }

    /// The same without knowing where values come from: what is told after each letter that somebody types. Nothing but
    /// [`Self::hover`] says less then.
    pub fn judged(
        today: Date,
        path: &str,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, ReadError>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self::read(today, (path, text), (read, variable), false)
    }

    fn read(today: Date, (path, text): (&str, &str), (read, variable): Outside<'_>, with_origins: bool) -> Self {
        let parsed = Parsed::default();
        let origins = || if with_origins { Origins::default() } else { Origins::idle() };
        let parse = |file: FileId, text: &str, out: &mut Vec<Diagnostic>| parsed.tree(file, text, out);
        let load = |environment: Option<&str>| {
            load_at(path, text.to_owned(), environment, (read, variable, &parse), Some(today), origins())
        };
        let base = load(None);
        let environments = base.environments.clone();
        let mut project = Self { files: Vec::new(), loads: vec![base], environments, with_origins };
        project.add(path, text.to_owned());
        for environment in &project.environments.clone() {
            let loaded = load(Some(environment));
            for file in loaded.sources.files().skip(1) {
                let relative = loaded.sources.path(file);
                let folder = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
                // Secrets are blanked out in what was loaded, so the text is read again.
                if let Some(text) = relative.get(folder..).and_then(|r| read(r).ok())
                    && !project.files.iter().any(|f| f.path == relative)
                {
                    project.add(relative, text);
                }
            }
            project.loads.push(loaded);
        }
        for (file, number) in project.files.iter_mut().zip(0..) {
            file.tree = parsed.last(FileId(number), &file.text);
        }
        project
    }

    fn add(&mut self, path: &str, text: String) {
        let lines = Lines::new(&text);
        self.files.push(File { path: path.to_owned(), lines, text, tree: None, uses: OnceCell::new() });
    }

    /// Whether it is known where each value comes from.
    pub fn has_origins(&self) -> bool {
        self.with_origins
    }

    /// The declared environments.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(String::as_str)
    }

    /// The files' paths, the base first.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|f| f.path.as_str())
    }

    /// The path and text of a file.
    pub fn file(&self, file: FileId) -> Option<(&str, &str)> {
        self.files.get(file.0 as usize).map(|f| (f.path.as_str(), f.text.as_str()))
    }

    /// Where the lines of a file begin.
    pub fn lines(&self, file: FileId) -> Option<&Lines> {
        self.files.get(file.0 as usize).map(|f| &f.lines)
    }

    /// The file of a path.
    pub fn find(&self, path: &str) -> Option<FileId> {
        let index = self.files.iter().position(|f| f.path == path)?;
        u32::try_from(index).ok().map(FileId)
    }

    /// Every problem of the base and of every environment, each once.
    pub fn problems(&self) -> Vec<Problem> {
        let mut seen: BTreeMap<(Span, u16, String), usize> = BTreeMap::new();
        let mut all: Vec<Problem> = Vec::new();
        for (index, loaded) in self.loads.iter().enumerate() {
            for diagnostic in &loaded.diagnostics {
                let Some(diagnostic) = self.placed(loaded, diagnostic) else { continue };
                let key = (diagnostic.primary, diagnostic.code.0, diagnostic.message.clone());
                let at = *seen.entry(key).or_insert_with(|| {
                    all.push(Problem { diagnostic, environments: Vec::new() });
                    all.len() - 1
                });
                if let Some(name) = index.checked_sub(1).and_then(|i| self.environments.get(i)) {
                    all[at].environments.push(name.clone());
                }
            }
        }
        all
    }

    /// The same diagnostic with places in this project's files.
    fn placed(&self, loaded: &Loaded, diagnostic: &Diagnostic) -> Option<Diagnostic> {
        let place = |span: Span| {
            let file = self.find(loaded.sources.path(span.file))?;
            Some(Span { file, ..span })
        };
        let mut placed = diagnostic.clone();
        placed.primary = place(placed.primary)?;
        placed.related = placed.related.into_iter().filter_map(|(span, what)| Some((place(span)?, what))).collect();
        if let Some(fix) = &mut placed.fix {
            let edits = fix.edits.len();
            fix.edits = fix
                .edits
                .drain(..)
                .filter_map(|e| Some(crate::diagnostic::Edit { span: place(e.span)?, ..e }))
                .collect();
            if fix.edits.len() < edits {
                placed.fix = None;
            }
        }
        Some(placed)
    }

    /// What is named at a place.
    pub fn use_at(&self, file: FileId, offset: usize) -> Option<&Use> {
        let uses = self.files.get(file.0 as usize)?.uses(file.0 == 0);
        uses.iter().find(|u| u.span.start <= offset && offset <= u.span.end)
    }

    /// Where what is named at a place is declared.
    pub fn definitions(&self, file: FileId, offset: usize) -> Vec<Span> {
        self.places(file, offset).into_iter().filter(|u| u.declares).map(|u| u.span).collect()
    }

    /// Everywhere that what is named at a place stands.
    pub fn references(&self, file: FileId, offset: usize, with_declaration: bool) -> Vec<Span> {
        let all = self.places(file, offset).into_iter();
        all.filter(|u| with_declaration || !u.declares).map(|u| u.span).collect()
    }

    pub(super) fn places(&self, file: FileId, offset: usize) -> Vec<&Use> {
        let Some(here) = self.use_at(file, offset) else { return Vec::new() };
        self.uses().filter(|u| u.name == here.name).collect()
    }

    pub(super) fn uses(&self) -> impl Iterator<Item = &Use> {
        self.files.iter().enumerate().flat_map(|(index, file)| file.uses(index == 0))
    }
}
