//! The library's own files over loom. What is here supplies what they ask for: primitives of
//! loom's in place of the standard library's (`sync.rs`), and a system (`sys.rs`).

/// Trace lines are of no interest here.
macro_rules! trace {
    ($($line:tt)+) => { if false { let _ = format_args!($($line)+); } };
}

mod sync;
mod sys;

include!(concat!(env!("OUT_DIR"), "/modules.rs"));

pub use event::{Events, Source};
pub use interest::Interest;
pub use poll::Poll;
pub use registry::Registry;
pub use token::Token;
pub use waker::Waker;

/// A bare descriptor, as `SourceFd` is.
pub struct Descriptor(pub i32);

impl event::Source for Descriptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        sys::FdSelector::add(registry.selector(), self.0, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> std::io::Result<()> {
        sys::FdSelector::modify(registry.selector(), self.0, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> std::io::Result<()> {
        sys::FdSelector::remove(registry.selector(), self.0)
    }
}

/// A source with a registration, as every socket of the library has: its operations arm edges
/// again.
#[derive(Default)]
pub struct Socket {
    registration: sys::Registration,
    fd: i32,
}

impl Socket {
    pub fn new(fd: i32) -> Socket {
        Socket {
            registration: Default::default(),
            fd,
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token, interest: Interest) {
        use sys::seam::Registration as _;
        self.registration
            .register(registry.selector(), self.fd, token, interest)
            .unwrap();
    }

    /// An operation in `direction` would have blocked.
    pub fn would_block(&self, direction: Interest) {
        use sys::seam::Registration as _;
        self.registration.rearm(direction);
    }
}
