//! Accounts: registration, authentication, profiles, look-ups. Rules for emails, handles, names and passwords are pure.

use archgen_ports::accounts::{Commit, Expect};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{
    error::UserError,
    outbox::event,
    rows::{Stored, User, encode},
    state::{State, write},
};

/// Rows read by one page of the directory.
const SCAN_ROWS_MAX: usize = 1_000;
/// Reads of one look-up under way at once.
const READS_AT_ONCE: usize = 16;
/// Tries of a change that others conflict with.
const TRIES_MAX: usize = 5;

/// An email address, case-folded.
pub(super) fn fold_email(text: &str) -> Result<String, UserError> {
    let email = text.trim().to_lowercase();
    let well_formed = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.')
        });
    if well_formed { Ok(email) } else { Err(UserError::Invalid("email is not an address")) }
}

/// A handle in lower case: 2 to 32 of `a-z 0-9 . _ -`, beginning with a letter or digit.
pub(super) fn fold_handle(text: &str) -> Result<String, UserError> {
    let handle = text.trim().trim_start_matches('@').to_ascii_lowercase();
    let first = handle.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let all = handle.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c));
    if first && all && (2..=32).contains(&handle.len()) {
        Ok(handle)
    } else {
        Err(UserError::Invalid(
            "handle must be 2 to 32 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
        ))
    }
}

/// A display name: 1 to 80 characters, none of them a control character.
pub(super) fn check_name(text: &str) -> Result<String, UserError> {
    let name = text.trim();
    if (1..=80).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        Ok(name.to_owned())
    } else {
        Err(UserError::Invalid("name must be 1 to 80 printable characters"))
    }
}

/// A new password: 8 to 256 bytes.
pub(super) fn check_password(text: &str) -> Result<(), UserError> {
    if (8..=256).contains(&text.len()) { Ok(()) } else { Err(UserError::Invalid("password must be 8 to 256 bytes")) }
}

/// A new account, not yet checked.
pub(super) struct NewUser<'a> {
    pub email: &'a str,
    pub handle: &'a str,
    pub name: &'a str,
    pub password: &'a str,
}

impl State {
    /// Creates an account and its `user.created` event.
    pub async fn register(&self, new: NewUser<'_>) -> Result<Stored<User>, UserError> {
        let (email, handle, name) = (fold_email(new.email)?, fold_handle(new.handle)?, check_name(new.name)?);
        check_password(new.password)?;
        let turn = self.passwords.turn().await?;
        let password = self.passwords.hash(&turn, new.password.to_owned()).await?;
        drop(turn);
        let id = self.new_id();
        let user = User { email, handle, name, password, created_ms: self.now_ms() };
        let data = json!({"id": id, "handle": user.handle, "name": user.name, "version": 1});
        let writes = vec![
            write("users", &id, Expect::Absent, Some(encode(&user)?)),
            event(self, "user.created", &id, &id, data)?,
        ];
        match self.accounts().commit(writes).await? {
            Commit::Applied => {
                self.relay.notify_one();
                Ok(Stored { key: id, version: 1, value: user })
            }
            Commit::Taken { field, .. } => Err(UserError::Taken(field)),
            Commit::Conflict { .. } => Err(UserError::Contended),
        }
    }

    /// The user of this email and password. Unknown users take the same time and get the same answer as wrong passwords.
    pub async fn authenticate(&self, email: &str, password: &str, address: &str) -> Result<Stored<User>, UserError> {
        if password.len() > 256 {
            return Err(UserError::Credentials);
        }
        let email = fold_email(email).map_err(|_| UserError::Credentials)?;
        let turn = self.passwords.turn().await?;
        let attempt = self.attempts.begin(&email, address).await?;
        let found = match self.accounts().find("users", "email", &email, None, 1).await {
            Ok(rows) => rows.into_iter().next().map(Stored::<User>::decode).transpose()?,
            Err(error) => {
                self.attempts.take_back(attempt).await;
                return Err(error.into());
            }
        };
        let stored = found.as_ref().map(|user| user.value.password.as_str());
        if self.passwords.check(&turn, password.to_owned(), stored).await {
            self.attempts.take_back(attempt).await;
            found.ok_or(UserError::Credentials)
        } else {
            Err(UserError::Credentials)
        }
    }

