//! Whole programs, over either library: HTTP servers under `wrk`, an echo server on tokio, and a
//! task on tokio that other threads wake.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::load::Clients;
use crate::pairs::{self, Effort};
use crate::peers::Peer;
use crate::servers::Server;
use crate::times::Times;
use crate::{children, cpu};

const CONNECTIONS: usize = 64;

/// The times of one program, over ours, upstream, and upstream again.
#[derive(Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    /// What the client counts: requests or messages.
    pub unit: String,
    /// Time per unit.
    pub elapsed: Times,
    /// CPU time of the program per unit.
    pub cpu: Times,
}

/// Starts a server.
type Start<'a> = Box<dyn Fn() -> Result<Server, String> + 'a>;

/// The HTTP servers: the library's example, with nginx beside it if it is installed, and hyper.
/// The second value says what is missing.
pub fn http(effort: Effort) -> Result<(Vec<Program>, Option<String>), String> {
    let ours = children::build("http-ours", "programs")?.join("http-ours");
    let upstream = children::build("http-upstream", "programs")?.join("http-upstream");
    let mut servers = over_either(&ours, &upstream, &["127.0.0.1:0", "1"]);
    let nginx = Server::start_nginx();
    if nginx.is_ok() {
        servers.push((Peer::Nginx, Box::new(Server::start_nginx)));
    }
    let example = compare("`examples/http.rs`", "request", &servers, effort, wrk)?;
    let ours = children::build("tokio-ours", "tokio-ours")?.join("http");
    let upstream = children::build("tokio-upstream", "tokio-upstream")?.join("http");
    let servers = over_either(&ours, &upstream, &[]);
    let hyper = compare("hyper on tokio", "request", &servers, effort, wrk)?;
    let missing = nginx.err();
    let missing = missing.map(|error| format!("nginx is left out: {error} (Debian: nginx-light)."));
    Ok((vec![example, hyper], missing))
}

/// An echo server on tokio.
pub fn echo(effort: Effort) -> Result<Program, String> {
    let ours = children::build("tokio-ours", "tokio-ours")?.join("echo");
    let upstream = children::build("tokio-upstream", "tokio-upstream")?.join("echo");
    let servers = over_either(&ours, &upstream, &[]);
    compare("echo on tokio", "message", &servers, effort, echo_load)
}

/// A task on tokio to which two threads send messages: without waiting, or each until it is
/// answered.
pub fn tasks(effort: Effort) -> Result<Vec<Program>, String> {
    let ours = children::build("tokio-ours", "tokio-ours")?.join("wakes");
    let upstream = children::build("tokio-upstream", "tokio-upstream")?.join("wakes");
    let compare = |name: &str, how: &str| {
        let peers = [Peer::Ours, Peer::Upstream, Peer::UpstreamAgain];
        let one = |index: usize| match peers[index] {
            Peer::Ours => run_task(&ours, how, effort.slice),
            _ => run_task(&upstream, how, effort.slice),
        };
        let [elapsed, cpu] = pairs::in_turn(&peers, effort, one)?;
        Ok::<_, String>(Program {
            name: name.to_owned(),
            unit: "message".to_owned(),
            elapsed,
            cpu,
        })
    };
    Ok(vec![
        compare("task on tokio, 2 threads send", "send")?,
        compare("task on tokio, 2 threads ask", "ask")?,
    ])
}

/// The time and the CPU time of a message.
fn run_task(program: &Path, how: &str, time: Duration) -> Result<[f64; 2], String> {
    let before = cpu::of_children();
    let millis = time.as_millis().to_string();
    let output = children::output(Command::new(program).args([how, &millis]))?;
    let cpu = cpu::of_children() - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [messages, nanos] if messages > 0.0 => {
            Ok([nanos / messages, cpu.as_nanos() as f64 / messages])
        }
        _ => Err(format!("{} printed no figures", program.display())),
    }
}

fn over_either<'a>(
    ours: &'a Path,
    upstream: &'a Path,
    arguments: &'a [&str],
) -> Vec<(Peer, Start<'a>)> {
    let start = |path: &'a Path| -> Start<'a> { Box::new(|| Server::start(path, arguments)) };
    vec![
        (Peer::Ours, start(ours)),
        (Peer::Upstream, start(upstream)),
        (Peer::UpstreamAgain, start(upstream)),
    ]
}

/// What a client measured.
struct Load {
    units: u64,
    nanos_per_unit: f64,
}

/// Measures servers in turn. Each is started anew for each round.
fn compare(
    name: &str,
    unit: &str,
    servers: &[(Peer, Start)],
    effort: Effort,
    load: fn(&Server, Duration) -> Result<Load, String>,
) -> Result<Program, String> {
    let peers: Vec<Peer> = servers.iter().map(|(peer, _)| *peer).collect();
    let one = |index: usize| {
        let (_, start): &(Peer, Start) = &servers[index];
        let server = start()?;
        let before = server.cpu_time()?;
        let load = load(&server, effort.slice)?;
        let cpu = server.cpu_time()? - before;
        let cpu_per_unit = cpu.as_nanos() as f64 / load.units as f64;
        Ok::<_, String>([load.nanos_per_unit, cpu_per_unit])
    };
    let [elapsed, cpu] = pairs::in_turn(&peers, effort, one)?;
    Ok(Program {
        name: name.to_owned(),
        unit: unit.to_owned(),
        elapsed,
        cpu,
    })
}

/// All connections send a message each, then wait for all replies.
fn echo_load(server: &Server, time: Duration) -> Result<Load, String> {
    let mut clients = Clients::connect(server.address, CONNECTIONS);
    let (start, mut units) = (Instant::now(), 0);
    while start.elapsed() < time {
        clients.send();
        clients.receive();
        units += CONNECTIONS as u64;
    }
    let nanos_per_unit = start.elapsed().as_nanos() as f64 / units as f64;
    Ok(Load {
        units,
        nanos_per_unit,
    })
}

fn wrk(server: &Server, time: Duration) -> Result<Load, String> {
    let url = format!("http://{}/", server.address);
    let output = children::output(Command::new("wrk").args([
        "-t1",
        &format!("-c{CONNECTIONS}"),
        &format!("-d{}s", time.as_secs().max(1)),
        &url,
    ]))
    .map_err(|error| format!("{error} (Debian: wrk)"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") {
        return Err(format!("{url} responds with errors"));
    }
    let number = |text: Option<&str>| text?.split_whitespace().next_back()?.parse::<f64>().ok();
    let units = number(text.split(" requests in ").next());
    let rate = number(
        text.split("Requests/sec:")
            .nth(1)
            .and_then(|it| it.lines().next()),
    );
    match (units, rate) {
        (Some(units), Some(rate)) if units > 0.0 && rate > 0.0 => Ok(Load {
            units: units as u64,
            nanos_per_unit: 1e9 / rate,
        }),
        _ => Err("wrk printed no rate".to_owned()),
    }
}
