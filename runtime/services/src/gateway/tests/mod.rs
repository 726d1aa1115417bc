//! The gateway's parts as pure units, and the whole over loopback against stub services.

mod loopback;
mod units;
