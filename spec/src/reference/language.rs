//! The language as a whole: every key that the decoders know, joined with what there is to say about it.

use std::sync::OnceLock;

use indexmap::IndexMap;

use super::entry::{Default, Entry};
use super::names::{self, DECLARES, Declares, REFERS, Refers};
use super::{gateway, rest, root, services, stores};
use crate::ast::{Decider, Decode, Section, Shape, Spec, Variants};

/// One key of the language, or the names below one.
#[derive(Debug, Clone)]
pub struct Key {
    /// What there is to say about it.
    pub entry: &'static Entry,
    /// What may be written.
    pub shape: Shape,
    /// The kinds of its section that have it; empty where all do.
    pub kinds: Vec<&'static str>,
    /// What it declares.
    pub declares: Option<Declares>,
    /// What it refers to.
    pub refers: Option<Refers>,
}

impl Key {
    /// Whether it must be written.
    pub fn required(&self) -> bool {
        self.entry.default == Default::Required
    }

    /// The last name on its path.
    pub fn name(&self) -> &'static str {
        self.entry.path.rsplit(['.', ']']).next().unwrap_or(self.entry.path)
    }
}

/// Every key of the language.
#[derive(Debug)]
pub struct Language {
    shape: Shape,
    keys: IndexMap<&'static str, Key>,
    undocumented: Vec<String>,
    unknown: Vec<&'static str>,
}

/// The language. It is made once.
pub fn language() -> &'static Language {
    static LANGUAGE: OnceLock<Language> = OnceLock::new();
    LANGUAGE.get_or_init(Language::new)
}

/// Everything that is documented, in the order of the pages.
fn entries() -> impl Iterator<Item = &'static Entry> {
    [root::ENTRIES, gateway::ENTRIES, services::ENTRIES, stores::ENTRIES, rest::ENTRIES].into_iter().flatten()
}

impl Language {
    fn new() -> Self {
        let shape = Spec::shape();
        let mut places = IndexMap::new();
        walk(&shape, String::new(), &[], &mut places);
        let mut keys = IndexMap::new();
        let mut unknown = Vec::new();
        for entry in entries() {
            match places.shift_remove(entry.path) {
                Some((shape, kinds)) => {
                    let (declares, refers) = (names::of(DECLARES, entry.path), names::of(REFERS, entry.path));
                    keys.insert(entry.path, Key { entry, shape, kinds, declares, refers });
                }
                None => unknown.push(entry.path),
            }
        }
        Self { shape, keys, undocumented: places.into_keys().collect(), unknown }
    }

    /// Every key, section by section.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The key of a pattern: `gateway.routes.*.timeout`.
    pub fn key(&self, pattern: &str) -> Option<&Key> {
        self.keys.get(pattern)
    }

    /// The key at a place of a spec, given the names on the way to it: `["gateway", "routes", "/api", "timeout"]`. An item of a
    /// list is any name in brackets.
    pub fn at(&self, names: &[&str]) -> Option<&Key> {
        self.key(&self.pattern(names)?)
    }

    /// The pattern of a place, given the names on the way to it; `None` where the language has no such place.
    pub fn pattern(&self, names: &[&str]) -> Option<String> {
        let mut pattern = String::new();
        let mut shape = &self.shape;
        for name in names {
            shape = step(shape, name)?;
            let word = match name.starts_with('[') {
                true => "[]",
                false => self.word(&pattern, name),
            };
            pattern = join(&pattern, word);
        }
        Some(pattern)
    }

