use std::{fmt, io};

use crate::event::Source;
use crate::sync::Arc;
use crate::sys::{self, seam::Selector as _};
use crate::wake_flag::WakeFlag;
use crate::{Interest, Token};

/// Registers sources with a [`Poll`].
///
/// A registry comes from [`Poll::registry`]; [`Registry::try_clone`] makes one that
/// can be given to another thread, and used while the poll is polling.
///
/// # Rules
///
/// A source is registered with one poll at a time, once. Registering it twice,
/// or reregistering or deregistering it with a poll that does not have it, is
/// an error of the program. Debug builds report it for every socket and pipe of this
/// crate, as [`AlreadyExists`] or [`NotFound`]; in release builds the backend's own
/// answer is all there is, which for a second *poll* is on epoll and kqueue to accept. kqueue
/// cannot be asked what is registered, and accepts a second registration as well.
///
/// [`Poll`]: crate::Poll
/// [`Poll::registry`]: crate::Poll::registry
/// [`AlreadyExists`]: io::ErrorKind::AlreadyExists
/// [`NotFound`]: io::ErrorKind::NotFound
pub struct Registry {
    selector: sys::Selector,
    wake_flag: Arc<WakeFlag>,
    /// Tells one poll from another, clones included.
    #[cfg(debug_assertions)]
    id: PollId,
}

impl Registry {
    #[cfg(feature = "os-poll")]
    pub(crate) fn new() -> io::Result<Registry> {
        Ok(Registry {
            selector: sys::Selector::new()?,
            wake_flag: Arc::default(),
            #[cfg(debug_assertions)]
            id: PollId::next(),
        })
    }

    /// Starts to report events of `source` for the directions and in the mode of
    /// `interest`, marked with `token`.
    ///
    /// A source that is ready already is reported by the next poll.
    ///
    /// A source in blocking mode is accepted, and then its I/O can stall the event loop. On Unix,
    /// debug builds with the feature `log` warn of it if it is a socket or pipe of this crate.
    ///
    /// # Errors
    ///
    /// * [`AlreadyExists`]: the source is registered already.
    /// * [`PermissionDenied`] (`EPERM`): a [`SourceFd`] is of a kind that cannot be
    ///   polled, such as a regular file or a directory. kqueue accepts files.
    /// * `BrokenPipe`: on NetBSD, OpenBSD, FreeBSD and DragonFly, the reader of a pipe
    ///   is gone and `interest` is level-triggered.
    /// * `EBADF`: a [`SourceFd`] is not an open descriptor.
    /// * `ENOSPC`, `ENOMEM`: the system's limit on registrations is reached.
    ///
    /// # Portability
    ///
    /// `epoll_ctl(EPOLL_CTL_ADD)`; `kevent` with `EV_ADD`; `port_associate`; a table of ours for
    /// poll(2), and on Windows, where the next poll, or this call if one is running, makes
    /// the request.
    ///
    /// [`AlreadyExists`]: io::ErrorKind::AlreadyExists
    /// [`PermissionDenied`]: io::ErrorKind::PermissionDenied
    #[cfg_attr(
        all(unix, feature = "os-ext"),
        doc = "[`SourceFd`]: crate::unix::SourceFd"
    )]
    #[cfg_attr(
        not(all(unix, feature = "os-ext")),
        doc = "[`SourceFd`]: crate::features"
    )]
    #[doc(alias = "epoll_ctl")]
    pub fn register<S>(&self, source: &mut S, token: Token, interest: Interest) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("registering a source: {token:?}, interest: {interest:?}");
        source.register(self, token, interest)
    }

    /// Replaces token, directions and mode of a registered `source`.
    ///
    /// It also arms the source anew: a direction that is ready at that moment is
    /// reported by the next poll, whether it was reported before or not, and a
    /// one-shot source that had fired can fire again.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the source is not registered; in debug
    /// builds [`AlreadyExists`](io::ErrorKind::AlreadyExists) if it is with another poll;
    /// otherwise as for [`Registry::register`]. After an error the source is registered as
    /// before, except that a `SourceFd` no longer is on kqueue.
    ///
    /// # Portability
    ///
    /// `epoll_ctl(EPOLL_CTL_MOD)`; otherwise as for [`Registry::register`].
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
    /// No poll that starts afterwards reports it. Events that were delivered into
    /// an [`Events`](crate::Events) before stay there.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the source is not registered with
    /// this poll.
    ///
    /// # Portability
    ///
    /// `epoll_ctl(EPOLL_CTL_DEL)`; `kevent` with `EV_DELETE`; `port_dissociate`; on Windows
    /// `NtCancelIoFileEx` if a request is running; a table of ours for poll(2).
    #[doc(alias = "epoll_ctl")]
    pub fn deregister<S>(&self, source: &mut S) -> io::Result<()>
    where
        S: Source + ?Sized,
    {
        trace!("deregistering a source");
        source.deregister(self)
    }

    /// Makes another registry of the same poll, to be used by another thread or
    /// kept beside the poll.
    ///
    /// It does not keep the poll alive in any useful sense: with the [`Poll`]
    /// gone nobody can ask for events any more.
    ///
    /// # Errors
    ///
    /// Those of duplicating a descriptor: `EMFILE` when the process has none left.
    ///
    /// # Portability
    ///
    /// `fcntl(F_DUPFD_CLOEXEC)` on epoll and kqueue; the others need no system call.
    ///
    /// [`Poll`]: crate::Poll
    pub fn try_clone(&self) -> io::Result<Registry> {
        Ok(Registry {
            selector: self.selector.try_clone()?,
            wake_flag: Arc::clone(&self.wake_flag),
            #[cfg(debug_assertions)]
            id: self.id,
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

    #[cfg(debug_assertions)]
    #[allow(dead_code)] // Asked by the sources of `net` and `os-ext`.
    pub(crate) fn id(&self) -> PollId {
        self.id
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("selector", &self.selector)
            .finish()
    }
}

/// The identity of a poll, for the checks of debug builds.
#[cfg(debug_assertions)]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct PollId(usize);

#[cfg(debug_assertions)]
impl PollId {
    #[cfg(feature = "os-poll")]
    fn next() -> PollId {
        use std::sync::atomic::{AtomicUsize, Ordering};

        static NEXT: AtomicUsize = AtomicUsize::new(0);
        PollId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
