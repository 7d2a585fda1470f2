//! epoll(7): the kernel keeps the registrations, and reports which of them became ready.
//!
//! How it differs from other mechanisms:
//!
//! * The kernel implements edge triggering (`EPOLLET`), so nothing has to be stored or armed
//!   again: a registration is stateless.
//! * One registration covers both directions of a descriptor, and an event contains everything
//!   that is true of it at that time.
//! * A registration belongs to the *open file*, not to the descriptor: it ends when the last
//!   duplicate of the descriptor is closed.
//! * `EPOLLERR` and `EPOLLHUP` are reported whether or not they are requested. An error closes the
//!   writing end of a pipe, but not a socket; [`SOCKET`] distinguishes them.
//! * `epoll_wait` takes milliseconds; `epoll_pwait2` (Linux 5.11) takes nanoseconds.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem};

use super::backend;
use super::fmt_flags::fmt_flags;
use super::unix::fd::{check, own};
use super::unix::poll_flags::ReadinessFlags;
use super::unix::registration::{FdSelector, Stateless};
use super::unix::waker::FdWaker;
use super::{error, timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

mod pwait2;

pub(crate) type Waker = FdWaker<Selector>;

#[derive(Debug)]
pub(crate) struct Selector {
    epoll: OwnedFd,
}

impl backend::Selector for Selector {
    type RawEvent = libc::epoll_event;
    type Registration = Stateless<Selector>;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer, and creates a descriptor.
        let epoll = unsafe { own(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }?;
        pwait2::look_up();
        Ok(Selector { epoll })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        // Calls `F_DUPFD_CLOEXEC`: setting the flag after a `dup` could leak the descriptor to a
        // child.
        self.epoll.try_clone().map(|epoll| Selector { epoll })
    }

    #[inline]
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let epoll = self.epoll.as_fd();
        // The most frequent timeouts need no arithmetic.
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
    let (epoll, capacity) = (epoll.as_raw_fd(), capacity(events));
    // SAFETY: `events` has capacity for as many entries, and `Event` has the kernel's layout, since
    // it is transparent.
    let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr().cast(), capacity, millis) };
    if ready <= 0 {
        return check(ready).map(drop);
    }
    // SAFETY: the kernel has initialised the first `ready` entries, which are not more than the
    // capacity of `events`.
    unsafe { events.set_len(ready as usize) };
    Ok(())
}

/// Waits with any timeout. It is rounded up to milliseconds if the kernel does not support a finer
/// one.
#[cold] // Programs that wait for some time are not in a hurry.
fn wait_within(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<Event>,
    timeout: Duration,
) -> io::Result<()> {
    if timeout::is_lossy(timeout) {
        let capacity = capacity(events);
        if let Some(ready) = pwait2::wait(epoll, events, capacity, timeout) {
            // SAFETY: as in `wait`.
            unsafe { events.set_len(ready?) };
            return Ok(());
        }
    }
    wait(epoll, events, timeout::millis(Some(timeout)))
}

impl Selector {
    /// Calls `epoll_ctl`. Removing takes no `registration`.
    fn control(
        &self,
        operation: libc::c_int,
        fd: RawFd,
        registration: Option<(Token, Interest)>,
    ) -> io::Result<()> {
        let mut event = match registration {
            Some((token, interest)) => event(FLAGS_OF[usize::from(interest.index())], token),
            None => event(0, Token(0)),
        };
        // SAFETY: `event` outlives the call, which only reads it. A wrong `fd` is an error, not
        // undefined behaviour.
        check(unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &mut event) })?;
        Ok(())
    }

    /// Replaces a registration that was exclusive, or is going to be, if `error` says so.
    #[cold]
    fn modify_otherwise(
        &self,
        error: io::Error,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if EXCLUSIVE == 0 || error.raw_os_error() != Some(libc::EINVAL) {
            return Err(error::of(error));
        }
        check_exclusive(interest)?;
        let add = || self.control(libc::EPOLL_CTL_ADD, fd, Some((token, interest)));
        // What the kernel does not accept must leave the former one in place. It looks at what is
        // wrong with the new one before it finds that there is a former one.
        match add() {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.remove(fd)?;
                add().map_err(error::of)
            }
            Err(error) => Err(error::of(error)),
            // There was none.
            Ok(()) => self.remove(fd).and(Err(error::not_registered())),
        }
    }
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        if is_exclusive(interest) {
            check_exclusive(interest)?;
        }
        self.control(libc::EPOLL_CTL_ADD, fd, Some((token, interest)))
            .map_err(error::of)
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, Some((token, interest)))
            .or_else(|error| self.modify_otherwise(error, fd, token, interest))
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, None)
            .map_err(error::of)
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[inline]
fn event(flags: u32, token: Token) -> libc::epoll_event {
    // SAFETY: consists of integers, for which zero is valid. Its fields vary between systems.
    let mut event: libc::epoll_event = unsafe { mem::zeroed() };
    event.events = flags;
    event.u64 = token.0 as u64;
    event
}

