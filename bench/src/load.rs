//! The sockets and descriptors that operations use, which belong to no peer.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::operation::{ACTIVE, MESSAGE};

/// An eventfd: the cheapest thing that can be ready.
pub struct EventFd(File);

impl EventFd {
    pub fn new() -> EventFd {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        assert!(fd >= 0, "no descriptor is left");
        // SAFETY: just created, and owned by nothing else.
        EventFd(unsafe { File::from_raw_fd(fd) })
    }

    pub fn ready() -> EventFd {
        let eventfd = EventFd::new();
        eventfd.notify();
        eventfd
    }

    pub fn notify(&self) {
        (&self.0).write_all(&1_u64.to_ne_bytes()).unwrap();
    }

    #[cfg(mio_unsupported_force_poll_poll)]
    pub fn clear(&self) {
        (&self.0).read_exact(&mut [0; 8]).unwrap();
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Notifies [`ACTIVE`] of the sources, evenly spread.
pub fn notify_some(sources: &[EventFd]) {
    for index in 0..ACTIVE {
        sources[index * sources.len() / ACTIVE].notify();
    }
}

/// The clients of an echo server: each sends a message, then each waits for its reply. They
/// block, so that no other event loop is involved.
pub struct Clients(Vec<TcpStream>);

impl Clients {
    /// Connects clients to a running server.
    pub fn connect(address: std::net::SocketAddr, count: usize) -> Clients {
        let connect = |_| client(TcpStream::connect(address).unwrap());
        Clients((0..count).map(connect).collect())
    }

    /// Connects clients. Returns their peers, too, which are non-blocking.
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

/// Makes closing send a reset: thousands of connections in `TIME_WAIT` would use up the ports
/// and slow down later measurements.
pub fn closes_at_once<S: std::os::fd::AsFd>(stream: &S) {
    SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    Tcp,
    Unix,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Tcp => "TCP",
            Family::Unix => "Unix",
        })
    }
}

/// A non-blocking listener. Its clones are one for the system.
pub struct Listener(Socket);

impl Listener {
    pub fn new(family: Family) -> Listener {
        let (domain, address) = match family {
            Family::Tcp => (
                Domain::IPV4,
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
            ),
            // Linux names a socket that is bound to no path.
            Family::Unix => (Domain::UNIX, SockAddr::unix("").unwrap()),
        };
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        socket.bind(&address).unwrap();
        socket.listen(1024).unwrap();
        socket.set_nonblocking(true).unwrap();
        Listener(socket)
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Accepts and closes all connections that wait.
    pub fn accept_all(&self) {
        while self.0.accept().is_ok() {}
    }

    /// Connects, and waits until the connection is accepted and closed.
    pub fn connect_until_accepted(&self) {
        let address = self.0.local_addr().unwrap();
        let mut client = Socket::new(address.domain(), Type::STREAM, None).unwrap();
        closes_at_once(&client);
        client.connect(&address).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}

impl Clone for Listener {
    fn clone(&self) -> Listener {
        Listener(self.0.try_clone().unwrap())
    }
}

/// The bytes that the process has allocated with `malloc`, from Rust and C.
pub fn heap() -> usize {
    // SAFETY: takes no argument.
    let info = unsafe { libc::mallinfo2() };
    // Large blocks are mapped, and counted separately.
    info.uordblks + info.hblkhd
}
