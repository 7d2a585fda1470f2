use std::num::NonZeroU16;
use std::{fmt, ops};

/// Specifies which kinds of readiness to report for a source, and in which trigger mode.
///
/// An `Interest` contains at least one *direction*: [`READABLE`], [`WRITABLE`], [`READ_CLOSED`] or,
/// on systems that support it, `PRIORITY`, `AIO` or `LIO`. Combine interests with `|`.
///
/// # Trigger modes
///
/// The *trigger mode* determines when an event is repeated. It applies to the whole registration,
/// to all directions alike:
///
/// * **Edge**, the default: an event is reported when the source becomes ready. The next event is
///   guaranteed only after the source has been drained, that is, after an operation in that
///   direction has returned [`WouldBlock`]. More data may cause an event before that.
/// * **Level**, [`Interest::level`]: every [`Poll::poll`] reports the source for as long as it is
///   ready.
/// * **One-shot**, [`Interest::oneshot`]: at most one event per direction is reported until the
///   source is [reregistered]. Whether a direction that has not yet fired stays armed after an
///   event for the other one is unspecified: epoll disarms both, kqueue only the one that fired.
///
/// A one-shot event is delivered once, so combining one-shot with level makes no difference.
///
/// # Combining interests
///
/// `a | b` contains the directions and the mode bits of both. The union of a level-triggered and an
/// edge-triggered interest is therefore level-triggered. [`a.remove(b)`] removes the directions
/// *and* the mode bits of `b` from `a`. It returns `None` if no direction is left, even if mode
/// bits are: an `Interest` never consists of mode bits alone.
///
/// # Examples
///
/// ```
/// use mio::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable() && !both.is_level());
/// assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
/// assert_eq!(Interest::READABLE.level().remove(Interest::READABLE), None);
/// ```
///
/// [`READABLE`]: Interest::READABLE
/// [`WRITABLE`]: Interest::WRITABLE
/// [`READ_CLOSED`]: Interest::READ_CLOSED
/// [`WouldBlock`]: std::io::ErrorKind::WouldBlock
/// [`Poll::poll`]: crate::Poll::poll
/// [reregistered]: crate::Registry::reregister
/// [`a.remove(b)`]: Interest::remove
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest(NonZeroU16);

// A backend translates with a table by the low byte, in which is all that epoll knows.
const READABLE: u16 = 1;
const WRITABLE: u16 = 1 << 1;
const READ_CLOSED: u16 = 1 << 2;
const PRIORITY: u16 = 1 << 3;
const LEVEL: u16 = 1 << 4;
const ONESHOT: u16 = 1 << 5;
const EXCLUSIVE: u16 = 1 << 6;
/// Set by sources, not by users. See [`Interest::maybe_pipe`].
const MAYBE_PIPE: u16 = 1 << 7;
const AIO: u16 = 1 << 8;
const LIO: u16 = 1 << 9;

/// All directions. The other bits are mode bits.
const DIRECTIONS: u16 = READABLE | WRITABLE | READ_CLOSED | PRIORITY | AIO | LIO;

/// The names of the bits, in the order in which `Debug` prints them.
const NAMES: [(u16, &str); 9] = [
    (READABLE, "READABLE"),
    (WRITABLE, "WRITABLE"),
    (PRIORITY, "PRIORITY"),
    (AIO, "AIO"),
    (LIO, "LIO"),
    (READ_CLOSED, "READ_CLOSED"),
    (LEVEL, "LEVEL"),
    (ONESHOT, "ONESHOT"),
    (EXCLUSIVE, "EXCLUSIVE"),
];

impl Interest {
    /// Interest in readable events: data, a connection to accept, the end of the stream, or an
    /// error that reading returns.
    pub const READABLE: Interest = Interest::from_bits(READABLE);

    /// Interest in writable events: room to write, a connection that was established or refused, or
    /// an error that writing returns.
    pub const WRITABLE: Interest = Interest::from_bits(WRITABLE);

