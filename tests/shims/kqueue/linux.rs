//! The state of a descriptor on Linux.

use std::os::fd::RawFd;
use std::{io, mem, ptr};

use libc::c_int;

use super::check;
use super::notes::Kind;

pub(super) fn kind_of(fd: RawFd) -> io::Result<Kind> {
    // SAFETY: consists of integers, for which zero is valid.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `stat` is there to be written.
    check(unsafe { libc::fstat(fd, &mut stat) })?;
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFREG | libc::S_IFDIR => Kind::File,
        libc::S_IFSOCK if option(fd, libc::SO_PROTOCOL) == libc::IPPROTO_TCP => {
            match option(fd, libc::SO_ACCEPTCONN) {
                1 => Kind::TcpListener,
                _ => Kind::Tcp,
            }
        }
        libc::S_IFSOCK => match option(fd, libc::SO_TYPE) {
            libc::SOCK_STREAM | libc::SOCK_SEQPACKET => Kind::Stream,
            _ => Kind::Other,
        },
        _ => Kind::Other,
    };
    Ok(kind)
}

/// An option of a socket; -1 if it has none of the name.
pub(super) fn option(fd: RawFd, name: c_int) -> c_int {
    let mut value = -1;
    let mut len = mem::size_of::<c_int>() as libc::socklen_t;
    let into = (&mut value as *mut c_int).cast();
    // SAFETY: `value` has room for `len` bytes.
    unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, into, &mut len) };
    value
}

/// The number that an `ioctl` writes, or `otherwise`.
pub(super) fn count(fd: RawFd, request: libc::Ioctl, otherwise: c_int) -> c_int {
    let mut count = otherwise;
    // SAFETY: those requests that are made here write an `int`.
    unsafe { libc::ioctl(fd, request, &mut count) };
    count
}

/// How many bytes of a file are behind its offset.
pub(super) fn beyond_the_offset(fd: RawFd) -> i64 {
    // SAFETY: consists of integers, for which zero is valid.
    let mut stat: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: `stat` is there to be written; the other call takes no pointer.
    let offset = unsafe {
        libc::fstat(fd, &mut stat);
        libc::lseek(fd, 0, libc::SEEK_CUR)
    };
    stat.st_size - offset
}

/// Whether a Unix stream cannot be written to, as this side has shut writing down, or the
/// peer reading. Sending no bytes fails then, and does nothing else.
pub(super) fn has_shut_writing(fd: RawFd) -> bool {
    let is_unix = option(fd, libc::SO_DOMAIN) == libc::AF_UNIX;
    if !is_unix || option(fd, libc::SO_TYPE) != libc::SOCK_STREAM {
        return false;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: nothing is read of the buffer, which has no length.
    let sent = unsafe { libc::send(fd, ptr::null(), 0, flags) };
    sent == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPIPE)
}

pub(super) fn unread(fd: RawFd) -> i64 {
    count(fd, libc::FIONREAD, 1).into()
}

/// Bytes that were written, and not confirmed yet.
pub(super) fn unacknowledged(fd: RawFd) -> u64 {
    count(fd, libc::TIOCOUTQ, 0) as u64
}

pub(super) fn is_ready(fd: RawFd, events: libc::c_short) -> bool {
    let mut record = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: `record` is one entry, and outlives the call.
    unsafe { libc::poll(&mut record, 1, 0) == 1 && record.revents & events != 0 }
}

pub(super) fn is_connected(fd: RawFd) -> bool {
    TcpInfo::of(fd).is_connected()
}

const TCP_ESTABLISHED: u8 = 1;
const TCP_FIN_WAIT1: u8 = 4;
const TCP_FIN_WAIT2: u8 = 5;
pub(super) const TCP_CLOSE: u8 = 7;
const TCP_CLOSE_WAIT: u8 = 8;
const TCP_LAST_ACK: u8 = 9;
pub(super) const TCP_LISTEN: u8 = 10;
const TCP_CLOSING: u8 = 11;

/// The beginning of the kernel's `tcp_info`; that of C libraries is shorter.
#[repr(C)]
pub(super) struct TcpInfo {
    pub(super) state: u8,
    pub(super) flags: [u8; 7],
    pub(super) numbers: [u32; 24],
    pub(super) rates: [u64; 2],
    pub(super) acknowledged: u64,
    pub(super) received: u64,
}

impl TcpInfo {
    pub(super) fn of(fd: RawFd) -> TcpInfo {
        // SAFETY: consists of integers, for which zero is valid.
        let mut info: TcpInfo = unsafe { mem::zeroed() };
        let mut len = mem::size_of::<TcpInfo>() as libc::socklen_t;
        let into = (&mut info as *mut TcpInfo).cast();
        // SAFETY: `info` has room for `len` bytes.
        unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, into, &mut len) };
        info
    }

    /// How many connections wait to be accepted.
    pub(super) fn backlog(&self) -> u32 {
        self.numbers[4]
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, TCP_ESTABLISHED | TCP_CLOSE_WAIT) || self.has_ended()
    }

    /// Whether this side has ended its stream.
    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.state,
            TCP_FIN_WAIT1 | TCP_FIN_WAIT2 | TCP_CLOSING | TCP_LAST_ACK
        )
    }
}
