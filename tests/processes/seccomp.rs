//! Under a sandbox, or with a system that fails: a seccomp(2) filter makes chosen
//! system calls fail.
#![cfg(all(
    target_os = "linux",
    feature = "os-poll",
    feature = "net",
    feature = "os-ext"
))]

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use crate::util::{
    self, any_port, drain, expect_readable, expect_silence, in_own_process, open_fds,
    poll_and_events, watch, EVENT_PORT, PIPE_WAKER, POLL2,
};
use mio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Token, Waker};

const STREAM: Token = Token(0);
const WAKE: Token = Token(1);

/// From now on the system calls `numbers` fail with `errno`, in this thread and those that
/// it starts. It cannot be undone, but overridden: of several filters that return an
/// error, the newest one determines which.
fn refuse(numbers: &[libc::c_long], errno: libc::c_int) {
    let statement = |code: u32, jump: usize, operand: u32| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt: jump.try_into().unwrap(),
        jf: 0,
        k: operand,
    };
    let result = |operand| statement(libc::BPF_RET | libc::BPF_K, 0, operand);
    // The number of the call is the first field of what a filter sees.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (index, &number) in numbers.iter().enumerate() {
        // Over the comparisons that are left, and over "allow".
        let jump = numbers.len() - index;
        let number = number.try_into().unwrap();
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(statement(equal, jump, number));
    }
    program.push(result(libc::SECCOMP_RET_ALLOW));
    program.push(result(libc::SECCOMP_RET_ERRNO | errno as u32));

    let filter = libc::sock_fprog {
        len: program.len().try_into().unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: neither call keeps a pointer; `filter` and the program that it points to
    // live through the second.
    unsafe {
        let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64);
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
        let done = libc::prctl(libc::PR_SET_SECCOMP, mode, &filter);
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    }
}

/// Fractions of a millisecond, and more than an `int` of milliseconds can say, have to
/// work without `epoll_pwait2`: never early, and with all events.
fn precise_timeouts_survive(errno: libc::c_int) {
    refuse(&[libc::SYS_epoll_pwait2], errno);
    let (mut poll, mut events) = poll_and_events();
    let (mut source, mut peer) = UnixStream::pair().unwrap();
    poll.registry()
        .register(&mut source, STREAM, Interest::READABLE)
        .unwrap();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();

    for round in 0..20_u8 {
        for timeout in [Duration::from_micros(50), Duration::from_micros(1500)] {
            let start = Instant::now();
            poll.poll(&mut events, Some(timeout)).unwrap();
            let taken = start.elapsed();
            assert!(events.is_empty(), "{events:?}");
            assert!(taken >= timeout, "{taken:?} is early for {timeout:?}");

            peer.write_all(&[round]).unwrap();
            poll.poll(&mut events, Some(timeout)).unwrap();
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert_eq!(tokens, [STREAM]);
            assert_eq!(drain(&mut source), [round]);
        }
        thread::scope(|scope| {
            scope.spawn(|| waker.wake().unwrap());
            poll.poll(&mut events, Some(Duration::MAX)).unwrap();
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert_eq!(tokens, [WAKE]);
        });
    }

    // One refusal is enough: a second attempt would now get an error that is none.
    refuse(&[libc::SYS_epoll_pwait2], libc::EINVAL);
    let start = Instant::now();
    poll.poll(&mut events, Some(Duration::from_micros(50)))
        .unwrap();
    assert!(start.elapsed() >= Duration::from_micros(50));
}

/// Edge case 1, on a kernel before 5.11.
#[test]
fn timeouts_are_rounded_up_where_the_kernel_lacks_the_precise_call() {
    in_own_process(
        "timeouts_are_rounded_up_where_the_kernel_lacks_the_precise_call",
        || precise_timeouts_survive(libc::ENOSYS),
    );
}

/// Edge case 1, in a container whose list of allowed calls is older than the call.
#[test]
fn timeouts_are_rounded_up_where_the_precise_call_is_not_permitted() {
    in_own_process(
        "timeouts_are_rounded_up_where_the_precise_call_is_not_permitted",
        || precise_timeouts_survive(libc::EPERM),
    );
}