    /// The user of this id.
    pub async fn user(&self, id: &str) -> Result<Option<Stored<User>>, UserError> {
        self.accounts().get("users", id).await?.map(Stored::decode).transpose()
    }

    /// Changes name and handle, with the `user.updated` event.
    pub async fn update_profile(
        &self,
        id: &str,
        name: Option<&str>,
        handle: Option<&str>,
    ) -> Result<Stored<User>, UserError> {
        let (name, handle) = (name.map(check_name).transpose()?, handle.map(fold_handle).transpose()?);
        for _ in 0..TRIES_MAX {
            let mut user = self.user(id).await?.ok_or(UserError::NotFound("user"))?;
            let before = user.value.clone();
            user.value.name = name.clone().unwrap_or(user.value.name);
            user.value.handle = handle.clone().unwrap_or(user.value.handle);
            if user.value == before {
                return Ok(user);
            }
            let version = user.version + 1;
            let data = json!({"id": id, "handle": user.value.handle, "name": user.value.name, "version": version});
            let writes = vec![
                write("users", id, Expect::Version(user.version), Some(encode(&user.value)?)),
                event(self, "user.updated", id, id, data)?,
            ];
            match self.accounts().commit(writes).await? {
                Commit::Applied => {
                    self.relay.notify_one();
                    return Ok(Stored { version, ..user });
                }
                Commit::Taken { field, .. } => return Err(UserError::Taken(field)),
                Commit::Conflict { .. } => {}
            }
        }
        Err(UserError::Contended)
    }

    /// Users whose handle, or a word of whose name, begins with `prefix` (all for an empty one), by id, after the id `after`. One call
    /// reads a bounded part of the directory: with a next cursor there may be more, even where no user is returned.
    pub async fn directory(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Stored<User>>, Option<String>), UserError> {
        let prefix = prefix.trim().trim_start_matches('@').to_lowercase();
        let rows = self.accounts().scan("users", after, SCAN_ROWS_MAX).await?;
        let (mut found, mut next) = (Vec::new(), None);
        if rows.len() == SCAN_ROWS_MAX {
            next = rows.last().map(|row| row.key.clone());
        }
        for row in rows {
            let user = Stored::<User>::decode(row)?;
            if matches_prefix(&user.value, &prefix) {
                if found.len() == limit {
                    next = found.last().map(|last: &Stored<User>| last.key.clone());
                    break;
                }
                found.push(user);
            }
        }
        Ok((found, next))
    }

    /// The users of these ids and handles; unknown ones are left out.
    pub async fn lookup(&self, ids: &[String], handles: &[String]) -> Result<Vec<Stored<User>>, UserError> {
        let by_id = stream::iter(ids.to_vec()).map(|id| async move { self.user(&id).await }).buffered(READS_AT_ONCE);
        let by_handle = stream::iter(handles.to_vec())
            .map(|handle| async move { self.user_of_handle(&handle).await })
            .buffered(READS_AT_ONCE);
        let mut found: Vec<Option<Stored<User>>> = by_id.try_collect().await?;
        found.extend(by_handle.try_collect::<Vec<_>>().await?);
        Ok(found.into_iter().flatten().collect())
    }

    async fn user_of_handle(&self, handle: &str) -> Result<Option<Stored<User>>, UserError> {
        let Ok(handle) = fold_handle(handle) else { return Ok(None) };
        let rows = self.accounts().find("users", "handle", &handle, None, 1).await?;
        rows.into_iter().next().map(Stored::decode).transpose()
    }
}

/// Whether the handle, or a word of the name, begins with the prefix (lower case).
pub(super) fn matches_prefix(user: &User, prefix: &str) -> bool {
    let name = user.name.to_lowercase();
    user.handle.starts_with(prefix)
        || name.starts_with(prefix)
        || name.split_whitespace().any(|word| word.starts_with(prefix))
}
