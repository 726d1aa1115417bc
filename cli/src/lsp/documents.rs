//! The documents that are open, the files behind those that are not, and the specs that they make.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use archgen_spec::{ReadError, editor::Project};
use lsp_types::TextDocumentContentChangeEvent;

use super::places;
use crate::{spec_files, text_file};

/// How far above an overlay its spec is looked for.
const FOLDERS_UP_MAX: usize = 3;
/// Most files of a folder that are looked at for that.
const FILES_MAX: usize = 64;

/// Open documents and the projects made of them.
#[derive(Debug, Default)]
pub struct Documents {
    open: BTreeMap<String, String>,
    projects: BTreeMap<String, Project>,
}

impl Documents {
    /// A document was opened, or its text replaced.
    pub fn set(&mut self, path: &str, text: String) {
        self.open.insert(path.to_owned(), text);
        self.forget(path);
    }

    /// Parts of a document were replaced.
    pub fn change(&mut self, path: &str, changes: Vec<TextDocumentContentChangeEvent>) {
        let Some(text) = self.open.get_mut(path) else { return };
        for change in changes {
            match change.range {
                Some(range) => {
                    let (start, end) = (places::offset(text, range.start), places::offset(text, range.end));
                    text.replace_range(start..end.max(start), &change.text);
                }
                None => *text = change.text,
            }
        }
        self.forget(path);
    }

    /// A document was closed: from now on the file counts.
    pub fn close(&mut self, path: &str) {
        self.open.remove(path);
        self.forget(path);
    }

    /// A file changed: what was made of it is stale.
    pub fn forget(&mut self, path: &str) {
        // A file that no project holds may be an overlay that was missing until now.
        let known = self.projects.values().any(|p| p.paths().any(|f| f == path));
        self.projects.retain(|_, project| known && !project.paths().any(|f| f == path));
    }

    /// The spec to which a document belongs; `None` where it belongs to none.
    pub fn project(&mut self, path: &str) -> Option<&Project> {
        self.read(path, false)
    }

    /// The same with where each value comes from.
    pub fn project_with_origins(&mut self, path: &str) -> Option<&Project> {
        self.read(path, true)
    }

    fn read(&mut self, path: &str, with_origins: bool) -> Option<&Project> {
        let base = self.base(path)?;
        if self.projects.get(&base).is_none_or(|known| with_origins && !known.has_origins()) {
            let text = self.text(&base).ok()?;
            let folder = Path::new(&base).parent().unwrap_or(Path::new("/")).to_owned();
            let read = |relative: &str| self.text(&folder.join(relative).to_string_lossy());
            let project = if with_origins { Project::new } else { Project::judged };
            let project = project(spec_files::today(), &base, &text, &read, &spec_files::variable);
            self.projects.insert(base.clone(), project);
        }
        self.projects.get(&base)
    }

    /// The text of a document: as the editor has it, else of the file.
    ///
    /// # Errors
    /// There is no such file, or it is no text.
    pub fn text(&self, path: &str) -> Result<String, ReadError> {
        match self.open.get(path) {
            Some(text) => Ok(text.clone()),
            None => text_file::overlay(Path::new(path)),
        }
    }

    /// The spec's own file: this one, or the one above it that names it among its environments.
    fn base(&self, path: &str) -> Option<String> {
        if self.projects.contains_key(path) {
            return Some(path.to_owned());
        }
        if let Some((base, _)) = self.projects.iter().find(|(_, p)| p.paths().any(|f| f == path)) {
            return Some(base.clone());
        }
        let text = self.text(path).ok()?;
        if is_base(&text) {
            return Some(path.to_owned());
        }
        self.candidates(path).into_iter().find(|base| {
            let folder = Path::new(base).parent().unwrap_or(Path::new("/"));
            let relative = Path::new(path).strip_prefix(folder).map(|p| p.to_string_lossy().into_owned());
            let text = self.text(base).unwrap_or_default();
            is_base(&text) && relative.is_ok_and(|relative| names_overlay(&text, &relative))
        })
    }

    /// YAML files in the folders above, the nearest first.
    fn candidates(&self, path: &str) -> Vec<String> {
        let mut all: Vec<String> = self.open.keys().filter(|p| p.as_str() != path).cloned().collect();
        for folder in Path::new(path).ancestors().skip(1).take(FOLDERS_UP_MAX) {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
            let yaml = |p: &PathBuf| p.extension().is_some_and(|e| e == "yaml" || e == "yml");
            let mut found: Vec<String> =
                entries.filter(yaml).take(FILES_MAX).map(|p| p.to_string_lossy().into_owned()).collect();
            found.sort();
            all.extend(found.into_iter().filter(|p| p != path));
        }
        all
    }
}

/// Whether a text is a spec rather than an overlay: it says so on a line of its own.
fn is_base(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').lines().any(|line| line.starts_with("archgen:"))
}

fn names_overlay(text: &str, relative: &str) -> bool {
    let loaded = archgen_spec::load("", text.to_owned(), None, &|_| Err(ReadError::Missing), &|_| None);
    let mut origins = loaded.origins.iter();
    origins.any(|(path, origin)| path.starts_with("environments.") && origin.value.trim_start_matches("./") == relative)
}
