//! The behaviour of the library, through its public API.
//!
//! All tests share one process, and none starts another one: a process that is being started has,
//! until it runs its program, a copy of every descriptor, in which time closing one does not end
//! what it stands for. Tests that start processes are in `tests/processes`. Programs of their own
//! are for tests that replace something which a program has once (its allocator, its logger, a
//! function of the C library), or that choose the numbers of descriptors.

#[path = "../util/mod.rs"]
mod util;

mod auto_traits;
mod big_address_book;
mod debug_checks;
mod ends;
mod error_queue;
mod events;
mod exclusive;
mod hang_up;
mod interest;
mod io_source;
mod is_connected;
mod misuse;
mod pipe;
mod poll;
mod poll_until;
mod published_api;
mod read_closed;
mod readiness;
mod rearming;
mod registry;
mod semantics;
mod smoke;
mod tcp_connect;
mod tcp_listener;
mod tcp_stream;
mod timeouts;
mod trigger_modes;
mod udp_socket;
mod unix_datagram;
mod unix_listener;
mod unix_stream;
mod waker;
