//! Messages between two ends in one poll, over a library with mio's API, which `super` names.

use std::io::{Read, Write};

use super::messages::{self, unless_blocked, Ends};
use super::mio::net::{TcpListener, TcpStream};
use super::mio::{Interest, Token};
use super::polls::poll_and_events;
use crate::operation::{repeat, Run};

/// A pipe has to be waited for before it can be written to.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub fn tcp_ping_pong() -> Run {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let [client, server] = [client, server].map(|stream| {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        TcpStream::from_std(stream)
    });
    Ends::new(client, server, BOTH).ping_pong(|it, data| it.write(data), |it, buf| it.read(buf))
}

pub fn udp_ping_pong() -> Run {
    messages::udp_ping_pong(BOTH)
}

#[cfg(windows)]
pub fn named_pipe_ping_pong() -> Run {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt;
    use std::os::windows::io::{FromRawHandle, IntoRawHandle};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::mio::windows::NamedPipe;

    const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;

    // The module is compiled once for each library.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        r"\\.\pipe\{}-{}-{number}",
        module_path!().replace("::", "-"),
        std::process::id()
    );
    let server = NamedPipe::new(&name).unwrap();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OVERLAPPED);
    let client = options.open(&name).unwrap().into_raw_handle();
    // SAFETY: `client` is an owned handle of a pipe, opened for overlapped operations.
    let client = unsafe { NamedPipe::from_raw_handle(client) };
    let ends = Ends::new(client, server, BOTH);
    // Upstream connects only what is registered. A client is there already, but ours may say so
    // with an event.
    unless_blocked(ends.b.connect());
    ends.ping_pong(|it, data| it.write(data), |it, buf| it.read(buf))
}

pub fn connect_accept() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    poll.registry()
        .register(&mut listener, Token(0), Interest::READABLE)
        .unwrap();
    repeat(move || {
        let mut client = TcpStream::connect(address).unwrap();
        poll.registry()
            .register(&mut client, Token(1), Interest::WRITABLE)
            .unwrap();
        let (mut accepted, mut connected) = (None, false);
        while accepted.is_none() || !connected {
            poll.poll(&mut events, None).unwrap();
            for event in &events {
                match event.token() {
                    // To the last one, so that the next one is reported.
                    Token(0) => {
                        while let Some(pair) = unless_blocked(listener.accept()) {
                            accepted = Some(pair);
                        }
                    }
                    _ => connected = client.peer_addr().is_ok(),
                }
            }
        }
    })
}
