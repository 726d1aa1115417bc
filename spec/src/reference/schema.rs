//! The JSON Schema (2020-12) of the language, for editors and for whoever writes specs by program.
//!
//! What it cannot say (references, sums over the whole spec), `archgen check` and `archgen lsp` do.

use serde_json::{Map, Value, json};

use super::entry::Default;
use super::language::{Language, kinds_of, language};
use crate::ast::{Decider, Scalar, ScalarKind, Section, Shape};

/// Which file the schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Describes {
    /// A whole spec.
    Spec,
    /// An overlay, in which every key may be left out.
    Overlay,
}

/// The schema.
pub fn schema(what: Describes) -> Value {
    let language = language();
    let work = Work { language, overlay: what == Describes::Overlay };
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": if work.overlay { "archgen overlay, v1" } else { "archgen topology spec, v1" },
    });
    merge(&mut root, work.shape(language.shape(), "", &[]));
    root
}

struct Work {
    language: &'static Language,
    overlay: bool,
}

/// An overlay may leave a value out after `!unset`, and a section empty.
fn or_null(schema: &mut Value) {
    if let Some(all) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        all.push(json!({ "type": "null" }));
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    if let Some(kind) = schema.get_mut("type") {
        let mut kinds = kind.as_array().cloned().unwrap_or_else(|| vec![kind.clone()]);
        kinds.push("null".into());
        *kind = kinds.into();
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

impl Work {
    /// Depth is bounded by the language.
    fn shape(&self, shape: &Shape, path: &str, outer: &[&'static str]) -> Value {
        match shape {
            Shape::Scalar(scalar) => scalar_schema(scalar),
            Shape::Choice { words, .. } => json!({ "enum": words }),
            Shape::List(item) => json!({ "type": "array", "items": self.shape(item, &format!("{path}[]"), outer) }),
            Shape::Pair(item) => {
                let item = self.shape(item, &format!("{path}[]"), outer);
                json!({ "type": "array", "items": item, "minItems": 2, "maxItems": 2 })
            }
            Shape::Names(value) if self.by_name(value).is_some() => self.named(value, path),
            Shape::Names(value) => {
                json!({ "type": "object", "additionalProperties": self.documented(value, &below(path, "*"), outer) })
            }
            Shape::Section(section) => self.section(section, path, outer),
            Shape::Either(all) => {
                json!({ "anyOf": all.iter().map(|s| self.shape(s, path, outer)).collect::<Vec<_>>() })
            }
        }
    }

    /// A shape with what there is to say about it.
    fn documented(&self, shape: &Shape, path: &str, outer: &[&'static str]) -> Value {
        let mut schema = Value::Object(Map::new());
        if let Some(key) = self.language.key(path) {
            schema["description"] = description(key).into();
            if let (Default::Value(shown, _), Shape::Scalar(scalar)) = (key.entry.default, shape) {
                schema["default"] = literal(shown, scalar.kind);
            }
        }
        merge(&mut schema, self.shape(shape, path, outer));
        if self.overlay {
            or_null(&mut schema);
        }
        schema
    }

    fn section(&self, section: &Section, path: &str, outer: &[&'static str]) -> Value {
        let mut properties = Map::new();
        for (name, shape) in &section.keys {
            let Some((kinds, _)) = kinds_of(section, name, outer) else { continue };
            let inner = if section.variants.is_some() { kinds.as_slice() } else { outer };
            properties.insert((*name).to_owned(), self.documented(shape, &below(path, name), inner));
        }
        let required: Vec<&str> =
            section.keys.iter().map(|(name, _)| *name).filter(|name| self.required(path, name, None)).collect();
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if let Some(variants) = section.variants.as_ref().filter(|v| v.by != Decider::Outer) {
            let kinds = variants.cases.iter().map(|(kind, _)| {
                json!({
                    "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] },
                    "then": self.limit(section, path, kind),
                })
            });
            schema["allOf"] = kinds.collect();
        }
        schema
    }

    /// Whether a key must be written: by every kind, or, given one, by that kind in particular.
    fn required(&self, path: &str, name: &str, kind: Option<&str>) -> bool {
        let key = self.language.key(&below(path, name)).filter(|k| k.required() && !self.overlay);
        key.is_some_and(|k| kind.map_or(k.kinds.is_empty(), |kind| k.kinds.contains(&kind)))
    }

    /// What a section of one kind may not have and must have, and the same of what stands below it.
    fn limit(&self, section: &Section, path: &str, kind: &str) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, shape) in &section.keys {
            let here = below(path, name);
            if kinds_of(section, name, &[]).is_none_or(|(kinds, _)| !kinds.contains(&kind)) {
                properties.insert((*name).to_owned(), Value::Bool(false));
            } else if self.required(path, name, Some(kind)) {
                required.push(*name);
            }
            if let Shape::Names(value) = shape
                && let Shape::Section(inner) = value.as_ref()
                && let Some(variants) = inner.variants.as_ref().filter(|v| v.by == Decider::Outer)
                && let Some((_, keys)) = variants.cases.iter().find(|(case, _)| *case == kind)
                && properties.get(*name).is_none()
            {
                let place = below(&here, "*");
                let foreign = inner.keys.iter().filter(|(key, _)| !keys.contains(key));
                let foreign: Map<String, Value> = foreign.map(|(key, _)| ((*key).to_owned(), false.into())).collect();
                let due: Vec<&str> = keys.iter().copied().filter(|k| self.required(&place, k, Some(kind))).collect();
                let limited = json!({ "properties": foreign, "required": due });
                properties.insert((*name).to_owned(), json!({ "additionalProperties": limited }));
            }
        }
        json!({ "properties": properties, "required": required })
    }

    /// The section whose kind may be said by its name.
    fn by_name<'s>(&self, shape: &'s Shape) -> Option<&'s Section> {
        match shape {
            Shape::Section(section) if section.variants.as_ref().is_some_and(|v| v.by == Decider::KindOrName) => {
                Some(section)
            }
            _ => None,
        }
    }

    /// Names that may be kinds: an entry named by a kind is of that kind unless it says another; any other must say its kind.
    fn named(&self, value: &Shape, path: &str) -> Value {
        let Some(section) = self.by_name(value) else { return Value::Bool(true) };
        let here = below(path, "*");
        let base = self.documented(value, &here, &[]);
        let cases = section.variants.iter().flat_map(|v| &v.cases);
        let by_name = cases.map(|(kind, _)| {
            let unsaid = json!({ "not": { "required": ["kind"] } });
            let mut entry = base.clone();
            if let Some(all) = entry["allOf"].as_array_mut() {
                all.push(json!({ "if": unsaid, "then": self.limit(section, &here, kind) }));
            }
            ((*kind).to_owned(), entry)
        });
        let by_name: Map<String, Value> = by_name.collect();
        let mut other = base.clone();
        if !self.overlay {
            let mut required = other["required"].as_array().cloned().unwrap_or_default();
            required.push("kind".into());
            other["required"] = required.into();
        }
        json!({ "type": "object", "properties": by_name, "additionalProperties": other })
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn description(key: &super::Key) -> String {
    let facts = key.facts().into_iter().map(|(name, fact)| format!("{name}: {}", fact.replace('`', "")));
    let why = (!key.entry.why.is_empty()).then(|| format!("{}\n", key.entry.why));
    let parts = [Some(key.entry.summary.to_owned()), why].into_iter().flatten().chain(facts);
    parts.collect::<Vec<_>>().join("\n")
}

/// The decoder takes any plain scalar where it wants text, so that `7` is a quantity and `15` a version.
fn scalar_schema(scalar: &Scalar) -> Value {
    match scalar.kind {
        ScalarKind::Text if scalar.what == "text" => json!({ "type": ["string", "number", "boolean"] }),
        ScalarKind::Text => {
            let mut schema = json!({ "type": if scalar.bare { json!(["string", "number"]) } else { json!("string") } });
            if !scalar.pattern.is_empty() {
                // What a variable brings in is judged when it is put in.
                schema["pattern"] = format!(r"^(?:{})$|\$\{{", scalar.pattern).into();
            }
            schema
        }
        ScalarKind::Boolean => json!({ "type": "boolean" }),
        ScalarKind::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
    }
}

fn literal(shown: &str, kind: ScalarKind) -> Value {
    match kind {
        ScalarKind::Boolean => (shown == "true").into(),
        ScalarKind::Whole(..) => shown.parse::<u64>().map_or_else(|_| shown.into(), Value::from),
        ScalarKind::Text => shown.into(),
    }
}
