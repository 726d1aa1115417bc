//! Places for the vertices of a directed graph, in layers from left to right (Sugiyama, Tagawa and Toda, 1981): long edges pass
//! through invisible vertices, layers are ordered by the median of their neighbours, and then pulled straight.

use std::collections::BTreeMap;

/// Sweeps over the layers while ordering them, and while pulling edges straight.
const SWEEPS: usize = 12;

/// A graph to be laid out. Edges go from a lower to a higher layer.
pub(super) struct Graph {
    /// Layer of each vertex.
    pub(super) layer: Vec<usize>,
    /// Edges by vertex.
    pub(super) edges: Vec<(usize, usize)>,
    /// Height of a vertex, and the space between two.
    pub(super) height: i64,
    pub(super) gap: i64,
}

/// The result.
pub(crate) struct Layout {
    /// Middle of each vertex.
    pub(super) y: Vec<i64>,
    /// For each edge, the middles of the layers that it passes: (layer, y).
    pub(super) bends: Vec<Vec<(usize, i64)>>,
    /// Height of everything.
    pub(super) height: i64,
}

/// One vertex of the working graph; those past the given ones are bends of long edges.
struct Work {
    layers: Vec<Vec<usize>>,
    up: Vec<Vec<usize>>,
    down: Vec<Vec<usize>>,
    size: Vec<i64>,
    gap: i64,
}

/// Lays out a graph; the same graph gets the same places.
pub(super) fn layout(graph: &Graph) -> Layout {
    let (mut work, chains) = with_bends(graph);
    order(&mut work);
    let y = straighten(&work);
    let given = graph.layer.len();
    let bends = chains.iter().map(|chain| chain.iter().map(|(layer, vertex)| (*layer, y[*vertex])).collect()).collect();
    let bottom = (0..y.len()).map(|v| y[v] + work.size[v] / 2).max().unwrap_or(0);
    Layout { y: y[..given].to_vec(), bends, height: bottom }
}

/// (layer, vertex) of each bend of an edge.
type Chain = Vec<(usize, usize)>;

fn with_bends(graph: &Graph) -> (Work, Vec<Chain>) {
    let count = graph.layer.iter().max().map_or(0, |m| m + 1);
    let mut layers = vec![Vec::new(); count];
    for (vertex, layer) in graph.layer.iter().enumerate() {
        layers[*layer].push(vertex);
    }
    let mut size = vec![graph.height; graph.layer.len()];
    let mut links = Vec::new();
    let mut chains = Vec::new();
    for (from, to) in &graph.edges {
        let mut chain = Vec::new();
        let mut last = *from;
        for (layer, vertices) in layers.iter_mut().enumerate().take(graph.layer[*to]).skip(graph.layer[*from] + 1) {
            let bend = size.len();
            size.push(6);
            vertices.push(bend);
            links.push((last, bend));
            chain.push((layer, bend));
            last = bend;
        }
        links.push((last, *to));
        chains.push(chain);
    }
    let mut up = vec![Vec::new(); size.len()];
    let mut down = vec![Vec::new(); size.len()];
    for (from, to) in links {
        down[from].push(to);
        up[to].push(from);
    }
    (Work { layers, up, down, size, gap: graph.gap }, chains)
}

/// The middle of some numbers, doubled so that it stays whole.
fn median(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    match all.len() {
        0 => None,
        n if n % 2 == 1 => Some(all[n / 2] * 2),
        n => Some(all[n / 2 - 1] + all[n / 2]),
    }
}

