//! The same work for many things, on as many threads as there are processors. What comes out does not depend on how many those are.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Things that a thread takes at once: few enough that threads end together, enough that they do not wait for each other.
const TAKEN_AT_ONCE: usize = 16;
/// Fewer things than this are done where they are.
const LEAST: usize = 2;

/// The results of `work`, in the order of `items`.
pub fn mapped<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    mapped_on(processors(), TAKEN_AT_ONCE, items, work)
}

/// The same for a few things that are much work each, the longest first: a thread takes one at a time.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    mapped_on(processors(), 1, items, work)
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn mapped_on<T: Sync, R: Send>(
    processors: usize,
    taken_max: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if processors < 2 || items.len() < LEAST {
        return items.iter().map(work).collect();
    }
    let take = (items.len() / processors / 4).clamp(1, taken_max);
    let next = AtomicUsize::new(0);
    let turns = || {
        let mut mine = Vec::new();
        loop {
            let first = next.fetch_add(take, Ordering::Relaxed);
            let Some(taken) = items.get(first..items.len().min(first + take)).filter(|t| !t.is_empty()) else { break };
            mine.push((first, taken.iter().map(&work).collect::<Vec<R>>()));
        }
        mine
    };
    let mut parts: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..processors.min(items.len())).map(|_| scope.spawn(turns)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    parts.sort_unstable_by_key(|(first, _)| *first);
    parts.into_iter().flat_map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::{TAKEN_AT_ONCE, mapped_on};

    #[test]
    fn order_is_kept_on_any_number_of_processors() {
        for processors in [1, 2, 3, 16] {
            for count in [0, 1, 2, 3, 17, 1_000] {
                let items: Vec<usize> = (0..count).collect();
                let done = mapped_on(processors, TAKEN_AT_ONCE, &items, |i| i * 2);
                assert_eq!(done, items.iter().map(|i| i * 2).collect::<Vec<_>>(), "{processors} processors");
            }
        }
    }
}
