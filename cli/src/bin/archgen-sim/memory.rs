//! The simulator's allocator: free lists by size class over large pages, one set for each thread.
//!
//! A run makes some millions of small, short-lived allocations on one thread, in a child that lives for less than a second: a
//! fifth of its time went into the general allocator. Classes are as in jemalloc: steps of 16 bytes up to 128, then four to a
//! doubling. What is larger than [`CLASS_BYTES_MAX`], or wants more than 16 bytes of alignment, is the system's. Addresses follow
//! from the order of calls alone, which is one more thing that two runs of a seed have in common.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    ptr,
};

/// Largest block of a class, bytes.
const CLASS_BYTES_MAX: usize = 32 << 10;
/// Classes: 8 up to 128 bytes, and 4 to each of 8 doublings after that.
const CLASSES: usize = 8 + 4 * 8;
/// Blocks are at least aligned to this.
const ALIGNMENT: usize = 16;
/// Taken from the kernel at once; it gives whole large pages (2 MiB) to what begins and ends with one.
const REGION_BYTES: usize = 16 << 20;
const LARGE_PAGE_BYTES: usize = 2 << 20;

struct Lists {
    /// First free block of each class; a free block begins with the address of the next.
    free: [*mut u8; CLASSES],
    /// What is left of the region.
    next: *mut u8,
    left: usize,
}

thread_local! {
    // It needs no destructor: a thread's blocks stay until the process ends. Simulations have one thread.
    static LISTS: UnsafeCell<Lists> =
        const { UnsafeCell::new(Lists { free: [ptr::null_mut(); CLASSES], next: ptr::null_mut(), left: 0 }) };
}

/// The class of a size, and the bytes of its blocks. `size` is at least 1 and at most [`CLASS_BYTES_MAX`].
fn class(size: usize) -> (usize, usize) {
    if size <= 128 {
        let class = (size - 1) / 16;
        return (class, (class + 1) * 16);
    }
    // The doubling that the size lies in, from 128 on, and the quarter of it.
    let doubling = (usize::BITS - (size - 1).leading_zeros() - 1) as usize;
    let quarter = (size - 1 - (1 << doubling)) >> (doubling - 2);
    (8 + (doubling - 7) * 4 + quarter, (1 << doubling) + ((quarter + 1) << (doubling - 2)))
}

fn is_ours(layout: &Layout) -> bool {
    layout.size() <= CLASS_BYTES_MAX && layout.align() <= ALIGNMENT && layout.size() > 0
}

impl Lists {
    fn take(&mut self, size: usize) -> *mut u8 {
        let (class, bytes) = class(size);
        let first = self.free[class];
        if !first.is_null() {
            // SAFETY: a free block holds the address of the next one; it is large enough and aligned for it.
            self.free[class] = unsafe { first.cast::<*mut u8>().read() };
            return first;
        }
        if self.left < bytes && !self.refill() {
            return ptr::null_mut();
        }
        let block = self.next;
        // SAFETY: `left` bytes follow `next` in the region.
        self.next = unsafe { block.add(bytes) };
        self.left -= bytes;
        block
    }

    fn give(&mut self, block: *mut u8, size: usize) {
        let (class, _) = class(size);
        // SAFETY: the block is free, large enough for an address and aligned for it.
        unsafe { block.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = block;
    }

    /// A new region; what was left of the last one, less than one block, is given up.
    fn refill(&mut self) -> bool {
        let (length, protection) = (REGION_BYTES + LARGE_PAGE_BYTES, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: a fresh private mapping touches nothing that is there.
        unsafe {
            let start = libc::mmap(ptr::null_mut(), length, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            if start == libc::MAP_FAILED {
                return false;
            }
            let start = start.cast::<u8>();
            let aligned = start.add(start.align_offset(LARGE_PAGE_BYTES));
            // Without large pages it works as well, with more faults.
            libc::madvise(aligned.cast(), REGION_BYTES, libc::MADV_HUGEPAGE);
            (self.next, self.left) = (aligned, REGION_BYTES);
        }
        true
    }
}

/// The allocator.
pub struct Pools;

impl Pools {
    fn with<T>(&self, work: impl FnOnce(&mut Lists) -> T) -> T {
        // SAFETY: the lists are this thread's, and nothing in `work` allocates or calls back.
        LISTS.with(|lists| work(unsafe { &mut *lists.get() }))
    }
}

// SAFETY: blocks come from regions that are never given back, are as large and as aligned as their layout asks, and are on no
// list while they are in use. A block that another thread frees goes to that thread's lists.
unsafe impl GlobalAlloc for Pools {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_ours(&layout) {
            return self.with(|lists| lists.take(layout.size()));
        }
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_ours(&layout) {
            let block = self.with(|lists| lists.take(layout.size()));
            if !block.is_null() {
                // SAFETY: the block has the layout's size.
                unsafe { block.write_bytes(0, layout.size()) };
            }
            return block;
        }
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_ours(&layout) {
            return self.with(|lists| lists.give(block, layout.size()));
        }
        // SAFETY: as the caller's; what is not ours is the system's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that the new size is a valid one for the alignment.
        let grown = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_ours(&layout), is_ours(&grown)) {
            // SAFETY: as the caller's.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            (true, true) if class(layout.size()) == class(size) => block,
            // SAFETY: both blocks are valid for the bytes that are copied, and they are apart.
            _ => unsafe {
                let moved = self.alloc(grown);
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_class_are_large_enough_and_not_by_much() {
        let mut last = 0;
        for size in 1..=CLASS_BYTES_MAX {
            let (class, bytes) = class(size);
            assert!(class == last || class == last + 1, "{size}");
            last = class;
            assert!(bytes >= size && bytes % ALIGNMENT == 0, "{size}: {bytes}");
            assert!(bytes - size < 16 || bytes - size <= size / 4, "{size}: {bytes}");
        }
        assert_eq!(last, CLASSES - 1);
    }

    #[test]
    fn blocks_in_use_are_apart_and_keep_what_is_written() {
        let pools = Pools;
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut state = 1u64;
        for turn in 0..20_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let size = 1 + (state >> 33) as usize % ((2 * CLASS_BYTES_MAX) >> (turn % 12));
            if turn % 3 == 2 {
                let (block, layout, mark) = held.swap_remove((state >> 20) as usize % held.len());
                // SAFETY: the block was given for this layout and is freed, or grown, once.
                unsafe {
                    assert!((0..layout.size()).all(|at| *block.add(at) == mark));
                    let moved = pools.realloc(block, layout, size);
                    assert!((0..layout.size().min(size)).all(|at| *moved.add(at) == mark));
                    pools.dealloc(moved, Layout::from_size_align(size, layout.align()).unwrap());
                }
                continue;
            }
            let layout = Layout::from_size_align(size, 1 << (turn % 6)).unwrap();
            // SAFETY: the layout has a size; the block is written within it.
            unsafe {
                let block = if turn % 2 == 0 { pools.alloc(layout) } else { pools.alloc_zeroed(layout) };
                assert!(block.align_offset(layout.align()) == 0);
                assert!(turn % 2 == 0 || (0..size).all(|at| *block.add(at) == 0));
                block.write_bytes(turn as u8, size);
                held.push((block, layout, turn as u8));
            }
        }
    }
}
