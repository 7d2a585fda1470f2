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
//! * `EPOLLERR` and `EPOLLHUP` are reported whether asked for or not.
//! * `epoll_wait` knows milliseconds only; `epoll_pwait2` (Linux 5.11) nanoseconds.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem};

use super::family::{check, FdSelector};
use super::fmt_flags::fmt_flags;
use super::seam;
use super::{timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

mod edge_waker;
#[cfg(all(target_os = "linux", not(mio_unsupported_no_pwait2)))]
#[path = "epoll_pwait2.rs"]
mod pwait2;
mod queue_fd;
mod readiness_flags;
mod stateless;

pub(crate) use edge_waker::Waker;
use readiness_flags::ReadinessFlags;

/// illumos has no such call, and Android's sandbox kills who tries.
#[cfg(not(all(target_os = "linux", not(mio_unsupported_no_pwait2))))]
mod pwait2 {
    use super::*;

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

impl seam::Selector for Selector {
    type RawEvent = libc::epoll_event;
    type Registration = stateless::Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Selector { epoll })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        // `F_DUPFD_CLOEXEC`: a `dup` marked afterwards might leak into a child.
        let epoll = self.epoll.try_clone()?;
        Ok(Selector { epoll })
    }

    #[inline]
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let ready = match timeout {
            Some(timeout) if timeout::is_lossy(timeout) => self.wait_precisely(events, timeout),
            _ => self.wait(events, timeout::millis(timeout)),
        }?;
        // SAFETY: the kernel has initialised the first `ready` entries, and it
        // was given no more room than the capacity of `events`.
        unsafe { events.set_len(ready) };
        Ok(())
    }
}

impl Selector {
    /// Waits with a timeout in milliseconds; returns the number of events.
    #[inline]
    fn wait(&self, events: &mut Vec<Event>, millis: i32) -> io::Result<usize> {
        // SAFETY: `events` has room for `room(events)` entries of the kernel's
        // layout, which a transparent `Event` has.
        let ready = check(unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr().cast(),
                room(events),
                millis,
            )
        })?;
        Ok(ready as usize)
    }

    /// Waits with a timeout that milliseconds cannot say, or where that cannot be had with
    /// one that is rounded up.
    fn wait_precisely(&self, events: &mut Vec<Event>, timeout: Duration) -> io::Result<usize> {
        let room = room(events);
        pwait2::wait(self.as_fd(), events, room, timeout)
            .unwrap_or_else(|| self.wait(events, timeout::millis(Some(timeout))))
    }

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
            event.events = flags_of(interest);
            event.u64 = token.0 as u64;
        }
        // SAFETY: `event` lives through the call, which only reads it. A bad `fd` is
        // an error, not undefined.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })?;
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

/// The number of events that the kernel may write. It refuses to be offered more than
/// an `int` can say the size of.
#[inline]
fn room(events: &Vec<Event>) -> libc::c_int {
    const MOST: usize = libc::c_int::MAX as usize / mem::size_of::<libc::epoll_event>();
    events.capacity().min(MOST) as libc::c_int
}

fn flags_of(interest: Interest) -> u32 {
    let mut flags = 0;
    let mut add = |wanted: bool, flag: libc::c_int| {
        if wanted {
            flags |= flag as u32;
        }
    };
    add(interest.is_readable(), libc::EPOLLIN | libc::EPOLLRDHUP);
    add(interest.is_writable(), libc::EPOLLOUT);
    add(interest.is_priority(), libc::EPOLLPRI);
    add(!interest.is_level(), libc::EPOLLET);
    add(interest.is_oneshot(), libc::EPOLLONESHOT);
    flags
}

const FLAGS: ReadinessFlags = ReadinessFlags {
    readable: libc::EPOLLIN as u32,
    writable: libc::EPOLLOUT as u32,
    priority: libc::EPOLLPRI as u32,
    error: libc::EPOLLERR as u32,
    hang_up: libc::EPOLLHUP as u32,
    read_hang_up: libc::EPOLLRDHUP as u32,
};

impl seam::RawEvent for libc::epoll_event {
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
                (FLAGS.read_hang_up, "EPOLLRDHUP"),
                (FLAGS.error, "EPOLLERR"),
                (FLAGS.hang_up, "EPOLLHUP"),
            ],
        )
    }
}
