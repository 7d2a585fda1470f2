//! Logging macros, which do nothing without the feature `log`.

/// Logs a message of level `trace`. Without the feature `log`, the arguments are type-checked but
/// not evaluated.
#[cfg(feature = "log")]
macro_rules! trace {
    ($($line:tt)+) => { log::trace!($($line)+) };
}
#[cfg(not(feature = "log"))]
macro_rules! trace {
    ($($line:tt)+) => { if false { let _ = format_args!($($line)+); } };
}

/// In debug builds, logs a warning if warnings are enabled and `condition` holds. Release builds,
/// and builds without the feature `log`, do not evaluate the condition.
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
