//! One file per command, and the way from the command line to the right one.

mod change;
mod check;
mod config;
mod copy;
mod dispatch;
mod down;
mod drift;
mod explain;
mod fix;
mod fmt;
mod generate;
mod graph;
mod host;
mod import;
mod init;
mod logs;
mod lsp;
mod migrate;
mod migrate_schema;
mod moves;
mod plan;
mod ps;
mod restart;
mod rewriting;
mod schema;
mod shards;
mod sim;
mod supervise;
mod sync;
mod up;
mod wait;

pub use dispatch::run;
