//! The object in the kernel behind a waker: how often it is notified, and that it can be
//! notified when it is full.
//!
//! The tests look for the object's descriptors among all that the process has open,
//! and therefore need processes of their own.
#![cfg(all(feature = "os-poll", unix))]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::util::{
    self, expect_silence, in_own_process, poll_and_events, watch, HAS_WAKE_FD, PIPE_WAKER, POLL2,
};
use mio::{Events, Poll, Token, Waker};

const WAKER: Token = Token(10);

/// The descriptors of an eventfd, which are the same, or of a pipe.
#[derive(Copy, Clone)]
struct WakeFd {
    receiver: i32,
    sender: i32,
}

/// Creates a poll with a waker, and finds the descriptors between them. The poll(2)
/// selector has them from the start; with epoll they come with the waker.
fn poll_with_wake_fd() -> (Poll, Events, Waker, WakeFd) {
    let before = util::open_fds();
    let (poll, events) = poll_and_events();
    let waker = Waker::new(poll.registry(), WAKER).unwrap();
    let mut ends: Vec<i32> = util::open_fds()
        .into_iter()
        .filter(|fd| !before.contains(fd) && is_wake_fd(*fd))
        .collect();
    // SAFETY: takes no pointer.
    ends.sort_by_key(|&fd| unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_ACCMODE);
    let wake_fd = match ends[..] {
        [eventfd] if !PIPE_WAKER => WakeFd {
            receiver: eventfd,
            sender: eventfd,
        },
        // O_RDONLY is the least of the access modes. Where both ends have both, the reading
        // one was made first.
        [receiver, sender] if PIPE_WAKER => WakeFd { receiver, sender },
        _ => panic!("not a wake descriptor: {ends:?}"),
    };
    // Else a wake would not use the descriptor while the poll is awake.
    watch(&poll);
    (poll, events, waker, wake_fd)
}

/// A queue may count as a pipe as well, but not how many bytes are in it.
fn is_wake_fd(fd: i32) -> bool {
    if !PIPE_WAKER {
        let target = fs::read_link(format!("/proc/self/fd/{fd}"));
        return target.is_ok_and(|it| it.as_os_str() == "anon_inode:[eventfd]");
    }
    // SAFETY: consists of integers, for which zero is valid.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `stat` is what the call fills.
    assert_eq!(unsafe { libc::fstat(fd, &mut stat) }, 0);
    stat.st_mode & libc::S_IFMT == libc::S_IFIFO && unread(fd).is_ok()
}

fn unread(fd: i32) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes an `int`, which lives through the call.
    match unsafe { libc::ioctl(fd, libc::FIONREAD, &mut bytes) } {
        0 => Ok(bytes.try_into().unwrap()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl WakeFd {
    /// How many notifications are in it that were not drained.
    fn notifications(self) -> u64 {
        if PIPE_WAKER {
            return unread(self.receiver).unwrap();
        }
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.receiver)).unwrap();
        let count = info
            .lines()
            .find_map(|line| line.strip_prefix("eventfd-count:"))
            .unwrap();
        u64::from_str_radix(count.trim(), 16).unwrap()
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        // SAFETY: pointer and length are those of `bytes`.
        let written = unsafe { libc::write(self.sender, bytes.as_ptr().cast(), bytes.len()) };
        if written < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Writes as much as it holds.
    fn fill(self) {
        if PIPE_WAKER {
            for block in [&[1; 4096][..], &[1]] {
                while self.write(block).is_ok() {}
            }
            util::expect_would_block(self.write(&[1]));
        } else {
            let room = u64::MAX - 1 - self.notifications();
            self.write(&room.to_ne_bytes()).unwrap();
            util::expect_would_block(self.write(&1_u64.to_ne_bytes()));
        }
    }
}

#[track_caller]
fn expect_wake(poll: &mut Poll, events: &mut Events) {
    util::poll(poll, events, Some(std::time::Duration::ZERO));
    let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
    assert_eq!(tokens, [WAKER]);
}

/// Edge case 6: an eventfd whose counter is full refuses the next write, and a pipe
/// likewise. The wake is delivered all the same.
#[test]
fn a_full_wake_fd_can_be_notified() {
    // A user event of kqueue is neither a descriptor nor ever full, and ports have none.
    if !HAS_WAKE_FD {
        return;
    }
    in_own_process("a_full_wake_fd_can_be_notified", || {
        let (mut poll, mut events, waker, wake_fd) = poll_with_wake_fd();
        for _ in 0..10 {
            wake_fd.fill();
            // To epoll that was a wake; the poll(2) selector detects that it was none.
            util::discard_events(&mut poll, &mut events);
            waker.wake().unwrap();
            expect_wake(&mut poll, &mut events);
            expect_silence(&mut poll, &mut events);

            // Also while an event is already due.
            wake_fd.fill();
            waker.wake().unwrap();
            expect_wake(&mut poll, &mut events);
            expect_silence(&mut poll, &mut events);
        }
    });
}

/// A wake that cannot be sent returns an error, and the next one is sent.
#[test]
fn a_failed_wake_does_not_suppress_the_next() {
    // There must be a descriptor to break.
    if !HAS_WAKE_FD {
        return;
    }
    in_own_process("a_failed_wake_does_not_suppress_the_next", || {
        let (mut poll, mut events, waker, wake_fd) = poll_with_wake_fd();
        let unwritable = fs::File::open("/dev/null").unwrap();
        // SAFETY: the descriptor is open, and is not closed in between.
        let sender = unsafe { BorrowedFd::borrow_raw(wake_fd.sender) };
        let sender = sender.try_clone_to_owned().unwrap();
        let replace_sender = |by: &dyn AsRawFd| {
            // SAFETY: takes no pointer; the number goes on being the waker's.
            let number = unsafe { libc::dup2(by.as_raw_fd(), wake_fd.sender) };
            assert_eq!(number, wake_fd.sender);
        };
        for _ in 0..3 {
            util::poll_while(&mut poll, &mut events, None, || {
                replace_sender(&unwritable);
                let error = waker.wake().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EBADF));
                replace_sender(&sender);
                waker.wake().unwrap();
            });
            let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert_eq!(tokens, [WAKER]);
            expect_silence(&mut poll, &mut events);
        }
    });
}

