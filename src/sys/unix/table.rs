//! Selectors that keep a table of their sources, by descriptor and with the flags of poll(2),
//! because the kernel reports levels (poll(2)), or reports once and must be asked again (event
//! ports). They differ in their [`Watcher`].

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::time::Duration;
use std::{fmt, io};

use super::fd;
use super::poll_flags::{self, EDGES};
use super::registration::FdSelector;
use crate::sync::{lock, Arc, Mutex, MutexGuard};
use crate::sys::backend::{self, Outcome};
use crate::sys::edge::linked::{Link, Linked};
use crate::sys::edge::Edge;
use crate::sys::error::{already_registered, not_registered};
use crate::sys::timeout::Deadline;
use crate::sys::Event;
use crate::{Interest, Token};

/// What watches the sources of a table.
pub(crate) trait Watcher: fmt::Debug + Send + Sync + Sized {
    type RawEvent: backend::RawEvent;
    /// What is kept under the lock of the registrations.
    type State: Send;

    /// Whether a wait shows not only conditions that hold, but also which do not.
    const SHOWS_ABSENCE: bool;

    fn new() -> io::Result<(Self, Self::State)>;

    /// Fails with `EPERM` if `fd` cannot be polled, and with `EBADF` if it is not open.
    fn check(&self, fd: RawFd) -> io::Result<()>;

    /// Returns whether the descriptor of `record` was closed. It may have been reused.
    fn was_closed(&self, fd: RawFd, record: &Record) -> io::Result<bool>;

    /// See [`backend::Selector::select`].
    fn select(table: &Table<Self>, events: &mut Vec<Event>, end: Deadline) -> io::Result<()>;

    /// The record of `fd` is new, was removed, or waits for other conditions.
    fn update(table: &Table<Self>, registrations: Guard<'_, Self>, fd: RawFd) -> io::Result<()>;

    /// Makes the running wait, or the next one, report the waker with this number.
    fn wake(table: &Table<Self>, waker: u64) -> io::Result<()>;
}

/// What a selector shares with its clones, sources and wakers.
pub(crate) struct Table<W: Watcher> {
    pub(crate) watcher: W,
    pub(crate) registrations: Mutex<Registrations<W>>,
}

pub(crate) type Guard<'a, W> = MutexGuard<'a, Registrations<W>>;

pub(crate) struct Registrations<W: Watcher> {
    pub(crate) records: BTreeMap<RawFd, Record>,
    /// The live wakers, by number.
    pub(crate) wakers: BTreeMap<u64, WakerRecord>,
    newest: u64,
    pub(crate) state: W::State,
}

pub(crate) struct Record {
    pub(crate) token: Token,
    pub(crate) edge: Edge,
    /// Distinguishes the record from that of a predecessor with the same descriptor.
    pub(crate) number: u64,
    /// Whether the descriptor was found closed. The record stays until it is deregistered, or
    /// until a new source with the same descriptor replaces it.
    pub(crate) closed: bool,
    /// Whether the watcher has left it out, and has to look at it before the next wait.
    pub(crate) left_out: bool,
}

pub(crate) struct WakerRecord {
    pub(crate) token: Token,
    /// Whether there is a wake that was not reported.
    pub(crate) pending: bool,
}

impl<W: Watcher> backend::Selector for Arc<Table<W>> {
    type RawEvent = W::RawEvent;
    type Registration = Linked<FdLink<W>>;

    fn new() -> io::Result<Arc<Table<W>>> {
        let (watcher, state) = W::new()?;
        Ok(Arc::new(Table {
            watcher,
            registrations: Mutex::new(Registrations {
                records: BTreeMap::new(),
                wakers: BTreeMap::new(),
                newest: 0,
                state,
            }),
        }))
    }

    fn try_clone(&self) -> io::Result<Arc<Table<W>>> {
        Ok(Arc::clone(self))
    }

    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        W::select(self, events, Deadline::after(timeout))
    }
}

impl<W: Watcher> FdSelector for Arc<Table<W>> {
    fn add(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        self.watcher.check(fd)?;
        let mut registrations = lock(&self.registrations);
        if let Some(record) = registrations.records.get(&fd) {
            if !self.watcher.was_closed(fd, record)? {
                return Err(already_registered());
            }
        }
        let number = registrations.next_number();
        self.insert(registrations, fd, Record::new(token, interest, number))
    }

    fn modify(&self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        poll_flags::check(interest)?;
        self.watcher.check(fd)?;
        let registrations = lock(&self.registrations);
        let former = registrations.records.get(&fd).ok_or_else(not_registered)?;
        let record = Record::new(token, interest, former.number);
        self.insert(registrations, fd, record)
    }

