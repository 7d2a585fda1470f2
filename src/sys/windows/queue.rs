//! The packets of a completion port, and the records that they lead to.
//!
//! Every packet carries a pointer to the [`Head`] of a record, and owns a reference to that
//! record: its memory belongs to the system until the packet has been taken, even if the
//! operation was cancelled. The head's function takes the reference back and determines what
//! there is to report. So this file knows neither sockets nor pipes.
//!
//! Records do not own a [`Queue`], so packets in the port do not keep it alive. The last owner
//! of the queue takes the packets that are left in it.

use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::time::Duration;
use std::{io, ptr, thread};

use windows_sys::Win32::Foundation::{RtlNtStatusToDosError, NTSTATUS, STATUS_PENDING};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, OVERLAPPED, OVERLAPPED_ENTRY};

use super::port::Port;
use crate::sync::{Arc, AtomicUsize, Ordering};
use crate::Token;

/// The beginning of everything that a packet's pointer leads to.
#[repr(C)]
pub(crate) struct Head {
    /// For the system. Its first two fields are also an `IO_STATUS_BLOCK`.
    overlapped: OVERLAPPED,
    on_completion: OnCompletion,
}

/// Handles a packet that has been taken from the port.
///
/// Safety: the pointer is that of a packet that was submitted with this head, or was returned as
/// [`Completed::Later`], and is passed exactly once. The function takes over the reference that
/// goes with it.
pub(crate) type OnCompletion = unsafe fn(*mut Head, &Queue) -> Completed;

/// The result of a packet.
pub(crate) enum Completed {
    /// With what there is to report.
    Done(Option<(Token, u32)>),
    /// To be completed again, after all other packets that were taken at the same time.
    Later(*mut Head),
}

// SAFETY: the pointers in it are the system's, and are not followed here.
unsafe impl Send for Head {}

// SAFETY: as above.
unsafe impl Sync for Head {}

impl Head {
    pub(crate) fn new(on_completion: OnCompletion) -> Head {
        Head {
            overlapped: OVERLAPPED::default(),
            on_completion,
        }
    }

    /// Prepares a system call that takes an `IO_STATUS_BLOCK`, and returns the pointer to it.
    pub(crate) fn prepare(&mut self) -> *mut IO_STATUS_BLOCK {
        self.set_status(STATUS_PENDING);
        ptr::addr_of_mut!(self.overlapped).cast()
    }

    pub(crate) fn set_status(&mut self, status: NTSTATUS) {
        self.overlapped.Internal = status as usize;
    }

    /// How the operation ended.
    pub(crate) fn status(&self) -> NTSTATUS {
        self.overlapped.Internal as NTSTATUS
    }

    /// How many bytes it moved.
    pub(crate) fn moved(&self) -> usize {
        self.overlapped.InternalHigh
    }
}

/// Converts a status, of which only errors are failures: everything else ends in a packet. The
/// two highest bits distinguish success, information, warnings and errors.
pub(crate) fn success(status: NTSTATUS) -> Result<(), i32> {
    if status as u32 >> 30 == 3 {
        // SAFETY: takes no pointer.
        return Err(unsafe { RtlNtStatusToDosError(status) } as i32);
    }
    Ok(())
}

