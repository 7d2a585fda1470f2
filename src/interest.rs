use std::num::NonZeroU8;
use std::{fmt, ops};

/// Specifies which kinds of readiness to report for a source, and in which trigger mode.
///
/// An `Interest` contains at least one *direction*: [`READABLE`], [`WRITABLE`] or, on systems that
/// support it, `PRIORITY`, `AIO` or `LIO`. Combine interests with `|`.
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
/// [`WouldBlock`]: std::io::ErrorKind::WouldBlock
/// [`Poll::poll`]: crate::Poll::poll
/// [reregistered]: crate::Registry::reregister
/// [`a.remove(b)`]: Interest::remove
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interest(NonZeroU8);

const READABLE: u8 = 1;
const WRITABLE: u8 = 1 << 1;
const AIO: u8 = 1 << 2;
const LIO: u8 = 1 << 3;
const PRIORITY: u8 = 1 << 4;
const LEVEL: u8 = 1 << 5;
const ONESHOT: u8 = 1 << 6;
/// Set by sources, not by users. See [`Interest::maybe_pipe`].
const MAYBE_PIPE: u8 = 1 << 7;

/// All directions. The other bits are mode bits.
const DIRECTIONS: u8 = READABLE | WRITABLE | AIO | LIO | PRIORITY;

/// The names of the bits, in the order in which `Debug` prints them.
const NAMES: [(u8, &str); 7] = [
    (READABLE, "READABLE"),
    (WRITABLE, "WRITABLE"),
    (PRIORITY, "PRIORITY"),
    (AIO, "AIO"),
    (LIO, "LIO"),
    (LEVEL, "LEVEL"),
    (ONESHOT, "ONESHOT"),
];

impl Interest {
    /// Interest in readable events: data, a connection to accept, the end of the stream, or an
    /// error that reading returns.
    pub const READABLE: Interest = Interest::from_bits(READABLE);

    /// Interest in writable events: room to write, a connection that was established or refused, or
    /// an error that writing returns.
    pub const WRITABLE: Interest = Interest::from_bits(WRITABLE);

    const fn from_bits(bits: u8) -> Interest {
        match Interest::try_from_bits(bits) {
            Some(interest) => interest,
            None => panic!("an interest names at least one direction"),
        }
    }

    /// Returns the interest with these bits, or `None` if they contain no direction.
    pub(crate) const fn try_from_bits(bits: u8) -> Option<Interest> {
        match NonZeroU8::new(bits) {
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
        let left = self.0.get() & !other.0.get();
        (left & DIRECTIONS != 0).then(|| Interest::from_bits(left))
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

    const fn has(self, bits: u8) -> bool {
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

    /// Returns the bits, as an index into a table of flags.
    pub(crate) const fn bits(self) -> u8 {
        self.0.get()
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
