//! A wire between Tandem and a database that can be cut, or go silent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use sea_orm::sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const CUT: u8 = 2;

/// Forwards to a database, as long as it is open.
pub(super) struct Wire {
    url: String,
    state: Arc<AtomicU8>,
    changed: watch::Sender<()>,
    _task: JoinSet<()>,
}

impl Wire {
    /// A wire to the database of this URL.
    pub(super) async fn to(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(AtomicU8::new(OPEN));
        let (changed, _) = watch::channel(());
        let mut task = JoinSet::new();
        task.spawn(accept(listener, target(&options), Arc::clone(&state), changed.clone()));
        Self { url: through(url, address), state, changed, _task: task }
    }

    /// The URL that goes through the wire.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What is sent goes nowhere, and nobody says so.
    pub(super) fn silence(&self) {
        self.set(SILENT);
    }

    /// Connections end, and new ones too.
    pub(super) fn cut(&self) {
        self.set(CUT);
    }

    /// As if nothing had been; connections that went silent are dead.
    pub(super) fn mend(&self) {
        self.set(OPEN);
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        self.changed.send_replace(());
    }
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

async fn accept(listener: TcpListener, target: Target, state: Arc<AtomicU8>, changed: watch::Sender<()>) {
    while let Ok((client, _)) = listener.accept().await {
        if state.load(Ordering::SeqCst) == CUT {
            continue;
        }
        let (target, state, mut changed) = (target.clone(), Arc::clone(&state), changed.subscribe());
        tokio::spawn(async move {
            let dead = async {
                // A connection that has lived through a silence or a cut is over.
                while changed.changed().await.is_ok() {
                    if state.load(Ordering::SeqCst) != SILENT {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forward(client, target, &state) => {}
                () = dead => {}
            }
        });
    }
}

async fn forward(client: TcpStream, target: Target, state: &AtomicU8) {
    match target {
        Target::Socket(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            join(client, server, state).await;
        }
        Target::Address(host, port) => {
            let Ok(server) = TcpStream::connect((host, port)).await else { return };
            join(client, server, state).await;
        }
    }
}

async fn join(client: TcpStream, server: impl AsyncRead + AsyncWrite, state: &AtomicU8) {
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        () = pump(from_client, to_server, state) => {}
        () = pump(from_server, to_client, state) => {}
    }
}

async fn pump(from: impl AsyncRead, to: impl AsyncWrite, state: &AtomicU8) {
    let (mut from, mut to) = (std::pin::pin!(from), std::pin::pin!(to));
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes).await {
        if read == 0 {
            return;
        }
        if state.load(Ordering::SeqCst) == OPEN && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
