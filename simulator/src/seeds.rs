//! Many runs, one forked child each.
//!
//! A child inherits identical counters, thread ids and heap layout, which closes the last sources of difference between two
//! runs of one seed; it also contains aborts and hangs. The parent has one thread and no runtime, so forking is safe.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsRawFd, FromRawFd},
    panic,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use archgen_fleet::FleetError;
use archgen_spec::topology::Topology;

use crate::{
    run::run,
    verdict::{Run, Summary, Verdict},
};

/// Wall time of one child.
const CHILD_MS_MAX: u64 = 300_000;
/// One passing seed in this many is run again to see that its digest is the same.
const RECHECK_EVERY: usize = 100;

/// Panics of this process, in words.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the program that carries the libc shim does in a child.
pub trait Hooks: Sync {
    /// Closes entropy and clocks for this seed.
    fn enable(&self, seed: u64);
    /// Opens them again.
    fn disable(&self);
}

/// Why seeds could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The operating system refused a pipe or a fork.
    #[error("cannot start a child process")]
    Fork(#[source] io::Error),
    /// The topology cannot be assembled.
    #[error("{0}")]
    Assembly(String),
}

struct Child {
    seed: u64,
    pid: libc::pid_t,
    pipe: File,
    output: Vec<u8>,
    started: Instant,
}

/// Runs these seeds on `workers` children at a time. `done` is called after each run. Red runs, and one passing run in a
/// hundred, are run a second time; a different digest is itself a red remark.
///
/// # Errors
/// See [`SeedError`].
pub fn run_seeds(
    topology: &Arc<Topology>,
    seeds: &[u64],
    workers: usize,
    hooks: &dyn Hooks,
    done: &mut dyn FnMut(&Run),
) -> Result<Summary, SeedError> {
    let mut runs = each(topology, seeds, workers, hooks, done)?;
    runs.sort_by_key(|r| r.seed);
    let again: Vec<u64> = runs
        .iter()
        .enumerate()
        .filter(|(i, r)| r.verdict == Verdict::Red || (i + 1) % RECHECK_EVERY == 0)
        .map(|(_, r)| r.seed)
        .take(20)
        .collect();
    for second in each(topology, &again, workers, hooks, &mut |_| {})? {
        if let Some(first) = runs.iter_mut().find(|r| r.seed == second.seed)
            && first.digest != second.digest
        {
            first.verdict = Verdict::Red;
            first.remarks.push(format!(
                "not reproducible: digest {} at first, {} the second time; the simulator let entropy in",
                first.digest, second.digest
            ));
        }
    }
    Ok(Summary { runs })
}

fn each(
    topology: &Arc<Topology>,
    seeds: &[u64],
    workers: usize,
    hooks: &dyn Hooks,
    done: &mut dyn FnMut(&Run),
) -> Result<Vec<Run>, SeedError> {
    let mut waiting: VecDeque<u64> = seeds.iter().copied().collect();
    let mut children: Vec<Child> = Vec::new();
    let mut runs = Vec::new();
    while !waiting.is_empty() || !children.is_empty() {
        while children.len() < workers.max(1)
            && let Some(seed) = waiting.pop_front()
        {
            children.push(start(topology, seed, hooks)?);
        }
        wait_for_output(&children);
        let mut index = 0;
        while index < children.len() {
            match progress(&mut children[index]) {
                Some(result) => {
                    children.remove(index);
                    let run = result?;
                    done(&run);
                    runs.push(run);
                }
                None => index += 1,
            }
        }
    }
    Ok(runs)
}

