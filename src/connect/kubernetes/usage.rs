//! CPU and memory of pods and nodes, as metrics.k8s.io measured them.
//!
//! Owns: the poll, aligned to round times. Metrics can be listed, not watched. Must not: compare
//! with requests and limits.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::clock::World;
use crate::connect::{Ctx, Ended, Outlet, Source, SourceError};
use crate::model::cluster::Usage as Measured;
use crate::model::signal::Signal;
use crate::text::Safe;

use super::access::Cluster;
use super::call::{Ask, Fault, JSON};
use super::lane::{Link, Out};
use super::{metrics, namespaces, until_cancelled};

/// How long the first poll waits for the pods, by the wall.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked again for what was refused, in world time.
const AGAIN: TimeDelta = TimeDelta::minutes(5);
const BASE: &str = "/apis/metrics.k8s.io/v1beta1";

/// Reads usage.
pub(super) struct Usage {
    cluster: Arc<Cluster>,
    link: Link,
    /// The first poll waits for the pods.
    after_pods: bool,
    /// Where pods are asked for; `None` is the whole cluster. Empty: not decided.
    scopes: Vec<Option<String>>,
    /// Something was refused: then it is decided anew.
    again: Option<World>,
}

impl Usage {
    /// Reads the usage of `cluster`.
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, link: Link::default(), after_pods: false, scopes: Vec::new(), again: None }
    }

    /// Its first poll waits until the pods of the cluster were listed, a while at most: usage of
    /// pods that nobody knows goes nowhere, and a large cluster's is read for nothing.
    pub(super) fn after_pods(self) -> Self {
        Self { after_pods: true, ..self }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        let every = self.cluster.access().usage_every;
        let polls = async {
            // At once the first time: nobody wants to look at an empty column for a period.
            let mut hold = cx.clock.hold();
            if std::mem::take(&mut self.after_pods) {
                self.cluster.pods_listed(PATIENCE).await;
            }
            loop {
                let mut usage = self.pods(cx.clock.now()).await?;
                match self.list("nodes", None, cx.clock.now()).await {
                    Ok(nodes) => {
                        usage.extend(nodes);
                        self.link.limit(("nodes", "all"), None);
                    }
                    Err(Fault::Forbidden(why)) => self.link.limit(("nodes", "all"), Some(why)),
                    Err(fault) => return Err(explained(fault)),
                }
                let now = cx.clock.now();
                let at = usage.iter().map(|of| of.at).max().unwrap_or(now);
                out.send(vec![(at, Signal::Usage(usage)), (now, self.link.live())], hold).await;
                hold = cx.clock.due(cx.clock.next_multiple(every)).await;
            }
        };
        until_cancelled(cx, polls).await
    }

    async fn pods(&mut self, now: World) -> Result<Vec<Measured>, SourceError> {
        if self.again.is_some_and(|again| now >= again) {
            (self.scopes, self.again) = (Vec::new(), None);
        }
        let decided = self.scopes.is_empty();
        if decided {
            let names = &self.cluster.access().namespaces;
            self.scopes = if names.is_empty() { vec![None] } else { names.iter().cloned().map(Some).collect() };
        }
        if self.scopes == [None] {
            match self.list("pods", None, now).await {
                Ok(usage) => {
                    self.link.limit(("pods", "namespaces"), None);
                    return Ok(usage);
                }
                Err(Fault::Forbidden(_)) => {
                    self.again = Some(now + AGAIN);
                    self.scopes = namespaces::candidates(&self.cluster).await?.into_iter().map(Some).collect();
                }
                Err(fault) => return Err(explained(fault)),
            }
        }
        let (mut usage, mut permitted, mut refused) = (Vec::new(), Vec::new(), None);
        for scope in std::mem::take(&mut self.scopes) {
            match self.list("pods", scope.as_deref(), now).await {
                Ok(some) => {
                    usage.extend(some);
                    permitted.push(scope);
                }
                Err(Fault::Forbidden(why)) => refused = Some(why),
                Err(fault) => return Err(explained(fault)),
            }
        }
        if let Some(why) = refused {
            if permitted.is_empty() {
                return Err(SourceError::Denied(why));
            }
            let why = format!("usage of pods in {} namespaces only: no permission for the others", permitted.len());
            self.link.limit(("pods", "namespaces"), Some(Safe::from(why)));
            self.again.get_or_insert(now + AGAIN);
        } else if decided {
            self.link.limit(("pods", "namespaces"), None);
        }
        self.scopes = permitted;
        Ok(usage)
    }

    async fn list(&self, plural: &str, namespace: Option<&str>, now: World) -> Result<Vec<Measured>, Fault> {
        let (uri, doing) = match namespace {
            Some(name) => {
                (format!("{BASE}/namespaces/{name}/{plural}"), format!("read usage of {plural} in namespace {name}"))
            }
            None => (format!("{BASE}/{plural}"), format!("read usage of {plural}")),
        };
        let (_, body) = self.cluster.read(&Ask { uri, accept: JSON, doing: &doing }).await?;
        metrics::read(&body, now).map_err(|malformed| Fault::retry(&doing, &malformed.to_string()))
    }
}

impl Source for Usage {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

/// A cluster without a metrics server is a common thing, and its 404 explains nothing.
fn explained(fault: Fault) -> SourceError {
    match fault {
        Fault::Missing(_) => SourceError::Denied(Safe::fixed(
            "read usage from metrics.k8s.io: this cluster does not serve it; install metrics-server to see CPU and memory",
        )),
        Fault::Retry(why, after) if why.contains("503") => SourceError::Retry {
            why: Safe::from(format!("{why}; the metrics server behind metrics.k8s.io is not available")),
            after,
        },
        fault => fault.into(),
    }
}
