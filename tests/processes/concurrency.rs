//! Threads that use sources and registrations while another one polls.
#![cfg(all(
    feature = "os-poll",
    feature = "net",
    any(windows, all(unix, feature = "os-ext"))
))]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Condvar, Mutex};
use std::{mem, thread};

use crate::util::{
    self, any_port, datagram_pair, in_own_process, open_fds, poll_and_events, stream_pair,
    wait_until_asleep, Stream, AFD, LONG,
};
use mio::event::Source;
use mio::net::UdpSocket;
#[cfg(unix)]
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;
const WAKE: Token = Token(usize::MAX);

/// Numbers without a pattern, the same in every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }
}

/// Byte `n` of every stream is `n % PERIOD`; the array holds all runs that are needed.
const PERIOD: usize = 251;

fn pattern() -> Vec<u8> {
    (0..PERIOD + MOST_AT_ONCE)
        .map(|n| (n % PERIOD) as u8)
        .collect()
}

const MOST_AT_ONCE: usize = 4096;
const BYTES_OF_A_LINK: usize = 1_000_000;
const LINKS: usize = 24;
const WORKERS: usize = 4;

trait Incoming: Read + Source + Send {}
trait Outgoing: Write + Source + Send {}
impl<T: Read + Source + Send> Incoming for T {}
impl<T: Write + Source + Send> Outgoing for T {}

/// One end of a link, in the hands of a worker. Dropping the outgoing end shows
/// the other that all has been sent.
enum End {
    Incoming(Box<dyn Incoming>),
    Outgoing(Box<dyn Outgoing>),
}

struct Task {
    end: End,
    moved: usize,
}

impl Task {
    fn source(&mut self) -> &mut dyn Source {
        match &mut self.end {
            End::Incoming(source) => source,
            End::Outgoing(source) => source,
        }
    }

    fn interest(&self) -> Interest {
        match self.end {
            End::Incoming(_) => R,
            End::Outgoing(_) => W,
        }
    }

    /// Moves bytes until it would block; whether the link has come to its end.
    fn work(&mut self, pattern: &[u8], random: &mut Lcg) -> bool {
        let mut buf = [0; MOST_AT_ONCE];
        loop {
            let most = 1 + random.below(MOST_AT_ONCE);
            let place = self.moved % PERIOD;
            let moved = match &mut self.end {
                End::Incoming(source) => source.read(&mut buf[..most]),
                End::Outgoing(source) => {
                    let most = most.min(BYTES_OF_A_LINK - self.moved);
                    source.write(&pattern[place..place + most])
                }
            };
            match moved {
                Ok(0) => {
                    assert_eq!(self.moved, BYTES_OF_A_LINK);
                    return true;
                }
                Ok(len) => {
                    if matches!(self.end, End::Incoming(_)) {
                        assert!(buf[..len] == pattern[place..place + len]);
                    }
                    self.moved += len;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => panic!("after {} bytes: {error}", self.moved),
            }
            if matches!(self.end, End::Outgoing(_)) && self.moved == BYTES_OF_A_LINK {
                return true;
            }
        }
    }
}

fn link(number: usize) -> (Box<dyn Incoming>, Box<dyn Outgoing>) {
    match number % 3 {
        #[cfg(unix)]
        0 => {
            let (one, other) = stream_pair();
            (Box::new(one), Box::new(other))
        }
        #[cfg(unix)]
        1 => {
            let (sender, receiver) = pipe::new().unwrap();
            (Box::new(receiver), Box::new(sender))
        }
        _ => {
            let (one, other) = tcp_pair();
            one.set_nonblocking(true).unwrap();
            other.set_nonblocking(true).unwrap();
            let one = mio::net::TcpStream::from_std(one);
            (
                Box::new(one),
                Box::new(mio::net::TcpStream::from_std(other)),
            )
        }
    }
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(any_port()).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

/// Works on the tasks that events name, until all are done. Now and then, without any
/// need, it registers a source anew.
fn run_worker(
    registry: &Registry,
    mut tasks: BTreeMap<Token, Task>,
    ready: &Receiver<Token>,
    mut random: Lcg,
) {
    let pattern = pattern();
    for (&token, task) in &mut tasks {
        let interest = task.interest();
        registry.register(task.source(), token, interest).unwrap();
    }
    while !tasks.is_empty() {
        let token = ready.recv_timeout(LONG).expect("an event is lost");
        // An event may be left of a source that is done.
        let Some(task) = tasks.get_mut(&token) else {
            continue;
        };
        if task.work(&pattern, &mut random) {
            let mut task = tasks.remove(&token).unwrap();
            if random.below(2) == 0 {
                registry.deregister(task.source()).unwrap();
            }
            continue;
        }
        let interest = task.interest();
        match random.below(8) {
            0 => registry.reregister(task.source(), token, interest).unwrap(),
            1 => {
                registry.deregister(task.source()).unwrap();
                registry.register(task.source(), token, interest).unwrap();
            }
            _ => {}
        }
    }
}

/// Edge case 10: what threads do with sources and registrations neither loses an event
/// of another thread's nor a byte, while one polls all of them.
#[test]
fn threads_share_a_poll_and_lose_no_byte() {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(16));
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let mut tasks: [BTreeMap<Token, Task>; WORKERS] = Default::default();
    for number in 0..LINKS {
        let (incoming, outgoing) = link(number);
        // The two ends of a link are in the hands of different workers.
        let ends = [End::Incoming(incoming), End::Outgoing(outgoing)];
        for (side, end) in ends.into_iter().enumerate() {
            let token = Token(2 * number + side);
            let worker = worker_of(token);
            tasks[worker].insert(token, Task { end, moved: 0 });
        }
    }
    let left = AtomicUsize::new(WORKERS);
    thread::scope(|scope| {
        let mut channels: Vec<Sender<Token>> = Vec::new();
        for (number, tasks) in tasks.into_iter().enumerate() {
            let (sender, receiver) = channel();
            channels.push(sender);
            let registry = poll.registry().try_clone().unwrap();
            let (left, waker) = (&left, &waker);
            scope.spawn(move || {
                run_worker(&registry, tasks, &receiver, Lcg(number as u64));
                left.fetch_sub(1, Ordering::Relaxed);
                waker.wake().unwrap();
            });
        }
        loop {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "an event is lost");
            for event in &events {
                if event.token() != WAKE {
                    // A worker that is done does not listen any more.
                    let _ = channels[worker_of(event.token())].send(event.token());
                } else if left.load(Ordering::Relaxed) == 0 {
                    return;
                }
            }
        }
    });
}

