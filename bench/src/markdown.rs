//! Findings as text.

use std::fmt::Write;

use crate::build_cost::BuildCost;
use crate::figures::{figure, spread, time};
use crate::findings::Findings;
use crate::goals::Goal;
use crate::listeners::{Shared, Watch};
use crate::operation::Operation;
use crate::pairs::Row;
use crate::peers::Peer;
use crate::programs::Program;
use crate::signals::Waits;
use crate::times::Times;

/// A table. The first column is text, the others are figures.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "| {} |\n|---|{}\n",
        head.join(" | "),
        "--:|".repeat(head.len() - 1)
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Ours and upstream's time, their ratio and the noise.
pub fn operations(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let nanos = |peer| {
            row.times
                .nanos(peer)
                .map_or_else(String::new, |it| time(it.median))
        };
        let ratio = |peer| row.times.ratio(peer).map_or_else(String::new, spread);
        vec![
            row.operation.to_string(),
            nanos(Peer::Ours),
            nanos(Peer::Upstream),
            ratio(Peer::Ours),
            ratio(Peer::UpstreamAgain),
        ]
    };
    let head = [
        "operation",
        "ours",
        "upstream",
        "ours / upstream",
        "upstream / upstream",
    ];
    table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// The time of every other peer, as a ratio to upstream's.
pub fn others(rows: &[Row]) -> String {
    let peers = [
        Peer::Ours,
        Peer::Libc,
        Peer::Polling,
        Peer::Libuv,
        Peer::Libevent,
    ];
    let peers: Vec<Peer> = peers
        .into_iter()
        .filter(|peer| rows.iter().any(|row| row.times.ratio(*peer).is_some()))
        .collect();
    let cells = |row: &Row| {
        let ratio = |peer: &Peer| {
            row.times
                .ratio(*peer)
                .map_or_else(String::new, |it| figure(it.median))
        };
        let mut cells = vec![row.operation.to_string()];
        cells.extend(peers.iter().map(ratio));
        cells
    };
    let names: Vec<String> = peers.iter().map(Peer::to_string).collect();
    let mut head = vec!["operation"];
    head.extend(names.iter().map(String::as_str));
    let has_more = |row: &&Row| row.times.ratio(Peer::Libc).is_some();
    table(
        &head,
        &rows.iter().filter(has_more).map(cells).collect::<Vec<_>>(),
    )
}

/// How late polls that time out return.
pub fn lateness(rows: &[Row]) -> String {
    let peers = [
        Peer::Ours,
        Peer::Upstream,
        Peer::Libc,
        Peer::Polling,
        Peer::Libuv,
        Peer::Libevent,
    ];
    let mut lines = Vec::new();
    for row in rows {
        let Operation::Timeout(micros) = row.operation else {
            continue;
        };
        let late = |peer: &Peer| {
            let nanos = row
                .times
                .nanos(*peer)
                .map(|it| it.median - micros as f64 * 1e3);
            nanos.map_or_else(String::new, time)
        };
        let mut cells = vec![format!("{micros} µs")];
        cells.extend(peers.iter().map(late));
        lines.push(cells);
    }
    let names: Vec<String> = peers.iter().map(Peer::to_string).collect();
    let mut head = vec!["timeout"];
    head.extend(names.iter().map(String::as_str));
    table(&head, &lines)
}

/// Waits until a deadline, through signals.
pub fn waits(waits: &[Waits]) -> String {
    let cells = |waits: &Waits| {
        let how = match waits.peer {
            Peer::Ours => "ours, `poll_until`".to_owned(),
            peer => format!("{peer}, `poll` in a loop"),
        };
        vec![
            how,
            format!("{:.0}", waits.signals.median),
            format!("{:.0}", waits.calls.median),
            format!("{} of {}", waits.early, waits.count),
            time(waits.lateness.median),
            time(waits.latest),
        ]
    };
    let head = [
        "wait",
        "signals",
        "calls",
        "too early",
        "late by",
        "at most",
    ];
    table(&head, &waits.iter().map(cells).collect::<Vec<_>>())
}

/// What a connection costs to a listener that the polls of several threads watch.
pub fn shared(shared: &[Shared]) -> String {
    let cells = |shared: &Shared| {
        let mut cells = vec![shared.to_string()];
        cells.extend(Watch::ALL.map(|watch| figure(shared.of(watch).woken.median)));
        cells.extend(Watch::ALL.map(|watch| time(shared.of(watch).cpu.median)));
        cells.push(spread(shared.ratio));
        cells
    };
    let head = [
        "listener",
        "threads woken: upstream",
        "ours",
        "ours, exclusive",
        "CPU time: upstream",
        "ours",
        "ours, exclusive",
        "exclusive / not",
    ];
    table(&head, &shared.iter().map(cells).collect::<Vec<_>>())
}

