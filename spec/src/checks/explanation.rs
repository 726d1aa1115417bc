//! What a code means, for `archgen explain`.

use std::fmt;

use crate::diagnostic::Code;

/// Everything there is to say about one code.
#[derive(Debug, Clone, Copy)]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// One line, lower-case.
    pub title: &'static str,
    /// Why it is checked and what would break.
    pub why: &'static str,
    /// How to mend it.
    pub fix: &'static str,
    /// A spec that has the fault. A line `--- env/dev.yaml ---` starts the overlay.
    pub before: &'static str,
    /// The same, mended.
    pub after: &'static str,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n\n{}\n\n{}\n\nbefore:", self.code, self.title, self.why, self.fix)?;
        for line in self.before.lines() {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "\nafter:")?;
        for line in self.after.lines() {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}
