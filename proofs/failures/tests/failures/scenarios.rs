//! The operations of the library, as scenarios.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use mio::unix::{pipe, SourceFd};
use mio::{Events, Interest, Poll, Token, Waker};

use super::every_failure_of;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn making_polls() {
    every_failure_of(|run, _| {
        let poll = run.step(Poll::new)?;
        let registry = run.step(|| poll.registry().try_clone())?;
        run.step(|| registry.try_clone())?;
        Some(())
    });
}

#[test]
fn polling() {
    every_failure_of(|run, poll| {
        let mut events = Events::with_capacity(8);
        for timeout in [ms(0), ms(1), Some(Duration::from_micros(1500))] {
            run.step(|| poll.poll(&mut events, timeout))?;
        }
        Some(())
    });
}

/// No wake is lost: after a wake that failed, the next one is sent.
#[test]
fn waking() {
    every_failure_of(|run, poll| {
        let mut events = Events::with_capacity(8);
        let waker = run.step(|| Waker::new(poll.registry(), Token(1)))?;
        for _ in 0..2 {
            if run.step(|| waker.wake()).is_none() {
                waker.wake().unwrap();
            }
            if run.step(|| poll.poll(&mut events, ms(1000))).is_none() {
                poll.poll(&mut events, ms(1000)).unwrap();
            }
            assert_eq!(events.iter().next().map(|it| it.token()), Some(Token(1)));
        }
        Some(())
    });
}

/// After a failure the source is registered as it was before, or not at all.
#[test]
fn registering() {
    every_failure_of(|run, poll| {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"x").unwrap();
        let registry = poll.registry();
        run.step(|| registry.register(&mut one, Token(1), Interest::READABLE))
            .or_else(|| {
                registry
                    .register(&mut one, Token(1), Interest::READABLE)
                    .ok()
            })?;
        run.step(|| registry.reregister(&mut one, Token(2), BOTH))
            .or_else(|| registry.reregister(&mut one, Token(2), BOTH).ok())?;
        let level = Interest::READABLE.level();
        run.step(|| registry.reregister(&mut one, Token(3), level))
            .or_else(|| registry.reregister(&mut one, Token(3), level).ok())?;
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, ms(1000)).unwrap();
        assert_eq!(events.iter().next().map(|it| it.token()), Some(Token(3)));
        let registry = poll.registry();
        run.step(|| registry.deregister(&mut one))
            .or_else(|| registry.deregister(&mut one).ok())?;
        poll.poll(&mut events, ms(0)).unwrap();
        assert!(events.is_empty());
        Some(())
    });
}

#[test]
fn registering_bare_descriptors() {
    every_failure_of(|run, poll| {
        let listener = std::net::TcpListener::bind(any_port()).unwrap();
        let source = &mut SourceFd(&listener.as_raw_fd());
        run.step(|| poll.registry().register(source, Token(1), BOTH))?;
        run.step(|| poll.registry().reregister(source, Token(1), BOTH));
        // The descriptor must stay open while it is registered.
        run.step(|| poll.registry().deregister(source))
            .or_else(|| poll.registry().deregister(source).ok())
    });
}

