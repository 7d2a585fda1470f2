use std::{fmt, io};

use crate::event::Source;
use crate::sync::Arc;
use crate::sys::{self, backend::Selector};
use crate::wake_flag::WakeFlag;
use crate::{Interest, Token};

/// Registers sources with a [`Poll`].
///
/// [`Poll::registry`] returns a poll's registry. [`Registry::try_clone`] creates another one, which
/// can be moved to another thread and used while the poll is waiting.
///
/// # Rules
///
/// A source may be registered with only one poll at a time, and only once. Registering it twice, or
/// reregistering or deregistering it with a poll that it is not registered with, is a bug in the
/// program. Debug builds report it for every socket and pipe of this crate, as [`AlreadyExists`] or
/// [`NotFound`]. Release builds detect only what the backend does: epoll and kqueue accept
/// registering a source with a second *poll*. kqueue also accepts a second registration with the
/// same poll, because it cannot be queried for existing ones.
///
/// [`Poll`]: crate::Poll
/// [`Poll::registry`]: crate::Poll::registry
/// [`AlreadyExists`]: io::ErrorKind::AlreadyExists
/// [`NotFound`]: io::ErrorKind::NotFound
pub struct Registry {
    selector: sys::Selector,
    /// Clones of a registry share it, so that it identifies the poll.
    wake_flag: Arc<WakeFlag>,
}

impl Registry {
    #[cfg(feature = "os-poll")]
    pub(crate) fn new() -> io::Result<Registry> {
        Ok(Registry {
            selector: Selector::new()?,
            wake_flag: Arc::new(WakeFlag::new()),
        })
    }

    /// Registers `source` with the poll: its events carry `token`, and `interest` specifies which
    /// directions to report and in which trigger mode.
    ///
    /// If the source is already ready, the next poll reports it.
    ///
    /// A source in blocking mode is accepted, but I/O on it can stall the event loop. On Unix,
    /// debug builds with the feature `log` log a warning when a socket or pipe of this crate is
    /// registered in blocking mode.
    ///
    /// # Errors
    ///
    /// * [`AlreadyExists`]: the source is already registered.
    /// * [`PermissionDenied`] (`EPERM`): a `SourceFd` refers to a file that cannot be polled, such
    ///   as a regular file or a directory. kqueue accepts them.
    /// * `BrokenPipe`: on NetBSD, OpenBSD, FreeBSD, DragonFly BSD and macOS before 10.15, the reading
    ///   end of a pipe is closed and `interest` is level-triggered.
    /// * `InvalidInput`: the system does not support this interest; see
    ///   [`READ_CLOSED`](Interest::READ_CLOSED) and [`exclusive`](Interest::exclusive).
    /// * `EBADF`: a `SourceFd` is not an open descriptor.
    /// * `ENOSPC`, `ENOMEM`, on Solaris `EAGAIN`: the system's limit on registrations has been
    ///   reached.
    ///
    /// # Portability
    ///
    /// Calls [`epoll_ctl`] with `EPOLL_CTL_ADD` on epoll, [`kevent`] with `EV_ADD` on kqueue, and
    /// [`port_associate`] on Solaris. The poll(2) and Windows backends add the source to a table;
    /// on Windows the next poll submits the request, or this call does if a poll is running.
    ///
    /// [`AlreadyExists`]: io::ErrorKind::AlreadyExists
    /// [`PermissionDenied`]: io::ErrorKind::PermissionDenied
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [`kevent`]: https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2
    /// [`port_associate`]: https://illumos.org/man/3C/port_associate
    #[doc(alias = "epoll_ctl")]
    pub fn register<S>(&self, source: &mut S, token: Token, interest: Interest) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("registering a source: {token:?}, interest: {interest:?}");
        source.register(self, token, interest)
    }

    /// Replaces the token, the directions and the trigger mode of a registered `source`.
    ///
    /// This also rearms the source: a direction that is ready is reported by the next poll, whether
    /// or not it was reported before, and a one-shot source that has fired can fire again.
    ///
    /// # Errors
    ///
    /// * [`NotFound`](io::ErrorKind::NotFound): the source is not registered.
    /// * [`AlreadyExists`](io::ErrorKind::AlreadyExists): in debug builds, the source is registered
    ///   with another poll.
    /// * Otherwise as for [`Registry::register`].
    ///
    /// After an error the previous registration is unchanged, with three exceptions, after which
    /// the source is no longer registered: a `SourceFd` on kqueue, on epoll an
    /// [exclusive](Interest::exclusive) source when the system's limit on registrations has been
    /// reached, and a named pipe on Windows.
    ///
    /// # Portability
    ///
    /// Calls [`epoll_ctl`](https://man7.org/linux/man-pages/man2/epoll_ctl.2.html) with
    /// `EPOLL_CTL_MOD`, or `EPOLL_CTL_DEL` and `EPOLL_CTL_ADD` for an
    /// [exclusive](Interest::exclusive) registration; otherwise as for [`Registry::register`].
    #[doc(alias = "epoll_ctl")]
    pub fn reregister<S>(&self, source: &mut S, token: Token, interest: Interest) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("reregistering a source: {token:?}, interest: {interest:?}");
        source.reregister(self, token, interest)
    }

    /// Stops reporting events of `source`.
    ///
    /// No poll that starts afterwards reports the source. Events already delivered into an
    /// [`Events`](crate::Events) remain there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the source is not registered with this poll.
    ///
    /// # Portability
    ///
    /// Calls [`epoll_ctl`] with `EPOLL_CTL_DEL` on epoll, [`kevent`] with `EV_DELETE` on kqueue,
    /// [`port_dissociate`] on Solaris, and on Windows [`NtCancelIoFileEx`] if a request is pending.
    /// The poll(2) backend removes the source from its table.
    ///
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [`kevent`]: https://man.freebsd.org/cgi/man.cgi?query=kevent&sektion=2
    /// [`port_dissociate`]: https://illumos.org/man/3C/port_dissociate
    /// [`NtCancelIoFileEx`]: https://learn.microsoft.com/en-us/windows/win32/devnotes/nt-cancel-io-file-ex
    #[doc(alias = "epoll_ctl")]
    pub fn deregister<S>(&self, source: &mut S) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("deregistering a source");
        source.deregister(self)
    }

    /// Creates another registry for the same poll, which does not borrow the [`Poll`] and can be
    /// moved to another thread.
    ///
    /// The registry can outlive the `Poll`, but events can no longer be received once the `Poll` is
    /// dropped.
    ///
    /// # Errors
    ///
    /// Fails with `EMFILE` when the process has run out of descriptors.
    ///
    /// # Portability
    ///
    /// Calls [`fcntl`] with `F_DUPFD_CLOEXEC` on epoll and kqueue. Other backends make no system
    /// call.
    ///
    /// [`Poll`]: crate::Poll
    /// [`fcntl`]: https://man7.org/linux/man-pages/man2/fcntl.2.html
    pub fn try_clone(&self) -> io::Result<Registry> {
        Ok(Registry {
            selector: self.selector.try_clone()?,
            wake_flag: Arc::clone(&self.wake_flag),
        })
    }

    #[inline]
    pub(crate) fn selector(&self) -> &sys::Selector {
        &self.selector
    }

    #[inline]
    pub(crate) fn wake_flag(&self) -> &Arc<WakeFlag> {
        &self.wake_flag
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("selector", &self.selector)
            .finish()
    }
}
