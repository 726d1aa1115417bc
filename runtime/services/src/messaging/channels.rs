//! Channels and members as rows. Asked at every access, never cached, so that a removal acts at once.

use archgen_ports::{
    ChannelId, UserId,
    accounts::{Accounts, Commit, Expect, Row, Write},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, to_value};

use super::error::MessagingError;

/// Members of one channel.
pub(super) const MEMBERS_MAX: usize = 10_000;
/// Channels of one user.
pub(super) const CHANNELS_MAX: usize = 2_000;
/// Rows asked for at a time.
const PAGE: usize = 200;

/// What kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Anyone may find and join it.
    Public,
    /// By invitation.
    Private,
    /// Two people.
    Dm,
    /// A few people.
    GroupDm,
}

/// A channel's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) creator: UserId,
    pub(super) created: u64,
    /// Sorted members of a DM, joined: the same people always meet in the same channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dm_key: Option<String>,
}

/// A member's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) channel: ChannelId,
    pub(super) user: UserId,
    pub(super) role: String,
    pub(super) joined: u64,
}

fn member_key(channel: &ChannelId, user: &UserId) -> String {
    format!("{channel}:{user}")
}

fn parse<T: serde::de::DeserializeOwned>(row: Row) -> Result<T, MessagingError> {
    Ok(serde_json::from_value(row.value)?)
}

/// Rows of channels and members.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a>(pub(super) &'a dyn Accounts);

impl Rows<'_> {
    pub(super) async fn channel(&self, id: &ChannelId) -> Result<Option<Channel>, MessagingError> {
        self.0.get("channels", &id.0).await?.map(parse).transpose()
    }

    pub(super) async fn member(&self, channel: &ChannelId, user: &UserId) -> Result<Option<Member>, MessagingError> {
        self.0.get("members", &member_key(channel, user)).await?.map(parse).transpose()
    }

    /// The channel, where this user is a member; otherwise it does not exist for them.
    pub(super) async fn opened(&self, id: &ChannelId, user: &UserId) -> Result<(Channel, Member), MessagingError> {
        let member = self.member(id, user).await?.ok_or(MessagingError::NotFound("channel"))?;
        let channel = self.channel(id).await?.ok_or(MessagingError::NotFound("channel"))?;
        Ok((channel, member))
    }

    async fn all(&self, field: &str, value: &str, rows_max: usize) -> Result<Vec<Row>, MessagingError> {
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let after = rows.last().map(|r| r.key.clone());
            let page = self.0.find("members", field, value, after.as_deref(), PAGE).await?;
            let whole = page.len() < PAGE;
            rows.extend(page);
            if whole || rows.len() >= rows_max {
                return Ok(rows);
            }
        }
    }

    pub(super) async fn members(&self, channel: &ChannelId) -> Result<Vec<Member>, MessagingError> {
        self.all("channel", &channel.0, MEMBERS_MAX).await?.into_iter().map(parse).collect()
    }

    /// Channels that a user is a member of.
    pub(super) async fn channels_of(&self, user: &UserId) -> Result<Vec<Channel>, MessagingError> {
        let mut channels = Vec::new();
        for row in self.all("user", &user.0, CHANNELS_MAX).await? {
            let member: Member = parse(row)?;
            channels.extend(self.channel(&member.channel).await?);
        }
        Ok(channels)
    }

    /// Public channels by id, after a cursor.
    pub(super) async fn public(&self, after: Option<&str>, limit: usize) -> Result<Vec<Channel>, MessagingError> {
        self.0.find("channels", "kind", "public", after, limit).await?.into_iter().map(parse).collect()
    }

    /// Writes a new channel with its first members, all or nothing. Returns the channel that stands: for a DM whose people
    /// already have one, that one.
    pub(super) async fn create(&self, channel: Channel, members: &[UserId]) -> Result<Channel, MessagingError> {
        let mut writes = vec![Write {
            table: "channels".to_owned(),
            key: channel.id.0.clone(),
            expect: Expect::Absent,
            value: Some(to_value(&channel)?),
        }];
        for user in members {
            let role = if *user == channel.creator { "owner" } else { "member" };
            writes.push(Self::membership(&channel.id, user, role, channel.created)?);
        }
        match self.0.commit(writes).await? {
            Commit::Applied => Ok(channel),
            Commit::Taken { .. } => {
                let key = channel.dm_key.as_deref().unwrap_or_default();
                let rows = self.0.find("channels", "dm_key", key, None, 1).await?;
                rows.into_iter().next().map(parse).transpose()?.ok_or(MessagingError::Contended)
            }
            Commit::Conflict { .. } => Err(MessagingError::Contended),
        }
    }

    fn membership(channel: &ChannelId, user: &UserId, role: &str, joined: u64) -> Result<Write, MessagingError> {
        let member = Member { channel: channel.clone(), user: user.clone(), role: role.to_owned(), joined };
        Ok(Write {
            table: "members".to_owned(),
            key: member_key(channel, user),
            expect: Expect::Absent,
            value: Some(to_value(member)?),
        })
    }

    /// Adds a member; `false` when they are one already.
    pub(super) async fn add(&self, channel: &ChannelId, user: &UserId, now: u64) -> Result<bool, MessagingError> {
        let write = Self::membership(channel, user, "member", now)?;
        Ok(self.0.commit(vec![write]).await? == Commit::Applied)
    }

    /// Removes a member; `false` when they were none.
    pub(super) async fn remove(&self, channel: &ChannelId, user: &UserId) -> Result<bool, MessagingError> {
        let key = member_key(channel, user);
        let Some(row) = self.0.get("members", &key).await? else { return Ok(false) };
        let write = Write { table: "members".to_owned(), key, expect: Expect::Version(row.version), value: None };
        match self.0.commit(vec![write]).await? {
            Commit::Applied => Ok(true),
            _ => Err(MessagingError::Contended),
        }
    }
}

/// A channel as people see it.
pub(super) fn shown(channel: &Channel, member: bool) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "kind": channel.kind,
        "creator": channel.creator,
        "created": channel.created,
        "member": member,
    })
}
