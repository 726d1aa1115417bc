//! The libc shim: in a simulation, entropy and clocks asked of the C library come from the seed and from simulated time.
//!
//! It overrides `getrandom`, `getentropy`, `clock_gettime` and `syscall` by symbol interposition, so that third-party code
//! (hash-map seeds, timestamps in HTTP headers, WebSocket masks) replays as ours does. This is why the simulator is a program
//! of its own: these symbols must never be linked into what serves users. Linux on x86-64 and aarch64.
//!
//! It also refuses, by the name of the host, what simulated code may not do: start a thread (`pthread_create`) or block the one
//! there is (`nanosleep`, `clock_nanosleep`).

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use archgen_simulator::{Hooks, world};

thread_local! {
    static RANDOM: Cell<Option<u64>> = const { Cell::new(None) };
    static CLOCK: Cell<bool> = const { Cell::new(false) };
    /// Set while the shim itself asks for the time: whoever asks again meanwhile gets the last answer.
    static BUSY: Cell<bool> = const { Cell::new(false) };
    static LAST_NS: Cell<u64> = const { Cell::new(0) };
    static VIOLATIONS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Violations that are told; more are only counted as these.
const VIOLATIONS_MAX: usize = 5;

/// Where simulated monotonic time begins; far from zero, so that code may subtract from it.
const MONOTONIC_BASE: Duration = Duration::from_secs(1_000_000);

/// The shim as the simulator's hooks.
pub struct Shim;

impl Hooks for Shim {
    fn enable(&self, seed: u64) {
        RANDOM.with(|r| r.set(Some(seed ^ 0x9e37_79b9_7f4a_7c15)));
        CLOCK.with(|c| c.set(true));
        LAST_NS.with(|l| l.set(0));
    }

    fn disable(&self) {
        RANDOM.with(|r| r.set(None));
        CLOCK.with(|c| c.set(false));
    }

    fn violations(&self) -> Vec<String> {
        VIOLATIONS.with(RefCell::take)
    }
}

/// Notes that simulated code did this, and says whether simulated code it was.
fn is_violation(what: &str) -> bool {
    if !CLOCK.with(Cell::get) {
        return false;
    }
    VIOLATIONS.with(|violations| {
        if let Ok(mut violations) = violations.try_borrow_mut()
            && violations.len() < VIOLATIONS_MAX
        {
            let host = world::current_host().map_or_else(|| "the simulator".to_owned(), |host| host.to_string());
            violations.push(format!("{host} {what}; simulated code may not"));
        }
    });
    true
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The kernel itself, past every override.
///
/// # Safety
/// As the system call's.
unsafe fn kernel(number: libc::c_long, a: [usize; 6]) -> isize {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the arguments; the clobbers are those of the ABI.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller vouches for the arguments.
    unsafe {
        std::arch::asm!("svc 0", in("x8") number, inlateout("x0") a[0] as isize => result, in("x1") a[1], in("x2") a[2],
            in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    if (-4095..0).contains(&result) {
        // SAFETY: errno's address is valid for this thread.
        unsafe { *libc::__errno_location() = -result as i32 };
        return -1;
    }
    result
}

/// # Safety
/// `buffer` is valid for `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    if let Some(mut state) = RANDOM.with(Cell::get) {
        // SAFETY: the caller vouches for the buffer.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
        for chunk in bytes.chunks_mut(8) {
            let word = next(&mut state).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        RANDOM.with(|r| r.set(Some(state)));
        return length as isize;
    }
    // SAFETY: as the caller's.
    unsafe { kernel(libc::SYS_getrandom, [buffer as usize, length, flags as usize, 0, 0, 0]) }
}

/// # Safety
/// `buffer` is valid for `length` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getentropy(buffer: *mut u8, length: usize) -> libc::c_int {
    // SAFETY: as the caller's.
    if unsafe { getrandom(buffer, length, 0) } == length as isize { 0 } else { -1 }
}

/// # Safety
/// `time` is valid for one `timespec`.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    let base = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => world::EPOCH,
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_BOOTTIME => {
            MONOTONIC_BASE
        }
        _ => Duration::ZERO,
    };
    if base > Duration::ZERO && CLOCK.with(Cell::get) {
        let asked = if BUSY.with(|b| b.replace(true)) {
            None
        } else {
            let elapsed = world::elapsed_if_known();
            BUSY.with(|b| b.set(false));
            elapsed
        };
        let ns = asked.map_or_else(|| LAST_NS.with(Cell::get), |d| d.as_nanos() as u64);
        LAST_NS.with(|l| l.set(ns));
        let now = base + Duration::from_nanos(ns);
        // SAFETY: the caller vouches for the pointer.
        unsafe { time.write(libc::timespec { tv_sec: now.as_secs() as _, tv_nsec: now.subsec_nanos() as _ }) };
        return 0;
    }
    // SAFETY: as the caller's.
    unsafe { kernel(libc::SYS_clock_gettime, [clock as usize, time as usize, 0, 0, 0, 0]) as libc::c_int }
}

type ThreadMain = extern "C" fn(*mut libc::c_void) -> *mut libc::c_void;
type CreateThread = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    ThreadMain,
    *mut libc::c_void,
) -> libc::c_int;

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    main: ThreadMain,
    argument: *mut libc::c_void,
) -> libc::c_int {
    if is_violation("started a thread") {
        return libc::EAGAIN;
    }
    // SAFETY: the name is a C string; the symbol, where it is found, has the type of this very function.
    unsafe {
        let real = libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr());
        if real.is_null() {
            return libc::EAGAIN;
        }
        std::mem::transmute::<*mut libc::c_void, CreateThread>(real)(thread, attributes, main, argument)
    }
}

/// # Safety
/// As the system call's.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn nanosleep(wanted: *const libc::timespec, left: *mut libc::timespec) -> libc::c_int {
    if is_violation("blocked in a sleep") {
        return 0;
    }
    // SAFETY: as the caller's.
    unsafe { kernel(libc::SYS_nanosleep, [wanted as usize, left as usize, 0, 0, 0, 0]) as libc::c_int }
}

/// # Safety
/// As the system call's.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: libc::c_int,
    wanted: *const libc::timespec,
    left: *mut libc::timespec,
) -> libc::c_int {
    if is_violation("blocked in a sleep") {
        return 0;
    }
    let arguments = [clock as usize, flags as usize, wanted as usize, left as usize, 0, 0];
    // SAFETY: as the caller's.
    if unsafe { kernel(libc::SYS_clock_nanosleep, arguments) } == 0 {
        return 0;
    }
    // SAFETY: errno's address is valid for this thread. This function returns the error itself.
    unsafe { *libc::__errno_location() }
}

/// Catches code that asks the kernel for entropy or time by number.
///
/// # Safety
/// As the system call's.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(
    number: libc::c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> libc::c_long {
    // SAFETY: as the caller's.
    unsafe {
        match number {
            libc::SYS_getrandom => getrandom(a as *mut u8, b, c as u32) as libc::c_long,
            libc::SYS_clock_gettime => {
                libc::c_long::from(clock_gettime(a as libc::clockid_t, b as *mut libc::timespec))
            }
            _ => kernel(number, [a, b, c, d, e, f]) as libc::c_long,
        }
    }
}
