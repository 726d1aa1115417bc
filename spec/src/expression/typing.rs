//! Whether every name is known and every type right. Nothing that passes can fail for its types.

use super::facts::{FactKind, Subject, facts_of};
use super::syntax::{FUNCTIONS, MACROS, METHODS, Macro, Node, What};
use super::{Fault, FaultKind};
use crate::checks::suggestion;

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Bool,
    Int,
    Double,
    Text,
    List(Box<Kind>),
    Thing(Subject),
    /// Reported already, or the item of an empty list: fits everywhere.
    Any,
}

impl Kind {
    fn words(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int => "a whole number".to_owned(),
            Self::Double => "a number".to_owned(),
            Self::Text => "text".to_owned(),
            Self::List(item) => match item.as_ref() {
                Self::Thing(of) => format!("the list of {}", of.plural()),
                Self::Any => "a list".to_owned(),
                item => format!("a list of values, each {}", item.words()),
            },
            Self::Thing(of) => format!("a whole {}", of.name()),
            Self::Any => "a value".to_owned(),
        }
    }

    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(a), Self::List(b)) => a.fits(b),
            _ => self == other,
        }
    }

    /// What a value is that is one of two kinds which fit: an empty list beside a list of numbers is a list of numbers.
    fn joined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, other) => other,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.joined(*b))),
            (kind, _) => kind,
        }
    }

    fn number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Any)
    }
}

impl From<FactKind> for Kind {
    fn from(kind: FactKind) -> Self {
        match kind {
            FactKind::Bool => Self::Bool,
            FactKind::Int => Self::Int,
            FactKind::Double => Self::Double,
            FactKind::Text => Self::Text,
            FactKind::Texts => Self::List(Box::new(Self::Text)),
        }
    }
}

/// Faults of an expression that must be true or false.
pub(super) fn check(root: &Node, every: Option<Subject>) -> Vec<Fault> {
    let mut typing = Typing { every, names: Vec::new(), faults: Vec::new() };
    let kind = typing.kind(root);
    if !matches!(kind, Kind::Bool | Kind::Any) {
        let what = format!("the expression is {}, not true or false", kind.words());
        let help = if kind.number() { "compare it: `>= 2`" } else { "say what it must be: `==`, `in`, `.all(…)`" };
        typing.faults.push(Fault::new(FaultKind::Type, root.place(), what).with_help(help));
    }
    typing.faults
}

/// Faults of an expression of any type, in which no name is known.
pub(super) fn check_any(root: &Node) -> Vec<Fault> {
    let mut typing = Typing { every: None, names: Vec::new(), faults: Vec::new() };
    typing.kind(root);
    typing.faults
}

struct Typing {
    every: Option<Subject>,
    /// Names that macros gave, the innermost last.
    names: Vec<(String, Kind)>,
    faults: Vec<Fault>,
}

impl Typing {
    fn fault(&mut self, fault: Fault) -> Kind {
        self.faults.push(fault);
        Kind::Any
    }

    fn wrong(&mut self, place: (usize, usize), what: String, help: &str) -> Kind {
        let fault = Fault::new(FaultKind::Type, place, what);
        self.fault(if help.is_empty() { fault } else { fault.with_help(help) })
    }

    /// Depth is bounded by the parser.
    fn kind(&mut self, node: &Node) -> Kind {
        match &node.what {
            What::Bool(_) => Kind::Bool,
            What::Int(_) => Kind::Int,
            What::Double(_) => Kind::Double,
            What::Text(_) => Kind::Text,
            What::List(items) => self.list(items),
            What::Name(name) => self.name(name, node.place()),
            What::Field(of, name, place) => self.field(of, name, *place),
            What::Not(inner) => self.demand(inner, &Kind::Bool, "`!` turns true and false"),
            What::Negative(inner) => {
                let kind = self.kind(inner);
                if kind.number() {
                    return kind;
                }
                self.wrong(inner.place(), format!("`-` needs a number; this is {}", kind.words()), "")
            }
            What::Binary(operator, place, left, right) => self.binary(operator, *place, left, right),
            What::Choice(condition, then, otherwise) => {
                self.demand(condition, &Kind::Bool, "`?` asks whether something is true");
                let (a, b) = (self.kind(then), self.kind(otherwise));
                if a.fits(&b) {
                    return a.joined(b);
                }
                let what = format!("one side of `:` is {}, the other {}", a.words(), b.words());
                self.wrong(node.place(), what, "")
            }
            What::Call(name, place, arguments) => self.call(name, *place, arguments),
            What::Each(each, over, name, body) => self.each(*each, over, name, body),
        }
    }

