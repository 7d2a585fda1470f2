//! The compiler's messages for a program that lacks a feature of the crate: the first error that a
//! new user sees. Each program is checked as a package of its own, by the Cargo that runs this test.
//!
//! Not on Windows, where Cargo does not run: the tests are run there under Wine.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns what `cargo check` prints about a program with `main` as its only function, which
/// depends on the crate with `features`. The program must not compile.
fn error_of(name: &str, features: &str, main: &str) -> String {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("missing_features");
    let package = dir.join(name);
    fs::create_dir_all(package.join("src")).unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2021\"\n[workspace]\n[dependencies.mio]\n\
         path = {:?}\ndefault-features = false\nfeatures = [{features}]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(
        package.join("src/main.rs"),
        format!("fn main() {{ {main} }}\n"),
    )
    .unwrap();

    // `--offline`: the versions that this test is built with are here. The flags of this test are not
    // a user's.
    let _ = fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"),
        package.join("Cargo.lock"),
    );
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color=never"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it compiles:\n{text}");
    text
}

/// Fails unless `text` contains each of `parts`, and no second error.
fn assert_one_error(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    assert_eq!(text.matches("error[").count(), 1, "{text}");
}

#[test]
fn poll_new_without_os_poll_names_the_feature() {
    for features in ["", "\"net\""] {
        let text = error_of("no-os-poll", features, "mio::Poll::new().unwrap();");
        assert_one_error(
            &text,
            &[
                "EnabledFeatures: mio::no_os_poll::IncludeOsPoll`",
                "features = [\"os-poll\"]",
            ],
        );
    }
}

#[test]
fn modules_without_their_features_name_the_feature() {
    let net = "mio::net::TcpListener::bind(\"127.0.0.1:0\".parse().unwrap()).unwrap();";
    let text = error_of("no-net", "\"os-poll\"", net);
    assert_one_error(&text, &["could not find `net` in `mio`", "`net` feature"]);

    let text = error_of("no-os-ext", "\"os-poll\"", "mio::unix::SourceFd(&0);");
    assert_one_error(
        &text,
        &["could not find `unix` in `mio`", "`os-ext` feature"],
    );
}
