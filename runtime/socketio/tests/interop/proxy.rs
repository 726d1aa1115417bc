//! A proxy that cuts: what it passes on comes in pieces of random lengths, or its connections end at random bytes.

use archgen_env::{
    Env,
    entropy::Entropy,
    net::{Address, BoxStream},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

/// Longest piece, bytes.
const PIECE_BYTES_MAX: u64 = 1_500;
/// Least and most that one direction of a connection carries before the connection ends, bytes.
const CARRIED_BYTES: (u64, u64) = (300, 6_000);

/// What is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The stream, into pieces.
    Pieces,
    /// The connections themselves, besides.
    Connections,
}

/// Listens, and passes on until the process ends.
pub async fn start(env: &Env, port: u16, target: u16, cut: Cut) {
    let mut listener = env.net().listen(&Address::new("127.0.0.1", port)).await.expect("the port is free");
    let its_env = env.clone();
    env.spawn("proxy", async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = its_env.net().connect(&Address::new("127.0.0.1", target)).await else { continue };
            let entropy = its_env.entropy("proxy");
            its_env.spawn("proxied", pass_on(client, server, entropy, cut));
        }
    });
}

async fn pass_on(client: BoxStream, server: BoxStream, entropy: Entropy, cut: Cut) {
    let budget = || match cut {
        Cut::Pieces => u64::MAX,
        Cut::Connections => CARRIED_BYTES.0 + entropy.below(CARRIED_BYTES.1 - CARRIED_BYTES.0),
    };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    // Whichever ends first ends both, at once and without a word.
    tokio::select! {
        biased;
        () = pieces(from_client, to_server, &entropy, budget()) => {}
        () = pieces(from_server, to_client, &entropy, budget()) => {}
    }
}

async fn pieces(mut from: ReadHalf<BoxStream>, mut to: WriteHalf<BoxStream>, entropy: &Entropy, mut budget: u64) {
    let mut piece = vec![0; PIECE_BYTES_MAX as usize];
    while budget > 0 {
        let length = (1 + entropy.below(PIECE_BYTES_MAX)).min(budget);
        let Ok(read @ 1..) = from.read(&mut piece[..length as usize]).await else { return };
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
        budget -= read as u64;
    }
}
