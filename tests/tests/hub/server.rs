//! A server on this machine that answers what it is told to.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// Nothing, ever, after these bytes.
    Silence(Vec<u8>),
}

impl Reply {
    /// A whole answer.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self::claiming(status, headers, body.as_ref(), body.as_ref().len())
    }

    /// An answer that says it is so long, whatever it is.
    pub fn claiming(status: u16, headers: &[(&str, &str)], body: &[u8], length: usize) -> Self {
        let mut head = format!("HTTP/1.1 {status} Answer\r\nconnection: close\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }

    pub fn ok(media_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new(200, &[("content-type", media_type)], body)
    }

    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::ok("application/json; charset=utf-8", body)
    }

    /// As Hugging Face refuses.
    pub fn refused(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"error":"{message}"}}"#);
        Self::new(status, &[("x-error-code", code), ("x-error-message", message)], body)
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, &[("location", location)], "moved")
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// With its query.
    pub path: String,
    pub authorization: Option<String>,
}

/// Answers until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server that answers each request so.
    pub async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Asked>>>::default());
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move { serve(stream, &*answer, &log).await });
            }
        });
        Self { address, asked, task }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths that were asked for so far.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: &(dyn Fn(&Asked) -> Reply + Sync), log: &Mutex<Vec<Asked>>) {
    let Some(asked) = read(&mut stream).await else { return };
    log.lock().unwrap().push(asked.clone());
    // Who has heard enough may hang up.
    match answer(&asked) {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Silence(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut authorization = fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    Some(Asked { path, authorization: authorization.next().map(|(_, value)| value.trim().to_owned()) })
}
