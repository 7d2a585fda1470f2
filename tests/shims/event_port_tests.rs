//! The event ports of the tests, held against the manual pages and what illumos' sources do.
//! What the shim cannot do is listed at its head.
#![cfg(all(mio_test_event_port_shim, feature = "os-poll"))]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{mem, thread};

use crate::event_port::{self, port_event, PORT_SOURCE_FD, PORT_SOURCE_USER};
use crate::util::{self, any_port, in_own_process, LONG};

const IN: i32 = libc::POLLIN as i32;
const OUT: i32 = libc::POLLOUT as i32;
const ERR: i32 = libc::POLLERR as i32;
const HUP: i32 = libc::POLLHUP as i32;

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

struct Port(OwnedFd);

/// Flags and cookie of an event, and the descriptor if it is about one.
type Seen = (i32, usize, Option<RawFd>);

fn result(returned: i32) -> io::Result<()> {
    match returned {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

impl Port {
    fn new() -> Port {
        // SAFETY: takes no pointer; the descriptor that it makes is ours.
        unsafe { Port(OwnedFd::from_raw_fd(event_port::port_create())) }
    }

    fn associate(&self, fd: &impl AsRawFd, events: i32, user: usize) -> io::Result<()> {
        self.associate_object(PORT_SOURCE_FD, fd.as_raw_fd() as usize, events, user)
    }

    fn associate_object(
        &self,
        source: i32,
        object: usize,
        events: i32,
        user: usize,
    ) -> io::Result<()> {
        let port = self.0.as_raw_fd();
        // SAFETY: the pointer is not dereferenced.
        result(unsafe { event_port::port_associate(port, source, object, events, user as *mut _) })
    }

    fn dissociate(&self, fd: RawFd) -> io::Result<()> {
        let port = self.0.as_raw_fd();
        // SAFETY: takes no pointer.
        result(unsafe { event_port::port_dissociate(port, PORT_SOURCE_FD, fd as usize) })
    }

    fn send(&self, user: usize) -> io::Result<()> {
        // SAFETY: the pointer is not dereferenced.
        result(unsafe { event_port::port_send(self.0.as_raw_fd(), 0x55, user as *mut _) })
    }

    /// What the call returns, what it puts into `nget`, and what into the list.
    fn getn(
        &self,
        max: u32,
        wanted: u32,
        timeout: Option<Duration>,
    ) -> (io::Result<()>, u32, Vec<Seen>) {
        // SAFETY: all-zero is a value of these plain structures.
        let (mut list, mut time): ([port_event; 8], libc::timespec) = unsafe { mem::zeroed() };
        assert!(max as usize <= list.len());
        let mut nget = wanted;
        let time = timeout.map_or(std::ptr::null_mut(), |timeout| {
            time.tv_sec = timeout.as_secs() as _;
            time.tv_nsec = timeout.subsec_nanos().into();
            &mut time
        });
        // SAFETY: the list has room for `max`, and all pointers are to local variables.
        let returned = result(unsafe {
            event_port::port_getn(self.0.as_raw_fd(), list.as_mut_ptr(), max, &mut nget, time)
        });
        let seen = list
            .iter()
            .take_while(|it| it.portev_source != 0)
            .map(|it| {
                let fd = match i32::from(it.portev_source) {
                    PORT_SOURCE_FD => Some(it.portev_object as RawFd),
                    PORT_SOURCE_USER => None,
                    source => panic!("source {source}"),
                };
                (it.portev_events, it.portev_user as usize, fd)
            });
        (returned, nget, seen.collect())
    }

    /// All that is there.
    fn take(&self) -> Vec<Seen> {
        let (returned, count, seen) = self.getn(8, 1, AT_ONCE);
        returned.unwrap();
        assert_eq!(count as usize, seen.len());
        seen
    }

    fn count(&self) -> u32 {
        let (returned, count, seen) = self.getn(0, 0, None);
        returned.unwrap();
        assert!(seen.is_empty());
        count
    }
}

#[track_caller]
fn expect_errno(result: io::Result<()>, errno: i32) {
    assert_eq!(result.unwrap_err().raw_os_error(), Some(errno));
}

fn closed_fd() -> RawFd {
    // SAFETY: takes no pointer. No other test has numbers of this height.
    unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 900).max(900) + 50 }
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

fn about(fd: &impl AsRawFd, events: i32, user: usize) -> Seen {
    (events, user, Some(fd.as_raw_fd()))
}

/// `port_associate(3C)`: "at most one event notification will be generated per associated file
/// descriptor", and "when an event is retrieved, the object no longer has an association".
#[test]
fn an_association_is_good_for_one_event() {
    let port = Port::new();
    let (near, mut far) = pair();
    port.associate(&near, IN, 7).unwrap();
    assert_eq!(port.take(), []);
    far.write_all(b"x").unwrap();
    far.write_all(b"y").unwrap();
    assert_eq!(port.take(), [about(&near, IN, 7)]);
    far.write_all(b"z").unwrap();
    assert_eq!(port.take(), []);
    expect_errno(port.dissociate(near.as_raw_fd()), libc::ENOENT);
}

/// "If data is available at the time `port_associate` is called, an event is immediately sent
/// to the port."
#[test]
fn associating_looks_at_once_and_says_all_that_was_asked_for() {
    let port = Port::new();
    let (near, mut far) = pair();
    far.write_all(b"x").unwrap();
    for (requested, reported) in [(IN | OUT, IN | OUT), (IN, IN), (OUT, OUT)] {
        port.associate(&near, requested, 1).unwrap();
        assert_eq!(port.count(), 1);
        assert_eq!(port.take(), [about(&near, reported, 1)]);
    }
}

/// The event that was sent stays as it is: `port_getn` does not look at the descriptor.
#[test]
fn what_has_fired_is_not_looked_at_again() {
    let port = Port::new();
    let (mut near, mut far) = pair();
    far.write_all(b"x").unwrap();
    port.associate(&near, IN, 1).unwrap();
    assert_eq!(near.read(&mut [0; 8]).unwrap(), 1);
    assert_eq!(port.take(), [about(&near, IN, 1)]);
}

/// "`port_associate` serves to update the events and user arguments"; illumos removes an event
/// that is in the queue, and looks again.
#[test]
fn associating_again_replaces_the_association_and_its_event() {
    let port = Port::new();
    let (mut near, mut far) = pair();
    port.associate(&near, IN, 1).unwrap();
    port.associate(&near, IN, 2).unwrap();
    far.write_all(b"x").unwrap();
    assert_eq!(port.take(), [about(&near, IN, 2)]);

    port.associate(&near, IN, 3).unwrap();
    assert_eq!(near.read(&mut [0; 8]).unwrap(), 1);
    port.associate(&near, IN, 4).unwrap();
    assert_eq!(port.take(), []);
    port.associate(&near, OUT, 5).unwrap();
    assert_eq!(port.take(), [about(&near, OUT, 5)]);
}

#[test]
fn dissociating_takes_an_event_back() {
    let port = Port::new();
    let (near, mut far) = pair();
    port.associate(&near, IN, 1).unwrap();
    port.dissociate(near.as_raw_fd()).unwrap();
    far.write_all(b"x").unwrap();
    assert_eq!(port.take(), []);
    expect_errno(port.dissociate(near.as_raw_fd()), libc::ENOENT);

    port.associate(&near, IN, 1).unwrap();
    assert_eq!(port.count(), 1);
    // An event that was not retrieved is an active association.
    port.dissociate(near.as_raw_fd()).unwrap();
    assert_eq!(port.take(), []);
}

/// poll(2): errors and hang-ups are always reported. There is no `POLLRDHUP`.
#[test]
fn hang_ups_and_errors_come_unasked_and_half_closes_are_data() {
    let port = Port::new();
    let (near, far) = pair();
    port.associate(&near, IN | libc::POLLRDHUP as i32, 1)
        .unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(port.take(), [about(&near, IN, 1)]);
    port.associate(&near, 0, 2).unwrap();
    assert_eq!(port.take(), []);
    drop(far);
    assert_eq!(port.take(), [about(&near, HUP, 2)]);

    let listener = TcpListener::bind(any_port()).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    util::reset_on_close(&far);
    drop(far);
    port.associate(&near, 0, 3).unwrap();
    assert_eq!(port.take(), [about(&near, ERR | HUP, 3)]);
}

/// `close(2)` ends the associations of a descriptor, and takes its event out of the queue.
#[test]
fn a_descriptor_that_is_closed_has_no_association() {
    in_own_process("a_descriptor_that_is_closed_has_no_association", || {
        let port = Port::new();
        let (near, mut far) = pair();
        let number = near.as_raw_fd();
        far.write_all(b"x").unwrap();
        port.associate(&near, IN, 1).unwrap();
        drop(near);
        assert_eq!(port.take(), []);

        // Nor has its successor.
        let (successor, mut far) = pair();
        assert_eq!(successor.as_raw_fd(), number);
        far.write_all(b"x").unwrap();
        assert_eq!(port.take(), []);
        expect_errno(port.dissociate(number), libc::ENOENT);
        port.associate(&successor, IN, 2).unwrap();
        assert_eq!(port.take(), [(IN, 2, Some(number))]);

        // A duplicate keeps the file open, not the association.
        port.associate(&successor, IN, 3).unwrap();
        let _duplicate = successor.try_clone().unwrap();
        drop(successor);
        assert_eq!(port.take(), []);
    });
}

#[test]
fn a_duplicate_is_associated_apart() {
    let port = Port::new();
    let (near, mut far) = pair();
    let duplicate = near.try_clone().unwrap();
    port.associate(&near, IN, 1).unwrap();
    port.associate(&duplicate, IN, 2).unwrap();
    far.write_all(b"x").unwrap();
    let mut seen = port.take();
    seen.sort_unstable();
    assert_eq!(seen, [about(&near, IN, 1), about(&duplicate, IN, 2)]);
}

#[test]
fn what_is_not_open_is_not_an_object() {
    let port = Port::new();
    // The descriptor is looked at only if any was ever associated.
    expect_errno(port.dissociate(closed_fd()), libc::ENOENT);
    let (near, _far) = pair();
    port.associate(&near, IN, 1).unwrap();
    for object in [closed_fd() as usize, -1_i32 as usize, usize::MAX] {
        let associated = port.associate_object(PORT_SOURCE_FD, object, IN, 1);
        expect_errno(associated, libc::EBADFD);
        expect_errno(port.dissociate(object as RawFd), libc::EBADFD);
    }
    expect_errno(port.dissociate(port.0.as_raw_fd()), libc::ENOENT);
    let unknown = port.associate_object(PORT_SOURCE_USER, near.as_raw_fd() as usize, IN, 1);
    expect_errno(unknown, libc::EINVAL);
}

#[test]
fn what_is_no_port_is_refused() {
    let (near, _far) = pair();
    for (fd, errno) in [(near.as_raw_fd(), libc::EBADFD), (closed_fd(), libc::EBADF)] {
        // SAFETY: the pointer is not dereferenced.
        expect_errno(
            result(unsafe { event_port::port_send(fd, 0, std::ptr::null_mut()) }),
            errno,
        );
    }
}

/// Each is an event of its own, in one queue with the others.
#[test]
fn sent_events_are_kept_in_order_and_not_united() {
    let port = Port::new();
    let (near, mut far) = pair();
    far.write_all(b"x").unwrap();
    port.send(1).unwrap();
    port.associate(&near, IN, 2).unwrap();
    port.send(3).unwrap();
    port.send(3).unwrap();
    let all = [
        (0x55, 1, None),
        about(&near, IN, 2),
        (0x55, 3, None),
        (0x55, 3, None),
    ];
    assert_eq!(port.count(), 4);
    let (returned, count, seen) = port.getn(3, 1, AT_ONCE);
    assert_eq!((returned.unwrap(), count, &seen[..]), ((), 3, &all[..3]));
    assert_eq!(port.take(), all[3..]);
}

#[test]
fn a_port_has_a_limit() {
    in_own_process("a_port_has_a_limit", || {
        std::env::set_var("MIO_TEST_PORT_EVENTS", "3");
        let port = Port::new();
        let (near, far) = pair();
        port.associate(&near, IN, 1).unwrap();
        port.send(1).unwrap();
        port.send(2).unwrap();
        expect_errno(port.send(3), libc::EAGAIN);
        expect_errno(port.associate(&far, IN, 1), libc::EAGAIN);
        // One that is there is no more.
        port.associate(&near, IN, 1).unwrap();
        assert_eq!(port.take().len(), 2);
        port.send(4).unwrap();
        port.associate(&far, IN, 1).unwrap();
    });
}

#[test]
fn waiting_ends_when_there_is_enough_or_the_time_is_over() {
    let port = Port::new();
    let short = Duration::from_millis(20);

    // Not blocking is no failure, even with nothing there.
    let (returned, count, seen) = port.getn(8, 1, AT_ONCE);
    assert_eq!((returned.unwrap(), count, seen.len()), ((), 0, 0));

    let start = Instant::now();
    let (returned, count, _) = port.getn(8, 1, Some(short));
    expect_errno(returned, libc::ETIME);
    assert_eq!(count, 0);
    assert!(start.elapsed() >= short);

    // The time is over, and what is there comes all the same.
    port.send(1).unwrap();
    let start = Instant::now();
    let (returned, count, seen) = port.getn(8, 2, Some(short));
    expect_errno(returned, libc::ETIME);
    assert_eq!((count, &seen[..]), (1, &[(0x55, 1, None)][..]));
    assert!(start.elapsed() >= short);

    port.send(1).unwrap();
    let (returned, count, _) = port.getn(8, 2, AT_ONCE);
    assert_eq!((returned.unwrap(), count), ((), 1));

    // None was wanted.
    port.send(1).unwrap();
    let (returned, count, seen) = port.getn(8, 0, None);
    assert_eq!((returned.unwrap(), count, seen.len()), ((), 0, 0));
    let (returned, count, _) = port.getn(1, 2, None);
    expect_errno(returned, libc::EINVAL);
    assert_eq!(count, 2);
}

#[test]
fn another_thread_ends_a_wait() {
    let port = Port::new();
    let (near, mut far) = pair();
    let waiter = util::thread_id();
    thread::scope(|scope| {
        scope.spawn(|| {
            util::wait_until_asleep(waiter);
            port.associate(&near, IN, 1).unwrap();
            far.write_all(b"x").unwrap();
        });
        let (returned, count, seen) = port.getn(8, 1, Some(LONG));
        assert_eq!(
            (returned.unwrap(), count, seen),
            ((), 1, vec![about(&near, IN, 1)])
        );
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            util::wait_until_asleep(waiter);
            port.send(2).unwrap();
        });
        assert_eq!(port.getn(8, 1, None).2, [(0x55, 2, None)]);
    });
}

/// A port is readable while it has events, and can be associated with another one.
#[test]
fn a_port_can_be_polled() {
    let (outer, inner) = (Port::new(), Port::new());
    let (near, mut far) = pair();
    inner.associate(&near, IN, 1).unwrap();
    for event in 0..2 {
        outer.associate(&inner.0, IN, 9).unwrap();
        assert_eq!(outer.take(), []);
        match event {
            0 => far.write_all(b"x").unwrap(),
            _ => inner.send(1).unwrap(),
        }
        assert_eq!(outer.take(), [about(&inner.0, IN, 9)]);
        assert_eq!(inner.take().len(), 1);
    }
}

#[test]
fn a_regular_file_is_always_ready() {
    let port = Port::new();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    for user in 1..3 {
        port.associate(&file, IN, user).unwrap();
        assert_eq!(port.take(), [about(&file, IN, user)]);
    }
}
