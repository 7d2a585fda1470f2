//! kqueue(2): the kernel keeps a set of filters, each for one aspect of one descriptor, and
//! reports which of them fired.
//!
//! How it differs from other mechanisms:
//!
//! * Reading and writing are two filters, which are added, fire and are deleted separately: a
//!   source that is ready for both causes two events.
//! * The kernel implements edges (`EV_CLEAR`). Adding an existing filter checks the descriptor
//!   again and fires if it is ready, but does *not* change whether the filter is edge-triggered,
//!   level-triggered or one-shot: for that, it has to be deleted and added.
//! * Some kernels refuse to add the writing filter to a pipe whose reader is closed, although
//!   they report the hang-up through a filter that exists.
//! * Changes are submitted as a list. With `EV_RECEIPT` each results in an entry with `EV_ERROR`
//!   and, in `data`, zero or the error number. NetBSD sets the flags of the entry to exactly
//!   `EV_ERROR`, others add it, so the bit has to be tested.
//! * `EV_EOF` of the reading filter means that this direction was shut down, by the peer or by the
//!   program itself; the same holds for the writing filter. `fflags` may contain an error then.
//! * The kernel cannot be asked whether a descriptor is registered, so adding an existing filter
//!   and deleting a missing one are not reported as errors.
//! * Timeouts are in nanoseconds. XNU rejects long ones.
//! * Closing a descriptor deletes its filters. A child process does not inherit the queue.
//! * The types of the fields of `kevent` differ between systems, so they are inferred.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem, ptr};

use super::backend;
use super::fmt_flags::fmt_flags;
use super::unix::fd::{check, own, set_cloexec};
use super::unix::registration::FdSelector;
use super::{timeout, Event};
use crate::readiness::Readiness;
use crate::{Interest, Token};

// The system's declarations. Tests on Linux use a shim, which is not a part of the crate.
#[cfg(not(mio_test_kqueue_shim))]
use libc as os;
#[cfg(mio_test_kqueue_shim)]
#[path = "../../tests/shims/kqueue/mod.rs"]
mod os;

// Whether the program can trigger events of its own. OpenBSD has such events only since 2025,
// NetBSD since version 10.
cfg_if! {
    if #[cfg(any(
        target_os = "netbsd",
        target_os = "openbsd",
        mio_unsupported_force_waker_pipe
    ))] {
        const HAS_USER_EVENTS: bool = false;
        pub(crate) type Waker = super::unix::waker::FdWaker<Selector>;
    } else {
        const HAS_USER_EVENTS: bool = true;
        mod user_event;
        pub(crate) use user_event::Waker;
    }
}

#[derive(Debug)]
pub(crate) struct Selector {
    kqueue: OwnedFd,
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Registration;

    fn new() -> io::Result<Selector> {
        // SAFETY: takes no pointer, and creates a descriptor.
        let kqueue = unsafe { own(os::kqueue()) }?;
        // Only some systems can create it close-on-exec. Nothing leaks in between: a forked child
        // does not inherit the queue.
        set_cloexec(kqueue.as_fd())?;
        Ok(Selector { kqueue })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        // Calls `F_DUPFD_CLOEXEC`: setting the flag after a `dup` could leak the descriptor to a
        // child.
        self.kqueue.try_clone().map(|kqueue| Selector { kqueue })
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let capacity = events.capacity().min(libc::c_int::MAX as usize);
        let mut left = timeout;
        loop {
            let part = left.map(|left| left.min(timeout::LONGEST_TIMESPEC));
            let timeout = part.map(timeout::timespec);
            // SAFETY: `events` has capacity for the entries, and `Event` has the kernel's layout,
            // since it is transparent. The timeout outlives the call.
            let ready = check(unsafe {
                os::kevent(
                    self.kqueue.as_raw_fd(),
                    ptr::null(),
                    0,
                    events.as_mut_ptr().cast(),
                    capacity as _,
                    timeout.as_ref().map_or(ptr::null(), |it| it as *const _),
                )
            })?;
            left = left.zip(part).map(|(left, part)| left - part);
            if ready > 0 || left == Some(Duration::ZERO) {
                // SAFETY: the kernel has initialised the first `ready` entries, which are not more
                // than the capacity of `events`.
                unsafe { events.set_len(ready as usize) };
                return Ok(());
            }
        }
    }
}

