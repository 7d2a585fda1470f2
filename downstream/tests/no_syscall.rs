//! tokio with a `syscall` that supports only what the standard library needs, as with libraries that
//! replace the C library's functions: timers, wakes from other threads, and TCP, on both schedulers.
#![cfg(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_pointer_width = "64"
))]

#[path = "../../tests/util/no_syscall.rs"]
mod no_syscall;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

#[test]
fn one_thread() {
    timer_wake_and_echo(&Builder::new_current_thread().enable_all().build().unwrap());
}

#[test]
fn many_threads() {
    timer_wake_and_echo(&Builder::new_multi_thread().enable_all().build().unwrap());
}

fn timer_wake_and_echo(runtime: &Runtime) {
    no_syscall::assert_in_force();
    let all = async {
        timer().await;
        wake().await;
        echo().await;
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), all).await })
        .expect("an event was lost");
}

async fn timer() {
    for micros in [50, 1000, 1500, 5000] {
        let (start, wait) = (Instant::now(), Duration::from_micros(micros));
        tokio::time::sleep(wait).await;
        assert!(start.elapsed() >= wait, "{wait:?}");
    }
}

async fn wake() {
    for number in 0..100 {
        let (sender, receiver) = oneshot::channel();
        let thread = std::thread::spawn(move || sender.send(number));
        assert_eq!(receiver.await, Ok(number));
        thread.join().unwrap().unwrap();
    }
}

async fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    for round in 0..100_u8 {
        stream.write_all(&[round; 1000]).await.unwrap();
        let mut answer = [0; 1000];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [round; 1000]);
    }
    drop(stream);
    server.await.unwrap();
}
