use std::io;
use std::io::ErrorKind::{InvalidInput, NotConnected, WouldBlock};
use std::net::{self, Shutdown, SocketAddr};

use crate::io_source::{IoSource, BOTH};
use crate::sys::{self, AsHandle as _};
use crate::Interest;

/// A non-blocking TCP connection.
///
/// Requires the feature `net`.
///
/// Read and write with [`Read`](io::Read) and [`Write`](io::Write), which `&TcpStream` implements
/// as well.
///
/// # `SIGPIPE`
///
/// On Unix, writing to a connection that the peer has closed can raise the signal `SIGPIPE`, which
/// by default terminates the process. Rust's `main` ignores the signal at start-up, so such a write
/// only fails with `BrokenPipe`. If the program's `main` is written in another language, `write`
/// still does not raise the signal where the standard library sends with `MSG_NOSIGNAL` (including
/// Linux, Android and the BSDs). `write_vectored` does, because [`writev`] takes no flags, unless
/// the system has the socket option `SO_NOSIGPIPE` (Apple's, FreeBSD, DragonFly, NetBSD), which this
/// crate sets on the sockets that it creates. Such a program has to ignore the signal itself.
///
/// # Connecting
///
/// [`TcpStream::connect`] only starts to connect. The stream becomes writable when the connection
/// is established or has failed, but not every writable event means that the attempt is complete:
/// call [`is_connected`](TcpStream::is_connected) on each event.
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
/// loop {
///     poll.poll(&mut events, Some(Duration::from_secs(5)))?;
///     assert!(!events.is_empty(), "no answer for five seconds");
///     if stream.is_connected()? {
///         break;
///     }
/// }
/// stream.write_all(b"hello")?;
/// # Ok(())
/// # }
/// ```
///
/// [`writev`]: https://man7.org/linux/man-pages/man2/writev.2.html
pub struct TcpStream {
    pub(crate) inner: IoSource<net::TcpStream>,
}