pub fn instructions(findings: &Findings) -> String {
    let mut operations: Vec<&str> = Vec::new();
    for (_, operation, _) in &findings.instructions {
        if !operations.contains(&operation.as_str()) {
            operations.push(operation);
        }
    }
    let cells = |operation: &&str| {
        let count = |peer| findings.instructions(peer, operation);
        let mut cells = vec![(*operation).to_owned()];
        for peer in ["ours", "upstream", "libc"] {
            cells.push(count(peer).map_or_else(String::new, |it| it.to_string()));
        }
        let part = count("ours")
            .zip(count("upstream"))
            .map(|(a, b)| figure(a / b));
        cells.push(part.unwrap_or_default());
        cells
    };
    let head = ["operation", "ours", "upstream", "libc", "ours / upstream"];
    table(&head, &operations.iter().map(cells).collect::<Vec<_>>())
}

pub fn syscalls(findings: &Findings) -> String {
    let list = |calls: &[(String, f64)]| {
        let each = calls
            .iter()
            .map(|(name, calls)| format!("{name} {}", figure(*calls)));
        match calls {
            [] => "none".to_owned(),
            _ => each.collect::<Vec<_>>().join(", "),
        }
    };
    let cells = |(operation, ours, upstream): &(Operation, Vec<_>, Vec<_>)| {
        vec![operation.to_string(), list(ours), list(upstream)]
    };
    let rows: Vec<_> = findings.syscalls.iter().map(cells).collect();
    table(&["operation", "ours", "upstream"], &rows)
}

pub fn memory(findings: &Findings) -> String {
    let cells = |(peer, bytes): &(Peer, f64)| vec![peer.to_string(), figure(*bytes)];
    let rows: Vec<_> = findings.memory.heap_per_source.iter().map(cells).collect();
    let [ours, upstream, std] = findings.memory.streams;
    let head = ["event loop", "bytes on the heap per source"];
    format!(
        "{}\nA `TcpStream` takes {ours} bytes; upstream's {upstream}, the standard library's {std}.\n",
        table(&head, &rows)
    )
}

pub fn build(cost: &BuildCost) -> String {
    format!(
        "{} s; upstream {} s; ratio {}.\n",
        figure(cost.ours.median),
        figure(cost.upstream.median),
        figure(cost.ratio.median)
    )
}

/// Each program over each library: the rate, and the server's CPU time.
pub fn programs(programs: &[Program]) -> String {
    let mut rows = Vec::new();
    for program in programs {
        for peer in program.elapsed.peers() {
            let (elapsed, cpu) = (&program.elapsed, &program.cpu);
            let rate = elapsed.nanos(peer).map(|it| it.map(|nanos| 1e9 / nanos));
            let rate_ratio = elapsed.ratio(peer).map(|it| it.map(f64::recip));
            let or_empty = |cell: Option<String>| cell.unwrap_or_default();
            rows.push(vec![
                program.name.clone(),
                peer.to_string(),
                or_empty(rate.map(|it| format!("{} {}s", figure(it.median), program.unit))),
                or_empty(rate_ratio.map(spread)),
                or_empty(cpu.nanos(peer).map(|it| time(it.median))),
                or_empty(cpu.ratio(peer).map(spread)),
            ]);
        }
    }
    let head = [
        "program",
        "over",
        "rate per second",
        "rate / upstream's",
        "CPU time of each",
        "CPU time / upstream's",
    ];
    table(&head, &rows)
}

/// Where the ratio of the medians is far from the paired ratio, a line each.
pub fn disagreements(findings: &Findings) -> Vec<String> {
    let rows = findings.rows.iter();
    let rows = rows.map(|row| (row.operation.to_string(), &row.times));
    let poll2 = findings.poll2.iter();
    let poll2 = poll2.map(|row| (format!("poll(2), {}", row.operation), &row.times));
    let programs = findings.programs.iter().chain(&findings.tasks);
    let programs = programs.flat_map(|program| {
        let name = |what| format!("{}: {what} per {}", program.name, program.unit);
        [
            (name("time"), &program.elapsed),
            (name("CPU time"), &program.cpu),
        ]
    });
    let line = |(name, times): (String, &Times)| {
        let nanos = |peer| Some(times.nanos(peer)?.median);
        let medians = nanos(Peer::Ours)? / nanos(Peer::Upstream)?;
        let paired = times.ratio(Peer::Ours)?.median;
        let line = format!("{name}: {} and {}", figure(medians), figure(paired));
        (!times.agrees()).then_some(line)
    };
    rows.chain(poll2).chain(programs).filter_map(line).collect()
}

pub fn goals(goals: &[Goal]) -> String {
    let cells = |goal: &Goal| {
        let limit = match goal.noise {
            noise if noise > 0.0 => format!("{} + {}", figure(goal.limit), figure(noise)),
            _ => figure(goal.limit),
        };
        let found = goal.found.map_or_else(String::new, figure);
        vec![goal.text.clone(), found, limit, goal.verdict().to_owned()]
    };
    let rows: Vec<_> = goals.iter().map(cells).collect();
    table(&["goal", "found", "limit + noise", "verdict"], &rows)
}
