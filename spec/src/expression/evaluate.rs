//! The value of an expression. Types are right; what can go wrong is arithmetic, and the number of steps.

use std::borrow::Cow;

use super::facts::{Subject, World, facts_of};
use super::syntax::{Macro, Node, What};
use super::{Fault, FaultKind, Value};

/// Whether a boolean expression holds.
pub(super) fn evaluate(
    root: &Node,
    world: &World<'_>,
    of: Option<(Subject, usize)>,
    steps: &mut u64,
) -> Result<bool, Fault> {
    let mut work = Evaluation { world, of, names: Vec::new(), steps };
    work.truth(root)
}

/// The value of an expression.
pub(super) fn value<'a>(root: &Node, world: &World<'a>, steps: &mut u64) -> Result<Value<'a>, Fault> {
    Evaluation { world, of: None, names: Vec::new(), steps }.value(root)
}

/// The facts that an expression mentions by name, each once, with their values.
pub(super) fn figures(node: &Node, world: &World<'_>, of: Option<(Subject, usize)>, all: &mut Vec<String>) {
    let below: Vec<&Node> = match &node.what {
        What::Field(thing, name, _) => {
            if let What::Name(subject) = &thing.what {
                let value = Evaluation { world, of, names: Vec::new(), steps: &mut 100_000 }.value(node);
                let shown = value.ok().map(|value| format!("{subject}.{name} is {}", value.shown()));
                all.extend(shown.filter(|shown| !all.contains(shown)));
            }
            vec![thing.as_ref()]
        }
        What::Not(inner) | What::Negative(inner) => vec![inner.as_ref()],
        What::Binary(_, _, a, b) => vec![a.as_ref(), b.as_ref()],
        What::Choice(a, b, c) => vec![a.as_ref(), b.as_ref(), c.as_ref()],
        What::Call(_, _, arguments) => arguments.iter().collect(),
        What::List(items) => items.iter().collect(),
        What::Each(_, over, _, _) => vec![over.as_ref()],
        _ => Vec::new(),
    };
    below.into_iter().for_each(|node| figures(node, world, of, all));
}

struct Evaluation<'w, 'a> {
    world: &'w World<'a>,
    of: Option<(Subject, usize)>,
    names: Vec<(String, Value<'a>)>,
    steps: &'w mut u64,
}

fn no_value(node: &Node, what: &str) -> Fault {
    Fault::new(FaultKind::Value, node.place(), what)
}

impl<'a> Evaluation<'_, 'a> {
    /// Takes as many steps as there is work.
    fn spend(&mut self, node: &Node, steps: usize) -> Result<(), Fault> {
        let left = self.steps.checked_sub(steps as u64 + 1);
        let fault = || {
            no_value(node, "the expression takes more steps than a policy may")
                .with_help("say it with fewer lists inside one another")
        };
        *self.steps = left.ok_or_else(fault)?;
        Ok(())
    }

    fn truth(&mut self, node: &Node) -> Result<bool, Fault> {
        match self.value(node)? {
            Value::Bool(value) => Ok(value),
            _ => Err(no_value(node, "the expression is neither true nor false")),
        }
    }

