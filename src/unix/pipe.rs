//! Pipes, in this process or to a child.
//!
//! [`new`] makes a pipe. The ends of pipes to a child process are converted with
//! `From`; they come blocking from the standard library, so that
//! [`set_nonblocking`](Receiver::set_nonblocking) is to be called before they are
//! used.
//!
//! # Examples
//!
//! Reading what a child prints:
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
//!     poll.poll(&mut events, None)?;
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

/// Makes a pipe, both ends non-blocking and closed on exec.
///
/// # Errors
///
/// Those of making descriptors: `EMFILE`, `ENFILE`.
///
/// # Portability
///
/// `pipe2` on Linux.
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
    let (sender, receiver) = sys::pipe()?;
    Ok((sender.into(), receiver.into()))
}

/// The sending end of a pipe.
///
/// It becomes writable when there is room. When the receiving end is gone, it
/// [is write-closed](crate::event::Event::is_write_closed) and writing answers
/// `BrokenPipe`.
///
/// Writing to such a pipe also raises the signal `SIGPIPE`. Rust's `main` ignores it at start-up; a
/// program whose `main` is written in another language is ended by it, unless it ignores the
/// signal itself (`signal(SIGPIPE, SIG_IGN)`). A write to a pipe has no flag against it.
pub struct Sender {
    pub(crate) inner: IoSource<File>,
}

/// The receiving end of a pipe.
///
/// When all senders are gone, it [is read-closed] and reading answers
/// `Ok(0)` once what they wrote has been read.
///
/// # Portability
///
/// A named pipe (FIFO) ends with its last sender and lives on with the next. With poll(2)
/// that next one is not reported. Open a FIFO for reading and writing, and it does not end.
///
/// [is read-closed]: crate::event::Event::is_read_closed
pub struct Receiver {
    pub(crate) inner: IoSource<File>,
}

/// What both ends have.
macro_rules! impl_end {
    ($type:ty) => {
        impl $type {
            /// Sets whether operations answer `WouldBlock` instead of blocking
            /// (`O_NONBLOCK`).
            ///
            /// # Errors
            ///
            /// That of the system; none is to be expected.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                sys::set_nonblocking(self.inner.io().as_raw_fd(), nonblocking)
            }

            /// Runs an operation of the caller's on the pipe, such as a `splice` on the
            /// descriptor, so that the poll learns of its outcome.
            ///
            /// `f` must be non-blocking and touch this end only; when it could not
            /// be done at once it returns `WouldBlock`, which has the poll watch
            /// the pipe again. Backends on which the kernel keeps track do not need
            /// that; poll(2) does.
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

        impl_source!($type, maybe_pipe);

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

impl_end!(Sender);
impl_end!(Receiver);
impl_write!(Sender, &Sender);
impl_read!(Receiver, &Receiver);

/// The pipe is left as it is, which is blocking.
impl From<ChildStdin> for Sender {
    fn from(stdin: ChildStdin) -> Sender {
        OwnedFd::from(stdin).into()
    }
}

/// The pipe is left as it is, which is blocking.
impl From<ChildStdout> for Receiver {
    fn from(stdout: ChildStdout) -> Receiver {
        OwnedFd::from(stdout).into()
    }
}

/// The pipe is left as it is, which is blocking.
impl From<ChildStderr> for Receiver {
    fn from(stderr: ChildStderr) -> Receiver {
        OwnedFd::from(stderr).into()
    }
}
