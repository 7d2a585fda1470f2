//! Finds the system's own socket behind one that a layered service provider has wrapped:
//! the device knows only the former.

use std::io;
use std::mem;
use std::ptr;

use windows_sys::Win32::Networking::WinSock::{
    WSAIoctl, SIO_BASE_HANDLE, SIO_BSP_HANDLE, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE_SELECT,
};

use super::RawSocket;

/// The base socket of `socket`, mostly itself.
///
/// Providers must not intercept the first question. Some do, and fail it; they are asked
/// what they would use for a `select` or a poll, which brings us one layer down, and then
/// the first question is put to that one.
pub(crate) fn base_socket(socket: RawSocket) -> io::Result<RawSocket> {
    let mut layer = socket;
    loop {
        let error = match ask(layer, SIO_BASE_HANDLE) {
            Ok(base) => return Ok(base),
            Err(error) => error,
        };
        let next = [SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL, SIO_BSP_HANDLE]
            .into_iter()
            .find_map(|question| ask(layer, question).ok().filter(|&next| next != layer));
        match next {
            Some(next) => layer = next,
            None => return Err(error),
        }
    }
}

fn ask(socket: RawSocket, question: u32) -> io::Result<RawSocket> {
    let mut answer: RawSocket = 0;
    let mut len = 0;
    // SAFETY: the pointer and the size are those of `answer`; nothing is overlapped.
    let failed = unsafe {
        WSAIoctl(
            socket as _,
            question,
            ptr::null(),
            0,
            ptr::addr_of_mut!(answer).cast(),
            mem::size_of::<RawSocket>() as u32,
            &mut len,
            ptr::null_mut(),
            None,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}
