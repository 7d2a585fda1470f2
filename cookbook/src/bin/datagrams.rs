//! Many UDP datagrams per system call, with ECN marks.

use std::array;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState, BATCH_SIZE};
use rustix::time::{clock_gettime, ClockId};

const USAGE: &str = "usage: datagrams receive ADDRESS:PORT
       datagrams send FROM-ADDRESS:PORT TO-ADDRESS:PORT COUNT
       datagrams measure COUNT";

const SOCKET: Token = Token(0);

/// The size of a datagram, which fits into every path that QUIC supports.
const DATAGRAM: usize = 1200;
/// The most bytes that one buffer can receive, or one call can send.
const BUFFER: usize = 65_536;
/// The first byte of a datagram that the receiver has to acknowledge.
const LAST_OF_BURST: u8 = 1;
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    run(USAGE, |arguments| match *arguments {
        ["receive", address] => receive(parse("ADDRESS:PORT", address)?),
        ["send", from, to, count] => send(
            parse("ADDRESS:PORT", from)?,
            parse("ADDRESS:PORT", to)?,
            parse("COUNT", count)?,
        ),
        ["measure", count] => measure(parse("COUNT", count)?),
        _ => Err(wrong_arguments(arguments)),
    })
}

/// A socket that sends and receives many datagrams per call.
struct Datagrams {
    socket: UdpSocket,
    state: UdpSocketState,
    buffers: Vec<u8>,
}

impl Datagrams {
    fn bind(address: SocketAddr) -> io::Result<Datagrams> {
        let socket = UdpSocket::bind(address)?;
        Ok(Datagrams {
            state: UdpSocketState::new((&socket).into())?,
            socket,
            buffers: vec![0; BATCH_SIZE * BUFFER],
        })
    }

    /// The most datagrams that one call can send: 1 without segmentation offload.
    fn burst(&self) -> usize {
        self.state.max_gso_segments().min((BUFFER - 1) / DATAGRAM)
    }

    /// Sends `contents` as datagrams of `DATAGRAM` bytes each (the last may be shorter).
    fn send(&self, contents: &[u8], destination: SocketAddr) -> io::Result<()> {
        let transmit = Transmit {
            destination,
            ecn: Some(EcnCodepoint::Ect0),
            contents,
            segment_size: Some(DATAGRAM),
            src_ip: None,
        };
        self.socket
            .try_io(|| self.state.try_send((&self.socket).into(), &transmit))
    }

