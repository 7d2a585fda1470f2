//! The interests that only some systems have.

#[allow(unused_imports)] // Some systems have neither.
use crate::Interest;

#[cfg(any(target_os = "android", target_os = "linux"))]
impl Interest {
    /// Interest in out-of-band data: urgent data of TCP, and exceptional conditions of other files.
    ///
    /// An event for it is both [`is_priority`] and [`is_readable`]. Without this interest,
    /// out-of-band data causes no event.
    ///
    /// Use it with edge triggering. With level triggering, every poll reports urgent data that the
    /// program does not receive.
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

#[cfg(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd"
))]
impl Interest {
    /// Interest in the completion of a POSIX AIO operation.
    ///
    /// Use it in a [`Source`] that represents such an operation. The operation's `sigevent`
    /// contains the poll's descriptor and the token, and starting the operation registers it. The
    /// sources of this crate ignore this interest.
    ///
    /// # Portability
    ///
    /// Apple systems, DragonFly BSD and FreeBSD: `EVFILT_AIO`.
    ///
    /// [`Source`]: crate::event::Source
    pub const AIO: Interest = Interest::AIO_BIT;

    /// Interest in the completion of a list of POSIX AIO operations; see [`AIO`](Interest::AIO).
    ///
    /// # Portability
    ///
    /// FreeBSD: `EVFILT_LIO`.
    #[cfg(target_os = "freebsd")]
    pub const LIO: Interest = Interest::LIO_BIT;
}