    /// Interest in the end of the stream, and in resets and hang-ups. Data causes no event.
    ///
    /// Use it for a stream that is not being read, such as the connection of a client whose
    /// response is still being computed. The end is reported even while data is unread. The event
    /// is [read-closed], and usually also readable. [`READABLE`](Interest::READABLE) includes this
    /// interest.
    ///
    /// For sources other than streams, the meaning is unspecified.
    ///
    /// # Portability
    ///
    /// * epoll: `EPOLLRDHUP` ([`epoll_ctl`]). poll(2) on Linux and Android: `POLLRDHUP`.
    /// * kqueue: `EVFILT_READ` with a low-water mark (`NOTE_LOWAT`) that is never reached. The mark
    ///   applies only to sockets: on FreeBSD, NetBSD, OpenBSD and DragonFly BSD, data in a pipe
    ///   causes events. Apple systems lower the mark to the size of the receive buffer: when the
    ///   buffer is full, there is an event that is not read-closed.
    /// * Windows: `AFD_POLL_DISCONNECT` and `AFD_POLL_ABORT`. Under Wine, and for a named pipe, the
    ///   end is reported only once the data before it has been read.
    /// * Event ports, and poll(2) elsewhere, cannot distinguish the end from data. Unless the
    ///   interest includes `READABLE` as well, registering fails with `InvalidInput`.
    ///
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [read-closed]: crate::event::Event::is_read_closed
    ///
    /// # Examples
    ///
    /// See [Shutting down](crate::guide#shutting-down).
    #[doc(alias = "EPOLLRDHUP")]
    #[doc(alias = "POLLRDHUP")]
    pub const READ_CLOSED: Interest = Interest::from_bits(READ_CLOSED);

    const fn from_bits(bits: u16) -> Interest {
        match Interest::try_from_bits(bits) {
            Some(interest) => interest,
            None => panic!("an interest names at least one direction"),
        }
    }

    /// Returns the interest with these bits, or `None` if they contain no direction.
    pub(crate) const fn try_from_bits(bits: u16) -> Option<Interest> {
        match NonZeroU16::new(bits) {
            Some(bits) if bits.get() & DIRECTIONS != 0 => Some(Interest(bits)),
            _ => None,
        }
    }

    /// Returns the union of both interests: the directions and mode bits of each.
    ///
    /// This is the operator `|` as a `const fn`.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // The name is part of the published API.
    pub const fn add(self, other: Interest) -> Interest {
        Interest::from_bits(self.0.get() | other.0.get())
    }

