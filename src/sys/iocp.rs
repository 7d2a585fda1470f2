//! Completions: the system tells what has *finished*, see "I/O completion ports".
//!
//! How it differs from other mechanisms:
//!
//! * There is no readiness to wait for. But the device behind the sockets, AFD, takes a
//!   request that finishes as soon as a socket is ready (`windows/afd.rs`); its packet is the
//!   event.
//! * A request is good for one packet. What is still to be watched is asked for anew, with
//!   what is armed; `edge.rs` says which. Changes are collected until
//!   the next wait, so that reading and writing to the end between two of them makes one
//!   request. While a thread is waiting they are made at once.
//! * A request's memory is the system's until its packet has been taken, also after it was
//!   cancelled: the packet's pointer is a reference to the record that holds it.
//! * A direction that was reported and not used up is not asked for; the peer's end and
//!   errors still are, until they were reported too.
//! * Named pipes have no readiness at all. Theirs is made of operations that run in advance
//!   (`windows/named_pipe.rs`), whose packets come through the same port.
//! * Any thread can post a packet of its own, which is the waker.

use std::mem::{self, MaybeUninit};
use std::time::Duration;
use std::{fmt, io, ptr, slice};

use windows_sys::Win32::System::IO::OVERLAPPED_ENTRY;

use super::edge::linked::Linked;
use super::fmt_flags::fmt_flags;
use super::timeout::Deadline;
use super::windows::port::{Key, Port};
use super::{backend, Event};
use crate::readiness::Readiness;
use crate::sync::{lock, Arc, AtomicBool, AtomicUsize, Mutex, Ordering};
use crate::Token;

#[path = "afd_flags.rs"]
mod afd_flags;
#[path = "afd_socket.rs"]
mod afd_socket;

use afd_socket::{Devices, Link, Socket};

pub(crate) struct Selector {
    shared: Arc<Shared>,
}

/// What the selector shares with its clones, sources and wakers.
pub(crate) struct Shared {
    port: Port,
    devices: Arc<Devices>,
    changes: Mutex<Changes>,
    /// How many operations will still end in a packet with a reference in it.
    outstanding: AtomicUsize,
    /// Named pipes whose last write outlives them.
    lingering: pipe::Lingering,
}

/// The sockets for which the system is to be asked something else than it was.
#[derive(Default)]
struct Changes {
    sockets: Vec<Arc<Socket>>,
    /// Takes the place of the list while the requests are made. Both have room for every
    /// registered socket, so that no poll allocates.
    spare: Vec<Arc<Socket>>,
    registered: usize,
    /// Whether a thread is waiting for packets, which will not look here before it has one.
    waiting: bool,
}

impl Changes {
    fn make_room(&mut self) {
        for list in [&mut self.sockets, &mut self.spare] {
            if list.capacity() < self.registered {
                list.reserve(self.registered.next_power_of_two() - list.len());
            }
        }
    }
}

impl backend::Selector for Selector {
    type RawEvent = RawEvent;
    type Registration = Linked<Link>;

    fn new() -> io::Result<Selector> {
        Ok(Selector {
            shared: Arc::new(Shared {
                port: Port::new()?,
                devices: Arc::default(),
                changes: Mutex::default(),
                outstanding: AtomicUsize::new(0),
                lingering: pipe::Lingering::default(),
            }),
        })
    }

    fn try_clone(&self) -> io::Result<Selector> {
        Ok(Selector {
            shared: Arc::clone(&self.shared),
        })
    }

    /// Waits again with what is left of the time while all that came were packets that tell
    /// the user nothing. A request that was replaced is such a packet, and what replaces it
    /// may have its answer at once: a poll that does not block looks again as well.
    fn select(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = Deadline::after(timeout);
        loop {
            let requested = self.shared.request_changes();
            let taken = requested.and_then(|()| self.shared.take(events, deadline.left()));
            lock(&self.shared.changes).waiting = false;
            taken?;
            // Packets that tell nothing may have taken the room of others.
            let was_full = events.len() == events.capacity();
            self.shared.settle(events);
            let may_have_more = || was_full || self.shared.has_changes();
            if !events.is_empty() || deadline.has_passed() && !may_have_more() {
                return Ok(());
            }
        }
    }
}

impl Selector {
    #[cfg(feature = "os-ext")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    #[cfg(feature = "os-ext")]
    pub(crate) fn lingering(&self) -> &pipe::Lingering {
        &self.lingering
    }

    /// An operation has begun whose packet will carry a reference.
    pub(crate) fn began(&self) {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
    }

