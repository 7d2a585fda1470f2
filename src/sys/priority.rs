use crate::Interest;

impl Interest {
    /// Interest in out-of-band data: urgent data of TCP, and exceptional conditions of other files.
    ///
    /// An event for it is both [`is_priority`] and [`is_readable`]. Without this interest,
    /// out-of-band data causes no event.
    ///
    /// Use it with edge triggering. With level triggering, a peer that sends urgent data which the
    /// program does not receive causes an endless series of events.
    ///
    /// # Portability
    ///
    /// Linux and Android: `EPOLLPRI`, `POLLPRI`. The poll(2) backend reports it once, and again
    /// after `reregister` or after a `try_io` that returns an error: receive the out-of-band data
    /// through `try_io` until it returns `WouldBlock`.
    ///
    /// [`is_priority`]: crate::event::Event::is_priority
    /// [`is_readable`]: crate::event::Event::is_readable
    pub const PRIORITY: Interest = Interest::PRIORITY_BIT;
}
