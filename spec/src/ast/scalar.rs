//! Scalars: numbers, booleans, text, names, quantities, column declarations.

use crate::checks::{bad_name, bad_unit, out_of_range, yaml_boolean};
use crate::source::{Node, Spanned, Value};
use crate::units::{
    Bytes, Count, Date, Factor, HealthCheck, Limit, Money, Objective, Percent, Period, PeriodRange, Probability, Rate,
    RestartBackoff, Tolerance, Unit, UnitError, Version, Zipf, guess,
};

use super::{Decode, Decoder, Named, Scalar, ScalarKind, Shape};

/// Longest text of one value, bytes.
const TEXT_BYTES_MAX: usize = 4096;

impl Decode for String {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, .. } if text.len() > TEXT_BYTES_MAX => {
                let fault = out_of_range::at(node.span, &decoder.subject(), "is longer than 4096 bytes", None);
                decoder.report(fault);
                None
            }
            Value::Scalar { text, .. } if text.chars().any(char::is_control) => {
                let fault = out_of_range::at(node.span, &decoder.subject(), "holds a control character", None);
                decoder.report(fault);
                None
            }
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => {
                decoder.expected(node, "text", None);
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::text("text", "")
    }
}

impl Decode for bool {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, quoted: false } if text == "true" => Some(true),
            Value::Scalar { text, quoted: false } if text == "false" => Some(false),
            Value::Scalar { text, quoted: false } if yaml_boolean::meaning(text).is_some() => {
                decoder.report(yaml_boolean::at(node.span, text));
                None
            }
            Value::Scalar { text, quoted: true } if text == "true" || text == "false" => {
                decoder.unquoted(node, "`true` or `false`", text);
                None
            }
            _ => {
                decoder.expected(node, "`true` or `false`", None);
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Scalar(Scalar {
            what: "`true` or `false`",
            forms: "",
            kind: ScalarKind::Boolean,
            pattern: "",
            bare: false,
        })
    }
}

/// Reads a whole number within bounds.
fn whole(node: &Node, decoder: &mut Decoder<'_>, least: u64, most: u64) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = match &node.value {
        Value::Scalar { text, quoted: false } if digits(text.strip_prefix('-').unwrap_or(text)) => text,
        Value::Scalar { text, quoted: true } if text.parse::<u64>().is_ok() => {
            decoder.unquoted(node, "a whole number", text);
            return None;
        }
        Value::Scalar { text, .. } => {
            let right = meant(text).filter(|right| (least..=most).contains(right));
            decoder.unlike(node, "a whole number", right.map(|n| n.to_string()), &format!("{least} to {most}"));
            return None;
        }
        _ => {
            decoder.expected(node, "a whole number", Some(format!("accepted: {least} to {most}")));
            return None;
        }
    };
    let value = text.parse().ok().filter(|v| (least..=most).contains(v));
    if value.is_none() {
        let bounds = format!("must be {least} to {most}");
        let fault = out_of_range::at(node.span, &decoder.subject(), &bounds, Some(text));
        decoder.report(fault);
    }
    value
}

/// The whole number that a text probably means: `1_000`, `9300;`, `2k`, and of a pair of ports the one inside.
fn meant(text: &str) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((_, inside)) = text.split_once(':').filter(|(outside, inside)| digits(outside) && digits(inside)) {
        return inside.parse().ok();
    }
    let plain: String =
        text.trim_end_matches([';', ',', '.']).chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
    Count::parse(&plain).ok().map(|count| count.0)
}

impl Decode for u16 {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        whole(node, decoder, 1, 65_535).and_then(|v| Self::try_from(v).ok())
    }

    fn shape() -> Shape {
        Shape::whole(1, 65_535)
    }
}

/// Counts of instances, nodes, partitions: 1 to 100,000.
impl Decode for u32 {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        whole(node, decoder, 1, 100_000).and_then(|v| Self::try_from(v).ok())
    }

    fn shape() -> Shape {
        Shape::whole(1, 100_000)
    }
}

/// A number that may be zero (replicas beside the first copy): 0 to 100,000.
impl Decode for u64 {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        whole(node, decoder, 0, 100_000)
    }

    fn shape() -> Shape {
        Shape::whole(0, 100_000)
    }
}

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(pub u16);

impl Decode for Port {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        u16::decode(node, decoder).map(Self)
    }

    fn shape() -> Shape {
        u16::shape()
    }
}

