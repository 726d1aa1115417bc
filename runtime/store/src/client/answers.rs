//! How answers are put together: those of several nodes, and those of one that come in parts.

use std::future::Future;

use archgen_ports::{
    StoreError,
    messages::{Lease, LogEntry},
};

/// What an error says of a change that is made in parts: once one of them was applied, a refusal of another is none of the whole.
pub(super) fn of_whole(applied: bool, error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(why) if applied => StoreError::Indeterminate(format!("a part was applied, then: {why}")),
        error => error,
    }
}

/// The leases of the nodes that answered, by shard: one that is down takes away its own shards only.
pub(super) fn reached(answers: Vec<Result<Vec<Lease>, StoreError>>) -> Result<Vec<Lease>, StoreError> {
    let mut leases: Vec<Lease> = Vec::new();
    let mut failed = None;
    let mut answered = false;
    for answer in answers {
        match answer {
            Ok(some) => {
                answered = true;
                leases.extend(some);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if !answered => return Err(error),
        Some(error) => tracing::warn!(%error, "a node does not say who owns its shards"),
        None => {}
    }
    leases.sort_by_key(|l| l.shard);
    Ok(leases)
}

/// The entries of these places. An answer is bounded in bytes: what did not fit is asked for again.
pub(super) async fn whole<F>(seqs: &[u64], ask: impl Fn(Vec<u64>) -> F) -> Result<Vec<LogEntry>, StoreError>
where
    F: Future<Output = Result<Vec<LogEntry>, StoreError>>,
{
    let mut found: Vec<LogEntry> = Vec::new();
    let mut left = seqs;
    while !left.is_empty() {
        let some = ask(left.to_vec()).await?;
        let Some(last) = some.last().map(|e| e.position.seq) else { break };
        let asked = left.iter().position(|seq| *seq == last).map_or(left.len(), |at| at + 1);
        left = &left[asked..];
        found.extend(some);
    }
    Ok(found)
}
