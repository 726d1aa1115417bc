//! The decision what to write, from the manifest, the disk and the new artifacts.

use std::collections::BTreeMap;

use super::Manifest;

/// What to do, path by path in order. Nothing is to be done at all while `refused` is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WritePlan {
    /// New or changed files.
    pub write: Vec<String>,
    /// Files that are already as they should be; their times stay.
    pub unchanged: Vec<String>,
    /// Files that an earlier run wrote and that are not wanted any more.
    pub remove: Vec<String>,
    /// Files that we did not write, or that were edited since.
    pub refused: Vec<String>,
}

/// Compares. `wanted` is the manifest of the new artifacts. `on_disk` maps paths (relative to the out folder) to
/// [`super::content_hash`]; it must hold at least each existing
/// file that `wanted` or `manifest` names. With `force` foreign and edited files in the way are overwritten; an edited file
/// that is not wanted any more is removed. A file that neither of the two names is never touched.
pub fn reconcile(
    manifest: Option<&Manifest>,
    on_disk: &BTreeMap<String, String>,
    wanted: &Manifest,
    force: bool,
) -> WritePlan {
    let ours = |path: &str, hash: &String| manifest.is_some_and(|m| m.files.get(path) == Some(hash));
    let mut plan = WritePlan::default();
    for (path, new) in &wanted.files {
        let list = match on_disk.get(path) {
            None => &mut plan.write,
            Some(hash) if hash == new => &mut plan.unchanged,
            Some(hash) if force || ours(path, hash) => &mut plan.write,
            Some(_) => &mut plan.refused,
        };
        list.push(path.clone());
    }
    for path in manifest.iter().flat_map(|m| m.files.keys()).filter(|p| !wanted.files.contains_key(*p)) {
        if let Some(hash) = on_disk.get(path) {
            let list = if force || ours(path, hash) { &mut plan.remove } else { &mut plan.refused };
            list.push(path.clone());
        }
    }
    plan
}
