//! The `archgen` program from outside: what it prints, the status it ends with, what it leaves on disk.

mod fleet;
mod program;
mod specs;
