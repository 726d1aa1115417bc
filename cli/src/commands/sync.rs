//! `archgen sync`: keeps the list of members of an nginx that does not follow the registry itself. Changes that come together are one
//! change; what nginx refuses is never put in its place; while the registry does not answer, the last good list stays.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use archgen_env::{Env, os, task::Shutdown};
use archgen_generator::{MANIFEST_PATH, Members, content_hash, is_synced, member_files, synced};
use archgen_spec::topology::Topology;
use tokio::{
    process::Command,
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
/// Between looks at it, and how much of what is new in it is read.
const WATCHED_EVERY: Duration = Duration::from_millis(50);
const LOG_BYTES_MAX: u64 = 64 << 10;
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
    let folder = spec_files::folder(&arguments.spec)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure { status: exit::SYSTEM, error: error.into() })?;
    runtime.block_on(async {
        let env = os::env("sync", Path::new("."), Shutdown::default());
        let registry = Registry::of(&topology, arguments.registry.as_deref(), &folder, &env)?;
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

/// The first news, where there is any, and what comes with it.
async fn together(first: Option<News>, told: &mut mpsc::Receiver<News>) -> Vec<News> {
    let Some(first) = first else { return Vec::new() };
    let mut news = vec![first];
    let until = Instant::now() + QUIET_MAX;
    while let Ok(Some(more)) = timeout(QUIET.min(until.saturating_duration_since(Instant::now())), told.recv()).await {
        news.push(more);
    }
    news
}

/// What the registry said last, service by service.
#[derive(Default)]
struct Heard {
    known: BTreeMap<String, Vec<Registered>>,
    silent: BTreeMap<String, String>,
}

impl Heard {
    /// Takes in news; why there is no answer, where that is new.
    fn take(&mut self, service: String, news: Result<Vec<Registered>, String>) -> Option<String> {
        match news {
            Ok(instances) => {
                self.silent.remove(&service);
                self.known.insert(service, instances);
                None
            }
            Err(why) => {
                let first = self.silent.is_empty();
                self.silent.insert(service, why.clone());
                first.then_some(why)
            }
        }
    }

    /// Whether there was something of each.
    fn all(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.known.contains_key(name) || self.silent.contains_key(name))
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
        let (mut heard, mut said) = (Heard::default(), String::new());
        let mut again: Option<Duration> = None;
        loop {
            // What nginx refused it may take later, although the registry has no news: a certificate came, a name is known.
            let first = match again {
                Some(wait) => timeout(wait, told.recv()).await.unwrap_or_default(),
                None => told.recv().await,
            };
            if again.is_none() && first.is_none() {
                return Ok(exit::OK);
            }
            for (service, news) in together(first, &mut told).await {
                if let Some(why) = heard.take(service, news) {
                    self.printer.warning(&format!("{why}; the last good list stays"));
                }
            }
            if once && !heard.all(names) {
                continue;
            }
            let done = self.keep(&heard.known).await;
            if once {
                let missing = heard.silent.into_values().next();
                let failed = missing.map_or(done, |why| Err(anyhow::Error::msg(why)));
                return failed.map(|()| exit::OK).map_err(|error| Failure { status: exit::UNAVAILABLE, error });
            }
            match done {
                Ok(()) => {
                    said.clear();
                    again = None;
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != said {
                        self.printer.error(&text);
                    }
                    said = text;
                    again = Some(again.map_or(AGAIN.0, |wait| (wait * 2).min(AGAIN.1)));
                }
            }
        }
    }

    /// Puts a new list in its place if it is another one and nginx takes it.
    async fn keep(&self, known: &BTreeMap<String, Vec<Registered>>) -> anyhow::Result<()> {
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
        self.tried(&changed).await.context("nginx refuses the new list of members; the last good one stays")?;
        self.put(&wanted)?;
        if let Err(error) = self.reload().await {
            self.put(&before)?;
            let back = self
                .reload()
                .await
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
        let mut members = Members::read(texts.iter().map(String::as_str));
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
            let known = manifest.files.get(path).is_none_or(|hash| *hash == content_hash(text.as_bytes()));
            // A list whose writer was ended before it wrote the manifest is its own all the same.
            if !known && !is_synced(self.topology, path, text)? {
                bail!("`{path}` was edited by hand: `archgen generate --force` takes that back");
            }
        }
        Ok(())
    }

    /// Has nginx judge the folder as it would be, beside the real one.
    async fn tried(&self, changed: &BTreeMap<&String, &String>) -> anyhow::Result<()> {
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
        self.nginx(trial.path(), &["-t", "-q"]).await
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
    async fn reload(&self) -> anyhow::Result<()> {
        if !self.folder().join("run/nginx.pid").exists() {
            self.printer.note("nginx does not run: the list is ready for when it is started");
            return Ok(());
        }
        let log = self.folder().join("run/error.log");
        let length = fs::metadata(&log).map_or(0, |m| m.len());
        self.nginx(&self.folder(), &["-s", "reload"]).await?;
        let until = Instant::now() + WATCHED;
        while Instant::now() < until {
            sleep(WATCHED_EVERY).await;
            if let Some(line) = after(&log, length).lines().find(|line| line.contains("[emerg]")) {
                bail!("{line}");
            }
        }
        Ok(())
    }

    async fn nginx(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let folder = fs::canonicalize(folder).context("the gateway's folder")?;
        let mut command = Command::new(self.program);
        let output = command.arg("-p").arg(&folder).args(["-c", "nginx.conf"]).args(arguments).output().await;
        let output = output.with_context(|| format!("cannot run `{}`", self.program.display()))?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// What a file says from this byte on, as far as is worth reading: a log grows while nobody looks.
fn after(file: &Path, length: u64) -> String {
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|mut file| {
        file.seek(SeekFrom::Start(length))?;
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)
    });
    // A log that is not there says nothing.
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn services_are_heard_one_by_one() {
        let names = ["one".to_owned(), "two".to_owned()];
        let mut heard = Heard::default();
        assert_eq!(heard.take("one".to_owned(), Err("silent".to_owned())), Some("silent".to_owned()));
        assert_eq!(heard.take("one".to_owned(), Ok(Vec::new())), None);
        assert!(!heard.all(&names), "twice the same is not both");
        heard.take("two".to_owned(), Err("silent".to_owned()));
        assert!(heard.all(&names));
        assert_eq!(heard.silent.len(), 1);
    }

    #[test]
    fn of_a_log_only_what_is_new_is_read_and_not_all_of_it() {
        let mut log = tempfile::NamedTempFile::new().expect("a file");
        write!(log, "old\nnew\n{}", "x".repeat(1 << 20)).expect("a log");
        let text = after(log.path(), 4);
        assert!(text.starts_with("new\nx"), "{}", &text[..8]);
        assert_eq!(text.len(), LOG_BYTES_MAX as usize);
        assert_eq!(after(Path::new("/no/such/log"), 0), "");
    }
}
