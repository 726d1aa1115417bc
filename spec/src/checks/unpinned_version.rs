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

fn at(span: Span, name: &str, what: &str, example: &str) -> Diagnostic {
    Diagnostic::warning(EXPLANATION.code, span, format!("the version of `{name}` {what}"))
        .with_help(format!("say which one, for example `version: \"{example}\"`"))
}

/// A version of each engine that archgen was tried with.
fn example(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Redis => "7.2",
        StoreKind::Postgres => "15",
        StoreKind::Cassandra => "4.1",
        StoreKind::Mongodb => "7.0",
        StoreKind::Kafka => "3.7",
        StoreKind::Elasticsearch => "8.15",
        StoreKind::S3 => "1.0",
    }
}

fn pinned(version: &str) -> bool {
    let plain = |b: u8| b.is_ascii_digit() || b == b'.';
    version.bytes().next().is_some_and(|b| b.is_ascii_digit()) && version.bytes().all(plain)
}

/// Versions of real engines and of nginx. An embedded part has archgen's version; S3 is a service without one.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for (store, model) in context.stores.iter().zip(&context.topology.stores) {
        match &store.value.version {
            Some(version) if !pinned(&version.value.0) => {
                out.push(at(version.span, &store.name.value, "is not a number", example(model.kind)))
            }
            None if !model.embedded
                && !store.value.said.contains(&"version")
                && model.kind != StoreKind::S3
                && store.value.kind.is_some() =>
            {
                out.push(at(store.name.span, &store.name.value, "is not pinned", example(model.kind)));
            }
            _ => {}
        }
    }
    if let (Some(gateway), Some(model)) = (&context.spec.gateway, &context.topology.gateway)
        && !model.embedded
        && !gateway.value.said.contains(&"version")
    {
        out.push(at(gateway.value.here, "gateway", "is not pinned", "1.22"));
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
