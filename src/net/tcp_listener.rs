use std::io;
use std::net::{self, SocketAddr};

use crate::io_source::IoSource;
use crate::net::TcpStream;
use crate::{sys, Interest};

/// A non-blocking TCP socket that accepts connections.
///
/// Requires the feature `net`.
///
/// The listener is readable when a connection is pending.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use mio::net::TcpListener;
/// use mio::{Events, Interest, Poll, Token};
///
/// # fn main() -> io::Result<()> {
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
/// poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
///
/// # let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// poll.poll(&mut events, None)?;
/// loop {
///     match listener.accept() {
///         Ok((_connection, peer)) => println!("{peer} connected"),
///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    pub(crate) inner: IoSource<net::TcpListener>,
}

impl TcpListener {
    /// Creates a listener bound to `addr`. With port 0 the system picks a free port; see
    /// [`local_addr`](TcpListener::local_addr).
    ///
    /// # Errors
    ///
    /// Fails with `AddrInUse`, `AddrNotAvailable`, or `PermissionDenied` (privileged ports), or if
    /// no descriptor can be created.
    ///
    /// # Portability
    ///
    /// Calls [`socket`], [`setsockopt`] with `SO_REUSEADDR`, [`bind`], and [`listen`] with the
    /// standard library's backlog of 128. `SO_REUSEADDR` is not set on Windows, where it would
    /// [allow another process to take over the port].
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`setsockopt`]: https://man7.org/linux/man-pages/man2/setsockopt.2.html
    /// [`bind`]: https://man7.org/linux/man-pages/man2/bind.2.html
    /// [`listen`]: https://man7.org/linux/man-pages/man2/listen.2.html
    /// [allow another process to take over the port]: https://learn.microsoft.com/en-us/windows/win32/winsock/using-so-reuseaddr-and-so-exclusiveaddruse
    #[doc(alias = "listen")]
    pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
        sys::net::tcp_bind(addr).map(TcpListener::from_std)
    }

    /// Creates a listener from the standard library's type.
    ///
    /// The listener must be in non-blocking mode ([`set_nonblocking`]); this function does not
    /// change or check the mode.
    ///
    /// [`set_nonblocking`]: net::TcpListener::set_nonblocking
    #[must_use]
    pub fn from_std(listener: net::TcpListener) -> TcpListener {
        TcpListener {
            inner: IoSource::new(listener),
        }
    }

    /// Accepts a pending connection, and returns its stream and the address of the peer.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: no connection is pending.
    /// * `EMFILE`, `ENFILE`: the process or the system has run out of descriptors. The connection
    ///   stays pending. When an edge-triggered listener is reported again depends on the backend:
    ///   not before another client connects on epoll and kqueue, after about 10 milliseconds on the
    ///   others. Deregister the listener, and register it again when a descriptor is free.
    /// * `ConnectionAborted` and other network errors: the connection failed before it was
    ///   accepted. Continue with the next one.
    ///
    /// # Portability
    ///
    /// Calls [`accept4`] where the system has it, such as on Linux, the BSDs, illumos and Solaris.
    /// Elsewhere, calls [`accept`], and then makes the socket non-blocking and close-on-exec (on
    /// Windows, not inheritable).
    ///
    /// [`accept4`]: https://man7.org/linux/man-pages/man2/accept4.2.html
    /// [`accept`]: https://man7.org/linux/man-pages/man2/accept.2.html
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.inner.take(Interest::READABLE, sys::net::tcp_accept)?;
        Ok((TcpStream::from_std(stream), peer))
    }

    /// Returns the address that the listener is bound to ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Sets the time to live of IPv4 packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the system rejects the value.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_ttl(ttl)
    }

    /// Returns the time to live of IPv4 packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.io().ttl()
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`), or returns `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::TcpListener::take_error)
    }
}

impl_socket!(TcpListener, net::TcpListener);
