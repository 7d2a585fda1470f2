//! A program of everything that tokio asks of its I/O library, run by CI: TCP, UDP, Unix
//! sockets, pipes, child processes, signals, and timers among them, on both of its
//! schedulers. It prints what it has done, and fails where an answer is wrong or late.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Nothing here takes long; a wait of that length is for an event that was lost.
const LATE: Duration = Duration::from_secs(30);

fn main() -> Result {
    on(
        "current-thread",
        &Builder::new_current_thread().enable_all().build()?,
    )?;
    on(
        "multi-thread",
        &Builder::new_multi_thread().enable_all().build()?,
    )
}

fn on(name: &str, runtime: &Runtime) -> Result {
    runtime.block_on(async {
        step(name, "tcp echo, 64 connections of 256 KiB", tcp_echo()).await?;
        step(name, "tcp refused", tcp_refused()).await?;
        step(name, "tcp half-close", tcp_half_close()).await?;
        step(name, "udp ping-pong, 1000 rounds", udp_ping_pong()).await?;
        step(name, "timers beside I/O", timers()).await?;
        step(name, "wake-ups from threads", wake_ups()).await?;
        #[cfg(unix)]
        {
            step(name, "unix stream and datagram", unix::sockets()).await?;
            step(name, "child process", unix::child()).await?;
            step(name, "signal", unix::signal()).await?;
            step(name, "pipe", unix::pipe()).await?;
            // The I/O of an `AsyncFd` does not pass through the library, and poll(2) then
            // reports an edge once: documented, and not what tokio expects.
            if !cfg!(mio_unsupported_force_poll_poll) {
                step(name, "async fd", unix::async_fd()).await?;
            }
        }
        #[cfg(windows)]
        {
            step(name, "named pipe", windows::named_pipe(name)).await?;
            step(
                name,
                "named pipe, one client after the other",
                windows::clients(name),
            )
            .await?;
            step(name, "named pipe, quick clients", windows::quick(name)).await?;
            step(name, "named pipe, messages", windows::messages(name)).await?;
        }
        Ok(())
    })
}

async fn step(runtime: &str, name: &str, work: impl Future<Output = Result>) -> Result {
    let start = Instant::now();
    timeout(LATE, work)
        .await
        .map_err(|_| format!("{runtime}: {name}: no answer"))??;
    println!("{runtime}: {name}: ok, {:?}", start.elapsed());
    Ok(())
}

fn check(holds: bool, what: &str) -> Result {
    if holds {
        Ok(())
    } else {
        Err(what.into())
    }
}

async fn tcp_echo() -> Result {
    const SIZE: usize = 256 * 1024;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let clients: Vec<_> = (0..64_u8)
        .map(|number| {
            tokio::spawn(async move {
                let stream = TcpStream::connect(address).await?;
                let (mut reader, mut writer) = stream.into_split();
                let sent: Vec<u8> = (0..SIZE).map(|at| (at as u8) ^ number).collect();
                let data = sent.clone();
                let sender = tokio::spawn(async move {
                    writer.write_all(&data).await?;
                    writer.shutdown().await
                });
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await?;
                sender.await??;
                check(received == sent, "the echo differs")
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(())
}

async fn tcp_refused() -> Result {
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let refused = TcpStream::connect(address).await;
    let kind = refused.map(drop).map_err(|error| error.kind());
    check(
        kind == Err(std::io::ErrorKind::ConnectionRefused),
        "connecting to a closed port was not refused",
    )
}

async fn tcp_half_close() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let (mut server, _) = listener.accept().await?;
    client.shutdown().await?;
    let mut nothing = Vec::new();
    server.read_to_end(&mut nothing).await?;
    server.write_all(b"still here").await?;
    drop(server);
    let mut text = String::new();
    client.read_to_string(&mut text).await?;
    check(nothing.is_empty() && text == "still here", "half-close")
}

async fn udp_ping_pong() -> Result {
    let one = UdpSocket::bind("127.0.0.1:0").await?;
    let other = UdpSocket::bind("127.0.0.1:0").await?;
    one.connect(other.local_addr()?).await?;
    let mut buf = [0; 64];
    for round in 0..1000_u32 {
        one.send(&round.to_be_bytes()).await?;
        let (len, from) = other.recv_from(&mut buf).await?;
        other.send_to(&buf[..len], from).await?;
        let len = one.recv(&mut buf).await?;
        check(buf[..len] == round.to_be_bytes(), "udp echo")?;
    }
    Ok(())
}

async fn timers() -> Result {
    let start = Instant::now();
    let waits = (1..=50_u64).map(|millis| {
        tokio::spawn(async move {
            let start = Instant::now();
            sleep(Duration::from_millis(millis)).await;
            start.elapsed() >= Duration::from_millis(millis)
        })
    });
    for wait in waits.collect::<Vec<_>>() {
        check(wait.await?, "a timer was early")?;
    }
    check(
        start.elapsed() >= Duration::from_millis(50),
        "timers were early",
    )
}

async fn wake_ups() -> Result {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    let _ = sender.send(1_u32);
                }
            })
        })
        .collect();
    drop(sender);
    let mut sum = 0;
    while let Some(one) = receiver.recv().await {
        sum += one;
    }
    for thread in threads {
        let _ = thread.join();
    }
    check(sum == 40_000, "a message was lost")
}

