//! The record of one registered socket: what it is watched for, and the request that is
//! made for it.

use std::cell::UnsafeCell;
use std::io;
use std::panic::RefUnwindSafe;

use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;

use super::afd_flags::{EDGES, FAILED};
use super::{Changes, Selector, Shared};
use crate::sync::{lock, Arc, Mutex};
use crate::sys::backend::Outcome;
use crate::sys::edge::{linked, Edge};
use crate::sys::error::not_registered;
use crate::sys::windows::afd::{Afd, Answer, Request, AFD_POLL_LOCAL_CLOSE};
use crate::sys::windows::base_socket;
use crate::sys::windows::port::{Key, Port};
use crate::sys::Handle;
use crate::{Interest, Token};

/// Open handles of the device, each for a bounded number of sockets: the work that the
/// system does for a handle grows with the requests that run through it.
#[derive(Default)]
pub(super) struct Devices {
    open: Mutex<Vec<Device>>,
}

struct Device {
    afd: Arc<Afd>,
    sockets: usize,
}

/// A socket's use of a device.
struct Share {
    afd: Arc<Afd>,
    devices: Arc<Devices>,
}

impl Devices {
    const SOCKETS_EACH: usize = 32;

    /// A handle that has room for one more.
    fn share(this: &Arc<Devices>, port: &Port) -> io::Result<Share> {
        let mut open = lock(&this.open);
        let has_room = |device: &Device| device.sockets < Self::SOCKETS_EACH;
        let place = match open.iter().rposition(has_room) {
            Some(place) => place,
            None => {
                let afd = Arc::new(Afd::open(port)?);
                open.push(Device { afd, sockets: 0 });
                open.len() - 1
            }
        };
        open[place].sockets += 1;
        Ok(Share {
            afd: Arc::clone(&open[place].afd),
            devices: Arc::clone(this),
        })
    }
}

impl Drop for Share {
    /// A handle that is not used any more is closed, but for one: sockets that come and go one by
    /// one shall not open it each time.
    fn drop(&mut self) {
        let mut open = lock(&self.devices.open);
        let own = |device: &Device| Arc::ptr_eq(&device.afd, &self.afd);
        if let Some(place) = open.iter().position(own) {
            open[place].sockets -= 1;
            let unused = open.iter().filter(|device| device.sockets == 0);
            if unused.count() > 1 {
                open.swap_remove(place);
            }
        }
    }
}

pub(super) struct Socket {
    share: Share,
    base: Handle,
    state: Mutex<State>,
    /// The system's, unless `State::request` is `Idle`.
    request: UnsafeCell<Request>,
}

// SAFETY: the handles can be used from any thread. Nobody touches `request` but `Socket::request`
// and `Socket::answered`, of which each holds the lock and knows that none is running.
unsafe impl Send for Socket {}

// SAFETY: as above.
unsafe impl Sync for Socket {}

/// No code of a user runs while the record is being changed.
impl RefUnwindSafe for Socket {}

struct State {
    token: Token,
    edge: Edge,
    request: Running,
    /// Whether it stands in the list of changes.
    listed: bool,
    /// Whether it was deregistered or closed.
    gone: bool,
}

/// The request that the system has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Running {
    Idle,
    Asked(u32),
    /// It was told to end, and its packet has not been taken yet.
    Cancelled,
}

impl State {
    /// What to ask of the device, if anything.
    fn wanted(&self) -> Option<u32> {
        if self.gone {
            return None;
        }
        let flags = EDGES.wanted(&self.edge)? & !FAILED;
        Some(flags | AFD_POLL_LOCAL_CLOSE)
    }
}

/// They take the record by its reference, of which packets and the list of changes hold clones,
/// and are no methods, since `self` cannot be the `Arc` of a model checker.
impl Socket {
    /// Has the system asked for what is wanted now: at once if a thread is waiting for the
    /// answer, else before one does.
    fn changed(this: &Arc<Socket>, state: &mut State, shared: &Shared) -> io::Result<()> {
        let mut changes = lock(&shared.changes);
        if changes.waiting {
            // Also if it is listed, as it is after a request that was refused: the list is
            // not looked at before the next call.
            drop(changes);
            return Socket::update(this, state, shared);
        }
        // Still under the lock: a thread that is about to wait finds it in the list.
        Socket::list(this, state, &mut changes);
        Ok(())
    }

    fn list(this: &Arc<Socket>, state: &mut State, changes: &mut Changes) {
        if !state.listed {
            state.listed = true;
            changes.sockets.push(Arc::clone(this));
        }
    }

    /// It was in the list of changes, and its turn has come. After an error it stays there.
    pub(super) fn catch_up(this: &Arc<Socket>, shared: &Shared) -> io::Result<()> {
        let mut state = lock(&this.state);
        Socket::update(this, &mut state, shared)?;
        state.listed = false;
        Ok(())
    }