    fn list(&mut self, items: &[Node]) -> Kind {
        let mut kind = Kind::Any;
        for item in items {
            let here = self.kind(item);
            if !kind.fits(&here) {
                let what = format!("this is {}; the items before it are {}", here.words(), kind.words());
                self.wrong(item.place(), what, "");
            } else {
                kind = kind.joined(here);
            }
        }
        Kind::List(Box::new(kind))
    }

    fn demand(&mut self, node: &Node, due: &Kind, why: &str) -> Kind {
        let kind = self.kind(node);
        if !kind.fits(due) {
            self.wrong(node.place(), format!("{why}; this is {}", kind.words()), "");
        }
        due.clone()
    }

    /// A name that stands alone.
    fn name(&mut self, name: &str, place: (usize, usize)) -> Kind {
        if let Some((_, kind)) = self.names.iter().rev().find(|(known, _)| known == name) {
            return kind.clone();
        }
        if let Some(of) = Subject::ALL.into_iter().find(|s| s.plural() == name && s.many()) {
            return Kind::List(Box::new(Kind::Thing(of)));
        }
        match Subject::ALL.into_iter().find(|s| s.name() == name) {
            Some(of) if !of.many() || self.every == Some(of) => Kind::Thing(of),
            Some(of) => {
                let what = format!("there are many {}: which one `{name}` is, is not said", of.plural());
                self.fault(Fault::new(FaultKind::Unknown, place, what).with_help(format!(
                    "add `every: {name}` beside the expression, or name them: `{}.all(x, x.…)`",
                    of.plural()
                )))
            }
            None => {
                let given = self.names.iter().map(|(name, _)| name.as_str());
                let known = Subject::ALL.into_iter().map(|s| match s.many() && self.every != Some(s) {
                    true => s.plural(),
                    false => s.name(),
                });
                let all: Vec<&str> = given.chain(known).collect();
                let fault = Fault::new(FaultKind::Unknown, place, format!("nothing is called `{name}`"));
                let instead = suggestion::certain(name, all.iter().copied()).map(str::to_owned);
                let help = suggestion::help(name, "known", &all);
                self.fault(Fault { instead, ..fault.with_help(help) })
            }
        }
    }

    fn field(&mut self, of: &Node, name: &str, place: (usize, usize)) -> Kind {
        match self.kind(of) {
            Kind::Any => Kind::Any,
            Kind::Thing(subject) => {
                if let Some(fact) = facts_of(subject).find(|f| f.name == name) {
                    return fact.kind.into();
                }
                let all: Vec<&str> = facts_of(subject).map(|f| f.name).collect();
                let fault = Fault::new(FaultKind::Unknown, place, format!("a {} has no fact `{name}`", subject.name()));
                let instead = suggestion::certain(name, all.iter().copied()).map(str::to_owned);
                let help = suggestion::help(name, "its facts", &all);
                self.fault(Fault { instead, ..fault.with_help(help) })
            }
            Kind::List(item) => {
                let what = format!("a list has no facts of its own; `.{name}` is one of each item");
                let help = match *item {
                    Kind::Thing(subject) => {
                        format!("write `{}.all(x, x.{name} …)`, or `every: {}`", subject.plural(), subject.name())
                    }
                    _ => "write `.all(x, x …)`".to_owned(),
                };
                self.wrong(place, what, &help)
            }
            kind => self.wrong(place, format!("{} has no facts", kind.words()), ""),
        }
    }

