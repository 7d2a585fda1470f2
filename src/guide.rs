//! How to build a program around a [`Poll`].
//!
//! The crate waits for events and reports which operations are worth trying. This page describes
//! what the program has to do. `docs/cookbook` in the repository has tested programs for common
//! tasks, such as timers, TLS, signals and child processes.
//!
//! # The event loop
//!
//! Each iteration of the loop waits for events, passes each event to the source that its token
//! identifies, and then performs the work that was deferred until all events had been handled. The
//! [crate documentation](crate#example) contains a complete loop. A poll that fails with
//! [`Interrupted`] was interrupted by a signal: check what the program's signal handlers have
//! recorded, if it has any, and poll again. On Linux this also happens in a program without signal
//! handlers, when the process is stopped and continued. [`Poll::poll_until`] continues by itself.
//!
//! An event is a *hint* that an operation is worth trying. Another thread may have taken the data,
//! or the data may have been discarded as corrupt. Every operation can fail with [`WouldBlock`],
//! which means "not yet" and is no reason to close a connection.
//!
//! * Test readable and writable separately, not with an `else`: both may be true.
//! * Try to read if [`is_readable`], [`is_read_closed`] **or** [`is_error`] is true. On epoll,
//!   closing the writing end of an empty pipe causes an event that is read-closed and *not*
//!   readable, and an error may be reported alone. The same applies to writing: [`is_writable`],
//!   [`is_write_closed`] or [`is_error`].
//! * Rely on the result of the operation. If `read` returns `Ok(0)`, the stream has ended; if it
//!   returns an error, that is the error. Use the rest of an event only to skip attempts. On epoll,
//!   a socket may be reported as write-closed although it is still usable: a UDP socket with a
//!   pending `ConnectionRefused`, which works again as soon as an operation has returned the error,
//!   or a socket with a timestamp in its error queue.
//! * Do not count events. Readiness that has already been handled may be reported again.
//!
//! **Stale events.** A batch of events is a snapshot. If the handler of the first event closes the
//! source of the second one, the second event is still delivered. If its token has been reassigned
//! to a new source in the meantime, the event reaches the wrong source. Therefore do not reuse a
//! token until the batch has been handled, or include a generation number in it, and ignore events
//! whose token is unknown.
//!
//! # Reading: drain
//!
//! Registrations are edge-triggered by default: an event reports that the source has *become*
//! ready. The next event is guaranteed only after the source has been drained, that is, after an
//! operation in that direction has returned [`WouldBlock`]. A program that stops earlier may never
//! be notified of the remaining data:
//!
//! ```
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::time::Duration;
//!
//! use mio::net::{TcpListener, TcpStream};
//! use mio::{Events, Interest, Poll, Token};
//!
//! /// Reads all available data. Returns whether the stream has ended.
//! fn drain(mut stream: impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
//!     let mut buf = [0; 4096];
//!     loop {
//!         match stream.read(&mut buf) {
//!             Ok(0) => return Ok(true),
//!             Ok(len) => into.extend_from_slice(&buf[..len]),
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//!
//! # fn main() -> io::Result<()> {
//! # let mut poll = Poll::new()?;
//! # let mut events = Events::with_capacity(8);
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut peer = std::net::TcpStream::connect(server.local_addr()?)?;
//! # let (stream, _) = server.accept()?;
//! # stream.set_nonblocking(true)?;
//! # let mut stream = TcpStream::from_std(stream);
//! poll.registry().register(&mut stream, Token(0), Interest::READABLE)?;
//! peer.write_all(b"hello, world")?;
//! poll.poll(&mut events, Some(Duration::from_secs(5)))?;
//! assert!(!events.is_empty(), "the bytes did not arrive");
//!
//! // Wrong: this leaves data in the stream, for which there will be no event.
//! stream.read_exact(&mut [0; 5])?;
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert!(events.is_empty());
//!
//! // Right: read until `WouldBlock`, even without an event.
//! let mut rest = Vec::new();
//! assert!(!drain(&mut stream, &mut rest)?);
//! assert_eq!(rest, b", world");
//! # Ok(())
//! # }
//! ```
//!
//! Use the same loop around every operation that can return [`WouldBlock`]: `accept`, `recv_from`
//! and writing. Perform operations on the descriptor of a socket or pipe ([`recvmsg`], [`splice`])
//! through the source's `try_io`, so that the backends that emulate edge triggering learn their
//! outcome.
//!
//! **Short reads.** A read from a *stream* that returns less data than the buffer holds has usually
//! emptied the stream. It can then take the place of the `WouldBlock`, which saves a system call. A
//! short read does *not* mean that the stream is empty
//!
//! * if the event was [`is_read_closed`] or [`is_error`]: the end of the stream, still to be read,
//!   may not have an event of its own;
//! * on a TCP connection whose peer sends urgent data (`MSG_OOB`): a read stops before the urgent
//!   byte;
//! * on a Unix socket whose peer passes descriptors (`SCM_RIGHTS`): a read stops after the data
//!   that they were sent with;
//! * on a pipe in packet mode (`O_DIRECT`), where a read returns one packet, and on a terminal,
//!   where it returns one line;
//! * on a datagram socket, where every receive is short.
//!
//! In these cases more data can be available, and on epoll no event reports it. The peer can cause
//! the second and third case on a socket, so a program that does not trust its peers has to drain.
//!
//! **Accepting without a free descriptor.** If `accept` fails with `EMFILE`, the connection remains
//! pending. When an edge-triggered listener is reported again depends on the backend: not before
//! another client connects on epoll and kqueue, after about 10 milliseconds on the others.
//! Deregister the listener, and register it again when a descriptor is free
//! (`docs/cookbook/descriptors.md`).
//!
//! # Fairness
//!
//! A peer that sends faster than the program reads can keep a draining loop busy forever, while all
//! other sources wait. Therefore limit the work for each source, including listeners, in one
//! iteration. No event reports what is left, so the program has to remember which sources are
//! unfinished. In this example, events add sources to a queue, and each source in the queue gets
//! one turn per iteration.
//!
//! ```
//! # use std::io::{self, ErrorKind, Read, Write};
//! # use std::time::Duration;
//! # use mio::net::TcpStream;
//! # use mio::{Events, Interest, Poll, Token};
//! use std::collections::VecDeque;
//! use std::mem;
//!
//! # fn main() -> io::Result<()> {
//! # let mut poll = Poll::new()?;
//! # let mut events = Events::with_capacity(8);
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let (mut streams, mut peers) = (Vec::new(), Vec::new());
//! # for (at, size) in [1_000_000, 1000].into_iter().enumerate() {
//! #     let mut peer = std::net::TcpStream::connect(server.local_addr()?)?;
//! #     peers.push(std::thread::spawn(move || peer.write_all(&vec![0; size])));
//! #     let (stream, _) = server.accept()?;
//! #     stream.set_nonblocking(true)?;
//! #     let mut stream = TcpStream::from_std(stream);
//! #     poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
//! #     streams.push(stream);
//! # }
//! # let mut open = streams.len();
//! # let mut received = [0, 0];
//! let mut queue = VecDeque::new();
//! let mut is_queued = vec![false; streams.len()];
//! while open > 0 {
//!     // While the queue is not empty, poll without blocking.
//!     let timeout = (!queue.is_empty()).then_some(Duration::ZERO);
//!     poll.poll(&mut events, timeout)?;
//!     for event in &events {
//!         let Token(at) = event.token();
//!         if !mem::replace(&mut is_queued[at], true) {
//!             queue.push_back(at);
//!         }
//!     }
//!     // Each source in the queue gets one turn: one buffer of data.
//!     for _ in 0..queue.len() {
//!         let Some(at) = queue.pop_front() else { break };
//!         let mut buf = [0; 16 * 1024];
//!         match streams[at].read(&mut buf) {
//!             Ok(0) => open -= 1,
//!             // There may be more data: requeue the source at the end.
//!             Ok(len) => {
//!                 received[at] += len;
//!                 queue.push_back(at);
//!             }
//!             // Drained: the next event requeues it.
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => is_queued[at] = false,
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//! # assert_eq!(received, [1_000_000, 1000]);
//! # for peer in peers {
//! #     peer.join().unwrap()?;
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! There are two alternatives to a queue. [`Registry::reregister`] rearms a source, so that the
//! next poll reports the remaining data, at the cost of one system call per turn. With [level
//! triggering](#trigger-modes), the remaining data is always reported.
//!
//! # Writing and backpressure
//!
//! Write until all data has been written, or until [`WouldBlock`]. In the latter case keep the
//! remaining data, and continue at the next writable event. Do not use `write_all`: after a
//! `WouldBlock`, the number of bytes it has written is unknown.
//!
//! ```
//! use std::io::{self, ErrorKind, Write};
//!
//! /// Writes as much of `unsent` as the stream accepts, and leaves the rest in it.
//! fn flush(mut stream: impl Write, unsent: &mut Vec<u8>) -> io::Result<()> {
//!     while !unsent.is_empty() {
//!         match stream.write(unsent) {
//!             Ok(0) => return Err(ErrorKind::WriteZero.into()),
//!             // A real program advances an index instead of moving the bytes.
//!             Ok(len) => drop(unsent.drain(..len)),
//!             Err(error) if error.kind() == ErrorKind::WouldBlock => break,
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             Err(error) => return Err(error),
//!         }
//!     }
//!     Ok(())
//! }
//! # fn main() -> io::Result<()> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let peer = std::net::TcpStream::connect(server.local_addr()?)?;
//! # let (stream, _) = server.accept()?;
//! # stream.set_nonblocking(true)?;
//! # let mut unsent = vec![0; 64 << 20];
//! # flush(mio::net::TcpStream::from_std(stream), &mut unsent)?;
//! # assert!(unsent.len() < 64 << 20);
//! # drop(peer);
//! # Ok(())
//! # }
//! ```
//!
//! **Unix datagrams to a full receiver.** A sender that is not connected cannot wait for the
//! receiver. It is reported writable while its *own* buffer has room, and on Linux each `send_to`
//! that returns [`WouldBlock`] immediately causes another writable event, so a loop that waits for
//! this event spins. Connect the sender, which is then writable when the receiver has room, or
//! retry after a delay.
//!
//! Register a TCP stream for both directions from the start, and do not change its interest: with
//! edge triggering, writable events cost nothing until the stream becomes writable *again*. On
//! epoll, datagram and Unix sockets are reported writable each time something that they sent has
//! left the socket. Register them for writable events only while data is waiting to be sent. With
//! level triggering this applies to all sources, because an idle socket is writable.
//!
//! **Backpressure.** If one side of a proxy accepts less data than the other side sends, the proxy
//! must stop reading, or its memory grows. It then stops *without* having drained the source, so no
//! event makes it continue. The code that makes room again, usually the handler of the other side's
//! writable event, has to resume reading. A proxy that hangs often lacks this step.
//!
//! # Connecting
//!
//! `connect` only starts the attempt, and not every event means that it is complete. Call
//! `is_connected` on each event: it returns `true` once the connection is established, `false`
//! while the attempt is in progress, and an error if it has failed. `TcpStream` shows
//! the loop. Once the connection is established, leave errors to reading and writing. `take_error`
//! would clear the error, and a subsequent read would report a reset as an ordinary end of the
//! stream.
//!
//! Register the stream for [`Interest::WRITABLE`] right after `connect`, and limit the time with a
//! [timer](#timeouts-and-timers): if the peer does not respond, it takes minutes until the system
//! gives up. The crate does not resolve names, since that would block.
//!
//! # Waking the loop
//!
//! A [`Waker`] carries no data. Put the data into a queue *first*, then wake the poll. When the
//! event arrives, empty the queue:
//!
//! ```
//! use std::sync::{mpsc, Arc};
//! use std::thread;
//!
//! use mio::{Events, Poll, Token, Waker};
//!
//! const WAKE: Token = Token(0);
//!
//! # fn main() -> std::io::Result<()> {
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(8);
//! let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
//! let (sender, receiver) = mpsc::channel();
//!
//! for number in 0..4 {
//!     let (sender, waker) = (sender.clone(), Arc::clone(&waker));
//!     thread::spawn(move || {
//!         for _ in 0..100 {
//!             sender.send(number).expect("the loop has ended");
//!             waker.wake().expect("waking failed");
//!         }
//!     });
//! }
//!
//! let mut received = 0;
//! while received < 400 {
//!     poll.poll_until(&mut events, None)?;
//!     for event in &events {
//!         match event.token() {
//!             WAKE => received += receiver.try_iter().count(),
//!             other => unreachable!("{other:?} was never registered"),
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! In this order no message is lost. A wake that happens while an earlier one is undelivered is
//! coalesced with it, and everything that either thread queued before its wake is visible when the
//! event is handled. A later wake causes another event. One event may therefore stand for many
//! messages, and another may find the queue empty. A coalesced wake costs no system call, and one
//! that finds the loop busy usually costs none either, so there is no need to track whether the
//! loop is asleep.
//!
//! There is one waker per poll, shared by all threads. It has to live until its last wake has been
//! delivered: keep one `Arc` of it with the loop.
//!
//! # Shutting down
//!
//! * **Half-close.** A read of zero bytes means that the peer will send no more data; it may still
//!   be waiting for a response. `shutdown(Shutdown::Write)` signals the same to the peer.
//! * **Close late.** Closing a TCP socket with unread data resets the connection, and the reset can
//!   destroy data on its way to the peer. To make sure that the peer receives everything, write it,
//!   call `shutdown(Shutdown::Write)`, read to the end, and then drop the stream. Use a timer for
//!   peers that never close their side.
//! * **Deregister, then drop.** A registration in epoll belongs to the open file description, not
//!   to the descriptor's number. While a duplicate exists (from `try_clone` or [`dup`], or in a
//!   child process), events of a dropped source keep arriving, with a token that may have been
//!   reassigned, and there is no descriptor left to deregister. The same applies to a source that
//!   was converted into the standard library's type, and on kqueue to the hang-up of a pipe that
//!   was registered without a reader.
//! * **Descriptor numbers are reused.** The next descriptor that is opened gets the smallest free
//!   number. If descriptors are used as tokens or in a `SourceFd`, closing one too early delivers
//!   its events to an unrelated source, or causes the unrelated source to be deregistered.
//! * **Stop the loop** from another thread by setting a flag and then waking the poll; the loop
//!   checks the flag after each poll. A signal handler must not call [`Waker::wake`], which may
//!   take a lock: write to a registered pipe instead, or use a [`signalfd`] on Linux.
//!
//! **A client that leaves.** While a server computes a response, it has no reason to read, and
//! would not notice that its client has gone. [`Interest::READ_CLOSED`] reports the end of the
//! stream and resets, even while data is unread; data causes no event. When the response is
//! complete, reregister for reading. The next poll then reports the data that has arrived in the
//! meantime:
//!
//! ```
//! # use std::io::{self, Write};
//! # use std::time::Duration;
//! # use mio::net::TcpStream;
//! # use mio::{Events, Interest, Poll, Token};
//! # fn main() -> io::Result<()> {
//! # let mut poll = Poll::new()?;
//! # let mut events = Events::with_capacity(8);
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = std::net::TcpStream::connect(server.local_addr()?)?;
//! # let (stream, _) = server.accept()?;
//! # stream.set_nonblocking(true)?;
//! # let mut stream = TcpStream::from_std(stream);
//! # let wait = Some(Duration::from_secs(5));
//! // Event ports, and poll(2) on some systems, cannot watch for the end alone.
//! let is_busy = Interest::READ_CLOSED;
//! if poll.registry().register(&mut stream, Token(0), is_busy).is_err() {
//!     return Ok(());
//! }
//! client.write_all(b"another request")?;
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert!(events.is_empty(), "data causes no event");
//!
//! poll.registry().reregister(&mut stream, Token(0), Interest::READABLE)?;
//! poll.poll(&mut events, wait)?;
//! assert!(events.iter().any(|event| event.is_readable()), "now it does");
//!
//! poll.registry().reregister(&mut stream, Token(0), is_busy)?;
//! # #[cfg(unix)] { // Under Wine, the end is reported only after the data has been read.
//! drop(client);
//! poll.poll(&mut events, wait)?;
//! assert!(events.iter().any(|event| event.is_read_closed()), "the client has left");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Several threads
//!
//! Each thread uses its own poll, and a connection stays with the poll that it is registered with.
//! To share one *listener*, each thread registers a duplicate of it (from `try_clone` of the
//! standard library's type) with its own poll. A new connection then wakes every waiting thread,
//! and all but one of them find nothing to accept. (On Windows they may find out too late, and block
//! in `accept` until the next connection arrives: there one thread has to accept for all.) On Linux,
//! [`Interest::exclusive`] wakes at least one of them, and usually only one:
//!
//! ```
//! use std::io::ErrorKind;
//! use std::thread;
//!
//! use mio::net::TcpListener;
//! use mio::{Events, Interest, Poll, Token, Waker};
//!
//! # #[cfg(windows)] // A thread could block in `accept`.
//! # fn main() {}
//! # #[cfg(not(windows))]
//! # fn main() -> std::io::Result<()> {
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! listener.set_nonblocking(true)?;
//! let (accepted, received) = std::sync::mpsc::channel();
//! let mut threads = Vec::new();
//! for _ in 0..4 {
//!     let mut listener = TcpListener::from_std(listener.try_clone()?);
//!     let mut poll = Poll::new()?;
//!     let stop = std::sync::Arc::new(Waker::new(poll.registry(), Token(1))?);
//!     let interest = Interest::READABLE.exclusive();
//!     poll.registry().register(&mut listener, Token(0), interest)?;
//!     let accepted = accepted.clone();
//!     let thread = thread::spawn(move || -> std::io::Result<()> {
//!         let mut events = Events::with_capacity(8);
//!         loop {
//!             poll.poll_until(&mut events, None)?;
//!             if events.iter().any(|event| event.token() == Token(1)) {
//!                 return Ok(());
//!             }
//!             // Another thread may already have accepted the connection.
//!             loop {
//!                 match listener.accept() {
//!                     Ok(_connection) => accepted.send(()).unwrap(),
//!                     Err(error) if error.kind() == ErrorKind::WouldBlock => break,
//!                     Err(error) => return Err(error),
//!                 }
//!             }
//!         }
//!     });
//!     threads.push((thread, stop));
//! }
//! for _ in 0..10 {
//!     std::net::TcpStream::connect(listener.local_addr()?)?;
//!     received.recv().expect("a thread has accepted it");
//! }
//! for (thread, stop) in threads {
//!     stop.wake()?;
//!     thread.join().unwrap()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The connections are not distributed evenly: Linux keeps waking the same thread. If this matters,
//! let one thread accept and hand the connections to the others, or give each thread a listener of
//! its own (`SO_REUSEPORT`).
//!
//! # Trigger modes
//!
//! The trigger mode is part of the [`Interest`] and applies to the whole registration:
//!
//! | mode | reported | use it when |
//! |---|---|---|
//! | edge (default) | when the source becomes ready | one thread owns the source and drains it |
//! | [`level`] | by every poll, while ready | partial work is normal: one `accept` per event, libraries with their own reading pattern |
//! | [`oneshot`] | once, until [reregistered] | the source is handed to another thread, and no second event may arrive before it is done |
//!
//! ```
//! use std::time::Duration;
//!
//! use mio::net::UdpSocket;
//! use mio::{Events, Interest, Poll, Token};
//!
//! # fn main() -> std::io::Result<()> {
//! # let mut poll = Poll::new()?;
//! # let mut events = Events::with_capacity(8);
//! # let any = "127.0.0.1:0".parse().unwrap();
//! # let (sender, mut receiver) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
//! # let to = receiver.local_addr()?;
//! # let mut buf = [0; 8];
//! # let wait = Some(Duration::from_secs(5));
//! poll.registry().register(&mut receiver, Token(0), Interest::READABLE.level())?;
//! sender.send_to(b"one", to)?;
//! for _ in 0..3 {
//!     poll.poll(&mut events, wait)?;
//!     assert!(!events.is_empty(), "level: every poll reports the unread datagram");
//! }
//!
//! poll.registry().reregister(&mut receiver, Token(0), Interest::READABLE.oneshot())?;
//! poll.poll(&mut events, wait)?;
//! assert!(!events.is_empty(), "one-shot: the event is reported once");
//! receiver.recv(&mut buf)?;
//! sender.send_to(b"two", to)?;
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert!(events.is_empty(), "disarmed: no further event");
//!
//! // After handling the event, rearm the source.
//! poll.registry().reregister(&mut receiver, Token(0), Interest::READABLE.oneshot())?;
//! poll.poll(&mut events, wait)?;
//! assert!(!events.is_empty(), "rearmed: the second datagram is reported");
//! # Ok(())
//! # }
//! ```
//!
//! Edge triggering needs the fewest system calls, but a program that fails to drain a source misses
//! events. Level triggering tolerates this, but a source that is never handled keeps the loop from
//! sleeping. After a one-shot event of a source registered for both directions, assume that the
//! other direction is disarmed as well.
//!
//! # Sources of other kinds
//!
//! With the feature `os-ext`, an [`IoSource`] turns any object that has a descriptor, or on Windows
//! a socket, into a source: a `socket2::Socket`, a terminal, a timerfd, a netlink or raw socket.
//! Make the object non-blocking first. Perform the I/O *through* the `IoSource`, with `Read` and
//! `Write` or with `try_io`, and always until [`WouldBlock`].
//!
//! ```
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::TcpStream; // Stands in for another crate's type.
//!
//! use mio::{Events, Interest, IoSource, Poll, Token};
//!
//! # fn main() -> std::io::Result<()> {
//! # let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let stream = TcpStream::connect(server.local_addr()?)?;
//! # let (mut peer, _) = server.accept()?;
//! stream.set_nonblocking(true)?;
//! let mut source = IoSource::new(stream);
//!
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(8);
//! poll.registry().register(&mut source, Token(0), Interest::READABLE)?;
//! peer.write_all(b"hello")?;
//!
//! poll.poll(&mut events, None)?;
//! let (mut received, mut buf) = (Vec::new(), [0; 4096]);
//! loop {
//!     match source.read(&mut buf) {
//!         Ok(0) => break,
//!         Ok(len) => received.extend_from_slice(&buf[..len]),
//!         Err(error) if error.kind() == ErrorKind::WouldBlock => break,
//!         Err(error) => return Err(error),
//!     }
//! }
//! assert_eq!(received, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! A `SourceFd` registers the bare number of a descriptor instead, for objects that other code
//! reads and writes. It needs more care where edges are emulated: see [Portability](#portability).
//!
//! # Timeouts and timers
//!
//! The crate has no timers. A program keeps its deadlines sorted, and polls until the earliest one:
//!
//! ```
//! use std::cmp::Reverse;
//! use std::collections::BinaryHeap;
//! use std::time::{Duration, Instant};
//!
//! use mio::{Events, Poll};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut poll = Poll::new()?;
//! let mut events = Events::with_capacity(8);
//!
//! let start = Instant::now();
//! let mut timers = BinaryHeap::new();
//! timers.push(Reverse((start + Duration::from_millis(3), "retry")));
//! timers.push(Reverse((start + Duration::from_micros(500), "ping")));
//!
//! let mut done = Vec::new();
//! while let Some(Reverse((nearest, _))) = timers.peek() {
//!     poll.poll_until(&mut events, Some(*nearest))?;
//!     for _event in &events {
//!         // Handle the event as above.
//!     }
//!     let now = Instant::now();
//!     while matches!(timers.peek(), Some(Reverse((deadline, _))) if *deadline <= now) {
//!         done.extend(timers.pop().map(|Reverse((_, name))| name));
//!     }
//! }
//! assert_eq!(done, ["ping", "retry"]);
//! # Ok(())
//! # }
//! ```
//!
//! * If there are no timers, pass `None` as the deadline, not a time in the distant future.
//! * A poll never times out early: timeouts are rounded up. Only a timeout of exactly zero, or a
//!   deadline that has passed, does not block. [`Poll::poll`](crate::Poll::poll) documents the
//!   resolution.
//! * A program that polls with a timeout computes it again before each poll, including after
//!   [`Interrupted`].
//! * Handle events first and timers afterwards: data that arrived in time but was read late,
//!   because the machine was busy, is not a timeout.
//!
//! # Portability
//!
//! The following is unspecified and differs between backends:
//!
//! * **Number and order of events.** Both directions of a source may be reported in one event or in
//!   two. On epoll, each change of a source causes an event with its complete state, including, for
//!   example, that it is still writable. Where edges are emulated (poll(2), event ports, Windows),
//!   an event contains only what is new. On epoll and kqueue, new data triggers a new event even if
//!   earlier data is unread; do not rely on this.
//! * **The end of the stream after unread data.** A reset is reported even to a program that has
//!   not touched the source since its last event. So is the end of the stream, except under Wine,
//!   and on systems that do not distinguish it from data (event ports, and poll(2) on systems other
//!   than Linux and Android).
//! * **What the `try_io` of a socket rearms.** Where edges are emulated, a `WouldBlock` rearms all
//!   directions of the registration, because the closure may have read or written. A program that
//!   calls it on writable events until `WouldBlock` is notified again after each such call, and
//!   spins: include `WRITABLE` in the interest only while a write is pending.
//! * **Everything except readable and writable.** [`is_read_closed`] and similar methods may return
//!   `false` where the system does not report the condition. A program has to work if they always
//!   return `false`, except for the attempts described in [the event loop](#the-event-loop).
//! * **What happens to a registration when its source is dropped**, converted, or closed elsewhere.
//!   Deregister the source.
//! * **Edge triggering of a `SourceFd`.** I/O on its descriptor does not pass through the crate.
//!   Where edges are emulated, each condition is reported once, and again only after
//!   [`Registry::reregister`]. Either reregister after each drain, or use [`level`], which works on
//!   every backend, or an [`IoSource`], which performs the I/O.
//!
//! The following is the same on every backend:
//!
//! * One poll returns at most [`Events::capacity`] events. Further events are returned by later
//!   polls, and no source is starved: a small capacity costs system calls, not correctness. Values
//!   from 64 to 1024 are common.
//! * Any thread can use a [`Registry`] while the poll is waiting. Its changes affect the call in
//!   progress.
//! * Regular files and directories cannot be polled: registering them fails or, on kqueue, reports
//!   them as ready. Read them in another thread, and [wake](#waking-the-loop) the poll.
//! * A poll cannot be shared by both processes after a [`fork`]. The child has to create its own.
//!
//! [`Poll`]: crate::Poll
//! [`Poll::poll_until`]: crate::Poll::poll_until
//! [`Registry`]: crate::Registry
//! [`Registry::reregister`]: crate::Registry::reregister
//! [reregistered]: crate::Registry::reregister
//! [`Events::capacity`]: crate::Events::capacity
//! [`Waker`]: crate::Waker
//! [`Waker::wake`]: crate::Waker::wake
//! [`Interest`]: crate::Interest
//! [`Interest::WRITABLE`]: crate::Interest::WRITABLE
//! [`Interest::READ_CLOSED`]: crate::Interest::READ_CLOSED
//! [`Interest::exclusive`]: crate::Interest::exclusive
//! [`level`]: crate::Interest::level
//! [`oneshot`]: crate::Interest::oneshot
//! [`is_readable`]: crate::event::Event::is_readable
//! [`is_writable`]: crate::event::Event::is_writable
//! [`is_error`]: crate::event::Event::is_error
//! [`is_read_closed`]: crate::event::Event::is_read_closed
//! [`is_write_closed`]: crate::event::Event::is_write_closed
//! [`recvmsg`]: https://man7.org/linux/man-pages/man2/recvmsg.2.html
//! [`splice`]: https://man7.org/linux/man-pages/man2/splice.2.html
//! [`dup`]: https://man7.org/linux/man-pages/man2/dup.2.html
//! [`signalfd`]: https://man7.org/linux/man-pages/man2/signalfd.2.html
//! [`fork`]: https://man7.org/linux/man-pages/man2/fork.2.html
//! [`WouldBlock`]: std::io::ErrorKind::WouldBlock
//! [`Interrupted`]: std::io::ErrorKind::Interrupted
#![cfg_attr(feature = "os-ext", doc = "[`IoSource`]: crate::IoSource")]
#![cfg_attr(not(feature = "os-ext"), doc = "[`IoSource`]: crate::features#os-ext")]
