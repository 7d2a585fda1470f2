//! Tests that start processes: others, or their own program once more, where a test needs a process
//! for itself to count its descriptors, limit them, or forbid system calls.
//!
//! What a test does in this very process must not depend on the moment at which something is closed.
//! See `tests/it`.

#[path = "../util/mod.rs"]
mod util;

mod afd;
mod child_pipes;
mod concurrency;
mod exec_leak;
mod fd_limit;
mod handles;
mod many_sockets;
mod seccomp;
mod sigpipe;
mod stopped;
mod vanishing_clients;
mod wake_storm;
mod waker_full;
