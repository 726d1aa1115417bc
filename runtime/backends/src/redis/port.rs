//! The cache port, and the backend around it.

use std::sync::Arc;

use archgen_env::Env;
use archgen_ports::{StoreError, cache::Cache};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Pipeline, pipe};

use super::link::{CALL_MS_MAX, Link};
use crate::{Backend, Failure, Fault, Guard, Metrics, PortSet, Server, Target};

/// Shortest life of a group's list of members, milliseconds. Members that are gone are taken from it when it is read.
const LIST_MS_MIN: u64 = 24 * 60 * 60 * 1_000;

/// A cache on one server or cluster. Cloning shares the connection.
#[derive(Clone)]
struct Redis(Arc<Inner>);

struct Inner {
    link: Link,
    guard: Guard,
}

/// A backend for this target.
pub(crate) fn open(env: &Env, target: Target, metrics: Metrics) -> Arc<dyn Backend> {
    let guard = Guard::new(&target.store, CALL_MS_MAX, env.entropy("redis"), metrics).on(&target);
    Arc::new(Redis(Arc::new(Inner { link: Link::new(target), guard })))
}

/// Where a key is.
struct Place {
    /// The engine's key.
    key: String,
    /// The list of its group and its name there.
    member: Option<(String, String)>,
}

impl Inner {
    /// A group's list and all its members stand in one slot of a cluster, because its name is their hash tag.
    fn list(&self, group: &str) -> String {
        format!("{}:{{{group}}}", self.link.target.namespace)
    }

    fn place(&self, key: &str) -> Place {
        match key.rsplit_once('#') {
            Some((group, member)) => {
                let list = self.list(group);
                Place { key: format!("{list}#{member}"), member: Some((list, member.to_owned())) }
            }
            None => Place { key: format!("{}:{key}", self.link.target.namespace), member: None },
        }
    }

    /// Removes what has no time left, as a server would.
    async fn remove(&self, key: &str) -> Result<(), Failure> {
        let place = self.place(key);
        let mut commands = pipe();
        commands.cmd("DEL").arg(&place.key).ignore();
        if let Some((list, member)) = &place.member {
            commands.atomic().cmd("SREM").arg(list).arg(member).ignore();
        }
        self.link.send(&commands).await
    }

    async fn members(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let Some(group) = prefix.strip_suffix('#') else {
            return Err(Failure::Refused(format!("`{prefix}` is no group: keys are listed by what ends in `#`")));
        };
        let list = self.list(group);
        let (mut members,): (Vec<String>,) = self.link.send(&single(Cmd::new().arg("SMEMBERS").arg(&list))).await?;
        if members.is_empty() {
            return Ok(members);
        }
        members.sort();
        let mut commands = pipe();
        for member in &members {
            commands.cmd("EXISTS").arg(format!("{list}#{member}"));
        }
        let there: Vec<bool> = self.link.send(&commands).await?;
        let (alive, dead): (Vec<_>, Vec<_>) = members.into_iter().zip(there).partition(|(_, there)| *there);
        if !dead.is_empty() {
            // Only those that are still gone: one may have been set anew meanwhile, and is listed again when it is set next.
            let names: Vec<&String> = dead.iter().map(|(member, _)| member).collect();
            self.link.send::<()>(&single(Cmd::new().arg("SREM").arg(&list).arg(names))).await?;
        }
        Ok(alive.into_iter().map(|(member, _)| format!("{prefix}{member}")).collect())
    }
}

fn single(command: &Cmd) -> Pipeline {
    let mut commands = pipe();
    commands.add_command(command.clone());
    commands
}

#[async_trait]
impl Backend for Redis {
    fn target(&self) -> &Target {
        &self.0.link.target
    }

    fn ports(&self) -> PortSet {
        PortSet { cache: Some(Arc::new(self.clone())), ..PortSet::default() }
    }

    async fn check(&self) -> Result<Server, Fault> {
        self.0.link.server().await.map_err(|kind| kind.at(&self.0.link.target))
    }

    async fn prepare(&self) -> Result<Server, Fault> {
        // There is nothing to make: keys begin with the namespace.
        self.check().await
    }
}

#[async_trait]
impl Cache for Redis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let commands = single(Cmd::new().arg("GET").arg(self.0.place(key).key));
        let ask = || async { self.0.link.send::<(Option<Vec<u8>>,)>(&commands).await };
        Ok(self.0.guard.read(ask).await?.0.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl_ms: u64) -> Result<(), StoreError> {
        if ttl_ms == 0 {
            return self.delete(key).await;
        }
        let place = self.0.place(key);
        let mut commands = pipe();
        commands.cmd("SET").arg(&place.key).arg(&value[..]).arg("PX").arg(ttl_ms).ignore();
        if let Some((list, member)) = &place.member {
            commands.atomic().cmd("SADD").arg(list).arg(member).ignore();
            commands.cmd("PEXPIRE").arg(list).arg(ttl_ms.max(LIST_MS_MIN)).ignore();
        }
        self.0.guard.write(self.0.link.send(&commands)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.guard.write(self.0.remove(key)).await
    }

    async fn increment(&self, key: &str, by: i64, ttl_ms: u64) -> Result<i64, StoreError> {
        let key = self.0.place(key).key;
        let mut commands = pipe();
        // The first sets the time; an increment keeps it.
        commands.atomic().cmd("SET").arg(&key).arg(0).arg("PX").arg(ttl_ms.max(1)).arg("NX").ignore();
        commands.cmd("INCRBY").arg(&key).arg(by);
        let (count,): (i64,) = self.0.guard.write(self.0.link.send(&commands)).await?;
        Ok(count)
    }

    async fn keys(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut keys = self.0.guard.read(|| self.0.members(prefix)).await?;
        keys.truncate(limit);
        Ok(keys)
    }
}
