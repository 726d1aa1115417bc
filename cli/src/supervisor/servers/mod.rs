//! Servers that `archgen up` starts: which they are, what they are started with, and what is made before their first start. Their
//! configuration is the generator's, placed where the fleet really listens; each has a folder of its own below the fleet's data.

mod consul;
mod nginx;
mod postgres;
mod redis;
mod server;

use server::{Server, give, program, run, somebody_else};
pub use server::{command, gateways, missing, prepare, prepare_gateways};
