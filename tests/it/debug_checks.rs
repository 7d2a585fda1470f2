//! The checks of debug builds, "one source, one poll" and "one poll, one waker", and
//! what holds in their place in release builds.
#![cfg(all(feature = "os-poll", feature = "net", any(unix, windows)))]

#[cfg(debug_assertions)]
mod debug {
    use std::io;
    use std::panic::{catch_unwind, AssertUnwindSafe};

    use mio::event::Source;
    use mio::net::{TcpListener, TcpStream, UdpSocket};
    use mio::{Interest, Poll, Registry, Token, Waker};

    use crate::util::{any_port, expect_readable, expect_silence, poll_and_events};

    const SOURCE: Token = Token(1);
    const ONE: Token = Token(2);
    const TWO: Token = Token(3);

    /// One of each type of source, and what keeps it working.
    fn sources() -> Vec<Box<dyn Source>> {
        let listener = TcpListener::bind(any_port()).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        #[allow(unused_mut)] // There may be no others.
        let mut sources: Vec<Box<dyn Source>> = vec![
            Box::new(listener),
            Box::new(stream),
            Box::new(UdpSocket::bind(any_port()).unwrap()),
        ];
        #[cfg(unix)]
        {
            use mio::net::{UnixDatagram, UnixListener, UnixStream};

            let path = crate::util::temporary_path("listener");
            sources.push(Box::new(UnixListener::bind(&path).unwrap()));
            std::fs::remove_file(&path).unwrap();
            sources.push(Box::new(UnixStream::pair().unwrap().0));
            sources.push(Box::new(UnixDatagram::unbound().unwrap()));
        }
        #[cfg(all(unix, feature = "os-ext"))]
        {
            let (sender, receiver) = mio::unix::pipe::new().unwrap();
            sources.push(Box::new(sender));
            sources.push(Box::new(receiver));
        }
        sources
    }

    #[track_caller]
    fn expect_kind(result: io::Result<()>, kind: io::ErrorKind) {
        assert_eq!(result.unwrap_err().kind(), kind);
    }

    fn register(registry: &Registry, source: &mut dyn Source) -> io::Result<()> {
        registry.register(source, SOURCE, Interest::READABLE)
    }

    fn reregister(registry: &Registry, source: &mut dyn Source) -> io::Result<()> {
        registry.reregister(source, SOURCE, Interest::READABLE)
    }

    #[test]
    fn a_source_is_registered_once() {
        let poll = Poll::new().unwrap();
        let clone = poll.registry().try_clone().unwrap();
        for mut source in sources() {
            register(poll.registry(), &mut source).unwrap();
            for registry in [poll.registry(), &clone] {
                let again = register(registry, &mut source);
                expect_kind(again, io::ErrorKind::AlreadyExists);
            }
            // The clone is the same poll.
            reregister(&clone, &mut source).unwrap();
            clone.deregister(&mut source).unwrap();
            register(poll.registry(), &mut source).unwrap();
        }
    }

    #[test]
    fn a_source_is_registered_with_one_poll() {
        let (one, two) = (Poll::new().unwrap(), Poll::new().unwrap());
        let (one, two) = (one.registry(), two.registry());
        for mut source in sources() {
            register(one, &mut source).unwrap();
            expect_kind(register(two, &mut source), io::ErrorKind::AlreadyExists);
            expect_kind(reregister(two, &mut source), io::ErrorKind::AlreadyExists);
            let elsewhere = reregister(two, &mut source).unwrap_err().to_string();
            assert_eq!(
                elsewhere,
                "I/O source already registered with a different `Registry`"
            );
            expect_kind(two.deregister(&mut source), io::ErrorKind::NotFound);

            // It still belongs to the first, which can give it up to the second.
            reregister(one, &mut source).unwrap();
            one.deregister(&mut source).unwrap();
            register(two, &mut source).unwrap();
            expect_kind(one.deregister(&mut source), io::ErrorKind::NotFound);
            two.deregister(&mut source).unwrap();
        }
    }

    #[test]
    fn a_source_that_is_not_registered_is_not_found() {
        let poll = Poll::new().unwrap();
        let registry = poll.registry();
        for mut source in sources() {
            for _ in 0..2 {
                expect_kind(reregister(registry, &mut source), io::ErrorKind::NotFound);
                expect_kind(registry.deregister(&mut source), io::ErrorKind::NotFound);
                register(registry, &mut source).unwrap();
                registry.deregister(&mut source).unwrap();
            }
        }
    }

    /// A registration that the system refuses leaves the source free.
    #[test]
    #[cfg(unix)]
    fn a_source_that_could_not_be_registered_is_not_taken_for_registered() {
        use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};

