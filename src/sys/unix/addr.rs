//! Socket addresses as the system calls take and give them.
//!
//! The standard library promises no layout of its own types, so every field is
//! carried over by name.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;
use std::{io, mem, ptr, slice};

/// An address of any family, and how much of it counts.
pub(crate) struct OsAddr {
    storage: Storage,
    len: libc::socklen_t,
}

#[repr(C)]
union Storage {
    any: libc::sockaddr_storage,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    unix: libc::sockaddr_un,
}

impl OsAddr {
    /// Zeroes, with all room for the system to write an address into.
    pub(super) fn empty() -> OsAddr {
        OsAddr {
            // SAFETY: the members of the union are made of integers, for which zero
            // is a value.
            storage: unsafe { mem::zeroed() },
            len: mem::size_of::<Storage>() as libc::socklen_t,
        }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        ptr::addr_of!(self.storage).cast()
    }

    pub(super) fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// Where the system writes an address, and where its length.
    pub(crate) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        (ptr::addr_of_mut!(self.storage).cast(), &mut self.len)
    }

    fn family(&self) -> libc::c_int {
        // SAFETY: all of the storage is initialised from the start, and every
        // bit pattern is a value.
        unsafe { self.storage.any.ss_family.into() }
    }

    /// The address of an IP socket.
    pub(super) fn to_inet(&self) -> io::Result<SocketAddr> {
        match self.family() {
            libc::AF_INET => {
                // SAFETY: as in `family`.
                let v4 = unsafe { self.storage.v4 };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Ok(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as in `family`.
                let v6 = unsafe { self.storage.v6 };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Ok(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the address is of neither IP family",
            )),
        }
    }

    /// The address of a Unix domain socket.
    ///
    /// A pathname may come with a NUL behind it or without. What begins with a NUL is
    /// a name in the abstract namespace, every byte of which counts; where there is no
    /// such namespace, the system said "unnamed" in zeroes.
    pub(super) fn to_unix(&self) -> io::Result<UnixAddr> {
        // SAFETY: as in `family`.
        let unix = unsafe { &self.storage.unix };
        let room = unix.sun_path.len();
        let len = (self.len as usize)
            .saturating_sub(path_offset(unix))
            .min(room);
        // SAFETY: `len` of the `room` bytes, and a `c_char` is a byte.
        let name = unsafe { slice::from_raw_parts(unix.sun_path.as_ptr().cast::<u8>(), len) };
        match name {
            [0, name @ ..] => abstract_name::address(name),
            [path @ .., 0] | path => UnixAddr::from_pathname(Path::new(OsStr::from_bytes(path))),
        }
    }
}

impl From<SocketAddr> for OsAddr {
    fn from(address: SocketAddr) -> OsAddr {
        let mut this = OsAddr::empty();
        match address {
            SocketAddr::V4(v4) => {
                this.storage.v4.sin_family = libc::AF_INET as libc::sa_family_t;
                this.storage.v4.sin_port = v4.port().to_be();
                this.storage.v4.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                this.len = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            }
            SocketAddr::V6(v6) => {
                this.storage.v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                this.storage.v6.sin6_port = v6.port().to_be();
                this.storage.v6.sin6_addr.s6_addr = v6.ip().octets();
                this.storage.v6.sin6_flowinfo = v6.flowinfo();
                this.storage.v6.sin6_scope_id = v6.scope_id();
                this.len = mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            }
        }
        this
    }
}

impl From<&UnixAddr> for OsAddr {
    fn from(address: &UnixAddr) -> OsAddr {
        let mut this = OsAddr::empty();
        // SAFETY: as in `family`; nothing else borrows the storage.
        let unix = unsafe { &mut this.storage.unix };
        unix.sun_family = libc::AF_UNIX as libc::sa_family_t;

        // A pathname is followed by a NUL that counts; an abstract name is preceded by
        // one; an unnamed address is its family alone. The standard library has seen
        // to it that each fits.
        let (start, bytes, end) = if let Some(path) = address.as_pathname() {
            (0, path.as_os_str().as_bytes(), 1)
        } else if let Some(name) = abstract_name::of(address) {
            (1, name, 0)
        } else {
            (0, &[][..], 0)
        };
        for (to, from) in unix.sun_path[start..].iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        this.len = (path_offset(unix) + start + bytes.len() + end) as libc::socklen_t;
        this
    }
}

/// The namespace beside the file system, of Linux and Android.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod abstract_name {
    use std::io;
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt as _;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    pub(super) fn of(address: &SocketAddr) -> Option<&[u8]> {
        address.as_abstract_name()
    }

    pub(super) fn address(name: &[u8]) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(name)
    }
}

/// No such namespace.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod abstract_name {
    use std::io;
    use std::os::unix::net::SocketAddr;

    pub(super) fn of(_: &SocketAddr) -> Option<&[u8]> {
        None
    }

    pub(super) fn address(_: &[u8]) -> io::Result<SocketAddr> {
        SocketAddr::from_pathname("")
    }
}

/// The number of bytes before the path of a Unix address.
fn path_offset(unix: &libc::sockaddr_un) -> usize {
    unix.sun_path.as_ptr() as usize - ptr::addr_of!(*unix) as usize
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;

    use super::*;

    #[test]
    fn inet_addresses_survive_the_round_trip() {
        for address in ["127.0.0.1:80", "255.1.2.3:65535", "0.0.0.0:0", "[::1]:9000"] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(OsAddr::from(address).to_inet().unwrap(), address);
        }
        let scoped = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0x0102_0304, 7).into();
        assert_eq!(OsAddr::from(scoped).to_inet().unwrap(), scoped);
    }

    #[test]
    fn unix_addresses_survive_the_round_trip() {
        let path = UnixAddr::from_pathname("/tmp/socket").unwrap();
        let back = OsAddr::from(&path).to_unix().unwrap();
        assert_eq!(back.as_pathname(), Some(Path::new("/tmp/socket")));

        let name = UnixAddr::from_abstract_name(b"a\0name\0").unwrap();
        let back = OsAddr::from(&name).to_unix().unwrap();
        assert_eq!(back.as_abstract_name(), Some(&b"a\0name\0"[..]));

        let unnamed = UnixAddr::from_pathname("").unwrap();
        assert!(OsAddr::from(&unnamed).to_unix().unwrap().is_unnamed());
    }

    #[test]
    fn a_pathname_may_come_without_its_nul() {
        let path = UnixAddr::from_pathname("/tmp/socket").unwrap();
        let mut raw = OsAddr::from(&path);
        raw.len -= 1;
        let back = raw.to_unix().unwrap();
        assert_eq!(back.as_pathname(), Some(Path::new("/tmp/socket")));
    }

    #[test]
    fn the_longest_path_fits() {
        let longest = "x".repeat(107);
        let path = UnixAddr::from_pathname(&longest).unwrap();
        let back = OsAddr::from(&path).to_unix().unwrap();
        assert_eq!(back.as_pathname(), Some(Path::new(&longest)));
    }

    #[test]
    fn an_address_of_another_family_is_an_error() {
        assert!(OsAddr::empty().to_inet().is_err());
    }
}
