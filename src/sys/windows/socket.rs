//! The record of one registered socket: what it is watched for, and its AFD request.

use std::cell::UnsafeCell;
use std::panic::RefUnwindSafe;
use std::{io, mem};

use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;

use super::afd::{Afd, Request, AFD_POLL_LOCAL_CLOSE, FAILED};
use super::flags::EDGES;
use super::iocp::Selector;
use super::port::Port;
use super::queue::{Completed, Head, Queue};
use super::{base_socket, Handle};
use crate::sync::{lock, Arc, Mutex};
use crate::sys::backend::Outcome;
use crate::sys::edge::linked;
use crate::sys::edge::Edge;
use crate::sys::error::not_registered;
use crate::{Interest, Token};

/// What the sockets of a selector share.
#[derive(Default)]
pub(crate) struct Sockets(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    /// Open handles of AFD, each for a bounded number of sockets: the work that the system does
    /// for a handle grows with the number of its requests.
    devices: Vec<Device>,
    /// The sockets whose request has to be submitted or replaced.
    changes: Vec<Arc<Socket>>,
    /// Replaces the list while the requests are submitted. Both have capacity for every
    /// registered socket, so that polling does not allocate.
    spare: Vec<Arc<Socket>>,
    /// Whether a thread is waiting for packets. It does not look at the list before it gets one.
    waiting: bool,
}

struct Device {
    afd: Arc<Afd>,
    sockets: usize,
}

/// A socket's share of a device.
struct Share {
    afd: Arc<Afd>,
    sockets: Arc<Sockets>,
}

impl Sockets {
    const PER_DEVICE: usize = 32;

    /// Returns a share of a device that has space for one more socket.
    fn share(this: &Arc<Sockets>, port: &Port) -> io::Result<Share> {
        let mut shared = lock(&this.0);
        let has_space = |device: &Device| device.sockets < Self::PER_DEVICE;
        let index = match shared.devices.iter().rposition(has_space) {
            Some(index) => index,
            None => shared.add_device(Afd::open(port)?),
        };
        let device = &mut shared.devices[index];
        device.sockets += 1;
        Ok(Share {
            afd: Arc::clone(&device.afd),
            sockets: Arc::clone(this),
        })
    }

    /// Submits the queued changes. Those that come later are submitted at once, until
    /// [`stop_waiting`](Sockets::stop_waiting).
    pub(crate) fn submit_changes(&self, queue: &Queue) -> io::Result<()> {
        let mut sockets = {
            let mut shared = lock(&self.0);
            shared.waiting = true;
            let spare = mem::take(&mut shared.spare);
            mem::replace(&mut shared.changes, spare)
        };
        let mut outcome = Ok(());
        for socket in sockets.drain(..) {
            outcome = Socket::submit_change(&socket, queue).and(outcome);
        }
        let mut shared = lock(&self.0);
        // A socket that was registered meanwhile may have left a larger one.
        if shared.spare.capacity() < sockets.capacity() {
            shared.spare = sockets;
        }
        outcome
    }

    pub(crate) fn stop_waiting(&self) {
        lock(&self.0).waiting = false;
    }

    pub(crate) fn have_changes(&self) -> bool {
        !lock(&self.0).changes.is_empty()
    }
}

impl Shared {
    /// Returns the index of the device.
    fn add_device(&mut self, afd: Afd) -> usize {
        let afd = Arc::new(afd);
        self.devices.push(Device { afd, sockets: 0 });
        let most = self.devices.len() * Sockets::PER_DEVICE;
        for list in [&mut self.changes, &mut self.spare] {
            list.reserve(most - list.len());
        }
        self.devices.len() - 1
    }
}

impl Drop for Share {
    /// Closes devices that are not used any more, except one: sockets that come and go one by one
    /// must not open it each time.
    fn drop(&mut self) {
        let mut shared = lock(&self.sockets.0);
        let own = |device: &Device| Arc::ptr_eq(&device.afd, &self.afd);
        if let Some(index) = shared.devices.iter().position(own) {
            shared.devices[index].sockets -= 1;
            let unused = shared.devices.iter().filter(|device| device.sockets == 0);
            if unused.count() > 1 {
                shared.devices.swap_remove(index);
            }
        }
    }
}

#[repr(C)]
pub(crate) struct Socket {
    /// Comes first, since the pointer of its packet is that of the record. Belongs to the
    /// system, unless `State::request` is `Idle`.
    request: UnsafeCell<Request>,
    share: Share,
    base: Handle,
    state: Mutex<State>,
}

