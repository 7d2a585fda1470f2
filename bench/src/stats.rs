//! Medians and their errors.

use serde::{Deserialize, Serialize};

/// A median with its quartiles.
#[derive(Copy, Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    count: usize,
}

impl Summary {
    pub fn of(mut values: Vec<f64>) -> Summary {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (below, above) = (
                values[place.floor() as usize],
                values[place.ceil() as usize],
            );
            below + (above - below) * place.fract()
        };
        Summary {
            median: at(0.5),
            low: at(0.25),
            high: at(0.75),
            count: values.len(),
        }
    }

    /// The standard error of the median. In a normal distribution the quartiles are 1.35
    /// standard deviations apart, and the median's standard error is 1.25 σ/√n.
    pub fn error(&self) -> f64 {
        (self.high - self.low) / 1.35 * 1.25 / (self.count as f64).sqrt()
    }

    /// Applies a decreasing or increasing function to the median and the quartiles.
    pub fn map(self, function: impl Fn(f64) -> f64) -> Summary {
        let (a, b) = (function(self.low), function(self.high));
        Summary {
            median: function(self.median),
            low: a.min(b),
            high: a.max(b),
            count: self.count,
        }
    }
}
