//! What systems with file descriptors have in common; not all of them are Unix: WASI and hermit
//! are not. The tables choose between the ways in which systems provide the same thing.

use std::os::fd::RawFd;

/// Identifies a source.
pub(crate) type Handle = RawFd;

// What is used of these depends on the selector, and on what the system does by itself.
#[allow(dead_code)]
pub(crate) mod fd;
#[allow(dead_code)]
pub(super) mod poll_flags;
#[allow(dead_code, unused_imports)]
pub(super) mod pollable;
#[allow(dead_code)]
pub(crate) mod registration;
#[allow(dead_code)]
pub(super) mod table;
#[allow(dead_code)]
pub(super) mod waker;

#[cfg(feature = "os-ext")]
pub(crate) mod any_handle;
#[cfg(any(feature = "net", feature = "os-ext"))]
mod handles;
#[cfg(unix)]
mod interest;
#[cfg(all(feature = "net", not(all(target_os = "wasi", target_env = "p1"))))]
pub(crate) mod net;

#[cfg(feature = "net")]
pub(crate) use fd::{is_connecting, INVALID_IS_CONNECTED};
#[cfg(any(feature = "net", feature = "os-ext"))]
pub(crate) use handles::AsHandle;

cfg_if! {
    if #[cfg(all(feature = "net", target_os = "wasi", target_env = "p1"))] {
        pub(crate) mod wasi_p1_net;
        pub(crate) use wasi_p1_net as net;
    }
}

// The object that makes a descriptor readable, to wake a thread that waits for it.
cfg_if! {
    if #[cfg(any(target_os = "horizon", target_os = "wasi"))] {
        mod no_wake_fd;
        pub(super) use no_wake_fd::WakeFd;
    } else if #[cfg(all(
        any(
            target_os = "android",
            target_os = "espidf",
            target_os = "hermit",
            target_os = "illumos",
            target_os = "linux"
        ),
        not(mio_unsupported_force_waker_pipe)
    ))] {
        mod eventfd;
        pub(super) use eventfd::WakeFd;
    } else {
        mod self_pipe;
        pub(super) use self_pipe::WakeFd;
    }
}
