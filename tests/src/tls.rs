//! Servers on this machine that speak TLS, with certificates of an authority of the test's own; and a proxy that leads to them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Somebody who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// One of this name.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn new(name: &str) -> Authority {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, name);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(authority, key), certificate }
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A server of these names that answers a path with these bytes and hangs up, until the process ends; its port.
    ///
    /// # Panics
    /// When there is no certificate or port for it.
    pub fn serve(&self, names: &[&str], answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> u16 {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).and_then(|asked| asked.signed_by(&key, &self.issuer));
        let chain = vec![certificate.expect("a certificate").der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let config = Arc::new(config.expect("they fit"));
        let (listener, port) = listen();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { continue };
                // Who does not trust us hangs up, and others may come.
                let _ = answered(&mut StreamOwned::new(connection, stream), &answer);
            }
        });
        port
    }
}

/// What [`Authority::serve`] answers with where all is well: this JSON, and no more.
pub fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {length}\r\n\r\n{body}").into_bytes()
}

/// A proxy of this machine that leads whoever wants to go anywhere by a tunnel to one server; until the process ends.
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that leads to this port of this machine.
    ///
    /// # Panics
    /// When there is no port for it.
    pub fn to(server: u16) -> Proxy {
        let ((listener, port), asked) = (listen(), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                // Who hangs up needs no tunnel any more.
                std::thread::spawn(move || drop(led(stream, server, &log)));
            }
        });
        Proxy { port, asked }
    }

    /// What it is called in the environment of a process.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked for since the last call, as `CONNECT host:port`, and by whom where they say so: ` as Basic …`.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of this machine");
    let port = listener.local_addr().expect("it has an address").port();
    (listener, port)
}

/// The head of a request, to its empty line.
fn head(stream: &mut impl Read) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

fn answered(stream: &mut (impl Read + Write), answer: &dyn Fn(&str) -> Vec<u8>) -> std::io::Result<()> {
    let head = head(stream)?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.filter_map(|(_, value)| value.trim().parse().ok()).next().unwrap_or(0);
    // Who still speaks would not hear an answer.
    stream.read_exact(&mut vec![0; length])?;
    stream.write_all(&answer(head.split(' ').nth(1).unwrap_or_default()))?;
    stream.flush()
}

fn led(mut client: TcpStream, server: u16, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let head = head(&mut client)?;
    let mut asked = head.split(" HTTP/").next().unwrap_or_default().to_owned();
    let is_tunnel = asked.starts_with("CONNECT ");
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    if let Some((_, who)) = fields.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization")) {
        asked = format!("{asked} as {}", who.trim());
    }
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    if !is_tunnel {
        return client.write_all(b"HTTP/1.1 405 Tunnels Only\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    let mut server = TcpStream::connect(("127.0.0.1", server))?;
    client.write_all(b"HTTP/1.1 200 Tunnel\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    std::io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}
