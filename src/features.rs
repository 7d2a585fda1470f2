//! The Cargo features of the crate, and what each of them adds.
//!
//! [`Token`], [`Interest`], [`Poll`], [`Registry`], [`Waker`] and [`event`] are always available,
//! with all their methods except [`Poll::new`][new]. A library that only implements
//! [`event::Source`] needs nothing else, and leaves the choice of features to the program that uses
//! it.
//!
//! # `os-poll`
//!
//! Adds [`Poll::new`][new] and with it the event queue. Without this feature no poll, registry or
//! waker can be created, and the code behind them is not compiled. On a system that the crate does
//! not support, enabling it is a compile error.
//!
//! # `os-ext`
//!
//! Adds [`IoSource`][io-source], which turns any object with a descriptor or a socket into a
//! source, and extensions for specific systems. Implies `os-poll`. On Unix, it adds the module
//! [`unix`][unix]:
//!
//! * `unix::SourceFd` registers any descriptor that can be polled, by its number;
//! * `unix::pipe` contains pipes, including those to child processes.
//!
//! On Windows, it adds the module `windows` with `NamedPipe`. On hermit and WASI, it adds a module
//! named after the system, with `SourceFd`.
//!
//! # `net`
//!
//! Adds the module [`net`][net]: `TcpListener`, `TcpStream` and `UdpSocket`, and on Unix
//! `UnixListener`, `UnixStream` and `UnixDatagram`. Without `os-poll`, the sockets work and are
//! non-blocking, but the crate offers no way to wait for them.
//!
//! # `log`
//!
//! Enabled by default. Logs a message of level `trace` through the [`log`] crate whenever a source
//! is registered, reregistered or deregistered. In debug builds on Unix, it also logs a message of
//! level `warn` when a socket or pipe of this crate is registered in blocking mode, in which it can
//! stall the event loop. With `default-features = false`, the crate's only dependency is the
//! bindings to the system (`libc` or `windows-sys`).
//!
//! [`log`]: https://docs.rs/log
//! [`Token`]: crate::Token
//! [`Interest`]: crate::Interest
//! [`Poll`]: crate::Poll
//! [`Registry`]: crate::Registry
//! [`Waker`]: crate::Waker
//! [`event`]: crate::event
//! [`event::Source`]: crate::event::Source
#![cfg_attr(feature = "os-poll", doc = "[new]: crate::Poll::new")]
#![cfg_attr(not(feature = "os-poll"), doc = "[new]: #os-poll")]
#![cfg_attr(feature = "os-ext", doc = "[io-source]: crate::IoSource")]
#![cfg_attr(not(feature = "os-ext"), doc = "[io-source]: #os-ext")]
#![cfg_attr(all(unix, feature = "os-ext"), doc = "[unix]: crate::unix")]
#![cfg_attr(not(all(unix, feature = "os-ext")), doc = "[unix]: #os-ext")]
#![cfg_attr(feature = "net", doc = "[net]: crate::net")]
#![cfg_attr(not(feature = "net"), doc = "[net]: #net")]
