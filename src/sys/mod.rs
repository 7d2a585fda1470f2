//! The backends: one event queue for each kind of operating system.
//!
//! The tables in this file and in `unix/mod.rs` select what a target uses. A row is a condition and
//! the modules that it selects; the first row whose condition holds is taken.

#[macro_use]
mod cfg_if;

mod event;

// Which parts of these are used depends on the selector and on the features of the crate.
#[allow(dead_code)]
pub(crate) mod backend;
#[allow(dead_code)]
mod edge;
#[allow(dead_code)]
pub(crate) mod error;
#[allow(dead_code)]
mod fmt_flags;
#[allow(dead_code)]
mod timeout;

// What sources and selectors use of the operating system, for each family of systems.
#[cfg(not(windows))]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

// The selector, and whether its queue is a descriptor.
cfg_if! {
    if #[cfg(not(feature = "os-poll"))] {
        mod none;
        use none as selector;
        // It has no queue, but the impls are part of the API.
        #[cfg(unix)]
        mod as_fd;
    } else if #[cfg(windows)] {
        use windows::iocp as selector;
    } else if #[cfg(any(
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
    ))] {
        // Without threads, or without anything to wake them by, there is no `Waker`.
        #[cfg_attr(any(target_os = "wasi", target_os = "horizon"), allow(dead_code))]
        mod poll;
        use poll as selector;
    } else if #[cfg(any(
        mio_test_kqueue_shim,
        target_vendor = "apple",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd"
    ))] {
        mod kqueue;
        use kqueue as selector;
        mod as_fd;
    } else if #[cfg(any(mio_test_event_port_shim, target_os = "solaris"))] {
        mod event_port;
        use event_port as selector;
        mod as_fd;
    } else if #[cfg(any(
        target_os = "android",
        target_os = "illumos",
        target_os = "linux",
        target_os = "redox"
    ))] {
        mod epoll;
        use epoll as selector;
        mod as_fd;
    } else {
        compile_error!(
            "mio has no event queue for this target: build it without the feature `os-poll`"
        );
        // Types without values, so that no other errors follow.
        mod none;
        use none as selector;
    }
}

// The state of a named pipe of Windows is a plain value, which is tested on every system.
#[cfg(any(test, all(windows, feature = "os-ext")))]
mod pipe_state;

pub use event::Event;
pub(crate) use selector::Selector;
#[allow(unused_imports)] // WASI and Horizon have no waker.
pub(crate) use selector::Waker;

/// An event as the system writes it.
pub(crate) type RawEvent = <Selector as backend::Selector>::RawEvent;