/// Returns how many events the kernel may write. `Event::buffer` has limited the capacity to what
/// an `int` holds.
#[inline]
fn capacity(events: &Vec<Event>) -> libc::c_int {
    events.capacity() as libc::c_int
}

/// Requested with `EPOLLOUT` if the source is known to be a socket. Linux sets both or neither, so
/// an event shows whether its source is a socket. Miri aborts at flags that it does not know.
const SOCKET: i32 = if cfg!(any(target_os = "linux", target_os = "android")) && !cfg!(miri) {
    libc::EPOLLWRNORM
} else {
    0
};

/// The flags to request, by the bits of the interest. Testing the bits one by one would be a third
/// of the instructions of a registration.
static FLAGS_OF: [u32; 256] = {
    let mut table = [0; 256];
    let mut bits = 0;
    while bits < table.len() {
        if let Some(interest) = Interest::try_from_bits(bits as u16) {
            table[bits] = flags_of(interest);
        }
        bits += 1;
    }
    table
};

const fn flags_of(interest: Interest) -> u32 {
    const fn when(wanted: bool, flags: libc::c_int) -> u32 {
        flags as u32 * wanted as u32
    }
    // An exclusive registration is not for more than data and room. The flags that others are
    // given unasked are left out.
    let is_plain = !is_exclusive(interest);
    let is_socket = !interest.is_maybe_pipe();
    when(interest.is_readable(), libc::EPOLLIN)
        | when(interest.is_readable() && is_plain, libc::EPOLLRDHUP)
        | when(interest.is_read_closed(), libc::EPOLLRDHUP)
        | when(interest.is_writable(), libc::EPOLLOUT)
        | when(interest.is_writable() && is_plain && is_socket, SOCKET)
        | when(interest.is_priority(), libc::EPOLLPRI)
        | when(is_exclusive(interest), EXCLUSIVE)
        | when(!interest.is_level(), libc::EPOLLET)
        | when(interest.is_oneshot(), libc::EPOLLONESHOT)
}

/// Whether only some of the polls that watch a source are to be woken, where that is possible.
const fn is_exclusive(interest: Interest) -> bool {
    EXCLUSIVE != 0 && interest.is_exclusive()
}

/// Whether an exclusive registration can be for what `interest` includes.
#[cold]
fn check_exclusive(interest: Interest) -> io::Result<()> {
    let allowed = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET | EXCLUSIVE;
    if is_exclusive(interest) && flags_of(interest) & !(allowed as u32) != 0 {
        return Err(error::not_exclusive());
    }
    Ok(())
}

/// `EPOLLEXCLUSIVE`, which not every declaration of the call has. The kernel takes it with few
/// other flags, and only when a source is added: what is registered with it cannot be modified.
const EXCLUSIVE: libc::c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
    1 << 28
} else {
    0
};

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
    fn of_wake(token: Token) -> libc::epoll_event {
        event(FLAGS.readable, token)
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.u64 as usize)
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        FLAGS.to_readiness(self.events)
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