// SAFETY: the handles can be used from any thread. `request` is accessed by `Socket::request` and
// `Socket::completed` only. Both hold the lock, and know that no request is pending.
unsafe impl Send for Socket {}

// SAFETY: as above.
unsafe impl Sync for Socket {}

/// No user code runs while the record is being changed.
impl RefUnwindSafe for Socket {}

struct State {
    token: Token,
    edge: Edge,
    request: RequestState,
    /// Whether it is in the list of changes.
    queued: bool,
    /// Whether it was deregistered or closed.
    closed: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum RequestState {
    Idle,
    /// For these events.
    Pending(u32),
    /// Its packet has not been taken yet.
    Cancelled,
}

impl State {
    /// The events to request, if any.
    fn wanted(&self) -> Option<u32> {
        let flags = EDGES.wanted(&self.edge).filter(|_| !self.closed)?;
        Some(flags & !FAILED | AFD_POLL_LOCAL_CLOSE)
    }
}

/// Packets and the list of changes own clones of the record's `Arc`. These functions are not
/// methods, since `self` cannot be the `Arc` of a model checker.
impl Socket {
    /// Submits a changed request: at once if a thread is waiting for packets, otherwise before the
    /// next wait.
    fn request_update(this: &Arc<Socket>, state: &mut State, queue: &Queue) -> io::Result<()> {
        let mut shared = lock(&this.share.sockets.0);
        if shared.waiting {
            // Even if it is in the list, as after a request that was refused: the list is
            // not looked at before the next call.
            drop(shared);
            return Socket::update(this, state, queue);
        }
        // Still under the lock, so that a thread that is about to wait finds it in the list.
        Socket::enqueue(this, state, &mut shared);
        Ok(())
    }

    fn enqueue(this: &Arc<Socket>, state: &mut State, shared: &mut Shared) {
        if !state.queued {
            state.queued = true;
            shared.changes.push(Arc::clone(this));
        }
    }

    /// Submits the change of a socket that was taken from the list. After an error it is in
    /// the list again.
    fn submit_change(this: &Arc<Socket>, queue: &Queue) -> io::Result<()> {
        let mut state = lock(&this.state);
        state.queued = false;
        Socket::update(this, &mut state, queue).map_err(|error| {
            Socket::enqueue(this, &mut state, &mut lock(&this.share.sockets.0));
            error
        })
    }

    /// Brings the pending request in line with what is wanted.
    fn update(this: &Arc<Socket>, state: &mut State, queue: &Queue) -> io::Result<()> {
        match (state.request, state.wanted()) {
            (RequestState::Idle, None) => Ok(()),
            (RequestState::Idle, Some(wanted)) => Socket::request(this, state, wanted, queue),
            // It covers all that is wanted. What it reports besides is dropped then.
            (RequestState::Pending(events), Some(wanted)) if wanted & !events == 0 => Ok(()),
            // It is of no use any more, and does no harm: its result is dropped.
            (RequestState::Pending(_), None) if !state.closed => Ok(()),
            // It covers too little, or its result will be of interest to no one.
            (RequestState::Pending(_), _) => {
                this.share.afd.cancel(this.request.get());
                state.request = RequestState::Cancelled;
                Ok(())
            }
            // Already cancelled; its packet will bring us back here.
            (RequestState::Cancelled, _) => Ok(()),
        }
    }

