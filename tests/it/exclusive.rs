//! A listener that several polls watch: a connection wakes one of them, or all.
#![cfg(all(feature = "os-poll", feature = "os-ext", feature = "net", unix))]

use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, discard_events, expect, expect_readable, expect_silence, expect_writable,
    poll_and_events, tcp_pair, thread_id, wait_until_asleep, EVENT_PORT, KQUEUE, LONG, POLL2,
};
use mio::event::{Event, Source};
use mio::net::{TcpListener, UnixListener};
use mio::unix::{pipe, SourceFd};
use mio::{Interest, Poll, Token, Waker};
use socket2::{Domain, SockAddr, Socket, Type};

const LISTENER: Token = Token(1);
const WAKER: Token = Token(2);
const R: Interest = Interest::READABLE;
const W: Interest = Interest::WRITABLE;

/// Whether the selector under test is epoll, the only one that supports it.
const EPOLL: bool = !POLL2 && !KQUEUE && !EVENT_PORT;

const POLLS: usize = 8;

/// A TCP or Unix listener.
struct Listener {
    socket: Socket,
    address: SockAddr,
    path: Option<std::path::PathBuf>,
}

impl Listener {
    fn both() -> [Listener; 2] {
        let path = util::temporary_path("exclusive");
        [
            Listener::new(Domain::IPV4, any_port().into(), None),
            Listener::new(Domain::UNIX, SockAddr::unix(&path).unwrap(), Some(path)),
        ]
    }

    fn new(domain: Domain, address: SockAddr, path: Option<std::path::PathBuf>) -> Listener {
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.bind(&address).unwrap();
        socket.listen(128).unwrap();
        let address = socket.local_addr().unwrap();
        Listener {
            socket,
            address,
            path,
        }
    }

    fn connect(&self) -> Socket {
        let client = Socket::new(self.address.domain(), Type::STREAM, None).unwrap();
        client.connect(&self.address).unwrap();
        client
    }

    /// Another handle to it, as each thread has one.
    fn share(&self) -> Handle {
        let socket = self.socket.try_clone().unwrap();
        match self.path {
            None => Handle::Tcp(TcpListener::from_std(socket.into())),
            Some(_) => Handle::Unix(UnixListener::from_std(socket.into())),
        }
    }
}

enum Handle {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Handle {
    fn register(&mut self, poll: &Poll, interest: Interest) {
        let source: &mut dyn Source = match self {
            Handle::Tcp(listener) => listener,
            Handle::Unix(listener) => listener,
        };
        let registry = poll.registry();
        registry.register(source, LISTENER, interest).unwrap();
    }

