//! What the operations are done to: sockets and descriptors that belong to no peer.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

use socket2::SockRef;

use crate::operation::{ACTIVE, MESSAGE};

/// An eventfd: the cheapest thing that can be ready.
pub struct Bell(File);

impl Bell {
    pub fn new() -> Bell {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        assert!(fd >= 0, "no descriptor is left");
        // SAFETY: just made, nobody else knows of it.
        Bell(unsafe { File::from_raw_fd(fd) })
    }

    pub fn ringing() -> Bell {
        let bell = Bell::new();
        bell.ring();
        bell
    }

    pub fn ring(&self) {
        (&self.0).write_all(&1_u64.to_ne_bytes()).unwrap();
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Rings [`ACTIVE`] of the bells, evenly spread.
pub fn ring_some(bells: &[Bell]) {
    for index in 0..ACTIVE {
        bells[index * bells.len() / ACTIVE].ring();
    }
}

/// The clients of an echo server: every one sends, then every one waits for its answer.
/// They block, so that no event loop but the measured one is in the game.
pub struct Clients(Vec<TcpStream>);

impl Clients {
    /// Connects clients to a server of somebody else's.
    pub fn connect(address: std::net::SocketAddr, count: usize) -> Clients {
        let connect = |_| client(TcpStream::connect(address).unwrap());
        Clients((0..count).map(connect).collect())
    }

    /// Connects clients, and gives their other ends, which do not block.
    pub fn with_servers(count: usize) -> (Clients, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pair = |_| {
            let here = client(TcpStream::connect(address).unwrap());
            let (there, _) = listener.accept().unwrap();
            there.set_nodelay(true).unwrap();
            there.set_nonblocking(true).unwrap();
            (here, there)
        };
        let (clients, servers) = (0..count).map(pair).unzip();
        (Clients(clients), servers)
    }

    pub fn send(&mut self) {
        for client in &mut self.0 {
            client.write_all(&[7; MESSAGE]).unwrap();
        }
    }

    pub fn receive(&mut self) {
        for client in &mut self.0 {
            client.read_exact(&mut [0; MESSAGE]).unwrap();
        }
    }
}

fn client(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    closes_at_once(&stream);
    stream
}

/// Makes closing a reset: thousands of connections in `TIME_WAIT` would use up the ports,
/// and slow down who comes next.
pub fn closes_at_once<S: std::os::fd::AsFd>(stream: &S) {
    SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// The bytes that the process has from `malloc` (of Rust and C alike).
pub fn heap() -> usize {
    // SAFETY: takes no argument.
    let info = unsafe { libc::mallinfo2() };
    // Large blocks are mapped, and counted apart.
    info.uordblks + info.hblkhd
}
