use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use crate::util::{numbers, program, Running, LIMIT};

/// Asks once, and returns the number of the process that has answered.
fn ask(address: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"who is there?\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match numbers(&answer)[..] {
        [id] => Ok(id),
        _ => Err(io::Error::other(format!("the answer is {answer:?}"))),
    }
}

/// Clients that ask without a pause until the test no longer wants the outcomes.
fn load(address: SocketAddr) -> Receiver<io::Result<u64>> {
    let (sender, receiver): (SyncSender<_>, _) = mpsc::sync_channel(0);
    for _ in 0..4 {
        let sender = sender.clone();
        thread::spawn(move || while sender.send(ask(address)).is_ok() {});
    }
    receiver
}

#[test]
fn no_connection_is_lost_when_three_successors_take_over_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let control = directory.path().join("control");
    let control = control.to_str().unwrap();
    let arguments = ["127.0.0.1:0", control];
    let (mut server, address) = Running::server(program!("upgrade"), &arguments);

    let outcomes = load(address);
    let mut answers: HashMap<u64, usize> = HashMap::new();
    let mut take = |until: &dyn Fn(&HashMap<u64, usize>) -> bool| {
        while !until(&answers) {
            let id = outcomes.recv().unwrap().expect("a connection was lost");
            *answers.entry(id).or_default() += 1;
        }
    };
    let answered =
        |id: u32| move |answers: &HashMap<u64, usize>| answers.get(&u64::from(id)) >= Some(&100);
    take(&answered(server.id()));
    for _ in 0..3 {
        let path = control.to_owned();
        // The clients are served while the new process starts.
        let start = thread::spawn(move || {
            let arguments = ["127.0.0.1:0", &path];
            Running::server(program!("upgrade"), &arguments)
        });
        take(&|_| start.is_finished());
        let (successor, same_address) = start.join().unwrap();
        assert_eq!(same_address, address);
        take(&answered(successor.id()));
        let (lines, status) = std::mem::replace(&mut server, successor).wait();
        assert!(status.success());
        assert!(lines[0].ends_with("has finished"));
    }
    assert_eq!(answers.len(), 4);
}

/// The old process answers the clients that it has accepted, and ends then.
#[test]
fn a_client_of_the_old_process_is_still_answered_by_it() {
    let directory = tempfile::tempdir().unwrap();
    let control = directory.path().join("control");
    let arguments = ["127.0.0.1:0", control.to_str().unwrap()];
    let (old, address) = Running::server(program!("upgrade"), &arguments);
    let mut client = TcpStream::connect(address).unwrap();
    // An answer on a later connection shows that the first one has been accepted.
    assert_eq!(ask(address).unwrap(), u64::from(old.id()));

    let (new, _) = Running::server(program!("upgrade"), &arguments);
    assert_eq!(ask(address).unwrap(), u64::from(new.id()));

    client.write_all(b"still there?\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(numbers(&answer), [u64::from(old.id())]);
    assert!(old.wait().1.success());
}

#[test]
fn a_successor_that_fails_before_it_is_ready_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let control = directory.path().join("control");
    let arguments = ["127.0.0.1:0", control.to_str().unwrap()];
    let (old, address) = Running::server(program!("upgrade"), &arguments);
    // The descriptor that it is sent is discarded.
    let mut failing = UnixStream::connect(&control).unwrap();
    failing.read_exact(&mut [0]).unwrap();
    drop(failing);
    assert_eq!(ask(address).unwrap(), u64::from(old.id()));

    let (new, _) = Running::server(program!("upgrade"), &arguments);
    assert_eq!(ask(address).unwrap(), u64::from(new.id()));
    assert!(old.wait().1.success());
}
