//! AG064: an expression has no value for this system.

use super::Explanation;
use crate::diagnostic::Code;

/// What the code means. [`super::rules::faulty`] reports it.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(64),
    title: "an expression has no value",
    why: "Arithmetic can fail for some systems: a division by a number that is zero here, a product that no number holds, lists inside lists that take more than ten million steps. What has no value is neither kept nor broken, so the policy is refused instead of passed over.",
    fix: "Ask first whether the divisor is zero (`store.nodes > 0 && …`), and go through lists one after the other instead of inside one another.",
    before: r#"stores:
  cache: { kind: redis, version: "7.2" }
policies:
  - { id: packed, every: store, check: store.disk_bytes / store.memory_bytes < 100 }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2" }
policies:
  - { id: packed, every: store, check: store.memory_bytes == 0 || store.disk_bytes / store.memory_bytes < 100 }
"#,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }

    #[test]
    fn lists_inside_lists_are_refused_in_bounded_time() {
        let stores: String = (0..300).map(|i| format!("  s{i}: {{ kind: redis, embedded: true }}\n")).collect();
        let text = format!(
            "stores:\n{stores}policies:\n  - {{ id: p, check: 'stores.all(a, stores.all(b, stores.all(c, a.nodes + b.nodes + c.nodes > 0)))' }}\n"
        );
        let found = crate::checks::testing::codes(&text);
        assert!(found.iter().any(|(code, _)| *code == EXPLANATION.code), "{found:?}");
    }
}
