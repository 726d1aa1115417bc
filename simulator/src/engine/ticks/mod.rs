//! The engine of the turmoil crate: a fixed tick and one runtime per host. What it says wrongly about TCP is put right in [`net`].

mod net;
mod ticking;

pub(super) use ticking::TickEngine;
