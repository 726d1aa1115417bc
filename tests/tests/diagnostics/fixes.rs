//! `archgen fix` on every file of the corpus that has something to fix, with its overlay: what is reported goes, nothing else changes,
//! a second time changes nothing, and no file is read worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use archgen_spec::diagnostic::{Code, Diagnostic, Edit, human};
use archgen_spec::units::Date;
use archgen_spec::{Loaded, ReadError, load_on, mend};

use super::corpus::specs;

/// Fewest files of the corpus that have something to fix.
const FIXABLE_MIN: usize = 50;

/// A spec of the corpus: its name, its environment, and its texts by path.
struct Sample {
    name: String,
    environment: Option<String>,
    texts: BTreeMap<String, String>,
}

impl Sample {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let environment = text.lines().next().and_then(|l| l.strip_prefix("# environment: ")).map(str::to_owned);
        let mut texts = BTreeMap::from([(name.clone(), text)]);
        for folder in [path.parent().unwrap().join("env"), path.parent().unwrap().to_owned()] {
            for entry in fs::read_dir(&folder).into_iter().flatten().map(Result::unwrap) {
                let relative = entry.path().strip_prefix(path.parent().unwrap()).unwrap().display().to_string();
                if let (true, Ok(text)) = (relative != name, fs::read_to_string(entry.path())) {
                    texts.insert(relative, text);
                }
            }
        }
        Self { name, environment, texts }
    }

    fn load(&self, texts: &BTreeMap<String, String>) -> Loaded {
        let read = |relative: &str| texts.get(relative).cloned().ok_or(ReadError::Missing);
        let today = Date::of_unix_days(20_781);
        load_on(today, &self.name, texts[&self.name].clone(), self.environment.as_deref(), &read, &|_| None)
    }
}

/// Every edit of every fix, by file, from the front to the back.
fn edits(loaded: &Loaded) -> BTreeMap<String, Vec<Edit>> {
    let mut all: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    for edit in loaded.diagnostics.iter().flat_map(|d| &d.fix).flat_map(|f| &f.edits) {
        all.entry(loaded.sources.path(edit.span.file).to_owned()).or_default().push(edit.clone());
    }
    for edits in all.values_mut() {
        edits.sort_by_key(|e| (e.span.start, e.span.end));
    }
    all
}

/// Where a byte of the text stands after the edits.
fn moved(at: usize, edits: &[Edit]) -> usize {
    let before = edits.iter().filter(|e| e.span.end <= at && e.span.start < at);
    let (removed, added) =
        before.fold((0, 0), |(removed, added), e| (removed + e.span.end - e.span.start, added + e.replacement.len()));
    at + added - removed
}

fn unread(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.code.0 < 10).count()
}

/// Applies every fix of a spec at once, and expects that each place is judged sound afterwards. `None` where there is none.
fn round(
    name: &str,
    sample: &Sample,
    texts: &BTreeMap<String, String>,
    fixed: &mut BTreeMap<Code, usize>,
) -> Option<BTreeMap<String, String>> {
    let before = sample.load(texts);
    let edits = edits(&before);
    let mut changed = texts.clone();
    for (file, edits) in &edits {
        let text = changed.get_mut(file).unwrap();
        edits.iter().rev().for_each(|e| text.replace_range(e.span.start..e.span.end, &e.replacement));
    }
    let after = sample.load(&changed);
    let said = human(&after.diagnostics, &after.sources, false);
    for diagnostic in before.diagnostics.iter().filter(|d| d.fix.is_some()) {
        let file = before.sources.path(diagnostic.primary.file);
        let at = moved(diagnostic.primary.start, edits.get(file).map_or(&[], Vec::as_slice));
        let still = |d: &Diagnostic| {
            d.code == diagnostic.code && after.sources.path(d.primary.file) == file && d.primary.start == at
        };
        let (code, message) = (diagnostic.code, &diagnostic.message);
        assert!(!after.diagnostics.iter().any(still), "{name}: {code} {message} is still reported\n{said}");
        *fixed.entry(code).or_default() += 1;
    }
    assert!(unread(&after) <= unread(&before), "{name} is read worse\n{said}");
    (!edits.is_empty()).then_some(changed)
}

/// What a fix brings to light may have fixes of its own.
const ROUNDS_MAX: usize = 4;

#[test]
fn every_fixable_file_is_fixed_and_nothing_else_of_it_changes() {
    let mut files = 0;
    let mut fixed = BTreeMap::new();
    for (name, path) in specs() {
        let sample = Sample::read(&path);
        let mut wanted = sample.texts.clone();
        let rounds = (0..ROUNDS_MAX).map_while(|_| {
            wanted = round(&name, &sample, &wanted, &mut fixed)?;
            Some(())
        });
        let rounds = rounds.count();
        assert!(rounds < ROUNDS_MAX, "{name}: there is no end");
        let mended = mend(sample.texts.clone(), &|texts| sample.load(texts));
        for (file, text) in &wanted {
            assert_eq!(mended.texts[file], *text, "{name}: {file} differs elsewhere than in the edits");
        }
        let again = mend(mended.texts.clone(), &|texts| sample.load(texts));
        assert!(again.applied.is_empty() && again.texts == mended.texts, "{name}: {:?}", again.applied);
        files += usize::from(rounds > 0);
    }
    let fixes: usize = fixed.values().sum();
    println!("{fixes} fixes of {} codes in {files} files mend what they are for and change nothing else", fixed.len());
    assert!(files >= FIXABLE_MIN, "only {files} files");
}
