//! AG038: a list names the same thing twice.

use std::collections::BTreeMap;

use super::{Context, Explanation};
use crate::ast::Field;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::{Span, Spanned};

/// What the code means.
pub const EXPLANATION: Explanation = Explanation {
    code: Code(38),
    title: "a list names the same thing twice",
    why: "The second mention has no effect. Mostly another name was meant, which is now missing.",
    fix: "Remove the second mention, or correct it.",
    before: r#"services:
  search: { port: 9600, needs: [user, user] }
  user: { port: 9300 }
"#,
    after: r#"services:
  search: { port: 9600, needs: [user] }
  user: { port: 9300 }
"#,
};

fn list(what: &str, owner: &str, items: &Field<Vec<Spanned<String>>>, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let items = items.iter().flat_map(|i| &i.value);
    let mut last: Option<Span> = None;
    for item in items {
        if let Some(first) = seen.get(item.value.as_str()) {
            let message = format!("{what} of `{owner}` names `{}` twice", item.value);
            // From the end of the item before it, so that the comma or the dash goes, too.
            let whole = last.filter(|l| l.file == item.span.file).map(|l| Span { start: l.end, ..item.span });
            out.push(
                Diagnostic::warning(EXPLANATION.code, item.span, message)
                    .with_help("remove one of them")
                    .with_related(*first, "named here first")
                    .with_fix(whole.map(|span| Fix::remove(span, "remove the second mention"))),
            );
        }
        seen.entry(item.value.as_str()).or_insert(item.span);
        last = Some(item.span);
    }
}

/// The lists of names of every component. Zones are names of their own, which another code compares.
pub fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for service in context.services {
        let name = service.name.value.as_str();
        list("`needs`", name, &service.value.needs, out);
        list("`publishes`", name, &service.value.publishes, out);
        list("`consumes`", name, &service.value.consumes, out);
    }
    if let Some(realtime) = &context.spec.realtime {
        list("`needs`", "realtime", &realtime.value.needs, out);
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