/// A name of a component, zone or dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub String);

/// Whether a text can name a component: `[a-z][a-z0-9-]*`, at most 40 characters, not ending in `-`.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= 40
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(plain)
        && !text.ends_with('-')
}

impl Decode for Name {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        if is_name(&text) {
            return Some(Self(text));
        }
        decoder.report(bad_name::at(node.span, &text));
        None
    }

    fn shape() -> Shape {
        let forms = "`eu-west-1` (lower-case letters, digits and `-`, at most 40)";
        Shape::form("a name", forms, "[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", false)
    }
}

/// Reads a quantity.
fn unit<U: Unit>(node: &Node, decoder: &mut Decoder<'_>) -> Option<U> {
    let Some(text) = node.text() else {
        decoder.expected(node, U::WHAT, Some(format!("accepted forms: {}", U::FORMS)));
        return None;
    };
    match U::parse(text) {
        Ok(value) => Some(value),
        Err(UnitError::Form) => {
            decoder.report(bad_unit::guessed(node.span, text, U::WHAT, U::FORMS, guess::<U>(text)));
            None
        }
        Err(UnitError::Range(why)) => {
            let fault = out_of_range::at(node.span, &decoder.subject(), &format!("is out of range: {why}"), Some(text));
            decoder.report(fault);
            None
        }
    }
}

macro_rules! unit_decode {
    ($($unit:ty),*) => { $(
        impl Decode for $unit {
            fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
                unit(node, decoder)
            }

            fn shape() -> Shape {
                Shape::form(<$unit>::WHAT, <$unit>::FORMS, <$unit>::PATTERN, <$unit>::BARE)
            }
        }
    )* };
}

unit_decode!(
    Bytes,
    Count,
    Date,
    Factor,
    HealthCheck,
    Limit,
    Money,
    Objective,
    Percent,
    Period,
    PeriodRange,
    Probability,
    Rate,
    RestartBackoff,
    Tolerance,
    Version,
    Zipf
);

/// Whether a text can name a column, table or topic: `[a-z_][a-z0-9_]*`, at most 48 characters.
fn is_identifier(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.len() <= 48 && text.bytes().all(plain) && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// A name inside a store: a column, a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(pub String);

/// A host name: letters, digits, `-` and `.`, at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(pub String);

/// An engine's version, as the engine writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName(pub String);

/// Whether a text is a host name or an IPv4 address.
pub(super) fn is_host(text: &str) -> bool {
    let label = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (1..=63).contains(&part.len()) && part.bytes().all(plain) && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_version_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-+_".contains(&b);
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Quotes as word processors write them: to YAML they are letters.
fn is_quote(c: char) -> bool {
    matches!(c, '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '\u{ab}' | '\u{bb}')
}

macro_rules! checked_text {
    ($($type:ident: $test:path, $what:literal, $forms:literal, $pattern:literal, $bare:literal;)*) => { $(
        impl Decode for $type {
            fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
                let text = String::decode(node, decoder)?;
                if $test(&text) {
                    return Some(Self(text));
                }
                let plain = text.trim_matches(is_quote);
                let right = Some(plain).filter(|plain| plain.len() < text.len() && $test(plain));
                let right = right.map(|plain| format!("\"{plain}\""));
                decoder.report(bad_unit::guessed(node.span, &text, $what, $forms, right));
                None
            }

            fn shape() -> Shape {
                Shape::form($what, $forms, $pattern, $bare)
            }
        }
    )* };
}

checked_text! {
    Identifier: is_identifier, "a name inside a store", "`channel_id` (lower-case letters, digits and `_`)",
        "[a-z_][a-z0-9_]{0,47}", false;
    Host: is_host, "a host name", "`chat.example.org`", "[A-Za-z0-9.-]{1,253}", true;
    VersionName: is_version_name, "a version", "`\"7.2\"`", "[A-Za-z0-9.+_-]{1,32}", true;
}

/// A key column with its type: `message_id bigint desc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Column.
    pub name: String,
    /// Engine type as written.
    pub kind: String,
    /// Sorted descending.
    pub descending: bool,
}

const KEY_FORMS: &str = "`id uuid`, `message_id bigint desc`";

impl Decode for KeyColumn {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            decoder.expected(node, "a column and its type", Some(format!("accepted forms: {KEY_FORMS}")));
            return None;
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (name, kind, descending) = match words.as_slice() {
            [name, kind] => (*name, *kind, false),
            [name, kind, "desc"] => (*name, *kind, true),
            _ => ("", "", false),
        };
        if !is_identifier(name) || !is_column_type(kind) {
            decoder.report(bad_unit::at(node.span, text, "a column and its type", KEY_FORMS));
            return None;
        }
        Some(Self { name: name.to_owned(), kind: kind.to_owned(), descending })
    }

    fn shape() -> Shape {
        Shape::text("a column and its type", KEY_FORMS)
    }
}

