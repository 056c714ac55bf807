//! Kubernetes: the drill's API server and a real one with its controllers and simulated nodes
//! (`tests/servers/kubernetes`). What both have to answer is in `read`, `watch`, `write` and `logs`,
//! what the program makes of it in `program`; here is what only a real one has.

mod autoscale;
mod logs;
mod program;
mod read;
mod rollback;
pub(crate) mod side;
mod traffic;
mod watch;
mod write;

use std::io::Write as _;
use std::process::Stdio;

use chrono::TimeDelta;
use warroom::model::entry::EntryKind;
use warroom::model::signal::SourceState;

use crate::kit::{Session, command, configured, said, unique};
use crate::port::Port;
use program::SOURCES;
use side::{Turn, plane};

/// A namespace of its own, deleted at the end.
pub(crate) struct Shop {
    pub(crate) kubeconfig: String,
    pub(crate) namespace: String,
    _turn: Turn,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::within(Turn::shared().await)
    }

    /// On a control plane that no other test uses meanwhile.
    pub(crate) async fn alone() -> Self {
        Self::within(Turn::alone().await)
    }

    fn within(turn: Turn) -> Self {
        let shop = Self { kubeconfig: said("WARROOM_REAL_KUBECONFIG"), namespace: unique("shop"), _turn: turn };
        shop.kubectl(&["create", "namespace", &shop.namespace]);
        shop
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let base = ["--kubeconfig", self.kubeconfig.as_str(), "-n", self.namespace.as_str()];
        command("kubectl", &[&base, arguments].concat())
    }

    /// A deployment whose simulated pods behave as the annotations say.
    pub(crate) fn deploy(&self, name: &str, replicas: u32, annotations: &[(&str, &str)], requests: &[(&str, &str)]) {
        let labels = serde_json::json!({ "app": name });
        let deployment = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
            "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels, "annotations": map(annotations) },
                "spec": { "containers": [{ "name": "app", "image": format!("registry.example/{name}:1.0.0"),
                    "resources": { "requests": map(requests) } }] },
            } },
        });
        self.apply(&deployment);
    }

    pub(crate) fn apply(&self, object: &serde_json::Value) {
        let mut child = std::process::Command::new("kubectl")
            .args(["--kubeconfig", &self.kubeconfig, "-n", &self.namespace, "apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{object}");
    }

    /// An environment that reads this cluster, with two services of this namespace.
    pub(crate) fn config(&self) -> String {
        self.config_as(&self.kubeconfig)
    }

    pub(crate) fn config_as(&self, kubeconfig: &str) -> String {
        let at = &self.namespace;
        format!(
            "[environments.real]\nproduction = false\n[environments.real.kubernetes]\nkubeconfig = \"{kubeconfig}\"\n\
             usage_every = \"2s\"\n[services.payments]\nworkloads = [\"{at}/payments\"]\n\
             [services.checkout]\nworkloads = [\"{at}/checkout\"]\n"
        )
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // A panic on top of the test's own would hide that one.
        let _ = std::process::Command::new("kubectl")
            .args(["--kubeconfig", &self.kubeconfig, "delete", "namespace", &self.namespace, "--wait=false"])
            .output();
    }
}

