//! Forked children of this process, each with a piece of work and a pipe for its result.
//!
//! A child inherits identical counters, thread ids and heap layout, which closes the last sources of difference between two
//! runs of one seed; it also contains aborts and hangs. The parent has one thread and no runtime, so forking is safe.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, FromRawFd},
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use crate::world;

/// Wall time of one child, milliseconds.
const CHILD_MS_MAX: u64 = 120_000;
/// A child that still runs after this time says which host does not give way, and ends; seconds.
const HANG_S: libc::c_uint = 100;
/// How such a child's last words begin.
const HANG: &[u8] = b"hang:";
/// Wait for output before the children's ages are looked at, milliseconds.
const LOOK_MS: libc::c_int = 200;

/// Panics of this process, in words.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the program that carries the libc shim does in a child.
pub trait Hooks: Sync {
    /// Closes entropy and clocks for this seed.
    fn enable(&self, seed: u64);
    /// Opens them again.
    fn disable(&self);
    /// What simulated code did that it may not do, such as starting a thread, in words.
    fn violations(&self) -> Vec<String>;
}

struct Child {
    index: usize,
    pid: libc::pid_t,
    pipe: File,
    output: Vec<u8>,
    started: Instant,
}

/// How a child ended that gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death(pub(crate) String);

/// Does `work(index)` for each index in a child of its own, `workers` at a time, and hands what each wrote to `done`, in the order
/// in which they end.
///
/// # Errors
/// The operating system refused a pipe or a fork.
pub(crate) fn each(
    indexes: &[usize],
    workers: usize,
    work: &dyn Fn(usize) -> Vec<u8>,
    done: &mut dyn FnMut(usize, Result<Vec<u8>, Death>),
) -> io::Result<()> {
    let mut waiting: VecDeque<usize> = indexes.iter().copied().collect();
    let mut children: BTreeMap<libc::pid_t, Child> = BTreeMap::new();
    while !waiting.is_empty() || !children.is_empty() {
        while children.len() < workers.max(1)
            && let Some(index) = waiting.pop_front()
        {
            let child = start(index, work)?;
            children.insert(child.pid, child);
        }
        wait_for_output(children.values());
        let ended: Vec<libc::pid_t> =
            children.values_mut().filter_map(|child| read_on(child).then_some(child.pid)).collect();
        for mut child in ended.iter().filter_map(|pid| children.remove(pid)) {
            let death = reap(&child);
            let output = std::mem::take(&mut child.output);
            done(child.index, outcome(output, death));
        }
    }
    Ok(())
}

fn start(index: usize, work: &dyn Fn(usize) -> Vec<u8>) -> io::Result<Child> {
    let mut ends = [0; 2];
    // SAFETY: `ends` is valid for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors are fresh and owned by nobody else.
    let (reader, mut writer) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    // SAFETY: this process has one thread, so the child may allocate and lock as usual.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(reader);
            LAST_WORDS.store(writer.as_raw_fd(), Ordering::Relaxed);
            // SAFETY: the handler does only what is safe in one.
            unsafe {
                libc::signal(libc::SIGALRM, say_last_words as *const () as libc::sighandler_t);
                libc::alarm(HANG_S);
            }
            let status = libc::c_int::from(writer.write_all(&work(index)).is_err());
            drop(writer);
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(status) }
        }
        pid => {
            // SAFETY: the descriptor is open.
            unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
            Ok(Child { index, pid, pipe: reader, output: Vec::new(), started: now() })
        }
    }
}

/// Where a child writes its result.
static LAST_WORDS: AtomicI32 = AtomicI32::new(-1);

/// Says which host's code runs and ends the child: simulated time stands still, because something never waits.
extern "C" fn say_last_words(_: libc::c_int) {
    let descriptor = LAST_WORDS.load(Ordering::Relaxed);
    // SAFETY: `write` and `_exit` are safe in a signal handler; the bytes are valid for their length.
    unsafe { libc::write(descriptor, HANG.as_ptr().cast(), HANG.len()) };
    world::write_running_host(descriptor);
    // SAFETY: as above.
    unsafe { libc::_exit(1) }
}

#[expect(clippy::disallowed_methods, reason = "the parent is outside the simulation and measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn wait_for_output<'a>(children: impl Iterator<Item = &'a Child>) {
    let poll = |child: &Child| libc::pollfd { fd: child.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polls: Vec<libc::pollfd> = children.map(poll).collect();
    // SAFETY: `polls` is valid for its length.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, LOOK_MS) };
}

