//! Moves the data of one fleet into the stores of another: from embedded stores to real engines, and back. Nobody writes meanwhile;
//! the stores of the other must be empty, and what was copied is read again on both sides and compared.
//!
//! Copied are rows, documents, logs with their read marks, objects, and the topics that nothing else could fill again. A cache begins
//! empty. Logs begin as unpublished: their relay publishes every entry again under its old id, which consumers take as what they have
//! seen, and so the index is filled anew.

mod digest;
mod logs;
mod objects;
mod rows;
mod topics;
mod whole;

pub use whole::{Copied, CopyError, copy};
use whole::{Known, Naming, PAGE};
