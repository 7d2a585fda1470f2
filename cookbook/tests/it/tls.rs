use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::{fs, thread};

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::util::{program, run, text, Running};

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        let directory = tempfile::tempdir().unwrap();
        Files { directory }
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = self.directory.path();
        path.join(name).to_str().unwrap().to_owned()
    }
}

fn server(files: &Files) -> (Running, SocketAddr) {
    let certificate = files.path("certificate");
    Running::server(program!("tls"), &["serve", "127.0.0.1:0", &certificate])
}

fn send(files: &Files, to: SocketAddr, name: &str, text: &[u8]) -> Output {
    fs::write(files.path("text"), text).unwrap();
    run(
        program!("tls"),
        &[
            "send",
            &to.to_string(),
            name,
            &files.path("certificate"),
            &files.path("text"),
        ],
    )
}

/// Far more than fits into all buffers on the way.
fn long_text() -> Vec<u8> {
    let lines = (0_u32..).flat_map(|number| format!("line {number}\n").into_bytes());
    lines.take(8 << 20).collect()
}

#[test]
fn openssl_gets_an_echo_from_the_server() {
    let files = Files::new();
    let (server, address) = server(&files);
    let mut client = Command::new("timeout")
        .args([
            "60",
            "openssl",
            "s_client",
            "-quiet",
            "-verify_return_error",
        ])
        .args(["-CAfile", &files.path("certificate")])
        .args(["-verify_hostname", "localhost", "-servername", "localhost"])
        .args(["-connect", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test needs the program `openssl`");
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"hello, world\n").unwrap();
    let mut echo = [0; 13];
    let mut output = client.stdout.take().unwrap();
    output.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello, world\n");
    // With `-quiet` it goes on after the end of its input, until the connection ends.
    drop(server);
    client.wait().unwrap();
}

#[test]
fn our_ends_exchange_more_than_the_buffers_hold() {
    let files = Files::new();
    let (server, address) = server(&files);
    let long = long_text();
    for text in [&b"short"[..], &[], &long] {
        let output = send(&files, address, "localhost", text);
        assert!(output.status.success(), "{}", self::text(&output.stderr));
        assert!(output.stdout == text, "a different echo");
        assert!(server.line().ends_with("has finished"));
    }
}

/// The counterpart of our client is rustls over a blocking stream.
#[test]
fn a_blocking_server_gets_the_text_and_its_end() {
    let files = Files::new();
    let new = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(files.path("certificate"), new.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(new.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![new.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(tls, stream);
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(b"got it").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        received
    });
    let long = long_text();
    let output = send(&files, address, "localhost", &long);
    assert_eq!(text(&output.stdout), "got it", "{output:?}");
    assert!(server.join().unwrap() == long, "a different text");
}

#[test]
fn a_certificate_for_another_name_is_rejected_on_both_sides() {
    let files = Files::new();
    let (server, address) = server(&files);
    let output = send(&files, address, "example.org", b"secret");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not valid for name"));
    // The server has received the client's alert.
    let line = server.line();
    assert!(line.contains("failed: received fatal alert"), "{line}");
}

#[test]
fn a_connection_that_is_cut_off_is_an_error() {
    let files = Files::new();
    let (server, address) = server(&files);
    drop(TcpStream::connect(address).unwrap());
    assert!(server.line().ends_with("without a `close_notify`"));

    // What is not TLS is an error of that client, and the server goes on.
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(&[b'x'; 100]).unwrap();
    assert!(server.line().contains("failed: "));
    assert!(send(&files, address, "localhost", b"x").status.success());
}
