//! The format of flags in `{:#?}`.

use std::fmt;
use std::ops::{BitAnd, BitXor};

/// Writes the names of the bits that are set in `flags`, and bits without a name as a number.
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Flags(u32);

    impl fmt::Display for Flags {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt_flags(f, self.0, &[(1, "ONE"), (2, "TWO"), (4, "FOUR")])
        }
    }

    #[test]
    fn flags_with_a_name_are_named_and_the_rest_is_a_number() {
        assert_eq!(Flags(0).to_string(), "0x0");
        assert_eq!(Flags(2).to_string(), "TWO");
        assert_eq!(Flags(1 | 4).to_string(), "ONE | FOUR");
        assert_eq!(Flags(4 | 0x18).to_string(), "FOUR | 0x18");
        assert_eq!(Flags(0x10).to_string(), "0x10");
    }
}
