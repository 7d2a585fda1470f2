//! The heap memory per registered source, and the size of a stream.

use serde::{Deserialize, Serialize};

use crate::peers::{Peer, ALL};
use crate::{of_ours, of_upstream};

#[derive(Serialize, Deserialize)]
pub struct Memory {
    pub heap_per_source: Vec<(Peer, f64)>,
    /// The sizes of our, upstream's and the standard library's `TcpStream`.
    pub streams: [usize; 3],
}

pub fn measure() -> Memory {
    let heap = |&peer: &Peer| Some((peer, peer.heap_per_source()?));
    Memory {
        heap_per_source: ALL.iter().filter_map(heap).collect(),
        streams: [
            of_ours::operations::size_of_stream(),
            of_upstream::operations::size_of_stream(),
            std::mem::size_of::<std::net::TcpStream>(),
        ],
    }
}
