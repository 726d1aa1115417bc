//! Small files of the state folder: written whole or not at all, secrets for the owner's eyes only.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail};
use archgen_env::entropy::Entropy;
use archgen_ports::ServiceKey;
use serde::{Deserialize, Serialize};

use super::StateFolder;

/// Random bytes of the fleet's key.
const KEY_BYTES: usize = 32;
/// Random bytes of the demo users' password.
const PASSWORD_BYTES: usize = 8;

/// Writes a file of mode 0600 by way of a temporary one: a reader sees the old text or the new.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// The text of a file, where there is one.
pub(super) fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// The fleet's key in a file that somebody else made.
///
/// # Errors
/// The file is not there, or holds no key.
pub fn read_service_key(path: &Path) -> anyhow::Result<ServiceKey> {
    let text = read_if_there(path)?.with_context(|| format!("`{}` is not there", path.display()))?;
    key_of(path, &text)
}

fn key_of(path: &Path, text: &str) -> anyhow::Result<ServiceKey> {
    let key = text.trim();
    if key.len() != KEY_BYTES * 2 || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("`{}` is damaged: it must hold {} hexadecimal digits", path.display(), KEY_BYTES * 2);
    }
    Ok(ServiceKey::new(key))
}

/// The fleet's key, made at the first start.
///
/// # Errors
/// The file system's, or the file is damaged: a new key would be no help, for what was made with the old one stays.
pub fn service_key(state: &StateFolder, entropy: &Entropy) -> anyhow::Result<ServiceKey> {
    let path = state.service_key();
    if let Some(text) = read_if_there(&path)? {
        return key_of(&path, &text).with_context(|| format!("delete `{}` to have a new one", path.display()));
    }
    let key = entropy.token(KEY_BYTES);
    write_private(&path, &format!("{key}\n"))?;
    Ok(ServiceKey::new(key))
}

#[derive(Serialize, Deserialize)]
struct Demo {
    password: String,
}

/// The demo users' password, made at the first start.
///
/// # Errors
/// The file system's, or the file is damaged.
pub fn demo_password(state: &StateFolder, entropy: &Entropy) -> anyhow::Result<String> {
    let path = state.demo();
    if let Some(text) = read_if_there(&path)? {
        let demo: Demo = serde_json::from_str(&text).with_context(|| format!("`{}` is damaged", path.display()))?;
        return Ok(demo.password);
    }
    let demo = Demo { password: entropy.token(PASSWORD_BYTES) };
    write_private(&path, &serde_json::to_string(&demo)?)?;
    Ok(demo.password)
}
