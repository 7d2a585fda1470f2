//! The library's own files over loom. What is here supplies what they need: loom's primitives
//! instead of the standard library's (`sync.rs`), and models of a system. `tree.rs.in` declares the
//! modules.

/// Trace messages are discarded.
macro_rules! trace {
    ($($line:tt)+) => { if false { let _ = format_args!($($line)+); } };
}

mod sync;

include!(concat!(env!("OUT_DIR"), "/tree.rs"));

pub use event::{Events, Source};
pub use interest::Interest;
pub use poll::Poll;
pub use registry::Registry;
pub use token::Token;
pub use waker::Waker;

use sys::backend::{Outcome, Registration as _, Wake as _};

/// A bare descriptor, as `SourceFd` is.
#[cfg(not(feature = "iocp"))]
pub struct Descriptor(pub i32);

#[cfg(not(feature = "iocp"))]
impl event::Source for Descriptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        sys::registration::FdSelector::add(registry.selector(), self.0, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        sys::registration::FdSelector::modify(registry.selector(), self.0, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> std::io::Result<()> {
        sys::registration::FdSelector::remove(registry.selector(), self.0)
    }
}

/// A source with a registration, as every socket of the library has: its operations arm edges
/// again.
#[derive(Default)]
pub struct Socket {
    registration: sys::Registration,
    handle: sys::Handle,
}

impl Socket {
    pub fn new(handle: sys::Handle) -> Socket {
        Socket {
            registration: Default::default(),
            handle,
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token, interest: Interest) {
        self.registration
            .register(registry.selector(), self.handle, token, interest)
            .unwrap();
    }

    pub fn reregister(&mut self, registry: &Registry, token: Token, interest: Interest) {
        self.try_reregister(registry, token, interest).unwrap();
    }

    pub fn try_reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        self.registration
            .reregister(registry.selector(), self.handle, token, interest)
    }

    pub fn deregister(&mut self, registry: &Registry) {
        self.registration
            .deregister(registry.selector(), self.handle)
            .unwrap();
    }

    /// An operation in `direction` would have blocked.
    pub fn would_block(&self, direction: Interest) {
        let error = std::io::ErrorKind::WouldBlock.into();
        self.registration.rearm(direction, Outcome::Failed(&error));
    }

    /// An operation in `direction` failed, because no descriptor was free.
    pub fn lacks_descriptor(&self, direction: Interest) {
        let error = std::io::Error::from_raw_os_error(libc::EMFILE);
        let outcome = Outcome::FailedToTake(&error);
        self.registration.rearm(direction, outcome);
    }
}

/// Hands out the descriptor of the poll, as `AsFd` does.
pub fn watch(registry: &Registry) {
    registry.wake_flag().watch();
}

/// Whether the system has an event, so that the descriptor of the poll is readable.
pub fn has_event(poll: &Poll) -> bool {
    let mut events = sys::Event::buffer(4);
    let now = Some(std::time::Duration::ZERO);
    sys::backend::Selector::select(poll.registry().selector(), &mut events, now).unwrap();
    !events.is_empty()
}

/// The selector's part of a [`Waker`]. Its wakes are not coalesced, like those of the second waker
/// of a poll in a release build.
pub struct BareWaker(sys::Waker);

impl BareWaker {
    pub fn new(registry: &Registry, token: Token) -> BareWaker {
        BareWaker(sys::Waker::new(registry.selector(), token).unwrap())
    }

    pub fn wake(&self) {
        self.0.wake().unwrap();
    }
}
