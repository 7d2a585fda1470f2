//! Signals that interrupt the system calls of one thread.

use std::io;

/// Makes `signal` run `handler`, and interrupt system calls.
pub fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zeroes is a `sigaction` without flags (so without SA_RESTART) and with an empty
    // mask; the handlers of the tests do nothing that a handler must not do.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        libc::sigaction(signal, &action, std::ptr::null_mut())
    };
    assert_eq!(installed, 0, "{}", io::Error::last_os_error());
}

/// A thread, by what is a number on some systems and a pointer on others.
#[derive(Copy, Clone)]
pub struct Thread(libc::pthread_t);

// SAFETY: it is only a name.
unsafe impl Send for Thread {}

impl Thread {
    pub fn current() -> Thread {
        // SAFETY: takes no pointer.
        Thread(unsafe { libc::pthread_self() })
    }

    /// Sends `signal` to the thread, which must not have ended.
    pub fn send(self, signal: libc::c_int) {
        // SAFETY: the thread is one of the test, and alive.
        let sent = unsafe { libc::pthread_kill(self.0, signal) };
        assert_eq!(sent, 0);
    }
}