#[test]
fn tcp() {
    every_failure_of(|run, _| {
        let listener = run.step(|| TcpListener::bind(any_port()))?;
        let address = run.step(|| listener.local_addr())?;
        run.step(|| listener.set_ttl(64))?;
        run.step(|| listener.ttl())?;
        run.step(|| listener.take_error())?;
        let mut client = run.step(|| TcpStream::connect(address))?;
        let (mut server, _) = run.step(|| listener.accept())?;
        run.step(|| client.peer_addr())?;
        run.step(|| client.set_nodelay(true))?;
        run.step(|| client.nodelay())?;
        run.step(|| client.set_ttl(64))?;
        run.step(|| client.ttl())?;
        run.step(|| client.take_error())?;
        run.step(|| client.write(b"hello"))?;
        run.step(|| client.write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo")]))?;
        run.step(|| server.peek(&mut [0; 1]))?;
        run.step(|| server.read(&mut [0; 1]))?;
        run.step(|| server.read_vectored(&mut [IoSliceMut::new(&mut [0; 1])]))?;
        run.step(|| {
            server
                .try_io(|| Ok(()))
                .and(client.shutdown(Shutdown::Write))
        })
    });
}

#[test]
fn udp() {
    every_failure_of(|run, _| {
        let one = run.step(|| UdpSocket::bind(any_port()))?;
        let other = UdpSocket::bind(any_port()).unwrap();
        let (here, there) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        run.step(|| one.send_to(b"hello", there))?;
        other.send_to(&[1; 8], here).unwrap();
        run.step(|| one.peek_from(&mut [0; 8]))?;
        run.step(|| one.recv_from(&mut [0; 8]))?;
        run.step(|| one.connect(there))?;
        run.step(|| one.peer_addr())?;
        run.step(|| one.send(b"hello"))?;
        other.send_to(&[1; 8], here).unwrap();
        run.step(|| one.peek(&mut [0; 8]))?;
        run.step(|| one.recv(&mut [0; 8]))?;
        run.step(|| one.set_broadcast(true))?;
        run.step(|| one.broadcast())?;
        run.step(|| one.set_multicast_loop_v4(true))?;
        run.step(|| one.multicast_loop_v4())?;
        run.step(|| one.set_multicast_ttl_v4(1))?;
        run.step(|| one.multicast_ttl_v4())?;
        run.step(|| one.set_ttl(64))?;
        run.step(|| one.ttl())?;
        run.step(|| one.take_error().map(drop))
    });
}

#[test]
fn udp_over_ipv6() {
    every_failure_of(|run, _| {
        let socket = run.step(|| UdpSocket::bind("[::1]:0".parse().unwrap()))?;
        run.step(|| socket.only_v6())?;
        run.step(|| socket.set_multicast_loop_v6(true))?;
        run.step(|| socket.multicast_loop_v6().map(drop))
    });
}

fn temporary_path() -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("mio-failures-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
fn unix_streams() {
    every_failure_of(|run, _| {
        let path = temporary_path();
        let listener = run.step(|| UnixListener::bind(&path))?;
        run.step(|| listener.local_addr())?;
        run.step(|| listener.take_error())?;
        let mut client = run.step(|| UnixStream::connect(&path))?;
        let (mut server, _) = run.step(|| listener.accept())?;
        run.step(|| client.peer_addr())?;
        run.step(|| client.local_addr())?;
        run.step(|| client.take_error())?;
        run.step(|| client.write(b"hello"))?;
        run.step(|| server.read(&mut [0; 8]))?;
        run.step(|| client.shutdown(Shutdown::Both))?;
        run.step(UnixStream::pair)?;
        Some(())
    });
}

#[test]
fn unix_datagrams() {
    every_failure_of(|run, _| {
        let path = temporary_path();
        let named = run.step(|| UnixDatagram::bind(&path))?;
        let unnamed = run.step(UnixDatagram::unbound)?;
        run.step(|| unnamed.send_to(b"hello", &path))?;
        run.step(|| named.recv_from(&mut [0; 8]))?;
        run.step(|| unnamed.connect(&path))?;
        run.step(|| unnamed.send(b"hello"))?;
        run.step(|| named.recv(&mut [0; 8]))?;
        run.step(|| unnamed.take_error())?;
        run.step(UnixDatagram::pair)?;
        Some(())
    });
}

#[test]
fn pipes() {
    every_failure_of(|run, _| {
        let (mut sender, mut receiver) = run.step(pipe::new)?;
        run.step(|| sender.write(b"hello"))?;
        run.step(|| receiver.read(&mut [0; 8]))?;
        run.step(|| sender.write_vectored(&[IoSlice::new(b"hello")]))?;
        run.step(|| receiver.read_vectored(&mut [IoSliceMut::new(&mut [0; 8])]))?;
        run.step(|| receiver.try_io(|| Ok::<_, io::Error>(())))?;
        run.step(|| sender.set_nonblocking(false))?;
        run.step(|| receiver.set_nonblocking(true))
    });
}

#[test]
fn waiting_for_a_connection() {
    every_failure_of(|run, poll| {
        let mut listener = TcpListener::bind(any_port()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = run.step(|| TcpStream::connect(address))?;
        run.step(|| {
            poll.registry()
                .register(&mut listener, Token(1), Interest::READABLE)
        })?;
        run.step(|| poll.registry().register(&mut client, Token(2), BOTH))?;
        let mut events = Events::with_capacity(8);
        run.step(|| poll.poll(&mut events, ms(1000)))?;
        let (mut server, _) = run.step(|| listener.accept())?;
        run.step(|| poll.registry().register(&mut server, Token(3), BOTH))?;
        run.step(|| server.write(b"hello"))?;
        run.step(|| poll.poll(&mut events, ms(1000)))?;
        run.step(|| client.read(&mut [0; 8]).map(drop))
    });
}
