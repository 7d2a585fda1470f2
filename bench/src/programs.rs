//! Whole programs: HTTP servers under `wrk`, and echo servers on tokio.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::children;
use crate::load::Clients;
use crate::stats::Summary;

/// How much a program did in a second, and that in what upstream's did.
pub struct Score {
    pub name: &'static str,
    pub per_second: Summary,
    pub ratio: Summary,
}

/// A running server, which ends with this.
struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// Where a configuration was made.
    directory: Option<PathBuf>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(directory) = &self.directory {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

const UPSTREAM: &str = "upstream";

/// Requests per second of HTTP servers with one thread and 64 connections that are kept
/// alive. Returns what had to be left out, too.
pub fn http(rounds: usize, seconds: u64) -> Result<(Vec<Score>, Vec<String>), String> {
    let ours = children::build("http-ours", "programs")?.join("http-ours");
    let upstream = children::build("http-upstream", "programs")?.join("http-upstream");
    let hyper_ours = children::build("tokio-ours", "tokio-ours")?.join("http");
    let hyper_upstream = children::build("tokio-upstream", "tokio-upstream")?.join("http");
    let mut servers = vec![
        start("ours", &ours, &["127.0.0.1:0", "1"])?,
        start(UPSTREAM, &upstream, &["127.0.0.1:0", "1"])?,
        start("upstream again", &upstream, &["127.0.0.1:0", "1"])?,
        start("hyper on tokio, ours patched in", &hyper_ours, &[])?,
        start("hyper on tokio", &hyper_upstream, &[])?,
    ];
    let mut missing = Vec::new();
    match nginx() {
        Ok(server) => servers.push(server),
        Err(error) => missing.push(format!("nginx is left out: {error} (Debian: nginx-light).")),
    }
    let scores = compare(&servers, rounds, |server| wrk(server.address, seconds))?;
    Ok((scores, missing))
}

/// Messages per second of echo servers on tokio, with 64 connections.
pub fn echo(rounds: usize, time: Duration) -> Result<Vec<Score>, String> {
    let ours = children::build("tokio-ours", "tokio-ours")?.join("echo");
    let upstream = children::build("tokio-upstream", "tokio-upstream")?.join("echo");
    let servers = [
        start("tokio, ours patched in", &ours, &[])?,
        start(UPSTREAM, &upstream, &[])?,
        start("upstream again", &upstream, &[])?,
    ];
    compare(&servers, rounds, |server| {
        const CONNECTIONS: usize = 64;
        let mut clients = Clients::connect(server.address, CONNECTIONS);
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < time {
            clients.send();
            clients.receive();
            count += CONNECTIONS;
        }
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}

/// Measures servers in turn, round after round.
fn compare(
    servers: &[Server],
    rounds: usize,
    measure: impl Fn(&Server) -> Result<f64, String>,
) -> Result<Vec<Score>, String> {
    let mut results = vec![Vec::new(); servers.len()];
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let index = (turn + round) % servers.len();
            results[index].push(measure(&servers[index])?);
        }
    }
    let upstream = servers
        .iter()
        .position(|it| it.name == UPSTREAM)
        .unwrap_or(0);
    let score = |(index, server): (usize, &Server)| {
        let pairs = results[index].iter().zip(&results[upstream]);
        Score {
            name: server.name,
            per_second: Summary::of(results[index].clone()),
            ratio: Summary::of(pairs.map(|(a, b)| a / b).collect()),
        }
    };
    Ok(servers.iter().enumerate().map(score).collect())
}

/// Starts a server, whose first line says where it listens.
fn start(name: &'static str, program: &Path, arguments: &[&str]) -> Result<Server, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    let _ = BufReader::new(stdout).read_line(&mut line);
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|it| it.split('/').next());
    match address.and_then(|it| it.parse().ok()) {
        Some(address) => Ok(Server {
            name,
            child,
            address,
            directory: None,
        }),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("{name} did not say where it listens"))
        }
    }
}

/// nginx with one process, no logs, and the answer in its configuration.
fn nginx() -> Result<Server, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = free.map_err(|error| error.to_string())?;
    let directory = std::env::temp_dir().join(format!("bench-{}-nginx", std::process::id()));
    fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {kind}; "))
        .collect();
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid pid; error_log /dev/null;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; {temporary}\n\
         server {{ listen {address}; location / {{\n\
         default_type text/plain; return 200 'Hello, world!\\n'; }} }} }}\n"
    );
    let configuration = directory.join("nginx.conf");
    fs::write(&configuration, text).map_err(|error| error.to_string())?;
    let child = Command::new("nginx")
        .arg("-p")
        .arg(&directory)
        .arg("-c")
        .arg(&configuration)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let server = Server {
        name: "nginx",
        child,
        address,
        directory: Some(directory),
    };
    let patience = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_err() {
        if Instant::now() > patience {
            return Err("it does not start".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

fn wrk(address: SocketAddr, seconds: u64) -> Result<f64, String> {
    let output = children::output(
        Command::new("wrk")
            .args(["-t1", "-c64", &format!("-d{seconds}s")])
            .arg(format!("http://{address}/")),
    )
    .map_err(|error| format!("{error} (Debian: wrk)"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("Non-2xx") {
        return Err(format!("{address} answers with errors"));
    }
    let rate = said.split("Requests/sec:").nth(1);
    rate.and_then(|it| it.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| "wrk has said no rate".to_owned())
}
