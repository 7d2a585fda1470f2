//! Findings as pictures.

mod bars;
mod canvas;
mod lines;

use std::path::Path;

use plotters::prelude::RGBColor;

use crate::figures::figure;
use crate::findings::Findings;
use crate::listeners::Watch;
use crate::operation::{Group, Operation};
use crate::peers::Peer;
use bars::{Bar, BarGroup, Bars};
use canvas::Outcome;
use lines::{Axis, Lines};

/// The palette of Okabe and Ito, which works for colour-blind readers.
fn color(peer: Peer) -> RGBColor {
    match peer {
        Peer::Ours => RGBColor(0xd5, 0x5e, 0x00),
        Peer::Upstream | Peer::UpstreamAgain => RGBColor(0x00, 0x72, 0xb2),
        Peer::Libc => RGBColor(0x55, 0x55, 0x55),
        Peer::Polling => RGBColor(0x00, 0x9e, 0x73),
        Peer::Libuv => RGBColor(0xcc, 0x79, 0xa7),
        Peer::Libevent => RGBColor(0xe6, 0x9f, 0x00),
        Peer::Nginx => RGBColor(0x88, 0x88, 0x88),
    }
}

/// The event loops that lines are drawn of.
const LOOPS: &[Peer] = &[
    Peer::Ours,
    Peer::Upstream,
    Peer::Libc,
    Peer::Polling,
    Peer::Libuv,
    Peer::Libevent,
];

pub fn draw(findings: &Findings, directory: &Path) -> Outcome {
    ratios(findings, &directory.join("ratios.svg"))?;
    programs(findings, &directory.join("programs.svg"))?;
    registered(findings, &directory.join("registered.svg"))?;
    listeners(findings, &directory.join("listeners.svg"))?;
    lateness(findings, &directory.join("lateness.svg"))
}

fn ratios(findings: &Findings, path: &Path) -> Outcome {
    let bars_of = |group: Group| {
        let rows = findings.rows.iter();
        let rows = rows.filter(|row| row.operation.group() == group);
        rows.filter_map(|row| {
            let ratio = row.times.ratio(Peer::Ours)?;
            // A bar of length 1 would show nothing.
            let differs = (ratio.median - 1.0).abs() > row.times.noise();
            (differs && figure(ratio.median) != "1.00").then(|| Bar {
                name: row.operation.to_string(),
                value: ratio,
                color: color(Peer::Ours),
            })
        })
        .collect()
    };
    let groups = Group::ALL.map(|group| BarGroup {
        name: group.to_string(),
        note: "no difference beyond the noise",
        bars: bars_of(group),
    });
    Bars {
        title: "Time of one operation, relative to upstream (mio 1.2.5)",
        subtitle: "Median and quartiles; less is better. Operations within the noise of 1.00 are \
                   not shown.",
        axis: "ours / upstream",
        groups: groups.into(),
        mark: Some((1.0, color(Peer::Upstream))),
        scale: 1.0,
    }
    .draw(path)
}

fn programs(findings: &Findings, path: &Path) -> Outcome {
    let groups = findings.programs.iter().map(|program| {
        let peers = program.elapsed.peers();
        let peers = peers.filter(|peer| *peer != Peer::UpstreamAgain);
        let bar = |peer: Peer| {
            let nanos = program.elapsed.nanos(peer)?;
            Some(Bar {
                name: peer.to_string(),
                value: nanos.map(|nanos| 1e9 / nanos),
                color: color(peer),
            })
        };
        BarGroup {
            name: program.name.replace('`', ""),
            note: "not measured",
            bars: peers.filter_map(bar).collect(),
        }
    });
    Bars {
        title: "Requests and messages per second, 64 connections, one thread",
        subtitle: "Median and quartiles; more is better.",
        axis: "thousands per second",
        groups: groups.collect(),
        mark: None,
        scale: 1e3,
    }
    .draw(path)
}

fn listeners(findings: &Findings, path: &Path) -> Outcome {
    let groups = findings.shared.iter().map(|shared| {
        let bar = |watch: Watch| Bar {
            name: watch.to_string(),
            value: shared.of(watch).cpu,
            color: match watch {
                Watch::Upstream => color(Peer::Upstream),
                Watch::Ours | Watch::OursExclusive => color(Peer::Ours),
            },
        };
        BarGroup {
            name: shared.to_string(),
            note: "not measured",
            bars: Watch::ALL.map(bar).into(),
        }
    });
    Bars {
        title: "CPU time of a connection to a listener that threads share",
        subtitle: "Of all these threads. Median and quartiles; less is better.",
        axis: "µs",
        groups: groups.collect(),
        mark: None,
        scale: 1e3,
    }
    .draw(path)
}

fn registered(findings: &Findings, path: &Path) -> Outcome {
    let place = |operation, nanos| match operation {
        Operation::Registered(count) => Some((count as f64, nanos / 1e3)),
        _ => None,
    };
    Lines {
        title: "Time of a poll, by the number of registered sources, of which 64 are ready",
        subtitle: "Median; less is better.",
        x: Axis {
            name: "registered sources",
            ticks: &[100.0, 1000.0, 5000.0, 18_000.0],
        },
        y: Axis {
            name: "µs",
            ticks: &[2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0],
        },
        series: series(findings, place),
    }
    .draw(path)
}

fn lateness(findings: &Findings, path: &Path) -> Outcome {
    let place = |operation, nanos: f64| match operation {
        Operation::Timeout(micros) => Some((micros as f64, nanos / 1e3 - micros as f64)),
        _ => None,
    };
    Lines {
        title: "How late a poll returns after its timeout",
        subtitle: "Median; less is better.",
        x: Axis {
            name: "timeout, µs",
            ticks: &[50.0, 100.0, 250.0, 500.0, 1000.0, 1500.0],
        },
        y: Axis {
            name: "lateness, µs",
            ticks: &[20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0],
        },
        series: series(findings, place),
    }
    .draw(path)
}

/// The points of each event loop. `place` maps an operation and its nanoseconds to a point.
fn series(
    findings: &Findings,
    place: impl Fn(Operation, f64) -> Option<(f64, f64)>,
) -> Vec<lines::Series> {
    let points = |peer: Peer| {
        let rows = findings.rows.iter();
        rows.filter_map(|row| place(row.operation, row.times.nanos(peer)?.median))
            // The axes are logarithmic.
            .filter(|point| point.1 > 0.0)
            .collect()
    };
    let one = |&peer: &Peer| lines::Series {
        name: peer.to_string(),
        color: color(peer),
        points: points(peer),
    };
    let all = LOOPS.iter().map(one);
    all.filter(|it| !it.points.is_empty()).collect()
}
