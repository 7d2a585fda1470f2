//! Finds the system's own socket behind one that a layered service provider has wrapped. AFD knows
//! only the former.

use std::{io, mem, ptr};

use windows_sys::Win32::Networking::WinSock::{
    WSAIoctl, SIO_BASE_HANDLE, SIO_BSP_HANDLE, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT,
};

use super::RawSocket;

/// Returns the base socket of `socket`, which is usually `socket` itself.
///
/// Providers must not intercept `SIO_BASE_HANDLE`, but some do, and fail it. They are then queried
/// for the socket that they use for a `select` or a poll, which is one layer down, and
/// `SIO_BASE_HANDLE` is tried on that one.
pub(crate) fn base_socket(socket: RawSocket) -> io::Result<RawSocket> {
    let mut layer = socket;
    loop {
        let error = match query(layer, SIO_BASE_HANDLE) {
            Ok(base) => return Ok(base),
            Err(error) => error,
        };
        let next = [SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE]
            .into_iter()
            .find_map(|code| query(layer, code).ok().filter(|&next| next != layer));
        match next {
            Some(next) => layer = next,
            None => return Err(error),
        }
    }
}

fn query(socket: RawSocket, code: u32) -> io::Result<RawSocket> {
    let mut result: RawSocket = 0;
    let mut len = 0;
    // SAFETY: the pointer and the size are those of `result`; the call is not overlapped.
    let failed = unsafe {
        WSAIoctl(
            socket as _,
            code,
            ptr::null(),
            0,
            ptr::addr_of_mut!(result).cast(),
            mem::size_of::<RawSocket>() as u32,
            &mut len,
            ptr::null_mut(),
            None,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
