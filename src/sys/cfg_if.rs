/// Expands to the items of the first branch whose condition holds.
///
/// It has the name and the syntax of the macro of the crate `cfg-if`, because rustfmt follows the
/// `mod` lines in macros of that name only.
macro_rules! cfg_if {
    (@unless [$($earlier:meta)*]) => {};
    (@unless [$($earlier:meta)*] { $($items:tt)* }) => {
        #[cfg(not(any($($earlier),*)))]
        cfg_if! { @items $($items)* }
    };
    (@unless [$($earlier:meta)*]
        if #[cfg($condition:meta)] { $($items:tt)* } $(else $($rest:tt)*)?
    ) => {
        #[cfg(all($condition, not(any($($earlier),*))))]
        cfg_if! { @items $($items)* }
        cfg_if! { @unless [$($earlier)* $condition] $($($rest)*)? }
    };
    (@items $($items:tt)*) => { $($items)* };
    ($($branches:tt)*) => { cfg_if! { @unless [] $($branches)* } };
}
