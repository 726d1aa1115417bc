//! The lines of a file as a person reads them: where each begins and how far it is indented.

/// A line with something on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// First byte of the line.
    pub start: usize,
    /// One past its last byte, the line break excluded.
    pub end: usize,
    /// Blanks before its text, bytes; a tab counts as one.
    pub indent: usize,
    /// Tabs are among them.
    pub tabs: bool,
}

/// Every line that holds more than blanks and comments.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut all = Vec::new();
    // A byte-order mark is no part of the first line.
    let mut start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while start < text.len() {
        let length = text[start..].find('\n').map_or(text.len() - start, |i| i + 1);
        let line = text[start..start + length].trim_end_matches(['\n', '\r']);
        let rest = line.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with('#') {
            let indent = line.len() - rest.len();
            all.push(Line { start, end: start + line.len(), indent, tabs: line[..indent].contains('\t') });
        }
        start += length;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_and_comments_are_no_lines() {
        let text = "\u{feff}a: 1\r\n\n # c\n \tb: 2";
        let found: Vec<(&str, usize, bool)> =
            lines(text).into_iter().map(|l| (&text[l.start..l.end], l.indent, l.tabs)).collect();
        assert_eq!(found, [("a: 1", 0, false), (" \tb: 2", 2, true)]);
    }
}
