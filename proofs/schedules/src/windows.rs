//! In the place of the library's `windows/mod.rs`: its own files, and handles of the model.

use std::io;

use libc::windows::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle, RawSocket};
use windows_sys::core::BOOL;

include!(concat!(env!("OUT_DIR"), "/windows.rs"));

pub(crate) use base_socket::base_socket;

pub(crate) type Handle = RawSocket;

pub(crate) fn check(result: BOOL) -> io::Result<()> {
    if result == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