#[cfg(unix)]
mod unix {
    use std::process::Stdio;

    use tokio::io::unix::AsyncFd;
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::{UnixDatagram, UnixListener, UnixStream};
    use tokio::process::Command;
    use tokio::signal::unix::{signal as listen, SignalKind};

    use super::*;

    pub async fn sockets() -> Result {
        let path = std::env::temp_dir().join(format!("downstream-{}", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        let mut client = UnixStream::connect(&path).await?;
        let (mut server, _) = listener.accept().await?;
        std::fs::remove_file(&path)?;
        client.write_all(b"hello").await?;
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await?;
        check(&buf == b"hello", "unix stream")?;

        let (one, other) = UnixDatagram::pair()?;
        one.send(b"datagram").await?;
        let mut buf = [0; 64];
        let len = other.recv(&mut buf).await?;
        check(&buf[..len] == b"datagram", "unix datagram")
    }

    pub async fn child() -> Result {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no stdin")?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let writer = tokio::spawn(async move {
            for line in 0..10_000 {
                stdin.write_all(format!("{line}\n").as_bytes()).await?;
            }
            Ok::<_, std::io::Error>(())
        });
        let mut lines = BufReader::new(stdout).lines();
        let mut count = 0;
        while let Some(line) = lines.next_line().await? {
            check(line == count.to_string(), "a line is missing")?;
            count += 1;
        }
        writer.await??;
        check(count == 10_000 && child.wait().await?.success(), "child")
    }

    pub async fn signal() -> Result {
        let mut hangups = listen(SignalKind::hangup())?;
        let own = std::process::id().to_string();
        let status = Command::new("kill").args(["-HUP", &own]).status().await?;
        check(status.success(), "kill failed")?;
        hangups.recv().await.ok_or("no signal")?;
        Ok(())
    }

    pub async fn pipe() -> Result {
        let (mut sender, mut receiver) = tokio::net::unix::pipe::pipe()?;
        let writer = tokio::spawn(async move { sender.write_all(&[7; 1 << 20]).await });
        let mut all = Vec::new();
        receiver.read_to_end(&mut all).await?;
        writer.await??;
        check(all == [7; 1 << 20], "pipe")
    }

