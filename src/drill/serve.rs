//! The protocol servers: what the world looks like from outside.
//!
//! Owns: listening on loopback, and one file a protocol. Must not: change the world other than by
//! what a client of the real system could do; listen anywhere else; know `connect`.

mod alertmanager;
mod aws;
mod balancing;
mod cloudwatch;
mod dns;
mod doc;
mod ecs;
mod form;
mod logs;
mod pattern;
mod prometheus;
mod shift;
mod silences;
mod sts;
mod tail;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::World;

pub(super) use alertmanager::router as alertmanager;
pub(super) use aws::router as aws;
pub(super) use prometheus::router as prometheus;

/// The world, between two seconds.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world as of the last finished second. It is consistent between statements, so a panic
    /// elsewhere does not spoil it.
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds a free port of `ip`, which must be loopback.
pub(super) async fn bind(ip: IpAddr) -> std::io::Result<TcpListener> {
    if !ip.is_loopback() {
        let why = format!("{ip} is not a loopback address, and a drill listens on nothing else");
        return Err(std::io::Error::new(std::io::ErrorKind::AddrNotAvailable, why));
    }
    TcpListener::bind(SocketAddr::new(ip, 0)).await
}

/// Serves until cancelled.
pub(super) fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) -> tokio::task::JoinHandle<()> {
    let router = router.layer(axum::middleware::from_fn(loopback_only));
    tokio::spawn(async move {
        let ended = axum::serve(listener, router).with_graceful_shutdown(cancel.clone().cancelled_owned());
        // Watches stay open for as long as their clients like; the drill does not wait for them.
        let outcome = tokio::select! {
            outcome = ended => outcome,
            () = cancel.cancelled() => Ok(()),
        };
        if let Err(why) = outcome {
            tracing::warn!(%why, "a server of the drill ended");
        }
    })
}

/// A browser that was led here by a foreign name (DNS rebinding) names that host: refused.
async fn loopback_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    let loopback = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if loopback {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "a drill answers on loopback only\n").into_response()
    }
}
