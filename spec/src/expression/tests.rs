//! What is accepted, what is refused and where, and bounds.

use proptest::prelude::*;

use super::*;

/// The faults of an expression: the marked text, what is said, the correction.
fn faults(text: &str, every: Option<Subject>) -> Vec<(String, String, Option<String>)> {
    let found = Expression::read(text, every).err().unwrap_or_default();
    found.into_iter().map(|f| (text[f.start..f.end].to_owned(), f.what, f.instead)).collect()
}

fn check(text: &str, expect: &[(&str, &str, Option<&str>)]) {
    let found = faults(text, Some(Subject::Store));
    let found: Vec<_> =
        found.iter().map(|(at, what, instead)| (at.as_str(), what.as_str(), instead.as_deref())).collect();
    assert_eq!(found, expect, "{text}");
}

#[test]
fn good_expressions() {
    for good in [
        "store.replicas >= 2",
        "store.replicas >= 2 && !store.embedded || store.kind in ['s3', \"redis\"]",
        "services.all(s, s.replicas_after_zone_loss >= 1)",
        "stores.filter(s, s.kind == 'kafka').map(s, s.nodes).size() <= 3",
        "services.exists_one(s, s.name.startsWith('u') && size(s.needs) > 0)",
        "capacities.all(c, c.used <= 0.7)",
        "gateway.declared ? gateway.port == 443 : true",
        "double(store.nodes) / 2.0 < 1e3 && -store.nodes < 0 && 7 % 2 == 1",
        "store.nodes < 2.5",
        "topics.all(t, t.retain_days <= 30.0)",
        "[] == [] && !([1, 2] == [1]) && [1] + [2] == [1, 2]",
    ] {
        assert_eq!(faults(good, Some(Subject::Store)), [], "{good}");
    }
}

#[test]
fn faults_of_form_are_marked_at_the_letter() {
    check("store.replicas >= 2 and true", &[("and", "the end, or an operator is due, not `and`", Some("&&"))]);
    check("store.replicas = 2", &[("=", "`=` compares nothing", Some("=="))]);
    check("capacities.all(c, c.used <= 70%)", &[("70%", "a share is written as a number", Some("0.7"))]);
    check("store.replicas >=", &[("=", "the expression ends where a value is due", None)]);
    check("stores.all(s", &[("s", "the expression ends where `,` is due", None)]);
    check("every store.replicas >= 2", &[("every", "`every` stands beside the expression, not in it", None)]);
    check("store.höhe > 1", &[("ö", "`ö` means nothing here", None)]);
    check("store.nodes > 3GB", &[("3GB", "\"3GB\" is no number", None)]);
    check("store.name == 'a", &[("'a", "the quotes are not closed", None)]);
    check("not store.embedded", &[("not", "`not` means nothing here", None)]);
    check("", &[("", "the expression ends where a value is due", None)]);
    check("99999999999999999999 > 1", &[("99999999999999999999", "the number is too large", None)]);
}

#[test]
fn names_and_types_are_checked_before_anything_is_asked() {
    check("store.replcas >= 2", &[("replcas", "a store has no fact `replcas`", Some("replicas"))]);
    check("sture.replicas >= 2", &[("sture", "nothing is called `sture`", Some("store"))]);
    check(
        "service.replicas >= 2",
        &[("service", "there are many services: which one `service` is, is not said", None)],
    );
    check(
        "stores.replicas >= 2",
        &[("replicas", "a list has no facts of its own; `.replicas` is one of each item", None)],
    );
    check("store.replicas", &[("store.replicas", "the expression is a whole number, not true or false", None)]);
    check("store.name > 2", &[(">", "`>` does not go between text and a whole number", None)]);
    check("store.nodes + 1.5 > 2", &[("+", "`+` does not go between a whole number and a number", None)]);
    check(
        "stores.al(s, true)",
        &[("s", "nothing is called `s`", None), ("al", "there is no function `al` here", None)],
    );
    check(
        "stores.all(s, s.nodes)",
        &[("s.nodes", "what is asked of each item is true or false; this is a whole number", None)],
    );
    check("store.nodes.size() > 1", &[("size", "`size` does not take a whole number", None)]);
    check(
        "store.embedded && store.nodes",
        &[("store.nodes", "`&&` joins what is true or false; this is a whole number", None)],
    );
}

#[test]
fn nesting_and_length_are_bounded() {
    let bad = [
        "(".repeat(2000) + "1",
        "!".repeat(2000) + "true",
        "[".repeat(2000),
        "1+".repeat(2000) + "1",
        "a.".repeat(1000),
        "-".repeat(2000),
        "true?".repeat(900) + "1",
        "x".repeat(5000),
    ];
    for text in bad {
        assert!(!faults(&text, None).is_empty());
    }
    let long = "1 + ".repeat(190) + "1 > 0";
    assert_eq!(faults(&long, None), []);
}

#[test]
fn every_fact_has_a_sentence_and_a_name_of_its_own() {
    for (index, fact) in FACTS.iter().enumerate() {
        assert!(
            fact.what.ends_with('.') && fact.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{}",
            fact.name
        );
        assert!(!FACTS[..index].iter().any(|f| f.of == fact.of && f.name == fact.name), "{} twice", fact.name);
    }
    assert!(Subject::ALL.iter().all(|of| FACTS.iter().any(|f| f.of == *of)));
}

proptest! {
    #[test]
    fn any_text_is_answered_with_places_inside_it(text in "\\PC{0,80}") {
        for fault in Expression::read(&text, Some(Subject::Store)).err().unwrap_or_default() {
            prop_assert!(text.get(fault.start..fault.end).is_some(), "{fault:?} in {text:?}");
        }
    }

    #[test]
    fn words_in_any_order_are_answered_with_places_inside_them(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "store", ".", "replicas", "all", "(", ")", "stores", ",", "s", "==", "2", "0.7", "'x'", "&&", "!", "?", ":", "[", "]", "in", "%", "-", "é",
        ]), 0..14),
        gap in proptest::sample::select(vec!["", " "]),
    ) {
        let text = words.join(gap);
        for fault in Expression::read(&text, Some(Subject::Store)).err().unwrap_or_default() {
            prop_assert!(text.get(fault.start..fault.end).is_some(), "{fault:?} in {text:?}");
        }
    }
}
