//! The sources against an API server of the tests' own, on loopback.
//!
//! It speaks bytes that `tests/bytes.rs` writes by hand: nothing here goes through the types that
//! are tested.

pub(super) mod bytes;
mod following;
mod handing;
mod logs;
mod refused;
mod server;
mod states;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Driver, Hold, World};
use crate::config::{Catalogue, KubeAccess};
use crate::connect::{Ctx, Follow};
use crate::model::name::{EnvId, Kind, Origin, SourceId};
use crate::model::service::{Service, WorkloadPattern};
use crate::model::signal::{Signal, SourceState};

use super::access::Cluster;
use super::lane::Out;

/// Collects what a source says.
#[derive(Clone)]
struct Sink(mpsc::UnboundedSender<(World, Signal)>);

impl Out for Sink {
    async fn room(&self) {}

    async fn send(&self, signals: Vec<(World, Signal)>, hold: Hold) {
        for signal in signals {
            let _ = self.0.send(signal);
        }
        drop(hold);
    }
}

/// What a source said, in order.
struct Said(mpsc::UnboundedReceiver<(World, Signal)>);

impl Said {
    /// The first answer that `pick` finds in a signal; signals before it are dropped.
    async fn find<A>(&mut self, mut pick: impl FnMut(World, Signal) -> Option<A>) -> A {
        let search = async {
            loop {
                let (at, signal) = self.0.recv().await.expect("the source is gone");
                if let Some(answer) = pick(at, signal) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), search).await.expect("no such signal within 20 s")
    }

    /// As [`Said::find`], while world time goes on in steps of five seconds: when a source falls
    /// asleep cannot be seen from here.
    async fn find_later<A>(&mut self, driver: &mut Driver, mut pick: impl FnMut(World, Signal) -> Option<A>) -> A {
        let search = async {
            loop {
                driver.advance(driver.now() + chrono::TimeDelta::seconds(5));
                driver.settled().await;
                while let Ok(said) = tokio::time::timeout(Duration::from_millis(5), self.0.recv()).await {
                    let (at, signal) = said.expect("the source is gone");
                    if let Some(answer) = pick(at, signal) {
                        return answer;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), search).await.expect("no such signal within 20 s")
    }

    /// The next live state with a limit.
    async fn limit(&mut self) -> String {
        self.find(|_, signal| match signal {
            Signal::Link(SourceState::Live { limited: Some(why) }) => Some(why.to_string()),
            _ => None,
        })
        .await
    }
}

fn sink() -> (Sink, Said) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Sink(sender), Said(receiver))
}

/// A context that ends with its guard.
fn context(clock: &Clock) -> (Ctx, watch::Sender<Follow>) {
    let (sender, follow) = watch::channel(Follow::default());
    let origin = Origin { env: EnvId::from("test"), source: SourceId::from("kube") };
    (Ctx { clock: clock.clone(), origin, start: clock.now(), cancel: CancellationToken::new(), follow }, sender)
}

fn epoch() -> World {
    "2026-11-21T03:00:00Z".parse().unwrap()
}

/// A cluster at `url`, by a kubeconfig file that is kept as long as the cluster.
struct Reached {
    cluster: Arc<Cluster>,
    access: KubeAccess,
    _file: tempfile::NamedTempFile,
}

fn reach(url: &str) -> Reached {
    use std::io::Write as _;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "{{apiVersion: v1, kind: Config, current-context: t, clusters: [{{name: t, cluster: {{server: '{url}'}}}}], \
         users: [{{name: t, user: {{token: t}}}}], \
         contexts: [{{name: t, context: {{cluster: t, user: t, namespace: own}}}}]}}"
    )
    .unwrap();
    let access = KubeAccess {
        kubeconfig: Some(file.path().to_owned()),
        context: None,
        namespaces: Vec::new(),
        usage_every: Duration::from_secs(15),
    };
    Reached { cluster: Arc::new(Cluster::new(access.clone(), true)), access, _file: file }
}

/// One service `shop` with the Deployment `shop/web`.
fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::new(vec![Service {
        name: "shop".into(),
        owner: None,
        title: None,
        workloads: vec![WorkloadPattern { kind: Kind::Deployment, namespace: "shop".into(), name: "web".into() }],
        routes: Vec::new(),
        log_groups: Vec::new(),
        alarms: Vec::new(),
        signals: Vec::new(),
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    }]))
}
