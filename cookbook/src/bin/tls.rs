//! TLS, both ends: a server that echoes, and a client that sends a text and prints the answer.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use cookbook::{parse, run, wrong_arguments, Error};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

const USAGE: &str = "usage: tls serve ADDRESS:PORT CERTIFICATE-FILE
       tls send ADDRESS:PORT SERVER-NAME CERTIFICATE-FILE TEXT-FILE";

const LISTENER: Token = Token(0);
const STREAM: Token = Token(1);

fn main() -> ExitCode {
    run(USAGE, |arguments| match *arguments {
        ["serve", address, certificate] => {
            let config = server_config(certificate)?;
            Server::new(parse("ADDRESS:PORT", address)?, config)?.run()
        }
        ["send", address, name, certificate, text] => {
            let address = parse("ADDRESS:PORT", address)?;
            let answer = send(address, name, certificate, fs::read(text)?)?;
            Ok(io::stdout().write_all(&answer)?)
        }
        _ => Err(wrong_arguments(arguments)),
    })
}

/// One end of a TLS connection over a non-blocking stream.
struct TlsStream {
    stream: TcpStream,
    tls: Connection,
}

/// The outcome of an attempt to receive.
enum Received {
    /// Bytes, which need not contain data: they can be part of a record or of the handshake.
    Something,
    WouldBlock,
    /// The peer's `close_notify`: it will send nothing more.
    End,
}

impl TlsStream {
    /// Sends encrypted data. Returns whether all of it was sent; if not, continue at the next
    /// writable event.
    fn flush(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                result => drop(result?),
            }
        }
        Ok(true)
    }

    /// Receives once, and appends what could be decrypted to `plain`.
    fn receive(&mut self, plain: &mut Vec<u8>) -> Result<Received, Error> {
        match self.tls.read_tls(&mut self.stream) {
            // An attacker can end the TCP connection, but cannot send a `close_notify`.
            Ok(0) => return Err("the connection ended without a `close_notify`".into()),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return Ok(Received::WouldBlock),
                ErrorKind::Interrupted => return Ok(Received::Something),
                _ => return Err(error.into()),
            },
        }
        let state = match self.tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // Sends the alert with the reason. The connection has failed in any case.
                let _ = self.flush();
                return Err(error.into());
            }
        };
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut plain[start..])?;
        Ok(match state.peer_has_closed() {
            true => Received::End,
            false => Received::Something,
        })
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    clients: HashMap<Token, Client>,
    next_token: Token,
}

impl Server {
    fn new(address: SocketAddr, config: Arc<ServerConfig>) -> io::Result<Server> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("Listening on {}", listener.local_addr()?);
        Ok(Server {
            poll,
            listener,
            config,
            clients: HashMap::new(),
            next_token: Token(LISTENER.0 + 1),
        })
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    token => {
                        let Some(client) = self.clients.get_mut(&token) else {
                            continue;
                        };
                        match client.echo() {
                            Ok(Turn::WouldBlock) => continue,
                            Ok(Turn::Finished) => println!("client {} has finished", token.0),
                            Err(error) => println!("client {} failed: {error}", token.0),
                        }
                        self.clients.remove(&token);
                    }
                }
            }
        }
    }

    fn accept(&mut self) -> Result<(), Error> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _peer)) => {
                    let token = self.next_token;
                    self.next_token.0 += 1;
                    // Both directions, once: TLS may have to write in order to read.
                    let both = Interest::READABLE | Interest::WRITABLE;
                    self.poll.registry().register(&mut stream, token, both)?;
                    let tls = ServerConnection::new(Arc::clone(&self.config))?.into();
                    let stream = TlsStream { stream, tls };
                    self.clients.insert(token, Client::new(stream));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }
}

struct Client {
    stream: TlsStream,
    plain: Vec<u8>,
    has_ended: bool,
}

#[derive(PartialEq)]
enum Turn {
    WouldBlock,
    Finished,
}

impl Client {
    fn new(stream: TlsStream) -> Client {
        Client {
            stream,
            plain: Vec::new(),
            has_ended: false,
        }
    }

    /// Sends first, and receives only when everything has been sent. A client that does not read
    /// cannot make the server's memory grow.
    fn echo(&mut self) -> Result<Turn, Error> {
        while self.stream.flush()? {
            if self.has_ended {
                return Ok(Turn::Finished);
            }
            let received = self.stream.receive(&mut self.plain)?;
            self.stream.tls.writer().write_all(&self.plain)?;
            self.plain.clear();
            match received {
                Received::Something => {}
                Received::WouldBlock => return Ok(Turn::WouldBlock),
                Received::End => {
                    self.stream.tls.send_close_notify();
                    self.has_ended = true;
                }
            }
        }
        Ok(Turn::WouldBlock)
    }
}

/// Sends `text`, and returns everything that the server sends until it closes the connection.
fn send(to: SocketAddr, name: &str, certificate: &str, text: Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let mut stream = TcpStream::connect(to)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut stream, STREAM, both)?;
    let name = ServerName::try_from(name.to_owned())?;
    let tls = ClientConnection::new(client_config(certificate)?, name)?.into();
    let mut sender = Sender {
        stream: TlsStream { stream, tls },
        unsent: text,
        answer: Vec::new(),
    };
    // Until the stream is connected, writing returns `WouldBlock` or the reason for the failure.
    while sender.exchange()? == Turn::WouldBlock {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
    }
    Ok(sender.answer)
}

struct Sender {
    stream: TlsStream,
    unsent: Vec<u8>,
    answer: Vec<u8>,
}

impl Sender {
    /// Sends and receives until both would block. If sending had to finish first, client and
    /// server could wait for each other forever.
    fn exchange(&mut self) -> Result<Turn, Error> {
        loop {
            // The buffer of TLS is limited. It takes a part, possibly of zero bytes.
            let taken = self.stream.tls.writer().write(&self.unsent)?;
            self.unsent.drain(..taken);
            if self.unsent.is_empty() && !self.stream.tls.is_handshaking() {
                self.stream.tls.send_close_notify(); // Only the first call has an effect.
            }
            let has_room = self.stream.flush()?;
            match self.stream.receive(&mut self.answer)? {
                Received::Something => {}
                Received::End => return Ok(Turn::Finished),
                Received::WouldBlock if has_room && taken > 0 => {}
                Received::WouldBlock => return Ok(Turn::WouldBlock),
            }
        }
    }
}

/// A new key and certificate for `localhost`, which is written to the file for the clients.
fn server_config(certificate: &str) -> Result<Arc<ServerConfig>, Error> {
    let new = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(certificate, new.cert.pem())?;
    let key = PrivateKeyDer::Pkcs8(new.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![new.cert.der().clone()], key)?;
    Ok(Arc::new(config))
}

/// Trusts the certificate in the file, and nothing else.
fn client_config(certificate: &str) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