fn start(topology: &Arc<Topology>, seed: u64, hooks: &dyn Hooks) -> Result<Child, SeedError> {
    let mut ends = [0; 2];
    // SAFETY: `ends` is valid for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(SeedError::Fork(io::Error::last_os_error()));
    }
    // SAFETY: both descriptors are fresh and owned by nobody else.
    let (reader, writer) = unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) };
    // SAFETY: this process has one thread, so the child may allocate and lock as usual.
    match unsafe { libc::fork() } {
        -1 => Err(SeedError::Fork(io::Error::last_os_error())),
        0 => {
            drop(reader);
            child(topology, seed, hooks, writer)
        }
        pid => {
            // SAFETY: the descriptor is open.
            unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
            Ok(Child { seed, pid, pipe: reader, output: Vec::new(), started: now() })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the parent is outside the simulation and measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The child's whole life: it never returns.
fn child(topology: &Arc<Topology>, seed: u64, hooks: &dyn Hooks, mut pipe: File) -> ! {
    panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string().replace('\n', " "));
    }));
    let result = on_fresh_thread(topology, seed, hooks);
    let bytes = match result {
        Ok(mut run) => {
            let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            if !panics.is_empty() {
                run.verdict = Verdict::Red;
                run.remarks.extend(panics.iter().map(|p| format!("panic: {p}")));
            }
            let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
            if threads != 1 {
                run.verdict = Verdict::Red;
                run.remarks.push(format!("simulated code started {} threads; it may start none", threads - 1));
            }
            serde_json::to_vec(&Ok::<Run, String>(run))
        }
        Err(error) => serde_json::to_vec(&Err::<Run, String>(error.to_string())),
    };
    let status = match bytes.map(|b| pipe.write_all(&b)) {
        Ok(Ok(())) => 0,
        _ => 1,
    };
    drop(pipe);
    // SAFETY: ends the child at once, without the parent's exit handlers.
    unsafe { libc::_exit(status) }
}

/// Runs the simulation on a thread of its own: its thread-local state, hash seeds above all, begins anew under the shim, whatever
/// the parent did before.
fn on_fresh_thread(topology: &Arc<Topology>, seed: u64, hooks: &dyn Hooks) -> Result<Run, FleetError> {
    std::thread::scope(|scope| {
        let simulation = scope.spawn(|| {
            hooks.enable(seed);
            let result = run(topology, seed);
            hooks.disable();
            result
        });
        simulation.join().unwrap_or_else(|_| {
            Err(FleetError::Ended { host: "the simulation".to_owned(), reason: "it panicked".to_owned() })
        })
    })
}

fn wait_for_output(children: &[Child]) {
    let mut polls: Vec<libc::pollfd> =
        children.iter().map(|c| libc::pollfd { fd: c.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: `polls` is valid for its length.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 200) };
}

/// Reads what the child has written; its run once it has ended.
fn progress(child: &mut Child) -> Option<Result<Run, SeedError>> {
    let mut buffer = [0u8; 64 << 10];
    loop {
        match child.pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => child.output.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if child.started.elapsed() < Duration::from_millis(CHILD_MS_MAX) {
                    return None;
                }
                // SAFETY: our own child, not yet waited for.
                unsafe { libc::kill(child.pid, libc::SIGKILL) };
                break;
            }
            Err(_) => break,
        }
    }
    let mut status = 0;
    // SAFETY: our own child; `status` is valid.
    unsafe { libc::waitpid(child.pid, &mut status, 0) };
    Some(match serde_json::from_slice::<Result<Run, String>>(&child.output) {
        Ok(Ok(run)) => Ok(run),
        Ok(Err(error)) => Err(SeedError::Assembly(error)),
        Err(_) => Ok(died(child.seed, status)),
    })
}

fn died(seed: u64, status: libc::c_int) -> Run {
    let how = if libc::WIFSIGNALED(status) {
        format!("the run was killed by signal {} (it may have hung for {CHILD_MS_MAX} ms)", libc::WTERMSIG(status))
    } else {
        format!("the run ended with status {} and no result", libc::WEXITSTATUS(status))
    };
    Run {
        seed,
        verdict: Verdict::Red,
        digest: String::new(),
        operations: 0,
        sends: 0,
        findings: Vec::new(),
        remarks: vec![how],
        faults: Vec::new(),
        simulated_ms: 0,
    }
}
