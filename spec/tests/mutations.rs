//! Random damage to a sound spec: the loader never panics, every place lies in its file, both renderings work, and a
//! topology is given exactly when there is no error.

use archgen_spec::diagnostic::{Severity, human, json};
use archgen_spec::source::Span;
use archgen_spec::{Loaded, ReadError, load};
use proptest::prelude::*;

const SLACK: &str = include_str!("../../examples/slack/topology.yaml");
const OVERLAY: &str = include_str!("../../examples/slack/env/sim.yaml");

#[derive(Debug, Clone)]
enum Damage {
    Delete(usize, usize),
    Insert(usize, String),
    Swap(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces = prop_oneof![
        "[a-z:{}\\[\\]\"'#&*!|>%@`,\\- \n\t]{1,6}",
        Just("!unset ".to_owned()),
        Just("!add {".to_owned()),
        Just("${vars.".to_owned()),
        Just("${env.X}".to_owned()),
        Just("null".to_owned()),
        Just("é\u{feff}\r\n".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("secret:".to_owned()),
        Just(" AKIAIOSFODNN7EXAMPLE ".to_owned()),
    ];
    prop_oneof![
        (any::<usize>(), 1_usize..60).prop_map(|(at, n)| Damage::Delete(at, n)),
        (any::<usize>(), pieces).prop_map(|(at, text)| Damage::Insert(at, text)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

fn damaged(text: &str, all: &[Damage]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for damage in all {
        let length = chars.len().max(1);
        match damage {
            Damage::Delete(at, n) => {
                let from = (at % length).min(chars.len());
                chars.drain(from..(from + n).min(chars.len()));
            }
            Damage::Insert(at, piece) => {
                let from = (at % length).min(chars.len());
                chars.splice(from..from, piece.chars());
            }
            // Two words change places: often still YAML, seldom still sound.
            Damage::Swap(a, b) => {
                let text: String = chars.iter().collect();
                let mut words: Vec<&str> = text.split(' ').collect();
                let (a, b) = (a % words.len(), b % words.len());
                words.swap(a, b);
                chars = words.join(" ").chars().collect();
            }
        }
    }
    chars.into_iter().collect()
}

fn sound(loaded: &Loaded, span: Span) -> bool {
    let text = loaded.sources.text(span.file);
    span.start <= span.end
        && span.end <= text.len()
        && text.is_char_boundary(span.start)
        && text.is_char_boundary(span.end)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn damage_is_reported_and_never_fatal(base in prop::collection::vec(damage(), 0..4), over in prop::collection::vec(damage(), 0..3)) {
        let overlay = damaged(OVERLAY, &over);
        let read = |path: &str| if path == "env/sim.yaml" { Ok(overlay.clone()) } else { Err(ReadError::Missing) };
        let loaded = load("slack/topology.yaml", damaged(SLACK, &base), Some("sim"), &read, &|_| None);
        let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        prop_assert_eq!(loaded.topology.is_none(), errors > 0);
        for diagnostic in &loaded.diagnostics {
            prop_assert!(sound(&loaded, diagnostic.primary), "{:?}", diagnostic);
            prop_assert!(diagnostic.related.iter().all(|(span, _)| sound(&loaded, *span)), "{:?}", diagnostic);
        }
        let shown = human(&loaded.diagnostics, &loaded.sources, false);
        prop_assert!(!shown.contains("AKIAIOSFODNN7EXAMPLE"), "{}", shown);
        prop_assert_eq!(shown.is_empty(), loaded.diagnostics.is_empty());
        let machine = json(&loaded.diagnostics, &loaded.sources);
        prop_assert!(machine.starts_with("{\"version\":1"), "not a report");
    }
}
