//! The addresses of Unix domain sockets.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;
use std::{io, ptr, slice};

use super::addr::OsAddr;

impl OsAddr {
    fn as_unix(&self) -> &libc::sockaddr_un {
        // SAFETY: all of the storage is initialised, and every bit pattern is valid.
        unsafe { &self.storage.unix }
    }

    fn as_unix_mut(&mut self) -> &mut libc::sockaddr_un {
        // SAFETY: as above.
        unsafe { &mut self.storage.unix }
    }

    /// The address of a Unix domain socket.
    ///
    /// A pathname ends at its first NUL. Systems that keep the address as it was bound return what
    /// follows, too. A name that begins with a NUL is in the abstract
    /// namespace, and every byte of it is significant; on systems without this namespace, zeroes
    /// or no bytes at all mean that the address is unnamed.
    pub(super) fn to_unix(&self) -> io::Result<UnixAddr> {
        if self.len != 0 && self.family() != libc::AF_UNIX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let unix = self.as_unix();
        let capacity = unix.sun_path.len();
        let len = (self.len as usize)
            .saturating_sub(path_offset(unix))
            .min(capacity);
        // SAFETY: the path has at least `len` bytes, and a `c_char` is a byte.
        let name = unsafe { slice::from_raw_parts(unix.sun_path.as_ptr().cast::<u8>(), len) };
        match name {
            [0, name @ ..] => abstract_name::address(name),
            path => {
                let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
                UnixAddr::from_pathname(Path::new(OsStr::from_bytes(path)))
            }
        }
    }
}

impl From<&UnixAddr> for OsAddr {
    fn from(address: &UnixAddr) -> OsAddr {
        let mut this = OsAddr::empty();
        let unix = this.as_unix_mut();
        unix.sun_family = libc::AF_UNIX as libc::sa_family_t;

        // The length includes the NUL behind a pathname, and the one before an abstract name; an
        // unnamed address is only its family. The standard library has checked that each fits.
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

/// Names outside of the file system, on Linux and Android.
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

    /// BSDs and Apple's systems return the whole structure that a program has bound.
    #[test]
    fn a_pathname_may_come_with_many_nuls() {
        let path = UnixAddr::from_pathname("/tmp/socket").unwrap();
        let mut raw = OsAddr::from(&path);
        raw.len = std::mem::size_of::<libc::sockaddr_un>() as _;
        let back = raw.to_unix().unwrap();
        assert_eq!(back.as_pathname(), Some(Path::new("/tmp/socket")));
    }

    #[test]
    fn an_address_of_another_family_is_an_error() {
        for address in ["1.2.3.4:80", "[::1]:80"] {
            let address = address.parse::<std::net::SocketAddr>().unwrap();
            assert!(OsAddr::from(address).to_unix().is_err());
        }
        // Some systems write nothing at all for a peer without a name.
        let mut nothing = OsAddr::empty();
        nothing.len = 0;
        assert!(nothing.to_unix().unwrap().is_unnamed());
    }

    #[test]
    fn the_longest_path_fits() {
        let longest = "x".repeat(107);
        let path = UnixAddr::from_pathname(&longest).unwrap();
        let back = OsAddr::from(&path).to_unix().unwrap();
        assert_eq!(back.as_pathname(), Some(Path::new(&longest)));
    }
}
