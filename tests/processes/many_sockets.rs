//! One poll with as many idle sockets as the system lets a process have.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::util::{self, datagram_pair, expect_silence, in_own_process, open_fds, AFD, POLL2};
use mio::{Events, Interest, Poll, Token};

/// A call of poll(2) takes time in proportion to the number of sockets; those of Windows
/// have a port each; and a BSD may have room for few in the whole system.
const MOST: usize = if AFD {
    2_000
} else if !cfg!(target_os = "linux") {
    1_000
} else if POLL2 {
    4_000
} else {
    18_000
};

/// How many sockets this process may have, but for a few that are for others.
fn room_for_sockets() -> usize {
    #[cfg(unix)]
    return util::limit_fds(MOST + 100).saturating_sub(100);
    #[cfg(windows)]
    MOST
}

/// The first `wanted` of the numbers below `all` in an order that is always the same,
/// and has no pattern.
fn pick(wanted: usize, all: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..all).collect();
    let mut state = 1_u64;
    for index in 0..wanted {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let left = (all - index) as u64;
        numbers.swap(index, index + ((state >> 33) % left) as usize);
    }
    numbers.truncate(wanted);
    numbers
}

/// Polls until nothing more comes, and returns the tokens, each of which must come once.
fn reported(poll: &mut Poll, events: &mut Events) -> BTreeSet<usize> {
    let mut tokens = BTreeSet::new();
    loop {
        // UDP may take a moment.
        let patience = Duration::from_millis(if AFD { 100 } else { 0 });
        util::poll(poll, events, Some(patience));
        if events.is_empty() {
            return tokens;
        }
        for event in &*events {
            assert!(event.is_readable());
            assert!(tokens.insert(event.token().0), "reported twice: {event:?}");
        }
    }
}

/// Of many thousand sockets exactly those report that something was sent to.
#[test]
fn exactly_the_busy_ones_of_many_sockets_report() {
    in_own_process("exactly_the_busy_ones_of_many_sockets_report", || {
        let count = MOST.min(room_for_sockets()) & !1;
        let busy = 1_000.min(count / 2);
        assert!(busy > 0, "the limit leaves nothing to test");
        let before = open_fds();
        // Small, so that it takes several polls to take what is ready.
        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(256));

        // A socket's partner is the one whose number differs in the last bit.
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count / 2 {
            let (one, other) = datagram_pair();
            sockets.extend([one, other]);
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            poll.registry()
                .register(socket, Token(number), Interest::READABLE)
                .unwrap();
        }
        expect_silence(&mut poll, &mut events);

        let picked = pick(busy, count);
        for &number in &picked {
            let message = number.to_ne_bytes();
            assert_eq!(sockets[number ^ 1].send(&message).unwrap(), message.len());
        }
        let expected: BTreeSet<usize> = picked.iter().copied().collect();
        assert_eq!(expected.len(), busy);
        assert_eq!(reported(&mut poll, &mut events), expected);
        for &number in &picked {
            let mut message = [0; 16];
            let len = sockets[number].recv(&mut message).unwrap();
            assert_eq!(message[..len], number.to_ne_bytes());
        }
        expect_silence(&mut poll, &mut events);

        for socket in &mut sockets {
            poll.registry().deregister(socket).unwrap();
        }
        sockets[0].send(b"no receiver").unwrap();
        expect_silence(&mut poll, &mut events);
        drop((sockets, poll));
        assert_eq!(open_fds(), before);
    });
}
