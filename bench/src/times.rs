//! Times of several peers that were measured in the same rounds.

use serde::{Deserialize, Serialize};

use crate::peers::Peer;
use crate::stats::Summary;

/// By how much the two ways to compare ours with upstream may differ; see
/// [`Times::disagreement`].
pub const MOST_DISAGREEMENT: f64 = 0.03;

#[derive(Serialize, Deserialize)]
pub struct Times(Vec<Entry>);

#[derive(Serialize, Deserialize)]
struct Entry {
    peer: Peer,
    nanos: Summary,
    /// The time as a ratio to upstream's in the same round.
    ratio: Summary,
}

impl Times {
    /// Summarizes nanoseconds, one value per round. Upstream is one of the peers.
    pub fn of(rounds: &[(Peer, Vec<f64>)]) -> Times {
        let upstream = rounds.iter().find(|(peer, _)| *peer == Peer::Upstream);
        let upstream = &upstream.expect("upstream is always measured").1;
        let entry = |(peer, nanos): &(Peer, Vec<f64>)| Entry {
            peer: *peer,
            nanos: Summary::of(nanos.clone()),
            ratio: Summary::of(nanos.iter().zip(upstream).map(|(a, b)| a / b).collect()),
        };
        Times(rounds.iter().map(entry).collect())
    }

    fn entry(&self, peer: Peer) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.peer == peer)
    }

    pub fn peers(&self) -> impl Iterator<Item = Peer> + '_ {
        self.0.iter().map(|entry| entry.peer)
    }

    pub fn nanos(&self, peer: Peer) -> Option<Summary> {
        Some(self.entry(peer)?.nanos)
    }

    pub fn ratio(&self, peer: Peer) -> Option<Summary> {
        Some(self.entry(peer)?.ratio)
    }

    /// How far ours may be from upstream by chance: how far upstream is from itself, plus two
    /// standard errors of both medians.
    pub fn noise(&self) -> f64 {
        let ours = self.ratio(Peer::Ours).map_or(0.0, |it| it.error());
        self.ratio(Peer::UpstreamAgain).map_or(0.0, |it| {
            (it.median - 1.0).abs() + 2.0 * it.error().hypot(ours)
        })
    }

    /// By what part the ratio of the two medians differs from the median of the paired ratios.
    /// If they differ much, the machine's speed changed between rounds.
    pub fn disagreement(&self) -> f64 {
        let (Some(ours), Some(upstream)) = (self.entry(Peer::Ours), self.entry(Peer::Upstream))
        else {
            return 0.0;
        };
        (ours.nanos.median / upstream.nanos.median / ours.ratio.median - 1.0).abs()
    }

    pub fn agrees(&self) -> bool {
        self.disagreement() <= MOST_DISAGREEMENT
    }
}
