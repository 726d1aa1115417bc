//! From a text to its canonical form, or the reason why there is none.

use std::ops::Range;

use thiserror::Error;

use super::attach::Attached;
use super::order::Scope;
use super::same::same;
use super::writer::Writer;
use crate::diagnostic::Diagnostic;
use crate::reference::language;
use crate::source::{FileId, Node, Sources, comments, parse};

/// How often a text is written before it is given up that does not become its own canonical form.
const ROUNDS_MAX: usize = 4;

/// Why a text has no canonical form.
#[derive(Debug, Clone, Error)]
pub enum FormatError {
    /// Its form has faults, which stand in the text of the sources.
    #[error("its form has faults, which must be mended first")]
    Faulty(Vec<Diagnostic>, Sources),
    /// A form that the formatter does not know how to keep.
    #[error("it holds something that cannot be formatted without a change of what it means")]
    Changed,
}

/// The canonical form of a spec or an overlay: keys in the order of the language, two blanks per level, one blank in brackets and behind
/// colons, at most one empty line. Comments, empty lines between entries, quotes, and the choice between blocks and brackets stay; so do
/// line ends of the form `\r\n`. `path` names the text where it has faults. What it gives means the same, and its own canonical form is itself.
///
/// # Errors
/// The text cannot be read, or could not be kept.
pub fn formatted(text: &str, path: &str) -> Result<String, FormatError> {
    let carriage = text.contains("\r\n");
    let plain = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut faults = Vec::new();
    let root = parse(FileId(0), &plain, &mut faults);
    if !faults.is_empty() {
        let mut sources = Sources::default();
        sources.add(path, plain);
        return Err(FormatError::Faulty(faults, sources));
    }
    let remarks = comments(&plain).ok_or(FormatError::Changed)?;
    let Some(root) = root else {
        // Nothing but comments: there is nothing to order.
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        let text = trimmed.join("\n").trim_matches('\n').to_owned();
        return Ok(if text.is_empty() { text } else { lines(ended(text), carriage) });
    };
    let mut written = rewritten(&plain, &root, &remarks)?;
    // Where comments and empty lines end up can depend on where they stood: what is given must be its own canonical form.
    for _ in 1..ROUNDS_MAX {
        let root = parse(FileId(0), &written, &mut faults).ok_or(FormatError::Changed)?;
        let remarks = comments(&written).ok_or(FormatError::Changed)?;
        let again = rewritten(&written, &root, &remarks)?;
        if again == written {
            return Ok(lines(written, carriage));
        }
        written = again;
    }
    Err(FormatError::Changed)
}

/// Writes a tree once; what is written must mean the same and hold the same comments.
fn rewritten(plain: &str, root: &Node, remarks: &[Range<usize>]) -> Result<String, FormatError> {
    let scope = Scope::whole(language().shape());
    let attached = Attached::new(plain, root, remarks);
    let written = ended(Writer::new(plain, &attached).document(root, scope).trim_end().to_owned());
    let mut faults = Vec::new();
    let again = parse(FileId(0), &written, &mut faults);
    let kept = comments(&written).ok_or(FormatError::Changed)?;
    let sorted = |text: &str, all: &[Range<usize>]| {
        let mut all: Vec<String> = all.iter().map(|range| text[range.clone()].to_owned()).collect();
        all.sort();
        all
    };
    let unchanged = faults.is_empty()
        && again.is_some_and(|again| same(root, &again, scope))
        && sorted(plain, remarks) == sorted(&written, &kept);
    if unchanged { Ok(written) } else { Err(FormatError::Changed) }
}

fn ended(mut text: String) -> String {
    text.push('\n');
    text
}

fn lines(text: String, carriage: bool) -> String {
    if carriage { text.replace('\n', "\r\n") } else { text }
}
