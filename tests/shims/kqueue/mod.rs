//! kqueue(2) for Linux, so that the kqueue selector can be tested without a BSD. It is not part of
//! any release: `--cfg mio_test_kqueue_shim` uses it instead of the C library's declarations.
//!
//! # How it works
//!
//! * A queue is an epoll instance, the *outer* one, in which two *inner* ones are nested,
//!   level-triggered: one for the notes (registrations) of each filter. A descriptor is thus
//!   registered once per filter, an event that wakes a reader does not fire the write filter, and a
//!   queue can itself be polled.
//! * `kqueue` returns a duplicate of the outer instance. The original stays hidden, and `kcmp(2)`
//!   identifies the queue of a descriptor, whatever its number.
//! * Every note is edge-triggered in the kernel. A note without `EV_CLEAR` is armed again after
//!   each event, which checks the descriptor again, as kqueue does.
//! * `EVFILT_USER` is an eventfd, `EVFILT_TIMER` a timerfd.
//! * Not everything that Linux reports is passed on: see [`notes::Note::judge`].
//! * Hidden descriptors have numbers from [`HIDDEN`] on, even beyond the soft limit of the process,
//!   as far as the hard limit permits. They therefore neither take part in the reuse of numbers nor
//!   count when descriptors run out. The next call of `kqueue` finds and closes queues all of whose
//!   duplicates are closed.
//!
//! # Which kqueue
//!
//! The shim uses the constants and the layout of FreeBSD. Where systems differ, the environment
//! variable `MIO_TEST_KQUEUE_LIKE` selects one: `macos`, `freebsd` or `netbsd`.
//!
//! | | unset | `macos` | `freebsd` | `netbsd` |
//! |---|---|---|---|---|
//! | adding `EVFILT_WRITE` to a pipe whose reader is gone | fires | fires | `EPIPE` | `EBADF` |
//! | `NOTE_TRIGGER` in the change that adds an `EVFILT_USER` | waits | fires | waits | waits |
//! | the highest mark that `NOTE_LOWAT` sets for a socket | any | its buffer's size | any | any |
//! | `NOTE_LOWAT` for a pipe | ignored | as for a socket | ignored | ignored |
//!
//! The first row is each kernel's `pipe_kqfilter`: DragonFly and OpenBSD behave like FreeBSD, and
//! so did macOS before 10.15. A filter that exists already fires on all of them.
//!
//! The last rows are each kernel's `filt_soread` and `filt_piperead`; DragonFly and OpenBSD behave like
//! FreeBSD. The end of a stream and a pending error fire on all of them, whatever the mark, and so
//! do the connections of a listener. Adding the filter again sets the mark anew.
//!
//! A timeout of more seconds than an `int` holds fails with `EINVAL`, as in XNU.
//!
//! Two variables serve tests. `MIO_TEST_KQUEUE_REFUSES`, which is `read` or `write`, makes adding
//! that filter fail with `ENOMEM`. `MIO_TEST_KQUEUE_MONTHS=pass` makes timeouts of months elapse at
//! once, except for their fractions of a second.
//!
//! # Where it differs from a real kqueue
//!
//! * Writing to or reading from a pipe, an `accept` that leaves connections pending, and shutting
//!   down one's own side of a Unix stream fire a real kqueue, but do not wake epoll. The shim checks
//!   for these at each call of `kevent`: they do not end a call that is waiting, and what is undone
//!   before the next call goes unnoticed. The number of pending connections of a Unix listener is
//!   unknown to the shim.
//! * Writing to a socket does not fire the socket's own write filter again; a real kqueue fires it
//!   whenever the peer acknowledges data.
//! * Reading the end of a stream fires nothing; NetBSD fires the read filter once more.
//! * The write filter of a Unix stream fires once more when the peer shuts down a direction, since
//!   Linux does not report why it woke the writer. If the direction was reading, `EV_EOF` is set.
//! * An unconnected Unix stream fires its write filter when the filter is added, and not when the
//!   stream becomes connected.
//! * The error in `fflags` is a guess, since reading the actual error would clear it. `data` of the
//!   write filter is one, not the available space.
//! * A regular file fires when its filter is added, and without `EV_CLEAR` from then on while it is
//!   ready; on a real kqueue also when it grows.
//! * A filter that does not fit the end of a pipe is accepted. FreeBSD never fires such a filter,
//!   and macOS only when the pipe ends.
//! * Sockets and pipes behave as on Linux. A full Unix datagram receiver is `EAGAIN` here and
//!   `ENOBUFS` there, reading from an unconnected TCP socket is `ENOTCONN` there, and urgent data
//!   is not marked.
//! * A descriptor that is closed and then reused for a duplicate of the same file keeps its notes.
//! * Forked children inherit a queue. Queues can be nested two deep.
#![allow(dead_code)] // Of the flags, not every program uses all.

mod hidden;
mod judge;
mod linux;
mod notes;
mod queue;

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io, ptr};

use libc::{c_int, c_void};

use queue::{find, Queue};

#[allow(non_camel_case_types)] // Its name in C.
#[derive(Copy, Clone, Debug)]
#[repr(C)]
pub(crate) struct kevent {
    pub(crate) ident: usize,
    pub(crate) filter: i16,
    pub(crate) flags: u16,
    pub(crate) fflags: u32,
    pub(crate) data: i64,
    pub(crate) udata: *mut c_void,
}

pub(crate) const EVFILT_READ: i16 = -1;
pub(crate) const EVFILT_WRITE: i16 = -2;
pub(crate) const EVFILT_TIMER: i16 = -7;
pub(crate) const EVFILT_USER: i16 = -11;

