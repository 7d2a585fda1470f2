use std::ffi::OsStr;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle,
};
use std::{fmt, io};

use crate::sys::named_pipe::Pipe;

/// Either end of a named pipe.
///
/// Requires the feature `os-ext`.
///
/// A server creates its end with [`NamedPipe::new`] and waits for a client with
/// [`connect`](NamedPipe::connect). A client opens the pipe as a file with `FILE_FLAG_OVERLAPPED`,
/// and converts the handle with `From`. A server that needs settings other than the ones of `new`
/// also converts a handle.
///
/// # How it works
///
/// Windows does not report that a pipe is ready, only that an operation has finished. A `NamedPipe`
/// therefore starts operations in advance. It *reads ahead* into a buffer, and is readable when the
/// buffer contains something. [`Read`](io::Read) takes data from the buffer, and the next read
/// starts when it is empty. [`Write`](io::Write) copies data into another buffer, from which it is
/// written in the background. Until that write has finished, which makes the pipe writable again,
/// further writes return [`WouldBlock`]. Consequently:
///
/// * The pipe must be registered before it is read, written or connected, and the poll must be
///   polled: the results arrive in [`Poll::poll`]. Registering with
///   [`READABLE`](crate::Interest::READABLE) starts to read.
/// * The pipe belongs to the first poll that it is registered with. After it has been
///   deregistered, it can be registered there again, but not with another poll.
/// * Data that has been read ahead is not available to other handles of the same pipe.
/// * No other code may start overlapped operations on the handle.
/// * The error of a write in the background is returned by the next `write`, or by
///   [`take_error`](NamedPipe::take_error).
/// * Registering queries whether a client is connected. Call [`connect`](NamedPipe::connect) to be
///   notified of a client that connects later.
///
/// # Reading and writing
///
/// When the peer has closed its end and everything has been read, reading returns `Ok(0)`. Reading
/// an empty [message](#messages) returns `Ok(0)` too, once. A client's end is then
/// [read-closed](crate::event::Event::is_read_closed). A server's end is only readable, since
/// another client can connect to it.
///
/// Reading returns [`WouldBlock`] if no data has arrived. Writing returns it while the previous
/// write is in progress, and while [`connect`](NamedPipe::connect) waits for a client; without a
/// client and without `connect`, it returns the error `ERROR_PIPE_LISTENING`. Before the pipe has
/// been registered, both return [`WouldBlock`]. If the previous write has failed, writing returns
/// its error and accepts no data.
///
/// `flush` does nothing: waiting until the peer has read everything would block.
///
/// # Dropping
///
/// Data that `write` has accepted is still written after the pipe has been dropped, and the handle
/// is closed after that. Data that arrives meanwhile is discarded, up to 16 MiB; after that, the
/// pipe waits for the write alone. If the poll, its sources and its [`Waker`](crate::Waker) have
/// been dropped too, a thread of the library waits until such writes have finished. When the
/// process exits, unfinished writes are cancelled. If no write is in progress, dropping the pipe
/// closes the handle immediately.
///
/// # Messages
///
/// In a pipe of the type `PIPE_TYPE_MESSAGE` every `write` is one message, whatever its length,
/// even if it is empty. If the pipe is read in the mode `PIPE_READMODE_MESSAGE`, a read never joins
/// two messages. A message that is longer than the buffer of a `read`, or than the buffer for
/// reading ahead, is returned in several parts. In this mode an empty message is read as `Ok(0)`,
/// like the end of the stream, but the messages after it can still be read. If the pipe is read as
/// bytes, the system joins messages that have already arrived, and an empty message among them is
/// not seen. Set `PIPE_READMODE_MESSAGE` if empty messages have a meaning.
///
/// # Security
///
/// A server can impersonate its clients, unless they forbid it when they open the pipe. The example
/// below permits identification only. `docs/security.md` has more.
///
/// # Examples
///
/// A client and a server in one poll:
///
/// ```
/// # #[cfg(windows)]
/// # fn main() -> std::io::Result<()> {
/// use std::fs::OpenOptions;
/// use std::io::{self, Read, Write};
/// use std::os::windows::fs::OpenOptionsExt;
/// use std::os::windows::io::OwnedHandle;
///
/// use mio::windows::NamedPipe;
/// use mio::{Events, Interest, Poll, Token};
///
/// const SERVER: Token = Token(0);
/// const CLIENT: Token = Token(1);
/// const FILE_FLAG_OVERLAPPED: u32 = 0x4000_0000;
/// const SECURITY_IDENTIFICATION: u32 = 0x0001_0000;
///
/// let mut poll = Poll::new()?;
/// let mut events = Events::with_capacity(8);
/// let both = Interest::READABLE | Interest::WRITABLE;
///
/// let name = format!(r"\\.\pipe\mio-example-{}", std::process::id());
/// let mut server = NamedPipe::new(&name)?;
/// poll.registry().register(&mut server, SERVER, both)?;
/// let pending = server.connect().unwrap_err();
/// assert_eq!(pending.kind(), io::ErrorKind::WouldBlock);
///
/// let file = OpenOptions::new()
///     .read(true)
///     .write(true)
///     .custom_flags(FILE_FLAG_OVERLAPPED)
///     // With SECURITY_SQOS_PRESENT, which this method adds.
///     .security_qos_flags(SECURITY_IDENTIFICATION)
///     .open(&name)?;
/// let mut client = NamedPipe::from(OwnedHandle::from(file));
/// poll.registry().register(&mut client, CLIENT, both)?;
/// client.write_all(b"hello")?;
///
/// let mut buf = [0; 16];
/// let len = 'reading: loop {
///     poll.poll(&mut events, None)?;
///     for event in events.iter().filter(|event| event.token() == SERVER) {
///         if event.is_writable() {
///             server.connect()?;
///         }
///         if event.is_readable() {
///             match server.read(&mut buf) {
///                 Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
///                 result => break 'reading result?,
///             }
///         }
///     }
/// };
/// assert_eq!(&buf[..len], b"hello");
/// # Ok(())
/// # }
/// # #[cfg(not(windows))]
/// # fn main() {}
/// ```
///
/// [`WouldBlock`]: io::ErrorKind::WouldBlock
/// [`Poll::poll`]: crate::Poll::poll
pub struct NamedPipe {
    inner: Pipe,
}

