use std::net::{SocketAddr, UdpSocket};

use crate::util::{numbers, program, run, text, Running, LIMIT};

const COUNT: u64 = 5000;

fn send(to: SocketAddr, count: u64) -> std::process::Output {
    let from = "127.0.0.1:0".to_owned();
    run(
        program!("datagrams"),
        &["send".to_owned(), from, to.to_string(), count.to_string()],
    )
}

/// The receiver polls for an edge before each burst. With a receive outside of `try_io` the
/// second burst is not reported on poll(2).
#[test]
fn every_datagram_arrives_with_its_mark_in_few_calls() {
    let (receiver, address) = Running::server(program!("datagrams"), &["receive", "127.0.0.1:0"]);
    let output = send(address, COUNT);
    assert!(output.status.success(), "{output:?}");
    let per_call = numbers(text(&output.stdout))[1];
    assert!(per_call > 1, "no segmentation offload");

    let (lines, status) = receiver.wait();
    assert!(status.success());
    let [count, marked, _ect0, calls, wakeups] = numbers(&lines[0])[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(count, COUNT + 1);
    assert_eq!(marked, count, "datagrams without ECN mark");
    let bursts = COUNT.div_ceil(per_call) + 1;
    assert!(calls <= 4 * bursts, "{lines:?}");
    assert!(wakeups <= 4 * bursts, "spins: {lines:?}");
}

/// A plain socket sees separate datagrams of the right size.
#[test]
fn a_receiver_without_offload_gets_separate_datagrams() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let address = receiver.local_addr().unwrap();
    let sender = std::thread::spawn(move || send(address, 10));
    let mut buffer = [0; 2000];
    for _ in 0..9 {
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 1200);
        assert_eq!(buffer[0], 0);
    }
    let (len, peer) = receiver.recv_from(&mut buffer).unwrap();
    assert_eq!((len, buffer[0]), (1200, 1));
    receiver.send_to(&10_u64.to_be_bytes(), peer).unwrap();
    assert_eq!(receiver.recv(&mut buffer).unwrap(), 1);
    receiver.send_to(&11_u64.to_be_bytes(), peer).unwrap();
    assert!(sender.join().unwrap().status.success());
}

#[test]
fn a_receiver_that_does_not_exist_is_an_error_not_a_hang() {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let output = send(address, 10);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("does not acknowledge"));
}

#[test]
fn both_ways_are_measured() {
    let output = run(program!("datagrams"), &["measure", "2000"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("ratio: "));
}