pub(crate) const EV_ADD: u16 = 0x0001;
pub(crate) const EV_DELETE: u16 = 0x0002;
pub(crate) const EV_ENABLE: u16 = 0x0004;
pub(crate) const EV_ONESHOT: u16 = 0x0010;
pub(crate) const EV_CLEAR: u16 = 0x0020;
pub(crate) const EV_RECEIPT: u16 = 0x0040;
pub(crate) const EV_ERROR: u16 = 0x4000;
pub(crate) const EV_EOF: u16 = 0x8000;

pub(crate) const NOTE_LOWAT: u32 = 0x0001;
pub(crate) const NOTE_TRIGGER: u32 = 0x0100_0000;

/// The least number of a hidden descriptor.
pub(crate) const HIDDEN: RawFd = 19_000;

/// Makes a queue; -1 and `errno` if that fails.
///
/// # Safety
///
/// None is needed; the real one is foreign.
pub(crate) unsafe fn kqueue() -> c_int {
    c_result(Queue::create())
}

/// Makes changes, and takes events.
///
/// # Safety
///
/// The lists have the given lengths; the second one may be the first one. The
/// timeout is null or valid.
pub(crate) unsafe fn kevent(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    eventlist: *mut kevent,
    nevents: c_int,
    timeout: *const libc::timespec,
) -> c_int {
    let mut list = List {
        start: eventlist,
        len: 0,
        room: usize::try_from(nevents).unwrap_or(0),
    };
    // SAFETY: as promised by the caller.
    c_result(unsafe { exchange(kq, changelist, nchanges, &mut list, timeout) })
}

fn c_result(result: io::Result<c_int>) -> c_int {
    result.unwrap_or_else(|error| {
        // SAFETY: the pointer is to this thread's own variable.
        unsafe { *libc::__errno_location() = errno_of(&error) };
        -1
    })
}

fn errno_of(error: &io::Error) -> c_int {
    error.raw_os_error().unwrap_or(libc::EIO)
}

fn failure(errno: c_int) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panics is no reason for others to.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The caller's room for events.
struct List {
    start: *mut kevent,
    len: usize,
    room: usize,
}

impl List {
    fn left(&self) -> usize {
        self.room - self.len
    }

    fn push(&mut self, event: kevent) {
        assert!(self.left() > 0);
        // SAFETY: the caller of `kevent` promised that so many entries are there.
        unsafe { self.start.add(self.len).write(event) };
        self.len += 1;
    }
}

/// # Safety
///
/// As for [`kevent`].
unsafe fn exchange(
    kq: c_int,
    changelist: *const kevent,
    nchanges: c_int,
    list: &mut List,
    timeout: *const libc::timespec,
) -> io::Result<c_int> {
    let queue = find(kq)?;
    for index in 0..usize::try_from(nchanges).unwrap_or(0) {
        // SAFETY: promised by the caller. No receipt has been written over it: there are
        // at most as many as there were changes before this one.
        let change = unsafe { changelist.add(index).read() };
        let errno = match queue.notes().change(&change) {
            Ok(()) if change.flags & EV_RECEIPT == 0 => continue,
            Ok(()) => 0,
            Err(error) => errno_of(&error),
        };
        if list.left() > 0 {
            list.push(kevent {
                flags: EV_ERROR,
                data: errno.into(),
                ..change
            });
        } else if errno != 0 {
            return Err(failure(errno));
        }
    }
    if list.room > 0 && list.len == 0 {
        // SAFETY: promised by the caller.
        let deadline = deadline_of(unsafe { timeout.as_ref() })?;
        loop {
            queue.notes().harvest(list);
            if list.len > 0 || !is_ready_before(queue.outer.as_raw_fd(), deadline)? {
                break;
            }
        }
    }
    Ok(list.len as c_int)
}

/// What no test waits for, in seconds.
const MONTHS: u64 = 10_000_000;

/// When the wait ends; `None` if never, or later than a clock can represent.
fn deadline_of(timeout: Option<&libc::timespec>) -> io::Result<Option<Instant>> {
    let Some(timeout) = timeout else {
        return Ok(None);
    };
    let seconds = u64::try_from(timeout.tv_sec);
    let nanoseconds = u32::try_from(timeout.tv_nsec);
    match (seconds, nanoseconds) {
        (Ok(seconds), Ok(nanoseconds))
            if nanoseconds < 1_000_000_000 && seconds <= i32::MAX as u64 =>
        {
            let months_pass = seconds >= MONTHS && is_set("MIO_TEST_KQUEUE_MONTHS", "pass");
            let wait = Duration::new(if months_pass { 0 } else { seconds }, nanoseconds);
            Ok(Instant::now().checked_add(wait))
        }
        _ => Err(failure(libc::EINVAL)),
    }
}

/// Waits; `false` if the time is over. Takes nothing from the queue, and needs no lock.
fn is_ready_before(outer: RawFd, deadline: Option<Instant>) -> io::Result<bool> {
    let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
    if left == Some(Duration::ZERO) {
        return Ok(false);
    }
    let timeout = left.map(|left| libc::timespec {
        tv_sec: left.as_secs() as _,
        tv_nsec: left.subsec_nanos() as _,
    });
    let mut record = libc::pollfd {
        fd: outer,
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = timeout.as_ref().map_or(ptr::null(), |it| it as *const _);
    // SAFETY: `record` is one entry; it and the timeout outlive the call. A null mask
    // leaves the mask alone.
    let ready = check(unsafe { libc::ppoll(&mut record, 1, timeout, ptr::null()) })?;
    Ok(ready > 0)
}

/// Whether the environment sets `name` to `value`.
fn is_set(name: &str, value: &str) -> bool {
    env::var_os(name).is_some_and(|it| it == value)
}

/// The simulated system, where they differ.
fn is_like(system: &str) -> bool {
    is_set("MIO_TEST_KQUEUE_LIKE", system)
}
