//! The client of the actuator: one context, no retries, the gate below, every answer bounded.

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::clock::World;
use crate::config::{Environment, KubeAccess};
use crate::connect::kubernetes::plugin;
use crate::model::name::{EnvId, Target};
use crate::model::plan::Refusal;
use crate::text::Safe;

use super::gate::{Gate, NotAllowed};
use super::objects::{Autoscaler, Destination, Group, List, Meta, Pod, Scale, Status, Workload};
use super::place::{Place, is_name};
use super::said;
use crate::respond::guard::refusal;

/// The longest answer that is read: far above any object of interest.
const ANSWER_CAP: usize = 16 << 20;
/// Pages of a list that are read.
pub(super) const PAGES: usize = 20;

/// Time-outs by the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) read: Duration,
    pub(super) write: Duration,
}

/// One cluster, as the environment pins it.
pub(super) struct Api {
    env: EnvId,
    kubeconfig: Kubeconfig,
    context: Context,
    client: Mutex<Option<Signed>>,
    /// Groups of which there is more than one version, with the one to be used.
    versions: Mutex<Vec<(&'static str, &'static str)>>,
    pub(super) limits: Limits,
}

/// A client with credentials that may end.
struct Signed {
    client: Client,
    until: Option<World>,
}

/// How `kubectl` is pointed at the same cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::respond) struct Context {
    pub(in crate::respond) name: String,
    /// Set if the environment names a file.
    pub(in crate::respond) kubeconfig: Option<PathBuf>,
}

/// Why there is no answer to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(Safe),
    /// Sent, perhaps, but not answered.
    #[error("{0}")]
    NoAnswer(Safe),
    /// Answered, but not with success.
    #[error("{}: {said}", status.as_u16())]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// What the server said.
        said: Safe,
    },
    /// Answered with something else than was asked for.
    #[error("{0}")]
    Strange(Safe),
    /// An Application that was read, and that deploys to another cluster for all that is known here.
    #[error("it deploys to {0}, which may be another cluster")]
    Elsewhere(Safe),
}

impl ApiError {
    pub(super) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Self::Status { status, .. } if *status == code)
    }

    /// The sentence for a person whose plan could not be made.
    pub(super) fn refusal(self, what: &str, target: &Target) -> Refusal {
        refusal(match self {
            Self::Status { status: StatusCode::NOT_FOUND, .. } => {
                format!("could not {what} {target}: it is not there (any more); pick it from the list again")
            }
            Self::Status { status: StatusCode::UNAUTHORIZED, .. } => {
                format!("could not {what} {target}: the cluster does not know the credentials (any more); log in again")
            }
            Self::Status { status: StatusCode::FORBIDDEN, said } => {
                format!("could not {what} {target}: {said}; ask for that right, nothing was changed")
            }
            other => format!("could not {what} {target}: {other}; nothing was changed"),
        })
    }
}