impl NamedPipe {
    /// Creates the first server's end of the pipe with the full name `addr`, such as
    /// `\\.\pipe\name`.
    ///
    /// The pipe is a stream of bytes in both directions, with buffers of 64 KiB. Clients on other
    /// machines can connect if the system permits it. To create a pipe with other properties, such
    /// as `PIPE_REJECT_REMOTE_CLIENTS`, or another server's end of the same pipe, call
    /// [`CreateNamedPipeW`] with `FILE_FLAG_OVERLAPPED` and convert the handle.
    ///
    /// # Errors
    ///
    /// * [`PermissionDenied`](io::ErrorKind::PermissionDenied): a pipe with that name exists.
    /// * [`InvalidInput`](io::ErrorKind::InvalidInput): the name contains a NUL character.
    /// * `ERROR_INVALID_NAME`, `ERROR_PATH_NOT_FOUND`: `addr` is not the name of a pipe.
    ///
    /// # Portability
    ///
    /// Calls [`CreateNamedPipeW`] with `FILE_FLAG_FIRST_PIPE_INSTANCE`.
    ///
    /// [`CreateNamedPipeW`]: https://learn.microsoft.com/en-us/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew
    #[doc(alias = "CreateNamedPipe")]
    pub fn new<A: AsRef<OsStr>>(addr: A) -> io::Result<NamedPipe> {
        let pipe = Pipe::create(addr.as_ref())?;
        Ok(NamedPipe { inner: pipe })
    }

