//! Wakes, over a library with mio's API, which `super` names.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::mio::{Events, Poll, Token, Waker};
use super::polls::poll_and_events;
use crate::operation::{repeat, Run, PRODUCERS, QUEUE_PRODUCERS, WAKES};

pub fn wake(with_poll: bool) -> Run {
    let (mut poll, mut events) = poll_and_events();
    let waker = Waker::new(poll.registry(), Token(7)).unwrap();
    waker.wake().unwrap();
    repeat(move || {
        waker.wake().unwrap();
        if with_poll {
            poll.poll(&mut events, None).unwrap();
            // On Windows upstream reports each wake, the first one too.
            assert!(!events.is_empty());
        }
    })
}

/// A thread that responds to every wake with a wake.
struct Responder {
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    fn new(respond_to: Waker) -> Responder {
        let (mut poll, mut events) = poll_and_events();
        let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
        let kept = Arc::clone(&waker);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            // It must live as long as its poll.
            let _kept = kept;
            while !stopped.load(Ordering::Acquire) {
                poll.poll(&mut events, None).unwrap();
                respond_to.wake().unwrap();
            }
        });
        Responder {
            waker,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake().unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

pub fn ping_pong() -> Run {
    let (mut poll, mut events) = poll_and_events();
    let responder = Responder::new(Waker::new(poll.registry(), Token(8)).unwrap());
    repeat(move || {
        responder.waker.wake().unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1);
    })
}

pub fn producers() -> Run {
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
        // Drains the wake of a late producer.
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        elapsed
    })
}

pub fn queue() -> Run {
    let mut queue = Queue::new();
    Box::new(move |count| {
        let start = Instant::now();
        queue.pass(count * WAKES as u64);
        start.elapsed()
    })
}

/// How many items of the queue a turn of the loop finds, on average.
pub fn items_per_turn() -> f64 {
    const EACH: u64 = 200 * WAKES as u64;

    let turns = Queue::new().pass(EACH);
    (EACH * QUEUE_PRODUCERS as u64) as f64 / turns as f64
}

/// A loop that takes items that other threads make.
struct Queue {
    poll: Poll,
    events: Events,
    waker: Waker,
}

impl Queue {
    fn new() -> Queue {
        let (poll, events) = poll_and_events();
        let waker = Waker::new(poll.registry(), Token(7)).unwrap();
        Queue {
            poll,
            events,
            waker,
        }
    }

    /// Each producer makes so many items, and wakes the loop after each. Returns how many turns of
    /// the loop found items.
    fn pass(&mut self, each: u64) -> u64 {
        let (waker, producers) = (&self.waker, QUEUE_PRODUCERS);
        let (mut left, mut turns) = (each * producers as u64, 0);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for sender in vec![sender; producers] {
                scope.spawn(move || {
                    for item in 0..each {
                        sender.send(item).unwrap();
                        waker.wake().unwrap();
                    }
                });
            }
            while left > 0 {
                self.poll.poll(&mut self.events, None).unwrap();
                let items = receiver.try_iter().count() as u64;
                left -= items;
                turns += u64::from(items > 0);
            }
        });
        // Drains the wake of the last item.
        let at_once = Some(Duration::ZERO);
        self.poll.poll(&mut self.events, at_once).unwrap();
        turns
    }
}
