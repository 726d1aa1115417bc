//! The supervisor's socket: one JSON line asks, one JSON line answers. It is in the state folder, which only its owner may enter.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener as StdListener, UnixStream as StdStream},
    },
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

use super::{
    board::HostStatus,
    change,
    floor::{Floor, Order},
};
use crate::state::StateFolder;

/// Longest question, bytes.
const REQUEST_BYTES_MAX: u64 = 4 << 10;
/// Longest answer, bytes: some thousand hosts.
const REPLY_BYTES_MAX: u64 = 8 << 20;
/// Questions under way at once.
const CONNECTIONS_MAX: usize = 16;
/// One exchange.
const EXCHANGE: Duration = Duration::from_secs(5);
/// Longest path of a socket (unix(7)), bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What a fleet is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not every host was ready yet.
    Starting,
    /// Every host was ready once.
    Running,
    /// The order to stop was given.
    Stopping,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub enum Request {
    /// How is every host?
    Status,
    /// Start this host again.
    Restart {
        /// Its name.
        host: String,
    },
    /// Take in the fleet that was put beside this one.
    Change,
    /// Stop the fleet.
    Down,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Why not; absent where it was done.
    pub error: Option<String>,
    /// What the fleet is doing.
    pub phase: Phase,
    /// Every host.
    pub hosts: Vec<HostStatus>,
}

impl Reply {
    /// Whether the start is over and every host serves.
    pub fn is_healthy(&self) -> bool {
        self.phase != Phase::Stopping && self.hosts.iter().all(|h| h.state == super::HostState::Ready)
    }

    /// Whether the start is over.
    pub fn is_started(&self) -> bool {
        self.phase == Phase::Running
    }
}

/// A path of the socket that is short enough, with what keeps it valid.
fn socket(state: &StateFolder) -> io::Result<(PathBuf, Option<std::fs::File>)> {
    let path = state.control();
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = std::fs::File::open(state.root())?;
    Ok((PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd())), Some(folder)))
}

/// Listens. A socket left behind by a dead supervisor is replaced: the lock says that it is dead.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(state: &StateFolder) -> anyhow::Result<UnixListener> {
    let bind = || {
        match std::fs::remove_file(state.control()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (path, _folder) = socket(state)?;
        let listener = StdListener::bind(path)?;
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    };
    bind().with_context(|| format!("cannot listen on `{}`", state.control().display()))
}

/// Answers. Never returns.
pub async fn serve(listener: &UnixListener, floor: &Floor) {
    let accepted = stream::unfold((), |()| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, ())),
                // Out of files: a little later there may be one.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    accepted
        .for_each_concurrent(CONNECTIONS_MAX, |stream| async move {
            // A client that is slow or gone loses its answer, no more.
            let _ = timeout(EXCHANGE, exchange(stream, floor)).await;
        })
        .await;
}

async fn exchange(mut stream: UnixStream, floor: &Floor) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    AsyncBufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let error = match serde_json::from_str::<Request>(&line) {
        Err(error) => Some(format!("not a question: {error}")),
        Ok(Request::Status) => None,
        Ok(Request::Restart { host }) => (!floor.restart(&host)).then(|| unknown(&host, floor)),
        Ok(Request::Change) => change::take(floor).err().map(|error| format!("{error:#}")),
        Ok(Request::Down) => {
            floor.order(Order::Stop);
            None
        }
    };
    let reply = Reply { error, phase: floor.phase.get(), hosts: floor.board.all() };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

fn unknown(host: &str, floor: &Floor) -> String {
    let known: Vec<String> = floor.board.all().into_iter().map(|h| h.host).collect();
    format!("there is no host `{host}`; hosts: {}", known.join(", "))
}

/// Asks the supervisor of this state folder. `None` where none answers.
///
/// # Errors
/// It answers something else, or refuses.
pub fn ask(state: &StateFolder, request: &Request) -> anyhow::Result<Option<Reply>> {
    let connected = socket(state).and_then(|(path, _folder)| StdStream::connect(path));
    let Ok(stream) = connected else { return Ok(None) };
    let answer = RefCell::new(String::new());
    let exchange = || -> io::Result<()> {
        stream.set_read_timeout(Some(EXCHANGE))?;
        stream.set_write_timeout(Some(EXCHANGE))?;
        let mut question = serde_json::to_string(request)?;
        question.push('\n');
        (&stream).write_all(question.as_bytes())?;
        BufReader::new((&stream).take(REPLY_BYTES_MAX)).read_line(&mut answer.borrow_mut())?;
        Ok(())
    };
    let exchanged = exchange();
    let answer = answer.into_inner();
    if exchanged.is_err() || answer.is_empty() {
        // It ended in the middle.
        return Ok(None);
    }
    let reply: Reply = serde_json::from_str(&answer).context("the supervisor answers something else")?;
    match reply.error {
        Some(error) => bail!("{error}"),
        None => Ok(Some(reply)),
    }
}
