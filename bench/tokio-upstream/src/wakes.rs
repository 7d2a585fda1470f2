//! A task on tokio, on one thread, to which two other threads send messages. The first argument is
//! `send`, or `ask` if the threads wait for an answer to each message; the second is for how many
//! milliseconds they do so. Prints the number of messages and the nanoseconds that they took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

const SENDERS: usize = 2;

/// By how many messages the threads can be ahead.
const CAPACITY: usize = 64;

/// Where to answer, if an answer is waited for.
type Message = Option<oneshot::Sender<()>>;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (ask, millis) = match &arguments[..] {
        [how, millis] if how == "send" => (false, millis),
        [how, millis] if how == "ask" => (true, millis),
        _ => panic!("usage: wakes send|ask MILLISECONDS"),
    };
    let time = Duration::from_millis(millis.parse().expect("not a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in vec![sender; SENDERS] {
            scope.spawn(|| send(sender, ask, &stop));
        }
        let start = Instant::now();
        let messages = runtime.block_on(receive(receiver, start + time, &stop));
        println!("{messages} {}", start.elapsed().as_nanos());
    });
    Ok(())
}

fn send(sender: Sender<Message>, ask: bool, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let (message, answer) = if ask {
            let (here, there) = oneshot::channel();
            (Some(here), Some(there))
        } else {
            (None, None)
        };
        sender.blocking_send(message).expect("the task receives");
        if let Some(answer) = answer {
            answer.blocking_recv().expect("the task answers");
        }
    }
}

/// Receives until the threads have stopped. Returns the number of messages.
async fn receive(mut receiver: Receiver<Message>, end: Instant, stop: &AtomicBool) -> u64 {
    let mut messages = 0;
    while let Some(message) = receiver.recv().await {
        if let Some(asker) = message {
            asker.send(()).expect("the thread waits");
        }
        messages += 1;
        if messages % 64 == 0 && Instant::now() >= end {
            stop.store(true, Ordering::Relaxed);
        }
    }
    messages
}
