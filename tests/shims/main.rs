//! The kqueue and the event ports that stand in for the real ones on Linux, held against what those
//! do. `src/sys` uses the same files.

#[cfg(mio_test_event_port_shim)]
mod event_port;
mod event_port_tests;
#[cfg(mio_test_kqueue_shim)]
mod kqueue;
mod kqueue_tests;

#[cfg(any(mio_test_event_port_shim, mio_test_kqueue_shim))]
#[path = "../util/mod.rs"]
mod util;
