//! What people forget in an entry, and the text with it put right. Offsets of what was there do not change.

use std::ops::Range;

use super::{Node, Value};

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// The bracket that closes this one.
    Bracket,
    /// The quote that closes this one.
    Quote,
    /// Quotes around `${…}` between brackets.
    Quotes,
}

/// One way to put a text right.
pub(super) struct Mend {
    pub text: String,
    /// What it is about, in the text.
    pub at: Range<usize>,
    pub what: Forgotten,
    /// What was added, and where, in the text: at its end unless it is a quote that was forgotten in the middle.
    pub added: (usize, String),
}

impl Mend {
    /// Whether text follows what was added.
    pub(super) fn inside(&self) -> bool {
        !self.added.1.is_empty() && self.text.len() > self.added.0 + self.added.1.len()
    }
}

/// Every way that is worth a try, the most likely first.
pub(super) fn all(text: &str) -> Vec<Mend> {
    let text = text.trim_end();
    let found = scan(text);
    let mut ways = Vec::new();
    if let Some(first) = found.variables.first() {
        ways.push(Mend {
            text: disguised(text, &found.variables),
            at: first.clone(),
            what: Forgotten::Quotes,
            added: (first.end, String::new()),
        });
    }
    if found.brackets.is_empty() && found.quote.is_none() {
        return ways;
    }
    ways.extend(closed_inside(text, &found));
    let mut added = String::new();
    let innermost = found.brackets.last().map(|(at, _)| (*at, Forgotten::Bracket));
    let quote = found.quote.map(|(at, quote)| {
        added.push(quote);
        (at, Forgotten::Quote)
    });
    added.extend(found.brackets.iter().rev().map(|(_, open)| if *open == '[' { ']' } else { '}' }));
    if let Some((at, what)) = quote.or(innermost) {
        let text = disguised(&text[..found.end], &found.variables) + &added;
        ways.push(Mend { text, at: at..at + 1, what, added: (found.end, added) });
    }
    ways
}

/// A quote that is never closed between brackets was most likely meant to end before the next comma or closing bracket.
fn closed_inside(text: &str, found: &Found) -> Option<Mend> {
    let (open, quote) = found.quote.filter(|_| !found.brackets.is_empty())?;
    let value = &text[open + 1..];
    let line = value.find('\n').map_or(value, |end| &value[..end]);
    let value = line[..line.find([',', ']', '}'])?].trim_end();
    let at = open + 1 + value.len();
    let closed = [&text[..at], &quote.to_string(), &text[at..]].concat();
    let after = scan(&closed);
    let sound = !value.is_empty() && after.quote.is_none() && after.brackets.is_empty() && after.variables.is_empty();
    sound.then(|| Mend { text: closed, at: open..open + 1, what: Forgotten::Quote, added: (at, quote.to_string()) })
}

/// Braces of variables between brackets end the mapping around them; parentheses do not.
fn disguised(text: &str, variables: &[Range<usize>]) -> String {
    let mut text = text.to_owned();
    for at in variables.iter().filter(|at| at.end <= text.len()).cloned().collect::<Vec<_>>() {
        text.replace_range(at.start + 1..at.start + 2, "(");
        text.replace_range(at.end - 1..at.end, ")");
    }
    text
}

/// Takes the disguise of variables off again. Depth is bounded by the parser's budget.
pub(super) fn undo(node: &mut Node) {
    match &mut node.value {
        Value::Scalar { text, quoted: false } if text.contains("$(") => {
            *text = text.replace("$(", "${").replace(')', "}");
        }
        Value::Mapping(entries) => entries.iter_mut().for_each(|entry| undo(&mut entry.value)),
        Value::Sequence(items) => items.iter_mut().for_each(undo),
        _ => {}
    }
}

#[derive(Default)]
struct Found {
    brackets: Vec<(usize, char)>,
    quote: Option<(usize, char)>,
    /// `${…}` between brackets and outside quotes.
    variables: Vec<Range<usize>>,
    /// One past the last byte that is no comment.
    end: usize,
}

/// Finds brackets and quotes that are open at the end.
fn scan(text: &str) -> Found {
    let mut found = Found::default();
    let mut before = '\n';
    // A bracket or quote means something where a value begins.
    let mut fresh = true;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if let Some((_, quote)) = found.quote {
            if c == '\\' && quote == '"' {
                chars.next();
            } else if c == quote {
                found.quote = None;
                fresh = false;
            }
            found.end = at + c.len_utf8();
            continue;
        }
        let flow = !found.brackets.is_empty();
        match c {
            '#' if before.is_whitespace() => {
                while chars.peek().is_some_and(|(_, c)| *c != '\n') {
                    chars.next();
                }
                continue;
            }
            '"' | '\'' if fresh => found.quote = Some((at, c)),
            '$' if flow && text[at..].starts_with("${") => {
                if let Some(length) = text[at..].find(['}', '\n']).filter(|l| text[at + l..].starts_with('}')) {
                    found.variables.push(at..at + length + 1);
                    while chars.peek().is_some_and(|(next, _)| *next <= at + length) {
                        chars.next();
                    }
                    found.end = at + length + 1;
                    (before, fresh) = ('}', false);
                    continue;
                }
            }
            '[' | '{' if fresh || flow => found.brackets.push((at, c)),
            ']' | '}' if flow => {
                found.brackets.pop();
            }
            _ => {}
        }
        fresh = match c {
            '\n' | '[' | '{' | ',' | ':' | '-' | '?' => true,
            c if c.is_whitespace() => fresh,
            _ => false,
        };
        if !c.is_whitespace() {
            found.end = at + c.len_utf8();
        }
        before = c;
    }
    found
}

/// The length of the key with which a text begins: up to a colon that has a blank or nothing behind it.
pub(super) fn key(text: &str) -> Option<usize> {
    let end = text.match_indices(':').map(|(at, _)| at).find(|at| {
        let rest = &text[at + 1..];
        rest.is_empty() || rest.starts_with([' ', '\t'])
    })?;
    is_key(&text[..end]).then_some(end)
}

/// Of a line `key value`, `key = value` or one with a full-width colon: where the key ends and where the value begins.
pub(super) fn without_colon(text: &str) -> Option<(usize, usize)> {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '\u{ff1a}'))?;
    let value = text[end..].trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '\u{ff1a}'));
    (is_key(&text[..end]) && !value.is_empty()).then(|| (end, text.len() - value.len()))
}

/// Whether a text can be a key without quotes.
pub(super) fn is_key(text: &str) -> bool {
    const BYTES_MAX: usize = 256;
    !text.is_empty() && text.len() <= BYTES_MAX && text.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c))
}

/// A line without the comment at its end.
pub(crate) fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '#') if before.is_whitespace() => return &line[..at],
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            _ => {}
        }
        before = c;
    }
    line
}
