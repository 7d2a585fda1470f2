//! kqueue(2): the kernel holds a set of filters, each about one aspect of one
//! descriptor, and tells which of them fired.
//!
//! How it differs from other mechanisms:
//!
//! * Reading and writing are two filters, which are added, fire and are deleted one by
//!   one: a source that is ready for both yields two events.
//! * Edges are the kernel's (`EV_CLEAR`). Adding a filter that is there looks at the
//!   descriptor anew and fires if it is ready, but does *not* change whether the filter
//!   is edge, level or one-shot: that takes deleting and adding.
//! * Changes are submitted as a list. With `EV_RECEIPT` each is answered by an entry with
//!   `EV_ERROR` and, in `data`, zero or the reason of its failure. NetBSD sets the
//!   answer's flags to exactly that, others add to them: the bit is to be tested.
//! * `EV_EOF` of the reading filter means that this direction was shut down, by the peer
//!   or by ourselves; of the writing one likewise. With it may come an error in `fflags`.
//! * Whether a descriptor is registered cannot be asked: adding what is there, and
//!   deleting what is not, are no errors of ours.
//! * Timeouts are in nanoseconds. XNU refuses long ones.
//! * Closing a descriptor deletes its filters. A child does not inherit the queue.
//! * The fields of `kevent` have other types on every system: they are inferred.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem, ptr};

use super::family::{check, set_cloexec, FdSelector};
use super::fmt_flags::fmt_flags;
use super::{seam, timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

// The system's declarations. Tests on Linux supply a shim.
#[cfg(not(mio_test_kqueue_shim))]
use libc as os;
#[cfg(mio_test_kqueue_shim)]
#[path = "../../ci/kqueue_shim.rs"]
mod os;

mod queue_fd;
mod stateless;

// The kernel's own bell, where there is one: OpenBSD has none, NetBSD since version 10.
#[cfg_attr(
    not(any(
        target_os = "netbsd",
        target_os = "openbsd",
        mio_unsupported_force_waker_pipe
    )),
    path = "user_event.rs"
)]
mod edge_waker;

pub(crate) use edge_waker::Waker;

#[derive(Debug)]
pub(crate) struct Selector {
    kqueue: OwnedFd,
}

impl seam::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = stateless::Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { os::kqueue() })?;
        // SAFETY: the kernel just made `fd` for us; nobody else knows of it.
        let kqueue = unsafe { OwnedFd::from_raw_fd(fd) };
        // Only some systems can do it at birth. Nothing is lost in between: a forked child
        // does not get the queue.
        set_cloexec(kqueue.as_fd())?;
        Ok(Selector { kqueue })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        // `F_DUPFD_CLOEXEC`: a `dup` marked afterwards might leak into a child.
        let kqueue = self.kqueue.try_clone()?;
        Ok(Selector { kqueue })
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let room = events.capacity().min(libc::c_int::MAX as usize);
        let mut left = timeout;
        loop {
            let part = left.map(|left| left.min(LONGEST));
            let timeout = part.map(timeout::timespec);
            // SAFETY: `events` has room for `room` entries of the kernel's layout, which a
            // transparent `Event` has. The timeout outlives the call.
            let ready = check(unsafe {
                os::kevent(
                    self.kqueue.as_raw_fd(),
                    ptr::null(),
                    0,
                    events.as_mut_ptr().cast(),
                    room as _,
                    timeout.as_ref().map_or(ptr::null(), |it| it as *const _),
                )
            })?;
            left = left.zip(part).map(|(left, part)| left - part);
            if ready > 0 || left == Some(Duration::ZERO) {
                // SAFETY: the kernel has initialised the first `ready` entries, and it was
                // given no more room than the capacity of `events`.
                unsafe { events.set_len(ready as usize) };
                return Ok(());
            }
        }
    }
}

/// The longest timeout that every kernel takes, three years: macOS before 10.15 refused
/// more, later versions more seconds than an `int` holds.
const LONGEST: Duration = Duration::from_secs(100_000_000);

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let mut changes = Changes::new();
        for (filter, wanted) in filters_of(interest) {
            if wanted {
                changes.push(fd, filter, flags_of(interest), token);
            }
        }
        changes.submit(self.as_fd())
    }

    /// Every filter is deleted first: those that stay might be of another mode.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let mut changes = Changes::new();
        for (filter, wanted) in filters_of(interest) {
            changes.push(fd, filter, os::EV_DELETE, token);
            if wanted {
                changes.push(fd, filter, flags_of(interest), token);
            }
        }
        changes.submit(self.as_fd())
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut changes = Changes::new();
        changes.push(fd, os::EVFILT_READ, os::EV_DELETE, Token(0));
        changes.push(fd, os::EVFILT_WRITE, os::EV_DELETE, Token(0));
        changes.submit(self.as_fd())
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }
}

/// The types of the fields of those names.
#[cfg(not(target_os = "netbsd"))]
type Filter = i16;
#[cfg(not(target_os = "netbsd"))]
type Flags = u16;
#[cfg(target_os = "netbsd")]
type Filter = u32;
#[cfg(target_os = "netbsd")]
type Flags = u32;

