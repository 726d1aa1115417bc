//! `archgen fix`: applies the edits that diagnostics carry, one fix at a time, and keeps only what makes a spec better.

use std::collections::BTreeMap;

use crate::Loaded;
use crate::diagnostic::{Code, Fix, Severity};
use crate::source::Sources;

/// Fixes that one run applies at most.
pub const FIXES_MAX: usize = 500;

/// One fix that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What it mends.
    pub code: Code,
    /// `path:line:column`, as it was before.
    pub place: String,
    /// What it does.
    pub title: String,
}

/// What mending came to.
#[derive(Debug, Clone)]
pub struct Mended {
    /// The text of every file, by path, changed or not.
    pub texts: BTreeMap<String, String>,
    /// What was applied, in order.
    pub applied: Vec<Applied>,
    /// What is left.
    pub loaded: Loaded,
}

/// Mends the files of a spec: `load` loads them anew from their texts, by path. A fix is kept only where its problem is gone
/// afterwards, every file still parses as far as before, and no problem came in its place that the first one did not hide; so the
/// result is never worse, and mending it again changes nothing.
pub fn mend(texts: BTreeMap<String, String>, load: &dyn Fn(&BTreeMap<String, String>) -> Loaded) -> Mended {
    mend_where(texts, load, &|_| true)
}

/// The same for the problems of some codes only.
pub(crate) fn mend_where(
    mut texts: BTreeMap<String, String>,
    load: &dyn Fn(&BTreeMap<String, String>) -> Loaded,
    wanted: &dyn Fn(Code) -> bool,
) -> Mended {
    let mut loaded = load(&texts);
    let mut applied = Vec::new();
    let mut refused: Vec<(Code, Fix)> = Vec::new();
    while applied.len() < FIXES_MAX && refused.len() < FIXES_MAX {
        let next = loaded.diagnostics.iter().find_map(|d| {
            let fix = d.fix.clone().filter(|_| wanted(d.code))?;
            let fresh = !refused.contains(&(d.code, fix.clone()));
            fresh.then(|| (d.code, d.message.clone(), loaded.sources.place(d.primary), fix))
        });
        let Some((code, message, place, fix)) = next else { break };
        let better = apply(&texts, &fix, &loaded.sources).map(|texts| (load(&texts), texts));
        match better.filter(|(after, _)| is_better(&loaded, after, (code, &message))) {
            Some((after, changed)) => {
                applied.push(Applied { code, place, title: fix.title });
                (loaded, texts) = (after, changed);
                // Places have moved, so that what was refused is judged anew.
                refused.clear();
            }
            None => refused.push((code, fix)),
        }
    }
    Mended { texts, applied, loaded }
}

/// The texts with all edits of a fix. `None` where they fit the texts no longer or overlap.
fn apply(texts: &BTreeMap<String, String>, fix: &Fix, sources: &Sources) -> Option<BTreeMap<String, String>> {
    let mut edits: Vec<_> = fix.edits.iter().collect();
    edits.sort_by_key(|e| (e.span.file, e.span.start, e.span.end));
    let apart = |pair: &[&crate::diagnostic::Edit]| {
        pair[0].span.file != pair[1].span.file || pair[0].span.end <= pair[1].span.start
    };
    if !edits.windows(2).all(apart) {
        return None;
    }
    let mut changed = texts.clone();
    // From the back, so that earlier places stay where they are.
    for edit in edits.into_iter().rev() {
        let text = changed.get_mut(sources.path(edit.span.file))?;
        text.get(edit.span.start..edit.span.end)?;
        text.replace_range(edit.span.start..edit.span.end, &edit.replacement);
    }
    Some(changed)
}

/// Codes of files that could not be read whole: 001 to 009.
fn unread(loaded: &Loaded) -> usize {
    loaded.diagnostics.iter().filter(|d| d.code.0 < 10).count()
}

/// The first code of the checks that look at a whole spec, and only at one that could be read.
const WHOLE: u16 = 40;

fn is_better(before: &Loaded, after: &Loaded, (code, message): (Code, &str)) -> bool {
    let same = |loaded: &Loaded| loaded.diagnostics.iter().filter(|d| d.code == code && d.message == message).count();
    // What is found only now was there before, hidden behind what could not be read.
    let hidden = before.diagnostics.iter().any(|d| d.code.0 < WHOLE && d.severity == Severity::Error);
    let fewer = after.diagnostics.len() <= before.diagnostics.len();
    same(after) < same(before) && unread(after) <= unread(before) && (fewer || hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReadError, load};

    fn mended(text: &str) -> Mended {
        let texts = BTreeMap::from([("a.yaml".to_owned(), text.to_owned())]);
        mend(texts, &|texts| load("a.yaml", texts["a.yaml"].clone(), None, &|_| Err(ReadError::Missing), &|_| None))
    }

    #[test]
    fn only_the_faulty_words_change_and_a_second_time_nothing() {
        let text = "# kept\r\narchgen: v1\r\nname:   demo   # é\r\nregistry: { kind: consul,   servrs: 3 }\r\n";
        let first = mended(text);
        assert_eq!(first.texts["a.yaml"], text.replace("servrs", "servers"));
        assert_eq!(first.applied.len(), 1);
        assert_eq!(first.applied[0].place, "a.yaml:4:29");
        let again = mended(&first.texts["a.yaml"]);
        assert!(again.applied.is_empty() && again.texts == first.texts);
    }

    #[test]
    fn what_a_misspelt_section_hides_does_not_keep_it_from_being_mended() {
        let text = "archgen: v1\nname: demo\nservces:\n  user: { prot: 9300, replcas: 2 }\n  search: { prot: 9600 }\n";
        let right = text.replace("servces", "services").replace("prot", "port").replace("replcas", "replicas");
        assert_eq!(mended(text).texts["a.yaml"], right);
    }

    #[test]
    fn a_fix_that_would_bring_another_problem_is_left_out() {
        // `servrs` means `servers`, which is there already.
        let text = "archgen: v1\nname: demo\nregistry: { kind: consul, servers: 3, servrs: 3 }\n";
        let once = mended(text);
        assert!(once.loaded.diagnostics.len() <= mended(text).loaded.diagnostics.len());
        assert_eq!(once.texts["a.yaml"], text, "{:?}", once.applied);
    }
}
