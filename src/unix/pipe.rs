//! Pipes within the process and to child processes.
//!
//! Requires the feature `os-ext`.
//!
//! [`new`] creates a pipe. The ends of pipes to a child process are converted with `From`. The
//! standard library creates them in blocking mode, so call
//! [`set_nonblocking`](Receiver::set_nonblocking) before using them.
//!
//! # Examples
//!
//! Reading the output of a child process:
//!
//! ```
//! use std::io::{self, Read};
//! use std::process::{Command, Stdio};
//!
//! use mio::unix::pipe::Receiver;
//! use mio::{Events, Interest, Poll, Token};
//!
//! # fn main() -> io::Result<()> {
//! let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
//! let mut output = Receiver::from(child.stdout.take().expect("stdout is piped"));
//! output.set_nonblocking(true)?;
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(8);
//! poll.registry().register(&mut output, Token(0), Interest::READABLE)?;
//!
//! let (mut text, mut buf) = (Vec::new(), [0; 4096]);
//! 'child: loop {
//!     poll.poll_until(&mut events, None)?;
//!     loop {
//!         match output.read(&mut buf) {
//!             Ok(0) => break 'child,
//!             Ok(len) => text.extend_from_slice(&buf[..len]),
//!             Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//! child.wait()?;
//! assert_eq!(text, b"hello\n");
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::io_source::{IoSource, BOTH};
use crate::sys;

/// Creates a pipe. Both ends are non-blocking and close-on-exec.
///
/// Requires the feature `os-ext`.
///
/// # Errors
///
/// Fails with `EMFILE` or `ENFILE` when the process or the system has run out of descriptors.
///
/// # Portability
///
/// Calls [`pipe2`](https://man7.org/linux/man-pages/man2/pipe2.2.html) where the system has it, such
/// as on Linux, the BSDs, illumos and Solaris. Elsewhere, such as on Apple systems, calls `pipe`, and
/// then makes both ends non-blocking and close-on-exec.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let (mut sender, mut receiver) = mio::unix::pipe::new()?;
/// sender.write_all(b"hello")?;
/// let mut buf = [0; 16];
/// assert_eq!(receiver.read(&mut buf)?, 5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "pipe2")]
pub fn new() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = sys::fd::pipe()?;
    Ok((sender.into(), receiver.into()))
}

/// The writing end of a pipe.
///
/// Requires the feature `os-ext`.
///
/// The sender is writable when the pipe has room. Once the receiving end is closed, the sender [is
/// write-closed](crate::event::Event::is_write_closed) and writing fails with `BrokenPipe`.
///
/// Writing to such a pipe also raises the signal `SIGPIPE`. Rust's `main` ignores the signal at
/// start-up. It terminates a program whose `main` is written in another language, unless the
/// program ignores it (`signal(SIGPIPE, SIG_IGN)`): a write to a pipe has no flag to suppress the
/// signal.
pub struct Sender {
    pub(crate) inner: IoSource<File>,
}

/// The reading end of a pipe.
///
/// Requires the feature `os-ext`.
///
/// Once all senders are closed, the receiver [is read-closed], and reading returns `Ok(0)` after
/// all data has been read.
///
/// # Portability
///
/// A named pipe (FIFO) reports its end when its last sender is closed, and can be read again once
/// another sender opens it. With poll(2), this sender is not noticed until a read returns
/// `WouldBlock`. A FIFO that is opened for both reading and writing has no end.
///
/// [is read-closed]: crate::event::Event::is_read_closed
pub struct Receiver {
    pub(crate) inner: IoSource<File>,
}

/// Implements what both ends have, and the conversions from the ends that the standard library
/// creates.
macro_rules! impl_end {
    ($type:ty, $($child:ty),+) => {
        impl $type {
            /// Sets whether operations fail with `WouldBlock` instead of blocking: sets or clears
            /// `O_NONBLOCK` with [`fcntl`](https://man7.org/linux/man-pages/man2/fcntl.2.html).
            ///
            /// # Errors
            ///
            /// Returns the OS error if the system call fails.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                sys::fd::set_nonblocking(self.inner.io().as_raw_fd(), nonblocking)
            }

            /// Performs a custom I/O operation on the pipe, such as
            /// [`splice`](https://man7.org/linux/man-pages/man2/splice.2.html) on its descriptor,
            /// and notifies the poll of its outcome.
            ///
            /// `f` must not block, and must operate on this end only. If the operation cannot be
            /// completed immediately, `f` must return `WouldBlock`, which makes the poll watch the
            /// pipe again. Backends that leave edge triggering to the kernel do not need this;
            /// poll(2) and event ports do.
            ///
            /// # Errors
            ///
            /// Returns the error that `f` returns.
            pub fn try_io<F, T>(&self, f: F) -> io::Result<T>
            where
                F: FnOnce() -> io::Result<T>,
            {
                self.inner.try_io(BOTH, |_| f())
            }
        }

        impl_source!($type, maybe_pipe);

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }

        $(
            /// Converts the child's end of the pipe without changing its mode, which is blocking by
            /// default.
            impl From<$child> for $type {
                fn from(end: $child) -> $type {
                    OwnedFd::from(end).into()
                }
            }
        )+
    };
}

impl_end!(Sender, ChildStdin);
impl_end!(Receiver, ChildStdout, ChildStderr);
impl_write!(Sender, &Sender);
impl_read!(Receiver, &Receiver);
