//! A program with dependencies on both versions, both patched, has one library: a source and a
//! waker of one version work with the poll of the other.

use std::io::{Read, Write};
use std::time::Duration;

use mio as mio_0_8;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const LATE: Duration = Duration::from_secs(30);

/// Fails to compile unless both types are one.
macro_rules! same {
    ($($one:ty = $other:ty;)+) => {$( let _: fn($one) -> $other = |x| x; )+};
}

#[test]
fn the_types_are_the_same() {
    same! {
        mio_0_8::Events = mio_1::Events;
        mio_0_8::Interest = mio_1::Interest;
        mio_0_8::Poll = mio_1::Poll;
        mio_0_8::Registry = mio_1::Registry;
        mio_0_8::Token = mio_1::Token;
        mio_0_8::Waker = mio_1::Waker;
        mio_0_8::event::Event = mio_1::event::Event;
        mio_0_8::event::Iter<'static> = mio_1::event::Iter<'static>;
        Box<dyn mio_0_8::event::Source> = Box<dyn mio_1::event::Source>;
        mio_0_8::net::TcpListener = mio_1::net::TcpListener;
        mio_0_8::net::TcpStream = mio_1::net::TcpStream;
        mio_0_8::net::UdpSocket = mio_1::net::UdpSocket;
    }
    #[cfg(unix)]
    same! {
        mio_0_8::unix::SourceFd<'static> = mio_1::unix::SourceFd<'static>;
        mio_0_8::unix::pipe::Receiver = mio_1::unix::pipe::Receiver;
        mio_0_8::unix::pipe::Sender = mio_1::unix::pipe::Sender;
    }
    #[cfg(windows)]
    same! {
        mio_0_8::windows::NamedPipe = mio_1::windows::NamedPipe;
    }
}

#[test]
fn a_waker_of_one_version_wakes_the_poll_of_the_other() {
    fn wake(mut poll: mio_1::Poll, waker: mio_0_8::Waker) {
        waker.wake().unwrap();
        let mut events = mio_0_8::Events::with_capacity(8);
        poll.poll(&mut events, Some(LATE)).unwrap();
        let tokens: Vec<mio_1::Token> = events.iter().map(|event| event.token()).collect();
        assert_eq!(tokens, [mio_0_8::Token(3)]);
    }
    let poll = mio_1::Poll::new().unwrap();
    let waker = mio_0_8::Waker::new(poll.registry(), mio_1::Token(3)).unwrap();
    wake(poll, waker);
    let poll = mio_0_8::Poll::new().unwrap();
    let waker = mio_1::Waker::new(poll.registry(), mio_0_8::Token(3)).unwrap();
    wake(poll, waker);
}

/// The types of Unix domain sockets differ, because their signatures do.
#[cfg(unix)]
#[test]
fn unix_sockets_of_one_version_are_sources_for_the_other_and_convert() {
    let mut poll = mio_1::Poll::new().unwrap();
    let (mut old, peer) = mio_0_8::net::UnixStream::pair().unwrap();
    let both = mio_1::Interest::READABLE | mio_0_8::Interest::WRITABLE;
    poll.registry()
        .register(&mut old, mio_1::Token(3), both)
        .unwrap();

    // The registration stays with a socket that is converted.
    let mut new = mio_1::net::UnixStream::from(old);
    (&peer).write_all(b"hello").unwrap();
    let mut events = mio_1::Events::with_capacity(8);
    poll.poll(&mut events, Some(LATE)).unwrap();
    assert!(events
        .iter()
        .all(|event| event.token() == mio_0_8::Token(3)));
    assert!(events.iter().any(|event| event.is_readable()));
    assert_eq!(new.read(&mut [0; 8]).unwrap(), 5);
    poll.registry().deregister(&mut new).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let listener = mio_1::net::UnixListener::bind(dir.path().join("listener")).unwrap();
    let address = mio_0_8::net::SocketAddr::from(listener.local_addr().unwrap());
    let address = std::os::unix::net::SocketAddr::from(address);
    mio_1::net::UnixStream::connect_addr(&address).unwrap();
    let (_stream, peer) = mio_0_8::net::UnixListener::from(listener).accept().unwrap();
    assert!(peer.is_unnamed());

    let socket = mio_0_8::net::UnixDatagram::from(mio_1::net::UnixDatagram::unbound().unwrap());
    assert!(mio_1::net::UnixDatagram::from(socket)
        .local_addr()
        .unwrap()
        .is_unnamed());
}

#[test]
fn a_client_on_0_8_talks_to_a_server_on_tokio() {
    let (tell, address) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            stream.write_all(&data).await.unwrap();
        });
    });

    let mut poll = mio_0_8::Poll::new().unwrap();
    let mut events = mio_0_8::Events::with_capacity(8);
    let mut stream = mio_0_8::net::TcpStream::connect(address.recv().unwrap()).unwrap();
    let both = mio_0_8::Interest::READABLE | mio_0_8::Interest::WRITABLE;
    poll.registry()
        .register(&mut stream, mio_0_8::Token(0), both)
        .unwrap();
    let (mut sent, mut answer) = (false, Vec::new());
    loop {
        poll.poll(&mut events, Some(LATE)).unwrap();
        assert!(!events.is_empty());
        if !sent && stream.peer_addr().is_ok() {
            stream.write_all(b"hello").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            sent = true;
        }
        if sent && events.iter().any(|event| event.is_readable()) {
            match stream.read_to_end(&mut answer) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                result => break result.map(drop).unwrap(),
            }
        }
    }
    assert_eq!(answer, b"hello");
    server.join().unwrap();
}
