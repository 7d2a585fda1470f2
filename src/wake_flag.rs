use crate::event::Event;
use crate::sync::{lock, Arc, AtomicU8, AtomicUsize, Mutex, Ordering};
use crate::sys::{self, backend::Wake as _};
use crate::Token;

/// A wake whose event no poll has delivered yet. Further wakes have nothing to do.
const PENDING: u8 = 1;
/// The system is going to report the pending wake.
const SENT: u8 = 1 << 1;
/// The poll blocks in the system, is about to, or does not look out for wakes: they must be sent.
const ASLEEP: u8 = 1 << 2;
/// The descriptor of the poll was handed out, so something else may be waiting for it.
const WATCHED: u8 = 1 << 3;

/// Decides which wakes need a system call. Shared by a poll, its registries and its waker.
///
/// A wake is recorded here. Only the first wake that finds the poll asleep is sent through the
/// system. The poll finds any other wake before it would block, or after it has checked its
/// sources, and creates the event itself.
///
/// # Why no wake is lost
///
/// Everything that a thread decides by is in one atomic variable and changed by read-modify-write
/// operations with acquire and release ordering, which have a total order. A wake is therefore
/// either before the poll's `fall_asleep`, which sees it and does not let the poll block, or after
/// it, and then sees `ASLEEP` and is sent. What its thread wrote before is visible to the thread
/// that handles the event, even if an earlier wake stands for it: the operation that clears
/// `PENDING` follows both. A plain load in `raise` would not be part of that order. It could be
/// performed before the caller's own earlier stores are visible.
///
/// `PENDING` stays set until the event is in the user's hands, so that a wake has one event even if
/// a poll returned without it, because `Events` was full or a signal came first. `SENT` remembers
/// meanwhile that the system has it. This is decided in the same operation that clears `ASLEEP`,
/// since a wake that comes later is not sent.
///
/// An `ASLEEP` left behind by a panic costs system calls until the next poll, but loses no wake.
#[derive(Debug)]
pub(crate) struct WakeFlag {
    state: AtomicU8,
    /// The live waker that uses the flag.
    waker: Mutex<Option<Arc<sys::Waker>>>,
    /// Its token.
    token: AtomicUsize,
}

/// What a poll has found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    No,
    /// The system has reported the wake, or is going to.
    BySystem,
    /// The poll has to deliver the wake itself.
    Unsent,
}

impl WakeFlag {
    pub(crate) fn new() -> WakeFlag {
        WakeFlag {
            state: AtomicU8::new(ASLEEP),
            waker: Mutex::new(None),
            token: AtomicUsize::new(0),
        }
    }

    /// Claims the flag for `waker`. Returns `false` if another live waker has claimed it.
    pub(crate) fn claim(&self, waker: &Arc<sys::Waker>, token: Token) -> bool {
        let mut slot = lock(&self.waker);
        let is_free = slot.is_none();
        if is_free {
            self.token.store(token.0, Ordering::Release);
            *slot = Some(Arc::clone(waker));
        }
        is_free
    }

    /// Releases the flag. A pending wake is discarded, as the system discards it with the object
    /// that it was sent through.
    pub(crate) fn release(&self) {
        let mut slot = lock(&self.waker);
        // Before another waker can claim the flag, whose wake must not be discarded.
        self.retract();
        *slot = None;
    }

    /// Records a wake. Returns whether the caller must send it.
    #[inline]
    pub(crate) fn raise(&self) -> bool {
        let before = self.state.fetch_or(PENDING, Ordering::AcqRel);
        before & PENDING == 0 && before & (ASLEEP | WATCHED) != 0
    }

    /// Forgets the pending wake, which could not be sent.
    pub(crate) fn retract(&self) {
        self.state.fetch_and(!(PENDING | SENT), Ordering::AcqRel);
    }

    /// From now on every wake is sent: the descriptor of the poll must become readable.
    #[allow(dead_code)] // Not every system has such a descriptor.
    pub(crate) fn watch(&self) {
        let before = self.state.fetch_or(WATCHED, Ordering::AcqRel);
        if before & PENDING != 0 && !is_sent(before) {
            self.send();
        }
    }

    /// Returns whether a wake is pending.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.state.load(Ordering::Acquire) & PENDING != 0
    }

    /// To be called before the poll blocks. Returns `false` if it must not, because a wake is
    /// pending that the system does not know of.
    pub(crate) fn fall_asleep(&self) -> bool {
        let before = self.state.fetch_or(ASLEEP, Ordering::AcqRel);
        before & PENDING == 0 || is_sent(before)
    }

    /// To be called after the system has been asked for events and has reported `events`.
    /// `slept` is whether `ASLEEP` was set meanwhile. It is cleared, except if no wake is pending
    /// and `stays_asleep` says so.
    pub(crate) fn wake_up(&self, slept: bool, stays_asleep: bool, events: &[Event]) -> Woken {
        let wakes = |state: u8| match state & PENDING {
            0 => Woken::No,
            _ if slept || is_sent(state) => Woken::BySystem,
            _ => Woken::Unsent,
        };
        let next = |state: u8| {
            Some(match wakes(state) {
                Woken::No if stays_asleep => state,
                Woken::No | Woken::Unsent => state & !ASLEEP,
                Woken::BySystem if self.is_among(events) => state & !(ASLEEP | PENDING | SENT),
                Woken::BySystem => state & !ASLEEP | SENT,
            })
        };
        let (Ok(before) | Err(before)) =
            self.state
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        wakes(before)
    }

    /// Adds the event of a pending wake that the system does not know of to `events`. If they are
    /// full the wake is sent, and waits for its turn among what the system has to report.
    pub(crate) fn deliver(&self, events: &mut Vec<Event>) {
        if events.len() == events.capacity() {
            // Not if the waker was dropped meanwhile, and with it the wake.
            let sent = |state| (state & PENDING != 0).then_some(state | SENT);
            let _ = self
                .state
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, sent);
            return self.send();
        }
        self.retract();
        // After the flag is lowered: if the waker has been replaced meanwhile, the wake that was
        // taken is that of its successor.
        events.push(Event::of_wake(self.token()));
    }

    /// Whether the system has reported the wake. A source that has the waker's token can be taken
    /// for it, which costs another event of the wake.
    fn is_among(&self, events: &[Event]) -> bool {
        events
            .iter()
            .any(|event| event.token() == self.token() && event.is_only_readable())
    }

    fn token(&self) -> Token {
        Token(self.token.load(Ordering::Acquire))
    }

    /// Makes the system report the pending wake.
    #[cold]
    fn send(&self) {
        if let Some(waker) = &*lock(&self.waker) {
            if waker.wake().is_err() {
                // The next poll finds the wake itself, unless it takes the wake for sent.
                self.state.fetch_and(!(SENT | WATCHED), Ordering::AcqRel);
            }
        }
    }
}

/// Whether the system reports the wake that is pending in `state`.
fn is_sent(state: u8) -> bool {
    state & (SENT | WATCHED) != 0
}
