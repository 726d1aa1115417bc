//! Channels and members as rows. Asked at every access, never cached, so that a removal acts at once.

use archgen_ports::{
    ChannelId, UserId,
    accounts::{Accounts, Commit, Expect, Row, Write},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, to_value};

use super::{error::MessagingError, kinds::MEMBER_REMOVED};

/// Members of one channel.
pub(super) const MEMBERS_MAX: usize = 100_000;
/// Channels of one user.
pub(super) const CHANNELS_MAX: usize = 2_000;
/// Rows asked for at a time.
const PAGE: usize = 200;
/// Rows read at once.
const READS_AT_ONCE: usize = 16;
/// Value of [`Channel::expires`].
pub(super) const EXPIRES: &str = "yes";
/// Longest id that may be one, bytes.
const ID_BYTES_MAX: usize = 64;

/// What kind of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Who may write messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Posting {
    /// Every member.
    #[default]
    Everyone,
    /// Owners and admins.
    Admins,
}

/// What a member may do; each may what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Writes and invites.
    Member,
    /// Moderates: settings, others' messages, members.
    Admin,
    /// Also gives roles.
    Owner,
}

/// A channel's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) creator: UserId,
    pub(super) created: u64,
    #[serde(default)]
    pub(super) topic: String,
    /// Read only.
    #[serde(default)]
    pub(super) archived: bool,
    /// Seconds between two messages of one member; 0 for none.
    #[serde(default)]
    pub(super) slow_mode_s: u64,
    #[serde(default)]
    pub(super) posting: Posting,
    /// Days after which messages are deleted; 0 for never.
    #[serde(default)]
    pub(super) keep_days: u64,
    /// There where messages are deleted after some days: so are those channels found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
    /// What the log does not tell yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) untold: Option<Untold>,
    /// Sorted members of a DM, joined: the same people always meet in the same channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dm_key: Option<String>,
}

/// A member's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) channel: ChannelId,
    pub(super) user: UserId,
    pub(super) role: Role,
    pub(super) joined: u64,
    /// What the log does not tell yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) untold: Option<Untold>,
}

/// A change of a row that the log is still to tell of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Untold {
    /// Under which the log tells it once.
    pub(super) id: String,
    /// Whose change it is.
    pub(super) by: UserId,
    /// Kind of the entry. Who is being removed is no member any more.
    pub(super) kind: String,
    /// Its data.
    pub(super) data: Value,
}

impl Member {
    /// Whether the row only waits for its end to be told.
    pub(super) fn is_leaving(&self) -> bool {
        self.untold.as_ref().is_some_and(|u| u.kind == MEMBER_REMOVED)
    }
}

