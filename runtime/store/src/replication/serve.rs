//! The routes by which the nodes of a group reach each other, under the fleet's key.

use std::sync::Arc;

use archgen_env::http::Problem;
use archgen_ports::ServiceKey;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use http::{HeaderMap, StatusCode};

use super::{
    replica::Replica,
    wire::{Ask, Ship},
};

/// A whole copy in one body.
const SHIP_BYTES_MAX: usize = 64 << 20;

pub(crate) fn routes(replica: Arc<Replica>) -> Router {
    Router::new()
        .route("/replica/ship", post(on_ship))
        .route("/replica/ask", post(on_ask))
        .layer(DefaultBodyLimit::max(SHIP_BYTES_MAX))
        .with_state(replica)
}

fn guard(replica: &Replica, headers: &HeaderMap) -> Result<(), Problem> {
    let presented = headers.get(ServiceKey::HEADER).map(|v| v.as_bytes()).unwrap_or_default();
    match replica.key.matches(presented) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::UNAUTHORIZED, "fleet_only", "the store serves its fleet only")),
    }
}

async fn on_ship(State(replica): State<Arc<Replica>>, headers: HeaderMap, body: Bytes) -> Result<Vec<u8>, Problem> {
    guard(&replica, &headers)?;
    let ship = Ship::decode(&body).ok_or_else(|| Problem::invalid("not a shipment"))?;
    Ok(replica.on_ship(ship).await.encode())
}

async fn on_ask(State(replica): State<Arc<Replica>>, headers: HeaderMap, body: Bytes) -> Result<Vec<u8>, Problem> {
    guard(&replica, &headers)?;
    let ask = Ask::decode(&body).ok_or_else(|| Problem::invalid("not a question"))?;
    Ok(replica.on_ask(ask).await.encode())
}
