//! Where connections come in.

use std::net::SocketAddr;

use axum::serve::{ListenerExt, TapIo};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Settings;
use crate::error::{CanFail, Error, Result};

/// Connections that send what is written at once. Without that an event waits until
/// the client has acknowledged the one before, which takes 40 ms with most.
pub(super) type Connections = TapIo<TcpListener, fn(&mut TcpStream)>;

/// Binds the configured address.
pub async fn listen(settings: &Settings) -> Result<Connections> {
    let address = SocketAddr::new(settings.http.host, settings.http.port);
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Error::startup(
            format!("cannot listen on {address}: {error}"),
            "stop what listens there, or set PORT (0 picks a free port) and HOST",
        )
    })?;
    Ok(listener.tap_io(send_at_once))
}

fn send_at_once(connection: &mut TcpStream) {
    connection.set_nodelay(true).can_fail("its events come later");
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener;

    use super::*;
    use crate::config::Env;

    #[tokio::test]
    async fn connections_send_what_is_written_at_once() {
        let settings = Settings::load(&Env::from([("PORT".to_owned(), "0".to_owned())])).unwrap();
        let mut connections = listen(&settings).await.unwrap();
        let address = connections.local_addr().unwrap();
        let (_client, (server, _)) = tokio::join!(TcpStream::connect(address), connections.accept());
        assert!(server.nodelay().unwrap());
    }
}
