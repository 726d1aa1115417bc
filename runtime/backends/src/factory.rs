//! [`connect`]: the one place that knows which engines are built in.

use std::sync::Arc;

use archgen_env::Env;

use crate::{Backend, Engine, Metrics, Target};

/// The engine's driver is not in this build.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "store `{store}`: this build of archgen has no {product} driver; build it with `cargo build --release --features {feature}` (`real` for all engines), or set `embedded: true`"
)]
pub struct NotBuilt {
    /// The store's name in the spec.
    pub store: String,
    /// The product.
    pub product: &'static str,
    /// The cargo feature that has it.
    pub feature: &'static str,
}

/// Makes a backend.
type Open = fn(&Env, Target, Metrics) -> Arc<dyn Backend>;

/// The maker of an engine's backends, where its driver is built in.
fn maker(engine: Engine) -> Option<Open> {
    let built: &[(Engine, Open)] = &[
        #[cfg(feature = "cassandra")]
        (Engine::Cassandra, crate::cassandra::open),
        #[cfg(feature = "consul")]
        (Engine::Consul, crate::consul::open),
        #[cfg(feature = "elasticsearch")]
        (Engine::Elasticsearch, crate::elasticsearch::open),
        #[cfg(feature = "kafka")]
        (Engine::Kafka, crate::kafka::open),
        #[cfg(feature = "mongodb")]
        (Engine::Mongodb, crate::mongodb::open),
        #[cfg(feature = "postgres")]
        (Engine::Postgres, crate::postgres::open),
        #[cfg(feature = "redis")]
        (Engine::Redis, crate::redis::open),
        #[cfg(feature = "s3")]
        (Engine::S3, crate::s3::open),
    ];
    built.iter().find(|(of, _)| *of == engine).map(|(_, open)| *open)
}

/// Whether the engine's driver is in this build.
pub fn is_built(engine: Engine) -> bool {
    maker(engine).is_some()
}

/// A backend for this target. It connects when it is first used.
///
/// # Errors
/// [`NotBuilt`].
pub fn connect(env: &Env, target: Target, metrics: Metrics) -> Result<Arc<dyn Backend>, NotBuilt> {
    match maker(target.engine) {
        Some(open) => Ok(open(env, target, metrics)),
        None => {
            let engine = target.engine;
            Err(NotBuilt { store: target.store, product: engine.product(), feature: engine.feature() })
        }
    }
}
