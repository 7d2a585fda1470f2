//! What a clean debug build of the library costs, its dependencies included.

use std::{env, fs, mem, process};

use crate::children;
use crate::stats::Summary;

pub struct BuildCost {
    /// Seconds of CPU, pair by pair.
    pub ours: Summary,
    pub upstream: Summary,
    pub ratio: Summary,
}

pub fn measure(pairs: usize) -> Result<BuildCost, String> {
    let (mut ours, mut upstream) = (Vec::new(), Vec::new());
    // A path and a version tell apart what has one name.
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

/// Builds one library from nothing; returns the CPU time in user and kernel.
fn build(package: &str) -> Result<f64, String> {
    let target = env::temp_dir().join(format!("bench-{}-build", process::id()));
    let before = children_time();
    let outcome = children::output(
        children::cargo()
            .args(["build", "--quiet", "--package", package, "--manifest-path"])
            .arg(children::package().join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            // Cargo compiles what is in a directory for later changes and looks for lints in it,
            // and with what is from a registry it does neither; without these only ours would
            // pay for that.
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTFLAGS", "--cap-lints=allow"),
    );
    let elapsed = children_time() - before;
    let _ = fs::remove_dir_all(&target);
    outcome.map(|_| elapsed)
}

/// The CPU time of all processes that this one has waited for.
fn children_time() -> f64 {
    // SAFETY: made of integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: `usage` outlives the call.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
