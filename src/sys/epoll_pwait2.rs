//! epoll_pwait2(2), of Linux 5.11: `epoll_wait` with a timeout in nanoseconds.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sys::Event;

/// The kernel's `__kernel_timespec`, 64 bits wide on every CPU; libc's may be narrower.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// Waits, and returns the number of events that the kernel wrote into `events`, which has
/// room for as many as `room` says; `None` if the call cannot be had.
pub(super) fn wait(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<Event>,
    room: libc::c_int,
    timeout: Duration,
) -> Option<io::Result<usize>> {
    // Whether the kernel has the call, and whether a sandbox lets us make it, does not
    // change while we run: one refusal is enough.
    static REFUSED: AtomicBool = AtomicBool::new(false);

    if REFUSED.load(Ordering::Relaxed) {
        return None;
    }
    let timespec = Timespec {
        seconds: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        nanoseconds: timeout.subsec_nanos().into(),
    };
    // Not every C library has a function for it.
    // SAFETY: `events` has room for `room` entries of the kernel's layout, which a
    // transparent `Event` has; `timespec` outlives the call; a null signal mask leaves the
    // mask alone, whatever its size.
    let ready = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            room,
            &timespec as *const Timespec,
            ptr::null::<libc::sigset_t>(),
            0_usize,
        )
    };
    if ready >= 0 {
        return Some(Ok(ready as usize));
    }
    let error = io::Error::last_os_error();
    if is_refusal(&error) {
        REFUSED.store(true, Ordering::Relaxed);
        return None;
    }
    Some(Err(error))
}

/// Whether the kernel lacks the call (`ENOSYS`) or a sandbox forbids it.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP)
    )
}
