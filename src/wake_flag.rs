use crate::sync::{AtomicBool, Ordering};

/// Records whether a wake is pending. Shared by a poll, its registries and its waker.
///
/// While a wake is pending, a further wake has nothing to do: its event will be handled afterwards
/// anyway. This saves the system call of every wake except the first between two polls.
///
/// # Why no wake is lost
///
/// `raise` and `clear` are both read-modify-write operations with acquire and release ordering, so
/// they have a total order in which each sees what the previous ones published. A wake that finds
/// the flag raised precedes the `clear` of the poll that will deliver the event: what its thread
/// wrote before is visible to the thread that handles the event. A wake that follows this `clear`
/// finds the flag lowered and is sent. A plain load instead of the swap in `raise` would not be
/// part of that order: it could be performed before the caller's own earlier stores are visible,
/// and a wake would be lost.
///
/// A poll may call `clear` without having returned the event of the wake, because the user's
/// `Events` was full. The next wake then makes an unnecessary system call, which is harmless. A
/// backend that has to drain its wake object must do so before the poll clears the flag. In the
/// other order, the drain could swallow a wake that was sent in between, and the flag would stay
/// raised forever.
#[derive(Debug, Default)]
pub(crate) struct WakeFlag {
    /// Whether a live waker uses the flag.
    claimed: AtomicBool,
    /// Whether that waker has sent a wake that no poll has delivered yet.
    pending: AtomicBool,
}

impl WakeFlag {
    /// Claims the flag for a waker. Returns `false` if another live waker has claimed it.
    pub(crate) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Releases and lowers the flag. Closing a wake object discards its pending event, so a flag
    /// that stayed raised would silence the next waker.
    pub(crate) fn release(&self) {
        self.pending.store(false, Ordering::Release);
        self.claimed.store(false, Ordering::Release);
    }

    /// Records a wake. Returns `true` if the caller must send it, and `false` if an earlier wake is
    /// still pending and serves for both.
    #[inline]
    pub(crate) fn raise(&self) -> bool {
        !self.pending.swap(true, Ordering::AcqRel)
    }

    /// Lowers the flag after a wake could not be sent.
    pub(crate) fn retract(&self) {
        self.pending.store(false, Ordering::Release);
    }

    /// Lowers the flag. Called after receiving events from the system and before returning them to
    /// the user.
    #[inline]
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}
