//! A process that is stopped, and continued, while it polls.
#![cfg(all(
    unix,
    feature = "os-poll",
    not(any(
        mio_unsupported_force_poll_poll,
        mio_test_kqueue_shim,
        mio_test_event_port_shim
    ))
))]

use std::{env, io, thread};

use crate::util::{only_test, poll_and_events, LONG};

/// `epoll_wait` ends also when its process is stopped and continued, for which there is no
/// handler. `poll` goes on.
#[test]
fn a_stop_interrupts_a_poll_without_a_handler() {
    const NAME: &str = "a_stop_interrupts_a_poll_without_a_handler";
    // Set in the program that is stopped: this one.
    const STOPPED: &str = "MIO_TEST_IS_STOPPED";

    if env::var_os(STOPPED).is_some() {
        let (mut poll, mut events) = poll_and_events();
        let error = poll.poll(&mut events, Some(LONG)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        return;
    }
    let mut child = only_test(module_path!(), NAME)
        .env(STOPPED, "")
        .spawn()
        .unwrap();
    let process = child.id() as libc::pid_t;
    // Again and again, for the first ones may come before the call has begun.
    let status = loop {
        for signal in [libc::SIGSTOP, libc::SIGCONT] {
            // SAFETY: takes no pointer. The child was not waited for, so the number is
            // still its own.
            assert_eq!(unsafe { libc::kill(process, signal) }, 0);
            thread::yield_now();
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success(), "{status}");
}
