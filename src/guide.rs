//! How a program is built around a [`Poll`].
//!
//! The crate waits, and says what is worth trying; the program does the rest. This
//! page is about that rest.
//!
//! # The event loop
//!
//! A turn of the loop waits, hands each event to the source whose token it carries,
//! and then does what was put off until all events were handled: the [crate's
//! page](crate#example) has one in full. A poll that returns [`Interrupted`] was
//! interrupted by a signal. Look at what the program's handlers left, if it has any, and poll
//! again: on Linux, stopping and continuing the process does this to a program without handlers.
//!
//! An event is a *hint* that an operation is worth trying. Somebody else may have been
//! faster, or the data turned out to be damaged: every operation can answer
//! [`WouldBlock`], which means "not yet", and is no reason to close a connection.
//!
//! * Test readable and writable one by one, not with an `else`: both may be true.
//! * Try to read if [`is_readable`], [`is_read_closed`] **or** [`is_error`]. On epoll the
//!   end of an empty pipe is read-closed and *not* readable, and an error may come
//!   alone. Writing likewise: [`is_writable`], [`is_write_closed`] or [`is_error`].
//! * Let the operation decide. `read` answering `Ok(0)` is the end, an error is the
//!   error; what else an event says only saves an attempt. On epoll a socket with an
//!   error that it survives, such as a UDP socket whose datagram found no receiver, may
//!   be write-closed in its event, and lives on as soon as an operation has returned the
//!   error; so may one with a timestamp in its error queue.
//! * Do not count events. What was handled already may be reported again.
//!
//! **Old events.** A batch is a snapshot. If the handler of its first event closes the
//! source of its second, the second is still to come; if the token has been given
//! to a new source by then, it reaches the wrong one. So let a token rest until the
//! batch is through, or put a generation into it, and pass over events whose token
//! is unknown.
//!
//! # Reading: drain
//!
//! Registrations are edge-triggered unless asked otherwise: an event says that
//! readiness has *arisen*. The next one is only certain after the source has been
//! drained, which means that an operation in that direction answered [`WouldBlock`].
//! A program that stops earlier may never hear of what it has left:
//!
//! ```
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::time::Duration;
//!
//! use mio::net::{TcpListener, TcpStream};
//! use mio::{Events, Interest, Poll, Token};
//!
//! /// Reads all that is there. Answers whether the stream has ended.
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
//! // Wrong: there is more than this buffer holds, and no event for it.
//! stream.read_exact(&mut [0; 5])?;
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert!(events.is_empty());
//!
//! // Right, although nothing said that the stream is still readable.
//! let mut rest = Vec::new();
//! assert!(!drain(&mut stream, &mut rest)?);
//! assert_eq!(rest, b", world");
//! # Ok(())
//! # }
//! ```
//!
//! The same loop stands around everything that can answer [`WouldBlock`]: `accept`,
//! `recv_from`, and writing. Whatever is done on the descriptor of a socket or pipe
//! directly (`recvmsg`, `splice`) belongs in the source's `try_io`, through which the
//! backends that emulate edges learn how it ended.
//!
//! **Short reads.** A read from a *stream* that returns less than the buffer holds has
//! usually emptied it, and can then serve in place of the `WouldBlock`, which saves a
//! system call. A short read does *not* mean that the stream is empty
//!
//! * if the event was [`is_read_closed`] or [`is_error`]: the end, still to be read, may
//!   have no event of its own;
//! * on a TCP connection whose peer sends urgent data (`MSG_OOB`): a read stops in front of it;
//! * on a Unix socket whose peer passes descriptors (`SCM_RIGHTS`): a read stops behind the data
//!   that they came with;
//! * on a pipe in packet mode (`O_DIRECT`), where a read returns one packet, and on a terminal,
//!   where it returns one line;
//! * on a datagram socket, where every receive is short.
//!
//! In these cases more can be there, and on epoll no event announces it. Sockets may be in the
//! second and third case at the peer's will, so that a program that does not trust its peers has
//! to drain.
//!
//! **Accepting with no descriptor left** (`EMFILE`) leaves the connection waiting. On
//! epoll it is not announced again; on poll(2) it is, by every poll. Deregister the
//! listener, and register it again when a descriptor is free.
//!
//! # Fairness
//!
//! A peer that sends faster than the program reads keeps a draining loop busy for
//! ever, while all others wait. So bound what a source, listeners included, may do in
//! one turn. No event announces the rest, so the program has to remember who is
//! unfinished: events put a source into a queue, and the queue gives turns.
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
//!     // While somebody waits for a turn the poll only looks, and does not block.
//!     let timeout = (!queue.is_empty()).then_some(Duration::ZERO);
//!     poll.poll(&mut events, timeout)?;
//!     for event in &events {
//!         let Token(at) = event.token();
//!         if !mem::replace(&mut is_queued[at], true) {
//!             queue.push_back(at);
//!         }
//!     }
//!     // One turn, which is one buffer, for each that is in the queue now.
//!     for _ in 0..queue.len() {
//!         let Some(at) = queue.pop_front() else { break };
//!         let mut buf = [0; 16 * 1024];
//!         match streams[at].read(&mut buf) {
//!             Ok(0) => open -= 1,
//!             // There may be more: to the end of the queue.
//!             Ok(len) => {
//!                 received[at] += len;
//!                 queue.push_back(at);
//!             }
//!             // Drained: an event will bring it back.
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
//! There are two ways without a queue. [`Registry::reregister`] arms a source anew, so
//! that what is left is announced by the next poll, for a system call per turn. With
//! [level triggering](#trigger-modes) it is announced anyway.
//!
//! # Writing and backpressure
//!
//! Write until all is written, or until [`WouldBlock`]; then keep what is left, and go
//! on at the next writable event. `write_all` is not for this: after a `WouldBlock`
//! nobody knows how much it has written.
//!
//! ```
//! use std::io::{self, ErrorKind, Write};
//!
//! /// Writes as much of `unsent` as there is room for, and leaves the rest in it.
//! fn flush(mut stream: impl Write, unsent: &mut Vec<u8>) -> io::Result<()> {
//!     while !unsent.is_empty() {
//!         match stream.write(unsent) {
//!             Ok(0) => return Err(ErrorKind::WriteZero.into()),
//!             // A real program moves an index, not the bytes.
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
//! **Unix datagrams to a full receiver** cannot be waited for with a sender that is not connected.
//! It is reported writable while its *own* buffer has room, and on Linux each `send_to` that
//! returns [`WouldBlock`] raises another writable event at once: a loop that waits for that event
//! spins. Connect the sender, which is then writable when the receiver has room, or try again
//! after a pause.
//!
//! Register a TCP stream for both directions from the start, and leave it so: under edge
//! triggering a writable event costs nothing until there is room *again*. Datagram
//! and Unix sockets are reported writable on epoll whenever something that was sent
//! has left them; ask for that only while something waits to be sent. Under
//! level triggering this holds for all, since an idle socket is writable.
//!
//! **Backpressure.** A proxy whose one side takes less than the other sends must stop
//! reading, or its memory grows. It then stops *without* having drained, so no event
//! makes it go on. Whatever makes room again, usually the writable event of the other
//! side, has to resume the reading. A proxy that hangs has usually forgotten this.
//!
//! # Connecting
//!
//! `connect` only starts. When an event comes, ask for the failure first, with
//! `take_error`, and then for success, with `peer_addr`, which answers `NotConnected`
//! while the outcome is open: not every event means that there is one.
//! [`TcpStream`][connecting] has the loop. Once the connection stands, leave errors to
//! reading and writing: an error that `take_error` has taken is gone, and reading then
//! reports a reset as a mere end.
//!
//! Register the stream for [`Interest::WRITABLE`] right after `connect`, and bound the
//! time with a [timer](#timeouts-and-timers): a peer that does not answer takes the
//! system minutes to give up on. Names are not resolved here, since that would block.
//!
//! # Waking the loop
//!
//! A [`Waker`] carries no data. Put the data into a queue *first*, then wake; at
//! the event, empty the queue:
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
//!             sender.send(number).expect("the loop is running");
//!             waker.wake().expect("waking does not fail");
//!         }
//!     });
//! }
//!
//! let mut received = 0;
//! while received < 400 {
//!     poll.poll(&mut events, None)?;
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
//! In that order nothing is lost. A wake that comes while an earlier one is undelivered
//! unites with it, and what was queued before either is visible at their event; a wake
//! that comes later makes another event. So one event may stand for many messages, and
//! another may find the queue empty. A wake that unites costs no system call: there is
//! no need to track whether the loop is asleep.
//!
//! There is one waker per poll, shared by all threads. It has to outlive the delivery
//! of its last wake: keep one `Arc` of it with the loop.
//!
//! # Shutting down
//!
//! * **Half-close.** A read of zero bytes says that the peer will send no more; it may
//!   still want the answer. `shutdown(Shutdown::Write)` says the same to the peer.
//! * **Close late.** A TCP socket that is closed with unread bytes resets the connection,
//!   and the reset can destroy what is on its way to the peer. If the peer is to have
//!   everything, write it, `shutdown(Write)`, read to the end, and then drop, with a
//!   timer for peers that never end.
//! * **Deregister, then drop.** A registration in epoll belongs to the open file, not to
//!   its number. While a duplicate lives on (`try_clone` in any guise, a child process),
//!   events of a dropped source go on coming, with a token that may have been
//!   given away, and there is no descriptor left to deregister. The same goes for
//!   converting a source into the standard library's type.
//! * **Numbers are used again.** The next descriptor that is opened gets the smallest
//!   free number. Where descriptors serve as tokens, or in a [`SourceFd`], one that is
//!   closed too early gives its events to a stranger, or has the stranger deregistered.
//! * **The loop itself** ends at a flag that is set before a wake. A signal handler must
//!   not wake, for that may take a lock: let it write to a pipe that is registered, or
//!   use the system's descriptor for signals.
//!
//! # Trigger modes
//!
//! The mode is part of the [`Interest`], and holds for the whole registration:
//!
//! | mode | reported | choose it when |
//! |---|---|---|
//! | edge (default) | when readiness arises | one thread owns the source and drains it |
//! | [`level`] | by every poll, while ready | partial work is normal: one `accept` per event, libraries that read as they please |
//! | [`oneshot`] | once, until [reregistered] | the source is handed to another thread, which must not be overtaken by a second event |
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
//!     assert!(!events.is_empty(), "every poll reports it until it is received");
//! }
//!
//! poll.registry().reregister(&mut receiver, Token(0), Interest::READABLE.oneshot())?;
//! poll.poll(&mut events, wait)?;
//! assert!(!events.is_empty(), "this was the one shot");
//! receiver.recv(&mut buf)?;
//! sender.send_to(b"two", to)?;
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert!(events.is_empty(), "silent, whatever comes");
//!
//! // Whoever has done the work asks for the next event.
//! poll.registry().reregister(&mut receiver, Token(0), Interest::READABLE.oneshot())?;
//! poll.poll(&mut events, wait)?;
//! assert!(!events.is_empty(), "what came meanwhile is reported now");
//! # Ok(())
//! # }
//! ```
//!
//! An edge needs the fewest system calls, and punishes a forgotten drain; a level
//! forgives it, and punishes a forgotten source with a loop that never sleeps. After a
//! one-shot event with both directions asked for, take the other direction for
//! disarmed as well.
//!
//! # Timeouts and timers
//!
//! There are no timers. A program keeps its deadlines in order, and lets the poll wait
//! until the nearest:
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
//!     let timeout = nearest.saturating_duration_since(Instant::now());
//!     poll.poll(&mut events, Some(timeout))?;
//!     for _event in &events {
//!         // As above.
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
//! * With no timer at all the timeout is `None`, not a large number.
//! * A poll without events does not return early: fractions are rounded up, and only
//!   an exact zero does not block. [`Poll::poll`](crate::Poll::poll) tells how precise it is.
//! * Work the timeout out anew before each poll, after [`Interrupted`] too.
//! * Handle events first and timers after: data that has arrived in time, but was read
//!   late because the machine was busy, is no timeout.
//!
//! # Portability
//!
//! Unspecified, and different from backend to backend:
//!
//! * **Number and order of events.** Both directions of a source may come as one event or
//!   as two. On epoll an event tells all that is true of the source, such as that it
//!   is still writable, each time something about it changes; where edges are emulated
//!   (poll(2), event ports, Windows) it tells only what is new. On epoll and kqueue, new
//!   data triggers a new event even if earlier data is unread; do not rely on that.
//! * **The end behind unread data.** A reset is reported even to a program that has not
//!   touched the source since its last event; so is the peer's end, but for systems that
//!   do not tell it from data (event ports, poll(2) other than Linux's).
//! * **Everything beyond readable and writable.** [`is_read_closed`] and its like may be
//!   `false` where a system does not tell; a program has to work if they always are,
//!   except for what [the event loop](#the-event-loop) says about attempts.
//! * **What happens to a registration when its source is dropped**, converted or closed
//!   elsewhere. Deregister.
//! * **Edges of a [`SourceFd`].** Its I/O does not pass through the crate. Where edges are
//!   emulated each condition is reported once, and then again only after
//!   [`Registry::reregister`]. Either do that after each drain, or use
//!   [`level`], which works everywhere.
//!
//! The same everywhere:
//!
//! * At most [`Events::capacity`] events come from one poll. What found no room comes
//!   later, and everybody gets a turn: a small capacity costs system calls, not
//!   correctness. Somewhere from 64 to 1024 is usual.
//! * A [`Registry`] may be used by any thread while the poll is waiting; what is
//!   registered takes part in the call that is running.
//! * Regular files and directories cannot be waited for: registering one fails, or on
//!   kqueue reports it as ready. Read them in another thread, and
//!   [wake](#waking-the-loop).
//! * A poll is not for both sides of a `fork`. The child makes its own.
//!
//! [`Poll`]: crate::Poll
//! [`Registry`]: crate::Registry
//! [`Registry::reregister`]: crate::Registry::reregister
//! [reregistered]: crate::Registry::reregister
//! [`Events::capacity`]: crate::Events::capacity
//! [`Waker`]: crate::Waker
//! [`Interest`]: crate::Interest
//! [`Interest::WRITABLE`]: crate::Interest::WRITABLE
//! [`level`]: crate::Interest::level
//! [`oneshot`]: crate::Interest::oneshot
//! [`is_readable`]: crate::event::Event::is_readable
//! [`is_writable`]: crate::event::Event::is_writable
//! [`is_error`]: crate::event::Event::is_error
//! [`is_read_closed`]: crate::event::Event::is_read_closed
//! [`is_write_closed`]: crate::event::Event::is_write_closed
//! [`WouldBlock`]: std::io::ErrorKind::WouldBlock
//! [`Interrupted`]: std::io::ErrorKind::Interrupted
#![cfg_attr(
    feature = "net",
    doc = "[connecting]: crate::net::TcpStream#connecting"
)]
#![cfg_attr(not(feature = "net"), doc = "[connecting]: crate::features#net")]
#![cfg_attr(
    all(unix, feature = "os-ext"),
    doc = "[`SourceFd`]: crate::unix::SourceFd"
)]
#![cfg_attr(
    not(all(unix, feature = "os-ext")),
    doc = "[`SourceFd`]: crate::features#os-ext"
)]