fn worker_of(token: Token) -> usize {
    let (number, side) = (token.0 / 2, token.0 % 2);
    (number + side) % WORKERS
}

/// Runs `meanwhile` once a thread sleeps in a poll, then wakes it; the call must have
/// slept through all of it.
fn while_polling(poll: &mut Poll, events: &mut Events, meanwhile: impl FnOnce()) {
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let (sender, receiver) = channel();
    let returned = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            sender.send(util::thread_id()).unwrap();
            util::poll(poll, events, Some(LONG));
            returned.store(true, Ordering::Relaxed);
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert_eq!(tokens, [WAKE]);
        });
        wait_until_asleep(receiver.recv().unwrap());
        meanwhile();
        assert!(!returned.load(Ordering::Relaxed));
        waker.wake().unwrap();
    });
}

/// Checks that the peer of `source` finds the stream at its end when the source is
/// closed, though a poll is running that has it in hand.
fn closing_is_noticed<S: Source>(mut source: S, interest: Interest, mut peer: impl Read) {
    let (mut poll, mut events) = poll_and_events();
    poll.registry()
        .register(&mut source, Token(1), interest)
        .unwrap();
    // The first event, of being writable, is taken by this poll if there is one.
    util::poll(
        &mut poll,
        &mut events,
        Some(std::time::Duration::from_millis(1)),
    );
    while_polling(&mut poll, &mut events, || {
        drop(source);
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    });
}

/// Edge case 15: a poll that is running does not keep a source open that another thread
/// closes; nor does it return for that.
#[test]
fn a_source_closed_while_a_poll_runs_is_closed() {
    // Reading a pipe has no timeout; a process of its own has one.
    in_own_process(
        "a_source_closed_while_a_poll_runs_is_closed",
        close_while_polling,
    );
}

fn close_while_polling() {
    for interest in [R, W, R | W, R.level(), R.oneshot()] {
        let (one, other) = tcp_pair();
        one.set_nonblocking(true).unwrap();
        other.set_read_timeout(Some(LONG)).unwrap();
        closing_is_noticed(mio::net::TcpStream::from_std(one), interest, other);

        #[cfg(unix)]
        {
            let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
            one.set_nonblocking(true).unwrap();
            other.set_read_timeout(Some(LONG)).unwrap();
            closing_is_noticed(Stream::from_std(one), interest, other);
        }
    }
    #[cfg(unix)]
    for interest in [W, W.oneshot()] {
        let (sender, receiver) = pipe::new().unwrap();
        receiver.set_nonblocking(false).unwrap();
        closing_is_noticed(sender, interest, receiver);
    }
}

