//! Blobs on S3.
//!
//! `client` signs and sends, `port` is the port and the backend around it.
//!
//! A presigned PUT can be used again for as long as it is valid, and S3 lets the last one win. So that an object does not change once
//! it was looked at, clients put to `incoming/KEY`; the first look reads it, writes down what it found in
//! `decisions/KEY` (a conditional put, so that one look decides), and copies exactly that to `objects/KEY`, from which everything is
//! read.

mod client;
mod port;

pub(crate) use port::open;
