//! AG067: an assertion of the system's own tests does not hold.

use super::Explanation;
use super::rules::Broken;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::units::{Factor, Unit};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(67),
    title: "a test of the system fails",
    why: "A test asks what must be true of the planned system, also under more load than is declared: `load: 3x`. It fails before anything is built; without it the shortage is found on the day on which the load has come.",
    fix: "Give the system what the message shows to be short, or change the assertion. Scenarios (`lose`, `expect`) are played by the simulator, not here.",
    before: r#"zones: [eu-a, eu-b, eu-c]
load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 6, connections_per_replica: 250k }
tests:
  - { id: twice-the-people, load: 2x, every: capacity, check: capacity.used <= 0.9 }
"#,
    after: r#"zones: [eu-a, eu-b, eu-c]
load: { users: 5M, online: 800k }
realtime: { kind: socketio, replicas: 9, connections_per_replica: 250k }
tests:
  - { id: twice-the-people, load: 2x, every: capacity, check: capacity.used <= 0.9 }
"#,
};

/// An assertion does not hold.
pub fn at(id: &str, text: Span, load: f64, broken: &Broken) -> Diagnostic {
    let dash = if broken.what.is_empty() { "" } else { ": " };
    let under = if load == 1.0 { String::new() } else { format!(" under {} the load", Factor(load).print()) };
    let message = format!("the test `{id}` fails{under}{dash}{}", broken.what);
    let mut fault = Diagnostic::error(EXPLANATION.code, text, message);
    for (span, what) in &broken.places {
        fault = fault.with_related(*span, what.clone());
    }
    fault.with_help("change what it asks about, or the test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
