//! `archgen sync`: keeps the list of members of an nginx that does not follow the registry itself. Changes that come together are one
//! change; what nginx refuses is never put in its place; while the registry does not answer, the last good list stays.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail};
use archgen_env::{Env, os, task::Shutdown};
use archgen_generator::{MANIFEST_PATH, Members, content_hash, member_files, synced};
use archgen_spec::topology::Topology;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use crate::{
    arguments::SyncArguments,
    exit::{self, Failure, Outcome},
    out_folder::WritableFolder,
    printer::Printer,
    registry::{Registered, Registry},
    spec_files::{self, Environment},
};

/// A change waits so long for another one that comes with it, and in all at most so long.
const QUIET: Duration = Duration::from_millis(250);
const QUIET_MAX: Duration = Duration::from_secs(5);
/// How long a question waits for news.
const WAIT: Duration = Duration::from_secs(60);
/// Between questions that were not answered: from the first to the last of these, doubling.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long after a reload nginx's log is watched for a refusal.
const WATCHED: Duration = Duration::from_millis(400);
/// News that wait to be taken in.
const NEWS_MAX: usize = 64;

/// What a watcher has to say: a service and its instances, or why there is no answer.
type News = (String, Result<Vec<Registered>, String>);

/// Follows the registry.
pub fn run(arguments: &SyncArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let names = synced(&topology);
    if names.is_empty() {
        let message = "there is nothing to keep: nginx from 1.28 on follows the registry itself, and without `discovery: consul` members \
                       are fixed";
        return Err(Failure::new(exit::USAGE, message));
    }
    let keeper =
        Keeper { topology: &topology, out: WritableFolder::at(&arguments.out), program: &arguments.nginx, printer };
    if !keeper.folder().join("nginx.conf").exists() {
        let folder = arguments.out.display();
        return Err(Failure::new(
            exit::SYSTEM,
            format!("there is no gateway in `{folder}`: `archgen generate` writes it"),
        ));
    }
    let port = topology.registry.as_ref().map_or(8_500, |r| r.port);
    let url = arguments.registry.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure { status: exit::SYSTEM, error: error.into() })?;
    runtime.block_on(async {
        let env = os::env("sync", Path::new("."), Shutdown::default());
        let registry = Registry::at(&url, std::env::var("CONSUL_HTTP_TOKEN").ok(), &env)?;
        keeper.follow(&env, &registry, &names, arguments.once).await
    })
}

/// Asks for the instances of one service, again and again.
async fn watch(registry: Registry, service: String, tell: mpsc::Sender<News>) {
    let (mut index, mut last, mut again) = (0, None, AGAIN.0);
    loop {
        let news = match registry.instances(&service, index, WAIT).await {
            Ok((next, mut instances)) => {
                instances.retain(|i| i.passing);
                (index, again) = (next, AGAIN.0);
                Ok(instances)
            }
            Err(error) => {
                sleep(again).await;
                (index, again) = (0, (again * 2).min(AGAIN.1));
                Err(format!("{error:#}"))
            }
        };
        if last.as_ref() != Some(&news) {
            if tell.send((service.clone(), news.clone())).await.is_err() {
                return;
            }
            last = Some(news);
        }
    }
}

/// One gateway's folder.
struct Keeper<'a> {
    topology: &'a Topology,
    out: WritableFolder,
    program: &'a Path,
    printer: Printer,
}

