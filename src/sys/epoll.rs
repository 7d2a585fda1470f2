//! epoll(7): the kernel holds the set of registrations and tells what became ready.
//!
//! How it differs from other mechanisms:
//!
//! * Edge triggering is the kernel's (`EPOLLET`), so nothing has to be remembered or
//!   armed again: a registration is stateless.
//! * One registration stands for both directions of a descriptor, and an event
//!   carries everything that is true of it at that moment.
//! * A registration belongs to the *open file*, not to the descriptor: it ends when
//!   the last duplicate of it is closed.
//! * `EPOLLERR` and `EPOLLHUP` are reported whether asked for or not. An error is the end of
//!   writing for a pipe, but not for a socket; [`SOCKET`] tells them apart.
//! * `epoll_wait` knows milliseconds only; `epoll_pwait2` (Linux 5.11) nanoseconds.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem};

use super::backend;
use super::family::{check, FdSelector};
use super::fmt_flags::fmt_flags;
use super::{error, timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

mod edge_waker;
#[cfg(all(target_os = "linux", not(any(miri, mio_unsupported_no_pwait2))))]
#[path = "epoll_pwait2.rs"]
mod pwait2;
mod queue_fd;
mod readiness_flags;
mod stateless;

pub(crate) use edge_waker::Waker;
use readiness_flags::ReadinessFlags;

/// illumos and Miri know no such call, and Android's sandbox kills the process that makes it.
#[cfg(not(all(target_os = "linux", not(any(miri, mio_unsupported_no_pwait2)))))]
mod pwait2 {
    use super::*;

    pub(super) fn look_up() {}

    pub(super) fn wait(
        _: BorrowedFd<'_>,
        _: &mut Vec<Event>,
        _: libc::c_int,
        _: Duration,
    ) -> Option<io::Result<usize>> {
        None
    }
}

#[derive(Debug)]
pub(crate) struct Selector {
    epoll: OwnedFd,
}

impl backend::Selector for Selector {
    type RawEvent = libc::epoll_event;
    type Registration = stateless::Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        pwait2::look_up();
        Ok(Selector { epoll })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        // `F_DUPFD_CLOEXEC`: a `dup` marked afterwards might leak into a child.
        let epoll = self.epoll.try_clone()?;
        Ok(Selector { epoll })
    }

    #[inline]
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let epoll = self.epoll.as_fd();
        // The timeouts that most programs use most of the time need no arithmetic.
        let millis = match timeout {
            None => -1,
            Some(timeout) if timeout.is_zero() => 0,
            Some(timeout) => return wait_within(epoll, events, timeout),
        };
        wait(epoll, events, millis)
    }
}

/// Waits with a timeout in milliseconds.
#[inline]
fn wait(epoll: BorrowedFd<'_>, events: &mut Vec<Event>, millis: i32) -> io::Result<()> {
    let (epoll, room) = (epoll.as_raw_fd(), room(events));
    // SAFETY: `events` has room for as many entries of the kernel's layout, which a
    // transparent `Event` has.
    let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr().cast(), room, millis) };
    if ready <= 0 {
        return check(ready).map(drop);
    }
    // SAFETY: the kernel has initialised the first `ready` entries, and it
    // was given no more room than the capacity of `events`.
    unsafe { events.set_len(ready as usize) };
    Ok(())
}

/// Waits with any timeout; where milliseconds cannot say it, and nothing finer can be
/// had, with one that is rounded up.
#[cold] // It has time.
fn wait_within(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<Event>,
    timeout: Duration,
) -> io::Result<()> {
    if timeout::is_lossy(timeout) {
        let room = room(events);
        if let Some(ready) = pwait2::wait(epoll, events, room, timeout) {
            // SAFETY: as in `wait`.
            unsafe { events.set_len(ready?) };
            return Ok(());
        }
    }
    wait(epoll, events, timeout::millis(Some(timeout)))
}

impl Selector {
    /// Changes the kernel's set; removing takes no `registration`.
    fn control(
        &self,
        operation: libc::c_int,
        fd: RawFd,
        registration: Option<(Token, Interest)>,
    ) -> io::Result<()> {
        // SAFETY: made of integers, for which zero is a value. Not every system has the same.
        let mut event: libc::epoll_event = unsafe { mem::zeroed() };
        if let Some((token, interest)) = registration {
            event.events = FLAGS_OF[usize::from(interest.bits())];
            event.u64 = token.0 as u64;
        }
        // SAFETY: `event` lives through the call, which only reads it. A bad `fd` is
        // an error, not undefined.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })
            .map_err(error::of)?;
        Ok(())
    }
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, Some((token, interest)))
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, Some((token, interest)))
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, None)
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// The number of events that the kernel may write, which `Event::buffer` has cut to what an
/// `int` can say.
#[inline]
fn room(events: &Vec<Event>) -> libc::c_int {
    events.capacity() as libc::c_int
}

/// Asked for beside `EPOLLOUT` where the source is known to be a socket. Linux reports either
/// only with the other, so that an event says what its source is.
const SOCKET: libc::c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
    libc::EPOLLWRNORM
} else {
    0
};

/// What to ask the kernel for, by the bits of the interest. Testing them one by one would be a
/// third of the instructions of a registration.
static FLAGS_OF: [u32; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < table.len() {
        if let Some(interest) = Interest::try_from_bits(bits as u8) {
            table[bits] = flags_of(interest);
        }
        bits += 1;
    }
    table
};

const fn flags_of(interest: Interest) -> u32 {
    const fn when(wanted: bool, flags: libc::c_int) -> u32 {
        if wanted {
            flags as u32
        } else {
            0
        }
    }
    let is_socket = !interest.is_maybe_pipe();
    when(interest.is_readable(), libc::EPOLLIN | libc::EPOLLRDHUP)
        | when(interest.is_writable(), libc::EPOLLOUT)
        | when(interest.is_writable() && is_socket, SOCKET)
        | when(interest.is_priority(), libc::EPOLLPRI)
        | when(!interest.is_level(), libc::EPOLLET)
        | when(interest.is_oneshot(), libc::EPOLLONESHOT)
}

const FLAGS: ReadinessFlags = ReadinessFlags {
    readable: libc::EPOLLIN as u32,
    writable: libc::EPOLLOUT as u32,
    priority: libc::EPOLLPRI as u32,
    error: libc::EPOLLERR as u32,
    hang_up: libc::EPOLLHUP as u32,
    read_hang_up: libc::EPOLLRDHUP as u32,
    socket: SOCKET as u32,
};

impl backend::RawEvent for libc::epoll_event {
    #[inline]
    fn token(&self) -> Token {
        Token(self.u64 as usize)
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        FLAGS.fold(self.events)
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_flags(
            f,
            self.events,
            &[
                (FLAGS.readable, "EPOLLIN"),
                (FLAGS.priority, "EPOLLPRI"),
                (FLAGS.writable, "EPOLLOUT"),
                (FLAGS.socket, "EPOLLWRNORM"),
                (FLAGS.read_hang_up, "EPOLLRDHUP"),
                (FLAGS.error, "EPOLLERR"),
                (FLAGS.hang_up, "EPOLLHUP"),
            ],
        )
    }
}
