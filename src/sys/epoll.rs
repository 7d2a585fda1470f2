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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io, ptr};

use super::family::{check, fmt_flags, FdSelector};
use super::seam;
use super::{timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

mod edge_waker;
mod queue_fd;
mod readiness_flags;
mod stateless;

pub(crate) use edge_waker::Waker;
use readiness_flags::ReadinessFlags;

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

    /// Waits with a timeout in nanoseconds, or where that cannot be had with
    /// one that is rounded up.
    fn wait_precisely(&self, events: &mut Vec<Event>, timeout: Duration) -> io::Result<usize> {
        // Whether the kernel has the call, and whether a sandbox lets us make it, does
        // not change while we run: one refusal is enough. On Android the sandbox would kill us.
        static REFUSED: AtomicBool =
            AtomicBool::new(cfg!(any(mio_unsupported_no_pwait2, target_os = "android")));

        if !REFUSED.load(Ordering::Relaxed) {
            match self.pwait2(events, timeout) {
                Err(error) if is_refusal(&error) => REFUSED.store(true, Ordering::Relaxed),
                answer => return answer,
            }
        }
        self.wait(events, timeout::millis(Some(timeout)))
    }

    fn pwait2(&self, events: &mut Vec<Event>, timeout: Duration) -> io::Result<usize> {
        /// The kernel's `__kernel_timespec`, 64 bits wide on every CPU; libc's may
        /// be narrower.
        #[repr(C)]
        struct Timespec {
            seconds: i64,
            nanoseconds: i64,
        }

        let timespec = Timespec {
            seconds: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            nanoseconds: timeout.subsec_nanos().into(),
        };
        // No function of the C library: old ones have none, and musl's is absent.
        // SAFETY: as for `wait`; `timespec` outlives the call, and a null signal mask
        // leaves the mask alone, whatever its size.
        let ready = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                room(events),
                &timespec as *const Timespec,
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        if ready < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(ready as usize)
    }

    /// Changes the kernel's set; removing takes no `registration`.
    fn control(
        &self,
        operation: libc::c_int,
        fd: RawFd,
        registration: Option<(Token, Interest)>,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
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
    const MOST: usize = libc::c_int::MAX as usize / std::mem::size_of::<libc::epoll_event>();
    events.capacity().min(MOST) as libc::c_int
}

/// Whether the kernel lacks the call (`ENOSYS`) or a sandbox forbids it.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP)
    )
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
