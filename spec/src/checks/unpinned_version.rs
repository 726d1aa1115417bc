//! AG052: a version that is not pinned.

use super::{Context, Explanation};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::topology::StoreKind;

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(52),
    title: "a version is not pinned",
    why: "Generated configuration depends on the version of the program that reads it. Without one, or with `latest`, the same spec means something else next month.",
    fix: "Say `version: \"15\"` or `version: \"7.2\"`.",
    before: r#"stores:
  cache: { kind: redis }
"#,
    after: r#"stores:
  cache: { kind: redis, version: "7.2" }
"#,
};

fn at(span: Span, name: &str, what: &str) -> Diagnostic {
    Diagnostic::warning(EXPLANATION.code, span, format!("the version of `{name}` {what}"))
        .with_help("say which one, for example `version: \"7.2\"`")
}

fn pinned(version: &str) -> bool {
    let plain = |b: u8| b.is_ascii_digit() || b == b'.';
    version.bytes().next().is_some_and(|b| b.is_ascii_digit()) && version.bytes().all(plain)
}

/// Versions of real engines and of nginx. An embedded part has archgen's version; S3 is a service without one.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, model) in context.stores.iter().zip(&context.topology.stores) {
        match &store.value.version {
            Some(version) if !pinned(&version.value) => {
                out.push(at(version.span, &store.name.value, "is not a number"))
            }
            None if !model.embedded
                && !store.value.said.contains(&"version")
                && model.kind != StoreKind::S3
                && store.value.kind.is_some() =>
            {
                out.push(at(store.name.span, &store.name.value, "is not pinned"));
            }
            _ => {}
        }
    }
    if let (Some(gateway), Some(model)) = (&context.spec.gateway, &context.topology.gateway)
        && !model.embedded
        && !gateway.value.said.contains(&"version")
    {
        out.push(at(gateway.value.here, "gateway", "is not pinned"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_holds() {
        crate::checks::testing::holds(&EXPLANATION);
    }
}
