//! A wire between Tandem and a database that can be cut, or go silent, and hears what is asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use sea_orm::sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const CUT: u8 = 2;

/// Forwards to a database, as long as it is open.
pub(crate) struct Wire {
    url: String,
    state: Arc<AtomicU8>,
    heard: Heard,
    changed: watch::Sender<()>,
    _task: JoinSet<()>,
}

impl Wire {
    /// A wire to the database of this URL.
    pub(crate) async fn to(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(AtomicU8::new(OPEN));
        let heard = Heard::default();
        let (changed, _) = watch::channel(());
        let mut task = JoinSet::new();
        let line = Line { target: target(&options), state: Arc::clone(&state), heard: heard.clone() };
        task.spawn(accept(listener, line, changed.clone()));
        Self { url: through(url, address), state, heard, changed, _task: task }
    }

    /// The URL that goes through the wire.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The statements that were run since the last look, in their order. Only of connections without TLS.
    pub(crate) fn statements(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// What is sent goes nowhere, and nobody says so.
    pub(crate) fn silence(&self) {
        self.set(SILENT);
    }

    /// Connections end, and new ones too.
    pub(crate) fn cut(&self) {
        self.set(CUT);
    }

    /// As if nothing had been; connections that went silent are dead.
    pub(crate) fn mend(&self) {
        self.set(OPEN);
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        self.changed.send_replace(());
    }
}

type Heard = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
struct Line {
    target: Target,
    state: Arc<AtomicU8>,
    heard: Heard,
}

#[derive(Clone)]
enum Target {
    Socket(PathBuf),
    Address(String, u16),
}

fn target(options: &PgConnectOptions) -> Target {
    match options.get_socket() {
        Some(folder) => Target::Socket(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
        None => Target::Address(options.get_host().to_owned(), options.get_port()),
    }
}

/// The same login and database, at the wire's address.
fn through(url: &str, address: SocketAddr) -> String {
    let given = url::Url::parse(url).unwrap();
    let mut url = url::Url::parse("postgres://x@127.0.0.1/").unwrap();
    url.set_username(given.username()).unwrap();
    url.set_password(given.password()).unwrap();
    url.set_port(Some(address.port())).unwrap();
    url.set_path(given.path());
    url.to_string()
}

async fn accept(listener: TcpListener, line: Line, changed: watch::Sender<()>) {
    while let Ok((client, _)) = listener.accept().await {
        if line.state.load(Ordering::SeqCst) == CUT {
            continue;
        }
        let (line, mut changed) = (line.clone(), changed.subscribe());
        tokio::spawn(async move {
            let dead = async {
                // A connection that has lived through a silence or a cut is over.
                while changed.changed().await.is_ok() {
                    if line.state.load(Ordering::SeqCst) != SILENT {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forward(client, &line) => {}
                () = dead => {}
            }
        });
    }
}

async fn forward(client: TcpStream, line: &Line) {
    match &line.target {
        Target::Socket(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            join(client, server, line).await;
        }
        Target::Address(host, port) => {
            let Ok(server) = TcpStream::connect((host.as_str(), *port)).await else { return };
            join(client, server, line).await;
        }
    }
}

async fn join(client: TcpStream, server: impl AsyncRead + AsyncWrite, line: &Line) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    let mut listener = Listener::default();
    tokio::select! {
        () = pump(from_client, to_server, &line.state, |bytes| listener.hear(bytes, &line.heard)) => {}
        () = pump(from_server, to_client, &line.state, |_| {}) => {}
    }
}

async fn pump(from: impl AsyncRead, to: impl AsyncWrite, state: &AtomicU8, mut hear: impl FnMut(&[u8])) {
    let (mut from, mut to) = (std::pin::pin!(from), std::pin::pin!(to));
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes).await {
        if read == 0 {
            return;
        }
        hear(&bytes[..read]);
        if state.load(Ordering::SeqCst) == OPEN && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Reads what a client says in Postgres's protocol.
#[derive(Default)]
struct Listener {
    pending: Vec<u8>,
    /// Messages have no type before the session begins.
    has_begun: bool,
    prepared: HashMap<Vec<u8>, String>,
    bound: String,
}

impl Listener {
    fn hear(&mut self, bytes: &[u8], heard: &Heard) {
        self.pending.extend_from_slice(bytes);
        loop {
            let typed = usize::from(self.has_begun);
            let Some(length) = self.pending.get(typed..typed + 4) else { return };
            let end = typed + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.pending.len() < end {
                return;
            }
            let message: Vec<u8> = self.pending.drain(..end).collect();
            if self.has_begun {
                self.told(message[0], &message[5..], heard);
            } else {
                // A request for TLS or a cancellation begins no session: 1234 stands for a version.
                self.has_begun = message[4..6] != 1234_u16.to_be_bytes();
            }
        }
    }

    fn told(&mut self, kind: u8, body: &[u8], heard: &Heard) {
        let mut parts = body.split(|byte| *byte == 0);
        let mut text = || parts.next().unwrap_or_default();
        match kind {
            // Query: one or more statements.
            b'Q' => heard.lock().unwrap().push(String::from_utf8_lossy(text()).into_owned()),
            // Parse: a name and its statement.
            b'P' => {
                let name = text().to_vec();
                self.prepared.insert(name, String::from_utf8_lossy(text()).into_owned());
            }
            // Bind: a portal and the name.
            b'B' => {
                text();
                self.bound = self.prepared.get(text()).cloned().unwrap_or_default();
            }
            b'E' => heard.lock().unwrap().push(self.bound.clone()),
            _ => {}
        }
    }
}
