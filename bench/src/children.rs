//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

/// The directory of this package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of this executable.
pub fn built() -> PathBuf {
    let mut program = env::current_exe().expect("the path of the executable is known");
    program.pop();
    program
}

/// Runs a command, which must exit successfully.
pub fn output(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{name} is not installed"),
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

/// Builds a package in release mode, into a target directory of that name next to the executable.
pub fn build(package_dir: &str, target: &str) -> Result<PathBuf, String> {
    build_with(package_dir, target, None)
}

/// The same with additional flags for the compiler. They apply to everything that is built, so
/// use a separate target directory for them.
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
