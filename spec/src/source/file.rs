//! The files of one run and positions in them. Columns and lines are computed on demand; only byte offsets are kept.

use serde::Serialize;

/// Index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FileId(pub u32);

/// A half-open byte range of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The empty span at the start of a file.
    pub fn start_of(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    /// The smallest span that covers both; `self` where they lie in different files.
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl Spanned<String> {
    /// The place of a part of the text, where the text stands as it is or in plain quotes; else the whole place.
    pub fn part(&self, start: usize, end: usize) -> Span {
        let written = self.span.end.saturating_sub(self.span.start);
        let quotes = match written.checked_sub(self.value.len()) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return self.span,
        };
        let at = self.span.start + quotes;
        Span { start: at + start, end: at + end, ..self.span }
    }
}

/// A place that a person can find: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

#[derive(Debug, Clone)]
struct File {
    path: String,
    text: String,
    line_starts: Vec<usize>,
}

/// Every file that was read in one run.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<File>,
}

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, path: &str, text: String) -> FileId {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        self.files.push(File { path: path.to_owned(), text, line_starts });
        FileId(u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX))
    }

    /// Sets the text of a file that was added before.
    pub(crate) fn set(&mut self, file: FileId, text: String) {
        let Some(file) = self.files.get_mut(file.0 as usize) else { return };
        file.line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        file.text = text;
    }

    /// Every file, in the order in which they were read.
    pub fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..u32::try_from(self.files.len()).unwrap_or(u32::MAX)).map(FileId)
    }

    /// The path as it was given.
    pub fn path(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| &f.path)
    }

    /// The file's text. Secrets that were found in it are blanked out.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |f| &f.text)
    }

    /// The text of a span.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.file).get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of a byte offset. An offset past the end is the end.
    pub fn position(&self, file: FileId, offset: usize) -> Position {
        let Some(file) = self.files.get(file.0 as usize) else { return Position { line: 1, column: 1 } };
        let mut offset = offset.min(file.text.len());
        while !file.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = file.line_starts.partition_point(|start| *start <= offset);
        let start = file.line_starts[line - 1];
        Position { line, column: file.text[start..offset].chars().count() + 1 }
    }

    /// `path:line:column` of a span's start.
    pub fn place(&self, span: Span) -> String {
        let at = self.position(span.file, span.start);
        format!("{}:{}:{}", self.path(span.file), at.line, at.column)
    }

    /// Replaces every byte of a span by `*`, so that no snippet, message or log can show it.
    /// Line breaks stay, so that positions do.
    pub fn redact(&mut self, span: Span) {
        let Some(file) = self.files.get_mut(span.file.0 as usize) else { return };
        let Some(old) = file.text.get(span.start..span.end) else { return };
        let blank: String = old.bytes().map(|b| if b == b'\n' { '\n' } else { '*' }).collect();
        file.text.replace_range(span.start..span.end, &blank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "é: 1\nb: 2\n".to_owned());
        assert_eq!(sources.position(id, 0), Position { line: 1, column: 1 });
        assert_eq!(sources.position(id, 2), Position { line: 1, column: 2 });
        assert_eq!(sources.position(id, 6), Position { line: 2, column: 1 });
        assert_eq!(sources.position(id, 999), Position { line: 3, column: 1 });
    }

    #[test]
    fn redaction_keeps_every_offset() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "k: hünter2\nb: 2\n".to_owned());
        let before = sources.text(id).len();
        sources.redact(Span { file: id, start: 3, end: 11 });
        assert_eq!(sources.text(id), "k: ********\nb: 2\n");
        assert_eq!(sources.text(id).len(), before);
    }
}
