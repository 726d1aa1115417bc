//! The topology spec: text in, a resolved [`topology::Topology`] and every diagnostic out.
//!
//! Pure by design: no file system, no socket, no clock, no async. Callers read files and pass their text.
//!
//! Read the modules in the order of the data: `source` → `units` → `ast` → `lower` → `topology` → `checks`; `loading`
//! joins them, `diagnostic` renders what they found, `reference` says what every key of the language is, `expression` is what policies
//! and tests are written in, `formatting` writes a text in its canonical form, and `capacity` and `sharding` are the arithmetic and the
//! placement lookup that checks, planner, router and simulator share.

pub mod ast;
pub mod capacity;
pub mod diagnostic;
pub mod editor;
pub mod expression;
pub mod formatting;
pub mod reference;
pub mod sharding;
pub mod source;
pub mod topology;
pub mod units;

mod checks;
mod loading;
mod lower;
mod mending;
mod migrating;
mod resolved;

pub use checks::{Explanation, codes, explain};
pub use loading::{Loaded, ReadError, judge_on, load, load_on};
pub use lower::{Origin, OriginSource, Origins};
pub use mending::{Applied, FIXES_MAX, Mended, mend};
pub use migrating::migrate;
pub use resolved::{Leaf, Resolved, Written, resolved};
