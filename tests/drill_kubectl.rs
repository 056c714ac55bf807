//! Stock kubectl against the simulated cluster. Ignored, so that `cargo test` needs nothing
//! installed; `tests/run` finds a kubectl or builds one.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use warroom::clock::World;
use warroom::drill::kube::{AutoscalerSpec, CanaryStep, Cluster, ClusterSpec, NodeSpec, WorkloadKind, WorkloadSpec};

fn epoch() -> World {
    World::from_timestamp(1_795_000_000, 0).unwrap()
}

fn cluster() -> Cluster {
    let node = |name: &str, zone: &str| NodeSpec {
        name: name.into(),
        zone: zone.into(),
        cpu: 4000,
        memory: 16 << 30,
        pods: 110,
    };
    let workload = |kind, name: &str, replicas| WorkloadSpec {
        kind,
        namespace: "shop".into(),
        name: name.into(),
        replicas,
        revisions: vec![
            (format!("registry.example/{name}:1.0.0"), epoch() - TimeDelta::days(20)),
            (format!("registry.example/{name}:1.1.0"), epoch() - TimeDelta::hours(2)),
        ],
        cpu: (250, 500),
        memory: (256 << 20, 512 << 20),
        annotations: BTreeMap::new(),
        start_delay: Duration::from_secs(6),
    };
    let autoscalers = vec![AutoscalerSpec {
        namespace: "shop".into(),
        deployment: "catalog".into(),
        min: 2,
        max: 4,
        cpu_percent: 70,
        keda: false,
    }];
    let spec = ClusterSpec {
        name: "drill".into(),
        user: "alex".into(),
        nodes: vec![node("a1", "eu-1a"), node("b1", "eu-1b")],
        workloads: vec![
            workload(WorkloadKind::Deployment, "payments", 4),
            workload(WorkloadKind::Deployment, "catalog", 2),
            workload(WorkloadKind::StatefulSet, "ledger", 2),
            workload(WorkloadKind::DaemonSet, "agent", 0),
            workload(WorkloadKind::Rollout(vec![CanaryStep::SetWeight(50), CanaryStep::Pause(None)]), "web", 2),
        ],
        autoscalers,
        applications: Vec::new(),
    };
    Cluster::new(spec, epoch(), 1)
}

#[allow(clippy::disallowed_methods, reason = "the path leads to the kubectl that tests/run found or built")]
fn command(home: &Path, line: &str) -> Command {
    let mut command = Command::new("kubectl");
    command
        .arg(format!("--cache-dir={}", home.join("cache").display()))
        .arg(format!("--kubeconfig={}", home.join("config").display()))
        .args(["--request-timeout=60s", "-n", "shop"])
        .args(line.split(' '))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home);
    command
}

async fn kubectl(home: &Path, line: &str) -> (bool, String) {
    let output = command(home, line).output().await.expect("kubectl is on the path");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// A command that goes on until it is dropped.
struct Following {
    _child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(home: &Path, line: &str) -> Self {
        let mut child = command(home, line)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl is on the path");
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, output }
    }

    /// The next line of its output.
    async fn line(&mut self) -> String {
        self.output.next_line().await.unwrap().expect("the command goes on")
    }
}