impl FdSelector for Selector {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let mut changes = Changes::new();
        // That of a former source with this number, which was closed without being deregistered.
        changes.push(stand_in_for(fd), STAND_IN, os::EV_DELETE, token);
        for (filter, wanted) in filters_of(interest) {
            if wanted {
                changes.add(fd, filter, interest, token);
            }
        }
        changes.submit(self.as_fd())
    }

    /// Nothing is known of a bare descriptor: its filters may be in any mode.
    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        self.replace(fd, token, interest, false)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut changes = Changes::new();
        changes.push(stand_in_for(fd), STAND_IN, os::EV_DELETE, Token(0));
        changes.push(fd, os::EVFILT_READ, os::EV_DELETE, Token(0));
        changes.push(fd, os::EVFILT_WRITE, os::EV_DELETE, Token(0));
        changes.submit(self.as_fd())
    }
}

impl Selector {
    /// Replaces the filters. A filter whose mode changes is deleted first.
    fn replace(
        &self,
        fd: RawFd,
        token: Token,
        interest: Interest,
        keeps_mode: bool,
    ) -> io::Result<()> {
        let mut changes = Changes::new();
        changes.push(stand_in_for(fd), STAND_IN, os::EV_DELETE, token);
        for (filter, wanted) in filters_of(interest) {
            if !wanted || !keeps_mode {
                changes.push(fd, filter, os::EV_DELETE, token);
            }
            if wanted {
                changes.add(fd, filter, interest, token);
            }
        }
        changes.submit(self.as_fd())
    }
}

/// What a source stores, because the kernel does not return the mode of a filter.
#[derive(Default)]
pub(crate) struct Registration {
    current: Option<(Token, Interest)>,
}

impl backend::Registration<Selector> for Registration {
    fn register(
        &mut self,
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        selector.add(fd, token, interest)?;
        self.current = Some((token, interest));
        Ok(())
    }

    /// If the mode stays the same, nothing is deleted, so that a filter keeps what it has not yet
    /// reported. After an error the former registration is restored.
    fn reregister(
        &mut self,
        selector: &Selector,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        let former = self.current;
        let keeps_mode = former.map(|(_, it)| flags_of(it)) == Some(flags_of(interest));
        let result = selector.replace(fd, token, interest, keeps_mode);
        match former {
            Some((token, interest)) if result.is_err() => {
                // The first error is returned: it is the one that the caller can act on.
                let _ = selector.modify(fd, token, interest);
            }
            _ => self.current = Some((token, interest)),
        }
        result
    }

    fn deregister(&mut self, selector: &Selector, fd: RawFd) -> io::Result<()> {
        self.current = None;
        selector.remove(fd)
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kqueue.as_fd()
    }
}

/// The types of the fields of `kevent` with these names.
#[cfg(not(target_os = "netbsd"))]
type Filter = i16;
#[cfg(not(target_os = "netbsd"))]
type Flags = u16;
#[cfg(target_os = "netbsd")]
type Filter = u32;
#[cfg(target_os = "netbsd")]
type Flags = u32;

