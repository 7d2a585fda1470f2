// Doctests need these features. Keep this attribute first.
#![cfg_attr(doctest, cfg(all(feature = "net", feature = "os-ext")))]
//! Metal I/O: a thin layer over the operating system's event queue, with non-blocking sockets and
//! pipes.
//!
//! With [`Poll`], one thread waits for any number of sources and learns which of them are ready to
//! read or write. The crate does nothing else: it has no futures, tasks, timers or buffers. It is a
//! foundation for runtimes, servers and proxies. Once everything is set up, waiting, waking,
//! reading and writing allocate no memory.
//!
//! * [`Poll`] waits for events; its [`Registry`] adds and removes sources.
//! * A [`Token`] identifies a source; an [`Interest`] specifies which events to report for it, and
//!   in which trigger mode.
//! * [`Events`] is the buffer that a poll fills. The module [`event`] contains its entries and the
//!   trait that sources implement.
//! * A [`Waker`] wakes a poll from another thread.
//!
//! The [`guide`] explains how to build a program with these types: draining, fairness, connecting,
//! shutting down, timers, and the differences between systems.
//!
//! # Usage
//!
//! Most of the crate is behind [features]: `os-poll` adds [`Poll::new`](features#os-poll), `net`
//! adds TCP, UDP and Unix domain sockets, and `os-ext` adds pipes and other kinds of sources. A
//! network program uses
//!
//! ```toml
//! [dependencies]
//! mio = { path = "../mio", features = ["os-poll", "net"] }
//! ```
//!
//! # Example
//!
//! An echo server. Its only client is a thread of the same program, which wakes the server when it
//! has received its answer:
//!
//! ```
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::net::SocketAddr;
//! use std::sync::Arc;
//! use std::thread;
//!
//! use mio::net::{TcpListener, TcpStream};
//! use mio::{Events, Interest, Poll, Token, Waker};
//!
//! const LISTENER: Token = Token(0);
//! const CONNECTION: Token = Token(1);
//! const DONE: Token = Token(2);
//!
//! fn main() -> io::Result<()> {
//!     let mut poll = Poll::new()?;
//!     let mut events = Events::with_capacity(64);
//!
//!     let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap())?;
//!     poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
//!     let address = listener.local_addr()?;
//!
//!     let waker = Arc::new(Waker::new(poll.registry(), DONE)?);
//!     let remote = Arc::clone(&waker);
//!     let client = thread::spawn(move || {
//!         let answer = ask(address);
//!         remote.wake().and(answer)
//!     });
//!
//!     let mut connection = None;
//!     'serving: loop {
//!         match poll.poll(&mut events, None) {
//!             Err(error) if error.kind() == ErrorKind::Interrupted => continue,
//!             result => result?,
//!         }
//!         for event in &events {
//!             match event.token() {
//!                 LISTENER => loop {
//!                     match listener.accept() {
//!                         Ok((mut stream, _peer)) => {
//!                             let registry = poll.registry();
//!                             registry.register(&mut stream, CONNECTION, Interest::READABLE)?;
//!                             connection = Some(stream);
//!                         }
//!                         Err(error) if error.kind() == ErrorKind::WouldBlock => break,
//!                         Err(error) => return Err(error),
//!                     }
//!                 },
//!                 CONNECTION => {
//!                     if let Some(stream) = &mut connection {
//!                         echo(stream)?;
//!                     }
//!                 }
//!                 DONE => break 'serving,
//!                 other => unreachable!("{other:?} was never registered"),
//!             }
//!         }
//!     }
//!     assert_eq!(client.join().unwrap()?, *b"hello");
//!     Ok(())
//! }
//!
//! /// Sends the received data back.
//! fn echo(stream: &mut TcpStream) -> io::Result<()> {
//!     let mut buf = [0; 1024];
//!     loop {
//!         match stream.read(&mut buf) {
//!             // The client has closed the connection.
//!             Ok(0) => return Ok(()),
//!             // So little data always fits into the send buffer. A real server keeps what
//!             // the socket does not accept, and continues when the socket is writable.
//!             Ok(len) => stream.write_all(&buf[..len])?,
//!             // All data has been read. More data triggers another event.
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//!
//! /// The client. It runs on its own thread and may block.
//! fn ask(address: SocketAddr) -> io::Result<[u8; 5]> {
//!     let mut stream = std::net::TcpStream::connect(address)?;
//!     stream.write_all(b"hello")?;
//!     let mut answer = [0; 5];
//!     stream.read_exact(&mut answer)?;
//!     Ok(answer)
//! }
//! ```
//!
//! # Platforms
//!
//! The complete test suite runs on Linux with both of its backends ([epoll(7)], the default, and
//! [poll(2)]), on Windows under Wine, and against a simulated kqueue and simulated event ports.
//! [`Poll`] lists the backends. `docs/platforms.md` describes how far each system has been tested;
//! most have only been compiled. Enabling the feature `os-poll` on a system without a backend is a
//! compile error.
//!
//! # Unsupported configuration flags
//!
//! These flags are for testing the crate and for diagnosing problems. They may change in any
//! release. Pass them as `RUSTFLAGS="--cfg <flag>"`.
//!
//! * `mio_unsupported_force_poll_poll` uses poll(2) instead of epoll, kqueue or event ports. `Poll`
//!   and `Registry` then do not implement `AsFd` and `AsRawFd`. It has no effect on Windows.
//! * `mio_unsupported_force_waker_pipe` implements wakers with a pipe instead of an [eventfd(2)] or
//!   a kqueue user event. It has no effect on Solaris and Windows.
//! * `mio_unsupported_no_pwait2` never calls [`epoll_pwait2`], for sandboxes that kill the process
//!   for this call. Timeouts are then rounded up to whole milliseconds.
//!
//! [features]: crate::features
//! [epoll(7)]: https://man7.org/linux/man-pages/man7/epoll.7.html
//! [poll(2)]: https://man7.org/linux/man-pages/man2/poll.2.html
//! [eventfd(2)]: https://man7.org/linux/man-pages/man2/eventfd.2.html
//! [`epoll_pwait2`]: https://man7.org/linux/man-pages/man2/epoll_pwait2.2.html
#![deny(missing_docs)]
// These systems have no `Waker`.
#![cfg_attr(
    any(target_os = "wasi", target_os = "horizon"),
    allow(rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
#[allow(unused_macros)] // Some are used only by optional modules.
mod trace;

mod interest;
#[cfg(not(feature = "os-poll"))]
mod no_os_poll;
mod poll;
mod readiness;
mod registry;
mod sync;
mod sys;
mod token;
#[allow(dead_code)] // Which parts are used depends on the system and the features.
mod wake_flag;
#[cfg(not(any(target_os = "wasi", target_os = "horizon")))]
mod waker;

#[cfg(any(feature = "net", feature = "os-ext"))]
#[macro_use]
mod io_source;

pub mod event;
pub mod features;
pub mod guide;
#[cfg(feature = "net")]
pub mod net;
#[cfg(all(unix, feature = "os-ext"))]
pub mod unix;
#[cfg(all(windows, feature = "os-ext"))]
pub mod windows;

#[cfg(all(not(windows), feature = "os-ext"))]
mod source_fd;

/// Extensions that are specific to hermit.
///
/// Requires the feature `os-ext`.
#[cfg(all(target_os = "hermit", feature = "os-ext"))]
pub mod hermit {
    pub use crate::source_fd::SourceFd;
}

/// Extensions that are specific to WASI.
///
/// Requires the feature `os-ext`.
#[cfg(all(target_os = "wasi", feature = "os-ext"))]
pub mod wasi {
    pub use crate::source_fd::SourceFd;
}

pub use event::Events;
pub use interest::Interest;
#[cfg(feature = "os-ext")]
pub use io_source::any::IoSource;
pub use poll::Poll;
pub use registry::Registry;
pub use token::Token;
#[cfg(not(any(target_os = "wasi", target_os = "horizon")))]
pub use waker::Waker;
