//! The query language. Pure.
//!
//! Terms are separated by white space, and all are required: `word`; `-word` excludes; `"several words"` stands for its words, each
//! required, without regard to their order; `from:@handle`, `in:channel` (a name, with or without `#`, or an id) and `has:file` filter.
//! Several `from:` or several `in:` mean any of them. What looks like another operator is taken as words. Words are the runs of
//! letters and digits, in lower case.

/// Length of a query, bytes.
pub(super) const QUERY_BYTES_MAX: usize = 1_024;
/// Words and filters of a query.
pub(super) const TERMS_MAX: usize = 32;

/// Why a text is not a query. The text is for the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("the query is empty")]
    Empty,
    #[error("the query is longer than 1024 bytes")]
    TooLong,
    #[error("the query has more than 32 terms")]
    TooManyTerms,
    #[error("has: is followed by file")]
    UnknownHas,
}

/// A query, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Required words.
    pub words: Vec<String>,
    /// Excluded words.
    pub without: Vec<String>,
    /// Handles (lower case) or user ids, any of them.
    pub from: Vec<String>,
    /// Channel names (lower case) or ids, any of them.
    pub channels: Vec<String>,
    /// Only what has a file.
    pub has_file: bool,
}

/// The words of a text, as documents and queries both have them.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// A term as written: its text without quotes, whether it was excluded, whether it began with a quote.
struct Term {
    text: String,
    excluded: bool,
    quoted: bool,
}

/// Splits at white space outside quotes; a quote left open ends with the text.
fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let excluded = rest.len() > 1 && rest.starts_with('-');
        let body = if excluded { &rest[1..] } else { rest };
        let quoted = body.starts_with('"');
        let mut open = false;
        let end = body
            .char_indices()
            .find(|(_, c)| {
                open ^= *c == '"';
                !open && c.is_whitespace()
            })
            .map_or(body.len(), |(at, _)| at);
        terms.push(Term { text: body[..end].replace('"', ""), excluded, quoted });
        rest = body[end..].trim_start();
    }
    terms
}

/// Parses a query.
///
/// # Errors
/// See [`QueryError`].
pub(super) fn parse(text: &str) -> Result<Parsed, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        return Err(QueryError::TooLong);
    }
    let mut parsed = Parsed::default();
    for term in terms(text) {
        let operator = term.text.split_once(':').filter(|_| !term.quoted && !term.excluded);
        let operator = operator.map(|(name, value)| (name.to_ascii_lowercase(), value.to_lowercase()));
        match operator.as_ref().map(|(name, value)| (name.as_str(), value.as_str())) {
            Some(("from", value)) if !value.trim_start_matches('@').is_empty() => {
                parsed.from.push(value.trim_start_matches('@').to_owned());
            }
            Some(("in", value)) if !value.trim_start_matches('#').is_empty() => {
                parsed.channels.push(value.trim_start_matches('#').to_owned());
            }
            Some(("has", "file" | "files")) => parsed.has_file = true,
            Some(("has", _)) => return Err(QueryError::UnknownHas),
            _ if term.excluded => parsed.without.extend(words(&term.text)),
            _ => parsed.words.extend(words(&term.text)),
        }
    }
    let count = parsed.words.len() + parsed.without.len() + parsed.from.len() + parsed.channels.len();
    match count {
        0 if !parsed.has_file => Err(QueryError::Empty),
        n if n > TERMS_MAX => Err(QueryError::TooManyTerms),
        _ => Ok(parsed),
    }
}

/// A cursor: the place after which a list goes on.
pub(super) fn cursor(rank: u64, id: &str) -> String {
    format!("{rank}.{id}")
}

/// The place that a cursor names.
pub(super) fn place(cursor: &str) -> Option<(u64, String)> {
    let (rank, id) = cursor.split_once('.')?;
    Some((rank.parse().ok()?, id.to_owned()))
}