/// Whether a text is a type name: `uuid`, `numeric(10,2)`, `map<text,int>`.
fn is_column_type(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_(),<>[]".contains(&b);
    text.len() <= 64 && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && text.bytes().all(plain)
}

/// One key column or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumns(pub Vec<Spanned<KeyColumn>>);

impl Decode for KeyColumns {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        if matches!(node.value, Value::Sequence(_)) {
            return Vec::decode(node, decoder).map(Self);
        }
        KeyColumn::decode(node, decoder).map(|value| Self(vec![Spanned { value, span: node.span }]))
    }

    fn shape() -> Shape {
        Shape::Either(vec![KeyColumn::shape(), Shape::List(Box::new(KeyColumn::shape()))])
    }
}

/// A plain column's type: `text unique`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// Engine type as written.
    pub kind: String,
    /// Unique across the table.
    pub unique: bool,
}

/// Plain columns, by name.
pub type ColumnsOf = Vec<Named<ColumnType>>;

const TYPE_FORMS: &str = "`text`, `text unique`, `timestamptz`";

impl Decode for ColumnType {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            decoder.expected(node, "a column type", Some(format!("accepted forms: {TYPE_FORMS}")));
            return None;
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (kind, unique) = match words.as_slice() {
            [kind] => (*kind, false),
            [kind, "unique"] => (*kind, true),
            _ => ("", false),
        };
        if !is_column_type(kind) {
            decoder.report(bad_unit::at(node.span, text, "a column type", TYPE_FORMS));
            return None;
        }
        Some(Self { kind: kind.to_owned(), unique })
    }

    fn shape() -> Shape {
        Shape::text("a column type", TYPE_FORMS)
    }
}

/// `hash(id)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash(pub String);

const HASH_FORMS: &str = "`hash(id)`";

impl Decode for Hash {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            decoder.expected(node, "a shard rule", Some(format!("accepted forms: {HASH_FORMS}")));
            return None;
        };
        let inner = text.strip_prefix("hash(").and_then(|t| t.strip_suffix(')')).filter(|t| is_identifier(t));
        if inner.is_none() {
            decoder.report(bad_unit::at(node.span, text, "a shard rule", HASH_FORMS));
        }
        inner.map(|column| Self(column.to_owned()))
    }

    fn shape() -> Shape {
        Shape::form("a shard rule", HASH_FORMS, "hash\\([a-z_][a-z0-9_]{0,47}\\)", false)
    }
}

/// A document shard key: `hashed(_id)`, one field, or a list of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardKey {
    /// Fields.
    pub fields: Vec<String>,
    /// Hashed rather than ranged.
    pub hashed: bool,
}

const SHARD_KEY_FORMS: &str = "`hashed(_id)`, `user_id`, `[user_id, _id]`";

impl Decode for ShardKey {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        if matches!(node.value, Value::Sequence(_)) {
            let fields: Vec<Spanned<Identifier>> = Vec::decode(node, decoder)?;
            return Some(Self { fields: fields.into_iter().map(|f| f.value.0).collect(), hashed: false });
        }
        let text = String::decode(node, decoder)?;
        let hashed = text.strip_prefix("hashed(").and_then(|t| t.strip_suffix(')'));
        let field = hashed.unwrap_or(&text);
        if !is_identifier(field) {
            decoder.report(bad_unit::at(node.span, &text, "a shard key", SHARD_KEY_FORMS));
            return None;
        }
        Some(Self { fields: vec![field.to_owned()], hashed: hashed.is_some() })
    }

    fn shape() -> Shape {
        Shape::Either(vec![
            Shape::form(
                "a shard key",
                SHARD_KEY_FORMS,
                "hashed\\([a-z_][a-z0-9_]{0,47}\\)|[a-z_][a-z0-9_]{0,47}",
                false,
            ),
            Shape::List(Box::new(Identifier::shape())),
        ])
    }
}
