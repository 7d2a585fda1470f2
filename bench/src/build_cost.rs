//! The cost of a clean debug build of the library and its dependencies.

use std::{env, fs, process};

use serde::{Deserialize, Serialize};

use crate::stats::Summary;
use crate::{children, cpu};

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
    let before = cpu::of_children();
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
    let elapsed = cpu::of_children() - before;
    let _ = fs::remove_dir_all(&target);
    outcome.map(|_| elapsed.as_secs_f64())
}
