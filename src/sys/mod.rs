//! Where the operating systems are.
//!
//! This file is the table that chooses a backend; it is the only one. Each row
//! is a file of this folder that fills one role on some targets, and a target
//! takes the one row whose condition holds for it.

// Which part of a backend is used depends on the features of the crate.
#![cfg_attr(
    any(
        not(all(feature = "os-poll", feature = "os-ext", feature = "net")),
        target_os = "horizon",
        target_os = "wasi"
    ),
    allow(dead_code, unused_imports)
)]

pub(crate) mod backend;

#[allow(dead_code)] // Of use to backends that emulate edges. It is tested everywhere.
mod edge;
mod event;
#[cfg(feature = "os-poll")]
mod fmt_flags;
// Said by the debug checks of sources, and by backends that keep books.
#[allow(dead_code)]
pub(crate) mod error;

pub use event::Event;

// The event queue. A target without a row gets `selector.rs`, which says so.
#[cfg_attr(not(feature = "os-poll"), path = "none.rs")]
#[cfg_attr(
    all(
        feature = "os-poll",
        any(
            target_os = "linux",
            target_os = "android",
            target_os = "illumos",
            target_os = "redox"
        ),
        not(mio_unsupported_force_poll_poll),
        not(any(mio_test_kqueue_shim, mio_test_event_port_shim))
    ),
    path = "epoll.rs"
)]
#[cfg_attr(
    all(
        feature = "os-poll",
        any(
            target_vendor = "apple",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "dragonfly",
            mio_test_kqueue_shim
        ),
        not(mio_unsupported_force_poll_poll)
    ),
    path = "kqueue.rs"
)]
#[cfg_attr(
    all(
        feature = "os-poll",
        any(target_os = "solaris", mio_test_event_port_shim),
        not(mio_unsupported_force_poll_poll)
    ),
    path = "event_port.rs"
)]
#[cfg_attr(all(feature = "os-poll", windows), path = "iocp.rs")]
#[cfg_attr(
    all(
        feature = "os-poll",
        any(
            mio_unsupported_force_poll_poll,
            target_os = "aix",
            target_os = "cygwin",
            target_os = "emscripten",
            target_os = "espidf",
            target_os = "fuchsia",
            target_os = "haiku",
            target_os = "hermit",
            target_os = "horizon",
            target_os = "hurd",
            target_os = "nto",
            target_os = "nuttx",
            target_os = "vita",
            target_os = "wasi"
        )
    ),
    path = "poll.rs"
)]
mod selector;

// The object that rings when a poll is to be interrupted. Without a row: a pipe.
#[cfg_attr(
    all(
        any(
            target_os = "linux",
            target_os = "android",
            target_os = "illumos",
            target_os = "espidf",
            target_os = "hermit"
        ),
        not(mio_unsupported_force_waker_pipe)
    ),
    path = "eventfd.rs"
)]
#[cfg_attr(any(target_os = "wasi", target_os = "horizon"), path = "no_bell.rs")]
#[cfg(all(not(windows), feature = "os-poll"))]
#[allow(dead_code)] // kqueue may have a bell of its own.
mod bell;

// Which descriptors poll(2) takes in. Without a row: by the type of the file.
#[cfg_attr(
    any(target_os = "linux", target_os = "android"),
    path = "pollable_by_epoll.rs"
)]
#[cfg(all(not(windows), feature = "os-poll"))]
#[allow(dead_code)] // Used by poll(2) alone.
mod pollable;

// How new sockets become non-blocking and closed on exec. Without a row: by fcntl.
#[cfg_attr(
    any(
        target_os = "linux",
        target_os = "android",
        target_os = "cygwin",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "hurd",
        target_os = "illumos",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "solaris"
    ),
    path = "birth_by_flags.rs"
)]
#[cfg(all(
    feature = "net",
    not(any(windows, all(target_os = "wasi", target_env = "p1")))
))]
mod birth;

// How new pipes do. Without a row: by fcntl.
#[cfg_attr(
    not(any(
        target_vendor = "apple",
        target_os = "aix",
        target_os = "emscripten",
        target_os = "espidf",
        target_os = "fuchsia",
        target_os = "haiku",
        target_os = "horizon",
        target_os = "nto",
        target_os = "nuttx"
    )),
    path = "pipe2.rs"
)]
#[cfg(unix)]
mod pipe;

// What sockets and pipes need of the family of systems.
#[cfg_attr(not(windows), path = "unix/mod.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
mod family;

// `Interest::AIO` and `Interest::LIO`, where the kernel tells of completions.
#[cfg(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd"
))]
mod aio;

// `Interest::PRIORITY`, where there is out-of-band readiness.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod priority;

// What becomes of a named pipe of Windows. It is tested everywhere.
#[cfg(any(test, all(windows, feature = "os-ext")))]
#[path = "windows/pipe_state.rs"]
mod pipe_state;

#[cfg(feature = "os-poll")]
#[allow(dead_code)] // Which conversion is used depends on the selector.
mod timeout;

pub(crate) use family::*;
#[cfg(unix)]
pub(crate) use pipe::pipe;
pub(crate) use selector::{Selector, Waker};

/// What the backend's event looks like.
pub(crate) type RawEvent = <Selector as backend::Selector>::RawEvent;
/// What a source remembers.
pub(crate) type Registration = <Selector as backend::Selector>::Registration;
