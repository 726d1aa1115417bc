//! The `drift:` section.

use crate::source::Spanned;

section! {
    /// What differs on purpose.
    pub struct Drift {
        /// Beginnings of what is left out of the comparison.
        ignore: Vec<Spanned<String>>,
    }
    required []
}
