//! The files of a spec while a command changes them: read once, changed in memory, written at the end or only shown.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use archgen_spec::{Applied, Loaded, ReadError};

use crate::{
    printer::Printer,
    spec_files::{self, SpecTexts},
};

/// A spec and its overlays.
pub struct Files {
    /// The spec's path, as the user gave it.
    spec: String,
    /// Texts by path, as the loader names them.
    pub texts: BTreeMap<String, String>,
    places: BTreeMap<String, PathBuf>,
}

impl Files {
    /// The files that loading a spec read.
    pub fn new(spec: &Path, texts: SpecTexts) -> Self {
        let shown = spec.display().to_string();
        let mut files = Self {
            texts: BTreeMap::from([(shown.clone(), texts.text)]),
            places: BTreeMap::from([(shown.clone(), spec.to_owned())]),
            spec: shown,
        };
        files.add(texts.overlays);
        files
    }

    /// More overlays, by their path from the spec's folder.
    pub fn add(&mut self, overlays: BTreeMap<String, String>) {
        for (relative, text) in overlays {
            let path = self.beside(&relative);
            let folder = Path::new(&self.spec).parent().unwrap_or(Path::new("")).to_owned();
            self.texts.insert(path.clone(), text);
            self.places.insert(path, folder.join(relative));
        }
    }

    /// The path of an overlay, as the loader names it: it stands in the spec's folder.
    fn beside(&self, relative: &str) -> String {
        match self.spec.rfind(['/', '\\']) {
            Some(at) => format!("{}{relative}", &self.spec[..=at]),
            None => relative.to_owned(),
        }
    }

    /// Loads the spec from texts as they are now.
    pub fn load(&self, now: &BTreeMap<String, String>, environment: Option<&str>) -> Loaded {
        let read = |relative: &str| now.get(&self.beside(relative)).cloned().ok_or(ReadError::Missing);
        let text = now.get(&self.spec).cloned().unwrap_or_default();
        let today = spec_files::today();
        archgen_spec::load_on(today, &self.spec, text, environment, &read, &spec_files::variable)
    }

    /// Says what was applied, and writes every text that differs, or shows the difference.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn finish(
        &self,
        after: &BTreeMap<String, String>,
        applied: &[Applied],
        verbs: (&str, &str),
        dry_run: bool,
        printer: Printer,
    ) -> anyhow::Result<()> {
        for one in applied {
            let verb = if dry_run { verbs.1 } else { verbs.0 };
            printer.data(&format!("{verb} {}  {}  {}\n", one.code, one.place, one.title));
        }
        for (path, text) in after.iter().filter(|(path, text)| self.texts.get(*path) != Some(text)) {
            if dry_run {
                printer.data(&difference(path, &self.texts[path], text));
            } else {
                spec_files::replace(&self.places[path], text).with_context(|| format!("cannot write `{path}`"))?;
            }
        }
        Ok(())
    }
}

/// The changed lines of one file, numbered, without context: a fix changes few lines and moves none of the others far.
fn difference(path: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut text = format!("--- {path}\n+++ {path}\n");
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // The nearest pair of equal lines ends the change.
        let far = (old.len() - i) + (new.len() - j);
        let end = (1..=far).find_map(|sum| {
            (0..=sum)
                .map(|a| (a, sum - a))
                .find(|(a, b)| matches!((old.get(i + a), new.get(j + b)), (Some(x), Some(y)) if x == y))
        });
        let (removed, added) = end.unwrap_or((old.len() - i, new.len() - j));
        text.push_str(&format!("@@ -{},{removed} +{},{added} @@\n", i + 1, j + 1));
        for (sign, lines) in [('-', &old[i..i + removed]), ('+', &new[j..j + added])] {
            for line in lines {
                text.push_str(&format!("{sign}{}\n", line.trim_end_matches(['\r', '\n'])));
            }
        }
        (i, j) = (i + removed, j + added);
    }
    text
}