    /// The name itself where it is a word of the language, else `*`.
    fn word<'n>(&self, above: &str, name: &'n str) -> &'n str {
        if self.keys.contains_key(join(above, "*").as_str()) { "*" } else { name }
    }

    /// The keys that may stand directly below a place, given the names on the way to it. Names that someone chooses are the key
    /// whose pattern ends in `*`.
    pub fn below(&self, names: &[&str]) -> Vec<&Key> {
        let Some(pattern) = self.pattern(names) else { return Vec::new() };
        let direct = |key: &&Key| match pattern.as_str() {
            "" => !key.entry.path.contains('.'),
            above => key.entry.path.strip_prefix(above).is_some_and(|rest| {
                rest.strip_prefix('.').is_some_and(|name| !name.contains('.') && !name.contains('['))
            }),
        };
        self.keys().filter(direct).collect()
    }

    /// Splits a dotted path into names: `gateway.routes./.well-known.auth`. A path prefix may hold dots itself, so the
    /// language decides where it ends; the longest one below which something follows wins. `None` where the language has no such place.
    pub fn split<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        split(&self.shape, path)
    }

    /// What a whole spec may be.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Keys that the decoders know and nobody has documented.
    pub fn undocumented(&self) -> &[String] {
        &self.undocumented
    }

    /// Documented keys that the decoders do not know.
    pub fn unknown(&self) -> &[&'static str] {
        &self.unknown
    }
}

fn join(above: &str, name: &str) -> String {
    match (above, name) {
        ("", name) => name.to_owned(),
        (above, "[]") => format!("{above}[]"),
        (above, name) => format!("{above}.{name}"),
    }
}

/// Every place below a shape, with the kinds of its section that have it.
fn walk(shape: &Shape, path: String, outer: &[&'static str], out: &mut IndexMap<String, (Shape, Vec<&'static str>)>) {
    match shape {
        Shape::Section(section) => {
            for (name, below) in &section.keys {
                let Some((kinds, all)) = kinds_of(section, name, outer) else { continue };
                let here = join(&path, name);
                let shown = if all { Vec::new() } else { kinds.clone() };
                out.insert(here.clone(), (below.clone(), shown));
                walk(below, here, if section.variants.is_some() { &kinds } else { outer }, out);
            }
        }
        Shape::Names(below) => {
            let here = join(&path, "*");
            out.insert(here.clone(), (below.as_ref().clone(), Vec::new()));
            walk(below, here, outer, out);
        }
        Shape::List(below) => walk(below, join(&path, "[]"), outer, out),
        Shape::Pair(_) | Shape::Scalar(_) | Shape::Choice { .. } | Shape::Either(_) => {}
    }
}

/// The kinds of a section that have a key, and whether these are all; `None` where no possible kind has it.
pub(super) fn kinds_of(section: &Section, key: &str, outer: &[&'static str]) -> Option<(Vec<&'static str>, bool)> {
    let Some(Variants { by, cases }) = &section.variants else { return Some((outer.to_vec(), true)) };
    let possible: Vec<_> = cases.iter().filter(|(kind, _)| *by != Decider::Outer || outer.contains(kind)).collect();
    let having: Vec<&'static str> =
        possible.iter().filter(|(_, keys)| keys.contains(&key)).map(|(kind, _)| *kind).collect();
    let all = having.len() == possible.len();
    (!having.is_empty()).then_some((having, all))
}

fn step<'s>(shape: &'s Shape, name: &str) -> Option<&'s Shape> {
    match shape {
        Shape::Section(section) => section.keys.iter().find(|(key, _)| *key == name).map(|(_, below)| below),
        Shape::Names(below) if !name.starts_with('[') => Some(below),
        Shape::List(below) | Shape::Pair(below) if name.starts_with('[') => Some(below),
        Shape::Either(all) => all.iter().find_map(|shape| step(shape, name)),
        _ => None,
    }
}