impl Api {
    pub(super) fn new(env: &Environment, access: &KubeAccess) -> Result<Self, Refusal> {
        let kubeconfig = match &access.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            // A drill has its own file: the ambient one leads out of it.
            None if env.drill => return Err(refusal("the drill's cluster has no kubeconfig: nothing can be changed")),
            None => Kubeconfig::read(),
        };
        // The error's own words may quote the file, which holds credentials.
        let kubeconfig = kubeconfig.map_err(|_| {
            let place =
                access.kubeconfig.as_ref().map_or("KUBECONFIG or ~/.kube/config".into(), |p| p.display().to_string());
            refusal(format!(
                "could not read the kubeconfig of {} from {place}: check that it is there and valid",
                env.name
            ))
        })?;
        let name = access.context.clone().or_else(|| kubeconfig.current_context.clone()).ok_or_else(|| {
            refusal(format!("{} names no context and the kubeconfig has no current one: set context", env.name))
        })?;
        if !kubeconfig.contexts.iter().any(|context| context.name == name) {
            return Err(refusal(format!(
                "the kubeconfig of {} has no context {name}: nothing can be changed until context names one of its own",
                env.name
            )));
        }
        Self {
            env: env.name.clone(),
            kubeconfig,
            context: Context { name, kubeconfig: access.kubeconfig.clone() },
            client: Mutex::new(None),
            versions: Mutex::default(),
            limits: Limits { read: Duration::from_secs(10), write: Duration::from_secs(10) },
        }
        .checked(env.drill)
    }

    /// A drill must not reach out of this machine.
    fn checked(self, drill: bool) -> Result<Self, Refusal> {
        let servers = self.kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref()?.server.as_ref());
        if drill && !servers.into_iter().all(|server| server.parse().is_ok_and(|uri| is_loopback(&uri))) {
            return Err(refusal("the drill's kubeconfig names a server that is not on this machine: refused"));
        }
        Ok(self)
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The client; signed in anew before its credentials end, and after they were refused.
    async fn client(&self) -> Result<Client, ApiError> {
        let mut kept = self.client.lock().await;
        if let Some(signed) = kept.as_ref().filter(|signed| !plugin::is_over(signed.until)) {
            return Ok(signed.client.clone());
        }
        let options = KubeConfigOptions { context: Some(self.context.name.clone()), ..Default::default() };
        let broken = |what: &str| {
            ApiError::NotSent(Safe::from(format!(
                "the context {} of {} could not be used ({what}): check it with kubectl --context {}",
                self.context.name, self.env, self.context.name
            )))
        };
        let mut config = Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options)
            .await
            .map_err(|_| broken("its cluster or user is missing or invalid"))?;
        // kube-rs repeats 429, 503 and 504 up to 15 times: a confirmed action could fire minutes
        // later.
        config.default_retry = false;
        config.connect_timeout = Some(self.limits.read);
        if is_loopback(&config.cluster_url) {
            config.proxy_url = None;
        }
        if config.cluster_url.scheme_str() == Some("http") {
            // Without TLS no CA is needed, and a bare container has none to offer.
            config.root_cert.get_or_insert_default();
        }
        // A credential plugin runs without the terminal, within a time, and can be killed.
        let until =
            plugin::sign_in(&mut config).await.map_err(|error| ApiError::NotSent(Safe::from(error.to_string())))?;
        // Certificates are read from files here.
        let client =
            tokio::task::spawn_blocking(|| ClientBuilder::try_from(config).map(|b| b.with_layer(&Gate).build()))
                .await
                .map_err(|_| broken("it took the client down"))?
                .map_err(|_| broken("its credentials could not be obtained"))?;
        *kept = Some(Signed { client: client.clone(), until });
        Ok(client)
    }

    /// One request, one answer, nothing repeated.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        content: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Vec<u8>, ApiError> {
        let limit = if method == Method::PATCH { self.limits.write } else { self.limits.read };
        let mut request = Request::builder().method(method.clone()).uri(path).header("accept", "application/json");
        let mut body = Vec::new();
        if let Some((kind, bytes)) = content {
            request = request.header("content-type", kind);
            body = bytes;
        }
        let request = request
            .body(Body::from(body))
            .map_err(|_| ApiError::NotSent(Safe::from(format!("{method} {path} is not a request"))))?;
        // A plugin has its own limit.
        let client = self.client().await?;
        let exchange = async {
            let response = client.send(request).await.map_err(|error| unanswered(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_CAP)
                .collect()
                .await
                .map_err(|_| ApiError::NoAnswer(Safe::fixed("the connection was cut in the middle of the answer")))?
                .to_bytes();
            Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(ApiError::NoAnswer(Safe::from(format!("no answer within {} s", limit.as_secs_f32()))))
        })?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        if status == StatusCode::UNAUTHORIZED {
            // The next request signs in anew.
            *self.client.lock().await = None;
        }
        let said = match serde_json::from_slice::<Status>(&body) {
            Ok(answer) if !answer.message.is_empty() => said(&answer.message),
            _ => Safe::from(status.canonical_reason().unwrap_or("no reason given")),
        };
        Err(ApiError::Status { status, said })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        parsed(&self.send(Method::GET, path, None).await?)
    }

    /// `place` in the version of its kind that the cluster serves: asked once.
    pub(super) async fn served(&self, mut place: Place) -> Result<Place, ApiError> {
        let resource = place.resource;
        let Some(older) = resource.older() else { return Ok(place) };
        let mut known = self.versions.lock().await;
        let version = match known.iter().find(|(group, _)| *group == resource.group) {
            Some((_, version)) => version,
            None => match self.get::<Group>(&format!("/apis/{}", resource.group)).await {
                Ok(group) => {
                    let serves = |version: &str| group.versions.iter().any(|one| one.version == version);
                    let only_older = !serves(resource.version) && serves(older);
                    let version = if only_older { older } else { resource.version };
                    known.push((resource.group, version));
                    version
                }
                // Whoever may not ask, or has no such group, is told more by the read itself.
                Err(error) if error.is(StatusCode::NOT_FOUND) || error.is(StatusCode::FORBIDDEN) => resource.version,
                Err(error) => return Err(error),
            },
        };
        place.resource.version = version;
        Ok(place)
    }

    pub(super) async fn object(&self, place: &Place) -> Result<Workload, ApiError> {
        self.get(&place.path()).await
    }

    pub(super) async fn scale(&self, place: &Place) -> Result<Scale, ApiError> {
        self.get(&place.path_of(Some("scale"))).await
    }

    pub(super) async fn autoscalers(&self, namespace: &str) -> Result<Vec<Autoscaler>, ApiError> {
        self.pages(&format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")).await
    }

    /// KEDA's objects; none in a cluster without KEDA.
    pub(super) async fn scaled_objects(&self, namespace: &str) -> Result<Vec<Value>, ApiError> {
        match self.pages(&format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects")).await {
            Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(Vec::new()),
            other => other,
        }
    }

    /// A whole list, page by page.
    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ApiError> {
        let mut all = Vec::new();
        let mut next = String::new();
        for _ in 0..PAGES {
            let page: List<T> = self.get(&format!("{path}?limit=500{next}")).await?;
            all.extend(page.items);
            match page.metadata.next {
                Some(token) if !token.is_empty() => next = format!("&continue={}", encoded(&token)),
                _ => return Ok(all),
            }
        }
        Err(ApiError::Strange(Safe::fixed("the list of autoscalers does not end")))
    }

    /// Pods of `selector` that wait.
    pub(super) async fn pending(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, ApiError> {
        let selector = encoded(selector);
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&fieldSelector=status.phase%3DPending&limit=500"
        );
        let list: List<Pod> = self.get(&path).await?;
        Ok(list
            .items
            .into_iter()
            .filter(|pod| pod.status.phase == "Pending" && pod.metadata.deletion_timestamp.is_none())
            .collect())
    }

    /// The address of the cluster, as the kubeconfig has it; empty if it has none.
    pub(super) fn server(&self) -> &str {
        let context = self.kubeconfig.contexts.iter().find(|context| context.name == self.context.name);
        let cluster = context.and_then(|context| context.context.as_ref()).map(|context| &context.cluster);
        let named = self.kubeconfig.clusters.iter().find(|named| Some(&named.name) == cluster);
        named.and_then(|named| named.cluster.as_ref()?.server.as_deref()).unwrap_or_default()
    }

    /// The Argo CD Application that the object, of this kind, says it is part of: its name, and the
    /// Application if it could be read and deploys to this cluster.
    pub(super) async fn application<T: DeserializeOwned>(
        &self,
        meta: &Meta,
        kind: &str,
    ) -> Option<(String, Result<T, ApiError>)> {
        let Some(name) = tracked(meta) else { return self.application_by_label(meta, kind).await };
        let read = self.named_application(name).await;
        Some((name.to_owned(), read.and_then(|read| self.deployed_here(read))))
    }

    /// Argo CD before 3.0 tracks by a label that charts use, too: it has to be the name of an
    /// Application, and that has to name the object as its own.
    async fn application_by_label<T: DeserializeOwned>(
        &self,
        meta: &Meta,
        kind: &str,
    ) -> Option<(String, Result<T, ApiError>)> {
        let name = meta.labels.get("app.kubernetes.io/instance").filter(|name| place_of(name).is_some())?;
        let read = match self.named_application(name).await {
            Ok(app) if !lists(&app, meta, kind) => return None,
            Ok(app) => self.deployed_here(app),
            Err(error) if error.is(StatusCode::NOT_FOUND) => return None,
            // Then Helm put the label there, and whether Argo CD has a part in it nobody tells.
            Err(_) if meta.annotations.contains_key("meta.helm.sh/release-name") => return None,
            Err(error) => Err(error),
        };
        Some((name.clone(), read))
    }

    /// The Application of a tracked name.
    async fn named_application(&self, name: &str) -> Result<Value, ApiError> {
        let (namespace, name) = place_of(name).ok_or_else(|| ApiError::Strange(Safe::fixed("its name is not one")))?;
        self.get(&format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}")).await
    }

    /// An Application as `T`, if it deploys to this cluster.
    fn deployed_here<T: DeserializeOwned>(&self, read: Value) -> Result<T, ApiError> {
        let destination = read.pointer("/spec/destination").and_then(|to| Destination::deserialize(to).ok());
        if let Some(cluster) = destination.unwrap_or_default().elsewhere(self.server()) {
            return Err(ApiError::Elsewhere(said(cluster)));
        }
        serde_json::from_value(read).map_err(|error| strange(&error))
    }
}

