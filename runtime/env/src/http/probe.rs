//! `/healthz`, `/readyz` and `/metrics` of every host.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, response::IntoResponse, routing::get};
use http::{StatusCode, header};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Metric, Registry, Unit},
};

/// A host's health, readiness and metrics. Cloning shares them.
#[derive(Clone)]
pub struct Probe {
    ready: Arc<AtomicBool>,
    missing: Arc<Mutex<BTreeMap<String, String>>>,
    registry: Arc<Mutex<Registry>>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            ready: Arc::default(),
            missing: Arc::default(),
            registry: Arc::new(Mutex::new(Registry::with_prefix("archgen"))),
        }
    }
}

impl Probe {
    /// Says whether the host is ready to serve.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Says what is missing of a store that the host cannot serve without, or that nothing is.
    pub fn set_missing(&self, store: &str, what: Option<String>) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Some(what) => drop(missing.insert(store.to_owned(), what)),
            None => drop(missing.remove(store)),
        }
    }

    /// Whether the host serves, and else what is missing, a line each.
    fn readiness(&self) -> (StatusCode, String) {
        if !self.ready.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, "starting\n".to_owned());
        }
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        (StatusCode::SERVICE_UNAVAILABLE, missing.values().map(|what| format!("{what}\n")).collect())
    }

    /// Shows a metric that is kept elsewhere, as `archgen_<name>`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// A new counter; its metric is `archgen_<name>_total`.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, counter.clone());
        counter
    }

    /// A new gauge; its metric is `archgen_<name>` with the unit appended where one is given.
    pub fn gauge(&self, name: &str, help: &str, unit: Option<Unit>) -> Gauge {
        let gauge = Gauge::default();
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, gauge.clone()),
            None => registry.register(name, help, gauge.clone()),
        }
        gauge
    }

    /// The three routes.
    pub fn routes(&self) -> Router {
        let (ready, metrics) = (self.clone(), self.clone());
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(move || async move { ready.readiness() }))
            .route("/metrics", get(move || async move { metrics.text() }))
    }

    fn text(&self) -> impl IntoResponse + use<> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match encode(&mut text, &registry) {
            Ok(()) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text)
            }
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], String::new()),
        }
    }
}
