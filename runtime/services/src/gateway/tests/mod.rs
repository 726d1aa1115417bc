//! The gateway's parts as pure units, and the whole over loopback against stub services.

mod cross_origin;
mod doubles;
mod loopback;
mod units;
