//! `archgen copy`: the data of one environment's stores into another's, verified. The fleet is down; the embedded stores of both
//! environments run in this process for as long as it takes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use archgen_env::{
    Env,
    http::{Client, Limits},
    os,
    task::Shutdown,
};
use archgen_fleet::{Assembly, Copied, CopyError, Host};
use archgen_spec::topology::{Component, Topology};
use http::HeaderMap;
use tokio::time::{Instant, sleep};

use crate::{
    arguments::CopyArguments,
    exit::{self, Failure, Outcome},
    printer::{self, Printer},
    spec_files::{self, Environment},
    state::{FleetFile, Lock, StateFolder, assign, nodes, service_key, with_held},
    supervisor,
};

/// How long stores may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Time between looks.
const LOOK: Duration = Duration::from_millis(50);

/// Copies and prints what is where.
pub fn run(arguments: &CopyArguments, printer: Printer) -> Outcome {
    if arguments.from == arguments.to {
        return Err(Failure::new(exit::USAGE, "`--from` and `--to` name the same environment"));
    }
    let state = StateFolder::at(&arguments.state.folder)?;
    state.create()?;
    let lock = Lock::take(&state).map_err(|_| {
        Failure::new(exit::UNAVAILABLE, "a fleet is up: `archgen down` first, so that nobody writes meanwhile")
    })?;
    let env = os::env("copy", state.root(), Shutdown::default());
    let from = assembly(arguments, &arguments.from, &state, &env, printer)?;
    let to = assembly(arguments, &arguments.to, &state, &env, printer)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let copied = runtime.block_on(copy(&state, &env, &from, &to, printer));
    drop(lock);
    let all = copied?;
    printer.data(&printer::table(&rows(&all, arguments)));
    let unequal: Vec<&str> = all.iter().filter(|c| !c.is_equal()).map(|c| c.what.as_str()).collect();
    if unequal.is_empty() {
        printer.note(&format!("everything of `{}` is in `{}`, and equal", arguments.from, arguments.to));
        return Ok(exit::OK);
    }
    Err(Failure::new(exit::WRONG, format!("not equal: {}", unequal.join(", "))))
}

fn rows(all: &[Copied], arguments: &CopyArguments) -> Vec<Vec<String>> {
    let short = |digest: &str| digest.chars().take(16).collect::<String>();
    let head = ["WHAT", &arguments.from, &arguments.to, "SHA-256", ""].map(str::to_owned).to_vec();
    let row = |copied: &Copied| {
        vec![
            copied.what.clone(),
            copied.counts.0.to_string(),
            copied.counts.1.to_string(),
            short(&copied.digests.1),
            if copied.is_equal() { "equal" } else { "NOT EQUAL" }.to_owned(),
        ]
    };
    std::iter::once(head).chain(all.iter().map(row)).collect()
}

/// The assembly of one environment, at the addresses that its fleet has.
fn assembly(
    arguments: &CopyArguments,
    environment: &str,
    state: &StateFolder,
    env: &Env,
    printer: Printer,
) -> Result<Arc<Assembly>, Failure> {
    let (topology, spec) = spec_files::topology(&arguments.spec, Environment::Exactly(Some(environment)), printer)?;
    if let Some(store) = topology.stores.iter().find(|s| s.managed) {
        let message = format!(
            "`{}` of `{environment}` is managed: it runs only with its fleet; name a server that runs as `endpoint`",
            store.name
        );
        return Err(Failure::new(exit::UNAVAILABLE, message));
    }
    let problems: Vec<String> =
        supervisor::preflight(&topology).into_iter().filter(|line| line.starts_with("stores.")).collect();
    if !problems.is_empty() {
        return Err(Failure::new(exit::UNAVAILABLE, format!("`{environment}`: {}", problems.join("; "))));
    }
    let nodes = nodes(state, &topology)?;
    let topology = with_held(topology, &nodes);
    let addresses = assign(state, &topology, &BTreeSet::new())
        .map_err(|error| Failure { status: exit::UNAVAILABLE, error: anyhow!(error) })?;
    let key = service_key(state, &env.entropy("service-key"))?;
    let folder = spec_files::folder(&arguments.spec)?;
    let fleet = FleetFile {
        spec,
        folder,
        addresses,
        in_process: true,
        nodes,
        moved_bytes_per_second_max: None,
        chaos: false,
        #[cfg(sabotage)]
        sabotage: None,
        demo: false,
    };
    fleet.assembly_of(Arc::new(topology), key).map_err(|error| Failure { status: exit::UNAVAILABLE, error })
}

