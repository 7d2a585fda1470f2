//! Counts the user-space instructions of single calls, under callgrind. See [`USAGE`].
//!
//! `run` is what the other commands start under callgrind. It calls a function whose name begins
//! with `counted_`, [`CALLS`] times; callgrind counts inside such functions only. A second thread
//! exists meanwhile, as in most programs: the C library's calls then cost more.

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

use callgrind::CALLS;

const USAGE: &str = "\
usage: counting table                 print the instructions of all operations, for each peer
       counting check                 compare ours with upstream; fail if ours takes more
       counting run PEER OPERATION    run one operation, for callgrind";

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
        ["check"] => limits::check(OPERATIONS),
        ["run", peer, operation] => run(peer, operation),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!(
                "counting: invalid arguments: {}\n{USAGE}",
                arguments.join(" ")
            );
            return ExitCode::from(2);
        }
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
        _ => return Err(format!("unknown peer `{peer}`")),
    };
    drop(end);
    let _ = second.join();
    match known {
        true => Ok(()),
        false => Err(format!("unknown operation `{operation}`")),
    }
}
