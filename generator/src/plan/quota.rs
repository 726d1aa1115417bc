//! How many copies each node and each zone should hold. Which slots these are is decided in `place`.

use super::Node;

/// Nodes grouped by failure domain, and the largest number of copies of one slot in each.
pub(super) struct Zones {
    /// Zone index of every node.
    pub of_node: Vec<usize>,
    /// Node indexes per zone.
    pub members: Vec<Vec<usize>>,
    /// Most copies of one slot per zone.
    pub copies_max: Vec<usize>,
}

impl Zones {
    /// Groups nodes; a zone may hold as few copies of a slot as the number of zones allows (one, when zones >= copies).
    pub(super) fn new(nodes: &[Node], copies: usize) -> Self {
        let mut names: Vec<&str> = nodes.iter().map(|n| n.zone.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let of_node: Vec<usize> = nodes.iter().map(|n| names.binary_search(&n.zone.as_str()).unwrap_or(0)).collect();
        let mut members = vec![Vec::new(); names.len()];
        for (node, zone) in of_node.iter().enumerate() {
            members[*zone].push(node);
        }
        let fits = |most: usize| members.iter().map(|m: &Vec<usize>| m.len().min(most)).sum::<usize>() >= copies;
        let most = (1..=copies.max(1)).find(|m| fits(*m)).unwrap_or(copies.max(1));
        let copies_max = members.iter().map(|m| m.len().min(most)).collect();
        Self { of_node, members, copies_max }
    }
}

/// Copies that each node should hold. Weights decide, as far as the zones allow it: no node holds a slot twice and no
/// zone more copies than its share. Rounding follows `held`, so that it moves nothing by itself.
pub(super) fn targets(nodes: &[Node], zones: &Zones, slots: usize, copies: usize, held: &[usize]) -> Vec<usize> {
    let weights: Vec<f64> = if nodes.iter().all(|n| n.weight == 0) {
        vec![1.0; nodes.len()]
    } else {
        nodes.iter().map(|n| f64::from(n.weight)).collect()
    };
    let most: Vec<f64> = zones.copies_max.iter().map(|c| (c * slots) as f64).collect();
    let zone_at = |zone: usize, level: f64| -> f64 {
        let sum: f64 = zones.members[zone].iter().map(|n| (weights[*n] * level).min(slots as f64)).sum();
        sum.min(most[zone])
    };
    let total = (slots * copies) as f64;
    let level = fill(total, slots as f64, |level| (0..most.len()).map(|z| zone_at(z, level)).sum());
    let ideal: Vec<f64> = (0..most.len()).map(|z| zone_at(z, level)).collect();
    let zone_held: Vec<usize> = zones.members.iter().map(|m| m.iter().map(|n| held[*n]).sum()).collect();
    let zone_most: Vec<usize> = zones.copies_max.iter().map(|c| c * slots).collect();
    let zone_targets = round(&ideal, slots * copies, &zone_most, &zone_held);
    let mut targets = vec![0; nodes.len()];
    for (zone, members) in zones.members.iter().enumerate() {
        let want = zone_targets[zone];
        let at = |node: usize, level: f64| (weights[node] * level).min(slots as f64);
        let level = fill(want as f64, slots as f64, |l| members.iter().map(|n| at(*n, l)).sum());
        let ideal: Vec<f64> = members.iter().map(|n| at(*n, level)).collect();
        let member_held: Vec<usize> = members.iter().map(|n| held[*n]).collect();
        let rounded = round(&ideal, want, &vec![slots; members.len()], &member_held);
        for (node, count) in members.iter().zip(rounded) {
            targets[*node] = count;
        }
    }
    targets
}

/// The level at which `amount(level)` reaches `want`, by bisection of a function that only grows.
fn fill(want: f64, slots: f64, amount: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, slots);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if amount(middle) < want {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Whole numbers near `ideal` that sum up to `total`, none above its `most`. What is left over after rounding down goes
/// first to those that hold more than their floor, then to the largest fractions.
fn round(ideal: &[f64], total: usize, most: &[usize], held: &[usize]) -> Vec<usize> {
    // A millionth of a copy absorbs the error of the bisection.
    let mut counts: Vec<usize> = ideal.iter().zip(most).map(|(i, m)| ((i + 1e-6).floor() as usize).min(*m)).collect();
    let mut order: Vec<usize> = (0..ideal.len()).collect();
    let fraction = |i: usize| ((ideal[i] - ideal[i].floor()) * 1e6) as i64;
    order.sort_by_key(|i| (held[*i] <= counts[*i], -fraction(*i), *i));
    let mut left = total.saturating_sub(counts.iter().sum());
    while left > 0 {
        let before = left;
        for i in &order {
            if left > 0 && counts[*i] < most[*i] && ideal[*i] > 0.0 {
                counts[*i] += 1;
                left -= 1;
            }
        }
        if before == left {
            break;
        }
    }
    counts
}
