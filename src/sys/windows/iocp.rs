//! The selector of Windows: an I/O completion port, which reports what has *finished*.
//!
//! How it differs from other mechanisms:
//!
//! * There is no readiness to wait for. But AFD, the device behind every socket, accepts a
//!   request that completes when a socket becomes ready (`afd.rs`, `socket.rs`); its packet is
//!   the event.
//! * A request completes once. What is still armed (`edge.rs`) is requested again. Changes are
//!   collected until the next wait, so that reading and writing until `WouldBlock` between
//!   two waits costs one request. While a thread is waiting they are submitted at once.
//! * Named pipes have no readiness at all. It is made of operations that run in advance
//!   (`named_pipe.rs`), whose packets come through the same port.
//! * Any thread can post a packet of its own, which is the waker.
//! * A packet carries a pointer to memory that belongs to the system until the packet has been
//!   taken, even after a cancellation (`queue.rs`).

use std::mem::MaybeUninit;
use std::time::Duration;
use std::{fmt, io, ptr, slice};

use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use super::flags;
use super::queue::{Completed, Head, Queue};
use super::socket::{Link, Sockets};
use crate::readiness::Readiness;
use crate::sync::{Arc, AtomicBool, Ordering};
use crate::sys::backend;
use crate::sys::edge::linked::Linked;
use crate::sys::fmt_flags::fmt_flags;
use crate::sys::timeout::Deadline;
use crate::sys::Event;
use crate::Token;

#[derive(Clone)]
pub(crate) struct Selector {
    pub(super) queue: Arc<Queue>,
    pub(super) sockets: Arc<Sockets>,
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Linked<Link>;

    fn new() -> io::Result<Selector> {
        Ok(Selector {
            queue: Arc::new(Queue::new()?),
            sockets: Arc::default(),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(self.clone())
    }

    /// Waits again for the rest of the time if all packets were of no interest to the user. The
    /// packet of a replaced request is such a packet, and the request that replaces it may
    /// complete at once, so a poll that does not block looks again too.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            let submitted = self.sockets.submit_changes(&self.queue);
            let dequeued = submitted.and_then(|()| self.dequeue(events, deadline.left()));
            self.sockets.stop_waiting();
            dequeued?;
            // Packets without an event may have left no space for others.
            let was_full = events.len() == events.capacity();
            self.dispatch(events);
            let may_have_more = || was_full || self.sockets.have_changes();
            if !events.is_empty() || deadline.has_passed() && !may_have_more() {
                return Ok(());
            }
        }
    }
}

impl Selector {
    /// Takes packets from the port, and leaves them as they are.
    fn dequeue(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let spare = events.spare_capacity_mut();
        // SAFETY: an `Event` is a transparent `OVERLAPPED_ENTRY`, so uninitialised memory of one
        // type is also that of the other.
        let spare = unsafe {
            slice::from_raw_parts_mut(
                spare.as_mut_ptr().cast::<MaybeUninit<OVERLAPPED_ENTRY>>(),
                spare.len(),
            )
        };
        let count = self.queue.dequeue(spare, timeout)?;
        // SAFETY: the vector was empty, and the system has initialised the first `count` entries of
        // its capacity.
        unsafe { events.set_len(count) };
        Ok(())
    }

    /// Replaces packets by their events, and drops those that have none.
    fn dispatch(&self, events: &mut Vec<Event>) {
        events.retain_mut(|event| event.raw.complete(&self.queue));
        // What was put off until all packets had been completed.
        events.retain_mut(|event| event.raw.is_event() || event.raw.complete(&self.queue));
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("port", self.queue.port())
            .finish_non_exhaustive()
    }
}

/// A waker posts a packet that leads to its target.
pub(crate) struct Waker {
    queue: Arc<Queue>,
    target: Arc<WakeTarget>,
}

#[repr(C)]
struct WakeTarget {
    head: Head,
    token: Token,
    /// Whether a packet is in the port. One is enough: if `Events` has no space for it, packets of
    /// further wakes would pile up behind it.
    posted: AtomicBool,
    /// Whether the waker was dropped. Its packet, if one is still in the port, is not reported.
    dropped: AtomicBool,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        Ok(Waker {
            queue: Arc::clone(&selector.queue),
            target: Arc::new(WakeTarget {
                head: Head::new(WakeTarget::on_completion),
                token,
                posted: AtomicBool::new(false),
                dropped: AtomicBool::new(false),
            }),
        })
    }

    /// The swaps of `posted` have a total order, like those of the wake flag: a wake that finds it
    /// set precedes the completion of the packet.
    fn wake(&self) -> io::Result<()> {
        if self.target.posted.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.queue
            .submit(&self.target, |target| self.queue.port().post(target.cast()))
            .map_err(|error| {
                self.target.posted.store(false, Ordering::Release);
                error
            })
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.target.dropped.store(true, Ordering::Relaxed);
    }
}

impl WakeTarget {
    unsafe fn on_completion(head: *mut Head, _: &Queue) -> Completed {
        // SAFETY: it is the reference that `Waker::wake` has submitted. The head comes first.
        let target = unsafe { Arc::from_raw(head.cast_const().cast::<WakeTarget>()) };
        target.posted.swap(false, Ordering::AcqRel);
        let is_heard = !target.dropped.load(Ordering::Relaxed);
        Completed::Done(is_heard.then_some((target.token, flags::WOKEN)))
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("port", self.queue.port())
            .finish()
    }
}

/// A packet, and after its completion an event: the token replaces the key, and the flags
/// replace the number of bytes.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(OVERLAPPED_ENTRY);

// SAFETY: the only pointer in it is cleared before the user gets the event.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl RawEvent {
    fn is_event(&self) -> bool {
        self.0.lpOverlapped.is_null()
    }

    /// Completes the packet. Returns whether there is an event, now or after another completion.
    fn complete(&mut self, queue: &Queue) -> bool {
        // SAFETY: the packet has just been taken, or was put off before.
        match unsafe { queue.complete(self.0.lpOverlapped.cast()) } {
            Completed::Done(None) => return false,
            Completed::Done(Some((token, flags))) => self.set(token, flags),
            Completed::Later(head) => self.0.lpOverlapped = head.cast(),
        }
        true
    }

    fn set(&mut self, token: Token, flags: u32) {
        self.0.lpCompletionKey = token.0;
        self.0.lpOverlapped = ptr::null_mut();
        self.0.dwNumberOfBytesTransferred = flags;
    }

    fn flags(&self) -> u32 {
        self.0.dwNumberOfBytesTransferred
    }
}

impl backend::RawEvent for RawEvent {
    fn of_wake(token: Token) -> RawEvent {
        let mut event = RawEvent(OVERLAPPED_ENTRY::default());
        event.set(token, flags::WOKEN);
        event
    }

    #[inline]
    fn token(&self) -> Token {
        Token(self.0.lpCompletionKey)
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        flags::to_readiness(self.flags())
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_flags(f, self.flags(), &flags::NAMES)
    }
}
