//! What can be written in the expression of a policy or a test: the facts of what it is asked of, lists of all, and facts of the
//! element that a list is gone through with.

use super::{Completion, CompletionKind, Project};
use crate::expression::{FACTS, Subject};
use crate::source::{FileId, Span};

impl Project {
    /// The facts that may stand where a word is typed. `names` lead to the expression, which begins at `start`.
    pub(super) fn facts(
        &self,
        file: FileId,
        names: &[&str],
        start: usize,
        (typed, span): (&str, Span),
    ) -> Vec<Completion> {
        let owner = names.split_last().and_then(|(_, owner)| self.section(file, owner, start));
        let every = owner.and_then(|owner| owner.get("every")?.text());
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
        let word = typed.rsplit(|c| !plain(c)).next().unwrap_or_default();
        let span = Span { start: (span.start + typed.len() - word.len()).min(span.end), ..span };
        let one = |label: String, detail: &str, what: &str| Completion {
            text: label.clone(),
            label,
            kind: CompletionKind::Name,
            detail: detail.to_owned(),
            documentation: what.to_owned(),
            span,
        };
        // `services.all(s, s.replicas >= 2)`: inside, `s` is a service.
        let element = word.split_once('.').and_then(|(name, _)| Some((name, gone_through(typed, name)?)));
        if let Some((name, of)) = element {
            let facts = FACTS.iter().filter(|fact| fact.of == of);
            return facts.map(|fact| one(format!("{name}.{}", fact.name), fact.kind.name(), fact.what)).collect();
        }
        let asked = |of: Subject| every.map_or(!of.many(), |every| !of.many() || of.name() == every);
        let facts = FACTS.iter().filter(|fact| asked(fact.of));
        let mut all: Vec<Completion> =
            facts.map(|fact| one(format!("{}.{}", fact.of.name(), fact.name), fact.kind.name(), fact.what)).collect();
        let lists = Subject::ALL.into_iter().filter(|of| of.many());
        all.extend(lists.map(|of| one(of.plural().to_owned(), "list", &format!("Every {}.", of.name()))));
        all
    }
}

/// What the element of this name is one of, where a list is gone through with it: `services.all(s, `.
fn gone_through(typed: &str, name: &str) -> Option<Subject> {
    let (before, _) = typed.rsplit_once(&format!("({name},"))?;
    let (list, _) = before.rsplit_once('.')?;
    let list = list.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
    Subject::ALL.into_iter().find(|of| of.many() && of.plural() == list)
}
