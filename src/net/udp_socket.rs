use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{fmt, io};

use crate::io_source::{IoSource, BOTH};
use crate::{sys, Interest};

/// A non-blocking UDP socket.
///
/// A datagram that is longer than the buffer it is received into is cut, and the
/// rest is lost; on Windows that is an error.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use mio::net::UdpSocket;
/// use mio::{Events, Interest, Poll, Token};
///
/// # fn main() -> std::io::Result<()> {
/// let sender = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
/// let mut receiver = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
///
/// sender.send_to(b"hello", receiver.local_addr()?)?;
/// poll.poll(&mut events, Some(Duration::from_secs(5)))?;
/// let mut buf = [0; 64];
/// let (len, from) = receiver.recv_from(&mut buf)?;
/// assert_eq!((&buf[..len], from), (&b"hello"[..], sender.local_addr()?));
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    pub(crate) inner: IoSource<net::UdpSocket>,
}

impl UdpSocket {
    /// Makes a socket bound to `addr`. Port 0 lets the system choose one, which
    /// [`local_addr`](UdpSocket::local_addr) tells.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` (low ports), and those of
    /// making a descriptor.
    ///
    /// # Portability
    ///
    /// `socket` and `bind`. On Windows `SIO_UDP_CONNRESET` and `SIO_UDP_NETRESET` are turned
    /// off: a datagram of ours that found no receiver is not reported as an error of the
    /// next receive, as it otherwise would be even on a socket that is not connected.
    #[doc(alias = "SIO_UDP_CONNRESET")]
    pub fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
        sys::net::udp_bind(addr).map(UdpSocket::from_std)
    }

    /// Takes over a socket of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it is.
    ///
    /// [`set_nonblocking`]: net::UdpSocket::set_nonblocking
    #[must_use]
    pub fn from_std(socket: net::UdpSocket) -> UdpSocket {
        UdpSocket {
            inner: IoSource::new(socket),
        }
    }

    /// The address that the socket is bound to (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// The address that the socket is connected to (`getpeername`).
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Sends a datagram to `target`; the number of bytes sent is that of `buf`.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: the socket's buffer is full.
    /// * `ConnectionRefused`: an earlier datagram found nobody listening (connected
    ///   sockets).
    /// * `EMSGSIZE`: the datagram is too long.
    ///
    /// # Portability
    ///
    /// `sendto`.
    #[doc(alias = "sendto")]
    pub fn send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |socket| socket.send_to(buf, target))
    }

    /// Receives a datagram: its length, and who sent it.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: none is there.
    /// * `ConnectionRefused`: an earlier datagram found nobody listening (connected
    ///   sockets). The socket goes on working.
    ///
    /// # Portability
    ///
    /// `recvfrom`. On Windows a datagram that is longer than `buf` is an error.
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.recv_from(buf))
    }

    /// Like [`recv_from`](UdpSocket::recv_from), but leaves the datagram there
    /// (`MSG_PEEK`).
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.peek_from(buf))
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](UdpSocket::send_to); `EDESTADDRREQ` if it is not connected.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |socket| socket.send(buf))
    }

    /// Receives a datagram from the address that the socket is connected to; if it
    /// is not connected, from anybody.
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.recv(buf))
    }

    /// Like [`recv`](UdpSocket::recv), but leaves the datagram there (`MSG_PEEK`).
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::READABLE, |socket| socket.peek(buf))
    }

    /// Connects the socket: [`send`](UdpSocket::send) goes to `addr`, and only
    /// datagrams from there are received. Nothing is sent, and it does not block.
    ///
    /// # Errors
    ///
    /// `NetworkUnreachable` and the like.
    pub fn connect(&self, addr: SocketAddr) -> io::Result<()> {
        self.inner.io().connect(addr)
    }

    /// Sets whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_broadcast(on)
    }

    /// Whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.inner.io().broadcast()
    }

    /// Sets whether multicast datagrams come back to this machine
    /// (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_multicast_loop_v4(on)
    }

    /// Whether multicast datagrams come back to this machine (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.inner.io().multicast_loop_v4()
    }

    /// Sets how many hops multicast datagrams travel (`IP_MULTICAST_TTL`); 1, the
    /// system's choice, keeps them in the local network.
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_multicast_ttl_v4(ttl)
    }

    /// How many hops multicast datagrams travel (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.inner.io().multicast_ttl_v4()
    }

    /// Sets whether multicast datagrams come back to this machine
    /// (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_multicast_loop_v6(on)
    }

    /// Whether multicast datagrams come back to this machine (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket being of the other family.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.inner.io().multicast_loop_v6()
    }

    /// Sets the time to live of IPv4 datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the system does not take the value.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_ttl(ttl)
    }

    /// The time to live of IPv4 datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.io().ttl()
    }

    /// Joins the group `multiaddr` on the interface with the address `interface`,
    /// or one that the system chooses for `0.0.0.0` (`IP_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as `ENODEV` for an interface that does not exist.
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    #[allow(clippy::trivially_copy_pass_by_ref)] // The published signature.
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.io().join_multicast_v4(multiaddr, interface)
    }

    /// Joins the group `multiaddr` on the interface with the index `interface`, or
    /// any for 0 (`IPV6_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// That of the system, such as `ENODEV` for an interface that does not exist.
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.io().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a group that [`join_multicast_v4`](UdpSocket::join_multicast_v4) joined
    /// with the same arguments (`IP_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if the socket is not in the group.
    #[allow(clippy::trivially_copy_pass_by_ref)] // The published signature.
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.io().leave_multicast_v4(multiaddr, interface)
    }

    /// Leaves a group that [`join_multicast_v6`](UdpSocket::join_multicast_v6) joined
    /// with the same arguments (`IPV6_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if the socket is not in the group.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.io().leave_multicast_v6(multiaddr, interface)
    }

    /// Whether the socket takes IPv6 only (`IPV6_V6ONLY`), not IPv4 through mapped
    /// addresses as well.
    ///
    /// # Errors
    ///
    /// That of the system, such as the socket not being of IPv6.
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(&self) -> io::Result<bool> {
        sys::net::only_v6(self.inner.io())
    }

    /// Takes the pending error off the socket (`SO_ERROR`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UdpSocket::take_error)
    }

    /// Runs an operation of the caller's on the socket, such as a `recvmmsg` on the
    /// descriptor, so that the poll learns of its outcome.
    ///
    /// `f` must be non-blocking and touch this socket only; when it could not be
    /// done at once it returns `WouldBlock`, which has the poll watch the
    /// socket again. Backends on which the kernel keeps track do not need that;
    /// poll(2) and Windows do.
    ///
    /// # Errors
    ///
    /// Those of `f`.
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(BOTH, |_| f())
    }
}

impl_source!(UdpSocket);

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's socket stays non-blocking.
impl From<UdpSocket> for net::UdpSocket {
    fn from(socket: UdpSocket) -> net::UdpSocket {
        socket.inner.into_io()
    }
}