/// A completion port, and how many packets are still to come. Shared by a selector and its
/// clones, sources and wakers.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Also owned by a thread, if packets outlive the queue.
    port: Arc<Port>,
    outstanding: AtomicUsize,
    /// How many of the outstanding operations are not cancelled although their source has been
    /// dropped.
    lingering: AtomicUsize,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Queue> {
        Ok(Queue {
            port: Arc::new(Port::new()?),
            outstanding: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
        })
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    /// Calls `start` with a reference to `record`, which the packet that it submits will own.
    /// `start` must return `Ok` if, and only if, a packet will come.
    pub(crate) fn submit<T, R, E>(
        &self,
        record: &Arc<T>,
        start: impl FnOnce(*const T) -> Result<R, E>,
    ) -> Result<R, E> {
        // Another thread may take the packet before the call returns.
        let reference = Arc::into_raw(Arc::clone(record));
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        start(reference).map_err(|error| {
            self.outstanding.fetch_sub(1, Ordering::Relaxed);
            // SAFETY: no packet will come, and the reference is ours again.
            drop(unsafe { Arc::from_raw(reference) });
            error
        })
    }

    /// Waits for packets. Returns how many were written to `entries`, each of which has to be
    /// [completed](Queue::complete).
    pub(crate) fn dequeue(
        &self,
        entries: &mut [MaybeUninit<OVERLAPPED_ENTRY>],
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        let count = self.port.dequeue(entries, timeout)?;
        self.outstanding.fetch_sub(count, Ordering::Relaxed);
        Ok(count)
    }

    /// # Safety
    ///
    /// `head` is that of a packet that has been taken, or was returned as `Completed::Later`, and
    /// is passed once.
    pub(crate) unsafe fn complete(&self, head: *mut Head) -> Completed {
        // SAFETY: the packet's reference keeps the record in place, whose memory is not the
        // system's any more. The rest is the caller's promise.
        unsafe { ((*head).on_completion)(head, self) }
    }

    /// The source of an operation was dropped, and the operation will not be cancelled.
    pub(crate) fn linger(&self) {
        self.lingering.fetch_add(1, Ordering::Relaxed);
    }

    /// Such an operation has ended.
    pub(crate) fn lingered(&self) {
        self.lingering.fetch_sub(1, Ordering::Relaxed);
    }

    fn has_lingering(&self) -> bool {
        self.lingering.load(Ordering::Relaxed) > 0
    }

    /// Completes packets until none is outstanding.
    fn drain(&self, patience: Option<Duration>) {
        let mut entries = [MaybeUninit::uninit(); 32];
        while self.outstanding.load(Ordering::Relaxed) > 0 {
            let Ok(count @ 1..) = self.dequeue(&mut entries, patience) else {
                return;
            };
            for entry in &entries[..count] {
                // SAFETY: the system has initialised the first `count` entries.
                let mut head = unsafe { entry.assume_init_ref() }.lpOverlapped.cast();
                // SAFETY: the packet has just been taken, or asks to be completed again.
                while let Completed::Later(again) = unsafe { self.complete(head) } {
                    head = again;
                }
            }
        }
    }

    /// Leaves the outstanding packets to a thread.
    ///
    /// No way to leave the writes to the system alone was found. What becomes of a pending write
    /// when its handle is closed is not documented, and Wine discards it. The handle cannot be
    /// given to the system's thread pool, since it has a port already
    /// (`FileReplaceCompletionInformation` needs Windows 8.1, and is reported to fail while an
    /// operation is pending). Waiting for the handle does not distinguish a write from a read, and
    /// an event for the writes would cost each pipe another handle. Besides, two dropped ends that
    /// write to each other must go on reading, or neither would be closed.
    fn drain_in_thread(&mut self) {
        let successor = ManuallyDrop::new(Queue {
            port: Arc::clone(&self.port),
            outstanding: mem::replace(&mut self.outstanding, AtomicUsize::new(0)),
            lingering: mem::replace(&mut self.lingering, AtomicUsize::new(0)),
        });
        // Without a thread the system still finishes the writes, but the handles stay open.
        let _ = thread::Builder::new()
            .name("mio-named-pipe".to_owned())
            .spawn(move || {
                successor.drain(None);
                if !successor.has_lingering() {
                    drop(ManuallyDrop::into_inner(successor));
                }
            });
    }
}

/// When the last source is gone, every operation has been cancelled, except the last writes of
/// pipes. The packets own references, so they are taken.
impl Drop for Queue {
    fn drop(&mut self) {
        /// Cancelled operations end at once. If one does not, its memory is left to the system.
        const PATIENCE: Duration = Duration::from_secs(1);
        if self.has_lingering() {
            // Often the last write has ended already.
            self.drain(Some(Duration::ZERO));
            if self.has_lingering() {
                return self.drain_in_thread();
            }
        }
        self.drain(Some(PATIENCE));
    }
}
