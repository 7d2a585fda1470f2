//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

/// The directory of this package, where Cargo finds it.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory that this program was built into.
pub fn built() -> PathBuf {
    let mut program = env::current_exe().expect("a program knows where it is");
    program.pop();
    program
}

/// Runs a command to its end, which has to be a good one.
pub fn output(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{name} is not here"),
        _ => format!("{name}: {error}"),
    })?;
    match output.status.success() {
        true => Ok(output),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let tail: Vec<&str> = said.lines().rev().take(5).collect();
            Err(format!("{name} failed: {}", tail.join(" | ")))
        }
    }
}

pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds a package in release mode, into the target directory of that name beside ours.
pub fn build(package_dir: &str, target: &str) -> Result<PathBuf, String> {
    build_with(package_dir, target, None)
}

/// The same with flags for the compiler, beside those that this program is run with. They hold
/// for all that is built, so that they take a target directory of their own.
pub fn build_with(package_dir: &str, target: &str, flags: Option<&str>) -> Result<PathBuf, String> {
    let target = built().join(target);
    let manifest = package().join(package_dir).join("Cargo.toml");
    let mut build = cargo();
    build
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target);
    if let Some(flags) = flags {
        let inherited = env::var("RUSTFLAGS").unwrap_or_default();
        build.env("RUSTFLAGS", format!("{inherited} {flags}"));
    }
    output(&mut build)?;
    Ok(target.join("release"))
}

/// The instructions of single calls: `(peer, operation, instructions)`.
pub fn instructions() -> Result<Vec<(String, String, f64)>, String> {
    let directory = build("counting", "counting-build")?;
    let output = output(Command::new(directory.join("counting")).arg("table"))?;
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [peer, operation, count] => Some((peer.into(), operation.into(), count.parse().ok()?)),
            _ => None,
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().filter_map(parse).collect())
}