/// Edge case 15: the same for a source that is deregistered first, and for one that is
/// turned into the standard library's type.
#[test]
fn a_source_given_up_while_a_poll_runs_is_closed() {
    for deregister in [true, false] {
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry().try_clone().unwrap();
        let (one, mut peer) = tcp_pair();
        one.set_nonblocking(true).unwrap();
        peer.set_read_timeout(Some(LONG)).unwrap();
        let mut source = mio::net::TcpStream::from_std(one);
        registry.register(&mut source, Token(1), R).unwrap();
        while_polling(&mut poll, &mut events, || {
            if deregister {
                registry.deregister(&mut source).unwrap();
            }
            drop(TcpStream::from(source));
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        });
    }
}

/// What is registered, changed or written while a poll runs is seen by that very call.
#[test]
fn a_running_poll_sees_what_changes() {
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry().try_clone().unwrap();
    let (mut first, mut first_peer) = stream_pair();
    let (mut second, _second_peer) = stream_pair();
    let (mut third, _third_peer) = stream_pair();
    first_peer.write_all(b"x").unwrap();
    registry.register(&mut second, Token(2), R).unwrap();
    registry.register(&mut third, Token(3), W).unwrap();
    util::expect_writable(&mut poll, &mut events, Token(3));

    let changes: [(&str, usize, &mut dyn FnMut()); 3] = [
        ("register", 1, &mut || {
            registry.register(&mut first, Token(1), R).unwrap();
        }),
        ("reregister for another direction", 2, &mut || {
            registry.reregister(&mut second, Token(2), W).unwrap();
        }),
        ("reregister for the same", 4, &mut || {
            registry.reregister(&mut third, Token(4), W).unwrap();
        }),
    ];
    for (name, token, change) in changes {
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                sender.send(util::thread_id()).unwrap();
                util::poll(&mut poll, &mut events, Some(LONG));
            });
            wait_until_asleep(receiver.recv().unwrap());
            change();
        });
        let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
        assert_eq!(tokens, [Token(token)], "{name}");
    }
}

/// Registrations meet a poll at each of its moments: before it waits, while it does, and while
/// it returns.
#[test]
fn what_eight_threads_register_is_reported_while_a_poll_runs() {
    const THREADS: usize = 8;
    const ROUNDS: usize = if AFD { 500 } else { 3_000 };
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let seen: [Seen; THREADS] = Default::default();
    let left = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for (number, seen) in seen.iter().enumerate() {
            let registry = poll.registry().try_clone().unwrap();
            let (left, waker) = (&left, &waker);
            scope.spawn(move || {
                let (mut near, mut far) = stream_pair();
                far.write_all(b"x").unwrap();
                for round in 1..=ROUNDS {
                    let token = Token(round * THREADS + number);
                    registry.register(&mut near, token, R).unwrap();
                    seen.wait_for(round);
                    registry.deregister(&mut near).unwrap();
                }
                left.fetch_sub(1, Ordering::Relaxed);
                waker.wake().unwrap();
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "a registration is lost");
            for Token(token) in events.iter().map(|event| event.token()) {
                if Token(token) != WAKE {
                    seen[token % THREADS].report(token / THREADS);
                }
            }
        }
    });
}

const CHANGERS: usize = 3;
/// Windows leaves the port of every connection alone for a while.
const GENERATIONS: usize = if AFD { 600 } else { 6_000 };

/// What a thread that changes registrations has sent to the poller, and learns from it.
#[derive(Default)]
struct Progress {
    /// The newest generation whose registration had ended when this was written.
    ended: AtomicUsize,
    seen: Seen,
}

/// A number that only grows, and that can be waited for.
#[derive(Default)]
struct Seen {
    number: Mutex<usize>,
    grown: Condvar,
}

impl Seen {
    fn report(&self, number: usize) {
        let mut newest = self.number.lock().unwrap();
        if *newest < number {
            *newest = number;
            self.grown.notify_one();
        }
    }

    fn wait_for(&self, number: usize) {
        let newest = self.number.lock().unwrap();
        let (_newest, waited) = self
            .grown
            .wait_timeout_while(newest, LONG, |newest| *newest < number)
            .unwrap();
        assert!(!waited.timed_out(), "{number} is never reported");
    }
}

