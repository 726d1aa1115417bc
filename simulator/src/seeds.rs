//! Many plans, one forked child each.
//!
//! A child inherits identical counters, thread ids and heap layout, which closes the last sources of difference between two
//! runs of one seed; it also contains aborts and hangs. The parent has one thread and no runtime, so forking is safe.

use std::{
    collections::{BTreeMap, VecDeque},
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
    plan::Plan,
    run::run,
    verdict::{Run, Summary, Verdict},
    world,
};

/// Wall time of one child.
const CHILD_MS_MAX: u64 = 300_000;
/// One passing run in this many is repeated to see that its digest is the same.
const RECHECK_EVERY: usize = 100;
/// Failing runs that are repeated for the same reason.
const RECHECKED_MAX: usize = 20;

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

struct Child<'a> {
    index: usize,
    plan: &'a Plan,
    pid: libc::pid_t,
    pipe: File,
    output: Vec<u8>,
    started: Instant,
}

/// Runs these plans on `workers` children at a time; the runs come back in the plans' order. `done` is called after each run.
/// Red runs, and one passing run in a hundred, are run a second time; a different digest is itself a red remark.
///
/// # Errors
/// See [`SeedError`].
pub fn run_plans(
    topology: &Arc<Topology>,
    plans: &[Plan],
    workers: usize,
    hooks: &dyn Hooks,
    done: &mut dyn FnMut(&Run),
) -> Result<Summary, SeedError> {
    let all: Vec<usize> = (0..plans.len()).collect();
    let mut runs = each(topology, plans, &all, workers, hooks, done)?;
    let (red, passing): (Vec<usize>, Vec<usize>) = all.iter().partition(|i| runs[**i].verdict == Verdict::Red);
    let mut again: Vec<usize> = red.into_iter().take(RECHECKED_MAX).collect();
    again.extend(passing.into_iter().skip(RECHECK_EVERY - 1).step_by(RECHECK_EVERY));
    for (index, second) in again.iter().zip(each(topology, plans, &again, workers, hooks, &mut |_| {})?) {
        let first = &mut runs[*index];
        if first.digest != second.digest {
            first.verdict = Verdict::Red;
            first.remarks.push(format!(
                "not reproducible: digest {} at first, {} the second time; the simulator let entropy in",
                first.digest, second.digest
            ));
        }
    }
    Ok(Summary { runs })
}

/// Runs the chosen plans, each once and none checked against another; the runs come back in the order of `chosen`.
///
/// # Errors
/// See [`SeedError`].
fn each(
    topology: &Arc<Topology>,
    plans: &[Plan],
    chosen: &[usize],
    workers: usize,
    hooks: &dyn Hooks,
    done: &mut dyn FnMut(&Run),
) -> Result<Vec<Run>, SeedError> {
    let mut waiting: VecDeque<usize> = chosen.iter().copied().collect();
    let mut children: Vec<Child<'_>> = Vec::new();
    let mut runs = BTreeMap::new();
    while !waiting.is_empty() || !children.is_empty() {
        while children.len() < workers.max(1)
            && let Some(index) = waiting.pop_front()
        {
            children.push(start(topology, index, &plans[index], hooks)?);
        }
        wait_for_output(&children);
        let mut index = 0;
        while index < children.len() {
            match progress(&mut children[index]) {
                Some(result) => {
                    let child = children.remove(index);
                    let run = result?;
                    done(&run);
                    runs.insert(child.index, run);
                }
                None => index += 1,
            }
        }
    }
    Ok(chosen.iter().filter_map(|index| runs.remove(index)).collect())
}

fn start<'a>(
    topology: &Arc<Topology>,
    index: usize,
    plan: &'a Plan,
    hooks: &dyn Hooks,
) -> Result<Child<'a>, SeedError> {
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
            child(topology, plan, hooks, writer)
        }
        pid => {
            // SAFETY: the descriptor is open.
            unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
            Ok(Child { index, plan, pid, pipe: reader, output: Vec::new(), started: now() })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the parent is outside the simulation and measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The child's whole life: it never returns.
fn child(topology: &Arc<Topology>, plan: &Plan, hooks: &dyn Hooks, mut pipe: File) -> ! {
    panic::set_hook(Box::new(|info| {
        let host = world::current_host().map_or_else(|| "the simulator".to_owned(), |host| host.to_string());
        let words = format!("{host}: {}", info.to_string().replace('\n', " "));
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }));
    let result = on_fresh_thread(topology, plan, hooks);
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
fn on_fresh_thread(topology: &Arc<Topology>, plan: &Plan, hooks: &dyn Hooks) -> Result<Run, FleetError> {
    std::thread::scope(|scope| {
        let simulation = scope.spawn(|| {
            hooks.enable(plan.seed);
            let result = run(topology, plan);
            hooks.disable();
            result
        });
        simulation.join().unwrap_or_else(|_| {
            Err(FleetError::Ended { host: "the simulation".to_owned(), reason: "it panicked".to_owned() })
        })
    })
}

fn wait_for_output(children: &[Child<'_>]) {
    let mut polls: Vec<libc::pollfd> =
        children.iter().map(|c| libc::pollfd { fd: c.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: `polls` is valid for its length.
    unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 200) };
}

/// Reads what the child has written; its run once it has ended.
fn progress(child: &mut Child<'_>) -> Option<Result<Run, SeedError>> {
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
        Err(_) => Ok(died(child.plan, status)),
    })
}

fn died(plan: &Plan, status: libc::c_int) -> Run {
    let how = if libc::WIFSIGNALED(status) {
        format!("the run was killed by signal {} (it may have hung for {CHILD_MS_MAX} ms)", libc::WTERMSIG(status))
    } else {
        format!("the run ended with status {} and no result", libc::WEXITSTATUS(status))
    };
    Run::without_result(plan, how)
}
