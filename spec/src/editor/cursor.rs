//! Where a cursor stands in a half-typed text: on the way to which key or value. It goes by indentation and by the brackets of the
//! current line, so that it needs no YAML that is whole.

use crate::source::Span;

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Names on the way: keys, and `[0]` for an item of a list. For a value, its own key is the last.
    pub path: Vec<String>,
    /// Whether a key is due, a value, or either: the first thing of an item.
    pub slot: Slot,
    /// First byte of what has been typed of it.
    pub start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Key,
    Value,
    KeyOrValue,
}

/// Reads the cursor's surroundings. `None` inside a comment.
pub(super) fn cursor(text: &str, offset: usize) -> Option<Cursor> {
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let head = &text[start..offset];
    if crate::source::without_comment(head).len() < head.len() {
        return None;
    }
    let indent = head.len() - head.trim_start_matches([' ', '\t']).len();
    let mut path = parents(&text[..start], indent, head[indent..].starts_with('-'));
    let mut at = indent;
    while let Some(rest) = head[at..].strip_prefix("- ") {
        path.push("[0]".to_owned());
        at += 2 + (rest.len() - rest.trim_start().len());
    }
    if head[at..] == *"-" {
        return None;
    }
    let item = at > indent;
    let (path, slot, from) = inline(&head[at..], path, item)?;
    Some(Cursor { path, slot, start: start + at + from })
}

/// The keys that own what is indented by this much below a text, outermost first.
fn parents(above: &str, indent: usize, dash: bool) -> Vec<String> {
    let mut path = Vec::new();
    let (mut limit, mut dash) = (indent, dash);
    for line in above.lines().rev() {
        let text = line.trim_start_matches([' ', '\t']);
        let here = line.len() - text.len();
        // A list may stand as deep as its key.
        let owns = here < limit || (dash && here == limit && !text.starts_with('-'));
        if text.is_empty() || text.starts_with('#') || !owns {
            continue;
        }
        let mut key = text;
        let mut column = here;
        let mut dashes = 0;
        while let Some(rest) = key.strip_prefix("- ") {
            dashes += 1;
            column += 2 + (rest.len() - rest.trim_start().len());
            key = rest.trim_start();
        }
        let bare = key == "-";
        if (column < limit || dash)
            && !bare
            && let Some(name) = key_of(key)
        {
            path.push(name.to_owned());
        }
        path.extend(std::iter::repeat_n("[0]".to_owned(), dashes + usize::from(bare)));
        (limit, dash) = (here, dashes > 0 || bare);
        if limit == 0 && !dash {
            break;
        }
    }
    path.reverse();
    path
}

/// The key with which a line begins.
fn key_of(line: &str) -> Option<&str> {
    let end = line.match_indices(':').map(|(at, _)| at).find(|at| {
        let rest = &line[at + 1..];
        rest.is_empty() || rest.starts_with([' ', '\t'])
    })?;
    Some(line[..end].trim().trim_matches(['"', '\'']))
}

/// What is open on the line before the cursor.
enum Open {
    Mapping,
    List,
}

/// Reads the part of a line that stands before the cursor.
fn inline(head: &str, mut path: Vec<String>, item: bool) -> Option<(Vec<String>, Slot, usize)> {
    let mut open: Vec<Open> = Vec::new();
    // Start of the word that is being typed; whether it is a value, of which the key was pushed.
    let (mut start, mut value) = (0, false);
    let mut quote: Option<char> = None;
    for (at, c) in head.char_indices() {
        if let Some(end) = quote {
            quote = (c != end).then_some(end);
            continue;
        }
        let fresh = head[start..at].trim().is_empty();
        match c {
            '"' | '\'' if fresh => quote = Some(c),
            ':' if !value && head[at + 1..].starts_with([' ', '\t']) && !matches!(open.last(), Some(Open::List)) => {
                path.push(head[start..at].trim().trim_matches(['"', '\'']).to_owned());
                (start, value) = (at + 1, true);
            }
            '{' | '[' if fresh => {
                let list = c == '[';
                if list {
                    path.push("[0]".to_owned());
                }
                open.push(if list { Open::List } else { Open::Mapping });
                (start, value) = (at + 1, list);
            }
            ',' if !open.is_empty() => {
                if matches!(open.last(), Some(Open::Mapping)) && value {
                    path.pop();
                }
                (start, value) = (at + 1, matches!(open.last(), Some(Open::List)));
            }
            '}' | ']' if !open.is_empty() => {
                let list = matches!(open.pop(), Some(Open::List));
                if list || value {
                    path.pop();
                }
                // What was closed is the value of what is around it.
                (start, value) = (at + 1, true);
            }
            _ => {}
        }
    }
    let typed = &head[start..];
    let blank = typed.len() - typed.trim_start().len();
    // A value begins behind a blank.
    let from = start + blank;
    let slot = match (value, open.last()) {
        (true, Some(Open::List)) => Slot::Value,
        (true, _) => Slot::Value,
        (false, None) if item => Slot::KeyOrValue,
        (false, _) => Slot::Key,
    };
    Some((path, slot, from))
}

impl Cursor {
    /// The names as the reference wants them.
    pub fn names(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// What has been typed, up to the cursor and on to the end of the word.
    pub fn typed(&self, file: crate::source::FileId, text: &str, offset: usize) -> Span {
        let rest = &text[offset..];
        let more = rest.find(|c: char| !(c.is_alphanumeric() || "_-./:".contains(c))).unwrap_or(rest.len());
        // A colon behind a key is no part of it.
        let word = rest[..more].split(':').next().unwrap_or("");
        Span { file, start: self.start.min(offset), end: offset + word.len() }
    }
}
