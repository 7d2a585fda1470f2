//! poll(2) in place of epoll, ours beside upstream's. The libraries choose between the two at
//! compile time, so this takes a second build of this program, which does the measuring.

use std::process::Command;
use std::time::Duration;

use crate::children;
use crate::operation::Operation;
use crate::pairs::{self, Effort, Row};
use crate::peers::Peer;

/// What poll(2) does differently: wakes and registrations go through memory.
const OPERATIONS: &[Operation] = &[
    Operation::WakeRedundant,
    Operation::WakePoll,
    Operation::WakePingPong,
    Operation::PollEmpty,
    Operation::PollReady(1),
    Operation::Register,
    Operation::Reregister,
];

const PEERS: &[Peer] = &[Peer::Ours, Peer::Upstream, Peer::UpstreamAgain];

/// Both libraries know this flag.
const FLAGS: &str = "--cfg mio_unsupported_force_poll_poll";

/// Builds the other program and runs it.
pub fn measure(effort: Effort) -> Result<Vec<Row>, String> {
    let directory = children::build_with(".", "poll2-build", Some(FLAGS))?;
    let numbers = [
        effort.rounds,
        effort.attempts,
        effort.slice.as_millis() as usize,
    ];
    let output = children::output(
        Command::new(directory.join("bench"))
            .arg("rows")
            .args(numbers.map(|it| it.to_string())),
    )?;
    serde_json::from_slice(&output.stdout).map_err(|error| format!("its output: {error}"))
}

/// Measures in this program, and prints the rows for [`measure`] of the other.
pub fn print_rows([rounds, attempts, millis]: [usize; 3]) -> Result<(), String> {
    let effort = Effort {
        rounds,
        attempts,
        slice: Duration::from_millis(millis as u64),
    };
    let measure = |&operation: &Operation| pairs::measure(operation, PEERS, effort);
    let rows: Vec<Row> = OPERATIONS.iter().map(measure).collect();
    let text = serde_json::to_string(&rows).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}
