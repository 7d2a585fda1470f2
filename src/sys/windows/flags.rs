//! The flags of AFD, and what they mean for readiness and for emulated edges.

use super::afd::{
    AFD_POLL_ABORT as ABORT, AFD_POLL_ACCEPT as ACCEPT, AFD_POLL_CONNECT_FAIL as CONNECT_FAIL,
    AFD_POLL_DISCONNECT as DISCONNECT, AFD_POLL_RECEIVE as RECEIVE, AFD_POLL_SEND as SEND, FAILED,
};
use crate::readiness::Readiness;
use crate::sys::edge::{Conditions, EdgeFlags};

/// The flags of a wake.
pub(super) const WOKEN: u32 = RECEIVE;

/// A disconnect means that the peer sends no more, an abort that it has reset the connection.
/// The failure to connect stays until the next attempt, and does not keep a UDP socket from
/// receiving.
///
/// That a request is pending shows that what is in doubt is absent (`Socket::request`).
pub(super) const EDGES: EdgeFlags = EdgeFlags {
    flags: [
        RECEIVE | ACCEPT,
        SEND,
        0,
        DISCONNECT,
        ABORT | FAILED,
        CONNECT_FAIL,
    ],
    worth_trying: RECEIVE | SEND,
    muting: Conditions::HANG_UP,
    doubtable: Conditions::HANG_UP.union(Conditions::ERROR),
    failure_takes_error: false,
};

pub(super) const NAMES: [(u32, &str); 7] = [
    (RECEIVE, "AFD_POLL_RECEIVE"),
    (SEND, "AFD_POLL_SEND"),
    (DISCONNECT, "AFD_POLL_DISCONNECT"),
    (ABORT, "AFD_POLL_ABORT"),
    (ACCEPT, "AFD_POLL_ACCEPT"),
    (CONNECT_FAIL, "AFD_POLL_CONNECT_FAIL"),
    (FAILED, "failed"),
];

#[inline]
pub(super) fn to_readiness(flags: u32) -> Readiness {
    let has = |flag: u32| flags & flag != 0;
    let closed = has(ABORT | CONNECT_FAIL);

    Readiness::READABLE.when(has(RECEIVE | ACCEPT | DISCONNECT))
        | Readiness::WRITABLE.when(has(SEND))
        | Readiness::ERROR.when(has(ABORT | CONNECT_FAIL | FAILED))
        | Readiness::READ_CLOSED.when(closed || has(DISCONNECT))
        | Readiness::WRITE_CLOSED.when(closed)
}