    /// Accepts all that wait; how many.
    fn drain(&self) -> usize {
        let mut taken = 0;
        loop {
            let accepted = match self {
                Handle::Tcp(listener) => listener.accept().map(drop),
                Handle::Unix(listener) => listener.accept().map(drop),
            };
            match accepted {
                Ok(()) => taken += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return taken,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_listeners(event: &Event) -> bool {
    event.token() == LISTENER
}

/// How many of the polls that sleep are woken by one connection, which is not accepted.
fn woken_by_a_connection(listener: &Listener, interest: Interest) -> usize {
    let woken = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..POLLS {
            let (sender, woken) = (sender.clone(), &woken);
            scope.spawn(move || {
                let (mut poll, mut events) = poll_and_events();
                let mut shared = listener.share();
                shared.register(&poll, interest);
                let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
                let (release, released) = mpsc::channel::<()>();
                let handles = (thread_id(), Arc::clone(&waker), release);
                sender.send(handles).unwrap();
                util::poll(&mut poll, &mut events, Some(LONG));
                woken.fetch_add(
                    usize::from(events.iter().any(is_listeners)),
                    Ordering::AcqRel,
                );
                // Sleeps until the count was taken.
                let _ = released.recv();
            });
        }
        // Those that fail are not waited for.
        drop(sender);
        let polls: Vec<_> = receiver.iter().take(POLLS).collect();
        assert_eq!(polls.len(), POLLS);
        polls
            .iter()
            .for_each(|(thread, ..)| wait_until_asleep(*thread));
        let _client = listener.connect();
        let least = if EPOLL { 1 } else { POLLS };
        let end = Instant::now() + LONG / 2;
        while woken.load(Ordering::Acquire) < least && Instant::now() < end {
            thread::yield_now();
        }
        // Connecting has woken all that it wakes, and they count themselves before they sleep
        // again.
        polls
            .iter()
            .for_each(|(thread, ..)| wait_until_asleep(*thread));
        let count = woken.load(Ordering::Acquire);
        for (_, waker, release) in polls {
            drop(release);
            waker.wake().unwrap();
        }
        count
    })
}

#[test]
fn a_connection_wakes_one_of_the_polls_that_wait_or_all() {
    for interest in [R, R.level()] {
        for listener in Listener::both() {
            let all = woken_by_a_connection(&listener, interest);
            listener.share().drain();
            assert_eq!(all, POLLS, "without it");
            let some = woken_by_a_connection(&listener, interest.exclusive());
            listener.share().drain();
            println!("{interest:?}, {:?}: {some}", listener.address.domain());
            if EPOLL {
                assert!((1..=2).contains(&some), "{some}");
            } else {
                assert_eq!(some, POLLS);
            }
        }
    }
}

/// A thread that was woken may be slow to come back: what comes meanwhile is for others.
#[test]
fn nothing_is_lost_while_the_thread_that_was_woken_is_slow() {
    for listener in Listener::both() {
        let (mut slow, mut slow_events) = poll_and_events();
        let mut slow_handle = listener.share();
        slow_handle.register(&slow, R.exclusive());
        let _first = listener.connect();
        expect_readable(&mut slow, &mut slow_events, LISTENER);
        // It has not accepted, and does not wait.
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let listener = &listener;
            scope.spawn(move || {
                let (mut poll, mut events) = poll_and_events();
                let mut shared = listener.share();
                shared.register(&poll, R.exclusive());
                // The one that waits gets the event at once.
                expect_readable(&mut poll, &mut events, LISTENER);
                assert_eq!(shared.drain(), 1);
                sender.send(thread_id()).unwrap();
                expect_readable(&mut poll, &mut events, LISTENER);
                assert_eq!(shared.drain(), 1);
            });
            wait_until_asleep(receiver.recv().unwrap());
            let _second = listener.connect();
        });
        // It may get events of what others have taken.
        assert_eq!(slow_handle.drain(), 0);
        discard_events(&mut slow, &mut slow_events);
        let _third = listener.connect();
        expect_readable(&mut slow, &mut slow_events, LISTENER);
    }
}

/// Every connection is accepted, however the threads and the connections meet.
#[test]
fn every_connection_is_accepted() {
    const CONNECTIONS: usize = 400;
    for listener in Listener::both() {
        let accepted = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..POLLS {
                let (sender, accepted, listener) = (sender.clone(), &accepted, &listener);
                scope.spawn(move || {
                    let (mut poll, mut events) = poll_and_events();
                    let mut shared = listener.share();
                    shared.register(&poll, R.exclusive());
                    // It lives until its wake was delivered.
                    let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
                    sender.send(Arc::clone(&waker)).unwrap();
                    loop {
                        util::poll(&mut poll, &mut events, Some(LONG));
                        accepted.fetch_add(shared.drain(), Ordering::AcqRel);
                        if events.is_empty() || events.iter().any(|it| it.token() == WAKER) {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let wakers: Vec<_> = receiver.iter().take(POLLS).collect();
            assert_eq!(wakers.len(), POLLS);
            for number in 1..=CONNECTIONS {
                let _client = listener.connect();
                let end = Instant::now() + LONG / 2;
                // In bursts.
                let missing = || accepted.load(Ordering::Acquire) < number;
                while number % 7 == 0 && missing() && Instant::now() < end {
                    thread::yield_now();
                }
            }
            let end = Instant::now() + LONG / 2;
            while accepted.load(Ordering::Acquire) < CONNECTIONS && Instant::now() < end {
                thread::yield_now();
            }
            let count = accepted.load(Ordering::Acquire);
            wakers.iter().for_each(|waker| waker.wake().unwrap());
            assert_eq!(count, CONNECTIONS);
        });
    }
}

/// Into the mode, out of it, and within it: each reports again what is ready, with the new token.
#[test]
fn reregistering_replaces_the_token_and_the_mode() {
    let [listener, _] = Listener::both();
    let fd = listener.socket.as_raw_fd();
    for first in [R, R.exclusive()] {
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&fd), LISTENER, first)
            .unwrap();
        let _client = listener.connect();
        expect_readable(&mut poll, &mut events, LISTENER);
        let modes = [
            R.exclusive(),
            R.exclusive(),
            R,
            R.level().exclusive(),
            R.oneshot(),
        ];
        for (number, interest) in modes.into_iter().enumerate() {
            let token = Token(10 + number);
            let registry = poll.registry();
            registry
                .reregister(&mut SourceFd(&fd), token, interest)
                .unwrap();
            expect_readable(&mut poll, &mut events, token);
            if interest.is_level() {
                expect_readable(&mut poll, &mut events, token);
            } else {
                expect_silence(&mut poll, &mut events);
            }
        }
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
        listener.share().drain();
    }
}

#[test]
fn what_is_not_registered_cannot_be_reregistered() {
    if KQUEUE {
        // It does not detect this.
        return;
    }
    let [listener, _] = Listener::both();
    let fd = listener.socket.as_raw_fd();
    let poll = Poll::new().unwrap();
    let registry = poll.registry();
    let source = &mut SourceFd(&fd);
    let error = registry
        .reregister(source, LISTENER, R.exclusive())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    registry.register(source, LISTENER, R.exclusive()).unwrap();
    let error = registry
        .register(source, LISTENER, R.exclusive())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// The kernel's refusals return a clear error, and leave the registration unchanged.
#[test]
fn what_cannot_be_exclusive_is_refused() {
    let (mut stream, mut peer) = tcp_pair();
    let (mut poll, mut events) = poll_and_events();
    let mut refused = vec![R.oneshot().exclusive(), W.level().oneshot().exclusive()];
    #[cfg(target_os = "linux")]
    refused.push((R | Interest::PRIORITY).exclusive());
    if !EVENT_PORT {
        refused.push(Interest::READ_CLOSED.exclusive());
        refused.push((R | Interest::READ_CLOSED).exclusive());
    }
    // A clone, since the poll is used meanwhile.
    let registry = poll.registry().try_clone().unwrap();
    for interest in refused {
        let registered = registry.register(&mut stream, LISTENER, interest);
        if EPOLL {
            let error = registered.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("exclusive"), "{error}");
        } else {
            registered.unwrap();
            registry.deregister(&mut stream).unwrap();
        }
        for former in [R, R.exclusive()] {
            registry.register(&mut stream, LISTENER, former).unwrap();
            if EPOLL {
                let error = registry.reregister(&mut stream, WAKER, interest);
                let error = error.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains("exclusive"), "{error}");
                peer.write_all(b"x").unwrap();
                expect_readable(&mut poll, &mut events, LISTENER);
                util::drain_all(&mut stream, 1);
                discard_events(&mut poll, &mut events);
            }
            registry.deregister(&mut stream).unwrap();
        }
    }
}

/// Linux accepts no exclusive registration of an epoll instance. The previous one is unchanged.
#[test]
fn a_poll_that_cannot_be_exclusive_keeps_its_registration() {
    if !EPOLL {
        return;
    }
    let (inner, _) = poll_and_events();
    let waker = Waker::new(inner.registry(), WAKER).unwrap();
    let (mut poll, mut events) = poll_and_events();
    let fd = inner_fd(&inner);
    let mut source = SourceFd(&fd);
    let registry = poll.registry();
    let error = registry.register(&mut source, WAKER, R.exclusive());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = registry.reregister(&mut source, WAKER, R.exclusive());
    assert!(error.is_err());
    registry.register(&mut source, LISTENER, R).unwrap();
    let error = registry.reregister(&mut source, WAKER, R.exclusive());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    waker.wake().unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
}

#[cfg(not(mio_unsupported_force_poll_poll))]
fn inner_fd(poll: &Poll) -> std::os::fd::RawFd {
    poll.as_raw_fd()
}

#[cfg(mio_unsupported_force_poll_poll)]
fn inner_fd(_: &Poll) -> std::os::fd::RawFd {
    unreachable!("that selector has no descriptor")
}

/// What was never registered cannot be registered again, whatever the mode.
#[test]
fn reregistering_what_is_not_registered_is_not_found() {
    let (mut stream, _peer) = tcp_pair();
    let (poll, _) = poll_and_events();
    for interest in [R, R.exclusive(), W.exclusive()] {
        let error = poll.registry().reregister(&mut stream, LISTENER, interest);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

/// It is a mode like others: data, room, the end and an error arrive.
#[test]
fn a_stream_can_be_exclusive() {
    for interest in [(R | W).exclusive(), (R | W).level().exclusive()] {
        let (mut stream, mut peer) = tcp_pair();
        let (mut poll, mut events) = poll_and_events();
        let registry = poll.registry();
        registry.register(&mut stream, LISTENER, interest).unwrap();
        expect_writable(&mut poll, &mut events, LISTENER);
        peer.write_all(b"x").unwrap();
        expect_readable(&mut poll, &mut events, LISTENER);
        util::drain_all(&mut stream, 1);
        socket2::SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        expect(&mut poll, &mut events, LISTENER, |event| event.is_error());
    }
}

#[test]
fn a_pipe_can_be_exclusive() {
    let (mut sender, mut receiver) = pipe::new().unwrap();
    let (mut poll, mut events) = poll_and_events();
    let registry = poll.registry();
    registry
        .register(&mut receiver, LISTENER, R.exclusive())
        .unwrap();
    sender.write_all(b"x").unwrap();
    expect_readable(&mut poll, &mut events, LISTENER);
    util::drain_all(&mut receiver, 1);
    drop(sender);
    expect(&mut poll, &mut events, LISTENER, util::reports_end);
}

/// epoll has no exclusive polls within polls.
#[test]
#[cfg(not(mio_unsupported_force_poll_poll))]
fn a_poll_cannot_be_exclusive_on_epoll() {
    let (inner, outer) = (Poll::new().unwrap(), Poll::new().unwrap());
    let fd = inner.as_raw_fd();
    let registered = outer
        .registry()
        .register(&mut SourceFd(&fd), LISTENER, R.exclusive());
    if EPOLL {
        assert_eq!(registered.unwrap_err().kind(), ErrorKind::InvalidInput);
    } else {
        registered.unwrap();
    }
}