/// Whether a store is embedded in both: then it is the same one.
fn is_in_both(host: &Host, one: &Topology, other: &Topology) -> bool {
    let Component::Store(id) = host.instance().component else { return false };
    other.stores.iter().any(|s| s.embedded && s.name == one.store(id).name)
}

async fn copy(
    state: &StateFolder,
    env: &Env,
    from: &Arc<Assembly>,
    to: &Arc<Assembly>,
    printer: Printer,
) -> Result<Vec<Copied>, Failure> {
    let shutdown = Shutdown::default();
    let mut tasks = Vec::new();
    let mut hosts = Vec::new();
    for (one, is_source) in [(from, true), (to, false)] {
        let all = archgen_fleet::hosts(one).map_err(|e| Failure { status: exit::CONFIGURATION, error: anyhow!(e) })?;
        let stores = all.into_iter().filter(|host| matches!(host.instance().component, Component::Store(_)));
        // What is the same in both tells what there is in the others, and runs once.
        hosts.extend(stores.filter(|host| is_source || !is_in_both(host, &to.topology, &from.topology)));
    }
    for host in &hosts {
        let own = os::env(host.name(), &state.data(host.name()), shutdown.clone());
        let host = host.clone();
        tasks.push(env.spawn("store", async move {
            if let Err(error) = host.start(own).await {
                printer.warning(&format!("{}: {error}", host.name()));
            }
        }));
    }
    let mut all = Vec::new();
    let copied = async {
        ready(env, &hosts, from, to).await?;
        let mut said = |copied: &Copied| {
            printer.note(&format!("{}: {}", copied.what, copied.counts.0));
            all.push(copied.clone());
        };
        archgen_fleet::copy(from, to, env, &mut said).await.map_err(|error| {
            let status = if matches!(error, CopyError::NotEmpty(_)) { exit::REFUSED } else { exit::UNAVAILABLE };
            Failure { status, error: anyhow!(error) }
        })
    };
    let copied = copied.await;
    shutdown.trigger("copied");
    for task in tasks {
        let _ = task.join().await;
    }
    copied?;
    Ok(all)
}

/// Waits until every store is there, with its schema.
async fn ready(env: &Env, hosts: &[Host], from: &Assembly, to: &Assembly) -> anyhow::Result<()> {
    let client = Client::new(env, Limits { connect_ms_max: 500, call_ms_max: 2_000, ..Limits::default() });
    let until = Instant::now() + READY_WITHIN;
    for host in hosts {
        while !client.get(host.address(), "/readyz", HeaderMap::new()).await.is_ok_and(|r| r.status.is_success()) {
            if Instant::now() > until {
                bail!("`{}` does not become ready within {} s", host.name(), READY_WITHIN.as_secs());
            }
            sleep(LOOK).await;
        }
    }
    for assembly in [from, to] {
        for store in archgen_fleet::real_stores(assembly, env)? {
            loop {
                match store.look().await {
                    Ok(_) => break,
                    Err(fault) if fault.kind.is_lasting() || Instant::now() > until => return Err(anyhow!(fault)),
                    Err(_) => sleep(LOOK).await,
                }
            }
        }
    }
    Ok(())
}