/// The filters that a source may have, and whether `interest` includes them. A POSIX AIO operation
/// names the queue, and adds its filter itself.
fn filters_of(interest: Interest) -> [(Filter, bool); 2] {
    [
        (os::EVFILT_READ, interest.includes_end()),
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

/// Whether reading is watched for its end, and not for data.
fn is_only_end(interest: Interest) -> bool {
    interest.is_read_closed() && !interest.is_readable()
}

/// The filter that reports the hang-up of a pipe instead of a writing filter that the kernel
/// rejects. Timers exist on every system, but take a millisecond to fire.
const STAND_IN: Filter = if HAS_USER_EVENTS {
    os::EVFILT_USER
} else {
    os::EVFILT_TIMER
};

/// Returns the ident of the stand-in for `fd`. It is negative, which those of descriptors and wakers
/// are not, even if the program passes a number that is not a descriptor.
fn stand_in_for(fd: RawFd) -> RawFd {
    fd | RawFd::MIN
}

/// A list of changes with a receipt for each. At most, a stand-in is deleted, and two filters are
/// deleted and added.
struct Changes {
    list: [os::kevent; 5],
    len: usize,
}

impl Changes {
    fn new() -> Changes {
        Changes {
            // SAFETY: consists of integers, and of a pointer that is not followed. Zero is valid
            // for each.
            list: unsafe { mem::zeroed() },
            len: 0,
        }
    }

    /// Adds a filter, or changes its low-water mark. With one that is out of reach, the reading
    /// filter reports only the end and errors.
    fn add(&mut self, fd: RawFd, filter: Filter, interest: Interest, token: Token) {
        let change = self.push(fd, filter, flags_of(interest), token);
        if filter == os::EVFILT_READ && is_only_end(interest) {
            change.fflags = os::NOTE_LOWAT;
            change.data = isize::MAX as _;
        }
    }

    /// Adds a change, which the caller may complete.
    fn push(&mut self, id: RawFd, filter: Filter, flags: Flags, token: Token) -> &mut os::kevent {
        let change = &mut self.list[self.len];
        self.len += 1;
        // A negative number is not a descriptor, whatever its width; the kernel rejects it.
        change.ident = id as _;
        change.filter = filter;
        change.flags = flags | os::EV_RECEIPT;
        change.udata = token.0 as _;
        change
    }

    /// Submits the changes and reads all receipts. All changes are tried. The first error is
    /// returned, after deleting all filters that the list adds.
    ///
    /// These are not errors: deleting a missing filter (`ENOENT`), which was never added or has
    /// fired once; a pipe whose reader is closed, which is an event; a signal (`EINTR`), because
    /// the changes have been made.
    fn submit(&self, kqueue: BorrowedFd<'_>) -> io::Result<()> {
        let mut receipts = self.list;
        // SAFETY: the list has `len` initialised entries, and `receipts` has space for as many.
        let received = check(unsafe {
            os::kevent(
                kqueue.as_raw_fd(),
                self.list.as_ptr(),
                self.len as _,
                receipts.as_mut_ptr(),
                self.len as _,
                ptr::null(),
            )
        });
        let receipts = match received {
            Ok(received) => &receipts[..received as usize],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut result = Ok(());
        for (change, receipt) in self.list.iter().zip(receipts) {
            let is_error = receipt.flags & os::EV_ERROR != 0;
            let reason = if is_error { receipt.data as i32 } else { 0 };
            let outcome = match reason {
                0 => Ok(()),
                libc::ENOENT if change.flags & os::EV_DELETE != 0 => Ok(()),
                _ if lacks_reader(change, reason) => report_hang_up(change, kqueue),
                _ => Err(io::Error::from_raw_os_error(reason)),
            };
            result = result.and(outcome);
        }
        if result.is_err() {
            self.undo(kqueue);
        }
        result
    }

    /// Deletes the filters that the list adds, whether or not they were added.
    #[cold]
    fn undo(&self, kqueue: BorrowedFd<'_>) {
        let mut changes = Changes::new();
        for change in self.list.iter().filter(|it| it.flags & os::EV_ADD != 0) {
            let (fd, token) = (change.ident as RawFd, Token(change.udata as usize));
            changes.push(fd, change.filter, os::EV_DELETE, token);
            if change.filter == os::EVFILT_WRITE {
                changes.push(stand_in_for(fd), STAND_IN, os::EV_DELETE, token);
            }
        }
        // The error that led here is the one to return.
        let _ = changes.submit(kqueue);
    }
}

/// Returns whether the kernel refused to add the writing filter to a pipe because its reader is
/// closed: `EPIPE` on FreeBSD, DragonFly, OpenBSD and macOS before 10.15, `EBADF` on NetBSD.
#[cold]
fn lacks_reader(change: &os::kevent, reason: i32) -> bool {
    // SAFETY: takes no pointer.
    let is_open = || unsafe { libc::fcntl(change.ident as RawFd, libc::F_GETFD) } != -1;
    change.filter == os::EVFILT_WRITE
        && (reason == libc::EPIPE || reason == libc::EBADF && is_open())
}

/// Adds a stand-in that reports what the rejected `change` would report: the hang-up of the pipe.
///
/// A closed reader is not a mistake of the program: it may register the pipe to a child that has
/// already exited. On other systems it is an event.
///
/// The stand-in fires once. It does not end when the descriptor is closed, so it must not fire
/// again and again as a level-triggered filter does: in that mode, the error is returned.
#[cold]
fn report_hang_up(change: &os::kevent, kqueue: BorrowedFd<'_>) -> io::Result<()> {
    if change.flags & (os::EV_CLEAR | os::EV_ONESHOT) == 0 {
        return Err(io::Error::from_raw_os_error(libc::EPIPE));
    }
    let ident = stand_in_for(change.ident as RawFd);
    let token = Token(change.udata as usize);
    let mut changes = Changes::new();
    let stand_in = changes.push(ident, STAND_IN, os::EV_ADD | os::EV_ONESHOT, token);
    if HAS_USER_EVENTS {
        // Not every system triggers the filter in the change that adds it.
        let trigger = changes.push(ident, STAND_IN, os::EV_ENABLE, token);
        trigger.fflags = os::NOTE_TRIGGER;
    } else {
        // The shortest time that every kernel accepts, in milliseconds.
        stand_in.data = 1;
    }
    changes.submit(kqueue)
}

/// An event as the kernel writes it.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(os::kevent);

// SAFETY: the only pointer in it is `udata`, which holds a token and is never followed.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        // SAFETY: made of integers and a pointer, for which zero is a value.
        let mut event: os::kevent = unsafe { mem::zeroed() };
        event.filter = os::EVFILT_READ;
        event.udata = token.0 as _;
        RawEvent(event)
    }

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
            STAND_IN if (self.0.ident as isize) < 0 => {
                Readiness::WRITABLE | Readiness::WRITE_CLOSED
            }
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
        // Copied, because the structure is packed on some systems.
        let (fflags, data) = (self.0.fflags, self.0.data);
        write!(f, ", fflags: {fflags:#x}, data: {data}")
    }
}

/// The readiness that filters report which only some systems have.
#[allow(clippy::match_single_binding)] // Some systems have none of them.
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
        // That of the waker.
        _ => Readiness::READABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::unix::fd::pipe;

    /// Not even the stand-in of a filter that the kernel has refused is left.
    #[test]
    fn a_list_of_changes_that_fails_is_undone() {
        let selector = <Selector as backend::Selector>::new().unwrap();
        let (sender, receiver) = pipe().unwrap();
        drop(receiver);
        let (fd, token) = (sender.as_raw_fd(), Token(1));
        let mut changes = Changes::new();
        changes.add(fd, os::EVFILT_WRITE, Interest::WRITABLE, token);
        changes.add(-1, os::EVFILT_READ, Interest::READABLE, token);
        let error = changes.submit(selector.as_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        let mut events = Event::buffer(4);
        let wait = Some(Duration::from_millis(20));
        backend::Selector::select(&selector, &mut events, wait).unwrap();
        assert!(events.is_empty(), "{events:?}");
    }
}
