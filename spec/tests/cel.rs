//! Expressions mean what they mean in CEL: whatever is accepted here has the same value in the crate `cel`.

use archgen_spec::expression::{Value, value_of};
use proptest::prelude::*;

/// The crate's value of an expression; `None` where it has none.
fn theirs(text: &str) -> Option<cel::Value> {
    let program = cel::Env::stdlib().compile(text).unwrap_or_else(|errors| panic!("{text} is no CEL: {errors}"));
    program.execute(&cel::Context::default()).ok()
}

fn same(ours: &Value<'_>, theirs: &cel::Value) -> bool {
    match (ours, theirs) {
        (Value::Bool(a), cel::Value::Bool(b)) => a == b,
        (Value::Int(a), cel::Value::Int(b)) => a == b,
        (Value::Double(a), cel::Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Text(a), cel::Value::String(b)) => a.as_ref() == b.as_str(),
        (Value::List(a), cel::Value::List(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b)),
        _ => false,
    }
}

/// Both give the same value, or both none. Says whether the expression has the right types.
fn compare(text: &str) -> bool {
    match value_of(text) {
        Ok(ours) => {
            let theirs = theirs(text).unwrap_or_else(|| panic!("{text} is {ours:?} here and has no value in CEL"));
            assert!(same(&ours, &theirs), "{text} is {ours:?} here and {theirs:?} in CEL");
            true
        }
        Err(faults) => {
            let typed = faults.iter().all(|f| f.kind == archgen_spec::expression::FaultKind::Value);
            assert!(!typed || theirs(text).is_none(), "{text} has no value here ({faults:?}) but one in CEL");
            typed
        }
    }
}

#[test]
fn what_is_written_by_hand() {
    for text in [
        "1 + 2 * 3 - 4 / 3 == 6 && 7 % 3 == 1",
        "-7 / 2",
        "-7 % 3",
        "1 < 1.5 && 2.0 == 2 && 3 > 2.5 && 1e300 > 9223372036854775807",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "1 / 0 == 1 && false",
        "1 / 0 == 1 && true",
        "[1, 2, 3].all(x, 6 / (x - 2) != 0)",
        "[1, 2, 3].exists(x, 6 / (x - 2) < -5)",
        "[1, 2, 3].exists_one(x, x > 2)",
        "[1, 2, 3].filter(x, x % 2 == 1).map(y, y * 10)",
        "['a', 'b'] + ['c'] == ['a', 'b', 'c']",
        "'b' in ['a', 'b'] && !('x' in [])",
        "'häuser'.size() == 6 && size([1, 2]) == 2",
        "'service-a'.startsWith('service') && 'abc'.endsWith('bc') && 'abc'.contains('b')",
        "true ? 1 : 2",
        "1.0 / 0.0 > 1e300",
        "9223372036854775807 + 1",
        "-9223372036854775807 - 1",
        "int(2.9) == 2 && int(-2.9) == -2 && double(3) == 3.0",
        "'a' < 'b' && false < true",
        "[[1], [2]] == [[1], [2]]",
        "1 in [1.0]",
        "'it\\'s' == \"it's\"",
    ] {
        assert!(compare(text), "{text} is refused");
    }
    // An empty list beside another is of the other's kind, so that what is asked of an item is checked.
    for text in ["(true ? [] : [1]).all(x, x)", "[[], [1]].all(x, x.all(y, y))", "([] + [1]).exists(x, x)"] {
        assert!(!compare(text), "{text} is accepted");
    }
}

/// Random expressions of a type, so that most of them have a value.
fn expressions() -> impl Strategy<Value = String> {
    let whole = prop_oneof![(-9_i64..10).prop_map(|n| n.to_string()), Just("9223372036854775807".to_owned())];
    let real = prop_oneof![(-9_i32..10).prop_map(|n| format!("{:?}", f64::from(n) / 4.0)), Just("1e300".to_owned())];
    let truth = prop_oneof![Just("true".to_owned()), Just("false".to_owned())];
    let text =
        prop_oneof![Just("'a'".to_owned()), Just("'abc'".to_owned()), Just("''".to_owned()), Just("'ä'".to_owned())];
    let leaf = prop_oneof![whole, real, truth, text, Just("[1, 2, 3]".to_owned()), Just("[]".to_owned())];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator =
            proptest::sample::select(vec!["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "in"]);
        let each = proptest::sample::select(vec!["all", "exists", "exists_one", "filter", "map"]);
        let method = proptest::sample::select(vec!["startsWith", "endsWith", "contains"]);
        let body = prop_oneof![
            Just("x".to_owned()),
            Just("x > 1".to_owned()),
            Just("x % 2 == 0".to_owned()),
            Just("1 / (x - 2) > 0".to_owned()),
            inner.clone(),
        ];
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a}) {o} ({b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            (inner.clone(), each, body).prop_map(|(over, each, body)| format!("({over}).{each}(x, {body})")),
            (inner.clone(), method, inner.clone()).prop_map(|(a, m, b)| format!("({a}).{m}({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            inner.clone().prop_map(|a| format!("({a}).size()")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_drawn_at_random(text in expressions()) {
        compare(&text);
    }
}
