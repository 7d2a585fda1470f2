use crate::sync::{AtomicBool, Ordering};

/// Shared by a poll, its registries and its waker: is a wake on its way?
///
/// While one is, a further wake has nothing to do: the event that is coming
/// will be seen after it. That saves the system call of every wake but the
/// first between two polls.
///
/// # Why no wake is lost
///
/// `raise` and `clear` are both read-modify-write operations with acquire and
/// release ordering, so all of them stand in one order, each seeing what the
/// ones before it published. A waker that finds the flag raised stands before
/// the `clear` of the poll that will deliver the event: what its thread wrote
/// before it woke is visible to whoever handles that event. A waker that comes
/// after that `clear` finds the flag lowered and writes anew. A plain load in
/// place of the swap in `raise` would not stand in that order: it may be
/// satisfied before the caller's own earlier stores are visible, and a wake
/// is lost.
///
/// `clear` may come although the wake's own record was not among the events
/// (the user's `Events` was full): the next wake then writes once more than
/// needed, which is harmless. A backend that has to drain its wake object does
/// so before the user's poll clears the flag; the other order would let the
/// drain swallow the write of a wake that came in between, with the flag raised
/// for ever.
#[derive(Debug, Default)]
pub(crate) struct WakeFlag {
    /// Whether a live waker uses the flag.
    claimed: AtomicBool,
    /// Whether that waker has sent a wake that no poll has delivered yet.
    pending: AtomicBool,
}

impl WakeFlag {
    /// Takes the flag for one waker; `false` if another live one has it.
    pub(crate) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Gives the flag back, lowered: closing a wake object drops an event that
    /// it has pending, and a flag left up would mute the next waker.
    pub(crate) fn release(&self) {
        self.pending.store(false, Ordering::Release);
        self.claimed.store(false, Ordering::Release);
    }

    /// Announces a wake. `true` tells the caller to send it; otherwise one
    /// that was sent earlier, and has not been delivered, serves for both.
    #[inline]
    pub(crate) fn raise(&self) -> bool {
        !self.pending.swap(true, Ordering::AcqRel)
    }

    /// Takes an announcement back whose sending failed.
    pub(crate) fn retract(&self) {
        self.pending.store(false, Ordering::Release);
    }

    /// Called between taking events from the system and showing them to the user.
    #[inline]
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}
