use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle, RawHandle,
};

use crate::sys::named_pipe::Pipe;

/// Either end of a named pipe.
///
/// A server makes its end with [`NamedPipe::new`] and waits for a client with
/// [`connect`](NamedPipe::connect). A client opens the pipe as a file, with
/// `FILE_FLAG_OVERLAPPED`, and converts the handle with `From`. So does a server that needs
/// other settings than those of `new`.
///
/// # How it works
///
/// Windows does not tell when a pipe is ready; it tells when an operation has finished.
/// A `NamedPipe` therefore works in advance. It *reads ahead* into a buffer, and is readable
/// when there is something in it; then [`Read`](io::Read) takes from the buffer, and the next read
/// begins when it is empty. [`Write`](io::Write) puts what it accepts into another buffer, from which it
/// is written in the background; until that has ended, which makes the pipe writable again,
/// writing answers [`WouldBlock`]. This has consequences:
///
/// * The pipe has to be registered before it is read, written or connected, and the poll has
///   to be polled: with [`Poll::poll`] the results arrive. Registering with
///   [`READABLE`](crate::Interest::READABLE) begins to read.
/// * It belongs to the first poll that it was registered with. Deregistered, it can be
///   registered there again, and nowhere else.
/// * What was read ahead is gone for others who use the same pipe by another handle.
/// * Nobody else may start an overlapped operation on the handle.
/// * An error of a write in the background is answered by the next `write`, or by
///   [`take_error`](NamedPipe::take_error).
/// * Registering asks the system whether a client is connected already. One that comes
///   later is noticed only by [`connect`](NamedPipe::connect).
///
/// # Reading and writing
///
/// When the other end was closed, and everything was read, reading answers `Ok(0)`. So
/// does reading a message of no bytes, once. A client's end
/// [is read-closed](crate::event::Event::is_read_closed) then; a server's, which can be
/// connected with another client, is only readable.
///
/// [`WouldBlock`] is the answer to reading if nothing has arrived, and to writing while the
/// write before is going on, no client has come yet, or the pipe was never registered. The
/// error of the write before is answered in its place, and nothing is accepted then.
///
/// `flush` does nothing: to wait until the other end has read everything would block.
///
/// # Dropping
///
/// Whatever `write` has accepted goes on being written after the pipe was dropped, and the
/// handle is closed after that. What arrives meanwhile is dropped. When the poll is dropped too,
/// and every source and [`Waker`](crate::Waker) of it, a thread of the library waits for the
/// end of such writes. They end with the process. Without such a write the handle is closed
/// at once.
///
/// # Messages
///
/// In a pipe of the type `PIPE_TYPE_MESSAGE` every `write` is a message, however long it is,
/// also one of no bytes. Reads never
/// join two messages if the pipe is read in the mode `PIPE_READMODE_MESSAGE`. One that is longer
/// than the buffer of a `read`, or than that of the reading ahead, comes in several parts. In
/// either mode a message of no bytes is read as `Ok(0)`, which looks like the end; what follows
/// it can be read as before.
///
/// # Security
///
/// A server can act in the name of its clients, unless they forbid it when they open the pipe:
/// the example below permits identification only. What else there is to know is in
/// `docs/security.md`.
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
    /// Makes a server's end of the pipe with the full name `addr`, such as
    /// `\\.\pipe\name`, of which there must be none yet.
    ///
    /// It is a stream of bytes in both directions, in buffers of 64 KiB. Clients of other
    /// machines may connect where the system lets them. A pipe with other properties, such as
    /// `PIPE_REJECT_REMOTE_CLIENTS`, or a further server's end, is made with `CreateNamedPipeW`
    /// and `FILE_FLAG_OVERLAPPED`, and converted.
    ///
    /// # Errors
    ///
    /// * [`PermissionDenied`](io::ErrorKind::PermissionDenied): there is a pipe of that name.
    /// * [`InvalidInput`](io::ErrorKind::InvalidInput): the name contains a zero.
    /// * `ERROR_INVALID_NAME`, `ERROR_PATH_NOT_FOUND`: it is not the name of a pipe.
    ///
    /// # Portability
    ///
    /// `CreateNamedPipeW` with `FILE_FLAG_FIRST_PIPE_INSTANCE`.
    #[doc(alias = "CreateNamedPipe")]
    pub fn new<A: AsRef<OsStr>>(addr: A) -> io::Result<NamedPipe> {
        let pipe = Pipe::create(addr.as_ref())?;
        Ok(NamedPipe { inner: pipe })
    }

    /// Waits for a client, without blocking.
    ///
    /// The answer is `Ok` if there is one, and otherwise
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). Then the pipe becomes writable when a client
    /// comes or the attempt fails, and calling once more tells which. Called before the
    /// pipe was registered, it takes effect then. A client that has left again was there: what
    /// it wrote can be read, and then the end.
    ///
    /// # Errors
    ///
    /// * `WouldBlock`: nobody has come yet.
    /// * Others of the system, such as for a client's end.
    ///
    /// # Portability
    ///
    /// `ConnectNamedPipe`, whose `ERROR_PIPE_CONNECTED` and `ERROR_NO_DATA` are a success.
    #[doc(alias = "ConnectNamedPipe")]
    pub fn connect(&self) -> io::Result<()> {
        self.inner.connect()
    }

    /// Ends the connection with the client, so that another one can be
    /// [connected](NamedPipe::connect).
    ///
    /// What was written and has not been read by the client is lost, and so is what was
    /// read ahead here. A connection attempt that is going on ends.
    ///
    /// # Errors
    ///
    /// `ERROR_PIPE_NOT_CONNECTED` if it was disconnected already; others of the system, such
    /// as for a client's end.
    ///
    /// # Portability
    ///
    /// `DisconnectNamedPipe`.
    #[doc(alias = "DisconnectNamedPipe")]
    pub fn disconnect(&self) -> io::Result<()> {
        self.inner.disconnect()
    }

    /// Takes the error of an operation in the background, which otherwise the next call
    /// would answer: why connecting, writing or reading has failed. The end of what can be read
    /// is no error.
    ///
    /// # Errors
    ///
    /// None.
    ///
    /// # Portability
    ///
    /// No system call.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.inner.take_error())
    }

    /// Sets how much is read ahead at most; 64 KiB unless set.
    ///
    /// Within that, the buffer is at least 4 KiB and as large as the one that
    /// was last given to `read`. The change holds from the next operation on.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero, and for more than 32 bits can
    /// tell.
    pub fn set_read_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.inner.set_read_limit(bytes)
    }

    /// Sets how much one `write` accepts at most; 64 KiB unless set.
    ///
    /// A pipe of messages accepts longer ones as well, since it would cut them in two
    /// otherwise. So does a server's end for writing only, which may not ask for its type.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero, and for more than 32 bits can
    /// tell.
    pub fn set_write_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.inner.set_write_limit(bytes)
    }
}

impl_source!(NamedPipe);
impl_read!(NamedPipe, &NamedPipe);
impl_write!(NamedPipe, &NamedPipe);

impl AsHandle for NamedPipe {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        // SAFETY: the handle stays open for as long as the pipe is borrowed.
        unsafe { BorrowedHandle::borrow_raw(self.inner.raw_handle()) }
    }
}

impl AsRawHandle for NamedPipe {
    fn as_raw_handle(&self) -> RawHandle {
        self.inner.raw_handle()
    }
}

/// Either end of a named pipe, which has to be open for overlapped operations, and must
/// neither belong to a completion port yet nor be set to skip its packets.
impl From<OwnedHandle> for NamedPipe {
    fn from(handle: OwnedHandle) -> NamedPipe {
        NamedPipe {
            inner: Pipe::new(handle),
        }
    }
}

/// Either end of a named pipe, which has to be open for overlapped operations, and must
/// neither belong to a completion port yet nor be set to skip its packets.
impl FromRawHandle for NamedPipe {
    unsafe fn from_raw_handle(handle: RawHandle) -> NamedPipe {
        // SAFETY: the caller promises that `handle` is open and ours to close.
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
