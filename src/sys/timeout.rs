//! The conversion of a timeout into what system calls take, written once.

use std::time::{Duration, Instant};

/// `timeout` in whole milliseconds as `poll` and `epoll_wait` take it: rounded up,
/// so that only an exact zero does not block, and cut to the longest that a
/// C `int` holds, since a negative number means "for ever".
pub(super) fn millis(timeout: Option<Duration>) -> i32 {
    match timeout {
        None => -1,
        Some(timeout) => {
            let up = u128::from(timeout.subsec_nanos() % NANOS_PER_MILLI != 0);
            i32::try_from(timeout.as_millis() + up).unwrap_or(i32::MAX)
        }
    }
}

/// Whether `timeout` is something else than a number of milliseconds that fits.
pub(super) fn is_lossy(timeout: Duration) -> bool {
    timeout.subsec_nanos() % NANOS_PER_MILLI != 0 || timeout > LONGEST
}

/// `timeout` as `kevent` and `port_getn` take it, cut to the longest that a `time_t` holds.
#[cfg(unix)]
#[allow(deprecated)] // On musl, for a width that libc is going to change.
pub(super) fn timespec(timeout: Duration) -> libc::timespec {
    // SAFETY: made of integers, for which zero is a value. Some systems have private padding.
    let mut timespec: libc::timespec = unsafe { std::mem::zeroed() };
    timespec.tv_sec = libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX);
    timespec.tv_nsec = timeout.subsec_nanos() as _;
    timespec
}

const NANOS_PER_MILLI: u32 = 1_000_000;

/// The longest that a C `int` can say in milliseconds, 24 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// The moment at which a wait that is made of several calls has to end.
#[derive(Copy, Clone)]
pub(super) enum Deadline {
    /// Look once, do not block.
    Now,
    At(Instant),
    Never,
}

impl Deadline {
    pub(super) fn after(timeout: Option<Duration>) -> Deadline {
        match timeout {
            None => Deadline::Never,
            Some(Duration::ZERO) => Deadline::Now,
            // What the clock cannot count to is never reached.
            Some(timeout) => Instant::now()
                .checked_add(timeout)
                .map_or(Deadline::Never, Deadline::At),
        }
    }

    /// What is left to wait; `None` is for ever.
    pub(super) fn left(self) -> Option<Duration> {
        match self {
            Deadline::Now => Some(Duration::ZERO),
            Deadline::At(end) => Some(end.saturating_duration_since(Instant::now())),
            Deadline::Never => None,
        }
    }

    pub(super) fn has_passed(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edge case 1: only an exact zero does not block.
    #[test]
    fn fractions_of_a_millisecond_are_rounded_up() {
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::from_nanos(999_999))), 1);
        assert_eq!(millis(Some(Duration::from_millis(1))), 1);
        assert_eq!(millis(Some(Duration::from_nanos(1_000_001))), 2);
    }

    /// Edge cases 2 and 3: no overflow, and no negative number that means for ever.
    #[test]
    fn what_does_not_fit_is_cut_to_the_longest_that_does() {
        assert_eq!(millis(None), -1);
        assert_eq!(millis(Some(Duration::MAX)), i32::MAX);
        let longest = Duration::from_millis(i32::MAX as u64);
        assert_eq!(millis(Some(longest)), i32::MAX);
        assert_eq!(millis(Some(longest + Duration::from_nanos(1))), i32::MAX);
    }

    #[test]
    fn a_timeout_is_lossy_when_milliseconds_cannot_say_it() {
        for exact in [0, 1, 1000, i32::MAX as u64] {
            assert!(!is_lossy(Duration::from_millis(exact)), "{exact}");
        }
        for lossy in [
            Duration::from_nanos(1),
            Duration::from_micros(1500),
            Duration::from_millis(i32::MAX as u64 + 1),
            Duration::MAX,
        ] {
            assert!(is_lossy(lossy), "{lossy:?}");
        }
    }

    #[test]
    fn a_deadline_beyond_the_clock_is_never() {
        assert_eq!(Deadline::after(Some(Duration::MAX)).left(), None);
        assert!(Deadline::after(Some(Duration::ZERO)).has_passed());
        assert!(!Deadline::after(Some(Duration::from_secs(60))).has_passed());
    }
}