/// Reads what the child has written; `true` once it has ended or must end.
fn read_on(child: &mut Child) -> bool {
    let mut buffer = [0u8; 64 << 10];
    loop {
        match child.pipe.read(&mut buffer) {
            Ok(0) => return true,
            Ok(read) => child.output.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if child.started.elapsed() < Duration::from_millis(CHILD_MS_MAX) {
                    return false;
                }
                // SAFETY: our own child, not yet waited for.
                unsafe { libc::kill(child.pid, libc::SIGKILL) };
                child.output.clear();
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}

fn outcome(output: Vec<u8>, death: Death) -> Result<Vec<u8>, Death> {
    match output.strip_prefix(HANG) {
        Some([]) => Err(Death(format!("the run did not end within {HANG_S} s"))),
        Some(host) => {
            let host = String::from_utf8_lossy(host);
            Err(Death(format!("{host} did not give way within {HANG_S} s: its code runs and never waits")))
        }
        None if output.is_empty() => Err(death),
        None => Ok(output),
    }
}

fn reap(child: &Child) -> Death {
    let mut status = 0;
    // SAFETY: our own child; `status` is valid.
    unsafe { libc::waitpid(child.pid, &mut status, 0) };
    Death(match (libc::WIFSIGNALED(status), child.started.elapsed() >= Duration::from_millis(CHILD_MS_MAX)) {
        (true, true) => format!("the run did not end within {CHILD_MS_MAX} ms and was killed"),
        (true, false) => format!("the run was killed by signal {}", libc::WTERMSIG(status)),
        (false, _) => format!("the run ended with status {} and no result", libc::WEXITSTATUS(status)),
    })
}

/// Runs a simulation on a thread of its own, under the shim: its thread-local state, hash seeds above all, begins anew, whatever
/// the parent did before. What went wrong beside its result comes back in words.
pub(crate) fn under_shim<T: Send>(
    seed: u64,
    hooks: &dyn Hooks,
    simulate: impl FnOnce() -> T + Send,
) -> (Option<T>, Vec<String>) {
    panic::set_hook(Box::new(|info| {
        let host = world::current_host().map_or_else(|| "the simulator".to_owned(), |host| host.to_string());
        let words = format!("panic on {host}: {}", info.to_string().replace('\n', " "));
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }));
    let (result, mut wrong) = std::thread::scope(|scope| {
        let simulation = scope.spawn(|| {
            hooks.enable(seed);
            let result = panic::catch_unwind(panic::AssertUnwindSafe(simulate)).ok();
            hooks.disable();
            (result, hooks.violations())
        });
        simulation.join().unwrap_or_default()
    });
    wrong.append(&mut PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        wrong.push(format!("simulated code started {} threads; it may start none", threads - 1));
    }
    (result, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unconditional_recursion, reason = "it is the crash that is looked for")]
    fn a_crash_is_one_runs_and_the_others_go_on() {
        #[inline(never)]
        fn deeper(depth: u64) -> u64 {
            let frame = std::hint::black_box([depth; 512]);
            deeper(depth + 1) + std::hint::black_box(frame)[7]
        }
        let work = |index: usize| match index {
            1 => std::process::abort(),
            2 => deeper(0).to_le_bytes().to_vec(),
            // SAFETY: it ends the child at once.
            3 => unsafe { libc::_exit(7) },
            _ => vec![index as u8],
        };
        let mut ended: BTreeMap<usize, Result<Vec<u8>, Death>> = BTreeMap::new();
        each(&[0, 1, 2, 3, 4], 2, &work, &mut |index, outcome| drop(ended.insert(index, outcome))).unwrap();
        let why = |index: usize| ended[&index].clone().unwrap_err().0;
        assert_eq!((ended[&0].clone().unwrap(), ended[&4].clone().unwrap()), (vec![0], vec![4]));
        assert!(why(1).contains(&format!("signal {}", libc::SIGABRT)), "{}", why(1));
        assert!(why(2).contains("was killed by signal"), "{}", why(2));
        assert!(why(3).contains("status 7"), "{}", why(3));
    }

    #[test]
    fn the_last_words_of_a_hanging_child_name_the_host() {
        let death = || Death("it died".to_owned());
        let told = |output: &[u8]| outcome(output.to_vec(), death()).map_err(|death| death.0);
        assert!(told(b"hang:chat-1").unwrap_err().starts_with("chat-1 did not give way"));
        assert!(told(b"hang:").unwrap_err().starts_with("the run did not end"));
        assert_eq!(told(b"").unwrap_err(), "it died");
        assert_eq!(told(b"{}").unwrap(), b"{}");
    }
}
