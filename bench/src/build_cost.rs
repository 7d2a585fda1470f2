//! The cost of a clean debug build of the library and its dependencies.

use std::{env, fs, mem, process};

use serde::{Deserialize, Serialize};

use crate::children;
use crate::stats::Summary;

#[derive(Serialize, Deserialize)]
pub struct BuildCost {
    /// Seconds of CPU, pair by pair.
    pub ours: Summary,
    pub upstream: Summary,
    pub ratio: Summary,
}

pub fn measure(pairs: usize) -> Result<BuildCost, String> {
    let (mut ours, mut upstream) = (Vec::new(), Vec::new());
    // Both packages have the same name: a path and a version distinguish them.
    let library = children::package().join("..");
    let library = library.canonicalize().map_err(|error| error.to_string())?;
    let library = format!("path+file://{}#mio", library.display());
    for _ in 0..pairs {
        ours.push(build(&library)?);
        upstream.push(build("mio@1.2.5")?);
    }
    let ratios = ours.iter().zip(&upstream).map(|(a, b)| a / b).collect();
    Ok(BuildCost {
        ratio: Summary::of(ratios),
        ours: Summary::of(ours),
        upstream: Summary::of(upstream),
    })
}

/// Builds one library from scratch. Returns the CPU time, user and system.
fn build(package: &str) -> Result<f64, String> {
    let target = env::temp_dir().join(format!("bench-{}-build", process::id()));
    let before = children_time();
    let outcome = children::output(
        children::cargo()
            .args(["build", "--quiet", "--package", package, "--manifest-path"])
            .arg(children::package().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            // Cargo compiles incrementally, and with lints, what is in a directory, but not what
            // is from a registry. Without these only ours would pay for that.
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTFLAGS", "--cap-lints=allow"),
    );
    let elapsed = children_time() - before;
    let _ = fs::remove_dir_all(&target);
    outcome.map(|_| elapsed)
}

/// The CPU time of all child processes that were waited for.
fn children_time() -> f64 {
    // SAFETY: all its fields are integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
