//! The allow-list of the mutating client, below everything else: a request that is not on it
//! does not leave the process, whoever asked for it.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures::future::Either;
use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

/// Puts the gate in front of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate;

/// The request was not on the allow-list.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path} is not on the allow-list of actions: nothing was sent")]
pub(super) struct NotAllowed {
    method: Method,
    path: String,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { inner }
    }
}

/// A client behind the gate.
#[derive(Clone, Debug)]
pub(super) struct Gated<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if allowed(request.method(), request.uri().path()) && !request.headers().contains_key(http::header::UPGRADE) {
            return Either::Left(self.inner.call(request));
        }
        let path = request.uri().path().to_owned();
        Either::Right(ready(Err(NotAllowed { method: request.method().clone(), path }.into())))
    }
}

/// What actions need: the guarded writes, the access review, and plain reads. Of reads, only
/// those of listed kinds: `get` of `nodes/proxy` or `pods/exec` is an action in disguise.
fn allowed(method: &Method, path: &str) -> bool {
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    matches!(
        (method.as_str(), parts.as_slice()),
        ("PATCH", ["apis", "apps", "v1", "namespaces", _, "deployments" | "statefulsets", _, "scale"])
            | ("PATCH", ["apis", "argoproj.io", "v1alpha1", "namespaces", _, "rollouts", _, "scale" | "status"])
            | ("PATCH", ["apis", "argoproj.io", "v1alpha1", "namespaces", _, "rollouts" | "applications", _])
            | ("PATCH", ["apis", "apps", "v1", "namespaces", _, "deployments" | "statefulsets" | "daemonsets", _])
            | ("PATCH", ["apis", "networking.istio.io", "v1" | "v1beta1", "namespaces", _, "virtualservices", _])
            | ("PATCH", ["apis", "gateway.networking.k8s.io", "v1" | "v1beta1", "namespaces", _, "httproutes", _])
            | ("PATCH", ["api", "v1", "namespaces", _, "services", _])
            | ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"])
            | ("GET", ["apis", "apps", "v1", "namespaces", _, "deployments" | "statefulsets" | "daemonsets", _])
            | ("GET", ["apis", "apps", "v1", "namespaces", _, "replicasets" | "controllerrevisions"])
            | ("GET", ["apis", "apps", "v1", "namespaces", _, "deployments" | "statefulsets", _, "scale"])
            | ("GET", ["apis", "autoscaling", "v2", "namespaces", _, "horizontalpodautoscalers"])
            | ("GET" | "PATCH", ["apis", "autoscaling", "v2", "namespaces", _, "horizontalpodautoscalers", _])
            | ("GET", ["apis", "keda.sh", "v1alpha1", "namespaces", _, "scaledobjects"])
            | ("GET" | "PATCH", ["apis", "keda.sh", "v1alpha1", "namespaces", _, "scaledobjects", _])
            | ("GET", ["apis", "networking.istio.io" | "gateway.networking.k8s.io"])
            | ("GET", ["apis", "networking.istio.io", "v1" | "v1beta1", "namespaces", _, "virtualservices", _])
            | ("GET", ["apis", "networking.istio.io", "v1" | "v1beta1", "namespaces", _, "destinationrules"])
            | ("GET", ["apis", "gateway.networking.k8s.io", "v1" | "v1beta1", "namespaces", _, "httproutes", _])
            | ("GET", ["apis", "argoproj.io", "v1alpha1", "namespaces", _, "rollouts"])
            | ("GET", ["apis", "argoproj.io", "v1alpha1", "rollouts"])
            | ("GET", ["apis", "discovery.k8s.io", "v1", "namespaces", _, "endpointslices"])
            | ("GET", ["api", "v1", "namespaces", _, "services", _])
            | ("GET", ["apis", "argoproj.io", "v1alpha1", "namespaces", _, "rollouts", _, "scale"])
            | (
                "GET",
                [
                    "apis",
                    "argoproj.io",
                    "v1alpha1",
                    "namespaces",
                    _,
                    "rollouts" | "applications" | "applicationsets" | "appprojects",
                    _
                ],
            )
            | ("GET", ["api", "v1", "namespaces", _, "pods"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_one_write_and_its_reads_pass() {
        for (method, path) in [
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/payments/scale"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/statefulsets/db/scale"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/daemonsets/agent"),
            (Method::PATCH, "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/checkout"),
            (Method::PATCH, "/apis/gateway.networking.k8s.io/v1beta1/namespaces/shop/httproutes/checkout"),
            (Method::PATCH, "/api/v1/namespaces/shop/services/checkout"),
            (Method::GET, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"),
            (Method::PATCH, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/payments"),
            (Method::PATCH, "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/payments"),
            (Method::GET, "/apis/apps/v1/namespaces/shop/deployments/payments"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout/status"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"),
            (Method::GET, "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"),
            (Method::GET, "/apis/apps/v1/namespaces/shop/controllerrevisions"),
            (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ] {
            assert!(allowed(&method, path), "{method} {path}");
        }
    }

    #[test]
    fn nothing_else_leaves() {
        for (method, path) in [
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/replicasets/payments-1"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/payments/status"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments"),
            (Method::PATCH, "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"),
            (Method::PATCH, "/apis/networking.istio.io/v1/namespaces/shop/destinationrules/checkout"),
            (Method::PATCH, "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/checkout/status"),
            (Method::PATCH, "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/checkout"),
            (Method::GET, "/api/v1/namespaces/shop/services/checkout/proxy"),
            (Method::PUT, "/apis/apps/v1/namespaces/shop/deployments/payments/scale"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop/status"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets/shops"),
            (Method::PATCH, "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"),
            (Method::DELETE, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"),
            (Method::DELETE, "/apis/apps/v1/namespaces/shop/deployments/payments"),
            (Method::DELETE, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/payments"),
            (Method::PATCH, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/payments/status"),
            (Method::PATCH, "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects"),
            (Method::POST, "/api/v1/namespaces/shop/pods"),
            (Method::POST, "/api/v1/namespaces/shop/pods/p/eviction"),
            (Method::GET, "/api/v1/namespaces/shop/pods/p/exec"),
            (Method::GET, "/api/v1/nodes/n/proxy/exec"),
            (Method::GET, "/api/v1/namespaces/shop/secrets"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/payments/scale/"),
            (Method::PATCH, "//apis/apps/v1/namespaces/shop/deployments/payments/scale"),
        ] {
            assert!(!allowed(&method, path), "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn no_other_method_passes_anywhere(path in "(/[a-z0-9.]{0,12}){0,9}", method in "PUT|DELETE|CONNECT|OPTIONS|TRACE|HEAD") {
            prop_assert!(!allowed(&Method::from_bytes(method.as_bytes()).unwrap(), &path));
        }
    }
}
