//! How fast the library is beside upstream's mio and other event loops:
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml -- report   all, into docs/
//! cargo run --release --manifest-path bench/Cargo.toml -- report --hasty
//! cargo run --release --manifest-path bench/Cargo.toml -- short    the table of operations
//! cargo run --release --manifest-path bench/Cargo.toml -- poll2    that of poll(2)
//! cargo run --release --manifest-path bench/Cargo.toml -- run PEER OPERATION COUNT
//! ```
//!
//! `run` does one operation so many times, for strace, perf and their like.

mod build_cost;
mod children;
mod goals;
mod load;
mod loop_operations;
mod loops;
mod machine;
mod markdown;
mod memory;
mod operation;
mod pairs;
mod peers;
mod plots;
mod poll2;
mod programs;
mod report;
mod stats;
mod syscalls;

/// The same operations over either library. That the file is compiled twice is the point:
/// no operation can differ between the two.
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_ours {
    use ours as mio;
    pub mod mio_operations;
    mod mio_sockets;
}
#[allow(clippy::duplicate_mod)]
#[path = "."]
mod of_upstream {
    use upstream as mio;
    pub mod mio_operations;
    mod mio_sockets;
}

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use operation::Operation;
use pairs::Effort;

const FULL: Effort = Effort {
    rounds: 61,
    slice: Duration::from_millis(6),
};

const SHORT: Effort = Effort {
    rounds: 15,
    slice: Duration::from_millis(4),
};

/// The whole way in little time, to see that it works; the figures are worth nothing.
const HASTY: Effort = Effort {
    rounds: 3,
    slice: Duration::from_millis(1),
};

fn main() -> ExitCode {
    machine::allow_all_descriptors();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["report"] => report::write(FULL, &children::package().join("../docs")),
        ["report", "--hasty"] => report::write(HASTY, &children::built().join("report")),
        ["short"] => report::print(SHORT),
        ["poll2"] => report::print_poll2(FULL),
        // What the report runs in a second build of this program.
        ["rows", rounds, millis] => poll2::print_rows(rounds, millis),
        ["run", peer, operation, count] => run(peer, operation, count),
        _ => Err("usage: bench report | short | poll2 | run PEER OPERATION COUNT".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(peer: &str, operation: &str, count: &str) -> Result<(), String> {
    let all: Vec<String> = operation::all().iter().map(Operation::to_string).collect();
    let all = all.join("\n  ");
    let peer = peers::ALL
        .iter()
        .find(|it| it.to_string() == peer)
        .ok_or_else(|| format!("no peer is called {peer}"))?;
    let operation = Operation::parse(operation)
        .ok_or_else(|| format!("no operation is called {operation}; there are:\n  {all}"))?;
    let count = count.parse().map_err(|_| format!("{count} is no count"))?;
    let mut run = peer
        .make(operation)
        .ok_or_else(|| format!("{peer} cannot do that"))?;
    run(count);
    Ok(())
}
