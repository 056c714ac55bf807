//! A real API server with its controllers, and simulated nodes.

use std::io::Write as _;
use std::process::Stdio;

use chrono::TimeDelta;
use warroom::model::entry::EntryKind;
use warroom::model::signal::SourceState;

use crate::kit::{Session, command, configured, said, unique};

/// A namespace of its own, deleted at the end.
pub(crate) struct Shop {
    pub(crate) kubeconfig: String,
    pub(crate) namespace: String,
}

impl Shop {
    pub(crate) fn open() -> Self {
        let shop = Self { kubeconfig: said("WARROOM_REAL_KUBECONFIG"), namespace: unique("shop") };
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
    let shop = Shop::open();
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
    let rollouts = |s: &Session| {
        s.findings
            .iter()
            .filter(|one| {
                one.kind == EntryKind::Rollout
                    && one.workload.as_ref().is_some_and(|key| key.path.namespace == at.as_str())
            })
            .count()
    };
    session.until("the rollout", |s| rollouts(s) == 2).await;
    session
        .until("only new pods", |s| {
            let pods = s.pods(&at, "payments");
            pods.len() == 3 && pods.iter().all(|row| row.pod.is_ready && row.pod.image == "1.1.0")
        })
        .await;
    shop.kubectl(&["rollout", "undo", "deployment/payments"]);
    session.until("the rollback", |s| rollouts(s) == 3).await;
    let live = session.findings.iter().rfind(|one| one.kind == EntryKind::Rollout).unwrap().clone();
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
    let past =
        late.findings.iter().rfind(|one| one.kind == EntryKind::Rollout && one.title.contains("back to")).unwrap();
    assert_eq!(past.title, live.title);
    assert!((past.occurred - live.occurred).num_seconds().abs() <= 3, "{} {}", past.occurred, live.occurred);
    late.until("the present", |s| s.pods(&at, "payments").len() == 1).await;
    assert_eq!(rollouts(&late), 3);
    late.end().await;
}

async fn pods_that_crash_are_killed_or_find_no_node_are_told() {
    let shop = Shop::open();
    let mut session = Session::start(&configured(&shop.config()));
    session.until("pods are read", |s| s.live("pods")).await;
    shop.deploy("crasher", 1, &[("krig/fail", "crash")], &[]);
    shop.deploy("hungry", 1, &[("krig/fail", "oom")], &[]);
    shop.deploy("wide", 1, &[], &[("cpu", "1000")]);
    session.until("the crash loop", |s| s.count(EntryKind::CrashLoop, "crasher") > 0).await;
    session.until("the OOM kill", |s| s.count(EntryKind::OomKilled, "hungry") > 0).await;
    session.until("the pod without a node", |s| s.count(EntryKind::Unschedulable, "wide") > 0).await;
    let title = &session.found(EntryKind::Unschedulable, "wide").unwrap().title;
    assert!(title.contains("cores"), "{title}");
    session.end().await;
}

async fn logs_of_a_services_pods_are_followed_without_loss_or_doubles() {
    let shop = Shop::open();
    let at = shop.namespace.clone();
    shop.deploy("payments", 2, &[("krig/log-interval", "0.05")], &[]);
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
    let shop = Shop::open();
    let down = std::path::Path::new(&said("WARROOM_REAL_KRIG")).join("run/down-node-2");
    let mut session = Session::start(&configured(&shop.config()));
    session.until("nodes", |s| s.picture.workloads.nodes().iter().filter(|row| row.node.ready).count() >= 3).await;
    std::fs::write(&down, "").unwrap();
    session.until("the node's trouble", |s| s.count(EntryKind::NodeTrouble, "node-2") == 1).await;
    std::fs::remove_file(&down).unwrap();
    session.until("its return", |s| s.count(EntryKind::NodeRecovered, "node-2") == 1).await;
    session.end().await;
}

async fn after_the_api_server_restarted_everything_is_listed_anew_and_nothing_is_told_twice() {
    let shop = Shop::open();
    let at = shop.namespace.clone();
    let rig = said("WARROOM_REAL_KRIG");
    let script = |script: &str| command("bash", &["-c", &format!("export KRIG={rig}; {script}")]);
    shop.deploy("payments", 2, &[], &[]);
    shop.kubectl(&["rollout", "status", "deployment", "payments"]);
    let mut session = Session::start(&configured(&shop.config()));
    session.until("two pods", |s| s.pods(&at, "payments").len() == 2).await;
    session.until("the rollout", |s| s.count(EntryKind::Rollout, "payments") == 1).await;
    script("kill -9 $(cat $KRIG/run/kube-apiserver.pid) && rm $KRIG/run/kube-apiserver.pid");
    let lost = |s: &Session, name: &str| matches!(s.links[name].last(), Some(SourceState::Retrying { .. }));
    session.until("the cluster is lost", |s| lost(s, "pods") && lost(s, "workloads")).await;
    // The nodes' simulation does not survive it.
    script("bash $KRIG/start.sh --keep && kill $(cat $KRIG/run/simnode.pid) && bash $KRIG/simnode.sh 3");
    shop.kubectl(&["scale", "deployment/payments", "--replicas=3"]);
    session.until("it is back", |s| s.live("pods") && s.live("workloads") && s.live("events")).await;
    session.until("three pods", |s| s.pods(&at, "payments").iter().filter(|row| row.pod.is_ready).count() == 3).await;
    shop.kubectl(&["scale", "deployment/payments", "--replicas=1"]);
    session.until("it watches", |s| s.pods(&at, "payments").len() == 1).await;
    assert_eq!(session.count(EntryKind::Rollout, "payments"), 1);
    session.end().await;
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
        async fn pods_that_crash_are_killed_or_find_no_node_are_told() {
            super::super::pods_that_crash_are_killed_or_find_no_node_are_told().await;
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
        async fn after_the_api_server_restarted_everything_is_listed_anew_and_nothing_is_told_twice() {
            super::super::after_the_api_server_restarted_everything_is_listed_anew_and_nothing_is_told_twice().await;
        }
    }
}