/// Whether a text from outside can be an id at all: stores refuse some texts as keys.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic() && b != b':')
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
        Ok(self.channel_row(id).await?.map(|(channel, _)| channel))
    }

    /// A channel's row with its version.
    pub(super) async fn channel_row(&self, id: &ChannelId) -> Result<Option<(Channel, u64)>, MessagingError> {
        if !is_id(&id.0) {
            return Ok(None);
        }
        let row = self.0.get("channels", &id.0).await?;
        row.map(|row| Ok((row.version, parse(row)?))).transpose().map(|r| r.map(|(v, c)| (c, v)))
    }

    /// Writes a channel's row if it is in this version.
    pub(super) async fn put_channel(&self, channel: &Channel, version: u64) -> Result<(), MessagingError> {
        let (table, value) = ("channels".to_owned(), Some(to_value(channel)?));
        let write = Write { table, key: channel.id.0.clone(), expect: Expect::Version(version), value };
        self.0.commit(vec![write]).await?;
        Ok(())
    }

    /// Channels whose messages are deleted after some days.
    pub(super) async fn expiring(&self, after: Option<&str>, limit: usize) -> Result<Vec<Channel>, MessagingError> {
        self.0.find("channels", "expires", EXPIRES, after, limit).await?.into_iter().map(parse).collect()
    }

    pub(super) async fn member(&self, channel: &ChannelId, user: &UserId) -> Result<Option<Member>, MessagingError> {
        Ok(self.standing(channel, user).await?.map(|(member, _)| member).filter(|m| !m.is_leaving()))
    }

    /// A member's row, leaving or not, with its version.
    pub(super) async fn standing(
        &self,
        channel: &ChannelId,
        user: &UserId,
    ) -> Result<Option<(Member, u64)>, MessagingError> {
        if !is_id(&channel.0) || !is_id(&user.0) {
            return Ok(None);
        }
        let row = self.0.get("members", &member_key(channel, user)).await?;
        row.map(|row| Ok((row.version, parse::<Member>(row)?))).transpose().map(|r| r.map(|(v, m)| (m, v)))
    }

    /// The channel, where this user is a member; otherwise it does not exist for them.
    pub(super) async fn opened(&self, id: &ChannelId, user: &UserId) -> Result<(Channel, Member), MessagingError> {
        let member = self.member(id, user).await?.ok_or(MessagingError::NotFound("channel"))?;
        let channel = self.channel(id).await?.ok_or(MessagingError::NotFound("channel"))?;
        Ok((channel, member))
    }

    /// What `read` finds in a channel, where this user is a member once it has found it: it is then older than the end of the
    /// membership, had there been one meanwhile.
    pub(super) async fn shown<T>(
        &self,
        id: &ChannelId,
        user: &UserId,
        read: impl Future<Output = Result<T, MessagingError>>,
    ) -> Result<T, MessagingError> {
        let found = read.await?;
        self.member(id, user).await?.map(|_| found).ok_or(MessagingError::NotFound("channel"))
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
        if !is_id(&channel.0) {
            return Ok(Vec::new());
        }
        let rows = self.all("channel", &channel.0, MEMBERS_MAX).await?;
        let members: Vec<Member> = rows.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(members.into_iter().filter(|m| !m.is_leaving()).collect())
    }

    /// Members after a cursor, and the next cursor where there may be more.
    pub(super) async fn members_page(
        &self,
        channel: &ChannelId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Member>, Option<String>), MessagingError> {
        if !is_id(&channel.0) || after.is_some_and(|after| !is_id(after)) {
            return Ok((Vec::new(), None));
        }
        let after = after.map(|user| member_key(channel, &UserId::from(user)));
        let rows = self.0.find("members", "channel", &channel.0, after.as_deref(), limit).await?;
        let full = rows.len() == limit;
        let members: Vec<Member> = rows.into_iter().map(parse).collect::<Result<_, _>>()?;
        let next = members.last().filter(|_| full).map(|last| last.user.0.clone());
        Ok((members.into_iter().filter(|m| !m.is_leaving()).collect(), next))
    }

    /// Channels that a user is a member of.
    pub(super) async fn channels_of(&self, user: &UserId) -> Result<Vec<Channel>, MessagingError> {
        if !is_id(&user.0) {
            return Ok(Vec::new());
        }
        let rows = self.all("user", &user.0, CHANNELS_MAX).await?;
        let members: Vec<Member> = rows.into_iter().map(parse).collect::<Result<_, _>>()?;
        let ids = members.into_iter().filter(|m| !m.is_leaving()).map(|m| m.channel);
        let found = stream::iter(ids).map(|id| async move { self.channel(&id).await }).buffered(READS_AT_ONCE);
        let channels: Vec<Option<Channel>> = found.try_collect().await?;
        Ok(channels.into_iter().flatten().collect())
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
            let role = if *user == channel.creator { Role::Owner } else { Role::Member };
            let member =
                Member { channel: channel.id.clone(), user: user.clone(), role, joined: channel.created, untold: None };
            writes.push(Self::member_write(&member, Expect::Absent, Some(to_value(&member)?)));
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

    fn member_write(member: &Member, expect: Expect, value: Option<Value>) -> Write {
        Write { table: "members".to_owned(), key: member_key(&member.channel, &member.user), expect, value }
    }

    /// Writes a member's row if it is as expected; otherwise nothing happens, and the row says what stands.
    pub(super) async fn put_member(&self, member: &Member, expect: Expect) -> Result<(), MessagingError> {
        self.0.commit(vec![Self::member_write(member, expect, Some(to_value(member)?))]).await?;
        Ok(())
    }

    /// Deletes a member's row if it is in this version.
    pub(super) async fn delete_member(&self, member: &Member, version: u64) -> Result<(), MessagingError> {
        self.0.commit(vec![Self::member_write(member, Expect::Version(version), None)]).await?;
        Ok(())
    }
}

/// A channel as people see it.
pub(super) fn shown(channel: &Channel, member: bool) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "kind": channel.kind,
        "topic": channel.topic,
        "archived": channel.archived,
        "slow_mode_s": channel.slow_mode_s,
        "posting": channel.posting,
        "keep_days": channel.keep_days,
        "creator": channel.creator,
        "created": channel.created,
        "member": member,
    })
}
