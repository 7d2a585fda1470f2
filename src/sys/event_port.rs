//! Event ports, see `port_create(3C)`: the kernel keeps associations of descriptors, each of which
//! causes one event.
//!
//! How it differs from other mechanisms:
//!
//! * An association ends when its event is taken. A source that is still watched is associated
//!   again, with the conditions that are armed according to `edge.rs`.
//! * Associating checks the descriptor at once, so nothing is lost between an event and the next
//!   association. Associating a descriptor again replaces its association.
//! * An event contains what was true when it was queued, or only the condition that caused it: the
//!   user may not have reacted to the last one yet, and more may have happened since. An event is
//!   therefore only a reason to check the descriptor, with poll(2).
//! * Errors are reported whether or not they are requested. A source with a lasting error is not
//!   associated, but checked from time to time (`begin`). Another poll that watches the port
//!   therefore misses other conditions of this source. A source that pauses is not associated
//!   during one wait either.
//! * An association contains a number that we assign, which distinguishes it from that of a
//!   predecessor whose descriptor was closed and has been reused.
//! * `port_getn` fails with `ETIME` after the timeout, with or without events. The error for a
//!   descriptor that is not open is `EBADFD`.
//! * Any thread can send an event, which implements the waker. The port does not coalesce such
//!   events, and keeps those of a waker that was dropped.
//! * A regular file is always ready, while epoll rejects it. We reject it too.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;
use std::{fmt, io, mem, ptr};

use super::backend;
use super::edge::paced;
use super::timeout::{self, Deadline};
use super::unix::fd::{check, own, set_cloexec};
use super::unix::poll_flags;
use super::unix::pollable::check_pollable;
use super::unix::table::{self, current_flags, Guard, Record, TableWaker, Watcher};
use super::Event;
use crate::readiness::Readiness;
use crate::sync::{lock, Arc};
use crate::Token;

// The system's declarations. Tests on Linux use a shim, which is not a part of the crate.
#[cfg(not(mio_test_event_port_shim))]
use libc as os;
#[cfg(mio_test_event_port_shim)]
#[path = "../../tests/shims/event_port.rs"]
mod os;

pub(crate) type Selector = Arc<Table>;
pub(crate) type Waker = TableWaker<Port>;

type Table = table::Table<Port>;
type Registrations = table::Registrations<Port>;

#[derive(Debug)]
pub(crate) struct Port {
    port: OwnedFd,
}

impl Watcher for Port {
    type RawEvent = RawEvent;
    /// Whether there may be a source that was left out.
    type State = bool;

    /// An event shows only conditions that hold.
    const SHOWS_ABSENCE: bool = false;

    fn new() -> io::Result<(Port, bool)> {
        // SAFETY: takes no pointer, and creates a descriptor.
        let port = unsafe { own(os::port_create()) }?;
        set_cloexec(port.as_fd())?;
        Ok((Port { port }, false))
    }

    /// Waits again for the remaining time if no event of the port is one for the user. Such events
    /// may have taken the space of others.
    fn select(table: &Table, events: &mut Vec<Event>, end: Deadline) -> io::Result<()> {
        loop {
            let left = table.begin(end);
            table.watcher.dequeue(events, left)?;
            let had_any = !events.is_empty();
            table.translate(events)?;
            if !events.is_empty() || !had_any && end.has_passed() {
                return Ok(());
            }
        }
    }

    fn check(&self, fd: RawFd) -> io::Result<()> {
        check_pollable(fd)
    }

    /// A descriptor that was closed has no association, also if it has been reused.
    fn was_closed(&self, fd: RawFd, record: &Record) -> io::Result<bool> {
        // The kernel cannot say whether the descriptor of a record without an association was
        // closed. It is assumed that it was, since the user registers it again.
        let open = self.dissociate(fd)?;
        if open {
            self.associate(fd, record)?;
        }
        Ok(!open)
    }

    fn update(table: &Table, mut registrations: Guard<'_, Port>, fd: RawFd) -> io::Result<()> {
        match registrations.records.get_mut(&fd) {
            Some(record) => {
                table.watcher.associate(fd, record)?;
                record.left_out = false;
                Ok(())
            }
            // There is no association if its event was taken and nothing has been armed since.
            None => table.watcher.dissociate(fd).map(drop),
        }
    }

    /// Sends an event to the port. At most one of a waker is in the port, which thus does not reach
    /// its limit on such events. The lock is not held, since the thread that is woken takes it next.
    fn wake(table: &Table, waker: u64) -> io::Result<()> {
        if table.set_pending(waker, true) {
            return Ok(());
        }
        // SAFETY: the pointer is a number, which is not followed.
        let sent = check(unsafe {
            os::port_send(
                table.watcher.port.as_raw_fd(),
                libc::POLLIN.into(),
                waker as usize as *mut libc::c_void,
            )
        });
        if sent.is_err() {
            table.set_pending(waker, false);
        }
        sent.map(drop)
    }
}