fn map(pairs: &[(&str, &str)]) -> serde_json::Value {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), serde_json::Value::from(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn pods_rollouts_and_rollbacks_are_followed_as_they_happen() {
    let shop = Shop::open().await;
    let at = shop.namespace.clone();
    shop.deploy("payments", 3, &[], &[("cpu", "100m"), ("memory", "64Mi")]);
    shop.kubectl(&["rollout", "status", "deployment", "payments"]);
    let mut session = Session::start(&configured(&shop.config()));
    session
        .until("three ready pods", |s| s.pods(&at, "payments").iter().filter(|row| row.pod.is_ready).count() == 3)
        .await;
    session
        .until("usage of pods", |s| s.pods(&at, "payments").iter().all(|row| row.cpu.is_some() && row.memory.is_some()))
        .await;
    let pod = session.pods(&at, "payments")[0].pod.clone();
    assert_eq!((pod.status.as_str(), pod.image.as_str(), pod.cpu_request), ("Running", "1.0.0", 100));
    session.until("nodes", |s| s.picture.workloads.nodes().len() >= 3).await;
    assert!(session.picture.workloads.nodes().iter().all(|row| row.node.zone.is_some()));

    shop.kubectl(&["set", "image", "deployment/payments", "app=registry.example/payments:1.1.0"]);
    let rollouts = |s: &Session| s.noticed(EntryKind::Rollout, &at).count();
    session.until("the rollout", |s| rollouts(s) == 2).await;
    session
        .until("only new pods", |s| {
            let pods = s.pods(&at, "payments");
            pods.len() == 3 && pods.iter().all(|row| row.pod.is_ready && row.pod.image == "1.1.0")
        })
        .await;
    shop.kubectl(&["rollout", "undo", "deployment/payments"]);
    session.until("the rollback", |s| rollouts(s) == 3).await;
    let live = session.noticed(EntryKind::Rollout, &at).next_back().unwrap().clone();
    let title = &live.title;
    assert!(title.contains("back to") && title.contains("1.1.0→1.0.0"), "{title}");
    shop.kubectl(&["scale", "deployment/payments", "--replicas=1"]);
    session.until("fewer pods", |s| s.pods(&at, "payments").len() == 1).await;
    for (source, states) in &session.links {
        let bad = states.iter().find(|state| !matches!(state, SourceState::Connecting | SourceState::Live { .. }));
        assert_eq!(bad, None, "{source}");
    }
    session.end().await;

    // Who comes late meets the same changes once each, the rollback at about its time.
    let mut late = Session::after_its_past(&configured(&shop.config()), TimeDelta::hours(1)).await;
    assert_eq!(rollouts(&late), 3, "{:?}", late.findings);
    let past = late.noticed(EntryKind::Rollout, &at).rfind(|one| one.title.contains("back to")).unwrap();
    assert_eq!(past.title, live.title);
    assert!((past.occurred - live.occurred).num_seconds().abs() <= 3, "{} {}", past.occurred, live.occurred);
    late.until("the present", |s| s.pods(&at, "payments").len() == 1).await;
    assert_eq!(rollouts(&late), 3);
    late.end().await;
}

async fn logs_of_a_services_pods_are_followed_without_loss_or_doubles() {
    let shop = Shop::open().await;
    let at = shop.namespace.clone();
    shop.deploy("payments", 2, &[("sim/log-interval", "0.05")], &[]);
    shop.kubectl(&["rollout", "status", "deployment", "payments"]);
    let mut session = Session::after_its_past(&configured(&shop.config()), TimeDelta::minutes(10)).await;
    let first = session.lines.len();
    session.until("live lines", |s| s.lines.len() > first + 400).await;
    let pods: Vec<String> = session.pods(&at, "payments").iter().map(|row| row.pod.path.name.to_string()).collect();
    assert_eq!(pods.len(), 2);
    for pod in pods {
        let mut numbers: Vec<u32> = session
            .lines
            .iter()
            .filter(|(_, text)| text.contains(&pod))
            .map(|(_, text)| text.split("line ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        let (low, high) = (numbers[0], numbers[numbers.len() - 1]);
        let expected: Vec<u32> = (low..=high).collect();
        assert_eq!(numbers, expected, "{pod}");
        assert!(low <= 1, "{low}: the past is there too");
    }
    session.end().await;
}

async fn a_node_that_falls_silent_is_told_and_so_is_its_return() {
    // Others have pods there.
    let shop = Shop::alone().await;
    let mut session = Session::start(&configured(&shop.config()));
    session.until("nodes", |s| s.picture.workloads.nodes().iter().filter(|row| row.node.ready).count() >= 3).await;
    plane(&["node-down", "node-2"]).await;
    session.until("the node's trouble", |s| s.count(EntryKind::NodeTrouble, "node-2") == 1).await;
    plane(&["node-up", "node-2"]).await;
    session.until("its return", |s| s.count(EntryKind::NodeRecovered, "node-2") == 1).await;
    session.end().await;
}

async fn an_api_server_that_goes_and_comes_back_is_told_by_every_source_and_nothing_twice() {
    let shop = Shop::alone().await;
    let at = shop.namespace.clone();
    shop.deploy("payments", 2, &[], &[]);
    shop.kubectl(&["rollout", "status", "deployment", "payments"]);
    let mut session = Session::start(&configured(&shop.config()));
    session.until("two pods", |s| s.pods(&at, "payments").len() == 2).await;
    session.until("the rollout", |s| s.noticed(EntryKind::Rollout, &at).count() == 1).await;
    session.until("all live", |s| SOURCES.iter().all(|source| s.live(source))).await;
    plane(&["kill", "kube-apiserver"]).await;
    let lost = |s: &Session, name: &str| matches!(s.links[name].last(), Some(SourceState::Retrying { .. }));
    session.until("the cluster is lost", |s| SOURCES.iter().all(|source| lost(s, source))).await;
    // It is not said to be there while it is not: not even for a moment, when it is tried again.
    let told: usize = session.links.values().map(Vec::len).sum();
    session.until("tried again", |s| s.links.values().map(Vec::len).sum::<usize>() > told + SOURCES.len()).await;
    for source in SOURCES {
        let since = session.links[source].iter().rposition(|state| matches!(state, SourceState::Live { .. })).unwrap();
        let lost = &session.links[source][since + 1..];
        assert!(lost.len() > 1 || source == "usage", "{source} was live between two failures: {lost:?}");
    }
    plane(&["start", "kube-apiserver"]).await;
    shop.kubectl(&["scale", "deployment/payments", "--replicas=3"]);
    session.until("it is back", |s| SOURCES.iter().all(|source| s.live(source))).await;
    session.until("three pods", |s| s.pods(&at, "payments").iter().filter(|row| row.pod.is_ready).count() == 3).await;
    shop.kubectl(&["scale", "deployment/payments", "--replicas=1"]);
    session.until("it watches", |s| s.pods(&at, "payments").len() == 1).await;
    assert_eq!(session.noticed(EntryKind::Rollout, &at).count(), 1);
    session.end().await;
}

/// Pods whose logs are not known yet and figures that were never read are no reason to keep silent.
async fn every_source_of_a_cluster_that_is_not_there_says_so() {
    let nobody = Port::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n",
        nobody.url()
    );
    std::fs::write(&path, text).unwrap();
    let config = format!(
        "[environments.real]\n[environments.real.kubernetes]\nkubeconfig = \"{}\"\n[services.payments]\n\
         workloads = [\"shop/payments\"]\n",
        path.display()
    );
    let mut session = Session::start(&configured(&config));
    for source in SOURCES {
        session
            .until(source, |s| {
                let states = s.links.get(source).map(Vec::as_slice).unwrap_or_default();
                assert!(!states.iter().any(|state| matches!(state, SourceState::Live { .. })), "{source}: {states:?}");
                matches!(states.last(), Some(SourceState::Retrying { why, .. }) if why.to_lowercase().contains("refused"))
            })
            .await;
    }
    session.end().await;
}

mod drill {
    #[tokio::test]
    async fn every_source_of_a_cluster_that_is_not_there_says_so() {
        super::every_source_of_a_cluster_that_is_not_there_says_so().await;
    }
}

mod real {
    mod kubernetes {
        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn pods_rollouts_and_rollbacks_are_followed_as_they_happen() {
            super::super::pods_rollouts_and_rollbacks_are_followed_as_they_happen().await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn logs_of_a_services_pods_are_followed_without_loss_or_doubles() {
            super::super::logs_of_a_services_pods_are_followed_without_loss_or_doubles().await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn a_node_that_falls_silent_is_told_and_so_is_its_return() {
            super::super::a_node_that_falls_silent_is_told_and_so_is_its_return().await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn an_api_server_that_goes_and_comes_back_is_told_by_every_source_and_nothing_twice() {
            super::super::an_api_server_that_goes_and_comes_back_is_told_by_every_source_and_nothing_twice().await;
        }
    }
}
