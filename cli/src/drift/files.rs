//! The folder that `generate` wrote to.

use archgen_generator::{Artifacts, Manifest, reconcile};

use super::{Drifted, drifted};
use crate::{exit::Failure, out_folder::OutFolder};

/// Compares.
///
/// # Errors
/// The folder cannot be read, or its manifest is damaged.
pub fn files(out: &OutFolder, new: &Artifacts) -> Result<Vec<Drifted>, Failure> {
    let manifest = out.manifest()?;
    let known = manifest.iter().flat_map(|m| m.files.keys());
    let on_disk = out.hashes(known.chain(new.files.keys()))?;
    let plan = reconcile(manifest.as_ref(), &on_disk, &Manifest::of(new), false);
    let old = |path: &String| if on_disk.contains_key(path) { "an older spec's" } else { "missing" };
    let mut found: Vec<Drifted> = plan.write.iter().map(|p| drifted("file", p, old(p))).collect();
    found.extend(plan.remove.iter().map(|p| drifted("file", p, "not in the spec any more")));
    found.extend(plan.refused.iter().map(|p| drifted("file", p, "edited by hand")));
    Ok(found)
}