/// The filters that a source may have, and whether `interest` asks for them. Those of
/// POSIX AIO are added by the operation itself, which names the queue.
fn filters_of(interest: Interest) -> [(Filter, bool); 2] {
    [
        (os::EVFILT_READ, interest.is_readable()),
        (os::EVFILT_WRITE, interest.is_writable()),
    ]
}

/// The flags that add a filter in the mode of `interest`.
fn flags_of(interest: Interest) -> Flags {
    let edge = if interest.is_level() { 0 } else { os::EV_CLEAR };
    let oneshot = if interest.is_oneshot() {
        os::EV_ONESHOT
    } else {
        0
    };
    os::EV_ADD | edge | oneshot
}

/// A list of changes, each of which is answered. At most two filters are deleted and
/// added.
struct Changes {
    list: [os::kevent; 4],
    len: usize,
}

impl Changes {
    fn new() -> Changes {
        Changes {
            // SAFETY: made of integers, and of a pointer that nobody follows. Zero is a
            // value of each.
            list: unsafe { mem::zeroed() },
            len: 0,
        }
    }

    /// Adds a change, which the caller may complete.
    fn push(
        &mut self,
        ident: RawFd,
        filter: Filter,
        flags: Flags,
        token: Token,
    ) -> &mut os::kevent {
        let change = &mut self.list[self.len];
        self.len += 1;
        // A negative number is no descriptor, however wide; the kernel says so.
        change.ident = ident as _;
        change.filter = filter;
        change.flags = flags | os::EV_RECEIPT;
        change.udata = token.0 as _;
        change
    }

    /// Makes the changes and reads the receipts. All changes are tried; the first
    /// failure is returned.
    ///
    /// These are none: a filter to be deleted that is not there (`ENOENT`), for it was
    /// never added or has fired once; a pipe whose reader is gone (`EPIPE`, of old macOS),
    /// for writing tells that; a signal (`EINTR`), for the changes were made.
    fn submit(mut self, kqueue: BorrowedFd<'_>) -> io::Result<()> {
        let list = self.list.as_mut_ptr();
        // SAFETY: the list has `len` initialised entries, and room for a receipt of each.
        // The kernel reads a change before it writes that change's receipt.
        let answered = check(unsafe {
            os::kevent(
                kqueue.as_raw_fd(),
                list,
                self.len as _,
                list,
                self.len as _,
                ptr::null(),
            )
        });
        let receipts = match answered {
            Ok(answered) => &self.list[..answered as usize],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        for receipt in receipts {
            let reason = receipt.data as i32;
            let is_error = receipt.flags & os::EV_ERROR != 0;
            if is_error && !matches!(reason, 0 | libc::ENOENT | libc::EPIPE) {
                return Err(io::Error::from_raw_os_error(reason));
            }
        }
        Ok(())
    }
}

/// An event as the kernel wrote it.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(os::kevent);

// SAFETY: the only pointer in it is `udata`, which holds a token and is never followed.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl seam::RawEvent for RawEvent {
    #[inline]
    fn token(&self) -> Token {
        Token(self.0.udata as usize)
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        let ended = self.0.flags & os::EV_EOF != 0;
        let failed = self.0.flags & os::EV_ERROR != 0 || ended && self.0.fflags != 0;
        let about = match self.0.filter {
            os::EVFILT_READ => Readiness::READABLE | Readiness::READ_CLOSED.when(ended),
            os::EVFILT_WRITE => Readiness::WRITABLE | Readiness::WRITE_CLOSED.when(ended),
            other => readiness_of(other),
        };
        about | Readiness::ERROR.when(failed)
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter {
            os::EVFILT_READ => f.write_str("EVFILT_READ: ")?,
            os::EVFILT_WRITE => f.write_str("EVFILT_WRITE: ")?,
            other => write!(f, "filter {other}: ")?,
        }
        fmt_flags(
            f,
            self.0.flags,
            &[
                (os::EV_ADD, "EV_ADD"),
                (os::EV_CLEAR, "EV_CLEAR"),
                (os::EV_ONESHOT, "EV_ONESHOT"),
                (os::EV_RECEIPT, "EV_RECEIPT"),
                (os::EV_EOF, "EV_EOF"),
                (os::EV_ERROR, "EV_ERROR"),
            ],
        )?;
        // Copied: the structure is packed on some systems.
        let (fflags, data) = (self.0.fflags, self.0.data);
        write!(f, ", fflags: {fflags:#x}, data: {data}")
    }
}

/// What the filters say that not every system has.
#[allow(clippy::match_single_binding)] // Some systems have none.
fn readiness_of(filter: Filter) -> Readiness {
    match filter {
        #[cfg(any(
            target_vendor = "apple",
            target_os = "dragonfly",
            target_os = "freebsd"
        ))]
        os::EVFILT_AIO => Readiness::AIO,
        #[cfg(target_os = "freebsd")]
        os::EVFILT_LIO => Readiness::LIO,
        // The waker's.
        _ => Readiness::READABLE,
    }
}
