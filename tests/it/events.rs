//! `Events`, `Iter` and `Event`: the buffer that a poll fills, and what can be asked of
//! it.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

use std::io::Write;
use std::time::Duration;

use crate::util::{self, poll_and_events, stream_pair, Stream, LONG};
use mio::event::{Event, Iter};
use mio::{Events, Interest, Poll, Token, Waker};

/// Fills `events` with `count` events, of the tokens 0, 1, ….
fn fill(poll: &mut Poll, events: &mut Events, count: usize) -> Vec<(Stream, Stream)> {
    let mut pairs = Vec::new();
    for number in 0..count {
        let (mut near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        poll.registry()
            .register(&mut near, Token(number), Interest::READABLE)
            .unwrap();
        pairs.push((near, far));
    }
    util::poll(poll, events, Some(LONG));
    assert_eq!(events.iter().count(), count);
    pairs
}

/// The other panic that is documented is that of a second waker.
#[test]
#[should_panic(expected = "capacity overflow")]
fn a_capacity_that_no_memory_can_have_panics() {
    let _ = Events::with_capacity(isize::MAX as usize);
}

#[test]
fn new_events_are_empty_and_have_the_requested_capacity() {
    for capacity in [0, 1, 2, 3, 100, 1024] {
        let events = Events::with_capacity(capacity);
        assert_eq!(events.capacity(), capacity);
        assert!(events.is_empty());
        assert_eq!(events.iter().count(), 0);
    }
}

#[test]
fn a_capacity_that_no_memory_has_panics() {
    for capacity in [usize::MAX, isize::MAX as usize] {
        let refused = std::panic::catch_unwind(|| Events::with_capacity(capacity));
        assert!(refused.is_err(), "{capacity}");
    }
}

/// What system calls cannot be offered is not allocated either. The memory is never touched.
#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn a_capacity_beyond_what_system_calls_take_is_cut() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1 << 32);
    let most = i32::MAX as usize / std::mem::size_of::<Event>();
    assert_eq!(events.capacity(), most);
    let _pairs = fill(&mut poll, &mut events, 3);
}

#[test]
fn a_poll_delivers_no_more_than_the_capacity_which_stays_what_it_is() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(3);
    let _pairs = fill(&mut poll, &mut events, 3);
    assert_eq!(events.capacity(), 3);
    let mut more = Vec::new();
    for number in 3..10 {
        let (mut near, mut far) = stream_pair();
        far.write_all(b"x").unwrap();
        poll.registry()
            .register(&mut near, Token(number), Interest::READABLE)
            .unwrap();
        more.push((near, far));
    }
    for expected in [3, 3, 1, 0] {
        util::poll(&mut poll, &mut events, Some(Duration::ZERO));
        assert_eq!(events.iter().count(), expected);
        assert_eq!(events.capacity(), 3);
    }
}

#[test]
fn clearing_empties_the_buffer_and_keeps_its_capacity() {
    let (mut poll, mut events) = poll_and_events();
    let capacity = events.capacity();
    let _pairs = fill(&mut poll, &mut events, 2);
    assert!(!events.is_empty());
    events.clear();
    assert!(events.is_empty());
    assert_eq!(events.iter().count(), 0);
    assert_eq!(events.capacity(), capacity);
    events.clear();
    assert!(events.is_empty());
}

#[test]
fn events_can_be_iterated_repeatedly() {
    let (mut poll, mut events) = poll_and_events();
    let _pairs = fill(&mut poll, &mut events, 5);
    let tokens = |iter: Iter<'_>| -> Vec<Token> { iter.map(Event::token).collect() };
    let all = tokens(events.iter());
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..5).map(Token).collect::<Vec<_>>());
    assert_eq!(tokens(events.iter()), all);

    // By `for`, and from a clone that begins in the middle.
    let mut by_loop = Vec::new();
    for event in &events {
        by_loop.push(event.token());
    }
    assert_eq!(by_loop, all);
    let mut iter = events.iter();
    iter.next().unwrap();
    assert_eq!(tokens(iter.clone()), all[1..]);
    assert_eq!(tokens(iter), all[1..]);
}

#[test]
fn the_iterator_knows_its_length() {
    let (mut poll, mut events) = poll_and_events();
    assert_eq!(events.iter().size_hint(), (0, Some(0)));
    let _pairs = fill(&mut poll, &mut events, 3);
    let mut iter = (&events).into_iter();
    for left in [3, 2, 1, 0] {
        assert_eq!(iter.size_hint(), (left, Some(left)));
        assert_eq!(iter.clone().count(), left);
        assert_eq!(iter.next().is_some(), left > 0);
    }
}

#[test]
fn an_event_can_be_kept_for_longer_than_the_buffer() {
    let (mut poll, mut events) = poll_and_events();
    let _pairs = fill(&mut poll, &mut events, 1);
    let kept: Event = events.iter().next().unwrap().clone();
    events.clear();
    drop((poll, events));
    assert_eq!(kept.token(), Token(0));
    assert!(kept.is_readable() && !kept.is_writable());
    assert!(!kept.is_error() && !kept.is_priority());
    assert!(!kept.is_read_closed() && !kept.is_write_closed());
    assert!(!kept.is_aio() && !kept.is_lio());
}

#[test]
fn an_events_buffer_may_serve_several_polls() {
    let (mut one, mut events) = poll_and_events();
    let (mut two, _) = poll_and_events();
    let waker = Waker::new(two.registry(), Token(7)).unwrap();
    let _pairs = fill(&mut one, &mut events, 2);
    waker.wake().unwrap();
    util::poll(&mut two, &mut events, Some(LONG));
    let tokens: Vec<Token> = events.iter().map(Event::token).collect();
    assert_eq!(tokens, [Token(7)]);
}

#[test]
fn events_can_be_printed() {
    let (mut poll, mut events) = poll_and_events();
    assert_eq!(format!("{events:?}"), "[]");
    let _pairs = fill(&mut poll, &mut events, 2);
    let event = events.iter().next().unwrap();
    let text = format!("{event:?}");
    assert!(text.starts_with("Event {"), "{text}");
    for part in ["token: Token(0)", "readable: true", "writable: false"] {
        let other = part.replace("Token(0)", "Token(1)");
        assert!(text.contains(part) || text.contains(&other), "{text}");
    }
    let all = format!("{events:?}");
    assert!(all.starts_with('[') && all.contains(&text), "{all}");
    let (first, second) = (all.find("Token(0)"), all.find("Token(1)"));
    assert!(first.is_some() && second.is_some(), "{all}");
    assert!(!format!("{:?}", events.iter()).is_empty());
}