impl Keeper<'_> {
    fn folder(&self) -> PathBuf {
        self.out.folder.root().join("nginx")
    }

    async fn follow(&self, env: &Env, registry: &Registry, names: &[String], once: bool) -> Outcome {
        let (tell, mut told) = mpsc::channel(NEWS_MAX);
        for name in names {
            env.spawn("watch", watch(registry.clone(), name.clone(), tell.clone()));
        }
        let mut known: BTreeMap<String, Vec<Registered>> = BTreeMap::new();
        let mut silent: BTreeMap<String, String> = BTreeMap::new();
        let mut heard = 0;
        while let Some(first) = told.recv().await {
            let mut news = vec![first];
            let until = Instant::now() + QUIET_MAX;
            while let Ok(Some(more)) =
                timeout(QUIET.min(until.saturating_duration_since(Instant::now())), told.recv()).await
            {
                news.push(more);
            }
            heard += news.len();
            for (service, news) in news {
                match news {
                    Ok(instances) => {
                        silent.remove(&service);
                        known.insert(service, instances);
                    }
                    Err(why) => {
                        if silent.is_empty() {
                            self.printer.warning(&format!("{why}; the last good list stays"));
                        }
                        silent.insert(service, why);
                    }
                }
            }
            if once && heard < names.len() {
                continue;
            }
            let done = self.keep(&known);
            if once {
                let missing = silent.into_values().next();
                let failed = missing.map_or(done, |why| Err(anyhow::Error::msg(why)));
                return failed.map(|()| exit::OK).map_err(|error| Failure { status: exit::UNAVAILABLE, error });
            }
            if let Err(error) = done {
                self.printer.error(&format!("{error:#}"));
            }
        }
        Ok(exit::OK)
    }

    /// Puts a new list in its place if it is another one and nginx takes it.
    fn keep(&self, known: &BTreeMap<String, Vec<Registered>>) -> anyhow::Result<()> {
        let members = self.members(known)?;
        let wanted = member_files(self.topology, &members)?;
        let mut before = BTreeMap::new();
        for path in wanted.keys() {
            let bytes = self.out.folder.read(path)?.unwrap_or_default();
            before.insert(path.clone(), String::from_utf8(bytes).with_context(|| format!("`{path}` is no text"))?);
        }
        let changed: BTreeMap<&String, &String> =
            wanted.iter().filter(|(path, text)| before[*path] != **text).collect();
        if changed.is_empty() {
            return Ok(());
        }
        self.refuse_edited(&before)?;
        self.tried(&changed).context("nginx refuses the new list of members; the last good one stays")?;
        self.put(&wanted)?;
        if let Err(error) = self.reload() {
            self.put(&before)?;
            let back = self
                .reload()
                .map_or_else(|e| format!("and nginx refuses that, too: {e:#}"), |()| "as it was".to_owned());
            return Err(error.context(format!("nginx did not take the new list of members; it is taken back, {back}")));
        }
        let count = members.services.values().map(Vec::len).sum::<usize>() + members.realtime.len();
        self.printer.note(&format!("{count} members of {} services", known.len()));
        Ok(())
    }

    /// A service of which nobody is healthy keeps the list that there is: an empty one would be no better, and nginx has none.
    fn members(&self, known: &BTreeMap<String, Vec<Registered>>) -> anyhow::Result<Members> {
        let mut texts = Vec::new();
        for path in member_files(self.topology, &Members::default())?.keys() {
            texts.extend(self.out.folder.read(path)?.and_then(|bytes| String::from_utf8(bytes).ok()));
        }
        let mut members = Members::read(texts.iter().map(String::as_str)).unwrap_or_default();
        for (service, instances) in known {
            let mut good: Vec<(&str, String)> = Vec::new();
            for instance in instances {
                match address(instance) {
                    Some(address) => good.push((&instance.id, address)),
                    None => self
                        .printer
                        .warning(&format!("{service}: {:?} at {:?} is left out", instance.id, instance.address)),
                }
            }
            if good.is_empty() {
                self.printer.warning(&format!("{service}: nobody is healthy; the last good list stays"));
            } else if service == "realtime" {
                // Sessions go to the node that their id names.
                let nodes = good.into_iter().filter(|(id, _)| id.starts_with("realtime-"));
                members.realtime = nodes.map(|(id, address)| (id.to_owned(), address)).collect();
            } else {
                members.services.insert(service.clone(), good.into_iter().map(|(_, address)| address).collect());
            }
        }
        Ok(members)
    }

    /// A file that somebody edited is not overwritten.
    fn refuse_edited(&self, before: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let Some(manifest) = self.out.folder.manifest().map_err(|failure| failure.error)? else { return Ok(()) };
        for (path, text) in before {
            if manifest.files.get(path).is_some_and(|hash| *hash != content_hash(text.as_bytes())) {
                bail!("`{path}` was edited by hand: `archgen generate --force` takes that back");
            }
        }
        Ok(())
    }

    /// Has nginx judge the folder as it would be, beside the real one.
    fn tried(&self, changed: &BTreeMap<&String, &String>) -> anyhow::Result<()> {
        let real = fs::canonicalize(self.folder()).context("the gateway's folder")?;
        let trial = tempfile::Builder::new()
            .prefix(".nginx-trial-")
            .tempdir_in(self.out.folder.root())
            .context("a folder for the trial")?;
        let changed: BTreeMap<&str, &str> =
            changed.iter().filter_map(|(path, text)| Some((path.strip_prefix("nginx/")?, text.as_str()))).collect();
        for entry in fs::read_dir(&real).context("the gateway's folder")? {
            let entry = entry.context("the gateway's folder")?;
            let name = entry.file_name();
            let to = trial.path().join(&name);
            match name.to_str().and_then(|name| changed.get(name)) {
                Some(text) => fs::write(to, text),
                None => symlink(entry.path(), to),
            }
            .context("a folder for the trial")?;
        }
        self.nginx(trial.path(), &["-t", "-q"])
    }

    fn put(&self, files: &BTreeMap<String, String>) -> anyhow::Result<()> {
        for (path, text) in files {
            self.out.write_if_changed(path, text)?;
        }
        let Some(mut manifest) = self.out.folder.manifest().map_err(|failure| failure.error)? else { return Ok(()) };
        manifest.files.extend(files.iter().map(|(path, text)| (path.clone(), content_hash(text.as_bytes()))));
        self.out.write_if_changed(MANIFEST_PATH, &manifest.text())
    }

    /// Reloads nginx where it runs. What a running nginx cannot take it says in its log only.
    fn reload(&self) -> anyhow::Result<()> {
        if !self.folder().join("run/nginx.pid").exists() {
            self.printer.note("nginx does not run: the list is ready for when it is started");
            return Ok(());
        }
        let log = self.folder().join("run/error.log");
        let length = fs::metadata(&log).map_or(0, |m| m.len()) as usize;
        self.nginx(&self.folder(), &["-s", "reload"])?;
        std::thread::sleep(WATCHED);
        let text = fs::read(&log).unwrap_or_default();
        let fresh = String::from_utf8_lossy(text.get(length..).unwrap_or_default()).into_owned();
        match fresh.lines().find(|line| line.contains("[emerg]")) {
            Some(line) => bail!("{line}"),
            None => Ok(()),
        }
    }

    fn nginx(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let folder = fs::canonicalize(folder).context("the gateway's folder")?;
        let mut command = Command::new(self.program);
        let output = command.arg("-p").arg(&folder).args(["-c", "nginx.conf"]).args(arguments).output();
        let output = output.with_context(|| format!("cannot run `{}`", self.program.display()))?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// Address and port as nginx writes them; `None` for what is neither an IP address nor a name.
fn address(instance: &Registered) -> Option<String> {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if instance.id.is_empty() || !instance.id.chars().all(name) || !(1..=65_535).contains(&instance.port) {
        return None;
    }
    match instance.address.parse() {
        Ok(std::net::IpAddr::V6(address)) => Some(format!("[{address}]:{}", instance.port)),
        Ok(std::net::IpAddr::V4(address)) => Some(format!("{address}:{}", instance.port)),
        Err(_) if instance.address.is_empty() || !instance.address.chars().all(|c| name(c) || c == '.') => None,
        Err(_) => Some(format!("{}:{}", instance.address, instance.port)),
    }
}
