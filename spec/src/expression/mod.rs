//! The expressions of policies and tests: the part of CEL (the Common Expression Language) that has no errors a spec could not explain.
//!
//! Every expression here means the same in CEL; `spec/tests/cel.rs` holds that against the crate `cel`. They are read here because a
//! faulty one must be marked at the letter, named by the facts there are, and refused within bounds; the crate keeps no places, and its
//! parsers exhaust the stack on a line of brackets.
//!
//! `token` → `syntax` → `typing` (against `facts`) → `evaluate`.

mod evaluate;
mod facts;
mod fault;
mod syntax;
#[cfg(test)]
mod tests;
mod token;
mod typing;
mod value;

pub use facts::{FACTS, Fact, FactKind, Subject, World};
pub use fault::{Fault, FaultKind};
pub use syntax::Node;
pub use value::Value;

use crate::source::Spanned;

/// Characters of an expression.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

/// An expression that can be evaluated: read, with every name known and every type right, and boolean as a whole.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Node,
}

impl Expression {
    /// Reads an expression about the system, or about each thing of one kind.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(text: &str, every: Option<Subject>) -> Result<Self, Vec<Fault>> {
        let root = syntax::parse(text).map_err(|fault| vec![fault])?;
        let faults = typing::check(&root, every);
        if faults.is_empty() { Ok(Self { root }) } else { Err(faults) }
    }

    /// Whether it holds of the system, given the thing that `every` stands for by its kind and index. `steps` counts down; what
    /// would take more of them is a fault.
    ///
    /// # Errors
    /// It has no value: a division by zero, a number out of range, too many steps.
    pub fn holds(&self, world: &World<'_>, of: Option<(Subject, usize)>, steps: &mut u64) -> Result<bool, Fault> {
        evaluate::evaluate(&self.root, world, of, steps)
    }
}

impl Expression {
    /// The facts that it mentions of a thing (or of what there is only one of), with their values: `store.replicas is 1`.
    pub fn figures(&self, world: &World<'_>, of: Option<(Subject, usize)>) -> Vec<String> {
        let mut all = Vec::new();
        evaluate::figures(&self.root, world, of, &mut all);
        all.truncate(FIGURES_MAX);
        all
    }
}

/// Facts that a message shows.
const FIGURES_MAX: usize = 4;

/// Reads and evaluates an expression without names: what the comparison with the crate `cel` uses.
///
/// # Errors
/// It cannot be read, or has no value.
pub fn value_of(text: &str) -> Result<Value<'static>, Vec<Fault>> {
    let root = syntax::parse(text).map_err(|fault| vec![fault])?;
    let faults = typing::check_any(&root);
    if !faults.is_empty() {
        return Err(faults);
    }
    let nothing = World::nothing();
    let mut steps = STEPS_MAX;
    evaluate::value(&root, &nothing, &mut steps).map(Value::owned).map_err(|fault| vec![fault])
}

/// Steps that one expression may take over the whole system.
pub const STEPS_MAX: u64 = 10_000_000;

impl Fault {
    /// The place of the fault in a spec.
    pub fn span(&self, text: &Spanned<String>) -> crate::source::Span {
        text.part(self.start, self.end)
    }
}
