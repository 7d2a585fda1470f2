//! Compares the library with upstream's mio, other event loops and whole servers. See [`USAGE`].

mod build_cost;
mod children;
mod command;
mod cpu;
mod figures;
mod findings;
mod goals;
mod listeners;
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
mod servers;
mod signals;
mod stats;
mod syscalls;
mod times;

/// The same operations over either library. That the files are compiled twice is the point:
/// no operation can differ between the two.
#[allow(clippy::duplicate_mod)]
#[path = "mio"]
mod of_ours {
    use ours as mio;
    pub mod listeners;
    mod messages;
    pub mod operations;
    mod polls;
    mod sockets;
    mod wakes;
}
#[allow(clippy::duplicate_mod)]
#[path = "mio"]
mod of_upstream {
    use upstream as mio;
    pub mod listeners;
    mod messages;
    pub mod operations;
    mod polls;
    mod sockets;
    mod wakes;
}

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use command::{Command, USAGE};
use findings::Efforts;
use pairs::Effort;

const FULL: Efforts = Efforts {
    operations: Effort {
        rounds: 61,
        attempts: 3,
        slice: Duration::from_millis(6),
    },
    http: Effort {
        rounds: 15,
        attempts: 3,
        slice: Duration::from_secs(1),
    },
    // The rate of the echo server varies with scheduling, so it needs many rounds.
    echo: Effort {
        rounds: 81,
        attempts: 2,
        slice: Duration::from_millis(250),
    },
    tasks: Effort {
        rounds: 31,
        attempts: 2,
        slice: Duration::from_millis(250),
    },
    builds: 5,
    rest: 11,
};

const SHORT: Effort = Effort {
    rounds: 15,
    attempts: 1,
    slice: Duration::from_millis(4),
};

const SHORT_REST: usize = 3;

/// To see that everything works; the figures are worth nothing.
const HASTY: Efforts = Efforts {
    operations: Effort {
        rounds: 3,
        attempts: 2,
        slice: Duration::from_millis(1),
    },
    http: Effort {
        rounds: 1,
        attempts: 2,
        slice: Duration::from_secs(1),
    },
    echo: Effort {
        rounds: 3,
        attempts: 2,
        slice: Duration::from_millis(100),
    },
    tasks: Effort {
        rounds: 3,
        attempts: 2,
        slice: Duration::from_millis(100),
    },
    builds: 1,
    rest: 1,
};

fn main() -> ExitCode {
    machine::allow_all_descriptors();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let command = match command::parse(&arguments) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("bench: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), String> {
    let docs = children::package().join("../docs");
    let scratch = children::built().join("report");
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Report { hasty: false } => report::write(FULL, &docs)?,
        Command::Report { hasty: true } => report::write(HASTY, &scratch)?,
        Command::Rewrite { hasty: false } => report::rewrite(&docs)?,
        Command::Rewrite { hasty: true } => report::rewrite(&scratch)?,
        Command::Short => report::print(SHORT, SHORT_REST)?,
        Command::Poll2 => report::print_poll2(FULL.operations)?,
        Command::Rows(numbers) => poll2::print_rows(numbers)?,
        Command::Run(peer, operation, count) => {
            let run = peer.make(operation);
            run.ok_or_else(|| format!("{peer} does not have this operation"))?(count);
        }
    }
    Ok(())
}
