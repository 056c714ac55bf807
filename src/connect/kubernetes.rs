//! A Kubernetes cluster, read: pods, workloads, nodes, warning events, usage and pod logs.
//!
//! Owns: six sources over one client that can only read, and their histories. Must not: change
//! anything; the layer in `readonly` sees to that. List and watch are written once, in `follow`;
//! the wire's shapes are in `wire` (protobuf and JSON) and `objects` (JSON).

mod access;
mod call;
mod event;
mod events;
mod follow;
mod frames;
mod lane;
mod list;
mod loglines;
mod logstream;
mod logtail;
mod metrics;
mod names;
mod namespaces;
mod nodes;
mod objects;
mod pages;
mod pastlogs;
pub(crate) mod plugin;
mod podlogs;
mod pods;
mod podview;
mod powers;
mod quantity;
mod readonly;
mod refusals;
mod rollouts;
mod roster;
#[cfg(test)]
mod tests;
mod usage;
mod watch;
mod wire;
mod workloads;
mod workloadview;

use std::convert::Infallible;
use std::sync::Arc;

use serde::Deserialize;

use crate::clock::World;
use crate::config::{Catalogue, Environment, KubeAccess};
use crate::model::name::{Origin, SourceId};
use crate::model::signal::{Signal, Stamped};
use crate::text::Safe;

pub use powers::powers;

use super::{Connector, Ctx, Ended, History, Source, SourceError};

/// The sources of one cluster: `pods`, `workloads`, `nodes`, `events`, `usage` and `pod-logs`.
/// Nothing is contacted before one of them runs. `pod-logs` learns from `pods` whose logs there
/// are, so it sees nothing while `pods` does not run.
pub fn connectors(env: &Environment, access: &KubeAccess, catalogue: Arc<Catalogue>) -> Vec<Connector> {
    let cluster = Arc::new(access::Cluster::new(access.clone(), env.drill));
    let roster = Arc::new(roster::Roster::new(catalogue));
    let connector = |name: &str, source: Box<dyn Source>, history: Option<Box<dyn History>>| Connector {
        origin: Origin { env: env.name.clone(), source: SourceId::from(name) },
        source,
        history,
    };
    let to = || Arc::clone(&cluster);
    vec![
        connector("pods", Box::new(pods::Pods::new(to(), Arc::clone(&roster))), None),
        connector(
            "workloads",
            Box::new(workloads::Workloads::new(&cluster)),
            Some(Box::new(workloads::PastRollouts(to()))),
        ),
        connector("nodes", Box::new(nodes::Nodes::new(to())), None),
        connector("events", Box::new(events::Events::new(to())), Some(Box::new(events::PastEvents(to())))),
        connector("usage", Box::new(usage::Usage::new(to()).after_pods()), None),
        connector(
            "pod-logs",
            Box::new(podlogs::PodLogs::new(to(), Arc::clone(&roster))),
            Some(Box::new(podlogs::PastLogs::new(to(), roster))),
        ),
    ]
}

/// The user that the cluster takes us for (`SelfSubjectReview`, Kubernetes 1.28 and later).
/// `None` when it does not say.
pub async fn identity(access: &KubeAccess) -> Option<Safe> {
    whoami(&access::Cluster::new(access.clone(), false)).await
}

async fn whoami(cluster: &access::Cluster) -> Option<Safe> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Review {
        status: ReviewStatus,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ReviewStatus {
        user_info: UserInfo,
    }
    #[derive(Deserialize)]
    struct UserInfo {
        username: String,
    }
    let body = serde_json::json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let answer = cluster.review(path, &body, "ask the cluster who we are").await.ok()?;
    let review: Review = serde_json::from_slice(&answer).ok()?;
    Some(Safe::from(review.status.user_info.username)).filter(|name| !name.is_empty())
}

/// Runs what never ends by itself until the source is told to end.
async fn until_cancelled(
    cx: &Ctx,
    work: impl Future<Output = Result<Infallible, SourceError>>,
) -> Result<Ended, SourceError> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Ok(Ended),
        end = work => match end {
            Ok(never) => match never {},
            Err(error) => Err(error),
        },
    }
}

/// A signal of a history.
fn stamped(cx: &Ctx, occurred: World, body: Signal) -> Stamped<Signal> {
    Stamped { origin: cx.origin.clone(), occurred, observed: cx.clock.now(), body }
}
