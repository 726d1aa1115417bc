//! Tabs and foreign blanks in the indentation. YAML takes blanks only; editors and web pages bring the others in. How wide a tab was
//! meant to be is written nowhere, so each usual width is tried, and that which makes YAML of the text is what its writer saw.

use std::ops::Range;

use granit_parser::ErrorKind;

use super::parse::{Piece, Spent, Stop, document};
use super::recover::recover;
use super::rewritten::Rewritten;
use super::{FileId, Node, Span, Value};
use crate::checks::syntax;
use crate::diagnostic::{Diagnostic, Edit, Fix};

/// Widths of a tab; those that best show what stands below what come first.
const WIDTHS: [usize; 5] = [8, 4, 2, 3, 6];
/// Longest text that is read several times, bytes.
const TEXT_BYTES_MAX: usize = 512 * 1024;

/// A width that was tried.
struct Tried {
    width: usize,
    rewritten: Rewritten,
    /// The tree, or where in what was read it is no YAML.
    read: Result<Node, (Span, ErrorKind)>,
    found: Vec<Diagnostic>,
}

/// Reads a text that broke at `fault`, as it was meant. `None` where nothing foreign stands in its indentation, or where that is not
/// what broke it.
pub(super) fn read(file: FileId, text: &str, fault: usize, out: &mut Vec<Diagnostic>) -> Option<Option<Node>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let foreign = foreign(text);
    let first = foreign.first()?;
    let mark = text[first.clone()].char_indices().find(|(_, c)| *c != ' ')?;
    let mark = (Span { file, start: first.start + mark.0, end: first.start + mark.0 + mark.1.len_utf8() }, mark.1);
    let mut tried: Vec<Tried> = WIDTHS.iter().filter_map(|width| attempt(file, text, &foreign, *width)).collect();
    if tried.iter().all(|one| one.read.is_err()) {
        // It may have slipped in where nothing is due at all.
        tried.extend(attempt(file, text, &foreign, 0).filter(|one| one.read.is_ok()));
    }
    let best = tried.iter().position(|one| one.read.is_ok());
    let fix = certain(file, text, &foreign, &tried);
    let best = best.unwrap_or_else(|| furthest(&tried));
    let Tried { rewritten, read, mut found, .. } = (best < tried.len()).then(|| tried.swap_remove(best))?;
    let mut root = match read {
        Ok(root) => Some(root),
        Err((at, _)) if rewritten.place(at.start) <= fault => return None,
        Err(fault) => {
            found.clear();
            recover(file, &rewritten.text, fault, &mut found)
        }
    };
    root.iter_mut().for_each(|root| rewritten.node(root));
    found.iter_mut().for_each(|one| rewritten.diagnostic(one));
    out.push(syntax::indentation(mark, foreign.len()).with_fix(fix));
    out.append(&mut found);
    Some(root)
}

/// The indentation of every line that has something other than blanks in it.
fn foreign(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.trim_start_matches(|c: char| c.is_whitespace() && !matches!(c, '\n' | '\r'));
        let indent = line.len() - rest.len();
        if !rest.trim().is_empty() && line[..indent].contains(|c| c != ' ') {
            all.push(start..start + indent);
        }
        start += line.len();
    }
    all
}

/// The same indentation in blanks: a tab leads to the next stop, or nowhere where it has no width; anything else is one blank.
fn blanks(indentation: &str, width: usize) -> String {
    let next = |column: usize| column.checked_div(width).map_or(column, |stops| (stops + 1) * width);
    " ".repeat(indentation.chars().fold(0, |column, c| if c == '\t' { next(column) } else { column + 1 }))
}

fn attempt(file: FileId, text: &str, foreign: &[Range<usize>], width: usize) -> Option<Tried> {
    let replaced: Vec<_> = foreign.iter().map(|at| (at.clone(), blanks(&text[at.clone()], width))).collect();
    let rewritten = Rewritten::new(text, 0, &replaced);
    let mut found = Vec::new();
    let piece = Piece { file, text: &rewritten.text, offset: 0, depth: 0 };
    let read = match document(&piece, &mut Spent::default(), &mut found) {
        Ok(root) => Ok(root?),
        Err(Stop::Syntax(at, kind)) => Err((at, kind)),
        Err(Stop::Refused(_)) => return None,
    };
    Some(Tried { width, rewritten, read, found })
}

/// The attempt that came furthest, the first of them where several did.
fn furthest(tried: &[Tried]) -> usize {
    let reached = |one: &Tried| one.read.as_ref().err().map_or(0, |(at, _)| one.rewritten.place(at.start));
    let most = tried.iter().map(reached).max();
    tried.iter().position(|one| Some(reached(one)) == most).unwrap_or(tried.len())
}

/// The change to blanks, of the least width that means the same; none where widths that can be read mean different things.
fn certain(file: FileId, text: &str, foreign: &[Range<usize>], tried: &[Tried]) -> Option<Fix> {
    let read: Vec<(&Node, usize)> = tried.iter().filter_map(|one| Some((one.read.as_ref().ok()?, one.width))).collect();
    let (chosen, _) = read.first()?;
    if !read.iter().all(|(root, _)| same(root, chosen)) {
        return None;
    }
    let least = read.iter().map(|(_, width)| *width).min()?;
    let edit = |at: &Range<usize>| Edit {
        span: Span { file, start: at.start, end: at.end },
        replacement: blanks(&text[at.clone()], least),
    };
    Some(Fix { title: "indent with blanks".to_owned(), edits: foreign.iter().map(edit).collect() })
}

/// Whether two trees hold the same, wherever it stands. Depth is bounded by the parser's budget.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key.text == b.key.text && same(&a.value, &b.value))
        }
        (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b,
    }
}
