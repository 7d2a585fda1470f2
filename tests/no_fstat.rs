//! A C library that has no `fstat` for sockets, as those of hermit, the 3DS and Vita, of which the
//! last calls a socket no descriptor: they are registered none the less, and a descriptor that is
//! not open is refused.
#![cfg(all(
    mio_test_event_port_shim,
    target_env = "gnu",
    not(target_feature = "crt-static"),
    feature = "os-ext",
    feature = "net"
))]

mod util;

use std::cell::Cell;

use libc::c_int;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use util::{any_port, expect_writable, poll_and_events};

const SOCKET: Token = Token(7);

thread_local! {
    /// What `fstat` fails with in this thread.
    static ERROR: Cell<c_int> = const { Cell::new(libc::ENOSYS) };
}

/// The library has no other use for it.
#[no_mangle]
extern "C" fn fstat(_: c_int, _: *mut libc::stat) -> c_int {
    // SAFETY: returns the address of this thread's variable.
    unsafe { *libc::__errno_location() = ERROR.with(Cell::get) };
    -1
}

#[test]
fn a_socket_without_a_type_is_registered() {
    for code in [libc::ENOSYS, libc::EBADF] {
        ERROR.with(|error| error.set(code));
        let (mut poll, mut events) = poll_and_events();
        let mut socket = UdpSocket::bind(any_port()).unwrap();
        poll.registry()
            .register(&mut socket, SOCKET, Interest::WRITABLE)
            .unwrap();
        expect_writable(&mut poll, &mut events, SOCKET);
        poll.registry()
            .reregister(&mut socket, SOCKET, Interest::WRITABLE)
            .unwrap();
        expect_writable(&mut poll, &mut events, SOCKET);
    }
}

#[test]
fn a_descriptor_that_is_not_open_is_refused() {
    /// Larger than the number of any descriptor.
    const CLOSED: c_int = c_int::MAX;
    let (poll, _) = poll_and_events();
    ERROR.with(|error| error.set(libc::EBADF));
    let refused = poll
        .registry()
        .register(&mut SourceFd(&CLOSED), SOCKET, Interest::READABLE);
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EBADF));
}
