use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use rustix::fs::{mknodat, FileType, Mode, CWD};
use tempfile::TempDir;

use crate::util::{program, text, Running, LIMIT};

fn server() -> (Running, SocketAddr, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    let (server, address) = Running::server(program!("workers"), &["127.0.0.1:0", &path]);
    (server, address, directory)
}

fn ask(address: SocketAddr, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(format!("{name}\n").as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A named pipe. Reading it blocks until the test writes to it.
fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_thread_that_blocks_does_not_block_the_other_clients() {
    let (_server, address, directory) = server();
    fs::write(directory.path().join("file"), "contents").unwrap();
    fifo(&directory.path().join("fifo"));

    let slow = ask(address, "fifo");
    // Opening it for writing returns when the thread has opened it for reading.
    let mut writer = fs::File::create(directory.path().join("fifo")).unwrap();
    for _ in 0..100 {
        assert_eq!(text(&answer(ask(address, "file"))), "contents");
    }
    writer.write_all(b"at last").unwrap();
    drop(writer);
    assert_eq!(text(&answer(slow)), "at last");
}

#[test]
fn more_clients_than_threads_get_more_than_the_socket_buffers() {
    let (_server, address, directory) = server();
    let long: Vec<u8> = (0..8_u32 << 20).map(|it| (it >> 8) as u8).collect();
    fs::write(directory.path().join("long"), &long).unwrap();
    let clients: Vec<TcpStream> = (0..10).map(|_| ask(address, "long")).collect();
    for client in clients {
        assert!(answer(client) == long);
    }
}

#[test]
fn work_that_finds_no_room_in_the_queue_is_refused() {
    let (_server, address, directory) = server();
    let paths = ["one", "two"].map(|name| directory.path().join(name));
    paths.iter().for_each(|path| fifo(path));
    // Opening for writing returns when a thread has opened for reading: both threads block.
    let mut waiting = vec![ask(address, "one"), ask(address, "two")];
    let writers = paths.map(|path| fs::File::create(path).unwrap());
    // 64 more wait in the queue, and the rest is refused at once.
    waiting.extend((0..70).map(|_| ask(address, "one")));
    // It was connected last, so the loop has seen the others when it answers.
    answer(ask(address, ".."));
    let refused = answer(ask(address, "one"));
    assert_eq!(text(&refused), "too busy, try again later\n");
    drop(writers);
}

#[test]
fn only_files_of_the_directory_are_sent() {
    let (_server, address, _directory) = server();
    for name in ["", ".", "..", "/etc/passwd", "../x", "x/y", "x/"] {
        let answer = answer(ask(address, name));
        assert_eq!(text(&answer), "this is not the name of a file\n", "{name}");
    }
    let missing = answer(ask(address, "missing"));
    assert!(text(&missing).contains("No such file"));
    let mut long = TcpStream::connect(address).unwrap();
    long.write_all(&[b'x'; 300]).unwrap();
    let long = answer(long);
    assert_eq!(text(&long), "the name is too long\n");
}

/// Its outcome is discarded.
#[test]
fn a_client_may_leave_before_its_outcome() {
    let (_server, address, directory) = server();
    fs::write(directory.path().join("file"), "contents").unwrap();
    let path = directory.path().join("fifo");
    fifo(&path);
    let leaving = ask(address, "fifo");
    let writer = fs::File::create(&path).unwrap();
    drop(leaving);
    drop(writer);
    assert_eq!(text(&answer(ask(address, "file"))), "contents");
}
