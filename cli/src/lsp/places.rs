//! Between the protocol's places and ours: URIs and paths, UTF-16 columns and bytes.

use std::str::FromStr;

use archgen_spec::{
    editor::{LineColumn, Lines, Project},
    source::{FileId, Span},
};
use lsp_types::{Location, Position, Range, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a path in a URI may hold as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path of a `file:` URI; `None` of any other.
pub fn path_of(uri: &Uri) -> Option<String> {
    let rest = uri.as_str().strip_prefix("file://")?;
    // An authority before the path is this machine.
    let path = &rest[rest.find('/')?..];
    percent_decode_str(path).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The URI of an absolute path.
pub fn uri_of(path: &str) -> Option<Uri> {
    Uri::from_str(&format!("file://{}", utf8_percent_encode(path, PLAIN))).ok()
}

/// Ours from the protocol's.
pub fn offset(text: &str, at: Position) -> usize {
    Lines::new(text).offset(text, LineColumn { line: at.line, column: at.character })
}

/// The protocol's range of a span in a text.
pub fn range(lines: &Lines, text: &str, span: Span) -> Range {
    let one = |offset: usize| {
        let at = lines.position(text, offset);
        Position::new(at.line, at.column)
    };
    Range::new(one(span.start), one(span.end))
}

/// The protocol's place of a span in a project.
pub fn location(project: &Project, span: Span) -> Option<Location> {
    let (path, text) = project.file(span.file)?;
    Some(Location::new(uri_of(path)?, range(project.lines(span.file)?, text, span)))
}

/// The file and byte offset in a project of a place in a document.
pub fn place(project: &Project, path: &str, at: Position) -> Option<(FileId, usize)> {
    let file = project.find(path)?;
    let (_, text) = project.file(file)?;
    Some((file, offset(text, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_and_paths() {
        for path in ["/a/b.yaml", "/a b/ü#?.yaml", "/100%.yaml"] {
            assert_eq!(uri_of(path).and_then(|uri| path_of(&uri)).as_deref(), Some(path));
        }
        assert_eq!(path_of(&Uri::from_str("file://localhost/a.yaml").unwrap()).as_deref(), Some("/a.yaml"));
        assert_eq!(path_of(&Uri::from_str("untitled:Untitled-1").unwrap()), None);
    }
}
