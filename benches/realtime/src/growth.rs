//! What one more socket, room or channel costs when there are ten times as many: the same, if nothing in the server is worse than linear.

use std::io;

use crate::{
    process::Server,
    rounds::{Figures, Size, channels, round},
};

/// What a unit may cost more at ten times the size.
const GROWTH_MAX: f64 = 1.2;
/// Sockets that follow one channel each, and then ten.
const SOCKETS: usize = 500;

/// Costs of a unit at one size.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    figures: Figures,
    channels_us_per_delivery: f64,
}

/// A tenth of this size, with ten times the sends.
fn tenth(size: Size) -> Size {
    Size {
        sockets: size.sockets / 10,
        small_rooms: size.small_rooms / 10,
        large_sends: size.large_sends * 10,
        small_sends: size.small_sends * 10,
    }
}

/// Measures at a tenth of a size and at the size, each with a server of its own.
pub async fn measure(small: &Server, large: &Server, size: Size) -> io::Result<[Costs; 2]> {
    let mut costs = Vec::new();
    for (server, size, per_socket) in [(small, tenth(size), 1), (large, size, 10)] {
        let figures = round(server, size).await?;
        let channels_us_per_delivery =
            channels(server, SOCKETS, per_socket, size.small_sends * 10 / per_socket).await?;
        costs.push(Costs { figures, channels_us_per_delivery });
    }
    Ok([costs[0], costs[1]])
}

/// Medians of several measurements, and whether the cost stays.
pub fn table(all: &[[Costs; 2]]) -> String {
    type Row = (&'static str, fn(&Costs) -> f64);
    let rows: [Row; 4] = [
        ("sockets: memory, KiB a connection", |costs| costs.figures.idle_kib_per_connection),
        ("sockets in one room: CPU, us a delivery", |costs| costs.figures.large_us_per_delivery[0]),
        ("rooms of 10: CPU, us a delivery", |costs| costs.figures.small_us_per_delivery[0]),
        ("channels a socket follows: CPU, us a delivery", |costs| costs.channels_us_per_delivery),
    ];
    let mut out = "| growth | at 1x | at 10x | ratio | bar | |\n|---|---|---|---|---|---|\n".to_owned();
    for (name, value) in rows {
        let median = |at: usize| {
            let mut values: Vec<f64> = all.iter().map(|pair| value(&pair[at])).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let (small, large) = (median(0), median(1));
        let ratio = large / small;
        let met = if ratio <= GROWTH_MAX { "met" } else { "missed" };
        out.push_str(&format!("| {name} | {small:.1} | {large:.1} | {ratio:.2} | ≤ {GROWTH_MAX} | {met} |\n"));
    }
    out
}
