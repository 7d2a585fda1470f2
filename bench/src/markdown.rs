//! Findings as text.

use std::fmt::Write;

use crate::goals::Goal;
use crate::operation::Operation;
use crate::pairs::Row;
use crate::peers::Peer;
use crate::programs::Score;
use crate::report::Findings;
use crate::stats::Summary;

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

/// Three digits that tell something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 99.95 => format!("{value:.0}"),
        middle if middle >= 9.995 => format!("{value:.1}"),
        small if small >= 0.0995 || small == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        long if long >= 1e6 => format!("{} ms", figure(nanos / 1e6)),
        middle if middle >= 1e3 => format!("{} µs", figure(nanos / 1e3)),
        _ => format!("{} ns", figure(nanos)),
    }
}

fn spread(summary: Summary) -> String {
    let Summary {
        median, low, high, ..
    } = summary;
    format!("{} ({}–{})", figure(median), figure(low), figure(high))
}

/// Ours and upstream's time, their ratio and the noise.
pub fn operations(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let nanos = |peer| {
            row.nanos(peer)
                .map_or_else(String::new, |it| time(it.median))
        };
        let ratio = |peer| row.ratio(peer).map_or_else(String::new, spread);
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

/// The time of every other peer, in upstream's.
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
        .filter(|peer| rows.iter().any(|row| row.ratio(*peer).is_some()))
        .collect();
    let cells = |row: &Row| {
        let ratio = |peer: &Peer| {
            row.ratio(*peer)
                .map_or_else(String::new, |it| figure(it.median))
        };
        let mut cells = vec![row.operation.to_string()];
        cells.extend(peers.iter().map(ratio));
        cells
    };
    let names: Vec<String> = peers.iter().map(Peer::to_string).collect();
    let mut head = vec!["operation"];
    head.extend(names.iter().map(String::as_str));
    let has_more = |row: &&Row| row.ratio(Peer::Libc).is_some();
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
            let nanos = row.nanos(*peer).map(|it| it.median - micros as f64 * 1e3);
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
        "{}\nA `TcpStream` is {ours} bytes; upstream's {upstream}, the standard library's {std}.\n",
        table(&head, &rows)
    )
}

pub fn scores(head: &str, scores: &[Score]) -> String {
    let cells = |score: &Score| {
        let name = score.name.to_owned();
        vec![name, figure(score.per_second.median), spread(score.ratio)]
    };
    let rows: Vec<_> = scores.iter().map(cells).collect();
    table(&["server", head, "in upstream's"], &rows)
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