/// Edge case 1, under a policy that returns "access denied".
#[test]
fn timeouts_are_rounded_up_where_access_to_the_precise_call_is_denied() {
    in_own_process(
        "timeouts_are_rounded_up_where_access_to_the_precise_call_is_denied",
        || precise_timeouts_survive(libc::EACCES),
    );
}

/// An error that does not mean "this call is not to be had" is the caller's, and shows
/// which timeouts take the precise call: those that milliseconds cannot say.
#[test]
fn a_remainder_below_a_millisecond_takes_the_precise_call() {
    // Where there is no such call the tests above hold as well.
    if !util::has_precise_call() {
        return;
    }
    in_own_process(
        "a_remainder_below_a_millisecond_takes_the_precise_call",
        || {
            refuse(&[libc::SYS_epoll_pwait2], libc::EINVAL);
            let (mut poll, mut events) = poll_and_events();
            let (mut source, mut peer) = UnixStream::pair().unwrap();
            poll.registry()
                .register(&mut source, STREAM, Interest::READABLE)
                .unwrap();
            peer.write_all(b"x").unwrap();

            // More than once: it is no reason to give the call up.
            for _ in 0..3 {
                for timeout in [
                    Duration::from_micros(50),
                    Duration::from_micros(1500),
                    Duration::from_nanos(1),
                    Duration::MAX,
                ] {
                    let error = poll.poll(&mut events, Some(timeout)).unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{timeout:?}");
                    assert!(events.is_empty(), "after an error: {events:?}");
                }
            }
            for timeout in [Some(Duration::ZERO), Some(Duration::from_millis(1)), None] {
                poll.registry()
                    .reregister(&mut source, STREAM, Interest::READABLE)
                    .unwrap();
                poll.poll(&mut events, timeout).unwrap();
                assert_eq!(events.iter().count(), 1, "{timeout:?}");
            }
        },
    );
}

/// Runs `body` in a thread in which the system calls `numbers` fail with `errno`.
fn where_refused(numbers: &[libc::c_long], errno: libc::c_int, body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope.spawn(|| {
            refuse(numbers, errno);
            body();
        });
    });
}

#[track_caller]
fn expect_error<T: std::fmt::Debug>(result: io::Result<T>, errno: libc::c_int) {
    assert_eq!(result.unwrap_err().raw_os_error(), Some(errno));
}

/// Edge case 14: whichever system call of an operation fails, the error is reported, and
/// what the calls before it opened is closed.
#[test]
fn a_failing_system_call_leaks_no_descriptor() {
    // There all calls on sockets are one, `socketcall`, which the filter cannot look into.
    if cfg!(target_arch = "x86") {
        return;
    }
    in_own_process("a_failing_system_call_leaks_no_descriptor", || {
        let listener = TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let path = util::temporary_path("refused");
        let before = open_fds();

        where_refused(&[libc::SYS_setsockopt], libc::ENOMEM, || {
            expect_error(TcpListener::bind(any_port()), libc::ENOMEM);
        });
        where_refused(&[libc::SYS_listen], libc::ENOMEM, || {
            expect_error(TcpListener::bind(any_port()), libc::ENOMEM);
            expect_error(mio::net::UnixListener::bind(&path), libc::ENOMEM);
        });
        where_refused(&[libc::SYS_bind], libc::ENOMEM, || {
            expect_error(TcpListener::bind(any_port()), libc::ENOMEM);
            expect_error(UdpSocket::bind(any_port()), libc::ENOMEM);
            expect_error(mio::net::UnixDatagram::bind(&path), libc::ENOMEM);
        });
        where_refused(&[libc::SYS_connect], libc::ENETUNREACH, || {
            expect_error(TcpStream::connect(address), libc::ENETUNREACH);
            expect_error(UnixStream::connect(&path), libc::ENETUNREACH);
        });

        assert_eq!(open_fds(), before);
        // The one that got as far as to `listen` was bound.
        std::fs::remove_file(&path).unwrap();
    });
}

