//! The operations over a library with mio's API, which `super` names.

use std::mem;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::mio::net::{TcpStream, UnixStream};
use super::mio::unix::SourceFd;
use super::mio::{Events, Interest, Poll, Token, Waker};
use super::mio_sockets;
use crate::load::{self, Bell};
use crate::loops::bare;
use crate::operation::{self, repeat, Operation, Run, ACTIVE, BATCH, PRODUCERS, WAKES};

/// `None` if the operation needs a queue that is a descriptor, and there is none.
pub fn make(operation: Operation) -> Option<Run> {
    Some(match operation {
        Operation::WakeRedundant => wake(false),
        Operation::WakePoll => wake(true),
        Operation::WakePingPong => wake_ping_pong(),
        Operation::WakeProducers => wake_producers(),
        Operation::PollEmpty => poll_ready(0)?,
        Operation::PollReady(ready) => poll_ready(ready)?,
        Operation::Register | Operation::Reregister | Operation::Deregister => register(operation),
        Operation::Echo(connections) => mio_sockets::echo(connections),
        Operation::ConnectAccept => mio_sockets::connect_accept(),
        Operation::UnixPingPong => mio_sockets::unix_ping_pong(),
        Operation::UdpPingPong => mio_sockets::udp_ping_pong(),
        Operation::Bulk => mio_sockets::bulk(),
        Operation::Timeout(micros) => timeout(Duration::from_micros(micros)),
        Operation::Registered(count) => registered(count),
    })
}

pub fn poll_and_events() -> (Poll, Events) {
    (Poll::new().unwrap(), Events::with_capacity(1024))
}

fn wake(with_poll: bool) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), Token(7)).unwrap();
    waker.wake().unwrap();
    repeat(move || {
        waker.wake().unwrap();
        if with_poll {
            poll.poll(&mut events, None).unwrap();
            assert_eq!(events.iter().count(), 1);
        }
    })
}

/// A thread that answers every wake with one.
struct Answerer {
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Answerer {
    fn new(answer_to: Waker) -> Answerer {
        let (mut poll, mut events) = poll_and_events();
        let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
        let kept = Arc::clone(&waker);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            // Lives as long as its poll.
            let _kept = kept;
            while !stopped.load(Ordering::Acquire) {
                poll.poll(&mut events, None).unwrap();
                answer_to.wake().unwrap();
            }
        });
        Answerer {
            waker,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake().unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn wake_ping_pong() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let answerer = Answerer::new(Waker::new(poll.registry(), Token(8)).unwrap());
    repeat(move || {
        answerer.waker.wake().unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1);
    })
}

fn wake_producers() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), Token(7)).unwrap();
    Box::new(move |count| {
        let each = count * WAKES as u64;
        let finished = AtomicUsize::new(0);
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                scope.spawn(|| {
                    for _ in 0..each {
                        waker.wake().unwrap();
                    }
                    finished.fetch_add(1, Ordering::Release);
                    waker.wake().unwrap();
                });
            }
            while finished.load(Ordering::Acquire) < PRODUCERS {
                poll.poll(&mut events, None).unwrap();
            }
        });
        let elapsed = start.elapsed();
        // What a late producer has left.
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        elapsed
    })
}

/// The API that both libraries have knows edges only, so the sources that are ready for
/// ever go in beside it.
fn poll_ready(ready: usize) -> Option<Run> {
    let (mut poll, mut events) = poll_and_events();
    let queue = queue(&poll)?;
    let bells: Vec<Bell> = (0..ready).map(|_| Bell::ringing()).collect();
    for (index, bell) in bells.iter().enumerate() {
        bare::add(queue, bell.fd(), index, false);
    }
    Some(repeat(move || {
        let _alive = &bells;
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(count_readable(&events), ready);
    }))
}

#[cfg(not(mio_unsupported_force_poll_poll))]
fn queue(poll: &Poll) -> Option<RawFd> {
    Some(std::os::fd::AsRawFd::as_raw_fd(poll))
}

/// poll(2) has none.
#[cfg(mio_unsupported_force_poll_poll)]
fn queue(_: &Poll) -> Option<RawFd> {
    None
}

fn count_readable(events: &Events) -> usize {
    events.iter().filter(|event| event.is_readable()).count()
}

fn register(which: Operation) -> Run {
    let poll = Poll::new().unwrap();
    let (mut sources, _others): (Vec<_>, Vec<_>) =
        (0..BATCH).map(|_| UnixStream::pair().unwrap()).unzip();
    Box::new(move |count| {
        let _alive = &_others;
        let mut elapsed = Duration::ZERO;
        let mut step = |operation, change: &mut dyn FnMut(&mut UnixStream, usize)| {
            let start = Instant::now();
            for (index, source) in sources.iter_mut().enumerate() {
                change(source, index);
            }
            if operation == which {
                elapsed += start.elapsed();
            }
        };
        let registry = poll.registry();
        let both = Interest::READABLE | Interest::WRITABLE;
        for _ in 0..count {
            step(Operation::Register, &mut |source, index| {
                registry
                    .register(source, Token(index), Interest::READABLE)
                    .unwrap();
            });
            if which == Operation::Reregister {
                step(Operation::Reregister, &mut |source, index| {
                    registry.reregister(source, Token(index), both).unwrap();
                });
            }
            step(Operation::Deregister, &mut |source, _| {
                registry.deregister(source).unwrap();
            });
        }
        elapsed
    })
}

fn timeout(timeout: Duration) -> Run {
    let (mut poll, mut events) = poll_and_events();
    repeat(move || poll.poll(&mut events, Some(timeout)).unwrap())
}

/// Only the polls are timed, not what makes the sources ready.
fn registered(count: usize) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let bells: Vec<Bell> = (0..count).map(|_| Bell::new()).collect();
    register_all(&poll, &bells);
    operation::repeat_after(
        move || load::ring_some(&bells),
        move || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(count_readable(&events), ACTIVE);
        },
    )
}

fn register_all(poll: &Poll, bells: &[Bell]) {
    for (index, bell) in bells.iter().enumerate() {
        poll.registry()
            .register(&mut SourceFd(&bell.fd()), Token(index), Interest::READABLE)
            .unwrap();
    }
}

pub fn heap_per_source() -> f64 {
    const COUNT: usize = 10_000;

    let poll = Poll::new().unwrap();
    let bells: Vec<Bell> = (0..COUNT).map(|_| Bell::new()).collect();
    let before = load::heap();
    register_all(&poll, &bells);
    (load::heap() - before) as f64 / COUNT as f64
}

/// What a stream takes in memory by itself.
pub fn size_of_stream() -> usize {
    mem::size_of::<TcpStream>()
}
