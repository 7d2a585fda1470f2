//! Measures peers in turn, round after round, so that what happens on the machine meanwhile
//! happens to all of them.

use std::time::Duration;

use crate::operation::{Operation, Run};
use crate::peers::Peer;
use crate::stats::Summary;

/// How thoroughly.
#[derive(Copy, Clone)]
pub struct Effort {
    pub rounds: usize,
    /// How long a peer runs in a round.
    pub slice: Duration,
}

/// What was measured of an operation: nanoseconds, a value for each round.
pub struct Row {
    pub operation: Operation,
    pub times: Vec<(Peer, Vec<f64>)>,
}

impl Row {
    fn of(&self, peer: Peer) -> Option<&[f64]> {
        let found = self.times.iter().find(|(it, _)| *it == peer);
        found.map(|(_, times)| times.as_slice())
    }

    pub fn nanos(&self, peer: Peer) -> Option<Summary> {
        Some(Summary::of(self.of(peer)?.to_vec()))
    }

    /// The time of a peer in that of upstream, round by round.
    pub fn ratio(&self, peer: Peer) -> Option<Summary> {
        let upstream = self.of(Peer::Upstream)?.iter();
        let ratios = self.of(peer)?.iter().zip(upstream).map(|(a, b)| a / b);
        Some(Summary::of(ratios.collect()))
    }

    /// How far a ratio may be from 1 by chance: what upstream against itself shows, and
    /// twice the error of both medians.
    pub fn noise(&self) -> f64 {
        let floor = self.ratio(Peer::UpstreamAgain);
        let ours = self.ratio(Peer::Ours).map_or(0.0, |it| it.error());
        floor.map_or(0.0, |it| {
            (it.median - 1.0).abs() + 2.0 * it.error().hypot(ours)
        })
    }
}

/// Measures an operation for all peers that have it.
pub fn measure(operation: Operation, peers: &[Peer], effort: Effort) -> Row {
    let mut row = Row {
        operation,
        times: Vec::new(),
    };
    let mut counts = Vec::new();
    for &peer in peers {
        if let Some(mut run) = peer.make(operation) {
            counts.push(calibrate(&mut run, effort.slice));
            row.times.push((peer, Vec::new()));
        }
    }
    let peers = row.times.len();
    for round in 0..effort.rounds {
        for turn in 0..peers {
            // Who follows whom changes: forward from another start, and backward.
            let turn = if round % 2 == 0 {
                turn
            } else {
                peers - 1 - turn
            };
            let index = (turn + round / 2) % peers;
            let (peer, times) = &mut row.times[index];
            // Made anew each time, so that luck with addresses and ports is not for ever.
            let mut run = peer.make(operation).expect("it could be made before");
            run(counts[index] / 8 + 1);
            let elapsed = run(counts[index]);
            let done = counts[index] as f64 * operation.units() as f64;
            times.push(elapsed.as_nanos() as f64 / done);
        }
    }
    row
}

/// How many times an operation can be done in a slice of time.
fn calibrate(run: &mut Run, slice: Duration) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = run(count);
        if elapsed * 4 >= slice {
            let fits = count as f64 * slice.as_secs_f64() / elapsed.as_secs_f64();
            return (fits as u64).max(1);
        }
        count *= 2;
    }
}