impl Table {
    /// Associates the sources that were left out, except those whose pause lasts for this wait, and
    /// those of which there is still nothing but an error to report. Returns the time to wait until
    /// the next check.
    fn begin(&self, end: Deadline) -> Option<Duration> {
        let mut registrations = lock(&self.registrations);
        let Registrations { records, state, .. } = &mut *registrations;
        let left = end.left();
        if mem::take(state) {
            for (&fd, record) in records.iter_mut().filter(|(_, record)| record.left_out) {
                // A call that does not block is no wait that it could be left out of.
                let pauses = record.edge.take_pause() && left != Some(Duration::ZERO);
                record.left_out = pauses || !self.resume(fd, record);
                *state |= record.left_out;
            }
        }
        paced(left, *state)
    }

    /// Associates a source that was left out, unless there is still nothing but an error to report.
    /// Returns `false` if it has to be looked at again.
    fn resume(&self, fd: RawFd, record: &mut Record) -> bool {
        let flags = current_flags(fd, &record.edge);
        let mut then = record.edge.clone();
        if poll_flags::EDGES.deliver(&mut then, flags).is_none() && then.is_standing() {
            return false;
        }
        poll_flags::EDGES.settle(&mut record.edge, flags);
        // `EBADF` means that the descriptor is closed. After others, which a lack of memory causes, it
        // is tried again.
        match self.watcher.associate(fd, record) {
            Err(error) => error.raw_os_error() == Some(libc::EBADF),
            Ok(()) => true,
        }
    }

    /// Returns whether the event of a waker was in the port, or being sent.
    fn set_pending(&self, waker: u64, pending: bool) -> bool {
        let mut registrations = lock(&self.registrations);
        let record = registrations.wakers.get_mut(&waker);
        record.is_some_and(|record| mem::replace(&mut record.pending, pending))
    }

    /// Translates events of the port to events for the user, and drops those that are none.
    fn translate(&self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut registrations = lock(&self.registrations);
        let mut outcome = Ok(());
        events.retain_mut(|event| {
            let raw = &mut event.raw;
            let reported = if raw.is_wake() {
                let waker = registrations.wakers.get_mut(&(raw.user() as u64));
                // `None` if the waker was dropped.
                waker.map(|waker| {
                    waker.pending = false;
                    (waker.token, libc::POLLIN as u32)
                })
            } else {
                self.report(&mut registrations, raw, &mut outcome)
            };
            if let Some((token, flags)) = reported {
                raw.set(token, flags);
            }
            reported.is_some()
        });
        // Events that were taken are no longer in the port, so they are returned now. The error
        // occurs again with the next operation on its source.
        if events.is_empty() {
            outcome
        } else {
            Ok(())
        }
    }

    /// Returns the event for the user. A source that is still armed is associated again.
    fn report(
        &self,
        registrations: &mut Registrations,
        raw: &RawEvent,
        outcome: &mut io::Result<()>,
    ) -> Option<(Token, u32)> {
        let fd = raw.fd();
        let record = registrations.records.get_mut(&fd)?;
        if record.number as usize != raw.user() {
            return None;
        }
        let flags = current_flags(fd, &record.edge);
        let reported = poll_flags::deliver(&mut record.edge, flags);
        record.left_out = record.edge.is_standing();
        if record.left_out {
            registrations.state = true;
            return Some((record.token, reported?));
        }
        match self.watcher.associate(fd, record) {
            // It was closed without being deregistered.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
            Err(error) => *outcome = Err(error),
            Ok(()) => {}
        }
        Some((record.token, reported?))
    }
}

impl Port {
    /// Takes events from the port, as the kernel writes them.
    fn dequeue(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let part = timeout.map(|left| left.min(timeout::LONGEST_TIMESPEC));
        let mut timeout = part.map(timeout::timespec);
        let capacity = events.capacity().min(libc::c_int::MAX as usize);
        // The number of events to wait for, and then the number of events taken.
        let mut taken: libc::c_uint = 1;
        // SAFETY: `events` has capacity for the entries, and `Event` has the kernel's layout, since
        // it is transparent. The timeout and the count outlive the call.
        let result = check(unsafe {
            os::port_getn(
                self.port.as_raw_fd(),
                events.as_mut_ptr().cast(),
                capacity as _,
                &mut taken,
                timeout.as_mut().map_or(ptr::null_mut(), |it| it as *mut _),
            )
        });
        match result {
            Err(error) if error.raw_os_error() != Some(libc::ETIME) => return Err(error),
            _ => {}
        }
        // SAFETY: the kernel has initialised the first `taken` entries, which are not more than the
        // capacity of `events`.
        unsafe { events.set_len((taken as usize).min(capacity)) };
        Ok(())
    }