/// Depth is bounded by the language.
fn split<'p>(shape: &Shape, path: &'p str) -> Option<Vec<&'p str>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let rest = path.strip_prefix('.').unwrap_or(path);
    let mut ends: Vec<usize> = rest.match_indices(['.', '[']).map(|(at, _)| at).filter(|at| *at > 0).collect();
    if matches!(shape, Shape::Names(_)) && rest.starts_with('/') {
        // The whole rest comes last: a name that leads on is the likelier one.
        ends.insert(0, rest.len());
    } else {
        // Only path prefixes hold dots.
        ends.truncate(1);
        ends.extend(ends.is_empty().then_some(rest.len()));
    }
    if let Some(close) = rest.strip_prefix('[').and_then(|inner| inner.find(']')) {
        ends = vec![close + 2];
    }
    ends.into_iter().rev().find_map(|end| {
        let (name, below) = rest.split_at(end);
        let mut names = vec![name];
        names.extend(split(step(shape, name)?, below)?);
        Some(names)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented_and_every_documented_key_exists() {
        let language = language();
        assert_eq!(
            language.undocumented(),
            [""; 0],
            "these keys have no entry in spec/src/reference: say there what each is, its default, and what it reaches"
        );
        assert_eq!(language.unknown(), [""; 0], "these entries in spec/src/reference describe no key of the language");
    }

    #[test]
    fn every_key_that_declares_or_refers_exists() {
        let all = DECLARES.iter().map(|(path, _)| path).chain(REFERS.iter().map(|(path, _)| path));
        let unknown: Vec<_> = all.filter(|path| language().key(path).is_none()).collect();
        assert_eq!(unknown, [&""; 0]);
    }

    #[test]
    fn what_the_decoder_demands_is_documented_as_required() {
        let mut wrong = Vec::new();
        demanded(&Spec::shape(), String::new(), &mut wrong);
        assert_eq!(wrong, [""; 0]);
    }

    fn demanded(shape: &Shape, path: String, wrong: &mut Vec<String>) {
        match shape {
            Shape::Section(section) => {
                for (name, below) in &section.keys {
                    let here = join(&path, name);
                    let key = language().key(&here);
                    if section.required.contains(name) && key.is_some_and(|k| !k.required()) {
                        wrong.push(here.clone());
                    }
                    demanded(below, here, wrong);
                }
            }
            Shape::Names(below) => demanded(below, join(&path, "*"), wrong),
            Shape::List(below) => demanded(below, join(&path, "[]"), wrong),
            _ => {}
        }
    }

    #[test]
    fn places_are_found_by_the_names_on_the_way() {
        let language = language();
        let at = |names: &[&str]| language.at(names).map(|k| k.entry.path);
        assert_eq!(at(&["gateway", "routes", "/api/v1", "timeout"]), Some("gateway.routes.*.timeout"));
        assert_eq!(at(&["stores", "chat", "tables", "messages", "bucket"]), Some("stores.*.tables.*.bucket"));
        assert_eq!(at(&["policies", "[0]", "id"]), Some("policies[].id"));
        assert_eq!(at(&["services", "kind"]), Some("services.*"));
        assert_eq!(at(&["services", "user", "prot"]), None);
        assert_eq!(at(&["stores", "chat", "tables", "messages", "shard_size"]), None);
        let kinds = |pattern| language.key(pattern).map(|k| k.kinds.join(" "));
        assert_eq!(kinds("stores.*.tables.*.bucket").as_deref(), Some("cassandra"));
        assert_eq!(kinds("stores.*.tables.*.columns").as_deref(), Some(""));
        assert_eq!(kinds("stores.*.brokers").as_deref(), Some("kafka"));
    }

    #[test]
    fn dotted_paths_are_split_where_the_language_says() {
        let split = |path| language().split(path).map(|names| names.join(" | "));
        assert_eq!(
            split("gateway.routes./.well-known/x.y.auth").as_deref(),
            Some("gateway | routes | /.well-known/x.y | auth")
        );
        assert_eq!(split("policies[1].check").as_deref(), Some("policies | [1] | check"));
        assert_eq!(split("zones[0]").as_deref(), Some("zones | [0]"));
        assert_eq!(split("stores.chat.tables.messages.bukket"), None);
        assert_eq!(split("gateway.rotes"), None);
        assert_eq!(split("name.x"), None);
    }

    #[test]
    fn keys_below_a_place_are_listed_once() {
        let names = |at: &[&str]| language().below(at).iter().map(|k| k.name()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(&["gateway", "limits"]), "per_ip per_token connections_per_ip");
        assert_eq!(names(&["stores"]), "*");
        assert!(names(&[]).starts_with("archgen name vars"), "{}", names(&[]));
        assert_eq!(names(&["sim", "faults", "[0]"]), "kind between one_way for p on by zone");
    }
}
