//! The `sim:` section.

use crate::ast::choice::{choice, choice_decode};
use crate::source::{Node, Spanned};
use crate::topology::Invariant;
use crate::units::{Period, PeriodRange, Probability, Tolerance};

use super::{Choice, Decider, Decode, Decoder, Shape, Variants};

section! {
    /// How the simulator attacks the system.
    pub struct Sim {
        /// Simulated time under faults.
        duration: Period,
        /// Simulated time after healing.
        settle: Period,
        /// Simulated people.
        clients: u32,
        /// Sends per person.
        sends: u32,
        /// Faults.
        faults: Vec<Spanned<Fault>>,
        /// Promises to check.
        invariants: Vec<Spanned<Invariant>>,
    }
    required []
}

section! {
    /// One fault.
    pub struct Fault {
        /// What happens.
        kind: FaultName,
        /// Partition: the two sides.
        between: Sides,
        /// Partition: only the first to the second.
        one_way: bool,
        /// How long.
        r#for: PeriodRange,
        /// How likely per second.
        p: Probability,
        /// Whom it hits.
        on: String,
        /// Clock skew: largest offset.
        by: Tolerance,
        /// Zone loss: which zone.
        zone: String,
    }
    required [kind, between, on, by, zone]
    limited by fault_keys, variants fault_variants
}

choice! {
    /// Kinds of fault.
    pub enum FaultName: "a fault kind" {
        /// No traffic between two components.
        Partition = "partition",
        /// The process exits.
        Crash = "crash",
        /// Power is lost: unsynced writes die.
        PowerLoss = "power-loss",
        /// The wall clock is wrong.
        ClockSkew = "clock-skew",
        /// A whole zone loses power.
        ZoneLoss = "zone-loss",
    }
}

/// The two sides of a partition.
#[derive(Debug, Clone)]
pub struct Sides(pub Spanned<String>, pub Spanned<String>);

impl Decode for Sides {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let both: Vec<Spanned<String>> = Vec::decode(node, decoder)?;
        match <[Spanned<String>; 2]>::try_from(both) {
            Ok([a, b]) => Some(Self(a, b)),
            Err(both) => {
                let found = format!("{} names", both.len());
                let fault = crate::checks::wrong_type::at(
                    node.span,
                    &decoder.subject(),
                    "two component names",
                    &found,
                    Some("write it as `[messaging, chat]`".to_owned()),
                );
                decoder.report(fault);
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Pair(Box::new(String::shape()))
    }
}

impl Choice for Invariant {
    const WHAT: &'static str = "an invariant";
    fn words() -> &'static [(&'static str, Self)] {
        &Self::ALL
    }
}

choice_decode!(Invariant);

/// The keys of a fault of this kind.
fn keys_of(kind: FaultName) -> Vec<&'static str> {
    match kind {
        FaultName::Partition => vec!["kind", "between", "one_way", "for", "p"],
        FaultName::Crash | FaultName::PowerLoss => vec!["kind", "on", "p", "for"],
        FaultName::ClockSkew => vec!["kind", "on", "by"],
        FaultName::ZoneLoss => vec!["kind", "zone", "for", "p"],
    }
}

fn fault_keys(node: &Node, _: &mut Decoder<'_>) -> Option<(String, Vec<&'static str>)> {
    let word = node.get("kind").and_then(Node::text)?;
    let kind = FaultName::words().iter().find(|(w, _)| *w == word)?.1;
    Some((format!("a {word} fault"), keys_of(kind)))
}

fn fault_variants() -> Variants {
    let cases = FaultName::words().iter().map(|(word, kind)| (*word, keys_of(*kind))).collect();
    Variants { by: Decider::Kind, cases }
}
