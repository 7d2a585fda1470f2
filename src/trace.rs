//! The one place that knows whether trace lines are wanted.

/// Writes a trace line through the `log` crate. Without the feature `log` the
/// arguments are type-checked, and nothing is executed.
#[cfg(feature = "log")]
macro_rules! trace {
    ($($line:tt)+) => { log::trace!($($line)+) };
}
#[cfg(not(feature = "log"))]
macro_rules! trace {
    ($($line:tt)+) => { if false { let _ = format_args!($($line)+); } };
}
