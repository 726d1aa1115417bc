//! Quantities as people write them: `8GiB`, `30d`, `2k/s`, `70%`, `zipf(0.8)`, `100ms..3s`, `±5m`.
//!
//! Each is a type that parses, checks its range and prints itself in one canonical way. No spans here: the decoder adds
//! them.

#[macro_use]
mod unit;
mod amount;
mod date;
mod objective;
mod phrase;
mod rate;
#[cfg(test)]
mod tests;
mod time;

pub use amount::{Bytes, Count, Factor, Money, Percent, Probability, Zipf};
pub use date::Date;
pub use objective::Objective;
pub use phrase::{HealthCheck, RestartBackoff, Version};
pub use rate::{Limit, Per, Rate};
pub use time::{Period, PeriodRange, Tolerance};
pub use unit::{Unit, UnitError, guess};

use unit::{number, scaled, shortest};