/// Edge cases 12 and 14: a waker that cannot be registered is closed, and has no claim
/// to be the only one; a source that cannot be registered can be tried again.
#[test]
fn a_registration_that_fails_leaves_no_trace() {
    // The registrations of poll(2) are ours, and take no system call that changes them.
    // Those of event ports are not made by this one.
    if POLL2 || EVENT_PORT {
        return;
    }
    in_own_process("a_registration_that_fails_leaves_no_trace", || {
        let (mut poll, mut events) = poll_and_events();
        let (mut source, mut peer) = UnixStream::pair().unwrap();
        let before = open_fds();

        // What the kernel returns when the user's number of watches is used up.
        where_refused(&[libc::SYS_epoll_ctl], libc::ENOSPC, || {
            let registry = poll.registry();
            expect_error(Waker::new(registry, WAKE), libc::ENOSPC);
            expect_error(
                registry.register(&mut source, STREAM, Interest::READABLE),
                libc::ENOSPC,
            );
        });
        assert_eq!(open_fds(), before);

        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        poll.registry()
            .register(&mut source, STREAM, Interest::READABLE)
            .unwrap();
        where_refused(&[libc::SYS_epoll_ctl], libc::ENOMEM, || {
            let registry = poll.registry();
            expect_error(registry.deregister(&mut source), libc::ENOMEM);
        });
        peer.write_all(b"x").unwrap();
        expect_readable(&mut poll, &mut events, STREAM);
        poll.registry().deregister(&mut source).unwrap();
        waker.wake().unwrap();
        expect_readable(&mut poll, &mut events, WAKE);
    });
}

/// Edge case 7: a wake that failed reports it, and does not silence those that follow:
/// they must not take it for one that is on its way.
#[test]
fn a_wake_after_one_that_failed_is_delivered() {
    // A waker of poll(2) writes nothing as long as no poll is running, that of event ports
    // never does.
    if POLL2 || EVENT_PORT {
        return;
    }
    in_own_process("a_wake_after_one_that_failed_is_delivered", || {
        let (mut poll, mut events) = poll_and_events();
        let waker = Waker::new(poll.registry(), WAKE).unwrap();
        watch(&poll);
        for _ in 0..3 {
            where_refused(&[libc::SYS_write], libc::EIO, || {
                expect_error(waker.wake(), libc::EIO);
                expect_error(waker.wake(), libc::EIO);
            });
            expect_silence(&mut poll, &mut events);
            waker.wake().unwrap();
            expect_readable(&mut poll, &mut events, WAKE);
            expect_silence(&mut poll, &mut events);
        }
    });
}

/// Edge case 7, for poll(2): there the wake is on its way although the write that was
/// to hurry it failed.
#[test]
fn a_wake_that_could_not_interrupt_is_delivered_by_the_next_poll() {
    if !POLL2 {
        return;
    }
    in_own_process(
        "a_wake_that_could_not_interrupt_is_delivered_by_the_next_poll",
        || {
            let (mut poll, mut events) = poll_and_events();
            let (mut source, mut peer) = UnixStream::pair().unwrap();
            poll.registry()
                .register(&mut source, STREAM, Interest::READABLE)
                .unwrap();
            let waker = Waker::new(poll.registry(), WAKE).unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();

            thread::scope(|scope| {
                scope.spawn(|| {
                    sender.send(util::thread_id()).unwrap();
                    util::poll(&mut poll, &mut events, Some(util::LONG));
                    assert!(!events.is_empty());
                });
                util::wait_until_asleep(receiver.recv().unwrap());
                where_refused(&[libc::SYS_write], libc::EIO, || {
                    expect_error(waker.wake(), libc::EIO);
                });
                peer.write_all(b"x").unwrap();
            });
            if !events.iter().any(|event| event.token() == WAKE) {
                expect_readable(&mut poll, &mut events, WAKE);
            }
            // The next is not taken for one that is on its way.
            waker.wake().unwrap();
            expect_readable(&mut poll, &mut events, WAKE);
            assert_eq!(drain(&mut source), b"x");
        },
    );
}

