//! Windows: sockets, and `WSAPoll`.

use std::io;
use std::net::Shutdown;
use std::os::windows::io::{AsRawSocket, RawSocket};

use mio::event::Source;
use windows_sys::Win32::Networking::WinSock::{
    setsockopt, WSAGetLastError, WSAPoll, LINGER, POLLERR, POLLHUP, POLLNVAL, POLLRDNORM,
    POLLWRNORM, SOCKET, SOL_SOCKET, SO_LINGER, SO_RCVBUF, SO_SNDBUF, WSAEMSGSIZE, WSAPOLLFD,
};

use super::unsupported;
use crate::model::{Kind, Level, Levels, ENDS};

/// The kinds of pairs on this system, with their weights.
pub const KINDS: &[(u32, Kind)] = &[
    (3, Kind::Tcp),
    (2, Kind::Udp),
    (1, Kind::Listener),
    (1, Kind::Shared),
];

pub type Handle = RawSocket;

pub fn handle_of(object: &impl AsRawSocket) -> Handle {
    object.as_raw_socket()
}

fn last_error() -> io::Error {
    // SAFETY: takes no pointer.
    io::Error::from_raw_os_error(unsafe { WSAGetLastError() })
}

fn setting<T>(socket: RawSocket, name: i32, value: T) {
    // SAFETY: the pointer and the length are those of `value`.
    let set = unsafe {
        let len = std::mem::size_of::<T>() as i32;
        let value = (&value as *const T).cast();
        setsockopt(socket as SOCKET, SOL_SOCKET, name, value, len)
    };
    assert_eq!(set, 0, "{}", last_error());
}

/// Sets small buffers, which are filled sooner.
pub fn shrink_buffers(socket: RawSocket) {
    const BUFFER: i32 = 32 * 1024;
    setting(socket, SO_SNDBUF, BUFFER);
    setting(socket, SO_RCVBUF, BUFFER);
}

/// Whether the result is that of a datagram longer than the buffer.
pub fn is_cut(error: &io::Error) -> bool {
    error.raw_os_error() == Some(WSAEMSGSIZE)
}

/// Whether the error means that an attempt to connect is in progress.
pub fn is_connecting(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

pub fn reset_on_close(socket: RawSocket) {
    let linger = LINGER {
        l_onoff: 1,
        l_linger: 0,
    };
    setting(socket, SO_LINGER, linger);
}

pub fn wait_readable(socket: RawSocket) -> io::Result<()> {
    wait(socket, POLLRDNORM)
}

pub fn wait_writable(socket: RawSocket) -> io::Result<()> {
    wait(socket, POLLWRNORM)
}

fn entry(socket: RawSocket, events: i16) -> WSAPOLLFD {
    WSAPOLLFD {
        fd: socket as SOCKET,
        events,
        revents: 0,
    }
}

/// The number of sockets that are ready.
fn poll(list: &mut [WSAPOLLFD], milliseconds: i32) -> io::Result<i32> {
    // SAFETY: the pointer and the length are those of `list`.
    match unsafe { WSAPoll(list.as_mut_ptr(), list.len() as u32, milliseconds) } {
        ready if ready < 0 => Err(last_error()),
        ready => Ok(ready),
    }
}

/// Waits until a socket is ready.
fn wait(socket: RawSocket, events: i16) -> io::Result<()> {
    match poll(&mut [entry(socket, events)], 10_000)? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Returns what `WSAPoll` currently reports.
pub fn levels(sockets: &[Option<RawSocket>; ENDS]) -> Levels {
    let mut levels = Levels::default();
    let mut list: Vec<WSAPOLLFD> = (sockets.iter().flatten())
        .map(|&socket| entry(socket, POLLRDNORM | POLLWRNORM))
        .collect();
    // It takes no empty list.
    if list.is_empty() {
        return levels;
    }
    poll(&mut list, 0).expect("WSAPoll");
    let places = levels.iter_mut().zip(sockets).filter(|it| it.1.is_some());
    for ((level, _), entry) in places.zip(&list) {
        let has = |flag: i16| entry.revents & flag != 0;
        assert!(!has(POLLNVAL), "a socket of a script was closed by another");
        // The end is a hang-up of reading; with an error, of both directions.
        *level = Some(Level {
            readable: has(POLLRDNORM),
            writable: has(POLLWRNORM),
            read_hang_up: has(POLLHUP),
            hang_up: has(POLLHUP) && has(POLLERR),
            error: has(POLLERR),
        });
    }
    levels
}

/// There are no sources other than sockets.
pub enum Local {}

pub fn local_pair(_: Kind) -> io::Result<[Local; 2]> {
    unsupported()
}

impl Local {
    pub fn source(&mut self) -> &mut dyn Source {
        match *self {}
    }

    pub fn handle(&self) -> RawSocket {
        match *self {}
    }

    pub fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        match *self {}
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match *self {}
    }

    pub fn try_io(&self, _: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match *self {}
    }
}
