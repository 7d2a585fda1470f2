//! Measures peers in turn, round after round, so that what else happens on the machine affects
//! all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::operation::{Operation, Run};
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

/// How many times an operation fits into a slice of time.
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
