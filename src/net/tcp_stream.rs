use std::fmt;
use std::io;
use std::net::{self, Shutdown, SocketAddr};

use crate::io_source::{IoSource, BOTH};
use crate::{sys, Interest};

/// A non-blocking TCP connection.
///
/// Reading and writing go through [`Read`](io::Read) and [`Write`](io::Write), which `&TcpStream`
/// implements as well.
///
/// # `SIGPIPE`
///
/// On Unix, a write to a connection that the peer has closed can raise the signal `SIGPIPE`, which
/// ends the process by default. Rust's `main` ignores the signal at start-up, so that such a write
/// only fails with `BrokenPipe`. In a program whose `main` is written in another language, `write`
/// does not raise it either where the standard library sends with `MSG_NOSIGNAL` (Linux, Android
/// and the BSDs among others), but `write_vectored` does, for `writev` takes no flags. Such a
/// program has to ignore the signal itself.
///
/// # Connecting
///
/// [`TcpStream::connect`] only starts to connect. The connection stands, or has
/// failed, when the stream becomes writable, but not every writable event
/// means that. Ask in this order:
///
/// 1. [`take_error`](TcpStream::take_error): an error is the reason of the failure;
/// 2. [`peer_addr`](TcpStream::peer_addr): success means that the stream is
///    connected, [`NotConnected`](io::ErrorKind::NotConnected) that it is not yet:
///    wait for the next event.
///
/// # Examples
///
/// ```
/// use std::io::{self, Write};
/// use std::time::Duration;
///
/// use mio::net::TcpStream;
/// use mio::{Events, Interest, Poll, Token};
///
/// # fn main() -> io::Result<()> {
/// let server = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut stream = TcpStream::connect(server.local_addr()?)?;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// poll.registry().register(&mut stream, Token(0), Interest::WRITABLE)?;
/// 'connecting: loop {
///     poll.poll(&mut events, Some(Duration::from_secs(5)))?;
///     assert!(!events.is_empty(), "no answer for five seconds");
///     for event in events.iter().filter(|event| event.is_writable()) {
///         if let Some(error) = stream.take_error()? {
///             return Err(error);
///         }
///         match stream.peer_addr() {
///             Ok(_) => break 'connecting,
///             Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
///             Err(error) => return Err(error),
///         }
///     }
/// }
/// stream.write_all(b"hello")?;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    pub(crate) inner: IoSource<net::TcpStream>,
}

impl TcpStream {
    /// Starts to connect to `addr`, and returns without waiting for the outcome:
    /// see [Connecting](TcpStream#connecting).
    ///
    /// # Errors
    ///
    /// Those that are known at once, such as `NetworkUnreachable` or
    /// `AddrNotAvailable`, and those of making a descriptor. Others, chiefly
    /// `ConnectionRefused`, come with the outcome.
    ///
    /// # Portability
    ///
    /// `socket` and `connect`; on Windows `WSASocketW`, overlapped and not inherited.
    pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
        sys::net::tcp_connect(addr).map(TcpStream::from_std)
    }

    /// Takes over a stream of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it is.
    /// Do not connect with the standard library: that blocks.
    ///
    /// [`set_nonblocking`]: net::TcpStream::set_nonblocking
    #[must_use]
    pub fn from_std(stream: net::TcpStream) -> TcpStream {
        TcpStream {
            inner: IoSource::new(stream),
        }
    }

    /// The address of the other side (`getpeername`).
    ///
    /// # Errors
    ///
    /// `NotConnected`: not yet, or not any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// The address of this side (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Shuts down reading, writing or both (`shutdown`).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not connected.
    ///
    /// # Portability
    ///
    /// A second call is an error on macOS, and succeeds on Linux while the connection
    /// lives.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`) instead of being
    /// collected by Nagle's algorithm.
    ///
    /// # Errors
    ///
    /// That of the system. On Windows, a stream that is not connected has no such
    /// option.
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.io().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// That of the system. On Windows, a stream that is not connected has no such
    /// option.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.io().nodelay()
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
    /// It is gone afterwards: what is read then is the end of the stream.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::TcpStream::take_error)
    }

    /// Reads what the next read would, and leaves it there (`recv` with `MSG_PEEK`).
    ///
    /// # Errors
    ///
    /// As for reading; `WouldBlock` when nothing is there.
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner
            .try_io(Interest::READABLE, |stream| stream.peek(buf))
    }

    /// Runs an operation of the caller's on the socket, such as a `recvmsg` on the
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::io;
    /// # #[cfg(unix)] {
    /// use std::os::fd::AsRawFd;
    /// # fn receive(stream: &mio::net::TcpStream) -> io::Result<usize> {
    /// let mut buf = [0_u8; 512];
    /// stream.try_io(|| {
    ///     let fd = stream.as_raw_fd();
    ///     // SAFETY: `buf` has room for as many bytes as its length says.
    ///     let n = unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), libc::MSG_TRUNC) };
    ///     usize::try_from(n).map_err(|_| io::Error::last_os_error())
    /// })
    /// # }
    /// # }
    /// ```
    pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
    where
        F: FnOnce() -> io::Result<T>,
    {
        self.inner.try_io(BOTH, |_| f())
    }
}

impl_source!(TcpStream);
impl_read!(TcpStream, &TcpStream);
impl_write!(TcpStream, &TcpStream);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's stream stays non-blocking.
impl From<TcpStream> for net::TcpStream {
    fn from(stream: TcpStream) -> net::TcpStream {
        stream.inner.into_io()
    }
}
