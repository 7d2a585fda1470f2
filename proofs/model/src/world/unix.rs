//! Unix: descriptors, poll(2), and what only Unix has.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};

use mio::event::Source;
use mio::net::{UnixDatagram, UnixStream};
use mio::unix::pipe;

use super::unsupported;
use crate::model::{Kind, Level, Levels, ENDS};

/// The kinds of pairs on this system, with their weights.
pub const KINDS: &[(u32, Kind)] = &[
    (3, Kind::UnixStream),
    (3, Kind::Tcp),
    (2, Kind::Pipe),
    (2, Kind::Udp),
    (2, Kind::UnixDatagram),
    (1, Kind::Listener),
    (2, Kind::Shared),
    (1, Kind::Unconnected),
];

pub type Handle = RawFd;

pub fn handle_of(object: &impl AsRawFd) -> Handle {
    object.as_raw_fd()
}

fn setting<T>(fd: RawFd, level: i32, name: i32, value: T) {
    // SAFETY: the pointer and the length are those of `value`.
    let set = unsafe {
        let len = std::mem::size_of::<T>() as libc::socklen_t;
        libc::setsockopt(fd, level, name, (&value as *const T).cast(), len)
    };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

/// Small buffers are filled sooner, and the system's may be larger than all that a script writes.
pub fn shrink_buffers(fd: RawFd) {
    const BUFFER: i32 = 32 * 1024;
    setting(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, BUFFER);
    setting(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER);
}

/// Whether the result is that of a datagram longer than the buffer.
pub fn is_cut(_: &io::Error) -> bool {
    false
}

/// Whether the error means that an attempt to connect is in progress.
pub fn is_connecting(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

pub fn reset_on_close(fd: RawFd) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setting(fd, libc::SOL_SOCKET, libc::SO_LINGER, linger);
}

pub fn wait_readable(fd: RawFd) -> io::Result<()> {
    wait(fd, libc::POLLIN)
}

pub fn wait_writable(fd: RawFd) -> io::Result<()> {
    wait(fd, libc::POLLOUT)
}

/// Waits until a descriptor is ready.
fn wait(fd: RawFd, events: i16) -> io::Result<()> {
    let mut entry = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: `entry` is one entry, and outlives the call.
    match unsafe { libc::poll(&mut entry, 1, 10_000) } {
        1 => Ok(()),
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns what poll(2) currently reports.
pub fn levels(fds: &[Option<RawFd>; ENDS]) -> Levels {
    let mut list: Vec<libc::pollfd> = (fds.iter())
        .map(|fd| libc::pollfd {
            // A negative number is skipped.
            fd: fd.unwrap_or(-1),
            events: libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP,
            revents: 0,
        })
        .collect();
    // SAFETY: the pointer and the length are those of `list`.
    let polled = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, 0) };
    assert_ne!(polled, -1, "{}", io::Error::last_os_error());
    let mut levels = Levels::default();
    for (level, entry) in levels.iter_mut().zip(&list).filter(|it| it.1.fd >= 0) {
        let has = |flag: i16| entry.revents & flag != 0;
        *level = Some(Level {
            readable: has(libc::POLLIN),
            writable: has(libc::POLLOUT),
            read_hang_up: has(libc::POLLRDHUP),
            hang_up: has(libc::POLLHUP),
            error: has(libc::POLLERR),
        });
    }
    levels
}

pub enum Local {
    UnixStream(UnixStream),
    UnixDatagram(UnixDatagram),
    Sender(pipe::Sender),
    Receiver(pipe::Receiver),
}

pub fn local_pair(kind: Kind) -> io::Result<[Local; 2]> {
    Ok(match kind {
        Kind::UnixStream => {
            let (one, other) = UnixStream::pair()?;
            shrink_buffers(one.as_raw_fd());
            shrink_buffers(other.as_raw_fd());
            [one, other].map(Local::UnixStream)
        }
        Kind::UnixDatagram => {
            let (one, other) = UnixDatagram::pair()?;
            shrink_buffers(one.as_raw_fd());
            shrink_buffers(other.as_raw_fd());
            [one, other].map(Local::UnixDatagram)
        }
        Kind::Pipe => {
            let (sender, receiver) = pipe::new()?;
            [Local::Sender(sender), Local::Receiver(receiver)]
        }
        Kind::Tcp | Kind::Udp | Kind::Listener | Kind::Shared | Kind::Unconnected => {
            return unsupported()
        }
    })
}

impl Local {
    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Local::UnixStream(it) => it,
            Local::UnixDatagram(it) => it,
            Local::Sender(it) => it,
            Local::Receiver(it) => it,
        }
    }

    pub fn handle(&self) -> RawFd {
        match self {
            Local::UnixStream(it) => it.as_raw_fd(),
            Local::UnixDatagram(it) => it.as_raw_fd(),
            Local::Sender(it) => it.as_raw_fd(),
            Local::Receiver(it) => it.as_raw_fd(),
        }
    }

    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Local::UnixStream(it) => it.read(buf),
            Local::UnixDatagram(it) => it.recv(buf),
            Local::Receiver(it) => it.read(buf),
            Local::Sender(_) => unsupported(),
        }
    }

    pub fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Local::UnixStream(it) => it.write(buf),
            Local::UnixDatagram(it) => it.send(buf),
            Local::Sender(it) => it.write(buf),
            Local::Receiver(_) => unsupported(),
        }
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Local::UnixStream(it) => it.shutdown(how),
            Local::UnixDatagram(it) => it.shutdown(how),
            Local::Sender(_) | Local::Receiver(_) => unsupported(),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Local::UnixStream(it) => it.take_error(),
            Local::UnixDatagram(it) => it.take_error(),
            Local::Sender(_) | Local::Receiver(_) => unsupported(),
        }
    }

    pub fn try_io(&self, operation: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self {
            Local::UnixStream(it) => it.try_io(operation),
            Local::UnixDatagram(it) => it.try_io(operation),
            Local::Sender(it) => it.try_io(operation),
            Local::Receiver(it) => it.try_io(operation),
        }
    }
}
