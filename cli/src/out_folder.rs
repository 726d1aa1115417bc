//! The folder that `generate` writes to. [`OutFolder`] only reads; [`WritableFolder`] is a type of its own, so that commands that
//! must not write have no way to.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{ErrorKind, Write},
    iter,
    panic::resume_unwind,
    path::{Component, Path, PathBuf},
    thread,
};

use anyhow::{Context, bail};
use archgen_generator::{MANIFEST_PATH, Manifest, WritePlan, content_hash, mapped};

use crate::exit::{self, Failure};

/// Two things at once: what is to be in a folder, and on a thread of its own what there is.
pub fn while_reading<A, B: Send>(make: impl FnOnce() -> A, read: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let reading = scope.spawn(read);
        let made = make();
        (made, reading.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// A folder of artifacts, for reading.
pub struct OutFolder {
    root: PathBuf,
}

impl OutFolder {
    /// The folder at this path, which need not be there.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file, which is inside the folder.
    ///
    /// # Errors
    /// It would be outside.
    pub fn path(&self, relative: &str) -> anyhow::Result<PathBuf> {
        let path = Path::new(relative);
        if !path.components().all(|c| matches!(c, Component::Normal(_))) || relative.is_empty() {
            bail!("`{relative}` is no path inside `{}`", self.root.display());
        }
        Ok(self.root.join(path))
    }

    /// A file's bytes, where it is there.
    ///
    /// # Errors
    /// The file system's.
    pub fn read(&self, relative: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path(relative)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    /// What an earlier run wrote.
    ///
    /// # Errors
    /// The manifest is damaged, or cannot be read.
    pub fn manifest(&self) -> Result<Option<Manifest>, Failure> {
        let Some(bytes) = self.read(MANIFEST_PATH)? else { return Ok(None) };
        let damaged = || {
            let path = self.root.join(MANIFEST_PATH);
            Failure::new(
                exit::REFUSED,
                format!("`{}` is no manifest of archgen's; nothing was written", path.display()),
            )
        };
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        Manifest::parse(&text).ok_or_else(damaged).map(Some)
    }

    /// Hashes of those of the files that are there.
    ///
    /// # Errors
    /// The file system's.
    pub fn hashes<'a>(&self, paths: impl Iterator<Item = &'a String>) -> anyhow::Result<BTreeMap<String, String>> {
        let mut paths: Vec<&String> = paths.collect();
        if !self.root.exists() {
            return Ok(BTreeMap::new());
        }
        paths.sort_unstable();
        paths.dedup();
        let read = mapped(&paths, |path| {
            let bytes = self.read(path)?;
            Ok(bytes.map(|bytes| ((*path).clone(), content_hash(&bytes))))
        });
        read.into_iter().filter_map(anyhow::Result::transpose).collect()
    }
}

/// The same folder, for writing.
pub struct WritableFolder {
    /// For reading.
    pub folder: OutFolder,
}

impl WritableFolder {
    /// The folder at this path; it is made when something is written.
    pub fn at(root: &Path) -> Self {
        Self { folder: OutFolder::at(root) }
    }

    /// Writes and removes what a decision says, and the manifest last. A folder that is not there yet is made beside its place and then
    /// named: it is there whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn apply(&self, plan: &WritePlan, texts: &BTreeMap<String, String>, manifest: &str) -> anyhow::Result<()> {
        let new = fs::symlink_metadata(&self.folder.root).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if let (true, Some(name)) = (new, self.folder.root.file_name()) {
            return self.make(name, plan, texts, manifest);
        }
        let written = mapped(&plan.write, |path| self.write(path, texts.get(path).map_or("", String::as_str)));
        written.into_iter().collect::<anyhow::Result<()>>()?;
        for relative in &plan.remove {
            let path = self.folder.path(relative)?;
            fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            // Folders that only held our files go with them; one that holds more stays.
            for folder in path.ancestors().skip(1).take_while(|f| *f != self.folder.root) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
        self.write_if_changed(MANIFEST_PATH, manifest)
    }

    /// Makes the folder with everything in it.
    fn make(
        &self,
        name: &OsStr,
        plan: &WritePlan,
        texts: &BTreeMap<String, String>,
        manifest: &str,
    ) -> anyhow::Result<()> {
        let root = &self.folder.root;
        let mut unfinished = name.to_owned();
        unfinished.push(format!(".{}.new", std::process::id()));
        let unfinished = Self::at(&root.with_file_name(unfinished));
        let made = unfinished.fill(plan, texts, manifest).and_then(|()| {
            fs::rename(&unfinished.folder.root, root).with_context(|| format!("cannot make `{}`", root.display()))
        });
        if made.is_err() {
            // Whatever there is of it is of no use.
            let _ = fs::remove_dir_all(&unfinished.folder.root);
        }
        made
    }

    /// Puts everything into a folder that nobody knows yet.
    fn fill(&self, plan: &WritePlan, texts: &BTreeMap<String, String>, manifest: &str) -> anyhow::Result<()> {
        let root = &self.folder.root;
        let mut folders: Vec<&Path> = plan.write.iter().filter_map(|path| Path::new(path).parent()).collect();
        folders.dedup();
        for folder in iter::once(root.clone()).chain(folders.into_iter().map(|folder| root.join(folder))) {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        let put = |path: &str, text: &str| {
            let path = self.folder.path(path)?;
            fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
        };
        let written = mapped(&plan.write, |path| put(path, texts.get(path).map_or("", String::as_str)));
        written.into_iter().collect::<anyhow::Result<()>>()?;
        put(MANIFEST_PATH, manifest)
    }

    /// Writes a file unless it says that already.
    ///
    /// # Errors
    /// The file system's.
    pub fn write_if_changed(&self, relative: &str, text: &str) -> anyhow::Result<()> {
        if self.folder.read(relative)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        self.write(relative, text)
    }

    /// Writes by way of a temporary file: a reader sees the old text or the new.
    fn write(&self, relative: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.path(relative)?;
        let write = || {
            let mut name = path.clone().into_os_string();
            name.push(format!(".{}.new", std::process::id()));
            let temporary = PathBuf::from(name);
            let created = fs::File::create(&temporary).or_else(|error| match error.kind() {
                ErrorKind::NotFound => {
                    fs::create_dir_all(path.parent().unwrap_or(&self.folder.root))?;
                    fs::File::create(&temporary)
                }
                _ => Err(error),
            });
            let written = created
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .and_then(|()| fs::rename(&temporary, &path));
            if written.is_err() {
                // Whatever there is of it is of no use.
                let _ = fs::remove_file(&temporary);
            }
            written
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }
}