/// If the running call cannot be interrupted, the change is not made, and returns an error.
#[test]
fn a_registration_that_could_not_interrupt_is_not_made() {
    if !POLL2 {
        return;
    }
    in_own_process(
        "a_registration_that_could_not_interrupt_is_not_made",
        || {
            const OTHER: Token = Token(2);
            let (mut poll, mut events) = poll_and_events();
            let registry = poll.registry().try_clone().unwrap();
            let (mut changed, mut peer) = UnixStream::pair().unwrap();
            let (mut added, mut other_peer) = UnixStream::pair().unwrap();
            registry
                .register(&mut changed, STREAM, Interest::READABLE)
                .unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();

            thread::scope(|scope| {
                scope.spawn(|| {
                    sender.send(util::thread_id()).unwrap();
                    util::poll(&mut poll, &mut events, Some(util::LONG));
                    let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
                    assert_eq!(tokens, [STREAM]);
                });
                util::wait_until_asleep(receiver.recv().unwrap());
                where_refused(&[libc::SYS_write], libc::EIO, || {
                    let readable = Interest::READABLE;
                    expect_error(registry.register(&mut added, OTHER, readable), libc::EIO);
                    expect_error(
                        registry.reregister(&mut changed, OTHER, Interest::WRITABLE),
                        libc::EIO,
                    );
                });
                other_peer.write_all(b"x").unwrap();
                peer.write_all(b"x").unwrap();
            });
            expect_silence(&mut poll, &mut events);
            registry
                .register(&mut added, OTHER, Interest::READABLE)
                .unwrap();
            expect_readable(&mut poll, &mut events, OTHER);
        },
    );
}

/// What a poll needs of the system, first its queue or its wake descriptor.
fn needs_of_a_poll() -> Vec<libc::c_long> {
    match (POLL2, PIPE_WAKER) {
        (false, _) => vec![libc::SYS_epoll_create1],
        (true, false) => vec![libc::SYS_eventfd2, libc::SYS_epoll_create1],
        (true, true) => vec![libc::SYS_pipe2, libc::SYS_epoll_create1],
    }
}

/// A poll that could not be made, for want of one of its descriptors.
#[test]
fn a_poll_that_cannot_be_made_reports_why() {
    in_own_process("a_poll_that_cannot_be_made_reports_why", || {
        for number in needs_of_a_poll() {
            let before = open_fds();
            where_refused(&[number], libc::ENFILE, || {
                expect_error(mio::Poll::new(), libc::ENFILE);
            });
            assert_eq!(open_fds(), before);
        }
    });
}

/// Edge case 46: poll(2) asks an epoll what can be polled. Where a sandbox forbids epoll, in
/// whichever of its calls, the type of the file has to do.
#[test]
fn poll2_works_where_epoll_is_forbidden() {
    if !POLL2 {
        return;
    }
    in_own_process("poll2_works_where_epoll_is_forbidden", || {
        let (mut source, mut peer) = UnixStream::pair().unwrap();
        peer.write_all(b"x").unwrap();
        let file = std::fs::File::open("/etc/passwd").unwrap();
        for number in [libc::SYS_epoll_create1, libc::SYS_epoll_ctl] {
            for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES] {
                let before = open_fds();
                where_refused(&[number], errno, || {
                    let (mut poll, mut events) = poll_and_events();
                    let registry = poll.registry();
                    let register =
                        |fd| registry.register(&mut SourceFd(&fd), WAKE, Interest::READABLE);
                    expect_error(register(file.as_raw_fd()), libc::EPERM);
                    expect_error(register(-1), libc::EBADF);
                    registry
                        .register(&mut source, STREAM, Interest::READABLE)
                        .unwrap();
                    expect_readable(&mut poll, &mut events, STREAM);
                    poll.registry().deregister(&mut source).unwrap();
                });
                assert_eq!(open_fds(), before);
            }
        }
    });
}
