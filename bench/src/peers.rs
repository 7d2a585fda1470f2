//! The libraries and programs that are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::loops::{bare::Bare, polling::Polling};
use crate::operation::{Operation, Run};
use crate::{loop_operations, of_ours, of_upstream};

#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    Ours,
    Upstream,
    /// Upstream once more: its difference from upstream is noise.
    UpstreamAgain,
    Libc,
    Polling,
    #[allow(dead_code)] // Not every machine has it.
    Libuv,
    #[allow(dead_code)]
    Libevent,
    /// A whole program, with no operations.
    Nginx,
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

/// A note for each peer that could not be built.
pub fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !cfg!(has_libuv) {
        missing.push("libuv is left out: it is not installed (Debian: libuv1-dev).");
    }
    if !cfg!(has_libevent) {
        missing.push("libevent is left out: it is not installed (Debian: libevent-dev).");
    }
    missing
}

impl Peer {
    /// Prepares an operation; `None` if the peer does not have it.
    pub fn make(self, operation: Operation) -> Option<Run> {
        match self {
            Peer::Ours => Some(of_ours::operations::make(operation)),
            Peer::Upstream | Peer::UpstreamAgain => Some(of_upstream::operations::make(operation)),
            Peer::Libc => loop_operations::make::<Bare>(operation),
            Peer::Polling => loop_operations::make::<Polling>(operation),
            #[cfg(has_libuv)]
            Peer::Libuv => loop_operations::make::<crate::loops::c::Libuv>(operation),
            #[cfg(has_libevent)]
            Peer::Libevent => loop_operations::make::<crate::loops::c::Libevent>(operation),
            _ => None,
        }
    }

    /// The bytes on the heap that registering one of many sources takes.
    pub fn heap_per_source(self) -> Option<f64> {
        match self {
            Peer::Ours => Some(of_ours::operations::heap_per_source()),
            Peer::Upstream => Some(of_upstream::operations::heap_per_source()),
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
            Peer::Nginx => "nginx",
        })
    }
}
