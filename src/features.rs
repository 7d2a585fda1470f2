//! The features of the crate, and what each of them adds.
//!
//! Whatever is chosen, these are there: [`Token`], [`Interest`], [`Poll`],
//! [`Registry`], [`Waker`] and [`event`], with all their methods but
//! [`Poll::new`][new]. A library that only implements [`event::Source`] needs no
//! more, and leaves the choice to the program that it ends up in.
//!
//! # `os-poll`
//!
//! Adds [`Poll::new`][new], and with it the event queue. Without this feature no
//! poll, registry or waker can be made, and none of the code behind them is built.
//! On a system that the crate does not know, asking for it is a compile error.
//!
//! # `os-ext`
//!
//! What only some systems have. Implies `os-poll`. On Unix it adds the module
//! [`unix`][unix]:
//!
//! * `unix::SourceFd` registers any descriptor that can be polled;
//! * `unix::pipe` has pipes, among them those to child processes.
//!
//! On Windows it adds the module `windows` with `NamedPipe`; on hermit and WASI a module of the
//! system's name with `SourceFd`.
//!
//! # `net`
//!
//! Adds the module [`net`][net]: `TcpListener`, `TcpStream` and `UdpSocket`, and on Unix
//! `UnixListener`, `UnixStream` and `UnixDatagram`. Without `os-poll` the sockets work,
//! and are non-blocking, but there is nothing to wait for them with.
//!
//! # `log`
//!
//! On by default. Writes a line of level `trace` through the [`log`] crate whenever
//! a source is registered, reregistered or deregistered. In debug builds on Unix it
//! also writes a line of level `warn` when a socket or pipe of this crate is registered in blocking
//! mode, in which it can stall the event loop. With `default-features = false` the crate has no
//! dependency but the bindings to the system (`libc`, or `windows-sys`).
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
#![cfg_attr(all(unix, feature = "os-ext"), doc = "[unix]: crate::unix")]
#![cfg_attr(not(all(unix, feature = "os-ext")), doc = "[unix]: #os-ext")]
#![cfg_attr(feature = "net", doc = "[net]: crate::net")]
#![cfg_attr(not(feature = "net"), doc = "[net]: #net")]
