use std::ops::BitOr;

/// The readiness in an event, as portable bits.
///
/// Each backend translates its own flags into these bits, so that each method of `Event` tests one
/// bit, the same on every system.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readiness(u8);

#[allow(dead_code)] // Which of them are used depends on the selector.
impl Readiness {
    pub(crate) const NONE: Readiness = Readiness(0);
    pub(crate) const READABLE: Readiness = Readiness(1);
    pub(crate) const WRITABLE: Readiness = Readiness(1 << 1);
    pub(crate) const ERROR: Readiness = Readiness(1 << 2);
    pub(crate) const READ_CLOSED: Readiness = Readiness(1 << 3);
    pub(crate) const WRITE_CLOSED: Readiness = Readiness(1 << 4);
    pub(crate) const PRIORITY: Readiness = Readiness(1 << 5);
    pub(crate) const AIO: Readiness = Readiness(1 << 6);
    pub(crate) const LIO: Readiness = Readiness(1 << 7);

    /// Returns whether any bit of `other` is set.
    #[inline]
    pub(crate) const fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns this set if `condition` holds, and the empty set otherwise.
    #[inline]
    pub(crate) const fn when(self, condition: bool) -> Readiness {
        if condition {
            self
        } else {
            Readiness::NONE
        }
    }
}

impl BitOr for Readiness {
    type Output = Readiness;

    #[inline]
    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}
