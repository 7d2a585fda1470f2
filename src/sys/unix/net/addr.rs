//! Socket addresses as the system calls take and return them.
//!
//! The standard library does not guarantee the layout of its types, so every field is copied by
//! name.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{io, mem, ptr};

/// An address of any family, and its length.
pub(super) struct OsAddr {
    pub(super) storage: Storage,
    pub(super) len: libc::socklen_t,
}

#[repr(C)]
pub(super) union Storage {
    pub(super) any: libc::sockaddr_storage,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    /// Larger than `sockaddr_storage` on ESP-IDF and Horizon.
    #[cfg(unix)]
    pub(super) unix: libc::sockaddr_un,
}

impl OsAddr {
    /// Returns zeroed storage, all of which the system may overwrite with an address.
    pub(super) fn empty() -> OsAddr {
        OsAddr {
            // SAFETY: the members of the union consist of integers, for which zero is valid.
            storage: unsafe { mem::zeroed() },
            len: mem::size_of::<Storage>() as libc::socklen_t,
        }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        ptr::addr_of!(self.storage).cast()
    }

    /// Returns where the system writes an address and its length.
    pub(super) fn as_mut_ptrs(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        (ptr::addr_of_mut!(self.storage).cast(), &mut self.len)
    }

    pub(super) fn family(&self) -> libc::c_int {
        // SAFETY: all of the storage is initialised from the start, and every bit pattern is valid.
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
            // Apple's systems write none if a connection was reset before it was accepted.
            _ if self.len == 0 => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the address is of neither IP family",
            )),
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

#[cfg(test)]
mod tests {
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
    fn an_address_of_another_family_is_an_error() {
        assert!(OsAddr::empty().to_inet().is_err());
    }
}
