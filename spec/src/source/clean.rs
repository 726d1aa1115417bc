//! What no text of ours holds: control characters, and the marks of a merge that was never finished. It is reported and blanked, so
//! that the rest of the file is read; no offset changes.

use std::borrow::Cow;

use super::{FileId, Span};
use crate::checks::syntax;
use crate::diagnostic::Diagnostic;

/// Reports the first control characters that YAML forbids, and puts something harmless in their place: a blank where nothing else
/// stands in the line, else a letter, so that the rest of the file is read. No offset changes.
pub(super) fn without_controls<'t>(file: FileId, text: &'t str, out: &mut Vec<Diagnostic>) -> Cow<'t, str> {
    const SHOWN_MAX: usize = 10;
    let forbidden = |byte: u8| byte == 0x7f || (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
    if !text.bytes().any(forbidden) {
        return Cow::Borrowed(text);
    }
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| forbidden(*byte)).take(SHOWN_MAX) {
        out.push(syntax::control(Span { file, start: at, end: at + 1 }, byte));
    }
    let mended = text.split_inclusive('\n').map(|line| {
        let alone = line.bytes().all(|byte| forbidden(byte) || byte.is_ascii_whitespace());
        let instead = if alone { " " } else { "_" };
        line.replace(|c| u8::try_from(c).is_ok_and(forbidden), instead)
    });
    Cow::Owned(mended.collect())
}

/// Where a line of a conflict belongs.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    /// Outside of any, or in the first side: it is read.
    Read,
    /// In the common ancestor or the second side: it is not.
    Hidden,
}

/// Reports each merge conflict once, and reads its first side.
pub(super) fn without_conflicts<'t>(file: FileId, text: &'t str, out: &mut Vec<Diagnostic>) -> Cow<'t, str> {
    let is =
        |line: &str, mark: &str| line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let marks = ["<<<<<<<", "=======", ">>>>>>>"];
    let line_of = |mark: &str| text.lines().any(|line| is(line, mark));
    if !text.contains("<<<<<<<") || !marks.into_iter().all(line_of) {
        return Cow::Borrowed(text);
    }
    let mut read = String::with_capacity(text.len());
    let mut open: Option<(Span, Option<Span>)> = None;
    let mut side = Side::Read;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let at = Span { file, start: read.len(), end: read.len() + bare.len() };
        let mut mark = true;
        match &mut open {
            None if is(bare, "<<<<<<<") => open = Some((at, None)),
            Some(_) if is(bare, "|||||||") => side = Side::Hidden,
            Some((_, second @ None)) if is(bare, "=======") => (*second, side) = (Some(at), Side::Hidden),
            Some((first, second)) if is(bare, ">>>>>>>") => {
                out.push(syntax::conflict(*first, *second));
                (open, side) = (None, Side::Read);
            }
            _ => mark = false,
        }
        match mark || side == Side::Hidden {
            true => {
                read.extend(line.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }))
            }
            false => read.push_str(line),
        }
    }
    if let Some((first, second)) = open {
        out.push(syntax::conflict(first, second));
    }
    Cow::Owned(read)
}
