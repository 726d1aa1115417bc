//! Direct conversations: the same people always meet in the same one.

use std::collections::BTreeSet;

use archgen_ports::UserId;
use axum::{Json, extract::State as Extract};
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{Answer, fresh},
    channels::{self, Kind},
    error::MessagingError,
    state::Shared,
};
use crate::{host::Payload, identity::Caller};

/// People of a group message.
const GROUP_MAX: usize = 9;

#[derive(Deserialize, JsonSchema)]
pub(super) struct NewDirect {
    /// Ids of the people, the caller or not.
    users: Vec<String>,
}

pub(super) async fn direct(
    Extract(Shared(state)): Extract<Shared>,
    caller: Caller,
    Payload(new): Payload<NewDirect>,
) -> Answer {
    let mut people: BTreeSet<UserId> = new.users.into_iter().map(UserId).collect();
    people.insert(caller.user.clone());
    if people.len() < 2 || people.len() > GROUP_MAX {
        return Err(MessagingError::Invalid(format!("a direct message has 2 to {GROUP_MAX} people, you among them")));
    }
    let failed = |error: archgen_env::http::ClientError| MessagingError::User(error.to_string());
    let lookup = json!({"ids": people});
    let reply = state.config.user.call(Method::POST, "/internal/users/lookup", &lookup).await.map_err(failed)?;
    let known: Value = reply.json().map_err(failed)?;
    if known["items"].as_array().map_or(0, Vec::len) != people.len() {
        return Err(MessagingError::NotFound("user"));
    }
    let people: Vec<UserId> = people.into_iter().collect();
    let key = people.iter().map(UserId::as_str).collect::<Vec<_>>().join(",");
    let kind = if people.len() == 2 { Kind::Dm } else { Kind::GroupDm };
    let channel = fresh(&state, String::new(), kind, &caller.user, Some(key));
    let channel = state.rows().create(channel, &people).await?;
    Ok(Json(channels::shown(&channel, true)))
}