        if crate::util::KQUEUE {
            // It refuses no open descriptor to begin with.
            return;
        }
        let poll = Poll::new().unwrap();
        let path = crate::util::temporary_path("regular");
        let file = std::fs::File::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // SAFETY: the descriptor is open, and its owner gives it away.
        let mut source = unsafe { UdpSocket::from_raw_fd(file.into_raw_fd()) };
        for _ in 0..2 {
            let refused = register(poll.registry(), &mut source);
            expect_kind(refused, io::ErrorKind::PermissionDenied);
            let removal = poll.registry().deregister(&mut source);
            expect_kind(removal, io::ErrorKind::NotFound);
        }
        // Now there is something under that number that can be polled.
        let socket = std::net::UdpSocket::bind(any_port()).unwrap();
        // SAFETY: takes no pointer; the descriptor stays that of `source`.
        let number = unsafe { libc::dup2(socket.as_raw_fd(), source.as_raw_fd()) };
        assert_eq!(number, source.as_raw_fd());
        register(poll.registry(), &mut source).unwrap();
    }

    /// A deregistration that the system refuses leaves the source registered.
    #[test]
    #[cfg(all(unix, feature = "os-ext"))]
    fn a_source_that_could_not_be_deregistered_is_still_registered() {
        use std::cell::Cell;
        use std::fs::File;
        use std::os::fd::{AsFd, BorrowedFd};

        /// A socket, in whose place a file can be shown.
        struct Changing(UdpSocket, File, Cell<bool>);

        impl AsFd for Changing {
            fn as_fd(&self) -> BorrowedFd<'_> {
                match self.2.get() {
                    true => self.1.as_fd(),
                    false => self.0.as_fd(),
                }
            }
        }

        if crate::util::KQUEUE || crate::util::SHARES {
            // Whose deregistrations do not depend on the file.
            return;
        }
        let poll = Poll::new().unwrap();
        let registry = poll.registry();
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let socket = UdpSocket::bind(any_port()).unwrap();
        let mut source = mio::IoSource::new(Changing(socket, file, Cell::new(false)));
        register(registry, &mut source).unwrap();
        source.get_ref().2.set(true);
        let refused = registry.deregister(&mut source);
        expect_kind(refused, io::ErrorKind::PermissionDenied);
        source.get_ref().2.set(false);
        registry.deregister(&mut source).unwrap();
    }

    // Wakers.

    #[test]
    #[should_panic(expected = "Only a single `Waker` can be active per `Poll` instance")]
    fn a_second_waker_panics() {
        let poll = Poll::new().unwrap();
        let _first = Waker::new(poll.registry(), ONE).unwrap();
        let _second = Waker::new(poll.registry(), TWO);
    }

    /// Edge case 12: clones of a registry belong to one poll.
    #[test]
    #[should_panic(expected = "Only a single `Waker` can be active per `Poll` instance")]
    fn a_second_waker_from_a_clone_panics() {
        let poll = Poll::new().unwrap();
        let clone = poll.registry().try_clone().unwrap();
        let _first = Waker::new(poll.registry(), ONE).unwrap();
        let _second = Waker::new(&clone, TWO);
    }

    /// Edge case 12.
    #[test]
    #[should_panic(expected = "Only a single `Waker` can be active per `Poll` instance")]
    fn a_second_waker_panics_when_the_first_is_from_a_clone() {
        let poll = Poll::new().unwrap();
        let clone = poll.registry().try_clone().unwrap();
        let _first = Waker::new(&clone, ONE).unwrap();
        drop(clone);
        let _second = Waker::new(poll.registry(), TWO);
    }

    #[test]
    fn the_first_waker_survives_the_panic() {
        let (mut poll, mut events) = poll_and_events();
        let first = Waker::new(poll.registry(), ONE).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        for _ in 0..2 {
            let second = catch_unwind(AssertUnwindSafe(|| Waker::new(&registry, TWO)));
            assert!(second.is_err());
            first.wake().unwrap();
            expect_readable(&mut poll, &mut events, ONE);
            expect_silence(&mut poll, &mut events);
        }
    }

    #[test]
    fn each_poll_has_a_waker_of_its_own() {
        let (mut one, mut events) = poll_and_events();
        let (mut two, _) = poll_and_events();
        let waker_of_one = Waker::new(one.registry(), ONE).unwrap();
        let waker_of_two = Waker::new(two.registry(), TWO).unwrap();
        waker_of_one.wake().unwrap();
        expect_silence(&mut two, &mut events);
        expect_readable(&mut one, &mut events, ONE);
        waker_of_two.wake().unwrap();
        expect_silence(&mut one, &mut events);
        expect_readable(&mut two, &mut events, TWO);
    }

    #[test]
    fn a_waker_that_is_dropped_makes_way_for_another() {
        let (mut poll, mut events) = poll_and_events();
        for _ in 0..3 {
            for (token, undelivered) in [(ONE, false), (TWO, true)] {
                let waker = Waker::new(poll.registry(), token).unwrap();
                waker.wake().unwrap();
                if !undelivered {
                    expect_readable(&mut poll, &mut events, token);
                }
            }
        }
        expect_silence(&mut poll, &mut events);
    }

    /// What the first waker had left undelivered must not count as a wake of the second.
    #[test]
    fn a_wake_discarded_with_its_waker_does_not_suppress_the_next() {
        let (mut poll, mut events) = poll_and_events();
        let clone = poll.registry().try_clone().unwrap();
        for registry in [&clone, &poll.registry().try_clone().unwrap()] {
            let first = Waker::new(registry, ONE).unwrap();
            first.wake().unwrap();
            drop(first);
            let second = Waker::new(registry, TWO).unwrap();
            second.wake().unwrap();
            expect_readable(&mut poll, &mut events, TWO);
            expect_silence(&mut poll, &mut events);
            second.wake().unwrap();
            expect_readable(&mut poll, &mut events, TWO);
        }
    }
}