async fn stock_kubectl_reads_watches_scales_and_rolls_back() {
    let cluster = cluster();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::fs::write(home.path().join("config"), cluster.kubeconfig(&url)).unwrap();
    tokio::spawn(axum::serve(listener, cluster.router()).into_future());
    // The world goes on beside the commands, much faster than the wall.
    let over = Arc::new(AtomicBool::new(false));
    let world = tokio::spawn({
        let (cluster, over) = (cluster.clone(), Arc::clone(&over));
        async move {
            let mut now = epoch();
            while !over.load(Ordering::Relaxed) {
                now += TimeDelta::seconds(1);
                for deployment in ["payments", "catalog"] {
                    for pod in cluster.pods("shop", deployment) {
                        cluster.set_usage("shop", &pod.name, 170, 200 << 20);
                        cluster.log("shop", &pod.name, "level=info served");
                    }
                }
                cluster.tick(now);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let payments = cluster.pods("shop", "payments");
    let pod = &payments[0].name;
    for (line, expected) in [
        ("version", "Server Version: v1.33.4"),
        ("get pods -A", "Running"),
        ("get pods -o wide", "10.244."),
        ("get pods -o json", "\"kind\": \"List\""),
        ("get deploy,rs,hpa,svc,nodes,ns", "deployment.apps/payments"),
        ("describe deployment payments", "NewReplicaSetAvailable"),
        ("describe hpa catalog", "resource cpu on pods"),
        ("describe node a1", "KubeletReady"),
        (&format!("describe pod {pod}"), "Container ID"),
        ("top pods", "170m"),
        ("top nodes", "a1"),
        ("auth whoami", "alex"),
        ("auth can-i patch deployments.apps --subresource=scale", "yes"),
        ("auth can-i --list", "deployments.apps/scale"),
        ("scale deployment payments --replicas=6", "scaled"),
        ("rollout status deployment payments", "successfully rolled out"),
        (
            "set image deployment/payments payments=registry.example/payments:9 --dry-run=server",
            "image updated (server dry run)",
        ),
        ("get deployment payments -o wide", "payments:1.1.0"),
        ("set image deployment/payments payments=registry.example/payments:2.0.0", "image updated"),
        ("rollout status deployment payments", "successfully rolled out"),
        ("rollout undo deployment payments", "rolled back"),
        ("rollout status deployment payments", "successfully rolled out"),
        ("get deployment payments -o wide", "payments:1.1.0"),
        ("rollout history deployment payments", "REVISION"),
        ("rollout restart deployment catalog", "restarted"),
        ("rollout status deployment catalog", "successfully rolled out"),
        ("rollout pause deployment catalog", "paused"),
        ("rollout resume deployment catalog", "resumed"),
        ("get events", "ScalingReplicaSet"),
        ("logs deployment/payments --tail=1", "level=info served"),
        ("wait deployment payments --for=condition=Available --timeout=100s", "condition met"),
        ("api-resources", "horizontalpodautoscalers"),
        ("get sts,ds,controllerrevisions,rollouts", "statefulset.apps/ledger"),
        ("rollout history daemonset agent --revision=1", "agent:1.0.0"),
        ("scale statefulset ledger --replicas=3", "scaled"),
        ("rollout status statefulset ledger", "complete"),
        ("describe statefulset ledger", "3 Running"),
        ("set image statefulset/ledger ledger=registry.example/ledger:2.0.0", "image updated"),
        ("rollout status statefulset ledger", "complete"),
        ("rollout undo statefulset ledger", "rolled back"),
        ("rollout status statefulset ledger", "complete"),
        ("get statefulset ledger -o wide", "ledger:1.1.0"),
        ("rollout restart statefulset ledger", "restarted"),
        ("rollout status statefulset ledger", "complete"),
        ("set image daemonset/agent agent=registry.example/agent:2.0.0", "image updated"),
        ("rollout status daemonset agent", "successfully rolled out"),
        ("rollout undo daemonset agent --to-revision=1", "rolled back"),
        ("rollout status daemonset agent", "successfully rolled out"),
        ("get daemonset agent -o wide", "agent:1.0.0"),
        ("scale rollout web --replicas=4", "scaled"),
        ("patch rollout web --subresource=status --type=merge -p {\"status\":{\"abort\":true}}", "patched"),
        ("get rollout web -o jsonpath={.status.abort}", "true"),
    ] {
        let (done, text) = kubectl(home.path(), line).await;
        assert!(done && text.contains(expected), "kubectl {line}\n{text}");
    }
    let (_, history) = kubectl(home.path(), "rollout history deployment payments").await;
    assert!(!history.contains("\n2 ") && history.contains("\n4 "), "revision 2 became 4:\n{history}");

    let watching = tokio::time::timeout(Duration::from_secs(120), async {
        let victim = cluster.pods("shop", "payments")[0].name.clone();
        let (gone, deleted) = tokio::join!(
            async { kubectl(home.path(), &format!("wait pod {victim} --for=delete --timeout=100s")).await },
            async { kubectl(home.path(), &format!("delete pod {victim} --wait=false")).await },
        );
        assert!(gone.0 && deleted.0, "{gone:?} {deleted:?}");
    });
    watching.await.unwrap();
    let mut followed = Following::start(home.path(), "logs -f deployment/catalog --tail=2");
    for _ in 0..6 {
        assert_eq!(followed.line().await, "level=info served");
    }
    let mut watched = Following::start(home.path(), "get pods -w -l app=catalog");
    assert!(watched.line().await.starts_with("NAME"));
    // Its list has been answered: what comes now is told by its watch.
    watched.line().await;
    let victim = cluster.pods("shop", "catalog")[0].name.clone();
    let (deleted, text) = kubectl(home.path(), &format!("delete pod {victim} --wait=false")).await;
    assert!(deleted, "{text}");
    loop {
        let line = watched.line().await;
        if line.starts_with(&victim) && line.contains("Terminating") {
            break;
        }
    }
    cluster.deny("patch", "deployments/scale");
    let (done, text) = kubectl(home.path(), "scale deployment payments --replicas=3").await;
    assert!(!done && text.contains("cannot patch resource \"deployments/scale\""), "{text}");
    over.store(true, Ordering::Relaxed);
    world.await.unwrap();
}

mod real {
    mod kubectl {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs kubectl: tests/run finds or builds it"]
        async fn stock_kubectl_reads_watches_scales_and_rolls_back() {
            super::super::stock_kubectl_reads_watches_scales_and_rolls_back().await;
        }
    }
}
