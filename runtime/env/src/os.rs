//! The operating system's implementation of every part of [`Env`].
#![expect(clippy::disallowed_methods, reason = "this is the one place that asks the operating system")]

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rand::{TryRng, rngs::SysRng};
use tokio::{net::TcpListener, net::TcpStream, sync::Semaphore};

use crate::{
    Env, Parts,
    clock::WallClock,
    disk::{Disk, File},
    entropy::EntropySource,
    net::{Address, BoxStream, Listener, Net},
    task::{Compute, Done, OnRuntime, Shutdown, Work},
};

/// Computations that run at once; more wait their turn.
const COMPUTATIONS_MAX: usize = 8;

/// An environment on this machine for the host of this name, its files under `data`.
pub fn env(host: &str, data: &Path, shutdown: Shutdown) -> Env {
    Env::new(parts(host, data, shutdown))
}

/// What that environment is assembled from.
pub fn parts(host: &str, data: &Path, shutdown: Shutdown) -> Parts {
    Parts {
        host: host.to_owned(),
        net: Arc::new(OsNet),
        clock: Arc::new(OsClock),
        entropy: Arc::new(OsEntropy),
        disk: Arc::new(OsDisk { root: data.to_owned() }),
        compute: Arc::new(OsCompute(Arc::new(Semaphore::new(COMPUTATIONS_MAX)))),
        spawner: Arc::new(OnRuntime),
        shutdown,
    }
}

struct OsNet;
struct OsListener(TcpListener);

#[async_trait]
impl Listener for OsListener {
    async fn accept(&mut self) -> io::Result<(BoxStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }
}

#[async_trait]
impl Net for OsNet {
    async fn listen(&self, address: &Address) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(OsListener(TcpListener::bind((address.host.as_str(), address.port)).await?)))
    }

    async fn connect(&self, address: &Address) -> io::Result<BoxStream> {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

struct OsClock;

impl WallClock for OsClock {
    fn wall_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |d| d.as_millis() as u64)
    }
}

struct OsEntropy;

impl EntropySource for OsEntropy {
    fn stream(&self, _purpose: &str) -> [u8; 32] {
        let mut seed = [0u8; 32];
        if let Err(error) = SysRng.try_fill_bytes(&mut seed) {
            // Without entropy every id and token would be guessable: there is no way to go on.
            panic!("the operating system gives no randomness: {error}");
        }
        seed
    }
}

struct OsCompute(Arc<Semaphore>);

impl Compute for OsCompute {
    fn run(&self, work: Work) -> Done {
        let permits = self.0.clone();
        Box::pin(async move {
            let _permit = permits.acquire_owned().await.ok()?;
            tokio::task::spawn_blocking(work).await.ok()
        })
    }
}

struct OsDisk {
    root: PathBuf,
}

struct OsFile(fs::File);

impl File for OsFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.read(buffer)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::End(0))?;
        self.0.write_all(bytes)
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for OsDisk {
    fn root(&self) -> Option<PathBuf> {
        Some(self.root.clone())
    }

    fn open(&self, path: &str, create: bool) -> io::Result<Box<dyn File>> {
        let full = self.root.join(path);
        if create && let Some(folder) = full.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = fs::OpenOptions::new().read(true).write(true).create(create).truncate(false).open(full)?;
        Ok(Box::new(OsFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_directory(&self, folder: &str) -> io::Result<()> {
        fs::File::open(self.root.join(folder))?.sync_all()
    }
}
