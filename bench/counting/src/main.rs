//! Counts the user-space instructions of single calls, under callgrind:
//!
//! ```text
//! counting table            measures all, prints `peer operation instructions`
//! counting check            measures ours and upstream, and fails if ours takes more
//! counting run PEER OPERATION
//! ```
//!
//! `run` is what the others start under callgrind. It calls one function whose name begins
//! with `counted_`, [`CALLS`] times; callgrind collects inside of such functions only.
//! A second thread exists meanwhile, as in most programs: the C library's calls cost more then.

mod bare;
mod callgrind;
mod limits;

/// The same operations over either library. That the file is compiled twice is the point:
/// no operation can differ between the two.
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_ours {
    use ours as mio;
    pub mod operations;
}
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_upstream {
    use upstream as mio;
    pub mod operations;
}

use std::process::ExitCode;
use std::sync::mpsc;
use std::{env, thread};

/// How often a function is called in a run; its cost is the total divided by this.
const CALLS: usize = 1000;

const PEERS: &[&str] = &["ours", "upstream", "libc"];

const OPERATIONS: &[&str] = &[
    "poll-empty",
    "poll-one",
    "poll-one-forever",
    "iterate-256",
    "wake",
    "wake-redundant",
    "register",
    "reregister",
    "deregister",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["table"] => table(),
        ["check"] => limits::check(),
        ["run", peer, operation] => run(peer, operation),
        _ => Err("usage: counting table | check | run PEER OPERATION".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("counting: {message}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> Result<(), String> {
    for operation in OPERATIONS {
        for peer in PEERS {
            let instructions = callgrind::instructions(peer, operation)?;
            println!("{peer} {operation} {instructions}");
        }
    }
    Ok(())
}

fn run(peer: &str, operation: &str) -> Result<(), String> {
    let (end, ended) = mpsc::channel::<()>();
    let second = thread::spawn(move || ended.recv());
    let known = match peer {
        "ours" => of_ours::operations::run(operation, CALLS),
        "upstream" => of_upstream::operations::run(operation, CALLS),
        "libc" => bare::run(operation, CALLS),
        _ => return Err(format!("no peer is called {peer}")),
    };
    drop(end);
    let _ = second.join();
    match known {
        true => Ok(()),
        false => Err(format!("no operation is called {operation}")),
    }
}
