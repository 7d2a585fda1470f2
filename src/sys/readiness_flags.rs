use crate::readiness::Readiness;

/// The flags of poll(2), which epoll(7) has too, in the numbers of a mechanism.
pub(crate) struct ReadinessFlags {
    pub(crate) readable: u32,
    pub(crate) writable: u32,
    pub(crate) priority: u32,
    pub(crate) error: u32,
    pub(crate) hang_up: u32,
    /// Zero where the peer's half-close is not told.
    pub(crate) read_hang_up: u32,
    /// Says that the event is of a socket. Zero where that is not known.
    pub(crate) socket: u32,
}

impl ReadinessFlags {
    /// What a combination of flags says.
    ///
    /// * Out-of-band data counts as readable too: it is only reported to those who
    ///   asked for it.
    /// * A hang-up is the end of both directions.
    /// * The peer's half-close ends reading.
    /// * An error while writable, or alone, ends writing: it is how the writing end of a pipe
    ///   shows that its reading end is closed, alone if the pipe is full. A socket lives on
    ///   after an error, and with entries in its error queue.
    #[inline]
    pub(crate) fn fold(&self, flags: u32) -> Readiness {
        let has = |flag: u32| flags & flag != 0;
        let hung_up = has(self.hang_up);
        let read_closed = hung_up || has(self.readable) && has(self.read_hang_up);
        let of_pipe = has(self.writable) && !has(self.socket);
        let write_closed = hung_up || has(self.error) && of_pipe || flags == self.error;

        Readiness::READABLE.when(has(self.readable | self.priority))
            | Readiness::WRITABLE.when(has(self.writable))
            | Readiness::PRIORITY.when(has(self.priority))
            | Readiness::ERROR.when(has(self.error))
            | Readiness::READ_CLOSED.when(read_closed)
            | Readiness::WRITE_CLOSED.when(write_closed)
    }
}
