//! The one place that knows whether there is a log.

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

/// In debug builds, writes a warning through the `log` crate if it is wanted and `condition` holds.
/// Release builds, and those without the feature `log`, do not evaluate the condition.
#[cfg(feature = "log")]
macro_rules! debug_warn {
    ($condition:expr, $($line:tt)+) => {
        if cfg!(debug_assertions) && log::log_enabled!(log::Level::Warn) && $condition {
            log::warn!($($line)+);
        }
    };
}
#[cfg(not(feature = "log"))]
macro_rules! debug_warn {
    ($condition:expr, $($line:tt)+) => {
        if false {
            let _ = ($condition, format_args!($($line)+));
        }
    };
}
