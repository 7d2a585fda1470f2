use crate::Interest;

impl Interest {
    /// Interest in the completion of a POSIX AIO operation.
    ///
    /// This is for [`Source`]s that represent such an operation. Its `sigevent` names the poll's
    /// descriptor and the token, and starting the operation registers it. The sources of this crate
    /// ignore this interest.
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
