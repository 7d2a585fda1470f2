// Examples need these features; without them none is collected. It has to stand first.
#![cfg_attr(doctest, cfg(all(feature = "net", feature = "os-ext")))]
//! Metal I/O: a thin layer over the operating system's event queue, and sockets and
//! pipes that never block.
//!
//! One thread waits for any number of sources with [`Poll`], and learns which of them
//! are worth reading from or writing to. That is all there is: no futures, no tasks, no
//! timers, no buffering. Runtimes, servers and proxies are built on top of it. Once
//! everything is set up, waiting, waking, reading and writing allocate no memory.
//!
//! * [`Poll`] waits; its [`Registry`] takes sources in and lets them go.
//! * A [`Token`] tells the sources apart, an [`Interest`] says what to report and how.
//! * [`Events`] is the buffer that a poll fills; [`event`] has its entries, and the
//!   trait of sources.
//! * A [`Waker`] interrupts a poll from another thread.
//!
//! The [`guide`] explains how a program is built around these: draining, fairness,
//! connecting, shutting down, timers, and what differs between systems.
//!
//! # Usage
//!
//! Most of the crate is behind [features]: `os-poll` makes [`Poll`] usable, `net` adds
//! TCP, UDP and Unix domain sockets, `os-ext` adds pipes and other descriptors. A
//! network program takes
//!
//! ```toml
//! [dependencies]
//! mio = { path = "../mio", features = ["os-poll", "net"] }
//! ```
//!
//! # Example
//!
//! A server that sends back what it receives, until its only client, a thread of the
//! same program, wakes it to say that it has its answer:
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
//!                 LISTENER => match listener.accept() {
//!                     Ok((mut stream, _peer)) => {
//!                         poll.registry().register(&mut stream, CONNECTION, Interest::READABLE)?;
//!                         connection = Some(stream);
//!                     }
//!                     Err(error) if error.kind() == ErrorKind::WouldBlock => {}
//!                     Err(error) => return Err(error),
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
//! /// Sends back what has arrived.
//! fn echo(stream: &mut TcpStream) -> io::Result<()> {
//!     let mut buf = [0; 1024];
//!     loop {
//!         match stream.read(&mut buf) {
//!             // The client has closed the connection.
//!             Ok(0) => return Ok(()),
//!             // There is room for so little. A real server keeps what the socket does not
//!             // take, and goes on when it is writable.
//!             Ok(len) => stream.write_all(&buf[..len])?,
//!             // All has been read: another event will tell of more.
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//!
//! /// The client, which may block: it has a thread of its own.
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
//! The whole suite is run on Linux, with two backends (epoll(7), which is used, and
//! poll(2), which can be asked for), on Windows as far as Wine is Windows, and over a model of
//! kqueue. [`Poll`] lists the backends. `docs/platforms.md` says how far each system was tried;
//! most were compiled only. On a system without an event queue here, the feature `os-poll` is
//! a compile error.
//!
//! # Unsupported configuration flags
//!
//! These are for testing the crate and for looking for the cause of trouble, and may
//! change in any release. They are given as `RUSTFLAGS="--cfg <flag>"`.
//!
//! * `mio_unsupported_force_poll_poll` uses poll(2) in place of epoll. `Poll` and
//!   `Registry` then have no descriptor to offer (`AsFd`, `AsRawFd`).
//! * `mio_unsupported_force_waker_pipe` makes wakers of a pipe in place of an eventfd or a user
//!   event of kqueue. It has no effect on Solaris and Windows.
//! * `mio_unsupported_no_pwait2` never calls `epoll_pwait2`, for sandboxes that kill the process
//!   for it: timeouts are rounded up to whole milliseconds.
//!
//! [features]: crate::features
#![deny(missing_docs)]
// There is no `Waker`.
#![cfg_attr(
    any(target_os = "wasi", target_os = "horizon"),
    allow(rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
#[allow(unused_macros)] // Some are used by optional modules only.
mod trace;

mod interest;
mod poll;
mod readiness;
mod registry;
mod sync;
mod sys;
mod token;
#[cfg_attr(any(target_os = "wasi", target_os = "horizon"), allow(dead_code))] // As above.
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

#[cfg(all(target_os = "hermit", feature = "os-ext"))]
#[path = "fd_only.rs"]
pub mod hermit;

#[cfg(all(target_os = "wasi", feature = "os-ext"))]
#[path = "fd_only.rs"]
pub mod wasi;

pub use event::Events;
pub use interest::Interest;
pub use poll::Poll;
pub use registry::Registry;
pub use token::Token;
#[cfg(not(any(target_os = "wasi", target_os = "horizon")))]
pub use waker::Waker;
