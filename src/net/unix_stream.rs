use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use crate::io_source::{IoSource, BOTH};
use crate::sys;

/// A non-blocking connection of Unix domain sockets.
///
/// Reading and writing go through [`Read`](io::Read) and [`Write`](io::Write), which `&UnixStream`
/// implements as well.
///
/// Writing to a connection that the peer has closed fails with `BrokenPipe`. In a program whose
/// `main` is not Rust's, `write_vectored` also raises `SIGPIPE`, as it does for
/// [`TcpStream`](crate::net::TcpStream#sigpipe); and so does `write` if the program was compiled
/// with a Rust older than 1.90.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use mio::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (mut one, mut other) = UnixStream::pair()?;
/// one.write_all(b"hello")?;
/// let mut buf = [0; 16];
/// let len = other.read(&mut buf)?;
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    pub(crate) inner: IoSource<net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    ///
    /// * `NotFound`, `ConnectionRefused`: nobody listens there.
    /// * `WouldBlock`: on Linux, the listener's backlog is full. Nothing is in
    ///   progress: try again later.
    /// * `InvalidInput`: the path is too long for an address (107 bytes on Linux),
    ///   or contains a NUL.
    ///
    /// # Portability
    ///
    /// `socket` and `connect`. On Linux the connection stands when the call
    /// returns; elsewhere it may be in progress, see
    /// [`TcpStream`](crate::net::TcpStream#connecting).
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to the listener at `address`, which may be an abstract name on Linux.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixStream::connect).
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        sys::net::uds::connect(address).map(UnixStream::from_std)
    }

    /// Takes over a stream of the standard library.
    ///
    /// It has to be in non-blocking mode ([`set_nonblocking`]); it is used as it is.
    ///
    /// [`set_nonblocking`]: net::UnixStream::set_nonblocking
    #[must_use]
    pub fn from_std(stream: net::UnixStream) -> UnixStream {
        UnixStream {
            inner: IoSource::new(stream),
        }
    }

    /// Makes two streams that are connected with one another (`socketpair`).
    ///
    /// # Errors
    ///
    /// Those of making descriptors: `EMFILE`, `ENFILE`.
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = sys::net::uds::stream_pair()?;
        Ok((UnixStream::from_std(one), UnixStream::from_std(other)))
    }

    /// The address of this side (`getsockname`).
    ///
    /// # Errors
    ///
    /// That of the system; none is to be expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// The address of the other side (`getpeername`).
    ///
    /// # Errors
    ///
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Takes the pending error off the socket (`SO_ERROR`); `None` if there is none.
    ///
    /// # Errors
    ///
    /// That of asking; none is to be expected.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::UnixStream::take_error)
    }

    /// Shuts down reading, writing or both (`shutdown`).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Runs an operation of the caller's on the socket, such as a `sendmsg` that
    /// passes descriptors, so that the poll learns of its outcome.
    ///
    /// `f` must be non-blocking and touch this socket only; when it could not be
    /// done at once it returns `WouldBlock`, which has the poll watch the
    /// socket again. Backends on which the kernel keeps track do not need that;
    /// poll(2) does.
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

impl_source!(UnixStream);
impl_read!(UnixStream, &UnixStream);
impl_write!(UnixStream, &UnixStream);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The standard library's stream stays non-blocking.
impl From<UnixStream> for net::UnixStream {
    fn from(stream: UnixStream) -> net::UnixStream {
        stream.inner.into_io()
    }
}
