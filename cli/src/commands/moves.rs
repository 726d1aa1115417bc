//! `archgen shards status`, `pause`, `resume`, `rollback`: moves of the running fleet's embedded stores.

use std::path::Path;

use anyhow::{Context, anyhow};
use archgen_env::{os, task::Shutdown};
use archgen_fleet::{Journal, MoveError, MoveOrder, Mover};
use serde_json::json;

use crate::{
    arguments::{ReportFormat, ShardsAction},
    exit::{self, Failure, Outcome},
    printer::Printer,
    state::{FleetFile, StateFolder, running_pid, service_key},
};

/// Asks the stores, or tells them.
pub fn run(action: &ShardsAction, printer: Printer) -> Outcome {
    let arguments = action.arguments();
    let state = StateFolder::at(&arguments.state.folder)?;
    if running_pid(&state).is_none() {
        return Err(Failure::new(exit::UNAVAILABLE, "no fleet is up: a move goes on with the next `archgen up`"));
    }
    let fleet = FleetFile::load(&state).map_err(|error| Failure { status: exit::UNAVAILABLE, error })?;
    let env = os::env("shards", Path::new("."), Shutdown::default());
    let key = service_key(&state, &env.entropy("service-key"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let mut found = Vec::new();
    for store in fleet.nodes.keys().filter(|name| arguments.store.as_ref().is_none_or(|s| s == *name)) {
        let Some(first) = fleet.addresses.get(&format!("{store}-1")) else { continue };
        let mover = Mover::new(&env, first.clone(), &key).hasty();
        let done = runtime.block_on(async {
            if let Some(rate) = arguments.move_rate {
                mover.order(MoveOrder::Pace(rate)).await?;
            }
            match action {
                ShardsAction::Status(_) => mover.journal().await,
                ShardsAction::Pause(_) => mover.order(MoveOrder::Pause).await.map(Some),
                ShardsAction::Resume(_) => mover.order(MoveOrder::Resume).await.map(Some),
                ShardsAction::Rollback(_) => mover.order(MoveOrder::Rollback).await.map(Some),
            }
        });
        let journal = done.map_err(|error| {
            let status = if matches!(error, MoveError::None) { exit::USAGE } else { exit::UNAVAILABLE };
            Failure { status, error: anyhow!("{store}: {error}") }
        })?;
        found.push((store.clone(), journal));
    }
    if found.is_empty() {
        return Err(Failure::new(exit::USAGE, "the fleet has no embedded store of that name"));
    }
    match arguments.format {
        ReportFormat::Human => found.iter().for_each(|(store, journal)| printer.data(&line(store, journal.as_ref()))),
        ReportFormat::Json => {
            let all: serde_json::Map<String, serde_json::Value> =
                found.into_iter().map(|(store, journal)| (store, json!(journal))).collect();
            printer.data(&format!("{:#}\n", serde_json::Value::Object(all)));
        }
    }
    Ok(exit::OK)
}

fn line(store: &str, journal: Option<&Journal>) -> String {
    let Some(journal) = journal else { return format!("{store}: nothing was ever moved\n") };
    let (moved, all) = journal.moved;
    let phase = serde_json::to_value(journal.phase).ok().and_then(|p| p.as_str().map(str::to_owned));
    let way = if journal.rolling_back { "going back" } else { "going on" };
    let doing = match (journal.is_done(), journal.paused) {
        (true, _) => "done".to_owned(),
        (_, true) => format!("paused in {}", phase.unwrap_or_default()),
        _ => format!("{way}, {}", phase.unwrap_or_default()),
    };
    format!("{store}: {doing}; {moved} of {all} units moved; calls waited {} ms at most\n", journal.waited_ms_max)
}
