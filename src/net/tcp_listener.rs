use std::net::{self, SocketAddr};
use std::{fmt, io};

use crate::io_source::IoSource;
use crate::net::TcpStream;
use crate::{sys, Interest};

/// A non-blocking TCP socket that accepts connections.
///
/// It is readable when a connection waits to be accepted.
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
    /// Makes a listener bound to `addr`. Port 0 lets the system choose one, which
    /// [`local_addr`](TcpListener::local_addr) tells.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied` (low ports), and those of
    /// making a descriptor.
    ///
    /// # Portability
    ///
    /// `socket`, `setsockopt(SO_REUSEADDR)` on Unix only (on Windows it would let another
    /// process take the port over), `bind`, and `listen` with the standard library's
    /// backlog of 128.
    #[doc(alias = "listen")]
    pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
        sys::net::tcp_bind(addr).map(TcpListener::from_std)
    }

    /// Takes over a listener of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it
    /// is.
    ///
    /// [`set_nonblocking`]: net::TcpListener::set_nonblocking
    #[must_use]
    pub fn from_std(listener: net::TcpListener) -> TcpListener {
        TcpListener {
            inner: IoSource::new(listener),
        }
    }

    /// Accepts a connection, if one waits: the stream and its peer's address.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: none waits.
    /// * `EMFILE`, `ENFILE`: there is no descriptor for it. The connection goes on
    ///   waiting. On epoll and kqueue no edge announces it again; where edges are
    ///   emulated every poll does. Deregister the listener until a descriptor is
    ///   free.
    /// * `ConnectionAborted` and other errors of the network: the connection
    ///   failed before it was accepted. Go on with the next.
    ///
    /// # Portability
    ///
    /// `accept4` on Linux.
    #[doc(alias = "accept4")]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self
            .inner
            .try_io(Interest::READABLE, sys::net::tcp_accept)?;
        Ok((TcpStream::from_std(stream), peer))
    }

    /// The address that the listener is bound to (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Sets the time to live of IPv4 packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the system does not take the value.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.inner.io().set_ttl(ttl)
    }

    /// The time to live of IPv4 packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn ttl(&self) -> io::Result<u32> {
        self.inner.io().ttl()
    }

    /// Takes the pending error off the socket (`SO_ERROR`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::TcpListener::take_error)
    }
}

impl_source!(TcpListener);

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's listener stays non-blocking.
impl From<TcpListener> for net::TcpListener {
    fn from(listener: TcpListener) -> net::TcpListener {
        listener.inner.into_io()
    }
}