    /// Receives until it would block, and calls `each` with every datagram. Returns the number
    /// of calls that received something.
    fn receive(&mut self, mut each: impl FnMut(&[u8], &RecvMeta)) -> io::Result<usize> {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut calls = 0;
        loop {
            let mut buffers = self.buffers.chunks_exact_mut(BUFFER);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                array::from_fn(|_| IoSliceMut::new(buffers.next().unwrap()));
            let (socket, state) = (&self.socket, &self.state);
            let received = socket.try_io(|| state.recv(socket.into(), &mut slices, &mut meta));
            match received {
                Ok(filled) => {
                    calls += 1;
                    for (slice, meta) in slices.iter().zip(&meta).take(filled) {
                        // An empty datagram has a stride of zero, and is skipped.
                        let datagrams = slice[..meta.len].chunks(meta.stride.max(1));
                        datagrams.for_each(|datagram| each(datagram, meta));
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(calls),
                    // An ICMP message: an earlier datagram found no receiver.
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

/// Receives until an empty burst, and acknowledges every burst with the total count.
fn receive(address: SocketAddr) -> Result<(), Error> {
    let mut socket = Datagrams::bind(address)?;
    let mut poll = Poll::new()?;
    // Not for WRITABLE: after a `WouldBlock`, `try_io` rearms every direction that the source is
    // registered for, as it cannot know what was tried. The loop would spin on poll(2).
    poll.registry()
        .register(&mut socket.socket, SOCKET, Interest::READABLE)?;
    println!("Listening on {}", socket.socket.local_addr()?);

    let mut events = Events::with_capacity(1);
    let (mut count, mut marked, mut calls, mut wakeups) = (0_u64, 0_u64, 0, 0);
    loop {
        poll_for_event(&mut poll, &mut events, None)?;
        wakeups += 1;
        let (mut ack_to, mut is_last) = (None, false);
        calls += socket.receive(|datagram, meta| {
            count += 1;
            marked += u64::from(meta.ecn == Some(EcnCodepoint::Ect0));
            if datagram[0] == LAST_OF_BURST {
                ack_to = Some(meta.addr);
                is_last = datagram.len() == 1;
            }
        })?;
        if let Some(sender) = ack_to {
            // The sender waits for it, so the socket has room for it.
            socket.send(&count.to_be_bytes(), sender)?;
        }
        if is_last {
            println!("{count} datagrams, {marked} with ECT(0), {calls} calls, {wakeups} wake-ups");
            return Ok(());
        }
    }
}

/// Sends `count` datagrams in bursts, and an empty burst at the end.
fn send(from: SocketAddr, to: SocketAddr, count: usize) -> Result<(), Error> {
    let mut socket = Datagrams::bind(from)?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut socket.socket, SOCKET, Interest::READABLE)?;
    let mut sent = 0;
    while sent < count {
        let burst = socket.burst().min(count - sent);
        let mut contents = vec![0; burst * DATAGRAM];
        contents[(burst - 1) * DATAGRAM] = LAST_OF_BURST;
        send_burst(&mut poll, &mut socket, &contents, to)?;
        sent += burst;
        if wait_for_ack(&mut poll, &mut socket)? != sent as u64 {
            return Err(format!("of {sent} datagrams some were lost").into());
        }
    }
    send_burst(&mut poll, &mut socket, &[LAST_OF_BURST], to)?;
    wait_for_ack(&mut poll, &mut socket)?;
    println!("{sent} datagrams sent, up to {} per call", socket.burst());
    Ok(())
}

/// Waits while the socket has no room. Only then is it registered for WRITABLE.
fn send_burst(
    poll: &mut Poll,
    socket: &mut Datagrams,
    contents: &[u8],
    to: SocketAddr,
) -> io::Result<()> {
    while let Err(error) = socket.send(contents, to) {
        match error.kind() {
            ErrorKind::WouldBlock => {
                let (registry, both) = (poll.registry(), Interest::READABLE | Interest::WRITABLE);
                registry.reregister(&mut socket.socket, SOCKET, both)?;
                poll_for_event(poll, &mut Events::with_capacity(1), None)?;
                let registry = poll.registry();
                registry.reregister(&mut socket.socket, SOCKET, Interest::READABLE)?;
            }
            ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
    Ok(())
}

fn wait_for_ack(poll: &mut Poll, socket: &mut Datagrams) -> io::Result<u64> {
    let deadline = Instant::now() + ACK_TIMEOUT;
    loop {
        let mut ack = None;
        socket.receive(|datagram, _| {
            ack = datagram.try_into().ok().map(u64::from_be_bytes);
        })?;
        if let Some(ack) = ack {
            return Ok(ack);
        }
        let timeout = deadline.saturating_duration_since(Instant::now());
        if timeout.is_zero() {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the receiver does not acknowledge",
            ));
        }
        poll_for_event(poll, &mut Events::with_capacity(1), Some(timeout))?;
    }
}

fn poll_for_event(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}

/// Compares the CPU time of one datagram per call with that of many, over the loopback interface.
fn measure(count: usize) -> Result<(), Error> {
    let any = "127.0.0.1:0".parse()?;

    let (sender, mut receiver) = (Datagrams::bind(any)?, Datagrams::bind(any)?);
    let (to, burst) = (receiver.socket.local_addr()?, sender.burst());
    let contents = vec![0; burst * DATAGRAM];
    let many = time_per_datagram(count, || {
        sender.send(&contents, to)?;
        let mut received = 0;
        receiver.receive(|_, _| received += 1)?;
        Ok(received)
    })?;

    let (sender, receiver) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
    let to = receiver.local_addr()?;
    let one = time_per_datagram(count, || {
        for datagram in contents.chunks(DATAGRAM) {
            sender.send_to(datagram, to)?;
        }
        let mut buffer = [0; DATAGRAM];
        let mut received = 0;
        while receiver.recv_from(&mut buffer).is_ok() {
            received += 1;
        }
        Ok(received)
    })?;

    println!("one datagram per call: {one:.0} ns each");
    println!("up to {burst} per call: {many:.0} ns each");
    println!("ratio: {:.1}", one / many);
    Ok(())
}

/// The CPU time in nanoseconds, which other programs influence less than the elapsed time.
fn time_per_datagram(
    count: usize,
    mut transfer_burst: impl FnMut() -> io::Result<usize>,
) -> io::Result<f64> {
    let now = || clock_gettime(ClockId::ProcessCPUTime);
    let mut received = 0;
    let start = now();
    while received < count {
        received += transfer_burst()?;
    }
    let spent = now() - start;
    Ok((spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64) / received as f64)
}
