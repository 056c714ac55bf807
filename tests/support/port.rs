//! A port of loopback that stays one's own while nobody listens on it.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// A bound socket that does not listen: who connects is refused, and the system gives the port to
/// nobody else. Whoever asks for this very port with `SO_REUSEADDR`, as servers do, may listen on it.
#[derive(Debug)]
pub(crate) struct Port(TcpSocket);

#[allow(dead_code, clippy::unwrap_used, reason = "each program of tests uses a part, and fails by panicking")]
impl Port {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) async fn listen(&self) -> TcpListener {
        TcpListener::bind(self.address()).await.unwrap()
    }
}