/// A wake that finds an earlier one undelivered makes no system call. With poll(2) not
/// even the first does unless a poll sleeps.
#[test]
fn coalesced_wakes_notify_once() {
    // A user event of kqueue cannot be looked into.
    if !HAS_WAKE_FD {
        return;
    }
    in_own_process("coalesced_wakes_notify_once", || {
        let (mut poll, mut events, waker, wake_fd) = poll_with_wake_fd();
        for round in 1..=10 {
            for _ in 0..1000 {
                waker.wake().unwrap();
            }
            let expected = match (POLL2, PIPE_WAKER) {
                (true, _) => 0,
                // The counter is not read.
                (false, false) => round,
                (false, true) => 1,
            };
            assert_eq!(wake_fd.notifications(), expected);
            expect_wake(&mut poll, &mut events);
            expect_silence(&mut poll, &mut events);
        }
    });
}

/// Edge case 51: from Linux 5.5 to 5.13 a write to a pipe that holds data raises no
/// edge, so that the waker must take the data out before it writes. On other
/// kernels the event would come anyway; what shows the difference there is how
/// much is in the pipe afterwards.
#[test]
fn a_pipe_that_holds_data_is_drained_before_it_is_notified() {
    // An eventfd always raises an edge, and poll(2) knows no edges.
    if !PIPE_WAKER || POLL2 {
        return;
    }
    in_own_process(
        "a_pipe_that_holds_data_is_drained_before_it_is_notified",
        || {
            let (mut poll, mut events, waker, wake_fd) = poll_with_wake_fd();
            for data in [1, 100, 1024, 5000] {
                wake_fd.write(&vec![1; data]).unwrap();
                util::discard_events(&mut poll, &mut events);
                for _ in 0..100 {
                    waker.wake().unwrap();
                    assert_eq!(wake_fd.notifications(), 1);
                    expect_wake(&mut poll, &mut events);
                }
            }
        },
    );
}

/// Edge case 14.
#[test]
fn polls_registries_and_wakers_leave_no_descriptor_behind() {
    in_own_process(
        "polls_registries_and_wakers_leave_no_descriptor_behind",
        || {
            let before = util::open_fds();
            for _ in 0..10 {
                let (mut poll, mut events) = poll_and_events();
                let clone = poll.registry().try_clone().unwrap();
                let waker = Waker::new(&clone, WAKER).unwrap();
                drop(clone);
                waker.wake().unwrap();
                expect_wake(&mut poll, &mut events);
                drop(waker);
                let waker = Waker::new(poll.registry(), WAKER).unwrap();
                drop(poll);
                assert_ne!(util::open_fds(), before, "the waker has a descriptor");
                drop(waker);
                assert_eq!(util::open_fds(), before);
            }
        },
    );
}
