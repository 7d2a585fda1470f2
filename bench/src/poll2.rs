//! poll(2) in place of epoll, ours beside upstream's. The libraries choose between the two when
//! they are compiled, so that this takes a second build of this program, which is told to measure.

use std::process::Command;
use std::time::Duration;

use crate::children;
use crate::operation::Operation;
use crate::pairs::{self, Effort, Row};
use crate::peers::Peer;

/// What poll(2) does in a way of its own: wakes and registrations go through memory.
const OPERATIONS: &[Operation] = &[
    Operation::WakePingPong,
    Operation::Register,
    Operation::Reregister,
];

const PEERS: &[Peer] = &[Peer::Ours, Peer::Upstream, Peer::UpstreamAgain];

/// Either library knows this one.
const FLAGS: &str = "--cfg mio_unsupported_force_poll_poll";

/// Builds the other program and runs it.
pub fn measure(effort: Effort) -> Result<Vec<Row>, String> {
    let directory = children::build_with(".", "poll2-build", Some(FLAGS))?;
    let output = children::output(
        Command::new(directory.join("bench"))
            .arg("rows")
            .arg(effort.rounds.to_string())
            .arg(effort.slice.as_millis().to_string()),
    )?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut rows: Vec<Row> = Vec::new();
    for line in said.lines() {
        let (operation, peer, times) =
            parse(line).ok_or_else(|| format!("the other program said: {line}"))?;
        match rows.iter_mut().find(|row| row.operation == operation) {
            Some(row) => row.times.push((peer, times)),
            None => rows.push(Row {
                operation,
                times: vec![(peer, times)],
            }),
        }
    }
    Ok(rows)
}

/// Measures in this program. A line for each operation and peer: their names and the
/// nanoseconds of every round, between tabs.
pub fn print_rows(rounds: &str, millis: &str) -> Result<(), String> {
    let effort = Effort {
        rounds: rounds.parse().map_err(|_| format!("{rounds} rounds"))?,
        slice: Duration::from_millis(millis.parse().map_err(|_| format!("{millis} ms"))?),
    };
    for &operation in OPERATIONS {
        let row = pairs::measure(operation, PEERS, effort);
        for (peer, times) in row.times {
            let times: Vec<String> = times.iter().map(f64::to_string).collect();
            println!("{operation}\t{peer}\t{}", times.join("\t"));
        }
    }
    Ok(())
}

fn parse(line: &str) -> Option<(Operation, Peer, Vec<f64>)> {
    let mut parts = line.split('\t');
    let operation = Operation::parse(parts.next()?)?;
    let peer = parts.next()?;
    let peer = PEERS.iter().find(|it| it.to_string() == peer)?;
    let times: Result<Vec<f64>, _> = parts.map(str::parse).collect();
    Some((operation, *peer, times.ok()?))
}
