//! Where black-box tests find the project: paths and the built programs. The tests themselves are under `tests/`.

use std::path::PathBuf;

/// The project's root folder.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
