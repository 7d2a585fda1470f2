//! Who is measured.

use std::fmt;

use crate::loops::{bare::Bare, polling::Polling};
use crate::operation::{Operation, Run};
use crate::{loop_operations, of_ours, of_upstream};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Ours,
    Upstream,
    /// Upstream once more: what differs from it is noise.
    UpstreamAgain,
    Libc,
    Polling,
    #[allow(dead_code)] // Not every machine has it.
    Libuv,
    #[allow(dead_code)]
    Libevent,
}

pub const ALL: &[Peer] = &[
    Peer::Ours,
    Peer::Upstream,
    Peer::UpstreamAgain,
    Peer::Libc,
    Peer::Polling,
    #[cfg(has_libuv)]
    Peer::Libuv,
    #[cfg(has_libevent)]
    Peer::Libevent,
];

/// What there is to say of peers that could not be built.
pub fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !cfg!(has_libuv) {
        missing.push("libuv is not here (Debian: libuv1-dev); left out.");
    }
    if !cfg!(has_libevent) {
        missing.push("libevent is not here (Debian: libevent-dev); left out.");
    }
    missing
}

impl Peer {
    /// Gets an operation ready; `None` if the peer has no such thing.
    pub fn make(self, operation: Operation) -> Option<Run> {
        match self {
            Peer::Ours => of_ours::mio_operations::make(operation),
            Peer::Upstream | Peer::UpstreamAgain => of_upstream::mio_operations::make(operation),
            Peer::Libc => loop_operations::make::<Bare>(operation),
            Peer::Polling => loop_operations::make::<Polling>(operation),
            #[cfg(has_libuv)]
            Peer::Libuv => loop_operations::make::<crate::loops::c::Libuv>(operation),
            #[cfg(has_libevent)]
            Peer::Libevent => loop_operations::make::<crate::loops::c::Libevent>(operation),
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// The bytes on the heap that registering one of many sources takes.
    pub fn heap_per_source(self) -> Option<f64> {
        match self {
            Peer::Ours => Some(of_ours::mio_operations::heap_per_source()),
            Peer::Upstream => Some(of_upstream::mio_operations::heap_per_source()),
            Peer::Libc => Some(loop_operations::heap_per_source::<Bare>()),
            Peer::Polling => Some(loop_operations::heap_per_source::<Polling>()),
            #[cfg(has_libuv)]
            Peer::Libuv => Some(loop_operations::heap_per_source::<crate::loops::c::Libuv>()),
            #[cfg(has_libevent)]
            Peer::Libevent => Some(loop_operations::heap_per_source::<crate::loops::c::Libevent>()),
            _ => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Peer::Ours => "ours",
            Peer::Upstream => "upstream",
            Peer::UpstreamAgain => "upstream again",
            Peer::Libc => "libc",
            Peer::Polling => "polling",
            Peer::Libuv => "libuv",
            Peer::Libevent => "libevent",
        })
    }
}