fn crossings(work: &Work) -> usize {
    let mut place = vec![0; work.size.len()];
    for layer in &work.layers {
        for (index, vertex) in layer.iter().enumerate() {
            place[*vertex] = index;
        }
    }
    let mut count = 0;
    for layer in &work.layers {
        // Ends of the edges in the order of their beginnings: pairs in the wrong order cross. Counted in a tree of sums.
        let mut ends = Vec::new();
        for vertex in layer {
            let mut here: Vec<usize> = work.down[*vertex].iter().map(|v| place[*v]).collect();
            here.sort_unstable();
            ends.extend(here);
        }
        let most = ends.iter().max().map_or(0, |m| m + 2);
        let mut tree = vec![0_usize; most + 1];
        for (seen, end) in ends.iter().enumerate() {
            let mut at = end + 1;
            let mut lower = 0;
            while at > 0 {
                lower += tree[at];
                at &= at - 1;
            }
            count += seen - lower;
            let mut at = end + 1;
            while at <= most {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    count
}

fn order(work: &mut Work) {
    let mut best = work.layers.clone();
    let mut fewest = crossings(work);
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let mut place = vec![0_i64; work.size.len()];
        for layer in &work.layers {
            for (index, vertex) in layer.iter().enumerate() {
                place[*vertex] = index as i64;
            }
        }
        let count = work.layers.len();
        let turns: Vec<usize> =
            if forward { (1..count).collect() } else { (0..count.saturating_sub(1)).rev().collect() };
        for layer in turns {
            let neighbours = if forward { &work.up } else { &work.down };
            let keys: BTreeMap<usize, i64> = work.layers[layer]
                .iter()
                .map(|v| {
                    let all = neighbours[*v].iter().map(|n| place[*n]).collect();
                    (*v, median(all).unwrap_or(place[*v] * 2))
                })
                .collect();
            work.layers[layer].sort_by_key(|v| keys[v]);
            for (index, vertex) in work.layers[layer].iter().enumerate() {
                place[*vertex] = index as i64;
            }
        }
        let now = crossings(work);
        if now < fewest {
            fewest = now;
            best.clone_from(&work.layers);
        }
    }
    work.layers = best;
}

fn straighten(work: &Work) -> Vec<i64> {
    let mut y = vec![0; work.size.len()];
    for layer in &work.layers {
        let mut top = 0;
        for vertex in layer {
            y[*vertex] = top + work.size[*vertex] / 2;
            top += work.size[*vertex] + work.gap;
        }
    }
    let tallest =
        work.layers.iter().map(|l| l.iter().map(|v| work.size[*v] + work.gap).sum::<i64>()).max().unwrap_or(0);
    for layer in &work.layers {
        let tall: i64 = layer.iter().map(|v| work.size[*v] + work.gap).sum();
        for vertex in layer {
            y[*vertex] += (tallest - tall) / 2;
        }
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let count = work.layers.len();
        let turns: Vec<usize> = if forward { (0..count).collect() } else { (0..count).rev().collect() };
        for layer in turns {
            let wanted: Vec<i64> = work.layers[layer]
                .iter()
                .map(|v| {
                    let all: Vec<i64> = work.up[*v].iter().chain(&work.down[*v]).map(|n| y[*n]).collect();
                    median(all).map_or(y[*v], |m| m / 2)
                })
                .collect();
            place(work, layer, &wanted, &mut y);
        }
    }
    let top = (0..y.len()).map(|v| y[v] - work.size[v] / 2).min().unwrap_or(0);
    for value in &mut y {
        *value -= top;
    }
    y
}

/// Puts the vertices of a layer as near to what they want as their order and sizes allow: groups that touch move together, to the
/// mean of what their members want (the pool of adjacent violators).
fn place(work: &Work, layer: usize, wanted: &[i64], y: &mut [i64]) {
    struct Group {
        first: usize,
        sum: i64,
        count: i64,
    }
    let vertices = &work.layers[layer];
    // Distance of each vertex from the first when all of them touch.
    let mut offset = Vec::with_capacity(vertices.len());
    let mut at = 0;
    for (index, vertex) in vertices.iter().enumerate() {
        if index > 0 {
            at += (work.size[vertices[index - 1]] + work.size[*vertex]) / 2 + work.gap;
        }
        offset.push(at);
    }
    let mut groups: Vec<Group> = Vec::new();
    for index in 0..vertices.len() {
        let mut group = Group { first: index, sum: wanted[index] - offset[index], count: 1 };
        while let Some(before) = groups.pop_if(|b| b.sum * group.count > group.sum * b.count) {
            group = Group { first: before.first, sum: before.sum + group.sum, count: before.count + group.count };
        }
        groups.push(group);
    }
    for group in &groups {
        let base = group.sum / group.count;
        for index in group.first..group.first + group.count as usize {
            y[vertices[index]] = base + offset[index];
        }
    }
}
