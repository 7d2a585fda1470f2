//! What programs of 0.8 get from Unix domain sockets, whose types are not version 1's. Passes on
//! the published 0.8.11 too.
#![cfg(unix)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net;
use std::time::Duration;

use mio::event::Source;
use mio::net::{UnixDatagram, UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Registry, Token};

const SOURCE: Token = Token(7);
const LATE: Duration = Duration::from_secs(30);

/// Fails unless the only event of the next poll is one of `SOURCE`.
fn expect_event(poll: &mut Poll) {
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(LATE)).unwrap();
    assert_eq!(
        events.iter().map(|event| event.token()).collect::<Vec<_>>(),
        [SOURCE]
    );
}

/// Registers `source`, changes its registration, and fails unless it has an event.
fn expect_ready(source: &mut impl Source) {
    let mut poll = Poll::new().unwrap();
    let registry: &Registry = poll.registry();
    registry
        .register(source, Token(1), Interest::READABLE)
        .unwrap();
    registry
        .reregister(source, SOURCE, Interest::READABLE)
        .unwrap();
    expect_event(&mut poll);
    poll.registry().deregister(source).unwrap();
    let again = poll.registry().deregister(source).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
}

fn read(mut stream: impl Read) -> Vec<u8> {
    let mut buf = [0; 16];
    let len = stream.read(&mut buf).unwrap();
    buf[..len].to_vec()
}

#[test]
fn a_connection_has_the_listeners_path_on_one_side_and_no_name_on_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("listener");
    let mut listener = UnixListener::bind(&path).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let address = listener.local_addr().unwrap();
    assert_eq!(address.as_pathname(), Some(&*path));
    assert_eq!(address.as_abstract_namespace(), None);
    assert!(!address.is_unnamed());
    assert_eq!(format!("{address:?}"), format!("{path:?} (pathname)"));

    let mut client = UnixStream::connect(&path).unwrap();
    expect_ready(&mut listener);
    let (server, peer) = listener.accept().unwrap();
    assert!(peer.is_unnamed());
    assert_eq!(peer.as_pathname(), None);
    assert_eq!(peer.as_abstract_namespace(), None);
    assert_eq!(format!("{peer:?}"), "(unnamed)");
    assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
    assert!(client.local_addr().unwrap().is_unnamed());

    (&server).write_all(b"hello").unwrap();
    expect_ready(&mut client);
    assert_eq!(read(&client), b"hello");
    assert_eq!(
        client.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    server.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&mut client), b"");
    assert!(listener.take_error().unwrap().is_none());
    assert!(client.take_error().unwrap().is_none());
}

#[test]
fn an_address_connects_and_is_free_again_for_another_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("listener");
    let listener = UnixListener::bind(&path).unwrap();
    let address = listener.local_addr().unwrap();
    let in_use = UnixListener::bind_addr(&address).unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::AddrInUse);
    UnixStream::connect_addr(&address).unwrap();
    listener.accept().unwrap();

    drop(listener);
    std::fs::remove_file(&path).unwrap();
    let missing = UnixStream::connect_addr(&address).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let listener = UnixListener::bind_addr(&address).unwrap();
    assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn an_abstract_address_has_a_name_and_no_path() {
    use std::os::linux::net::SocketAddrExt;

    let name = format!("mio 0.8 \u{7f} {}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = net::UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = UnixListener::from_std(listener);
    let address = listener.local_addr().unwrap();
    assert_eq!(address.as_abstract_namespace(), Some(name.as_bytes()));
    assert_eq!(address.as_pathname(), None);
    assert!(!address.is_unnamed());

    let client = UnixStream::connect_addr(&address).unwrap();
    assert_eq!(
        client.peer_addr().unwrap().as_abstract_namespace(),
        Some(name.as_bytes())
    );
    listener.accept().unwrap();
}

#[test]
fn datagrams_tell_who_sent_them() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    let mut receiver = UnixDatagram::bind(&here).unwrap();
    let sender = UnixDatagram::bind(there).unwrap();
    let mut buf = [0; 16];
    assert_eq!(
        receiver.recv_from(&mut buf).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );

    assert_eq!(sender.send_to(b"one", &here).unwrap(), 3);
    expect_ready(&mut receiver);
    let (len, from) = receiver.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"one");
    assert_eq!(
        from.as_pathname(),
        sender.local_addr().unwrap().as_pathname()
    );

    let unbound = UnixDatagram::unbound().unwrap();
    unbound.connect(&here).unwrap();
    assert_eq!(unbound.send(b"two").unwrap(), 3);
    assert_eq!(unbound.peer_addr().unwrap().as_pathname(), Some(&*here));
    assert!(receiver.recv_from(&mut buf).unwrap().1.is_unnamed());
}

#[test]
fn pairs_are_connected_and_try_io_runs_the_operation() {
    let (one, other) = UnixDatagram::pair().unwrap();
    one.try_io(|| one.send(b"x")).unwrap();
    assert_eq!(other.recv(&mut [0; 2]).unwrap(), 1);
    one.shutdown(Shutdown::Both).unwrap();

    let (mut one, mut other) = UnixStream::pair().unwrap();
    let ab = [io::IoSlice::new(b"a"), io::IoSlice::new(b"b")];
    assert_eq!(one.write_vectored(&ab).unwrap(), 2);
    assert_eq!((&one).write_vectored(&[io::IoSlice::new(b"c")]).unwrap(), 1);
    one.flush().and((&one).flush()).unwrap();
    let (mut a, mut b) = ([0], [0]);
    let both = &mut [io::IoSliceMut::new(&mut a), io::IoSliceMut::new(&mut b)];
    assert_eq!(other.read_vectored(both).unwrap(), 2);
    assert_eq!(
        (&other)
            .read_vectored(&mut [io::IoSliceMut::new(&mut a)])
            .unwrap(),
        1
    );
    assert_eq!([a, b], [[b'c'], [b'b']]);
    assert_eq!(other.try_io(|| Ok::<_, io::Error>(3)).unwrap(), 3);
}

#[test]
fn descriptors_go_in_and_out() {
    fn is_kept<T: AsRawFd + FromRawFd + IntoRawFd + std::fmt::Debug>(socket: T) {
        let number = socket.as_raw_fd();
        let fd = socket.into_raw_fd();
        assert_eq!(fd, number);
        // SAFETY: `into_raw_fd` gave up the descriptor.
        let socket = unsafe { T::from_raw_fd(fd) };
        assert!(format!("{socket:?}").contains(&number.to_string()));
    }
    let (stream, _) = UnixStream::pair().unwrap();
    is_kept(stream);
    let (stream, _other) = net::UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    is_kept(UnixStream::from_std(stream));
    is_kept(UnixDatagram::from_std(
        net::UnixDatagram::unbound().unwrap(),
    ));
    let dir = tempfile::tempdir().unwrap();
    is_kept(UnixListener::bind(dir.path().join("listener")).unwrap());
}