#[cfg(not(debug_assertions))]
mod release {
    use std::io;

    use mio::{Events, Interest, Poll, Token, Waker};

    use crate::util::{self, expect_silence, poll_and_events, registered_streams, LONG};

    const ONE: Token = Token(2);
    const TWO: Token = Token(3);

    /// Polls until every one of `wanted` has come, and checks that nothing else does.
    #[track_caller]
    fn expect_wakes(poll: &mut Poll, events: &mut Events, wanted: &[Token]) {
        let mut missing = wanted.to_vec();
        while !missing.is_empty() {
            util::poll(poll, events, Some(LONG));
            assert!(!events.is_empty(), "no wake of {missing:?}");
            for event in &*events {
                assert!(wanted.contains(&event.token()), "{event:?}");
                missing.retain(|&token| token != event.token());
            }
        }
        expect_silence(poll, events);
    }

    #[test]
    fn two_wakers_both_wake() {
        let (mut poll, mut events) = poll_and_events();
        let clone = poll.registry().try_clone().unwrap();
        let one = Waker::new(poll.registry(), ONE).unwrap();
        let two = Waker::new(&clone, TWO).unwrap();
        for _ in 0..100 {
            one.wake().unwrap();
            expect_wakes(&mut poll, &mut events, &[ONE]);
            two.wake().unwrap();
            expect_wakes(&mut poll, &mut events, &[TWO]);
            one.wake().unwrap();
            two.wake().unwrap();
            expect_wakes(&mut poll, &mut events, &[ONE, TWO]);
            two.wake().unwrap();
            one.wake().unwrap();
            expect_wakes(&mut poll, &mut events, &[ONE, TWO]);
        }
    }

    #[test]
    fn a_second_waker_that_is_dropped_leaves_the_first_alone() {
        let (mut poll, mut events) = poll_and_events();
        let one = Waker::new(poll.registry(), ONE).unwrap();
        let two = Waker::new(poll.registry(), TWO).unwrap();
        one.wake().unwrap();
        two.wake().unwrap();
        drop(two);
        expect_wakes(&mut poll, &mut events, &[ONE]);
        one.wake().unwrap();
        expect_wakes(&mut poll, &mut events, &[ONE]);
    }

    #[test]
    fn the_second_waker_outlives_the_first() {
        let (mut poll, mut events) = poll_and_events();
        let one = Waker::new(poll.registry(), ONE).unwrap();
        let two = Waker::new(poll.registry(), TWO).unwrap();
        one.wake().unwrap();
        drop(one);
        two.wake().unwrap();
        expect_wakes(&mut poll, &mut events, &[TWO]);
        let three = Waker::new(poll.registry(), ONE).unwrap();
        two.wake().unwrap();
        three.wake().unwrap();
        expect_wakes(&mut poll, &mut events, &[ONE, TWO]);
    }

    #[test]
    fn changing_a_source_with_a_poll_that_does_not_have_it_is_not_found() {
        if !util::CHECKED {
            return;
        }
        let (one, _) = poll_and_events();
        let (two, _) = poll_and_events();
        let (mut near, _far) = registered_streams(one.registry(), ONE, Interest::READABLE);
        let change = two
            .registry()
            .reregister(&mut near, TWO, Interest::READABLE);
        assert_eq!(change.unwrap_err().kind(), io::ErrorKind::NotFound);
        let removal = two.registry().deregister(&mut near);
        assert_eq!(removal.unwrap_err().kind(), io::ErrorKind::NotFound);
        one.registry().deregister(&mut near).unwrap();
    }
}
