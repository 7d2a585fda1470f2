//! Measures peers in turn, round after round, so that what else happens on the machine affects
//! all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::{calibrate, Operation};
use crate::peers::Peer;
use crate::times::Times;

/// How thoroughly.
#[derive(Copy, Clone, Serialize, Deserialize)]
pub struct Effort {
    pub rounds: usize,
    /// How many times `rounds` rounds are measured at most, until medians and paired ratios agree.
    pub attempts: usize,
    /// How long a peer runs in a round.
    pub slice: Duration,
}

/// The times of one operation.
#[derive(Serialize, Deserialize)]
pub struct Row {
    pub operation: Operation,
    pub times: Times,
}

/// Measures an operation for all peers that have it.
pub fn measure(operation: Operation, peers: &[Peer], effort: Effort) -> Row {
    let make = |peer: Peer| peer.make(operation);
    let calibrated = |&peer: &Peer| Some((peer, calibrate(&mut make(peer)?, effort.slice)));
    let (peers, counts): (Vec<Peer>, Vec<u64>) = peers.iter().filter_map(calibrated).unzip();
    let one = |index: usize| {
        // Made anew each time, so that luck with addresses and ports does not last.
        let mut run = make(peers[index]).expect("it could be made before");
        run(counts[index] / 8 + 1);
        let elapsed = run(counts[index]);
        let done = counts[index] as f64 * operation.units() as f64;
        Ok::<_, String>([elapsed.as_nanos() as f64 / done])
    };
    let [times] = in_turn(&peers, effort, one).expect("operations do not fail");
    Row { operation, times }
}

/// Measures `N` kinds of times of each peer, in rounds. `one` takes the index of a peer and returns
/// its times in nanoseconds. Adds rounds, up to the effort's limit, while medians and paired ratios
/// disagree.
pub fn in_turn<const N: usize, E>(
    peers: &[Peer],
    effort: Effort,
    mut one: impl FnMut(usize) -> Result<[f64; N], E>,
) -> Result<[Times; N], E> {
    let mut kinds = [(); N].map(|()| Vec::from_iter(peers.iter().map(|&peer| (peer, Vec::new()))));
    let mut round = 0;
    for attempt in 1.. {
        while round < effort.rounds * attempt {
            for index in turns(round, peers.len()) {
                for (kind, time) in kinds.iter_mut().zip(one(index)?) {
                    kind[index].1.push(time);
                }
            }
            round += 1;
        }
        let times = kinds.each_ref().map(|kind| Times::of(kind));
        if attempt >= effort.attempts || times.iter().all(Times::agrees) {
            return Ok(times);
        }
    }
    unreachable!("the loop has no end")
}

/// The order of the peers in a round. Which follows which changes: forward from another start,
/// and backward.
fn turns(round: usize, peers: usize) -> impl Iterator<Item = usize> {
    (0..peers).map(move |turn| {
        let turn = match round % 2 {
            0 => turn,
            _ => peers - 1 - turn,
        };
        (turn + round / 2) % peers
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: &[Peer] = &[Peer::Ours, Peer::Upstream, Peer::UpstreamAgain];

    /// Measures with a time for each call, in the order of the peers. Returns the number of calls.
    fn calls(time: impl Fn(usize, usize) -> f64) -> usize {
        let effort = Effort {
            rounds: 3,
            attempts: 4,
            slice: Duration::ZERO,
        };
        let mut calls = 0;
        let one = |index: usize| {
            let round = calls / PEERS.len();
            calls += 1;
            Ok::<_, ()>([time(index, round)])
        };
        in_turn(PEERS, effort, one).unwrap();
        calls
    }

    #[test]
    fn no_rounds_are_added_where_medians_and_pairs_agree() {
        assert_eq!(calls(|index, _| [9.0, 10.0, 10.0][index]), 3 * PEERS.len());
    }

    #[test]
    fn rounds_are_added_until_medians_and_pairs_agree() {
        // The machine's speed changes in the first rounds only.
        let time = |index: usize, round: usize| match (index, round) {
            (0, 0..=2) => [12.0, 12.0, 27.0][round],
            (_, 0..=2) => [10.0, 20.0, 30.0][round],
            _ => 10.0,
        };
        let calls = calls(time);
        assert!(
            calls > 3 * PEERS.len() && calls < 12 * PEERS.len(),
            "{calls}"
        );
    }

    #[test]
    fn rounds_end_although_medians_and_pairs_disagree() {
        let time = |index: usize, round: usize| match index {
            0 => [12.0, 12.0, 27.0][round % 3],
            _ => [10.0, 20.0, 30.0][round % 3],
        };
        assert_eq!(calls(time), 12 * PEERS.len());
    }

    #[test]
    fn each_round_measures_each_peer_once() {
        for round in 0..20 {
            let mut order: Vec<usize> = turns(round, 7).collect();
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
        }
    }
}