    fn remove(&self, fd: RawFd) -> io::Result<()> {
        let mut registrations = lock(&self.registrations);
        let removed = registrations.records.remove(&fd);
        removed.ok_or_else(not_registered)?;
        W::update(self, registrations, fd)
    }
}

impl<W: Watcher> Table<W> {
    /// Inserts a record. If it cannot be watched, the previous one is restored.
    fn insert(&self, mut registrations: Guard<'_, W>, fd: RawFd, record: Record) -> io::Result<()> {
        let number = record.number;
        let before = registrations.records.insert(fd, record);
        W::update(self, registrations, fd).map_err(|error| {
            let records = &mut lock(&self.registrations).records;
            // Another thread may have removed or replaced it meanwhile.
            if matches!(records.get(&fd), Some(record) if record.number == number) {
                match before {
                    Some(before) => records.insert(fd, before),
                    None => records.remove(&fd),
                };
            }
            error
        })
    }
}

impl<W: Watcher> Registrations<W> {
    /// Returns a number larger than all before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }
}

impl Record {
    fn new(token: Token, interest: Interest, number: u64) -> Record {
        Record {
            token,
            edge: Edge::new(interest),
            number,
            closed: false,
            left_out: false,
        }
    }
}

impl<W: Watcher> fmt::Debug for Table<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watcher.fmt(f)
    }
}

/// The link from a source to its record.
pub(crate) struct FdLink<W: Watcher> {
    table: Arc<Table<W>>,
    fd: RawFd,
}

impl<W: Watcher> Link for FdLink<W> {
    type Selector = Arc<Table<W>>;

    fn register(
        table: &Arc<Table<W>>,
        fd: RawFd,
        token: Token,
        interest: Interest,
    ) -> io::Result<FdLink<W>> {
        table.add(fd, token, interest)?;
        let table = Arc::clone(table);
        Ok(FdLink { table, fd })
    }

    fn belongs_to(&self, table: &Arc<Table<W>>) -> bool {
        Arc::ptr_eq(&self.table, table)
    }

    fn reregister(&self, token: Token, interest: Interest) -> io::Result<()> {
        self.table.modify(self.fd, token, interest)
    }

    fn deregister(&self) -> io::Result<()> {
        self.table.remove(self.fd)
    }

    /// Conditions in doubt are checked at once, because one that ends and begins again before the
    /// next report is a new event. The exception is a socket whose error was taken, if the next
    /// wait shows the absence of a condition too: the program may be about to connect it again.
    fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        let mut registrations = lock(&self.table.registrations);
        let Some(record) = registrations.records.get_mut(&self.fd) else {
            return;
        };
        let edge = &mut record.edge;
        if !edge.rearm(&EDGES, directions, outcome) {
            return;
        }
        let waits = W::SHOWS_ABSENCE && matches!(outcome, Outcome::ErrorTaken);
        if !waits && edge.is_in_doubt() {
            let flags = current_flags(self.fd, edge);
            EDGES.settle(edge, flags);
        }
        // The error cannot be returned. It means that the descriptor is closed, or that a call,
        // which could not be interrupted, sees the change when it returns.
        let _ = W::update(&self.table, registrations, self.fd);
    }
}

/// Returns which of the conditions that `edge` waits for hold now; none if `fd` is closed.
pub(crate) fn current_flags(fd: RawFd, edge: &Edge) -> u32 {
    fd::current_flags(fd, EDGES.wanted(edge).unwrap_or(0)).unwrap_or(0)
}

/// A waker that the table reports itself.
#[derive(Debug)]
pub(crate) struct TableWaker<W: Watcher> {
    table: Arc<Table<W>>,
    number: u64,
}

impl<W: Watcher> backend::Wake<Arc<Table<W>>> for TableWaker<W> {
    fn new(table: &Arc<Table<W>>, token: Token) -> io::Result<TableWaker<W>> {
        let mut registrations = lock(&table.registrations);
        let number = registrations.next_number();
        let record = WakerRecord {
            token,
            pending: false,
        };
        registrations.wakers.insert(number, record);
        let table = Arc::clone(table);
        Ok(TableWaker { table, number })
    }

    fn wake(&self) -> io::Result<()> {
        W::wake(&self.table, self.number)
    }
}

impl<W: Watcher> Drop for TableWaker<W> {
    fn drop(&mut self) {
        lock(&self.table.registrations).wakers.remove(&self.number);
    }
}
