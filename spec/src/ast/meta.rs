//! The root: language version, name, variables, zones, secrets, defaults, environments.

use crate::ast::choice::{choice, choice_decode};
use crate::checks::secret_literal;
use crate::source::{Node, Spanned};
use crate::topology::SecretSource;
use crate::units::{HealthCheck, Period, RestartBackoff};

use super::{
    Decode, Decoder, Drift, Gateway, Load, Name, Named, Objectives, Policy, Prices, Profiles, Realtime, Registry,
    Service, Shape, Sim, Store, Test,
};

section! {
    /// The whole spec.
    pub struct Spec {
        /// Language version, the first key.
        archgen: Language,
        /// The system's name.
        name: Name,
        /// Variables.
        vars: Vec<Named<Spanned<String>>>,
        /// Failure domains.
        zones: Vec<Spanned<String>>,
        /// Secrets, by reference.
        secrets: Vec<Named<Spanned<Secret>>>,
        /// Expected load.
        load: Load,
        /// What things cost.
        prices: Prices,
        /// What is promised.
        objectives: Objectives,
        /// Defaults.
        defaults: Defaults,
        /// Bundles of keys.
        profiles: Profiles,
        /// API gateway.
        gateway: Gateway,
        /// Socket.IO layer.
        realtime: Realtime,
        /// Service registry.
        registry: Registry,
        /// Services.
        services: Vec<Named<Service>>,
        /// Stores.
        stores: Vec<Named<Store>>,
        /// Simulation.
        sim: Sim,
        /// Policies.
        policies: Vec<Spanned<Policy>>,
        /// Tests.
        tests: Vec<Spanned<Test>>,
        /// What differs on purpose from what is generated.
        drift: Drift,
        /// Overlays.
        environments: Vec<Named<Spanned<String>>>,
    }
    required [archgen, name]
}

section! {
    /// Defaults.
    pub struct Defaults {
        /// Of every service.
        service: ServiceDefaults,
    }
    required []
}

section! {
    /// Defaults of every service.
    pub struct ServiceDefaults {
        /// Instances.
        replicas: u32,
        /// Health check.
        health: HealthCheck,
        /// Grace at shutdown.
        stop_within: Period,
        /// Restart backoff.
        restart: RestartBackoff,
    }
    required []
}

choice! {
    /// Versions of the spec language.
    pub enum Language: "a language version" {
        /// The first.
        V1 = "v1",
    }
}

/// Where a secret comes from: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret(pub SecretSource);

impl Decode for Secret {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.text() else {
            decoder.expected(node, "a secret's source", Some("accepted forms: `env:NAME`, `file:./path`".to_owned()));
            return None;
        };
        let source = match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => SecretSource::Environment(name.to_owned()),
            Some(("file", path)) if !path.is_empty() => SecretSource::File(path.to_owned()),
            _ => {
                let fault = secret_literal::source(node.span, &decoder.subject());
                decoder.report(fault);
                return None;
            }
        };
        Some(Self(source))
    }

    fn shape() -> Shape {
        Shape::text("a secret's source", "`env:NAME`, `file:./path`")
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<Self> {
        T::decode(node, decoder).map(|value| Self { value, span: node.span })
    }

    fn shape() -> Shape {
        T::shape()
    }
}
