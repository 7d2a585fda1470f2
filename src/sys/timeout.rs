//! Timeouts as system calls take them.

use std::time::{Duration, Instant};

/// Converts `timeout` to milliseconds, for `poll` and `epoll_wait`. It is rounded up, so that only
/// zero does not block, and limited to what a C `int` holds. A negative number means no timeout.
pub(crate) fn millis(timeout: Option<Duration>) -> i32 {
    match timeout {
        None => -1,
        Some(timeout) => {
            let up = u128::from(timeout.subsec_nanos() % NANOS_PER_MILLI != 0);
            i32::try_from(timeout.as_millis() + up).unwrap_or(i32::MAX)
        }
    }
}

/// Returns whether [`millis`] changes `timeout`.
pub(crate) fn is_lossy(timeout: Duration) -> bool {
    timeout.subsec_nanos() % NANOS_PER_MILLI != 0 || timeout > LONGEST
}

/// Converts `timeout` for system calls. It is limited to what a `time_t` holds.
#[cfg(unix)]
#[allow(deprecated)] // On musl, because libc will change the width of `time_t`.
pub(crate) fn timespec(timeout: Duration) -> libc::timespec {
    // SAFETY: consists of integers, for which zero is valid. Some systems have private padding.
    let mut timespec: libc::timespec = unsafe { std::mem::zeroed() };
    timespec.tv_sec = libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX);
    timespec.tv_nsec = timeout.subsec_nanos() as _;
    timespec
}

const NANOS_PER_MILLI: u32 = 1_000_000;

/// The longest timeout in milliseconds that a C `int` holds, 24 days.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// The longest timeout that every `kevent` and `port_getn` takes, three years. macOS before 10.15
/// rejects longer ones; later versions reject more seconds than an `int` holds. illumos adds the
/// timeout to the time of day, and waits for nothing if a `time_t` does not hold the sum.
pub(crate) const LONGEST_TIMESPEC: Duration = Duration::from_secs(100_000_000);

/// When a wait that consists of several calls has to end.
#[derive(Copy, Clone)]
pub(crate) enum Deadline {
    /// Check once, without blocking.
    Now,
    At(Instant),
    Never,
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        match timeout {
            None => Deadline::Never,
            Some(Duration::ZERO) => Deadline::Now,
            // A time that the clock cannot represent is never reached.
            Some(timeout) => Instant::now()
                .checked_add(timeout)
                .map_or(Deadline::Never, Deadline::At),
        }
    }

    /// Returns the remaining time; `None` if there is no limit.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Deadline::Now => Some(Duration::ZERO),
            Deadline::At(end) => Some(end.saturating_duration_since(Instant::now())),
            Deadline::Never => None,
        }
    }

    pub(crate) fn has_passed(self) -> bool {
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

    /// Edge cases 2 and 3: no overflow, and no negative number, which means no timeout.
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
