//! Expressions cut into tokens.

use super::{Fault, FaultKind};

/// Tokens of one expression.
const TOKENS_MAX: usize = 400;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text in quotes, unescaped.
    Text(String),
    /// A name or a word.
    Name(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Lexeme {
    pub(super) fn place(&self) -> (usize, usize) {
        (self.start, self.end)
    }
}

/// Symbols, the longer before those that they begin with.
const SYMBOLS: [&str; 23] = [
    "<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]", ",", ".",
    "=",
];

fn syntax(place: (usize, usize), what: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Syntax, place, what)
}

/// Cuts an expression into tokens; the last is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Lexeme>, Fault> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if all.len() >= TOKENS_MAX {
            let help = "say it as several policies";
            return Err(
                syntax((at, text.len()), format!("the expression has more than {TOKENS_MAX} words")).with_help(help)
            );
        }
        let (token, end) = if byte.is_ascii_digit() {
            number(text, at)?
        } else if byte == b'"' || byte == b'\'' {
            quoted(text, at)?
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            let more = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            (Token::Name(text[at..at + more].to_owned()), at + more)
        } else {
            symbol(text, at)?
        };
        all.push(Lexeme { token, start: at, end });
        at = end;
    }
    all.push(Lexeme { token: Token::End, start: text.len(), end: text.len() });
    Ok(all)
}

fn symbol(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let rest = &text[at..];
    let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) else {
        let width = rest.chars().next().map_or(1, char::len_utf8);
        return Err(syntax((at, at + width), format!("`{}` means nothing here", &rest[..width])));
    };
    let end = at + symbol.len();
    if *symbol == "=" {
        return Err(syntax((at, end), "`=` compares nothing").with_help("write `==`").with_instead("=="));
    }
    Ok((Token::Symbol(symbol), end))
}

/// `12`, `0.7`, `1e3`. A unit after it is no part of the language.
fn number(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = at + digits(at);
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end += 1 + digits(end + 1);
        whole = false;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
            whole = false;
        }
    }
    if bytes.get(end) == Some(&b'%') && share_ends(bytes, end + 1) {
        let share = text[at..end].parse::<f64>().unwrap_or(0.0) / 100.0;
        let fault = syntax((at, end + 1), "a share is written as a number").with_help(format!("write `{share:?}`"));
        return Err(fault.with_instead(format!("{share:?}")));
    }
    if bytes.get(end).is_some_and(|b| b.is_ascii_alphabetic()) {
        let more = bytes[end..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let fault = syntax((at, end + more), format!("\"{}\" is no number", &text[at..end + more]));
        return Err(fault.with_help("numbers have no unit here: each fact says what it counts"));
    }
    let token =
        if whole { text[at..end].parse().ok().map(Token::Int) } else { text[at..end].parse().ok().map(Token::Double) };
    match token {
        Some(Token::Double(value)) if !value.is_finite() => Err(syntax((at, end), "the number is too large")),
        Some(token) => Ok((token, end)),
        None => Err(syntax((at, end), "the number is too large")),
    }
}

/// Whether a `%` is the end of a share and not a division with a rest.
fn share_ends(bytes: &[u8], from: usize) -> bool {
    match bytes[from..].iter().find(|b| !b.is_ascii_whitespace()) {
        None | Some(b')' | b',' | b'&' | b'|' | b'?' | b':' | b']') => true,
        Some(_) => false,
    }
}

fn quoted(text: &str, at: usize) -> Result<(Token, usize), Fault> {
    let quote = text[at..].chars().next().unwrap_or('"');
    let mut result = String::new();
    let mut chars = text[at + 1..].char_indices();
    while let Some((offset, c)) = chars.next() {
        let here = at + 1 + offset;
        match c {
            c if c == quote => return Ok((Token::Text(result), here + 1)),
            '\\' => match chars.next() {
                Some((_, c @ ('\\' | '"' | '\''))) => result.push(c),
                _ => {
                    let fault = syntax((here, here + 1), "this escape is not known");
                    return Err(fault.with_help("`\\\\`, `\\\"` and `\\'` are"));
                }
            },
            c => result.push(c),
        }
    }
    Err(syntax((at, text.len()), "the quotes are not closed").with_help(format!("add `{quote}`")))
}
