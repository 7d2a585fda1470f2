//! What AFD says of a socket, in the words of readiness.

use super::edge_flags::EdgeFlags;
use crate::readiness::Readiness;
use crate::sys::family::afd::{
    AFD_POLL_ABORT as ABORT, AFD_POLL_ACCEPT as ACCEPT, AFD_POLL_CONNECT_FAIL as CONNECT_FAIL,
    AFD_POLL_DISCONNECT as DISCONNECT, AFD_POLL_LOCAL_CLOSE as LOCAL_CLOSE,
    AFD_POLL_RECEIVE as RECEIVE, AFD_POLL_SEND as SEND,
};

/// Not one of AFD's: the request itself failed.
pub(super) const FAILED: u32 = 1 << 31;

/// How a wake looks.
pub(super) const WOKEN: u32 = RECEIVE;

/// How the directions are called.
///
/// A disconnect (the peer sends no more) is for who reads; an abort (a reset) and a failed
/// connection are for everybody.
pub(super) const EDGES: EdgeFlags = EdgeFlags {
    readable: RECEIVE | ACCEPT | DISCONNECT,
    writable: SEND,
    priority: 0,
    unasked: ABORT | CONNECT_FAIL | FAILED,
    worth_trying: RECEIVE | SEND,
};

/// Asked for with whatever else is.
pub(super) const ALWAYS: u32 = ABORT | CONNECT_FAIL | LOCAL_CLOSE;

pub(super) const NAMES: [(u32, &str); 8] = [
    (RECEIVE, "AFD_POLL_RECEIVE"),
    (SEND, "AFD_POLL_SEND"),
    (DISCONNECT, "AFD_POLL_DISCONNECT"),
    (ABORT, "AFD_POLL_ABORT"),
    (LOCAL_CLOSE, "AFD_POLL_LOCAL_CLOSE"),
    (ACCEPT, "AFD_POLL_ACCEPT"),
    (CONNECT_FAIL, "AFD_POLL_CONNECT_FAIL"),
    (FAILED, "failed"),
];

/// What a combination of flags says.
#[inline]
pub(super) fn fold(flags: u32) -> Readiness {
    let has = |flag: u32| flags & flag != 0;
    let over = has(ABORT | CONNECT_FAIL);

    Readiness::READABLE.when(has(RECEIVE | ACCEPT | DISCONNECT))
        | Readiness::WRITABLE.when(has(SEND))
        | Readiness::ERROR.when(has(ABORT | CONNECT_FAIL | FAILED))
        | Readiness::READ_CLOSED.when(over || has(DISCONNECT))
        | Readiness::WRITE_CLOSED.when(over)
}