    fn binary(&mut self, operator: &'static str, place: (usize, usize), left: &Node, right: &Node) -> Kind {
        if matches!(operator, "&&" | "||") {
            let why = format!("`{operator}` joins what is true or false");
            self.demand(left, &Kind::Bool, &why);
            return self.demand(right, &Kind::Bool, &why);
        }
        let (a, b) = (self.kind(left), self.kind(right));
        let numbers = a.number() && b.number();
        let ordered = numbers || (a.fits(&b) && !matches!(a, Kind::List(_) | Kind::Thing(_)));
        let good = match operator {
            "==" | "!=" => numbers || a.fits(&b),
            "<" | "<=" | ">" | ">=" => ordered,
            "in" => match &b {
                Kind::List(item) => a.fits(item) || (a.number() && item.number()),
                Kind::Any => true,
                _ => false,
            },
            "%" => a.fits(&Kind::Int) && b.fits(&Kind::Int),
            "+" => a.fits(&b) && !matches!(a, Kind::Bool | Kind::Thing(_)),
            _ => numbers && a.fits(&b),
        };
        if !good {
            let what = format!("`{operator}` does not go between {} and {}", a.words(), b.words());
            let help = match (numbers, operator) {
                (true, "%") => "only whole numbers have a rest",
                (true, _) => "write `2.0` for `2`, or `double(…)` around the whole number",
                _ if operator == "in" => "the right side must be a list: `store.kind in [\"redis\", \"s3\"]`",
                _ => "",
            };
            return self.wrong(place, what, help);
        }
        match operator {
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => Kind::Bool,
            _ => a.joined(b),
        }
    }

    fn call(&mut self, name: &str, place: (usize, usize), arguments: &[Node]) -> Kind {
        let kinds: Vec<Kind> = arguments.iter().map(|a| self.kind(a)).collect();
        let sized = |kind: &Kind| matches!(kind, Kind::Text | Kind::List(_) | Kind::Any);
        match (name, kinds.as_slice()) {
            (".size" | "size", [of]) if sized(of) => Kind::Int,
            (".startsWith" | ".endsWith" | ".contains", [of, part])
                if of.fits(&Kind::Text) && part.fits(&Kind::Text) =>
            {
                Kind::Bool
            }
            ("int", [of]) if of.number() => Kind::Int,
            ("double", [of]) if of.number() => Kind::Double,
            _ => self.no_call(name, place, &kinds),
        }
    }

    fn no_call(&mut self, name: &str, place: (usize, usize), kinds: &[Kind]) -> Kind {
        let bare = name.trim_start_matches('.');
        let method = name.starts_with('.');
        let known: Vec<&str> = match method {
            true => METHODS.iter().copied().chain(MACROS.iter().map(|(word, _)| *word)).collect(),
            false => FUNCTIONS.to_vec(),
        };
        if !known.contains(&bare) {
            let fault = Fault::new(FaultKind::Unknown, place, format!("there is no function `{bare}` here"));
            let instead = suggestion::certain(bare, known.iter().copied()).map(str::to_owned);
            let help = suggestion::help(bare, "known", &known);
            return self.fault(Fault { instead, ..fault.with_help(help) });
        }
        let given: Vec<String> = kinds.iter().map(Kind::words).collect();
        let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") };
        self.wrong(place, format!("`{bare}` does not take {given}"), "")
    }

    fn each(&mut self, each: Macro, over: &Node, name: &str, body: &Node) -> Kind {
        let item = match self.kind(over) {
            Kind::List(item) => *item,
            Kind::Any => Kind::Any,
            kind => self.wrong(over.place(), format!("only a list can be gone through; this is {}", kind.words()), ""),
        };
        self.names.push((name.to_owned(), item.clone()));
        let kind = self.kind(body);
        self.names.pop();
        if each == Macro::Map {
            return Kind::List(Box::new(kind));
        }
        if !kind.fits(&Kind::Bool) {
            self.wrong(
                body.place(),
                format!("what is asked of each item is true or false; this is {}", kind.words()),
                "",
            );
        }
        match each {
            Macro::Filter => Kind::List(Box::new(item)),
            _ => Kind::Bool,
        }
    }
}