    /// Waits for a client, without blocking.
    ///
    /// Returns `Ok` if a client is connected, otherwise [`WouldBlock`](io::ErrorKind::WouldBlock).
    /// The pipe then becomes writable when a client connects or the attempt fails; call `connect`
    /// again to find out which. A call before the pipe is registered takes effect when it is
    /// registered. A client that has already disconnected counts as connected: its data can be
    /// read, followed by the end of the stream.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: no client has connected yet.
    /// * Any other error of the system call, for example because this is a client's end.
    ///
    /// # Portability
    ///
    /// Calls [`ConnectNamedPipe`], whose `ERROR_PIPE_CONNECTED` and `ERROR_NO_DATA` are a success.
    ///
    /// [`ConnectNamedPipe`]: https://learn.microsoft.com/en-us/windows/win32/api/namedpipeapi/nf-namedpipeapi-connectnamedpipe
    #[doc(alias = "ConnectNamedPipe")]
    pub fn connect(&self) -> io::Result<()> {
        self.inner.connect()
    }

    /// Ends the connection with the client, so that another client can be
    /// [connected](NamedPipe::connect).
    ///
    /// Data that the client has not read yet is lost, and so is data that has been read ahead on
    /// this end. A pending `connect` is cancelled.
    ///
    /// # Errors
    ///
    /// `ERROR_PIPE_NOT_CONNECTED` if the pipe is already disconnected; any other error of the
    /// system call, for example because this is a client's end.
    ///
    /// # Portability
    ///
    /// Calls [`DisconnectNamedPipe`].
    ///
    /// [`DisconnectNamedPipe`]: https://learn.microsoft.com/en-us/windows/win32/api/namedpipeapi/nf-namedpipeapi-disconnectnamedpipe
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&self) -> io::Result<()> {
        self.inner.disconnect()
    }

    /// Returns and clears the error of an operation in the background: connecting, writing or
    /// reading. Otherwise the next such call returns it. The end of a stream is not an error.
    ///
    /// # Errors
    ///
    /// This method does not fail.
    ///
    /// # Portability
    ///
    /// Makes no system call.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.inner.take_error())
    }

    /// Sets the maximum number of bytes to read ahead, 64 KiB by default.
    ///
    /// Within this limit, the buffer is as large as that of the last `read`, but at least 4 KiB.
    /// The change takes effect with the next operation.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero, and for sizes that need more than 32
    /// bits.
    pub fn set_read_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.inner.set_read_limit(bytes)
    }

    /// Sets the maximum number of bytes that one `write` accepts, 64 KiB by default.
    ///
    /// The limit does not apply to a pipe of the type `PIPE_TYPE_MESSAGE`, because it would split
    /// messages, or to an outbound server's end, which cannot query the type of the pipe.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero, and for sizes that need more than 32
    /// bits.
    pub fn set_write_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.inner.set_write_limit(bytes)
    }
}

impl_source!(NamedPipe);
impl_read!(NamedPipe, &NamedPipe);
impl_write!(NamedPipe, &NamedPipe);

impl AsHandle for NamedPipe {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        // SAFETY: the handle stays open while the pipe is borrowed.
        unsafe { BorrowedHandle::borrow_raw(self.inner.raw_handle()) }
    }
}

impl AsRawHandle for NamedPipe {
    fn as_raw_handle(&self) -> RawHandle {
        self.inner.raw_handle()
    }
}

/// Converts a handle to an end of a named pipe that was opened for overlapped operations. It must
/// be in waiting mode (`PIPE_WAIT`, the default), not belong to a completion port, and not be set to
/// skip completion packets.
impl From<OwnedHandle> for NamedPipe {
    fn from(handle: OwnedHandle) -> NamedPipe {
        NamedPipe {
            inner: Pipe::new(handle),
        }
    }
}

/// Converts a handle to an end of a named pipe that was opened for overlapped operations. It must
/// be in waiting mode (`PIPE_WAIT`, the default), not belong to a completion port, and not be set to
/// skip completion packets.
impl FromRawHandle for NamedPipe {
    unsafe fn from_raw_handle(handle: RawHandle) -> NamedPipe {
        // SAFETY: the caller guarantees that `handle` is open and owned by nothing else.
        unsafe { OwnedHandle::from_raw_handle(handle) }.into()
    }
}

impl fmt::Debug for NamedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedPipe")
            .field("handle", &self.inner.raw_handle())
            .finish_non_exhaustive()
    }
}
