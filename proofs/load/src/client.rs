//! The connections: each sends a random number of bytes in random pieces, checks what comes
//! back, shuts down or resets, and connects again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::pattern::{byte, Random};

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// How a connection ends.
const LAST: u64 = 1;

struct Connection {
    stream: TcpStream,
    sent: u64,
    received: u64,
    /// The number of bytes to send.
    goal: u64,
    resets: bool,
    half_closed: bool,
}

pub(crate) fn run(port: u16, count: usize, time: Duration, number: u64) -> io::Result<()> {
    let mut client = Client {
        poll: Poll::new()?,
        random: Random::new(number + 1),
        port,
        number,
        made: 0,
        bytes: 0,
        ends: 0,
        resets: 0,
    };
    let mut connections: Vec<Connection> = (0..count)
        .map(|at| client.connect(at, None))
        .collect::<io::Result<_>>()?;
    let start = Instant::now();
    // Connections that end after the deadline are followed by a last one.
    let is_over = || start.elapsed() >= time;
    let mut last = vec![false; count];
    let mut left = count;
    let mut events = Events::with_capacity(256);
    while left > 0 {
        client
            .poll
            .poll(&mut events, Some(Duration::from_secs(60)))?;
        assert!(
            !events.is_empty(),
            "{left} of {count} connections hear nothing"
        );
        for event in &events {
            let Token(at) = event.token();
            while !last[at] && client.advance(&mut connections[at])? {
                let goal = is_over().then_some(LAST);
                connections[at] = client.connect(at, goal)?;
                if goal.is_some() {
                    last[at] = true;
                    left -= 1;
                }
            }
        }
    }
    println!(
        "client {number}: {} connections, {} ended, {} reset, {} bytes came back",
        client.made, client.ends, client.resets, client.bytes
    );
    expect_all_served(client.poll, connections)
}

/// Each connection replies to the byte that it receives with one, and waits for the end.
fn expect_all_served(mut poll: Poll, mut connections: Vec<Connection>) -> io::Result<()> {
    let mut events = Events::with_capacity(256);
    let mut waiting = connections.len();
    let mut ended = vec![false; waiting];
    while waiting > 0 {
        poll.poll(&mut events, Some(Duration::from_secs(60)))?;
        assert!(!events.is_empty(), "{waiting} connections are not ended");
        for event in &events {
            let Token(at) = event.token();
            let stream = &mut connections[at].stream;
            while !ended[at] {
                match stream.read(&mut [0]) {
                    Ok(1) => stream.write_all(&[0])?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // The server closes it with our byte unread, which resets it.
                    Ok(_) | Err(_) => {
                        ended[at] = true;
                        waiting -= 1;
                    }
                }
            }
        }
    }
    Ok(())
}

struct Client {
    poll: Poll,
    random: Random,
    port: u16,
    number: u64,
    made: u64,
    bytes: u64,
    ends: u64,
    resets: u64,
}

impl Client {
    fn connect(&mut self, at: usize, goal: Option<u64>) -> io::Result<Connection> {
        // Use several addresses, since the ports of one run out soon.
        let to = Ipv4Addr::new(127, 0, 1 + self.number as u8, 1 + (self.made % 16) as u8);
        self.made += 1;
        let mut stream = TcpStream::connect(SocketAddr::from((to, self.port)))?;
        self.poll
            .registry()
            .register(&mut stream, Token(at), BOTH)?;
        Ok(Connection {
            stream,
            sent: 0,
            received: 0,
            goal: goal.unwrap_or_else(|| 1 + self.random.below(32 << 10)),
            resets: self.random.below(20) == 0,
            half_closed: false,
        })
    }

    /// Continues until it would block. Returns whether the connection has ended.
    fn advance(&mut self, connection: &mut Connection) -> io::Result<bool> {
        match self.exchange(connection) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            result => result.map(|()| true),
        }
    }

    fn exchange(&mut self, connection: &mut Connection) -> io::Result<()> {
        let mut blocked = false;
        loop {
            if connection.sent < connection.goal {
                let left = connection.goal - connection.sent;
                let piece = (1 + self.random.below(4096)).min(left);
                let range = connection.sent..connection.sent + piece;
                let bytes: Vec<u8> = range.map(byte).collect();
                match connection.stream.write(&bytes) {
                    Ok(len) => {
                        connection.sent += len as u64;
                        blocked = false;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock && !blocked => {
                        blocked = true;
                    }
                    Err(error) => return Err(error),
                }
            } else if !connection.half_closed && !connection.resets {
                connection.stream.shutdown(Shutdown::Write)?;
                connection.half_closed = true;
            }
            if connection.resets && connection.sent > connection.goal / 2 {
                socket2::SockRef::from(&connection.stream).set_linger(Some(Duration::ZERO))?;
                self.resets += 1;
                return Ok(());
            }
            let mut buf = vec![0; 1 + self.random.below(4096) as usize];
            match connection.stream.read(&mut buf) {
                Ok(0) => {
                    assert_eq!(connection.received, connection.goal, "bytes are missing");
                    self.ends += 1;
                    return Ok(());
                }
                Ok(len) => {
                    let right = (connection.received..).map(byte);
                    assert!(
                        buf[..len].iter().copied().eq(right.take(len)),
                        "wrong bytes"
                    );
                    connection.received += len as u64;
                    self.bytes += len as u64;
                    blocked = false;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if blocked || connection.sent == connection.goal {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}
