//! System calls per operation, counted by strace.

use std::collections::BTreeMap;
use std::process::Command;
use std::{env, fs, process};

use crate::children;
use crate::operation::Operation;
use crate::peers::Peer;

/// Operations that run in one thread, with nothing between them that would be counted.
pub const OPERATIONS: &[Operation] = &[
    Operation::WakeRedundant,
    Operation::WakePoll,
    Operation::PollEmpty,
    Operation::PollReady(256),
    Operation::Echo(1),
    Operation::ConnectAccept,
    Operation::UnixPingPong,
    Operation::UdpPingPong,
    Operation::Timeout(50),
];

/// The calls of one operation, by name: the difference of a short and a long run, so that
/// preparation is not counted.
pub fn per_operation(peer: Peer, operation: Operation) -> Result<Vec<(String, f64)>, String> {
    const FEW: u64 = 100;
    const MANY: u64 = 300;

    let few = count(peer, operation, FEW)?;
    let many = count(peer, operation, MANY)?;
    let done = (MANY - FEW) as f64 * operation.units() as f64;
    let each = |(name, calls): (String, u64)| {
        let more = calls.saturating_sub(few.get(&name).copied().unwrap_or(0));
        (name, more as f64 / done)
    };
    let calls = many.into_iter().map(each);
    // Fewer are from allocations.
    Ok(calls.filter(|(_, calls)| *calls >= 0.02).collect())
}

fn count(peer: Peer, operation: Operation, times: u64) -> Result<BTreeMap<String, u64>, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let out = env::temp_dir().join(format!("bench-{}.strace", process::id()));
    let outcome = children::output(
        Command::new("strace")
            .args(["-f", "-c", "-U", "name,calls", "-o"])
            .arg(&out)
            .arg(program)
            .args(["run", &peer.to_string(), &operation.to_string()])
            .arg(times.to_string()),
    );
    let text = fs::read_to_string(&out).unwrap_or_default();
    let _ = fs::remove_file(&out);
    outcome?;
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        Some((name, words.next()?.parse().ok()?)).filter(|(name, _)| name != "total")
    };
    Ok(text.lines().filter_map(parse).collect())
}
