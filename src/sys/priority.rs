use crate::Interest;

impl Interest {
    /// Interest in out-of-band data (TCP's urgent data, the exceptional
    /// conditions of other files).
    ///
    /// An event with it answers [`is_priority`], and [`is_readable`] as well.
    /// Without it out-of-band data cause no event at all.
    ///
    /// Under level triggering a peer that sends urgent data which the program
    /// does not take causes events without end; keep to edges.
    ///
    /// # Portability
    ///
    /// Linux and Android: `EPOLLPRI`, `POLLPRI`. The poll(2) backend reports it once, and
    /// again after `reregister` or a `try_io` that answers an error: take the
    /// out-of-band data through `try_io`, until it would block.
    ///
    /// [`is_priority`]: crate::event::Event::is_priority
    /// [`is_readable`]: crate::event::Event::is_readable
    pub const PRIORITY: Interest = Interest::PRIORITY_BIT;
}
