//! The `tests:` section: assertions on the facts of the system, and scenarios with the outcomes that are expected of them.

use crate::checks::bad_unit;
use crate::expression::Subject;
use crate::source::{Node, Spanned};
use crate::topology::Invariant;
use crate::units::{Factor, Period, Unit};

use super::{Choice, Decode, Decoder, Name, Shape};

section! {
    /// One test.
    pub struct Test {
        /// Its id.
        id: Name,
        /// What the assertion is asked of, one by one.
        every: Subject,
        /// Times the declared load.
        load: Factor,
        /// The assertion.
        check: String,
        /// What is lost.
        lose: Loss,
        /// What is expected while it is lost and afterwards.
        expect: Vec<Spanned<Expectation>>,
    }
    required [id]
}

/// `zone eu-b for 60s`, `one messaging for 5s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// A whole zone, or one instance of a component.
    pub whole_zone: bool,
    /// Its name.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// Where the name begins in the text.
    pub name_at: usize,
    /// For how long.
    pub lasts: Period,
}

const LOSS: &str = "a loss";
const LOSS_FORMS: &str = "`zone eu-b for 60s`, `one messaging for 5s`";

impl Decode for Loss {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        let words: Vec<&str> = text.split(' ').collect();
        let loss = match words.as_slice() {
            [what @ ("zone" | "one"), name, "for", lasts] if !name.is_empty() => {
                let lasts = Period::parse(lasts).ok().filter(|l| !l.0.is_zero());
                let (whole_zone, name_at) = (*what == "zone", what.len() + 1);
                lasts.map(|lasts| Self { whole_zone, name: (*name).to_owned(), text: text.clone(), name_at, lasts })
            }
            _ => None,
        };
        if loss.is_none() {
            decoder.report(bad_unit::at(node.span, &text, LOSS, LOSS_FORMS));
        }
        loss
    }

    fn shape() -> Shape {
        Shape::text(LOSS, LOSS_FORMS)
    }
}

/// What is expected of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// An invariant holds.
    Keeps(Invariant),
    /// Nobody's sends stay without an acknowledgement for longer.
    SendsRefusedAtMost(Period),
}

const EXPECTATION: &str = "an expectation";
const EXPECTATION_FORMS: &str = "`sends refused for at most 10s`, or an invariant: `acked-not-lost`, `per-channel-order`, \
                                 `exactly-once-effect`, `notified-at-least-once`, `search-converges`, `revoked-means-out`";

impl Decode for Expectation {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        let invariant = Invariant::words().iter().find(|(word, _)| *word == text).map(|(_, i)| Self::Keeps(*i));
        let bound = text.strip_prefix("sends refused for at most ").and_then(|bound| Period::parse(bound).ok());
        let found = invariant.or(bound.map(Self::SendsRefusedAtMost));
        if found.is_none() {
            let words: Vec<&str> = Invariant::words().iter().map(|(word, _)| *word).collect();
            let guess = crate::checks::nearest(&text, words).map(str::to_owned);
            decoder.report(bad_unit::guessed(node.span, &text, EXPECTATION, EXPECTATION_FORMS, guess));
        }
        found
    }

    fn shape() -> Shape {
        let words = Invariant::words().iter().map(|(word, _)| *word).collect();
        Shape::Either(vec![
            Shape::Choice { what: "an invariant", words },
            Shape::text("a bound", "`sends refused for at most 10s`"),
        ])
    }
}