    /// Returns this interest without the directions and mode bits of `other`, or `None` if no
    /// direction is left.
    #[must_use]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        Interest::try_from_bits(self.0.get() & !other.0.get())
    }

    /// Returns this interest in level-triggered mode: every poll reports the source for as long as
    /// it is ready.
    ///
    /// # Portability
    ///
    /// Supported on every backend. epoll omits `EPOLLET` and kqueue `EV_CLEAR`; poll(2) is
    /// level-triggered by nature; on Windows the request is submitted again before every poll.
    #[must_use]
    pub const fn level(self) -> Interest {
        Interest::from_bits(self.0.get() | LEVEL)
    }

    /// Returns this interest in one-shot mode: after an event, the source is not reported again
    /// until it is [reregistered](crate::Registry::reregister).
    ///
    /// The source can be [deregistered](crate::Registry::deregister) before and after the event.
    ///
    /// # Portability
    ///
    /// Supported on every backend: `EPOLLONESHOT` on epoll, `EV_ONESHOT` on kqueue; other backends
    /// stop polling the source. After an event in one direction, the other direction stays armed on
    /// kqueue; on other backends it may be disarmed too.
    #[must_use]
    pub const fn oneshot(self) -> Interest {
        Interest::from_bits(self.0.get() | ONESHOT)
    }

    /// Returns this interest in exclusive mode: if several polls wait for the same object, an event
    /// wakes at least one of them, but not necessarily all.
    ///
    /// Use it for a listener that several threads share, each with a duplicate (`try_clone`) and a
    /// poll of its own, so that a connection does not wake all of them. Every poll has to register
    /// the listener in this mode. A poll that is not waiting may receive the event too.
    ///
    /// # Portability
    ///
    /// `EPOLLEXCLUSIVE` ([`epoll_ctl`]) on Linux (since 4.5) and Android; no effect elsewhere. On
    /// Linux and Android
    ///
    /// * registering fails with `InvalidInput` if the interest includes
    ///   [`READ_CLOSED`](Interest::READ_CLOSED) or `PRIORITY`, if it is one-shot, or if the source
    ///   is itself a poll;
    /// * the end of a stream is reported as readable, but not as read-closed, and
    ///   [`Event::is_write_closed`] cannot distinguish a socket from a pipe;
    /// * [reregistering](crate::Registry::reregister) deletes the registration and adds another.
    ///
    /// [`epoll_ctl`]: https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
    /// [`Event::is_write_closed`]: crate::event::Event::is_write_closed
    ///
    /// # Examples
    ///
    /// See [Several threads](crate::guide#several-threads).
    #[doc(alias = "EPOLLEXCLUSIVE")]
    #[must_use]
    pub const fn exclusive(self) -> Interest {
        Interest::from_bits(self.0.get() | EXCLUSIVE)
    }

    /// Returns whether the interest includes readable events.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.has(READABLE)
    }

    /// Returns whether the interest includes writable events.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.has(WRITABLE)
    }

    /// Returns whether the interest includes completions of POSIX AIO operations (Apple systems,
    /// DragonFly BSD and FreeBSD; `false` elsewhere).
    #[must_use]
    pub const fn is_aio(self) -> bool {
        self.has(AIO)
    }

    /// Returns whether the interest includes completions of lists of POSIX AIO operations (FreeBSD;
    /// `false` elsewhere).
    #[must_use]
    pub const fn is_lio(self) -> bool {
        self.has(LIO)
    }

    /// Returns whether the interest includes out-of-band data (Linux and Android; `false`
    /// elsewhere).
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.has(PRIORITY)
    }

    /// Returns whether the interest includes [`READ_CLOSED`](Interest::READ_CLOSED).
    #[must_use]
    pub const fn is_read_closed(self) -> bool {
        self.has(READ_CLOSED)
    }

    /// Returns whether the interest is level-triggered.
    #[must_use]
    pub const fn is_level(self) -> bool {
        self.has(LEVEL)
    }

    /// Returns whether the interest is one-shot.
    #[must_use]
    pub const fn is_oneshot(self) -> bool {
        self.has(ONESHOT)
    }

    /// Returns whether the interest is [exclusive](Interest::exclusive).
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        self.has(EXCLUSIVE)
    }

    const fn has(self, bits: u16) -> bool {
        self.0.get() & bits != 0
    }
}

/// What some backends and sources use.
#[allow(dead_code)]
impl Interest {
    // Public only on systems that support them.
    pub(crate) const PRIORITY_BIT: Interest = Interest::from_bits(PRIORITY);
    pub(crate) const AIO_BIT: Interest = Interest::from_bits(AIO);
    pub(crate) const LIO_BIT: Interest = Interest::from_bits(LIO);

    /// Returns the low byte, as an index into a table of flags.
    pub(crate) const fn index(self) -> u8 {
        self.0.get() as u8
    }

    /// Returns whether the interest includes the end of the stream, alone or with data.
    pub(crate) const fn includes_end(self) -> bool {
        self.has(READABLE | READ_CLOSED)
    }

    /// Marks the interest as that of a source that is not a socket of this crate. Such a source may
    /// be the writing end of a pipe, for which an error means that the reading end is closed.
    pub(crate) const fn maybe_pipe(self) -> Interest {
        Interest::from_bits(self.0.get() | MAYBE_PIPE)
    }

    pub(crate) const fn is_maybe_pipe(self) -> bool {
        self.has(MAYBE_PIPE)
    }
}

impl ops::BitOr for Interest {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (bit, name) in NAMES {
            if self.has(bit) {
                write!(f, "{separator}{name}")?;
                separator = " | ";
            }
        }
        Ok(())
    }
}
