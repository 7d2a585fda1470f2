use std::num::NonZeroU8;
use std::{fmt, ops};

/// What a source is registered for: the directions of readiness that shall be
/// reported, and how.
///
/// A value names at least one *direction* ([`READABLE`], [`WRITABLE`], and where
/// the system has it `PRIORITY`, `AIO` or `LIO`). Values unite with `|`.
///
/// # Trigger modes
///
/// The *trigger mode* says when an event is repeated. It holds for the whole
/// registration, all directions alike:
///
/// * **Edge**, the default: an event is reported when readiness arises. The next is
///   certain only after the source has been drained, that is, after an operation
///   in that direction answered [`WouldBlock`]; more data may cause one before.
/// * **Level**, [`Interest::level`]: every [`Poll::poll`] reports the source for
///   as long as it is ready.
/// * **One-shot**, [`Interest::oneshot`]: at most one event per direction is
///   reported until the source is [reregistered]. Whether a direction that has
///   not yet fired stays armed after an event for the other one is
///   unspecified: epoll disarms both, kqueue only the one that fired.
///
/// A one-shot event is delivered once, so that level or edge no longer makes a
/// difference to it.
///
/// # Algebra
///
/// `a | b` has the directions and the mode bits of both: uniting a level-triggered
/// interest with an edge-triggered one yields a level-triggered one.
/// [`a.remove(b)`] takes the directions *and* the mode bits of `b` away, and
/// answers `None` when no direction is left, even if mode bits are: no `Interest`
/// holds mode bits alone.
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
/// Said by sources, not by users. See [`Interest::maybe_pipe`].
const MAYBE_PIPE: u8 = 1 << 7;

/// Every direction; the rest are mode bits.
const DIRECTIONS: u8 = READABLE | WRITABLE | AIO | LIO | PRIORITY;

/// The bits by name, in the order in which `Debug` prints them.
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
    /// Interest in readable readiness: data, a connection to accept, the end of
    /// the stream, or an error to be fetched by reading.
    pub const READABLE: Interest = Interest::from_bits(READABLE);

    /// Interest in writable readiness: room to write, a connection
    /// established or refused, or an error to be fetched by writing.
    pub const WRITABLE: Interest = Interest::from_bits(WRITABLE);

    const fn from_bits(bits: u8) -> Interest {
        match Interest::try_from_bits(bits) {
            Some(interest) => interest,
            None => panic!("an interest names at least one direction"),
        }
    }

    /// The interest of these bits; `None` if they name no direction.
    pub(crate) const fn try_from_bits(bits: u8) -> Option<Interest> {
        match NonZeroU8::new(bits) {
            Some(bits) if bits.get() & DIRECTIONS != 0 => Some(Interest(bits)),
            _ => None,
        }
    }

    /// The interest as a number, by which a backend can look its flags up in a table.
    #[allow(dead_code)] // Others test the directions one by one.
    pub(crate) const fn bits(self) -> u8 {
        self.0.get()
    }

    /// Both interests as one: the directions and the trigger mode of each.
    ///
    /// The same as the operator `|`, for constants.
    #[must_use]
    #[allow(clippy::should_implement_trait)] // The name is the published API's.
    pub const fn add(self, other: Interest) -> Interest {
        Interest::from_bits(self.0.get() | other.0.get())
    }

    /// This interest without the directions and mode bits of `other`; `None`
    /// when no direction is left.
    #[must_use]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0.get() & !other.0.get();
        (left & DIRECTIONS != 0).then(|| Interest::from_bits(left))
    }

    /// The same directions, level-triggered: reported by every poll for as long
    /// as they are ready.
    ///
    /// # Portability
    ///
    /// Real on every backend: epoll without `EPOLLET`, kqueue without
    /// `EV_CLEAR`, poll(2) as it is; on Windows the request is made anew before every
    /// poll.
    #[must_use]
    pub const fn level(self) -> Interest {
        Interest::from_bits(self.0.get() | LEVEL)
    }

    /// The same directions, one-shot: silent after an event until the source is
    /// [reregistered](crate::Registry::reregister).
    ///
    /// [Deregistering](crate::Registry::deregister) works before and after the
    /// event.
    ///
    /// # Portability
    ///
    /// Real on every backend: `EPOLLONESHOT`, `EV_ONESHOT`, and not polling the
    /// source again elsewhere. After an event in one direction the other may be
    /// disarmed too (all but kqueue) or not (kqueue).
    #[must_use]
    pub const fn oneshot(self) -> Interest {
        Interest::from_bits(self.0.get() | ONESHOT)
    }

    /// Whether readable readiness is asked for.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.has(READABLE)
    }

    /// Whether writable readiness is asked for.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.has(WRITABLE)
    }

    /// Whether POSIX AIO completions are asked for (Apple's systems, DragonFly BSD and FreeBSD;
    /// `false` elsewhere).
    #[must_use]
    pub const fn is_aio(self) -> bool {
        self.has(AIO)
    }

    /// Whether completions of AIO lists are asked for (FreeBSD; `false` elsewhere).
    #[must_use]
    pub const fn is_lio(self) -> bool {
        self.has(LIO)
    }

    /// Whether out-of-band data is asked for (Linux and Android; `false` elsewhere).
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.has(PRIORITY)
    }

    /// Whether the trigger mode is level.
    #[must_use]
    pub const fn is_level(self) -> bool {
        self.has(LEVEL)
    }

    /// Whether the trigger mode is one-shot.
    #[must_use]
    pub const fn is_oneshot(self) -> bool {
        self.has(ONESHOT)
    }

    /// The same, of a source that is not a socket of this crate, and so may be the writing
    /// end of a pipe: an error is then the end of writing.
    #[allow(dead_code)] // There may be no such source.
    pub(crate) const fn maybe_pipe(self) -> Interest {
        Interest::from_bits(self.0.get() | MAYBE_PIPE)
    }

    #[allow(dead_code)] // Where errors are ambiguous.
    pub(crate) const fn is_maybe_pipe(self) -> bool {
        self.has(MAYBE_PIPE)
    }

    /// Whether the two have a bit in common.
    #[allow(dead_code)] // Of use to backends that translate by table.
    pub(crate) const fn intersects(self, other: Interest) -> bool {
        self.has(other.0.get())
    }

    const fn has(self, bits: u8) -> bool {
        self.0.get() & bits != 0
    }

    // Made public only where the system has them.
    #[allow(dead_code)]
    pub(crate) const PRIORITY_BIT: Interest = Interest::from_bits(PRIORITY);
    #[allow(dead_code)]
    pub(crate) const AIO_BIT: Interest = Interest::from_bits(AIO);
    #[allow(dead_code)]
    pub(crate) const LIO_BIT: Interest = Interest::from_bits(LIO);
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
