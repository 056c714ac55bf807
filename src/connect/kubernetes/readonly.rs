//! The layer that lets nothing but reads out of a cluster's client.
//!
//! Owns: the rule of what counts as a read, by method and path. It stands outermost in the
//! client's stack, so a refused request never reaches the network, the credentials or a retry.
//! Must not: have an exception, or a way to be switched off.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Method, Request};
use tower::{BoxError, Layer, Service};

/// Questions about ourselves that the API answers to POST only, and that change nothing.
const REVIEWS: [&str; 3] = [
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
];
/// Subresources that act although they are opened with GET.
const ACTING: [&str; 4] = ["exec", "attach", "portforward", "proxy"];
/// Paths outside `/api` and `/apis` that only tell.
const TELLING: [&str; 4] = ["/version", "/livez", "/readyz", "/healthz"];

/// A request that is not a read. It was not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused to send {method} {path} to the cluster: this client only reads")]
pub(super) struct NotARead {
    method: Method,
    path: String,
}

/// Puts [`ReadOnly`] around a client's stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadOnlyLayer;

/// Refuses everything that is not a read.
#[derive(Clone, Debug)]
pub(super) struct ReadOnly<S>(S);

impl<S> Layer<S> for ReadOnlyLayer {
    type Service = ReadOnly<S>;

    fn layer(&self, inner: S) -> ReadOnly<S> {
        ReadOnly(inner)
    }
}

impl<S, B> Service<Request<B>> for ReadOnly<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future =
        Either<Ready<Result<S::Response, BoxError>>, futures::future::MapErr<S::Future, fn(S::Error) -> BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match check(request.method(), request.uri().path(), request.headers()) {
            Ok(()) => Either::Right(futures::TryFutureExt::map_err(
                self.0.call(request),
                Into::into as fn(S::Error) -> BoxError,
            )),
            Err(refused) => Either::Left(ready(Err(refused.into()))),
        }
    }
}

/// Whether a request is a read.
fn check(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), NotARead> {
    let upgrades = headers.contains_key(UPGRADE)
        || headers.get_all(CONNECTION).iter().any(|value| {
            // A value that is not text cannot be judged, so it counts as an upgrade.
            value.to_str().map_or(true, |value| value.to_ascii_lowercase().contains("upgrade"))
        });
    let allowed = match *method {
        Method::GET => reads(path),
        Method::POST => REVIEWS.contains(&path),
        _ => false,
    };
    if allowed && !upgrades { Ok(()) } else { Err(NotARead { method: method.clone(), path: path.to_owned() }) }
}

/// Whether a GET of `path` only reads. Names in Kubernetes need no escapes: a path with one, or
/// with an empty or a dotted segment, is refused instead of being interpreted.
fn reads(path: &str) -> bool {
    if TELLING.contains(&path) {
        return true;
    }
    if path.contains('%') || path.contains("//") || path.split('/').any(|segment| segment == "." || segment == "..") {
        return false;
    }
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    let prefix = match segments.first() {
        Some(&"api") => 2,
        Some(&"apis") => 3,
        _ => return false,
    };
    if segments.len() <= prefix {
        // Discovery.
        return true;
    }
    segments.drain(..prefix);
    // `namespaces/NAME/RESOURCE…`; a namespace's own subresources are three segments long too,
    // and none of them acts.
    if segments.len() >= 3 && segments[0] == "namespaces" {
        segments.drain(..2);
    }
    // `/api/v1/proxy/…` is the oldest form; `RESOURCE/NAME/SUBRESOURCE/…` today's.
    let acts = |at: usize| segments.get(at).is_some_and(|segment| ACTING.contains(segment));
    !acts(0) && !acts(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn allowed(method: Method, path: &str) -> bool {
        check(&method, path, &HeaderMap::new()).is_ok()
    }

    #[test]
    fn reads_pass() {
        for path in [
            "/api/v1/pods",
            "/api/v1/namespaces/shop/pods",
            "/api/v1/namespaces/shop/pods/a/log",
            "/api/v1/namespaces/proxy/pods/exec",
            "/api/v1/nodes/a",
            "/apis/apps/v1/namespaces/shop/deployments/a/scale",
            "/apis/metrics.k8s.io/v1beta1/pods",
            "/apis",
            "/version",
        ] {
            assert!(allowed(Method::GET, path), "{path}");
        }
        for path in REVIEWS {
            assert!(allowed(Method::POST, path), "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for path in [
            "/api/v1/namespaces/shop/pods/a/exec",
            "/api/v1/namespaces/shop/pods/a/attach",
            "/api/v1/namespaces/shop/pods/a/portforward",
            "/api/v1/namespaces/shop/pods/a/proxy",
            "/api/v1/namespaces/shop/services/a/proxy/admin",
            "/api/v1/nodes/a/proxy/run/shop/a/c",
            "/api/v1/proxy/namespaces/shop/services/a",
            "/api/v1/namespaces/shop/pods/a/%65xec",
            "/api/v1/namespaces/shop/pods/../pods/a/exec",
            "/api/v1//namespaces/shop/pods/a/exec",
            "/debug/pprof",
        ] {
            assert!(!allowed(Method::GET, path), "{path}");
        }
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST, Method::OPTIONS, Method::HEAD] {
            assert!(!allowed(method.clone(), "/apis/apps/v1/namespaces/shop/deployments/a/scale"), "{method}");
        }
        assert!(!allowed(Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews"));
        assert!(!allowed(Method::POST, "/api/v1/namespaces/shop/pods/a/eviction"));
    }

    #[test]
    fn a_get_that_wants_to_become_something_else_is_refused() {
        for (name, value) in [(UPGRADE, "websocket"), (CONNECTION, "keep-alive, Upgrade")] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert!(check(&Method::GET, "/api/v1/pods", &headers).is_err());
        }
    }

    #[tokio::test]
    async fn a_refused_request_is_never_sent() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let mut client = ReadOnlyLayer.layer(tower::service_fn(move |_: Request<()>| {
            counter.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, BoxError>(()))
        }));
        let request = |method| Request::builder().method(method).uri("/api/v1/pods").body(()).unwrap();
        let refused = client.call(request(Method::DELETE)).await.unwrap_err();
        assert!(refused.to_string().contains("refused to send DELETE /api/v1/pods"), "{refused}");
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        client.call(request(Method::GET)).await.unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }
}
