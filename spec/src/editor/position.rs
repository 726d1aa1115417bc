//! Places as editors count them: lines from 0, columns in UTF-16 units from 0.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 0.
    pub line: u32,
    /// Column in UTF-16 units, from 0.
    pub column: u32,
}

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Of this text.
    pub fn new(text: &str) -> Self {
        Self { starts: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect() }
    }

    /// The byte offset of a place. A column past the line's end is its end, a line past the last is the text's end; a column inside
    /// a character is its beginning.
    pub fn offset(&self, text: &str, at: LineColumn) -> usize {
        let Some(start) = self.starts.get(at.line as usize).copied() else { return text.len() };
        let line = text[start..].split('\n').next().unwrap_or("").trim_end_matches('\r');
        let mut units = 0;
        for (offset, c) in line.char_indices() {
            let width = u32::try_from(c.len_utf16()).unwrap_or(1);
            if units + width > at.column {
                return start + offset;
            }
            units += width;
        }
        start + line.len()
    }

    /// The place of a byte offset; an offset inside a character is its beginning.
    pub fn position(&self, text: &str, offset: usize) -> LineColumn {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let units: usize = text[self.starts[line]..offset].chars().map(char::len_utf16).sum();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        LineColumn { line: count(line), column: count(units) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_utf_16_units() {
        let text = "é𝄞x: 1\r\n𝄞";
        let lines = Lines::new(text);
        let at = |line, column| LineColumn { line, column };
        for (place, offset) in [(at(0, 0), 0), (at(0, 1), 2), (at(0, 3), 6), (at(0, 4), 7), (at(1, 2), 16)] {
            assert_eq!(lines.offset(text, place), offset, "{place:?}");
            assert_eq!(lines.position(text, offset), place, "{offset}");
        }
        assert_eq!(lines.offset(text, at(0, 2)), 2, "inside a pair");
        assert_eq!(lines.offset(text, at(0, 99)), 10, "before the line break");
        assert_eq!(lines.offset(text, at(9, 0)), text.len());
        assert_eq!(lines.position(text, 4), at(0, 1), "inside a character");
    }
}