    /// It has not begun after all, or its packet has been taken.
    pub(crate) fn ended(&self) {
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Makes the requests that were put off, and says that from here on none shall be.
    fn request_changes(&self) -> io::Result<()> {
        let mut sockets = {
            let mut changes = lock(&self.changes);
            changes.waiting = true;
            let spare = mem::take(&mut changes.spare);
            mem::replace(&mut changes.sockets, spare)
        };
        let mut outcome = Ok(());
        sockets.retain(|socket| match Socket::catch_up(socket, self) {
            Ok(()) => false,
            // It stays in the list, for the next call to try again.
            Err(error) => {
                outcome = Err(error);
                true
            }
        });
        let mut changes = lock(&self.changes);
        changes.sockets.append(&mut sockets);
        // A socket that was registered meanwhile may have left a larger one.
        if changes.spare.capacity() < sockets.capacity() {
            changes.spare = sockets;
        }
        outcome
    }

    fn has_changes(&self) -> bool {
        !lock(&self.changes).sockets.is_empty()
    }

    /// Takes packets from the port as they are.
    fn take(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let room = events.spare_capacity_mut();
        // SAFETY: an `Event` is a transparent `OVERLAPPED_ENTRY`, so that memory which is not
        // initialised is of the one type as well as of the other.
        let room = unsafe {
            slice::from_raw_parts_mut(
                room.as_mut_ptr().cast::<MaybeUninit<OVERLAPPED_ENTRY>>(),
                room.len(),
            )
        };
        let taken = self.port.take(room, timeout)?;
        // SAFETY: the system has initialised the first `taken` entries of the room, which is
        // all of the empty vector's.
        unsafe { events.set_len(taken) };
        Ok(())
    }

    /// Turns what came from the port into events, and drops what tells the user nothing.
    ///
    /// All packets are opened before the first pipe is reported: what has become of one pipe
    /// since the last wait is one event.
    fn settle(&self, events: &mut Vec<Event>) {
        events.retain_mut(|event| self.open(&mut event.raw));
        events.retain_mut(|event| self.report(&mut event.raw));
    }

    /// Opens a packet. Returns whether there is something to report; if that waits for the
    /// other packets, the packet keeps a pointer.
    fn open(&self, raw: &mut RawEvent) -> bool {
        let context = raw.0.lpOverlapped.cast_const();
        let told = match raw.0.lpCompletionKey {
            key if key == Key::Wake as usize => {
                self.ended();
                // SAFETY: it is the reference that `Waker::wake` gave to this packet.
                unsafe { Arc::from_raw(context.cast::<Bell>()) }.heard()
            }
            key if key == Key::Socket as usize => {
                self.ended();
                // SAFETY: it is the reference that `Socket::request` gave to this packet.
                let socket = unsafe { Arc::from_raw(context.cast::<Socket>()) };
                Socket::answered(socket, self)
            }
            _ => return pipe::open(self, &mut raw.0),
        };
        raw.tell(told)
    }

    fn report(&self, raw: &mut RawEvent) -> bool {
        raw.0.lpOverlapped.is_null() || raw.tell(pipe::report(self, &raw.0))
    }

    /// Takes packets until none is outstanding.
    fn drain(&self, patience: Option<Duration>) {
        let mut room = [MaybeUninit::uninit(); 32];
        while self.outstanding.load(Ordering::Relaxed) > 0 {
            match self.port.take(&mut room, patience) {
                Ok(taken) if taken > 0 => {
                    for packet in &room[..taken] {
                        // SAFETY: the system has initialised the first `taken` entries.
                        let mut raw = RawEvent(unsafe { packet.assume_init() });
                        if self.open(&mut raw) {
                            self.report(&mut raw);
                        }
                    }
                }
                _ => break,
            }
        }
    }

    /// Leaves what is outstanding to a thread, which closes the handles of dropped pipes when
    /// their writes have ended. Without one the system still finishes the writes, but the
    /// handles stay open.
    #[cfg(feature = "os-ext")]
    fn bequeath(&mut self) {
        let Ok(port) = self.port.try_clone() else {
            return;
        };
        let heir = mem::ManuallyDrop::new(Shared {
            port,
            devices: Arc::default(),
            changes: Mutex::default(),
            outstanding: AtomicUsize::new(self.outstanding.load(Ordering::Relaxed)),
            lingering: mem::take(&mut self.lingering),
        });
        let thread = std::thread::Builder::new().name("mio-named-pipe".to_owned());
        let _ = thread.spawn(move || {
            heir.drain(None);
            if heir.outstanding.load(Ordering::Relaxed) == 0 {
                drop(mem::ManuallyDrop::into_inner(heir));
            }
        });
    }
}

/// Packets of named pipes.
mod pipe {
    #[cfg(feature = "os-ext")]
    pub(super) use crate::sys::windows::named_pipe::{open, report, Lingering};