fn ready_source() -> (Stream, Stream) {
    let (source, mut peer) = stream_pair();
    peer.write_all(b"never read").unwrap();
    (source, peer)
}

/// Registers a source that is always ready under one token after another, each of which
/// is ended by another way of ending a registration.
fn change_tokens(registry: &Registry, number: usize, progress: &Progress) {
    let mut random = Lcg(number as u64);
    let token = |generation| Token(generation * CHANGERS + number);
    let mut pair = ready_source();
    registry.register(&mut pair.0, token(1), R).unwrap();
    for generation in 1..GENERATIONS {
        // Without this, most would be closed before a poll returns.
        if random.below(4) == 0 {
            progress.seen.wait_for(generation);
        }
        let next = token(generation + 1);
        let interest = if random.below(2) == 0 { R } else { R.level() };
        match random.below(3) {
            0 => {
                registry.reregister(&mut pair.0, next, interest).unwrap();
                progress.ended.store(generation, Ordering::Release);
            }
            1 => {
                registry.deregister(&mut pair.0).unwrap();
                progress.ended.store(generation, Ordering::Release);
                registry.register(&mut pair.0, next, interest).unwrap();
            }
            _ => {
                drop(pair);
                progress.ended.store(generation, Ordering::Release);
                pair = ready_source();
                registry.register(&mut pair.0, next, interest).unwrap();
            }
        }
    }
    progress.seen.wait_for(GENERATIONS);
}

/// Edge case 43: once a deregistration, a reregistration or the closing of a source has
/// returned, no poll that starts then reports the token that was.
#[test]
fn no_poll_reports_a_token_whose_registration_ended_before() {
    // A child that another test starts has a copy of every descriptor for a moment, in
    // which closing one does not end the registration of what it stood for.
    in_own_process(
        "no_poll_reports_a_token_whose_registration_ended_before",
        end_registrations_while_polling,
    );
}

