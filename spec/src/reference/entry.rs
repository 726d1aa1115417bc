//! What there is to say about one key: everything that the declarations in `ast` cannot know.

/// The documentation of one key, or of the names below one.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Where it stands: `gateway.routes.*.timeout`. A `*` stands for a name that someone chose, `[]` for an item of a list.
    pub path: &'static str,
    /// What it is, one sentence.
    pub summary: &'static str,
    /// What applies where nothing is written.
    pub default: Default,
    /// What a bare number counts; empty where the form says it or there is none.
    pub unit: &'static str,
    /// Why it exists and what to weigh; may be empty.
    pub why: &'static str,
    /// What changes when it changes.
    pub reaches: &'static [Part],
    /// The value in an example.
    pub example: &'static str,
}

/// What applies where a key is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It must be written.
    Required,
    /// Nothing: what it describes is absent.
    Absent(&'static str),
    /// This value, for this reason.
    Value(&'static str, &'static str),
    /// A value that follows from others, in words.
    Derived(&'static str),
}

/// What a key can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `archgen check` judges it.
    Checks,
    /// nginx configuration.
    Nginx,
    /// Consul registrations and intentions.
    Consul,
    /// PostgreSQL DDL.
    Postgres,
    /// Cassandra DDL.
    Cassandra,
    /// The Compose file.
    Compose,
    /// Diagrams.
    Diagrams,
    /// Rules, alerts and dashboards.
    Alerts,
    /// The slot and capacity plan.
    Plan,
    /// A running fleet.
    Up,
    /// The simulation.
    Sim,
}

impl Part {
    /// Every part, in the order in which they are listed.
    pub const ALL: [Self; 11] = [
        Self::Checks,
        Self::Nginx,
        Self::Consul,
        Self::Postgres,
        Self::Cassandra,
        Self::Compose,
        Self::Diagrams,
        Self::Alerts,
        Self::Plan,
        Self::Up,
        Self::Sim,
    ];

    /// As printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checks => "archgen check",
            Self::Nginx => "nginx configuration",
            Self::Consul => "Consul files",
            Self::Postgres => "PostgreSQL DDL",
            Self::Cassandra => "Cassandra DDL",
            Self::Compose => "Compose file",
            Self::Diagrams => "diagrams",
            Self::Alerts => "alerts and dashboards",
            Self::Plan => "shard and capacity plan",
            Self::Up => "running fleet",
            Self::Sim => "simulation",
        }
    }
}

/// Begins the documentation of a key: its path, what it is, the value in an example.
pub(super) const fn key(path: &'static str, summary: &'static str, example: &'static str) -> Entry {
    Entry { path, summary, default: Default::Absent(""), unit: "", why: "", reaches: &[], example }
}

impl Entry {
    pub(super) const fn required(self) -> Self {
        Self { default: Default::Required, ..self }
    }

    pub(super) const fn absent(self, means: &'static str) -> Self {
        Self { default: Default::Absent(means), ..self }
    }

    pub(super) const fn value(self, shown: &'static str, reason: &'static str) -> Self {
        Self { default: Default::Value(shown, reason), ..self }
    }

    pub(super) const fn derived(self, how: &'static str) -> Self {
        Self { default: Default::Derived(how), ..self }
    }

    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    pub(super) const fn reaches(self, reaches: &'static [Part]) -> Self {
        Self { reaches, ..self }
    }
}
