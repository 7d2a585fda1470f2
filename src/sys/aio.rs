use crate::Interest;

impl Interest {
    /// Interest in the completion of a POSIX AIO operation.
    ///
    /// For [`Source`]s that are such an operation: its `sigevent` names the poll's
    /// descriptor and the token, and starting it is what registers it. The sources of
    /// this crate pass it over.
    ///
    /// # Portability
    ///
    /// Apple's systems, DragonFly BSD and FreeBSD: `EVFILT_AIO`.
    ///
    /// [`Source`]: crate::event::Source
    pub const AIO: Interest = Interest::AIO_BIT;

    /// Interest in the completion of a list of POSIX AIO operations, as
    /// [`AIO`](Interest::AIO).
    ///
    /// # Portability
    ///
    /// FreeBSD: `EVFILT_LIO`.
    #[cfg(target_os = "freebsd")]
    pub const LIO: Interest = Interest::LIO_BIT;
}
