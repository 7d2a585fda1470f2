//! Descriptors that the program does not see.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::{io, mem, ptr};

use libc::c_int;

use super::{check, failure, kevent, lock, EV_ONESHOT, HIDDEN};

pub(super) fn new_epoll() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    hidden(|| unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// Creates a descriptor, and moves it to where it does not disturb the program.
fn hidden(make: impl FnOnce() -> c_int) -> io::Result<OwnedFd> {
    beyond_the_limit(|| {
        // SAFETY: the kernel just created it for us; nothing else refers to it.
        let low = unsafe { OwnedFd::from_raw_fd(check(make())?) };
        // SAFETY: takes no pointer.
        let moved = unsafe { libc::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, HIDDEN) };
        match check(moved) {
            // SAFETY: as above.
            Ok(high) => Ok(unsafe { OwnedFd::from_raw_fd(high) }),
            // Too few are allowed.
            Err(_) => Ok(low),
        }
    })
}

/// Runs `body` while the process may have as many descriptors as it can be allowed.
pub(super) fn beyond_the_limit<T>(body: impl FnOnce() -> T) -> T {
    static LIMIT: Mutex<()> = Mutex::new(());

    let _one_at_a_time = lock(&LIMIT);
    // SAFETY: consists of integers, for which zero is valid.
    let mut limit: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: `limit` is there to be written.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if limit.rlim_cur >= limit.rlim_max {
        return body();
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: `raised` and `limit` outlive the calls, which read them.
    unsafe {
        libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
        let result = body();
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        result
    }
}

pub(super) fn new_eventfd(count: u32) -> io::Result<OwnedFd> {
    let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
    // SAFETY: takes no pointer.
    hidden(|| unsafe { libc::eventfd(count, flags) })
}

/// Starts a timer of as many milliseconds as `change` says, once or again and again.
pub(super) fn timer(change: &kevent) -> io::Result<OwnedFd> {
    if change.data <= 0 {
        return Err(failure(libc::EINVAL));
    }
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: takes no pointer.
    let timer = hidden(|| unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
    let first = libc::timespec {
        tv_sec: (change.data / 1000) as _,
        tv_nsec: (change.data % 1000 * 1_000_000) as _,
    };
    // SAFETY: consists of integers, for which zero is valid.
    let never = unsafe { mem::zeroed() };
    let is_single = change.flags & EV_ONESHOT != 0;
    let setting = libc::itimerspec {
        it_interval: if is_single { never } else { first },
        it_value: first,
    };
    // SAFETY: the setting outlives the call. The former one is not asked for.
    check(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &setting, ptr::null_mut()) })?;
    Ok(timer)
}

pub(super) fn control(
    epoll: RawFd,
    operation: c_int,
    fd: RawFd,
    events: c_int,
    data: u64,
) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: data,
    };
    // SAFETY: `event` lives through the call. A bad descriptor is an error.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) })?;
    Ok(())
}
