//! Memory: what a registered source takes on the heap, and a stream by itself.

use crate::peers::{Peer, ALL};
use crate::{of_ours, of_upstream};

pub struct Memory {
    pub heap_per_source: Vec<(Peer, f64)>,
    /// Of ours, upstream's and the standard library's stream.
    pub streams: [usize; 3],
}

pub fn measure() -> Memory {
    let heap = |&peer: &Peer| Some((peer, peer.heap_per_source()?));
    Memory {
        heap_per_source: ALL.iter().filter_map(heap).collect(),
        streams: [
            of_ours::mio_operations::size_of_stream(),
            of_upstream::mio_operations::size_of_stream(),
            std::mem::size_of::<std::net::TcpStream>(),
        ],
    }
}
