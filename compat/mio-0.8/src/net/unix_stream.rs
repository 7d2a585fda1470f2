use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::path::Path;

use crate::net::SocketAddr;

/// A non-blocking stream between two Unix domain sockets.
pub struct UnixStream(mio_1::net::UnixStream);

impl UnixStream {
    /// Connects to the listener at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`: there is no such file. `ConnectionRefused`: nothing listens there. `WouldBlock`:
    /// the listener's queue is full.
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        mio_1::net::UnixStream::connect(path).map(UnixStream)
    }

    /// Connects to the listener at `address`.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixStream::connect).
    pub fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        mio_1::net::UnixStream::connect_addr(&address.0).map(UnixStream)
    }
}

impl_unix_socket!(UnixStream);
impl_connected_unix_socket!(UnixStream);

impl Read for &UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.0).read_vectored(bufs)
    }
}

impl Read for UnixStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(bufs)
    }
}

impl Write for &UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.0).flush()
    }
}

impl Write for UnixStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
