//! Thousands of connections, with random partial reads and writes, resets and reconnects,
//! against one echo server with one edge-triggered poll and a small `Events`.
//!
//!     load [CONNECTIONS [SECONDS]]
//!
//! Clients are processes of their own, since the number of descriptors is limited for each.
//! They check every byte that comes back. At the end the server, level-triggered, has all
//! connections readable at once, and counts the polls until each was served. It fails when
//! a byte is wrong or missing, a source waits longer than its turn, or memory grows.

mod client;
mod pattern;
mod server;

use std::process::{Child, Command};
use std::time::Duration;
use std::{env, io};

/// So many clients share the connections.
const CLIENTS: usize = 3;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    raise_descriptor_limit();
    if first.as_deref() == Some("client") {
        let numbers: Vec<u64> = arguments.map(|it| it.parse().unwrap()).collect();
        return client::run(
            numbers[0] as u16,
            numbers[1] as usize,
            Duration::from_secs(numbers[2]),
            numbers[3],
        );
    }
    let connections = first.map_or(2000, |it| it.parse().unwrap());
    let seconds = arguments.next().map_or(5, |it| it.parse().unwrap());
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
    // SAFETY: the pointers are those of a local variable.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
}