/// The Application that an object says it is part of, as Argo CD tracks it. A copy of another object
/// with its annotations is not part of that one's.
fn tracked(meta: &Meta) -> Option<&str> {
    let by_id = meta.annotations.get("argocd.argoproj.io/tracking-id").and_then(|id| {
        // `shop:apps/Deployment:shop/payments`
        let mut parts = id.splitn(3, ':');
        let (name, place) = (parts.next()?, parts.nth(1));
        let itself = (meta.namespace.as_str(), meta.name.as_str());
        (place.and_then(|place| place.split_once('/')).unwrap_or(itself) == itself).then_some(name)
    });
    by_id
        .or_else(|| meta.labels.get("argocd.argoproj.io/instance").map(String::as_str))
        .or_else(|| meta.annotations.get("argocd.argoproj.io/instance").map(String::as_str))
}

/// The namespace and the name of an Application by what its objects are tracked by: those outside
/// Argo CD's own namespace are called `namespace_name` there.
fn place_of(tracked: &str) -> Option<(&str, &str)> {
    let (namespace, name) = tracked.split_once('_').unwrap_or(("argocd", tracked));
    (is_name(namespace) && is_name(name)).then_some((namespace, name))
}

/// Whether an Application names an object as its own.
fn lists(app: &Value, meta: &Meta, kind: &str) -> bool {
    let resources = app.pointer("/status/resources").and_then(Value::as_array);
    resources.into_iter().flatten().any(|one| {
        let is = |key: &str, value: &str| one.get(key).and_then(Value::as_str).unwrap_or_default() == value;
        is("kind", kind) && is("name", &meta.name) && (is("namespace", &meta.namespace) || is("namespace", ""))
    })
}

pub(super) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| strange(&error))
}

fn strange(error: &serde_json::Error) -> ApiError {
    ApiError::Strange(said(&format!("the server's answer could not be understood ({error})")))
}

/// What a transport error says of the request: missing credentials, a refused connection and the
/// gate are the only cases in which it surely never left.
fn unanswered(error: &kube::Error) -> ApiError {
    if matches!(error, kube::Error::Auth(_)) {
        // Its own words may quote a credential plugin's output.
        return ApiError::NotSent(Safe::fixed("the credentials could not be obtained; log in again"));
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(at) = cause {
        if let Some(refused) = at.downcast_ref::<NotAllowed>() {
            return ApiError::NotSent(Safe::from(refused.to_string()));
        }
        if at.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return ApiError::NotSent(Safe::fixed("the API server refuses connections"));
        }
        last = at.to_string();
        cause = at.source();
    }
    ApiError::NoAnswer(said(&format!("the API server did not answer ({last})")))
}

fn is_loopback(uri: &http::Uri) -> bool {
    uri.host().is_some_and(|host| {
        host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || host == "localhost"
    })
}

/// Percent-encoding of a query value.
pub(super) fn encoded(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
