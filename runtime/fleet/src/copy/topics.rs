//! Topics. Records keep their order within a key; which partition a key is in depends on how many there are, so that both sides are
//! compared whatever the order of partitions.

use archgen_ports::{
    Envelope,
    events::{BATCH_RECORDS_MAX, Events},
};

use super::{
    Copied, CopyError, Naming,
    digest::{Digest, of},
};

/// All records of a topic, partition by partition.
async fn each(
    what: &str,
    topic: &str,
    port: &dyn Events,
    mut take: impl AsyncFnMut(Vec<Envelope>) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    for partition in 0..port.partitions(topic).await.naming(what)? {
        let mut next = 0;
        loop {
            let page = port.fetch(topic, partition, next, BATCH_RECORDS_MAX, 500).await.naming(what)?;
            let Some(last) = page.last() else { break };
            next = last.offset + 1;
            take(page.into_iter().map(|record| record.event).collect()).await?;
        }
    }
    Ok(())
}

async fn digest(what: &str, topic: &str, port: &dyn Events) -> Result<Digest, CopyError> {
    let mut all = Vec::new();
    each(what, topic, port, async |events| {
        all.extend(events.iter().map(|event| of(&serde_json::to_vec(event).unwrap_or_default())));
        Ok(())
    })
    .await?;
    all.sort_unstable();
    let mut digest = Digest::default();
    all.iter().for_each(|one| digest.add(&[one]));
    Ok(digest)
}

/// Refuses where the new store has records already.
pub(super) async fn vacant(store: &str, topic: &str, to: &dyn Events) -> Result<(), CopyError> {
    let what = format!("{store}.{topic}");
    each(&what, topic, to, async |_| Err(CopyError::NotEmpty(what.clone()))).await
}

pub(super) async fn copy(store: &str, topic: &str, from: &dyn Events, to: &dyn Events) -> Result<Copied, CopyError> {
    let what = format!("{store}.{topic}");
    each(&what, topic, from, async |events| to.publish(topic, events).await.naming(&what)).await?;
    Ok(Digest::both(&what, digest(&what, topic, from).await?, digest(&what, topic, to).await?))
}