    #[cfg(not(feature = "os-ext"))]
    pub(super) use without::*;

    #[cfg(not(feature = "os-ext"))]
    mod without {
        use super::super::{Shared, Token, OVERLAPPED_ENTRY};

        #[derive(Default)]
        pub(in super::super) struct Lingering {}

        pub(in super::super) fn open(_: &Shared, _: &mut OVERLAPPED_ENTRY) -> bool {
            false
        }

        pub(in super::super) fn report(_: &Shared, _: &OVERLAPPED_ENTRY) -> Option<(Token, u32)> {
            None
        }
    }
}

/// With the last source gone everything was cancelled but the last writes of pipes. The packets
/// hold references; they are taken, so that nothing is left behind.
impl Drop for Shared {
    fn drop(&mut self) {
        /// Cancelled operations end at once. Should one not, its memory is left to the system.
        const PATIENCE: Duration = Duration::from_secs(1);
        #[cfg(feature = "os-ext")]
        if self.lingering.count() > 0 {
            // Often the last write has ended already.
            self.drain(Some(Duration::ZERO));
            if self.lingering.count() > 0 {
                return self.bequeath();
            }
        }
        self.drain(Some(PATIENCE));
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("port", &self.shared.port)
            .finish_non_exhaustive()
    }
}

/// The waker: a packet of our own, with a reference to the bell that was rung.
pub(crate) struct Waker {
    shared: Arc<Shared>,
    bell: Arc<Bell>,
}

struct Bell {
    token: Token,
    /// Whether a packet is in the port. One is enough: where `Events` has no room for it, the
    /// wakes that come meanwhile would pile up behind it.
    ringing: AtomicBool,
    /// Whether the waker is gone. A packet of its that is still in the port is not heard.
    muffled: AtomicBool,
}

impl backend::Wake<Selector> for Waker {
    fn new(selector: &Selector, token: Token) -> io::Result<Waker> {
        Ok(Waker {
            shared: Arc::clone(&selector.shared),
            bell: Arc::new(Bell {
                token,
                ringing: AtomicBool::new(false),
                muffled: AtomicBool::new(false),
            }),
        })
    }

    /// The swaps of `ringing` stand in one order, as those of the wake flag do: who finds it
    /// set comes before the packet is heard.
    fn wake(&self) -> io::Result<()> {
        if self.bell.ringing.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let reference = Arc::into_raw(Arc::clone(&self.bell));
        self.shared.began();
        self.shared
            .port
            .post(Key::Wake, reference.cast())
            .map_err(|error| {
                self.shared.ended();
                self.bell.ringing.store(false, Ordering::Release);
                // SAFETY: there is no packet, and the reference is ours again.
                drop(unsafe { Arc::from_raw(reference) });
                error
            })
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.bell.muffled.store(true, Ordering::Relaxed);
    }
}

impl Bell {
    fn heard(&self) -> Option<(Token, u32)> {
        self.ringing.swap(false, Ordering::AcqRel);
        let muffled = self.muffled.load(Ordering::Relaxed);
        (!muffled).then_some((self.token, afd_flags::WOKEN))
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("port", &self.shared.port)
            .finish()
    }
}

/// A packet; `settle` puts the token in the place of the key, and the flags in that of the
/// count of bytes.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct RawEvent(OVERLAPPED_ENTRY);

// SAFETY: the only pointer in it is cleared before anybody sees the event.
unsafe impl Send for RawEvent {}

// SAFETY: as above.
unsafe impl Sync for RawEvent {}

impl RawEvent {
    /// Puts an event in the place of the packet. Returns whether there is one.
    fn tell(&mut self, told: Option<(Token, u32)>) -> bool {
        let Some((token, flags)) = told else {
            return false;
        };
        self.0.lpCompletionKey = token.0;
        self.0.lpOverlapped = ptr::null_mut();
        self.0.dwNumberOfBytesTransferred = flags;
        true
    }

    fn flags(&self) -> u32 {
        self.0.dwNumberOfBytesTransferred
    }
}

impl backend::RawEvent for RawEvent {
    #[inline]
    fn token(&self) -> Token {
        Token(self.0.lpCompletionKey)
    }

    #[inline]
    fn readiness(&self) -> Readiness {
        afd_flags::to_readiness(self.flags())
    }

    fn fmt_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_flags(f, self.flags(), &afd_flags::NAMES)
    }
}
