//! Numbers as text.

use crate::stats::Summary;

/// Rounds to about three significant digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 99.95 => format!("{value:.0}"),
        middle if middle >= 9.995 => format!("{value:.1}"),
        small if small >= 0.0995 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

pub fn time(nanos: f64) -> String {
    match nanos {
        long if long >= 1e6 => format!("{} ms", figure(nanos / 1e6)),
        middle if middle >= 1e3 => format!("{} µs", figure(nanos / 1e3)),
        _ => format!("{} ns", figure(nanos)),
    }
}

/// A median with its quartiles.
pub fn spread(summary: Summary) -> String {
    let Summary {
        median, low, high, ..
    } = summary;
    format!("{} ({}–{})", figure(median), figure(low), figure(high))
}