    /// Brings the request that runs in line with what is wanted.
    fn update(this: &Arc<Socket>, state: &mut State, shared: &Shared) -> io::Result<()> {
        match (state.request, state.wanted()) {
            // Nobody asks, and nothing is wanted.
            (Running::Idle, None) => Ok(()),
            (Running::Idle, Some(wanted)) => Socket::request(this, state, wanted, shared),
            // What runs will tell all that is wanted; what it tells besides is dropped then.
            (Running::Asked(asked), Some(wanted)) if wanted & !asked == 0 => Ok(()),
            // What runs is of no use any more, and does no harm: its answer is dropped.
            (Running::Asked(_), None) if !state.gone => Ok(()),
            // It runs, and knows too little, or nobody will be there to hear it.
            (Running::Asked(_), _) => {
                this.share.afd.cancel(this.request.get());
                state.request = Running::Cancelled;
                Ok(())
            }
            // It has been told to end. Its packet brings us here again.
            (Running::Cancelled, _) => Ok(()),
        }
    }

    fn request(
        this: &Arc<Socket>,
        state: &mut State,
        wanted: u32,
        shared: &Shared,
    ) -> io::Result<()> {
        let reference = Arc::into_raw(Arc::clone(this));
        // The packet may be taken by another thread before the call returns; that thread then
        // waits for our lock.
        shared.began();
        // SAFETY: no request runs, so that the memory is ours. It lives as long as the record,
        // to which the packet has a reference.
        let asked = unsafe {
            this.share
                .afd
                .poll(this.request.get(), this.base, wanted, reference.cast())
        };
        const CLOSED: Option<i32> = Some(ERROR_INVALID_HANDLE as i32);
        let asked = asked.or_else(|error| match error.raw_os_error() {
            CLOSED => Err(error),
            // The packet comes from here, so that the user of this source learns of the failure,
            // and those of the others of nothing.
            _ => shared.port.post(Key::Socket, reference.cast()),
        });
        if let Err(error) = asked {
            shared.ended();
            // SAFETY: no packet will come, and the reference is ours again.
            drop(unsafe { Arc::from_raw(reference) });
            if error.raw_os_error() != CLOSED {
                return Err(error);
            }
            // Somebody closed it without deregistering, as a bare handle.
            state.gone = true;
            return Ok(());
        }
        state.request = Running::Asked(wanted);
        Ok(())
    }

    /// The packet has been taken: what does it tell the user?
    pub(super) fn answered(this: Arc<Socket>, shared: &Shared) -> Option<(Token, u32)> {
        let mut state = lock(&this.state);
        state.request = Running::Idle;
        if state.gone {
            return None;
        }
        // SAFETY: no request runs any more, and the lock keeps the next from being made.
        let told = match unsafe { &*this.request.get() }.answer() {
            Answer::Nothing => None,
            Answer::Failed => EDGES.deliver(&mut state.edge, FAILED),
            Answer::Events(flags) if flags & AFD_POLL_LOCAL_CLOSE != 0 => {
                // As above, while a request was running.
                state.gone = true;
                None
            }
            Answer::Events(flags) => EDGES.deliver(&mut state.edge, flags),
        };
        if state.wanted().is_some() {
            Socket::list(&this, &mut state, &mut lock(&shared.changes));
        }
        Some((state.token, told?))
    }
}

/// What a registered source holds.
pub(crate) struct Link {
    shared: Arc<Shared>,
    socket: Arc<Socket>,
}

impl linked::Link for Link {
    type Selector = Selector;

    fn register(
        selector: &Selector,
        socket: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<Link> {
        let shared = Arc::clone(&selector.shared);
        let base = base_socket(socket)?;
        let socket = Arc::new(Socket {
            share: Devices::share(&shared.devices, &shared.port)?,
            base,
            state: Mutex::new(State {
                token,
                edge: Edge::new(interest),
                request: Running::Idle,
                listed: false,
                gone: false,
            }),
            request: UnsafeCell::new(Request::new(base, 0)),
        });
        let mut changes = lock(&shared.changes);
        changes.registered += 1;
        changes.make_room();
        drop(changes);
        if let Err(error) = Socket::changed(&socket, &mut lock(&socket.state), &shared) {
            lock(&shared.changes).registered -= 1;
            return Err(error);
        }
        Ok(Link { shared, socket })
    }

    fn belongs_to(&self, selector: &Selector) -> bool {
        Arc::ptr_eq(&self.shared, &selector.shared)
    }

    fn reregister(&self, token: Token, interest: Interest) -> io::Result<()> {
        let mut state = lock(&self.socket.state);
        state.token = token;
        state.edge = Edge::new(interest);
        Socket::changed(&self.socket, &mut state, &self.shared)
    }

    fn deregister(&self) -> io::Result<()> {
        let mut state = lock(&self.socket.state);
        let was_there = !state.gone;
        state.gone = true;
        let mut changes = lock(&self.shared.changes);
        changes.registered -= 1;
        if state.listed {
            // The newest changes stand at the end.
            let own = |socket: &Arc<Socket>| Arc::ptr_eq(socket, &self.socket);
            if let Some(place) = changes.sockets.iter().rposition(own) {
                changes.sockets.swap_remove(place);
                state.listed = false;
            }
        }
        drop(changes);
        Socket::update(&self.socket, &mut state, &self.shared)?;
        was_there.then_some(()).ok_or_else(not_registered)
    }

    fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        let mut state = lock(&self.socket.state);
        if state.edge.rearm(&EDGES, directions, outcome)
            && Socket::changed(&self.socket, &mut state, &self.shared).is_err()
        {
            // Nobody is there to hear of it; the next call to poll tries again.
            Socket::list(&self.socket, &mut state, &mut lock(&self.shared.changes));
        }
    }
}
