use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::io_source::{IoSource, BOTH};
use crate::{sys, Interest};

/// A non-blocking UDP socket.
///
/// Requires the feature `net`.
///
/// If a datagram is longer than the buffer that it is received into, it is truncated and the rest
/// is lost. On Windows, receiving it also fails with an error.
///
/// # Examples
///
/// ```
/// use std::io::ErrorKind;
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
/// loop {
///     match receiver.recv_from(&mut buf) {
///         Ok((len, from)) => {
///             assert_eq!(&buf[..len], b"hello");
///             assert_eq!(from, sender.local_addr()?);
///         }
///         Err(error) if error.kind() == ErrorKind::WouldBlock => break,
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    pub(crate) inner: IoSource<net::UdpSocket>,
}

impl UdpSocket {
    /// Creates a socket bound to `addr`. With port 0 the system picks a free port; see
    /// [`local_addr`](UdpSocket::local_addr).
    ///
    /// # Errors
    ///
    /// Fails with `AddrInUse`, `AddrNotAvailable`, or `PermissionDenied` (privileged ports), or if
    /// no descriptor can be created.
    ///
    /// # Portability
    ///
    /// Calls [`socket`] and [`bind`]. On Windows, [`SIO_UDP_CONNRESET` and `SIO_UDP_NETRESET`] are
    /// turned off. Otherwise a receive would fail after a datagram sent from this socket turned out
    /// to be undeliverable, even if the socket is not connected. [`connect`](UdpSocket::connect)
    /// turns `SIO_UDP_CONNRESET` on again.
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`bind`]: https://man7.org/linux/man-pages/man2/bind.2.html
    /// [`SIO_UDP_CONNRESET` and `SIO_UDP_NETRESET`]: https://learn.microsoft.com/en-us/windows/win32/winsock/winsock-ioctls
    #[doc(alias = "SIO_UDP_CONNRESET")]
    pub fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
        sys::net::udp_bind(addr).map(UdpSocket::from_std)
    }

    /// Creates a socket from the standard library's type.
    ///
    /// The socket must be in non-blocking mode ([`set_nonblocking`]); this function does not change
    /// or check the mode.
    ///
    /// [`set_nonblocking`]: net::UdpSocket::set_nonblocking
    #[must_use]
    pub fn from_std(socket: net::UdpSocket) -> UdpSocket {
        UdpSocket {
            inner: IoSource::new(socket),
        }
    }

    /// Returns the address that the socket is bound to ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Returns the address that the socket is connected to ([`getpeername`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the socket is not connected.
    ///
    /// [`getpeername`]: https://man7.org/linux/man-pages/man2/getpeername.2.html
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Sends a datagram to `target` ([`sendto`]), and returns the number of bytes sent, which is
    /// the length of `buf`.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: the send buffer of the socket is full.
    /// * `ConnectionRefused` (on Windows `ConnectionReset`): on a connected socket, an earlier
    ///   datagram reached a port without a receiver. The socket remains usable.
    /// * `EMSGSIZE`: the datagram is too long.
    ///
    /// [`sendto`]: https://man7.org/linux/man-pages/man2/sendto.2.html
    #[doc(alias = "sendto")]
    pub fn send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.inner
            .try_io(Interest::WRITABLE, |io| io.send_to(buf, target))
    }

    /// Receives a datagram ([`recvfrom`]), and returns its length and the address of the sender.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: no datagram is available.
    /// * `ConnectionRefused` (on Windows `ConnectionReset`): on a connected socket, an earlier
    ///   datagram reached a port without a receiver. The socket remains usable.
    ///
    /// # Portability
    ///
    /// On Windows, receiving a datagram longer than `buf` fails with `WSAEMSGSIZE`.
    ///
    /// [`recvfrom`]: https://man7.org/linux/man-pages/man2/recvfrom.2.html
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.take(Interest::READABLE, |io| io.recv_from(buf))
    }

    /// Receives a datagram like [`recv_from`](UdpSocket::recv_from), but without removing it from
    /// the queue (`MSG_PEEK`).
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    #[doc(alias = "MSG_PEEK")]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inner.take(Interest::READABLE, |io| io.peek_from(buf))
    }

    /// Sends a datagram to the address that the socket is connected to ([`send`]).
    ///
    /// # Errors
    ///
    /// As for [`send_to`](UdpSocket::send_to); `EDESTADDRREQ` (on Windows `NotConnected`) if the
    /// socket is not connected.
    ///
    /// [`send`]: https://man7.org/linux/man-pages/man2/send.2.html
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.try_io(Interest::WRITABLE, |io| io.send(buf))
    }

    /// Receives a datagram ([`recv`]), and returns its length. If the socket is connected, only
    /// datagrams from the peer's address are received.
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    ///
    /// [`recv`]: https://man7.org/linux/man-pages/man2/recv.2.html
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.take(Interest::READABLE, |io| io.recv(buf))
    }

    /// Receives a datagram like [`recv`](UdpSocket::recv), but without removing it from the queue
    /// (`MSG_PEEK`).
    ///
    /// # Errors
    ///
    /// As for [`recv_from`](UdpSocket::recv_from).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.take(Interest::READABLE, |io| io.peek(buf))
    }

    /// Connects the socket to `addr` ([`connect`]): [`send`](UdpSocket::send) sends to this
    /// address, and only datagrams from it are received.
    ///
    /// No datagram is sent, and the call does not block.
    ///
    /// # Errors
    ///
    /// Returns the OS error, such as `NetworkUnreachable`.
    ///
    /// # Portability
    ///
    /// On Windows, [`SIO_UDP_CONNRESET`] is turned on: if no socket receives at `addr`, receiving
    /// fails with `ConnectionReset`. Connecting to an unspecified address (all zeros) disconnects
    /// the socket, and turns the option off.
    ///
    /// [`connect`]: https://man7.org/linux/man-pages/man2/connect.2.html
    /// [`SIO_UDP_CONNRESET`]: https://learn.microsoft.com/en-us/windows/win32/winsock/winsock-ioctls
    pub fn connect(&self, addr: SocketAddr) -> io::Result<()> {
        sys::net::udp_connect(self.inner.io(), addr)
    }

    /// Sets whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_broadcast(on)
    }

    /// Returns whether datagrams may be sent to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.inner.io().broadcast()
    }

    /// Sets whether IPv4 multicast datagrams are looped back to this machine (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_multicast_loop_v4(on)
    }

    /// Returns whether IPv4 multicast datagrams are looped back to this machine
    /// (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.inner.io().multicast_loop_v4()
    }

    /// Sets the time to live of IPv4 multicast datagrams, in hops (`IP_MULTICAST_TTL`). The default
    /// of 1 keeps them in the local network.
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_multicast_ttl_v4(ttl)
    }

    /// Returns the time to live of IPv4 multicast datagrams, in hops (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.inner.io().multicast_ttl_v4()
    }

    /// Sets whether IPv6 multicast datagrams are looped back to this machine
    /// (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.inner.io().set_multicast_loop_v6(on)
    }

    /// Returns whether IPv6 multicast datagrams are looped back to this machine
    /// (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is of the other address family.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.inner.io().multicast_loop_v6()
    }

    /// Sets the time to live of IPv4 datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the system rejects the value.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_ttl(ttl)
    }

    /// Returns the time to live of IPv4 datagrams, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.io().ttl()
    }

    /// Joins the multicast group `multiaddr` on the interface with the address `interface`
    /// (`IP_ADD_MEMBERSHIP`). With `0.0.0.0` the system chooses the interface.
    ///
    /// # Errors
    ///
    /// Returns the OS error, such as `ENODEV` if the interface does not exist.
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    #[allow(clippy::trivially_copy_pass_by_ref)] // The published signature.
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.io().join_multicast_v4(multiaddr, interface)
    }

    /// Joins the multicast group `multiaddr` on the interface with the index `interface`
    /// (`IPV6_ADD_MEMBERSHIP`). With 0 the system chooses the interface.
    ///
    /// # Errors
    ///
    /// Returns the OS error, such as `ENODEV` if the interface does not exist.
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.io().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a multicast group joined by [`join_multicast_v4`](UdpSocket::join_multicast_v4) with
    /// the same arguments (`IP_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if the socket is not a member of the group.
    #[allow(clippy::trivially_copy_pass_by_ref)] // The published signature.
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.inner.io().leave_multicast_v4(multiaddr, interface)
    }

    /// Leaves a multicast group joined by [`join_multicast_v6`](UdpSocket::join_multicast_v6) with
    /// the same arguments (`IPV6_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if the socket is not a member of the group.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.inner.io().leave_multicast_v6(multiaddr, interface)
    }

    /// Returns whether the socket is restricted to IPv6 (`IPV6_V6ONLY`), that is, does not also
    /// communicate over IPv4 through mapped addresses.
    ///
    /// # Errors
    ///
    /// Returns the OS error, for example if the socket is not an IPv6 socket.
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(&self) -> io::Result<bool> {
        sys::net::only_v6(self.inner.io())
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`), or returns `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UdpSocket::take_error)
    }

    /// Performs a custom I/O operation on the socket, such as [`recvmmsg`] on its descriptor, and
    /// notifies the poll of its outcome.
    ///
    /// `f` must not block, and must operate on this socket only. If the operation cannot be
    /// completed immediately, `f` must return `WouldBlock`, which makes the poll watch the socket
    /// again. Backends that leave edge triggering to the kernel do not need this; poll(2), event
    /// ports and Windows do.
    ///
    /// # Errors
    ///
    /// Returns the error that `f` returns.
    ///
    /// # Portability
    ///
    /// Where edges are emulated, a `WouldBlock` rearms all directions of the registration, because
    /// `f` may have read or written. A program that calls this method on writable events until
    /// `WouldBlock` is then notified again after each such call, and spins: include `WRITABLE` in
    /// the interest only while a write is pending. Any other error rearms readable events, because
    /// `f` may have removed a datagram that others are queued behind.
    ///
    /// [`recvmmsg`]: https://man7.org/linux/man-pages/man2/recvmmsg.2.html
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.take(BOTH, |_| f())
    }
}

impl_socket!(UdpSocket, net::UdpSocket);
