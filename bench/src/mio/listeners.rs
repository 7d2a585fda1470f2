//! Threads that accept the connections of one listener, over a library with mio's API, which
//! `super` names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use super::mio::unix::SourceFd;
use super::mio::{Interest, Token, Waker};
use super::polls::poll_and_events;
use crate::load::Listener;

/// Starts threads that each watch the listener with a poll of their own, and accept what they
/// can. Returns what `connect` returns.
pub fn share<T>(
    listener: &Listener,
    interest: Interest,
    threads: usize,
    connect: impl FnOnce() -> T,
) -> T {
    let (wakers, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let ready = Barrier::new(threads + 1);
    let accept = || {
        let (mut poll, mut events) = poll_and_events();
        let own = listener.clone();
        poll.registry()
            .register(&mut SourceFd(&own.fd()), Token(0), interest)
            .unwrap();
        let waker = Waker::new(poll.registry(), Token(1)).unwrap();
        wakers.lock().unwrap().push(waker);
        ready.wait();
        while !stop.load(Ordering::Acquire) {
            poll.poll(&mut events, None).unwrap();
            own.accept_all();
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(accept);
        }
        ready.wait();
        let result = connect();
        stop.store(true, Ordering::Release);
        for waker in &*wakers.lock().unwrap() {
            waker.wake().unwrap();
        }
        result
    })
}