    fn request(
        this: &Arc<Socket>,
        state: &mut State,
        wanted: u32,
        queue: &Queue,
    ) -> io::Result<()> {
        const CLOSED: Option<i32> = Some(ERROR_INVALID_HANDLE as i32);
        // An operation lacked something. The request after this one is for what is wanted.
        let pauses = state.edge.take_pause();
        let events = if pauses { AFD_POLL_LOCAL_CLOSE } else { wanted };
        // Another thread may take the packet before the call returns, and then waits for our lock.
        let submitted = queue.submit(this, |context| {
            let context = context.cast::<Head>();
            // SAFETY: no request is pending, so the memory is ours. It is part of the record, to
            // which the packet has a reference.
            let accepted = unsafe {
                let (afd, request) = (&this.share.afd, this.request.get());
                afd.poll(request, this.base, events, pauses, context)
            };
            accepted.or_else(|error| match error.raw_os_error() {
                CLOSED => Err(error),
                // We post the packet ourselves, so that the failure is reported to the user of
                // this source, and not to those of the others.
                _ => queue.port().post(context.cast()).map(|()| false),
            })
        });
        match submitted {
            Ok(is_pending) => {
                state.request = RequestState::Pending(events);
                if is_pending && !pauses {
                    EDGES.settle(&mut state.edge, 0);
                }
            }
            // It was closed as a bare handle, without being deregistered.
            Err(error) if error.raw_os_error() == CLOSED => state.closed = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    unsafe fn on_completion(head: *mut Head, _: &Queue) -> Completed {
        // SAFETY: it is the reference that `Socket::request` has submitted. The head comes first.
        let socket = unsafe { Arc::from_raw(head.cast_const().cast::<Socket>()) };
        Socket::completed(&socket)
    }

    /// The request has completed.
    fn completed(this: &Arc<Socket>) -> Completed {
        let mut state = lock(&this.state);
        state.request = RequestState::Idle;
        if state.closed {
            return Completed::Done(None);
        }
        // SAFETY: no request is pending any more, and the lock prevents a new one.
        let reported = match unsafe { &*this.request.get() }.answer() {
            // It was cancelled.
            0 => None,
            FAILED => {
                // Not the condition that was reported before.
                EDGES.settle(&mut state.edge, 0);
                EDGES.deliver(&mut state.edge, FAILED)
            }
            flags if flags & AFD_POLL_LOCAL_CLOSE != 0 => {
                // As above, while a request was pending.
                state.closed = true;
                None
            }
            flags => EDGES.deliver(&mut state.edge, flags),
        };
        if state.wanted().is_some() {
            Socket::enqueue(this, &mut state, &mut lock(&this.share.sockets.0));
        }
        Completed::Done(reported.map(|flags| (state.token, flags)))
    }
}

/// What a registered source stores: its record, and the queue, which records do not own.
pub(crate) struct Link {
    queue: Arc<Queue>,
    socket: Arc<Socket>,
}

impl linked::Link for Link {
    type Selector = Selector;

    fn register(
        selector: &Selector,
        handle: Handle,
        token: Token,
        interest: Interest,
    ) -> io::Result<Link> {
        let base = base_socket(handle)?;
        let queue = Arc::clone(&selector.queue);
        let socket = Arc::new(Socket {
            request: UnsafeCell::new(Request::new(Socket::on_completion)),
            share: Sockets::share(&selector.sockets, queue.port())?,
            base,
            state: Mutex::new(State {
                token,
                edge: Edge::new(interest),
                request: RequestState::Idle,
                queued: false,
                closed: false,
            }),
        });
        Socket::request_update(&socket, &mut lock(&socket.state), &queue)?;
        Ok(Link { queue, socket })
    }

    fn belongs_to(&self, selector: &Selector) -> bool {
        Arc::ptr_eq(&self.queue, &selector.queue)
    }

    fn reregister(&self, token: Token, interest: Interest) -> io::Result<()> {
        let mut state = lock(&self.socket.state);
        let before = mem::replace(&mut state.edge, Edge::new(interest));
        if let Err(error) = Socket::request_update(&self.socket, &mut state, &self.queue) {
            state.edge = before;
            return Err(error);
        }
        state.token = token;
        (!state.closed).then_some(()).ok_or_else(not_registered)
    }

    fn deregister(&self) -> io::Result<()> {
        let mut state = lock(&self.socket.state);
        let was_registered = !mem::replace(&mut state.closed, true);
        if mem::take(&mut state.queued) {
            let changes = &mut lock(&self.socket.share.sockets.0).changes;
            let own = |socket: &Arc<Socket>| Arc::ptr_eq(socket, &self.socket);
            // The newest changes are at the end.
            if let Some(index) = changes.iter().rposition(own) {
                changes.swap_remove(index);
            }
        }
        Socket::update(&self.socket, &mut state, &self.queue)?;
        was_registered.then_some(()).ok_or_else(not_registered)
    }

    fn rearm(&self, directions: Interest, outcome: Outcome<'_>) {
        let this = &self.socket;
        let mut state = lock(&this.state);
        if state.edge.rearm(&EDGES, directions, outcome)
            && Socket::request_update(this, &mut state, &self.queue).is_err()
        {
            // There is no one to return the error to; the next poll tries again.
            Socket::enqueue(this, &mut state, &mut lock(&this.share.sockets.0));
        }
    }
}
