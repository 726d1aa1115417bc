//! Measures the Socket.IO server against its peers on the same machine in the same run: rounds interleaved, the server under load
//! on one core and everything else on the other, medians. Usage:
//! `bench FOLDER-OF-NODE-PEER [--rounds N] [--small] [--fleet ARCHGEN SPEC FOLDER] [--sockets-only] [--fleet-only] [--soak SECONDS]`.

mod client;
mod fleet;
mod growth;
mod process;
mod report;
mod rounds;
mod soak;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use process::Server;
use rounds::{Figures, Size, round};

/// The port before the first that a server is given.
const PORT_MIN: u16 = 21_500;

struct Options {
    node: PathBuf,
    rounds: usize,
    size: Size,
    fleet_size: fleet::Size,
    /// The program, the spec and an empty folder on the disk that is measured.
    fleet: Option<[String; 3]>,
    sockets_only: bool,
    fleet_only: bool,
    /// Only this: a long run of the fleet.
    soak: Option<Duration>,
}

fn options() -> io::Result<Options> {
    let full = Size { sockets: 5_000, small_rooms: 400, large_sends: 40, small_sends: 40 };
    let small = Size { sockets: 1_000, small_rooms: 50, large_sends: 100, small_sends: 40 };
    let mut all = std::env::args().skip(1);
    let node =
        all.next().map(PathBuf::from).ok_or_else(|| io::Error::other("the folder of the node peer is missing"))?;
    let fleet_full = fleet::Size { messages: 1_000, reconnects: 5_000, durable: Duration::from_secs(10) };
    let fleet_small = fleet::Size { messages: 200, reconnects: 500, durable: Duration::from_secs(3) };
    let mut options = Options {
        node,
        rounds: 5,
        size: full,
        fleet_size: fleet_full,
        fleet: None,
        sockets_only: false,
        fleet_only: false,
        soak: None,
    };
    while let Some(flag) = all.next() {
        match flag.as_str() {
            "--small" => (options.size, options.fleet_size) = (small, fleet_small),
            "--sockets-only" => options.sockets_only = true,
            "--fleet-only" => options.fleet_only = true,
            "--fleet" => {
                let mut next = || all.next().ok_or_else(|| io::Error::other("--fleet needs ARCHGEN SPEC FOLDER"));
                options.fleet = Some([next()?, next()?, next()?]);
            }
            "--soak" => {
                let seconds = all.next().and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds >= 30);
                options.soak = Some(Duration::from_secs(
                    seconds.ok_or_else(|| io::Error::other("--soak needs a number of seconds, at least 30"))?,
                ));
            }
            "--rounds" => {
                let count = all.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                options.rounds = count.ok_or_else(|| io::Error::other("--rounds needs a number"))?;
            }
            _ => return Err(io::Error::other(format!("unknown flag {flag}"))),
        }
    }
    Ok(options)
}

/// Ports, each used once, so that none waits for another's connections to be forgotten.
struct Ports(u16);

impl Ports {
    fn next(&mut self) -> u16 {
        self.0 += 1;
        self.0
    }
}

fn node(options: &Options) -> Vec<String> {
    vec!["node".to_owned(), options.node.join("server.mjs").to_string_lossy().into_owned()]
}

async fn sockets(options: &Options, ports: &mut Ports) -> io::Result<()> {
    let beside = std::env::current_exe()?;
    let program = |name: &str| vec![beside.with_file_name(name).to_string_lossy().into_owned()];
    let servers = [("archgen", program("ours")), ("socket.io", node(options)), ("socketioxide", program("oxide"))];
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); servers.len()];
    for number in 1..=options.rounds {
        for (at, (name, command)) in servers.iter().enumerate() {
            let server = Server::start(0, command, ports.next(), &[]).await?;
            match round(&server, options.size).await {
                Ok(one) => {
                    println!("round {number} {name:>12}: {}", report::line(&one));
                    figures[at].push(one);
                }
                // A peer that fails under the load is shown as such; ours may not.
                Err(error) if at > 0 => println!("round {number} {name:>12}: {error}"),
                Err(error) => return Err(error),
            }
            match client::lost() {
                0 => {}
                lost => println!("round {number} {name:>12}: {lost} first events after CONNECT were lost, and sent again"),
            }
        }
    }
    print!("{}", report::table(&servers.map(|(name, _)| name), &figures));
    let mut costs = Vec::new();
    for _ in 0..options.rounds {
        let [small, large] = [ports.next(), ports.next()];
        let small = Server::start(0, &program("ours"), small, &[]).await?;
        let large = Server::start(0, &program("ours"), large, &[]).await?;
        costs.push(growth::measure(&small, &large, options.size).await?);
    }
    print!("{}", growth::table(&costs));
    Ok(())
}

async fn soaked(time: Duration, [archgen, spec, folder]: &[String; 3]) -> io::Result<()> {
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let up = fleet::Fleet::start(0, Path::new(archgen), spec, &folder.join("soak")).await?;
    print!("{}", soak::soak(&up, time).await?);
    Ok(())
}

async fn fleets(options: &Options, [archgen, spec, folder]: &[String; 3], ports: &mut Ports) -> io::Result<()> {
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let redis_port = ports.next();
    let redis = ["redis-server", "--save", "", "--appendonly", "no", "--port"].map(str::to_owned);
    let _redis = Server::start(0, &redis, redis_port, &[]).await?;
    let (mut ours, mut theirs, mut recoveries, mut syncs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 1..=options.rounds {
        syncs.push(fleet::fdatasync_ms_p50(&folder)?);
        let up = fleet::Fleet::start(0, Path::new(archgen), spec, &folder.join(format!("round-{number}"))).await?;
        ours.push(fleet::ours(&up.ours, options.fleet_size).await?);
        drop(up);
        let more = [format!("redis://127.0.0.1:{redis_port}")];
        let command = node(options);
        let pair = [
            Server::start(0, &command, ports.next(), &more).await?,
            Server::start(0, &command, ports.next(), &more).await?,
        ];
        theirs.push(fleet::peer(&pair, options.fleet_size).await?);
        drop(pair);
        let server = Server::start(0, &command, ports.next(), &["recovery".to_owned()]).await?;
        recoveries.push(fleet::recovery(&server, options.fleet_size).await?);
        println!(
            "round {number}: {:?}; socket.io {:.1} ms way, {:.0} ms reconnect",
            ours[number - 1],
            theirs[number - 1].way_ms_p99,
            recoveries[number - 1]
        );
    }
    print!("{}", report::fleet_table(&ours, &theirs, &recoveries, &syncs));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = options()?;
    process::pin_self(1)?;
    let mut ports = Ports(PORT_MIN);
    if let (Some(time), Some(fleet)) = (options.soak, &options.fleet) {
        return soaked(time, fleet).await;
    }
    if !options.fleet_only {
        sockets(&options, &mut ports).await?;
    }
    match &options.fleet {
        Some(fleet) if !options.sockets_only => fleets(&options, fleet, &mut ports).await,
        _ => Ok(()),
    }
}
