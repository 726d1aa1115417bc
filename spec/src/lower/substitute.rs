//! `${vars.NAME}` and `${env.NAME}`. No logic, no nesting, no recursion: a variable's own value may use `${env.NAME}` only.

use std::collections::BTreeMap;

use crate::checks::{nearest, unknown_variable, unset_environment};
use crate::diagnostic::Diagnostic;
use crate::source::{Node, Span, Value};

use super::read::is_misspelt;

/// Longest value after substitution, bytes: variables that repeat each other must not grow without end.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Where `${port}` stays: a process is told its own port when it starts.
#[derive(Clone, Copy, PartialEq)]
enum Port {
    None,
    /// In a `command` or `env` below.
    Below,
    Here,
}

struct Substitution<'a> {
    /// A faulty variable is known but has no value: its uses are not reported again.
    vars: BTreeMap<String, Option<String>>,
    /// Where each of them is declared, and the section.
    places: Vec<(String, Span)>,
    section: Option<Span>,
    /// The section is misspelt: which variables there are is not known.
    misspelt: bool,
    /// Whether `${vars.…}` may be used: not inside `vars:` itself.
    in_vars: bool,
    variable: &'a dyn Fn(&str) -> Option<String>,
    out: &'a mut Vec<Diagnostic>,
}

/// Substitutes in every scalar of the tree. A faulty value becomes invalid after its report.
pub(crate) fn substitute(root: &mut Node, variable: &dyn Fn(&str) -> Option<String>, out: &mut Vec<Diagnostic>) {
    let misspelt = is_misspelt(root, "vars");
    let (vars, places) = (BTreeMap::new(), Vec::new());
    let mut work = Substitution { vars, places, section: None, misspelt, in_vars: true, variable, out };
    let Value::Mapping(entries) = &mut root.value else { return };
    for entry in entries.iter_mut().filter(|e| e.key.text == "vars") {
        work.node(&mut entry.value, Port::None);
        work.section = Some(entry.key.span);
        for var in entry.value.entries() {
            work.places.push((var.key.text.clone(), var.key.span));
            work.vars.insert(var.key.text.clone(), var.value.text().map(str::to_owned));
        }
    }
    work.in_vars = false;
    for entry in entries.iter_mut().filter(|e| e.key.text != "vars") {
        let port = if entry.key.text == "services" { Port::Below } else { Port::None };
        work.node(&mut entry.value, port);
    }
}

impl Substitution<'_> {
    /// Depth is bounded by the parser's budget.
    fn node(&mut self, node: &mut Node, port: Port) {
        match &mut node.value {
            Value::Mapping(entries) => {
                for entry in entries {
                    let names_port = matches!(entry.key.text.as_str(), "command" | "env");
                    let below = if port == Port::Below && names_port { Port::Here } else { port };
                    self.node(&mut entry.value, below);
                }
            }
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.node(item, port)),
            Value::Scalar { text, .. } if text.contains("${") => match self.text(text, node.span, port == Port::Here) {
                Some(new) => *text = new,
                None => node.value = Value::Invalid,
            },
            _ => {}
        }
    }

    fn text(&mut self, text: &str, span: Span, port: bool) -> Option<String> {
        let mut result = String::with_capacity(text.len());
        let mut good = true;
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                result.push_str(&rest[..at - 1]);
                result.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            result.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let Some(end) = inner.find('}') else {
                self.out.push(unknown_variable::form(span, inner));
                return None;
            };
            // A plain value stands in the file as it is, a quoted one behind its quote, unless something in it was escaped.
            let before = text.len() - inner.len();
            let (start, length) = (span.start + before + (span.end - span.start).saturating_sub(text.len()) / 2, end);
            let exact = [0, 2].contains(&(span.end - span.start).wrapping_sub(text.len()));
            let place = exact.then_some(Span { start, end: start + length, ..span });
            match self.value(&inner[..end], (span, place), port) {
                Some(value) => result.push_str(&value),
                None => good = false,
            }
            if result.len() > VALUE_BYTES_MAX {
                self.out.push(unknown_variable::form(span, &inner[..end + 1]));
                return None;
            }
            rest = &inner[end + 1..];
        }
        result.push_str(rest);
        good.then_some(result)
    }

    /// The value of one variable, which stands in a value and, where that is known, at a place of its own.
    fn value(&mut self, name: &str, (span, place): (Span, Option<Span>), port: bool) -> Option<String> {
        if name == "port" && port {
            return Some("${port}".to_owned());
        }
        let fault = match name.split_once('.') {
            Some(("env", name)) => match (self.variable)(name) {
                Some(value) => return Some(value),
                None => unset_environment::at(span, name),
            },
            Some(("vars", name)) if !self.in_vars => match self.vars.get(name) {
                Some(value) => return value.clone(),
                None if self.misspelt || (self.section.is_some() && self.vars.is_empty()) => return None,
                None => {
                    let declared: Vec<&str> = self.vars.keys().map(String::as_str).collect();
                    let near = nearest(name, declared.iter().copied());
                    let near = self.places.iter().find(|(declared, _)| Some(declared.as_str()) == near);
                    let cause = if self.section.is_some() { name } else { "vars:" };
                    let place = place.map(|place| Span { start: place.end - name.len(), ..place });
                    let fault = unknown_variable::at(span, name, place, &declared).with_cause(cause);
                    match (near, self.section) {
                        (Some((_, at)), _) => fault.with_related(*at, "this is declared"),
                        (None, Some(at)) => fault.with_related(at, "variables are declared here"),
                        (None, None) => fault,
                    }
                }
            },
            _ => unknown_variable::form(span, &format!("{name}}}")),
        };
        self.out.push(fault);
        None
    }
}