    /// Makes the kernel watch the conditions that are armed.
    fn associate(&self, fd: RawFd, record: &Record) -> io::Result<()> {
        let Some(flags) = poll_flags::EDGES.wanted(&record.edge) else {
            return Ok(());
        };
        // SAFETY: the pointer is a number, which the kernel does not follow.
        check_port(unsafe {
            os::port_associate(
                self.port.as_raw_fd(),
                os::PORT_SOURCE_FD,
                fd as usize,
                flags as _,
                record.number as usize as *mut libc::c_void,
            )
        })
    }

    /// Ends the association of `fd`. Returns `false` if there is none.
    fn dissociate(&self, fd: RawFd) -> io::Result<bool> {
        // SAFETY: takes no pointer.
        let ended = check_port(unsafe {
            os::port_dissociate(self.port.as_raw_fd(), os::PORT_SOURCE_FD, fd as usize)
        });
        match ended {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            ended => ended.map(|()| true),
        }
    }
}

/// Like [`check`], for calls that fail with `EBADFD` if a descriptor is not open.
fn check_port(result: libc::c_int) -> io::Result<()> {
    match check(result) {
        Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {
            Err(io::Error::from_raw_os_error(libc::EBADF))
        }
        result => result.map(drop),
    }
}

impl AsFd for Table {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watcher.port.as_fd()
    }
}

/// An event as the kernel writes it. `translate` replaces our number by the token, and the flags by
/// those for the user.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(os::port_event);

// SAFETY: the only pointer in it is a number or a token, which is not followed.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl RawEvent {
    fn is_wake(&self) -> bool {
        libc::c_int::from(self.0.portev_source) == os::PORT_SOURCE_USER
    }

    fn fd(&self) -> RawFd {
        self.0.portev_object as RawFd
    }

    fn user(&self) -> usize {
        self.0.portev_user as usize
    }

    fn flags(&self) -> u32 {
        self.0.portev_events as u32
    }

    fn set(&mut self, token: Token, flags: u32) {
        self.0.portev_user = token.0 as *mut libc::c_void;
        self.0.portev_events = flags as _;
    }
}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        // SAFETY: made of integers and a pointer, for which zero is a value.
        let mut event = RawEvent(unsafe { mem::zeroed() });
        event.set(token, libc::POLLIN as u32);
        event
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.user())
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        poll_flags::POLL.to_readiness(self.flags())
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        poll_flags::fmt(f, self.flags())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;

    use super::super::unix::registration::FdSelector as _;
    use super::backend::{Selector as _, Wake as _};
    use super::*;
    use crate::Interest;

    fn selector() -> (Selector, Vec<Event>) {
        (
            <Selector as backend::Selector>::new().unwrap(),
            Event::buffer(8),
        )
    }

    /// Where nothing has united them before: in a release build a poll may have several wakers.
    #[test]
    fn wakes_unite_until_they_are_reported() {
        let (selector, mut events) = selector();
        let waker = Waker::new(&selector, Token(1)).unwrap();
        for _ in 0..2 {
            for _ in 0..3 {
                waker.wake().unwrap();
            }
            selector.select(&mut events, None).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].token(), Token(1));
        }
    }

    /// A source whose event has been taken from the port and not been translated, under a number
    /// that no other test has.
    fn taken_event() -> (Selector, Vec<Event>, OwnedFd) {
        let (selector, mut events) = selector();
        let (near, _far) = UnixStream::pair().unwrap();
        // SAFETY: the descriptor that the call makes is ours.
        let source = unsafe { own(libc::fcntl(near.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900)) };
        let source = source.unwrap();
        selector
            .add(source.as_raw_fd(), Token(2), Interest::WRITABLE)
            .unwrap();
        selector
            .watcher
            .dequeue(&mut events, Some(Duration::ZERO))
            .unwrap();
        assert_eq!(events.len(), 1);
        (selector, events, source)
    }

    #[test]
    fn a_source_that_is_closed_between_an_event_and_its_report_is_no_error() {
        let (selector, mut events, source) = taken_event();
        drop(source);
        selector.translate(&mut events).unwrap();
        assert!(events.is_empty());
    }

    /// The shim does not accept a port in itself. What others do is not known.
    #[test]
    fn a_source_that_cannot_be_associated_again_is_an_error() {
        if !cfg!(mio_test_event_port_shim) {
            return;
        }
        let (selector, mut events, source) = taken_event();
        let number = source.into_raw_fd();
        // SAFETY: takes no pointer. What has the number after the call is ours.
        let port = unsafe { own(libc::dup2(selector.watcher.port.as_raw_fd(), number)) }.unwrap();
        let error = selector.translate(&mut events).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
        assert!(events.is_empty());
        drop(port);
    }
}