fn end_registrations_while_polling() {
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let progress: [Progress; CHANGERS] = Default::default();
    let left = AtomicUsize::new(CHANGERS);
    thread::scope(|scope| {
        for (number, progress) in progress.iter().enumerate() {
            let registry = poll.registry().try_clone().unwrap();
            let (left, waker) = (&left, &waker);
            scope.spawn(move || {
                change_tokens(&registry, number, progress);
                left.fetch_sub(1, Ordering::Relaxed);
                waker.wake().unwrap();
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            let ended: Vec<usize> = progress
                .iter()
                .map(|it| it.ended.load(Ordering::Acquire))
                .collect();
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "nothing is reported any more");
            for event in events.iter().filter(|event| event.token() != WAKE) {
                let Token(token) = event.token();
                let (generation, number) = (token / CHANGERS, token % CHANGERS);
                assert!(
                    generation > ended[number],
                    "{generation} is reported, {} had ended",
                    ended[number]
                );
                progress[number].seen.report(generation);
            }
        }
    });
}

/// Makes sources that have nothing to say, and such that have, and closes them, so that
/// each gets descriptors that others just had.
fn make_and_close(registry: &Registry, number: usize, active_seen: &Seen) {
    const ROUNDS: usize = if AFD { 400 } else { 4_000 };
    let idle = Token(2 * number);
    let mut random = Lcg(number as u64);
    for round in 1..=ROUNDS {
        let mut speaking = datagram_pair();
        let mut silent = datagram_pair();
        // Which of them gets the lower descriptors is not always the same.
        if random.below(2) == 0 {
            mem::swap(&mut speaking, &mut silent);
        }
        registry.register(&mut silent.0, idle, R).unwrap();
        speaking.1.send(b"active").unwrap();
        // All odd numbers are active sources; which of them shows that it is this round's.
        let active = Token(2 * (round * CHANGERS + number) + 1);
        registry.register(&mut speaking.0, active, R).unwrap();
        if round % 8 == 0 || round == ROUNDS {
            active_seen.wait_for(round);
        }
        // The sources go before their peers: else the idle one had something to report.
        drop((speaking.0, silent.0));
    }
}

/// Edge case 15: a descriptor that is closed and made anew, by whichever thread, while a
/// poll is looking, reports what belongs to the new source only.
#[test]
fn a_reused_descriptor_has_no_event_of_its_predecessor() {
    // A child that another test starts has a copy of every descriptor for a moment, in
    // which closing one does not end the registration of what it stood for.
    in_own_process(
        "a_reused_descriptor_has_no_event_of_its_predecessor",
        reuse_descriptors_while_polling,
    );
}

fn reuse_descriptors_while_polling() {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let active_seen: [Seen; CHANGERS] = Default::default();
    let left = AtomicUsize::new(CHANGERS);
    thread::scope(|scope| {
        for (number, active_seen) in active_seen.iter().enumerate() {
            let registry = poll.registry().try_clone().unwrap();
            let (left, waker) = (&left, &waker);
            scope.spawn(move || {
                make_and_close(&registry, number, active_seen);
                left.fetch_sub(1, Ordering::Relaxed);
                waker.wake().unwrap();
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            util::poll(&mut poll, &mut events, Some(LONG));
            assert!(!events.is_empty(), "nothing is reported any more");
            for event in events.iter().filter(|event| event.token() != WAKE) {
                let Token(token) = event.token();
                assert_eq!(token % 2, 1, "an idle source reports: {event:?}");
                active_seen[token / 2 % CHANGERS].report(token / 2 / CHANGERS);
            }
        }
    });
}

/// Registrations outlive the poll: when events can no longer be received, everything that
/// can still be called works or returns an error.
#[test]
fn sources_and_registries_outlive_their_poll() {
    in_own_process("sources_and_registries_outlive_their_poll", || {
        let before = open_fds();
        let poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let waker = Waker::new(&registry, WAKE).unwrap();
        let (mut source, mut peer) = stream_pair();
        let mut udp = UdpSocket::bind(any_port()).unwrap();
        registry.register(&mut source, Token(1), R | W).unwrap();
        registry.register(&mut udp, Token(2), R).unwrap();
        drop(poll);

        waker.wake().unwrap();
        peer.write_all(b"after the end").unwrap();
        assert_eq!(util::drain(&mut source), b"after the end");
        source.write_all(b"both ways").unwrap();
        assert_eq!(util::drain(&mut peer), b"both ways");
        util::expect_would_block(udp.recv(&mut [0; 8]));
        registry.reregister(&mut source, Token(3), R).unwrap();
        registry.deregister(&mut source).unwrap();
        registry.register(&mut peer, Token(4), W).unwrap();
        let second = registry.try_clone().unwrap();
        drop(registry);
        waker.wake().unwrap();
        drop(waker);
        Waker::new(&second, WAKE).unwrap().wake().unwrap();
        drop(second);

        // Nothing is left of the poll but what these remember of it.
        util::expect_would_block(peer.read(&mut [0; 8]));
        util::expect_would_block(udp.recv(&mut [0; 8]));
        let (mut poll, mut events) = poll_and_events();
        poll.registry().register(&mut source, Token(5), R).unwrap();
        drop(peer);
        util::expect(&mut poll, &mut events, Token(5), |it| it.is_read_closed());
        drop((source, udp, poll));
        assert_eq!(open_fds(), before);
    });
}

/// A poll is dropped while other threads are registering, waking and transferring.
#[test]
fn a_poll_may_be_dropped_while_others_use_its_registry() {
    const POLLS: usize = if AFD { 20 } else { 100 };
    const ROUNDS: usize = 30;
    in_own_process(
        "a_poll_may_be_dropped_while_others_use_its_registry",
        || {
            let drop_one = |number: usize| {
                let poll = Poll::new().unwrap();
                let waker = Waker::new(poll.registry(), WAKE).unwrap();
                let started = AtomicUsize::new(0);
                thread::scope(|scope| {
                    for _ in 0..2 {
                        let registry = poll.registry().try_clone().unwrap();
                        let (started, waker) = (&started, &waker);
                        scope.spawn(move || {
                            for round in 0..ROUNDS {
                                let (mut source, mut peer) = ready_source();
                                registry.register(&mut source, Token(1), R | W).unwrap();
                                started.fetch_add(1, Ordering::Relaxed);
                                waker.wake().unwrap();
                                registry.reregister(&mut source, Token(2), R).unwrap();
                                assert_eq!(util::drain(&mut source), b"never read");
                                peer.write_all(b"x").unwrap();
                                if round % 2 == 0 {
                                    registry.deregister(&mut source).unwrap();
                                }
                            }
                        });
                    }
                    while started.load(Ordering::Relaxed) < number % ROUNDS {
                        thread::yield_now();
                    }
                    drop(poll);
                });
            };
            // What the system opens for threads that race, it keeps.
            drop_one(ROUNDS / 2);
            let before = open_fds();
            (0..POLLS).for_each(drop_one);
            assert_eq!(open_fds(), before);
        },
    );
}
