//! How the flags of a system look in `{:#?}`.

use std::fmt;
use std::ops::{BitAnd, BitXor};

/// Writes those of `names` whose bits are set in `flags`, and what is left in hex.
pub(crate) fn fmt_flags<T>(f: &mut fmt::Formatter<'_>, flags: T, names: &[(T, &str)]) -> fmt::Result
where
    T: Copy + PartialEq + Default + fmt::LowerHex + BitAnd<Output = T> + BitXor<Output = T>,
{
    let none = T::default();
    let mut left = flags;
    let mut separator = "";
    for &(flag, name) in names {
        if flags & flag != none {
            write!(f, "{separator}{name}")?;
            separator = " | ";
            left = left ^ (left & flag);
        }
    }
    if left != none || flags == none {
        write!(f, "{separator}{left:#x}")?;
    }
    Ok(())
}
