//! Thousands of connections, with random partial reads and writes, resets and reconnects,
//! against one echo server with one edge-triggered poll and a small `Events`.
//!
//! See [`USAGE`].
//!
//! Clients are separate processes, since the number of descriptors per process is limited. They
//! check every byte that comes back. At the end all connections are readable at once,
//! level-triggered, and the server counts the polls until it has served each of them. The program
//! fails if a byte is wrong or missing, a source waits longer than its turn, or memory grows.

mod client;
mod pattern;
mod server;

use std::process::{Child, Command, ExitCode};
use std::time::Duration;
use std::{env, io};

const USAGE: &str = "usage: load [CONNECTIONS [SECONDS]]    (2000 for 5 s)";

/// The number of client processes, which share the connections.
const CLIENTS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--help" | "-h"] = arguments[..] {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let (is_client, numbers) = match &arguments[..] {
        ["client", numbers @ ..] => (true, numbers),
        numbers => (false, numbers),
    };
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|it| it.parse()).collect();
    raise_descriptor_limit();
    let outcome = match (is_client, numbers.as_deref()) {
        (true, Ok(&[port, connections, seconds, seed])) => client::run(
            port as u16,
            connections as usize,
            Duration::from_secs(seconds),
            seed,
        ),
        (false, Ok(&[])) => load(2000, 5),
        (false, Ok(&[connections])) => load(connections as usize, 5),
        (false, Ok(&[connections, seconds])) => load(connections as usize, seconds),
        _ => {
            eprintln!("load: invalid arguments: {}\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(connections: usize, seconds: u64) -> io::Result<()> {
    let mut server = server::Server::bind()?;
    let clients: Vec<Child> = (0..CLIENTS)
        .map(|number| {
            Command::new(env::current_exe()?)
                .arg("client")
                .args([
                    server.port().to_string(),
                    (connections / CLIENTS).to_string(),
                    seconds.to_string(),
                    number.to_string(),
                ])
                .spawn()
        })
        .collect::<io::Result<_>>()?;
    let connections = connections / CLIENTS * CLIENTS;
    server.echo(connections, Duration::from_secs(seconds))?;
    server.expect_turns(connections)?;
    for mut client in clients {
        assert!(client.wait()?.success(), "a client has failed");
    }
    println!("ok");
    Ok(())
}

fn raise_descriptor_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to a local variable.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}
