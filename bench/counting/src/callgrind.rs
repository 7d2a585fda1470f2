//! Runs this program again under callgrind.

use std::process::Command;
use std::{env, fs, process};

/// How often a function is called in a run; its cost is the total divided by this.
pub const CALLS: usize = 1000;

/// The instructions that one call of an operation takes, in user space.
pub fn instructions(peer: &str, operation: &str) -> Result<usize, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let out = env::temp_dir().join(format!("counting-{}.callgrind", process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*counted_*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .args(["run", peer, operation])
        .output()
        .map_err(|error| format!("cannot run valgrind ({error}): apt-get install valgrind"))?;
    let _ = fs::remove_file(&out);
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{peer} {operation} failed:\n{said}"));
    }
    let total = collected(&said).ok_or_else(|| format!("callgrind printed no total:\n{said}"))?;
    if total == 0 {
        return Err(format!("{peer} {operation}: no function was counted"));
    }
    Ok(total / CALLS)
}

/// The total in callgrind's closing lines: `==123== Collected : 101000`.
fn collected(said: &str) -> Option<usize> {
    let (_, total) = said.split_once("Collected : ")?;
    total.split_whitespace().next()?.parse().ok()
}
