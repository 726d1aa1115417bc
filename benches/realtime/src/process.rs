//! Servers as processes: started on one core, and what the kernel says about them.

use std::{
    fs, io,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A server under load, killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

/// Keeps this process off the servers' core.
pub fn pin_self(core: usize) -> io::Result<()> {
    let status = Command::new("taskset")
        .args(["-a", "-p", "-c", &core.to_string()])
        .arg(std::process::id().to_string())
        .stdout(Stdio::null())
        .status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("taskset failed")) }
}

impl Server {
    /// Starts this command on a core; its last argument is the port.
    pub async fn start(core: usize, command: &[String], port: u16, more: &[String]) -> io::Result<Self> {
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(command)
            .arg(port.to_string())
            .args(more)
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { child, port };
        for _ in 0..1_000 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(io::Error::other(format!("{command:?} does not listen on {port}")))
    }

    /// Memory that is its own or shared in proportion, bytes.
    pub fn memory_bytes(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok());
        kib.map(|kib| kib * 1_024).ok_or_else(|| io::Error::other("no Pss in smaps_rollup"))
    }

    /// CPU time so far, user and system, microseconds.
    pub fn cpu_us(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = text.rsplit_once(')').unwrap_or_default();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        // Fields 14 and 15 of proc(5), in ticks of 10 ms.
        Ok((ticks(11) + ticks(12)) * 10_000)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