    /// Depth is bounded by the parser.
    fn value(&mut self, node: &Node) -> Result<Value<'a>, Fault> {
        self.spend(node, 0)?;
        match &node.what {
            What::Bool(value) => Ok(Value::Bool(*value)),
            What::Int(value) => Ok(Value::Int(*value)),
            What::Double(value) => Ok(Value::Double(*value)),
            What::Text(text) => Ok(Value::Text(Cow::Owned(text.clone()))),
            What::List(items) => items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::List),
            What::Name(name) => self.name(node, name),
            What::Field(of, name, _) => {
                let Value::Thing(subject, index) = self.value(of)? else {
                    return Err(no_value(node, "it has no facts"));
                };
                let fact = facts_of(subject).find(|f| f.name == name);
                let fact = fact.ok_or_else(|| no_value(node, "it has no such fact"))?;
                let value = (fact.value)(self.world, index);
                if let Value::List(items) = &value {
                    self.spend(node, items.len())?;
                }
                Ok(value)
            }
            What::Not(inner) => Ok(Value::Bool(!self.truth(inner)?)),
            What::Negative(inner) => match self.value(inner)? {
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| no_value(node, TOO_LARGE)),
                Value::Double(value) => Ok(Value::Double(-value)),
                _ => Err(no_value(node, "only a number has a negative")),
            },
            What::Binary(operator, _, left, right) => self.binary(node, operator, left, right),
            What::Choice(condition, then, otherwise) => {
                let chosen = if self.truth(condition)? { then } else { otherwise };
                self.value(chosen)
            }
            What::Call(name, _, arguments) => self.call(node, name, arguments),
            What::Each(each, over, name, body) => self.each(node, *each, over, name, body),
        }
    }

    fn name(&mut self, node: &Node, name: &str) -> Result<Value<'a>, Fault> {
        if let Some((_, value)) = self.names.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        if let Some(of) = Subject::ALL.into_iter().find(|s| s.many() && s.plural() == name) {
            let count = self.world.count(of);
            self.spend(node, count)?;
            return Ok(Value::List((0..count).map(|index| Value::Thing(of, index)).collect()));
        }
        let of = Subject::ALL.into_iter().find(|s| s.name() == name);
        match (of, self.of) {
            (Some(of), Some((every, index))) if of == every => Ok(Value::Thing(of, index)),
            (Some(of), _) if !of.many() => Ok(Value::Thing(of, 0)),
            _ => Err(no_value(node, "nothing has this name")),
        }
    }

    fn binary(&mut self, node: &Node, operator: &str, left: &Node, right: &Node) -> Result<Value<'a>, Fault> {
        if matches!(operator, "&&" | "||") {
            return self.joined(operator == "||", left, right).map(Value::Bool);
        }
        let (a, b) = (self.value(left)?, self.value(right)?);
        let order = || a.order(&b);
        let truth = match operator {
            "==" => a.same(&b),
            "!=" => !a.same(&b),
            "<" => order().is_some_and(std::cmp::Ordering::is_lt),
            "<=" => order().is_some_and(std::cmp::Ordering::is_le),
            ">" => order().is_some_and(std::cmp::Ordering::is_gt),
            ">=" => order().is_some_and(std::cmp::Ordering::is_ge),
            "in" => match &b {
                Value::List(items) => {
                    self.spend(node, items.len())?;
                    items.iter().any(|item| item.same(&a))
                }
                _ => false,
            },
            _ => return self.arithmetic(node, operator, a, b),
        };
        Ok(Value::Bool(truth))
    }

    /// As in CEL, the side that decides hides the other side's fault.
    fn joined(&mut self, decides: bool, left: &Node, right: &Node) -> Result<bool, Fault> {
        let first = self.truth(left);
        if first == Ok(decides) {
            return Ok(decides);
        }
        let second = self.truth(right)?;
        if second == decides { Ok(decides) } else { first }
    }

    fn arithmetic(&mut self, node: &Node, operator: &str, a: Value<'a>, b: Value<'a>) -> Result<Value<'a>, Fault> {
        let whole = |value: Option<i64>| value.map(Value::Int).ok_or_else(|| no_value(node, TOO_LARGE));
        match (a, operator, b) {
            (Value::Int(_), "/" | "%", Value::Int(0)) => Err(no_value(node, "this divides by zero")),
            (Value::Int(a), "+", Value::Int(b)) => whole(a.checked_add(b)),
            (Value::Int(a), "-", Value::Int(b)) => whole(a.checked_sub(b)),
            (Value::Int(a), "*", Value::Int(b)) => whole(a.checked_mul(b)),
            (Value::Int(a), "/", Value::Int(b)) => whole(a.checked_div(b)),
            (Value::Int(a), "%", Value::Int(b)) => whole(a.checked_rem(b)),
            (Value::Double(a), "+", Value::Double(b)) => Ok(Value::Double(a + b)),
            (Value::Double(a), "-", Value::Double(b)) => Ok(Value::Double(a - b)),
            (Value::Double(a), "*", Value::Double(b)) => Ok(Value::Double(a * b)),
            (Value::Double(a), "/", Value::Double(b)) => Ok(Value::Double(a / b)),
            (Value::Text(a), "+", Value::Text(b)) => {
                self.spend(node, a.len() + b.len())?;
                Ok(Value::Text(Cow::Owned(format!("{a}{b}"))))
            }
            (Value::List(mut a), "+", Value::List(b)) => {
                self.spend(node, a.len() + b.len())?;
                a.extend(b);
                Ok(Value::List(a))
            }
            _ => Err(no_value(node, "these cannot be reckoned with")),
        }
    }

    fn call(&mut self, node: &Node, name: &str, arguments: &[Node]) -> Result<Value<'a>, Fault> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        match (name, values.as_slice()) {
            (".size" | "size", [Value::List(items)]) => Ok(Value::Int(items.len() as i64)),
            (".size" | "size", [Value::Text(text)]) => Ok(Value::Int(text.chars().count() as i64)),
            (".startsWith", [Value::Text(text), Value::Text(part)]) => Ok(Value::Bool(text.starts_with(part.as_ref()))),
            (".endsWith", [Value::Text(text), Value::Text(part)]) => Ok(Value::Bool(text.ends_with(part.as_ref()))),
            (".contains", [Value::Text(text), Value::Text(part)]) => {
                self.spend(node, text.len())?;
                Ok(Value::Bool(text.contains(part.as_ref())))
            }
            ("int", [Value::Int(value)]) => Ok(Value::Int(*value)),
            ("int", [Value::Double(value)]) if value.abs() < 9_223_372_036_854_775_000.0 => {
                Ok(Value::Int(value.trunc() as i64))
            }
            ("double", [Value::Double(value)]) => Ok(Value::Double(*value)),
            ("double", [Value::Int(value)]) => Ok(Value::Double(*value as f64)),
            _ => Err(no_value(node, TOO_LARGE)),
        }
    }

    fn each(&mut self, node: &Node, each: Macro, over: &Node, name: &str, body: &Node) -> Result<Value<'a>, Fault> {
        let Value::List(items) = self.value(over)? else { return Err(no_value(over, "this is no list")) };
        let (mut found, mut kept, mut fault) = (0_usize, Vec::new(), None);
        for item in items {
            self.spend(node, 0)?;
            self.names.push((name.to_owned(), item.clone()));
            let value = self.value(body);
            self.names.pop();
            match (each, value) {
                (Macro::All, Ok(Value::Bool(false))) => return Ok(Value::Bool(false)),
                (Macro::Exists, Ok(Value::Bool(true))) => return Ok(Value::Bool(true)),
                // As in CEL, a later item may still decide.
                (Macro::All | Macro::Exists, Err(first)) => fault = fault.or(Some(first)),
                (_, Err(first)) => return Err(first),
                (Macro::Map, Ok(value)) => kept.push(value),
                (_, Ok(Value::Bool(true))) => {
                    found += 1;
                    kept.push(item);
                }
                _ => {}
            }
        }
        match (each, fault) {
            (Macro::All | Macro::Exists, Some(fault)) => Err(fault),
            (Macro::All, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, _) => Ok(Value::Bool(found == 1)),
            (Macro::Filter | Macro::Map, _) => Ok(Value::List(kept)),
        }
    }
}

const TOO_LARGE: &str = "the number is out of range";