impl TcpStream {
    /// Starts to connect to `addr`, and returns without waiting for the attempt to complete. See
    /// [Connecting](TcpStream#connecting).
    ///
    /// # Errors
    ///
    /// Returns errors that are known immediately, such as `NetworkUnreachable` or
    /// `AddrNotAvailable`, and fails if no descriptor can be created. Other errors, typically
    /// `ConnectionRefused`, surface when the attempt completes.
    ///
    /// # Portability
    ///
    /// Calls [`socket`] and [`connect`]. On Windows the socket is created with [`WSASocketW`],
    /// overlapped and not inheritable.
    ///
    /// [`socket`]: https://man7.org/linux/man-pages/man2/socket.2.html
    /// [`connect`]: https://man7.org/linux/man-pages/man2/connect.2.html
    /// [`WSASocketW`]: https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-wsasocketw
    pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
        sys::net::tcp_connect(addr).map(TcpStream::from_std)
    }

    /// Creates a stream from the standard library's type.
    ///
    /// The stream must be in non-blocking mode ([`set_nonblocking`]); this function does not change
    /// or check the mode. Do not use the standard library's `connect`: it blocks.
    ///
    /// [`set_nonblocking`]: net::TcpStream::set_nonblocking
    #[must_use]
    pub fn from_std(stream: net::TcpStream) -> TcpStream {
        TcpStream {
            inner: IoSource::new(stream),
        }
    }

    /// Returns whether the attempt to connect is complete: `true` once the connection is
    /// established, `false` while the attempt is in progress, and an error if it has failed.
    ///
    /// Call it on every event of a connecting stream. After `false`, wait for the next event. After
    /// an error, drop the stream.
    ///
    /// A connection counts as established until both sides have shut down sending. Received data
    /// that is left can still be read, whatever this method returns.
    ///
    /// # Errors
    ///
    /// * `ConnectionRefused`, `TimedOut` and others: the attempt failed. `ConnectionReset` and
    ///   others: the connection was lost. Like [`take_error`](TcpStream::take_error), this clears
    ///   the pending error of the socket.
    /// * [`NotConnected`](io::ErrorKind::NotConnected): there is no connection, no attempt in
    ///   progress and no pending error. Either an earlier call or operation has returned the error,
    ///   or both sides have shut down, or the stream was created from a socket that was never
    ///   connected.
    ///
    /// # Portability
    ///
    /// Calls [`getpeername`], which succeeds if the connection is established. If it fails, calls
    /// [`poll`] with a timeout of zero ([`select`] on Windows) to find out whether the attempt is
    /// still in progress, and if not, reads the error with `SO_ERROR`.
    ///
    /// * A socket that was never connected looks like one that is connecting on the BSDs, Apple
    ///   systems, illumos, Solaris and Windows: the result is `false`.
    /// * Windows keeps the address of the peer after a reset: the result stays `true`, and reading
    ///   returns the error.
    /// * With `TCP_FASTOPEN_CONNECT`, Linux reports the stream as writable, but connects only with
    ///   the first write. Until then the result is `false`.
    ///
    /// [`getpeername`]: https://man7.org/linux/man-pages/man2/getpeername.2.html
    /// [`poll`]: https://man7.org/linux/man-pages/man2/poll.2.html
    /// [`select`]: https://learn.microsoft.com/en-us/windows/win32/api/winsock2/nf-winsock2-select
    ///
    /// # Examples
    ///
    /// See [above](TcpStream#examples).
    #[doc(alias = "getpeername")]
    #[doc(alias = "SO_ERROR")]
    pub fn is_connected(&self) -> io::Result<bool> {
        let connected = self.inner.try_io(BOTH, |stream| {
            match stream.peer_addr() {
                // An error that is pending nevertheless is left to reading and writing.
                Ok(_) => return Ok(()),
                Err(error) if sys::INVALID_IS_CONNECTED && error.kind() == InvalidInput => {
                    return Ok(())
                }
                // `EINVAL` on Apple systems, if both directions have ended.
                Err(error) if matches!(error.kind(), NotConnected | InvalidInput) => {}
                Err(error) => return Err(error),
            }
            if sys::is_connecting(stream.as_handle())? {
                return Err(WouldBlock.into());
            }
            // The attempt is complete, so that nothing that follows can change any more.
            match stream.take_error()? {
                Some(error) => Err(error),
                None => stream
                    .peer_addr()
                    .map(drop)
                    .map_err(|_| NotConnected.into()),
            }
        });
        match connected {
            Err(error) if error.kind() == WouldBlock => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Returns the address of the peer ([`getpeername`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not yet, or no longer, connected.
    ///
    /// [`getpeername`]: https://man7.org/linux/man-pages/man2/getpeername.2.html
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().peer_addr()
    }

    /// Returns the local address of the stream ([`getsockname`]).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails.
    ///
    /// [`getsockname`]: https://man7.org/linux/man-pages/man2/getsockname.2.html
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.io().local_addr()
    }

    /// Shuts down reading, writing or both ([`shutdown`]).
    ///
    /// # Errors
    ///
    /// `NotConnected` if the stream is not connected.
    ///
    /// # Portability
    ///
    /// A second call fails on macOS. On Linux it succeeds as long as the connection exists.
    ///
    /// [`shutdown`]: https://man7.org/linux/man-pages/man2/shutdown.2.html
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.inner.io().shutdown(how)
    }

    /// Sets whether small writes are sent immediately (`TCP_NODELAY`) instead of being coalesced by
    /// Nagle's algorithm.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails, as it does on Windows while the stream is not
    /// connected.
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.io().set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent immediately (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Returns the OS error if the system call fails, as it does on Windows while the stream is not
    /// connected.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.io().nodelay()
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
    /// A subsequent read reports the end of the stream instead of the error.
    ///
    /// # Errors
    ///
    /// Returns the OS error if the option cannot be read.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error(net::TcpStream::take_error)
    }

    /// Receives data without removing it from the stream ([`recv`] with `MSG_PEEK`): the next read
    /// returns the same data.
    ///
    /// # Errors
    ///
    /// As for reading; `WouldBlock` if no data is available.
    ///
    /// [`recv`]: https://man7.org/linux/man-pages/man2/recv.2.html
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.try_io(Interest::READABLE, |io| io.peek(buf))
    }

    /// Performs a custom I/O operation on the socket, such as [`recvmsg`] on its descriptor, and
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
    /// the interest only while a write is pending.
    ///
    /// [`recvmsg`]: https://man7.org/linux/man-pages/man2/recvmsg.2.html
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::io;
    /// # #[cfg(unix)] {
    /// use std::os::fd::AsRawFd;
    /// # fn discard(stream: &mio::net::TcpStream) -> io::Result<usize> {
    /// let mut buf = [0_u8; 512];
    /// stream.try_io(|| {
    ///     // On a TCP socket of Linux, `MSG_TRUNC` discards the data instead of copying it.
    ///     let fd = stream.as_raw_fd();
    ///     // SAFETY: `buf` is valid for writes of `buf.len()` bytes.
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

impl_socket!(TcpStream, net::TcpStream);
impl_read!(TcpStream, &TcpStream);
impl_write!(TcpStream, &TcpStream);
