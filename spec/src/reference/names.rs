//! Which keys declare names and which refer to them. What an editor completes, finds and renames is read off this table.

use super::language::Key;
use crate::ast::Shape;

/// What a key declares, or each item of its list, or each name below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declares {
    /// A service or store: they share one space of names.
    Component,
    /// The component that the key itself names.
    Itself,
    /// A table, collection, topic, index or bucket of the store.
    Dataset,
    /// A column of the table: the first word of the text, or the key.
    Column,
    /// A zone.
    Zone,
    /// A secret.
    Secret,
    /// A variable.
    Variable,
    /// A profile.
    Profile,
    /// A policy.
    Policy,
    /// A test.
    Test,
}

/// What a key refers to, or each item of its list, or each name below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refers {
    /// A service.
    Service,
    /// A service, a store, or `store.dataset`; no log.
    Need,
    /// `store.topic`.
    Topic,
    /// `store.table`: anything but a topic.
    Queried,
    /// Any component.
    Component,
    /// A node of the store, as `chat-1`.
    Node,
    /// A zone.
    Zone,
    /// `secret:name`.
    Secret,
    /// A profile.
    Profile,
    /// `zone eu-b for 60s`, `one messaging for 5s`.
    Loss,
    /// A column of the table around it, or `hash(column)`.
    Column,
    /// A column of the table that the query asks.
    ColumnAsked,
}

/// Patterns of keys that declare.
pub(super) static DECLARES: &[(&str, Declares)] = &[
    ("vars.*", Declares::Variable),
    ("zones", Declares::Zone),
    ("secrets.*", Declares::Secret),
    ("profiles.*", Declares::Profile),
    ("gateway", Declares::Itself),
    ("realtime", Declares::Itself),
    ("registry", Declares::Itself),
    ("services.*", Declares::Component),
    ("stores.*", Declares::Component),
    ("stores.*.tables.*", Declares::Dataset),
    ("stores.*.collections.*", Declares::Dataset),
    ("stores.*.topics.*", Declares::Dataset),
    ("stores.*.indexes.*", Declares::Dataset),
    ("stores.*.buckets.*", Declares::Dataset),
    ("stores.*.tables.*.key", Declares::Column),
    ("stores.*.tables.*.partition", Declares::Column),
    ("stores.*.tables.*.cluster", Declares::Column),
    ("stores.*.tables.*.columns.*", Declares::Column),
    ("policies[].id", Declares::Policy),
    ("tests[].id", Declares::Test),
];

/// Patterns of keys that refer.
pub(super) static REFERS: &[(&str, Refers)] = &[
    ("prices.components.*", Refers::Component),
    ("objectives.components.*", Refers::Component),
    ("profiles.*.profile", Refers::Profile),
    ("profiles.*.credentials.password", Refers::Secret),
    ("profiles.*.tls", Refers::Secret),
    ("gateway.tls", Refers::Secret),
    ("gateway.auth.by", Refers::Service),
    ("gateway.routes.*.to", Refers::Service),
    ("realtime.needs", Refers::Need),
    ("registry.token", Refers::Secret),
    ("services.*.profile", Refers::Profile),
    ("services.*.needs", Refers::Need),
    ("services.*.publishes", Refers::Topic),
    ("services.*.consumes", Refers::Topic),
    ("services.*.queries.*.on", Refers::Queried),
    ("services.*.queries.*.by", Refers::ColumnAsked),
    ("services.*.env.*", Refers::Secret),
    ("stores.*.profile", Refers::Profile),
    ("stores.*.credentials.password", Refers::Secret),
    ("stores.*.tls", Refers::Secret),
    ("stores.*.weights.*", Refers::Node),
    ("stores.*.tables.*.indexes.*", Refers::Column),
    ("stores.*.tables.*.shard.by", Refers::Column),
    ("stores.*.tables.*.tenant", Refers::Column),
    ("sim.faults[].on", Refers::Component),
    ("sim.faults[].between", Refers::Component),
    ("sim.faults[].zone", Refers::Zone),
    ("tests[].lose", Refers::Loss),
];

pub(super) fn of<T: Copy>(table: &[(&str, T)], path: &str) -> Option<T> {
    table.iter().find(|(pattern, _)| *pattern == path).map(|(_, what)| *what)
}

impl Key {
    /// Whether the names themselves, which stand as keys of a mapping, are what is declared or referred to.
    pub fn names_are_keys(&self) -> bool {
        let refers = matches!(self.refers, Some(Refers::Component | Refers::Node));
        self.declares == Some(Declares::Itself) || (self.name() == "*" && (self.declares.is_some() || refers))
    }

    /// Whether what it declares or refers to stands in the items of a list; `None` where it may stand in either.
    pub fn in_items(&self) -> Option<bool> {
        match &self.shape {
            Shape::List(_) | Shape::Pair(_) => Some(true),
            Shape::Either(_) => None,
            _ => Some(false),
        }
    }
}
