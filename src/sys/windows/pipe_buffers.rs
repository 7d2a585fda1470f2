//! The buffers of a named pipe, from which it writes and into which it reads ahead.

use std::io::{self, IoSlice, IoSliceMut, Read};

use windows_sys::Win32::Foundation::{ERROR_NOT_ENOUGH_MEMORY, ERROR_WRITE_FAULT};

use crate::sys::pipe_state::Code;

/// Reads ask for at least this much, unless the limit is lower.
const MIN_READ: usize = 4 << 10;

/// The initial limit of both buffers.
pub(super) const DEFAULT_LIMIT: usize = 64 << 10;

pub(super) struct Buffers {
    /// Whether what is written is a message, even if it is empty.
    pub(super) has_messages: bool,
    /// Belongs to the system during a read. Then it contains what was read, of which the user has
    /// taken the first `taken` bytes.
    incoming: Vec<u8>,
    taken: usize,
    /// The size of the last buffer that the user read into.
    pub(super) asked: usize,
    pub(super) read_limit: usize,
    /// Belongs to the system during a write. The first `written` bytes have been written.
    outgoing: Vec<u8>,
    written: usize,
    pub(super) write_limit: usize,
}

impl Buffers {
    pub(super) fn new(has_messages: bool) -> Buffers {
        Buffers {
            has_messages,
            incoming: Vec::new(),
            taken: 0,
            asked: 0,
            read_limit: DEFAULT_LIMIT,
            outgoing: Vec::new(),
            written: 0,
            write_limit: DEFAULT_LIMIT,
        }
    }

    /// Empties the buffer for a read. Returns the memory and its size.
    pub(super) fn for_read(&mut self) -> Result<(*mut u8, u32), Code> {
        let size = self.asked.max(MIN_READ).min(self.read_limit);
        self.incoming.clear();
        self.taken = 0;
        let reserved = self.incoming.try_reserve_exact(size);
        reserved.map_err(|_| ERROR_NOT_ENOUGH_MEMORY as Code)?;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Ok((self.incoming.as_mut_ptr(), size))
    }

    /// A read has ended after `len` bytes. Returns whether there is something for the user.
    ///
    /// Zero bytes are an empty message, in whichever mode the pipe is read; read as bytes, one that
    /// had arrived before is joined to the next, and not seen. In a stream they have no meaning, and
    /// must not look like its end.
    ///
    /// # Safety
    ///
    /// The system has written `len` bytes to the memory of the last [`for_read`](Self::for_read).
    pub(super) unsafe fn received(&mut self, len: usize) -> bool {
        debug_assert!(len <= self.incoming.capacity());
        // SAFETY: the caller's promise; the memory has not been replaced since.
        unsafe { self.incoming.set_len(len) };
        len > 0 || self.has_messages
    }

    /// Moves what was read to `bufs`. Returns how much, and whether the buffer is empty now.
    pub(super) fn take(&mut self, bufs: &mut [IoSliceMut<'_>]) -> (usize, bool) {
        let mut unread = &self.incoming[self.taken..];
        // Reading from memory does not fail.
        let len = unread.read_vectored(bufs).unwrap_or(0);
        self.taken += len;
        (len, unread.is_empty())
    }

    /// Copies as much of `bufs` as the limit allows. Returns how much.
    pub(super) fn fill(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let total = total(bufs.iter().map(|buf| buf.len()));
        let size = match self.has_messages {
            // One that is cut would be two.
            true => total,
            false => total.min(self.write_limit),
        };
        self.outgoing.clear();
        self.written = 0;
        if self.outgoing.try_reserve_exact(size).is_err() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        for buf in bufs {
            let len = buf.len().min(size - self.outgoing.len());
            self.outgoing.extend_from_slice(&buf[..len]);
        }
        Ok(size)
    }

    /// What is still to be written.
    pub(super) fn for_write(&self) -> &[u8] {
        &self.outgoing[self.written..]
    }

    /// A write has moved `len` bytes. Returns whether they were the last.
    pub(super) fn sent(&mut self, len: usize) -> Result<bool, Code> {
        let rest = self.for_write().len();
        if len == 0 && rest > 0 {
            // It would be repeated forever.
            return Err(ERROR_WRITE_FAULT as Code);
        }
        self.written += len.min(rest);
        let all = len >= rest;
        if all && self.outgoing.capacity() > self.write_limit {
            // It was a long message.
            self.outgoing = Vec::new();
            self.written = 0;
        }
        Ok(all)
    }
}

/// The sum of the lengths of buffers, which may overlap.
pub(super) fn total(lens: impl Iterator<Item = usize>) -> usize {
    lens.fold(0, usize::saturating_add)
}

/// The system's operations have sizes of 32 bits.
pub(super) fn check_limit(limit: usize) -> io::Result<usize> {
    if limit == 0 || u32::try_from(limit).is_err() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the size of a buffer must be above zero and below four gigabytes",
        ));
    }
    Ok(limit)
}