    pub async fn async_fd() -> Result {
        let (one, other) = std::os::unix::net::UnixStream::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        // SAFETY: each stream stays the owner of one open descriptor, always the same.
        let (one, other) = unsafe { (AsyncFd::register(one)?, AsyncFd::register(other)?) };
        for round in 0..100_u8 {
            let writing = one
                .writable()
                .await?
                .try_io(|fd| std::io::Write::write(&mut fd.get_ref(), &[round]));
            check(matches!(writing, Ok(Ok(1))), "writing to an AsyncFd")?;
            let mut buf = [0; 8];
            loop {
                let mut guard = other.readable().await?;
                let read = |fd: &AsyncFd<std::os::unix::net::UnixStream>| {
                    std::io::Read::read(&mut fd.get_ref(), &mut buf)
                };
                if let Ok(len) = guard.try_io(read) {
                    check(len? == 1 && buf[0] == round, "reading from an AsyncFd")?;
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(windows)]
mod windows {
    use tokio::net::windows::named_pipe::{
        ClientOptions, NamedPipeClient, PipeMode, ServerOptions,
    };

    use super::*;

    fn address(runtime: &str, what: &str) -> String {
        format!(
            r"\\.\pipe\downstream-{}-{runtime}-{what}",
            std::process::id()
        )
    }

    pub async fn named_pipe(runtime: &str) -> Result {
        const SIZE: usize = 1 << 20;

        let address = address(runtime, "echo");
        let mut server = ServerOptions::new()
            .first_pipe_instance(true)
            .create(&address)?;
        let client = ClientOptions::new().open(&address)?;
        server.connect().await?;
        let echo = tokio::spawn(async move {
            let mut buf = vec![0; 16 * 1024];
            let mut left = SIZE;
            while left > 0 {
                let len = server.read(&mut buf).await?;
                server.write_all(&buf[..len]).await?;
                left -= len;
            }
            Ok::<_, std::io::Error>(server)
        });
        let sent: Vec<u8> = (0..SIZE).map(|at| (at / 251) as u8).collect();
        let (mut reader, mut writer) = tokio::io::split(client);
        let data = sent.clone();
        let sender = tokio::spawn(async move { writer.write_all(&data).await });
        let mut received = vec![0; SIZE];
        reader.read_exact(&mut received).await?;
        sender.await??;
        echo.await??;
        check(received == sent, "the echo differs")
    }

    pub async fn clients(runtime: &str) -> Result {
        let address = address(runtime, "clients");
        let mut server = ServerOptions::new().create(&address)?;
        for round in 0..20_u8 {
            let client_address = address.clone();
            let client = tokio::spawn(async move {
                let mut client = open(&client_address).await?;
                client.write_all(&[round; 100]).await?;
                let mut answer = [0; 1];
                client.read_exact(&mut answer).await?;
                Ok::<_, std::io::Error>(answer[0])
            });
            server.connect().await?;
            let mut request = [0; 100];
            server.read_exact(&mut request).await?;
            server.write_all(&[round + 1]).await?;
            check(request == [round; 100], "a request of another client")?;
            check(client.await?? == round + 1, "an answer of another client")?;
            server.disconnect()?;
        }
        Ok(())
    }

    /// The documented accept loop, with clients that come, write and leave as fast as they can:
    /// most have left before they are waited for.
    pub async fn quick(runtime: &str) -> Result {
        const CLIENTS: u32 = 1000;

        let address = address(runtime, "quick");
        let mut next = ServerOptions::new()
            .first_pipe_instance(true)
            .create(&address)?;
        let name = address.clone();
        let clients = std::thread::spawn(move || {
            for number in 0..CLIENTS {
                let mut client = loop {
                    match std::fs::File::options().read(true).write(true).open(&name) {
                        Ok(client) => break client,
                        Err(_) => std::thread::yield_now(),
                    }
                };
                std::io::Write::write_all(&mut client, &number.to_ne_bytes())?;
            }
            Ok::<_, std::io::Error>(())
        });
        for number in 0..CLIENTS {
            next.connect().await?;
            let mut server = next;
            next = ServerOptions::new().create(&address)?;
            let mut received = Vec::new();
            server.read_to_end(&mut received).await?;
            check(received == number.to_ne_bytes(), "what a client wrote")?;
        }
        check(matches!(clients.join(), Ok(Ok(()))), "a client")
    }

    /// Between two clients there is no listener for a moment.
    async fn open(address: &str) -> std::io::Result<NamedPipeClient> {
        const ERROR_PIPE_BUSY: i32 = 231;
        loop {
            match ClientOptions::new().open(address) {
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                    sleep(Duration::from_millis(1)).await;
                }
                opened => return opened,
            }
        }
    }

    pub async fn messages(runtime: &str) -> Result {
        let address = address(runtime, "messages");
        let mut server = ServerOptions::new()
            .pipe_mode(PipeMode::Message)
            .create(&address)?;
        let mut client = ClientOptions::new()
            .pipe_mode(PipeMode::Message)
            .open(&address)?;
        server.connect().await?;
        for len in [1, 100, 4096, 4097, 50_000] {
            server.write_all(&vec![len as u8; len]).await?;
            let mut received = vec![0; len];
            client.read_exact(&mut received).await?;
            check(received == vec![len as u8; len], "a message differs")?;
        }
        drop(client);
        let ended = server.read(&mut [0; 16]).await;
        check(matches!(ended, Ok(0) | Err(_)), "the end of the pipe")
    }
}
