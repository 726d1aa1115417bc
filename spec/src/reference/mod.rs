//! The reference: one source for what every key of the language is.
//!
//! What may be written comes from the declarations in `ast`, which describe themselves as shapes; what there is to say about it
//! stands in the tables here, by path. `archgen explain`, the JSON Schema, the editor and the pages under `docs/reference` are
//! all made from the two joined. A key without an entry, or an entry without a key, fails a test.

mod describe;
mod entry;
mod gateway;
mod language;
mod names;
mod pages;
mod rest;
mod root;
mod schema;
mod services;
mod stores;

pub use entry::{Default, Entry, Part};
pub use language::{Key, Language, language};
pub use names::{Declares, Refers};
pub use pages::pages;
pub use schema::{Describes, schema};
