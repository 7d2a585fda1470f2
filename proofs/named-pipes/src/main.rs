//! Every state of a named pipe against every call, straight to the system.
//!
//! Prints a line for each. `ci/wine run --manifest-path proofs/named-pipes/Cargo.toml` has
//! Wine's answers, a Windows machine its own; both are to be compared with `wine-10.txt`.

#[cfg(not(windows))]
fn main() {
    println!("this program asks Windows");
}

#[cfg(windows)]
mod probe;

#[cfg(windows)]
fn main() {
    probe::run();
}
