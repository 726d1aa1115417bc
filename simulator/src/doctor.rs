//! The entropy table: every source of difference between two runs that we know of, asked twice with one seed.

use std::{
    io::Read,
    time::{Duration, Instant, SystemTime},
};

use archgen_env::{
    Env,
    task::{OnRuntime, Spawner},
};

use crate::{
    children::{Hooks, each, under_shim},
    engine::{EngineKind, engine},
    seeds::SeedError,
    world::World,
};

/// One source of entropy or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub name: String,
    /// Whether two runs of one seed saw the same.
    pub is_same: bool,
    /// Whether it should be the same; what is open by design is named as such.
    pub is_closed: bool,
}

/// Sources that nothing closes, with the reason.
const OPEN: &str = "bytes of /dev/urandom (files of the system are not simulated; no simulated code reads them)";

/// Asks every source in two children with one seed.
///
/// # Errors
/// See [`SeedError`].
pub fn doctor(hooks: &dyn Hooks) -> Result<Vec<Source>, SeedError> {
    let mut answers: Vec<Vec<(String, String)>> = vec![Vec::new(); 2];
    let ask = |_| {
        let (seen, wrong) = under_shim(1, hooks, sources);
        let mut seen = seen.unwrap_or_default();
        // Threads and blocking calls are provoked by the last sources, and must have been refused by name.
        let refused = |what: &str| wrong.iter().any(|words| words.contains(what)).to_string();
        seen.push(("a thread in simulated code is refused by name".to_owned(), refused("thread")));
        seen.push(("a blocking sleep in simulated code is refused by name".to_owned(), refused("sleep")));
        serde_json::to_vec(&seen).unwrap_or_default()
    };
    each(&[0, 1], 1, &ask, &mut |index, output| {
        answers[index] = output.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    })
    .map_err(SeedError::Fork)?;
    let [first, second] = <[Vec<(String, String)>; 2]>::try_from(answers).unwrap_or_default();
    if first.is_empty() || first.len() != second.len() {
        return Err(SeedError::Assembly("the sources could not be asked".to_owned()));
    }
    let same = |((name, a), (_, b)): ((String, String), (String, String))| {
        let provoked = name.ends_with("refused by name");
        Source { is_same: a == b && (!provoked || a == "true"), is_closed: name != OPEN, name }
    };
    Ok(first.into_iter().zip(second).map(same).collect())
}

/// What each source says, in a simulation.
fn sources() -> Vec<(String, String)> {
    let world = World::new(1);
    let mut engine = engine(EngineKind::Event, &world);
    let (sender, receiver) = std::sync::mpsc::channel();
    engine.add_person(
        "doctor",
        Box::new(move |env| {
            let sender = sender.clone();
            Box::pin(async move {
                // The receiver outlives the simulation.
                let _ = sender.send(ask(&env).await);
            })
        }),
    );
    // The engine cannot fail here, and nobody needs to be told that the person is done.
    let _ = engine.advance(Duration::from_secs(60));
    receiver.try_recv().unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what simulated code may not use is examined here"
)]
async fn ask(env: &Env) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut add = |name: &str, value: String| seen.push((name.to_owned(), value));
    let map: std::collections::HashMap<u32, ()> = (0..64).map(|n| (n, ())).collect();
    add("order of a hash map", format!("{:?}", map.keys().collect::<Vec<_>>()));
    let mut order = String::new();
    for _ in 0..64 {
        tokio::select! {
            () = std::future::ready(()) => order.push('a'),
            () = std::future::ready(()) => order.push('b'),
        }
    }
    add("order of select! without biased", order);
    let mut bytes = [0u8; 16];
    // SAFETY: the buffer is valid for its length.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    add("getrandom", format!("{bytes:?}"));
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0) };
    add("getrandom as a system call by number", format!("{bytes:?}"));
    add("ids of Env", env.new_uuid().to_string());
    add("random streams of Env", env.entropy("doctor").token(8));
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_millis(50)).await;
    add("monotonic clock of the system", format!("{:?}", begun.elapsed()));
    add("wall clock of the system", format!("{:?}", SystemTime::now()));
    add("wall clock of Env", env.wall_ms().to_string());
    let task = OnRuntime.spawn("probe", Box::pin(async {}));
    add("ids of tasks", format!("{:?}", task.abort_handle().id()));
    task.join().await;
    add("ids of threads", format!("{:?}", std::thread::current().id()));
    add("addresses on the heap", format!("{:p}", Box::new(7u64)));
    let mut file = [0u8; 8];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut file));
    add(OPEN, format!("{read:?} {file:?}"));
    add("a thread started", std::thread::Builder::new().spawn(|| ()).is_ok().to_string());
    std::thread::sleep(Duration::from_millis(1));
    seen
}
