//! One of two API servers with a small shop on it: the drill's, or a real one. Cases are written
//! against this.
//!
//! Both hold `payments` (four pods) and `catalog` (two), which use 200 millicores each and write
//! about twenty numbered lines of log a second. The drill's world runs as fast as the wall's.

mod answer;
mod objects;
mod world;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::Request;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use warroom::clock::{Clock, World};
use warroom::drill::kube::{ApplicationSpec, Cluster, ClusterSpec, Kill, NodeSpec, RouteKind, RouteSpec, WorkloadKind};

use super::Shop;
use crate::kit::command;
use answer::media;
pub(crate) use answer::{Answer, Stream};
use objects::{object, workload};
use world::{ADDED, Sick, second, world};

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(crate) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// How long anything may take: the machine may be busy with others.
const PATIENCE: Duration = Duration::from_secs(90);

/// Who restarts the API server wants it for himself: the others of this process wait.
static TURN: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// Registers cases against both sides.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod drill {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::kubernetes::side::Side::drill().await).await;
            })+
        }
        mod real {
            mod kubernetes {
                $(#[tokio::test]
                #[ignore = "needs kubernetes: tests/run starts it"]
                async fn $name() {
                    super::super::$name(&crate::kubernetes::side::Side::real().await).await;
                })+
            }
        }
    };
}

/// As `cases`, for those in which the API server forgets or restarts.
macro_rules! alone {
    ($($name:ident),+ $(,)?) => {
        mod alone {
            mod drill {
                $(#[tokio::test]
                async fn $name() {
                    super::super::$name(&crate::kubernetes::side::Side::drill().await).await;
                })+
            }
            mod real {
                mod kubernetes {
                    $(#[tokio::test]
                    #[ignore = "needs kubernetes: tests/run starts it"]
                    async fn $name() {
                        super::super::super::$name(&crate::kubernetes::side::Side::alone().await).await;
                    })+
                }
            }
        }
    };
}

pub(crate) use {alone, cases};

/// An API server and a namespace on it.
pub(crate) struct Side {
    pub(crate) kubeconfig: String,
    pub(crate) namespace: String,
    /// Who the API server takes us for.
    pub(crate) user: &'static str,
    client: Client,
    behind: Behind,
}

enum Behind {
    Drill { cluster: Cluster, sick: Sick, world: tokio::task::JoinHandle<()>, _folder: tempfile::TempDir },
    Real { _shop: Shop },
}

/// Whether others use the control plane meanwhile; until it is dropped.
pub(crate) enum Turn {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Turn {
    pub(crate) async fn shared() -> Self {
        Self::Shared { _guard: Arc::clone(&TURN).read_owned().await }
    }

    pub(crate) async fn alone() -> Self {
        Self::Alone { _guard: Arc::clone(&TURN).write_owned().await }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Behind::Drill { world, .. } = &self.behind {
            world.abort();
        }
    }
}

impl Side {
    pub(crate) async fn drill() -> Self {
        Self::drill_of(Vec::new()).await
    }

    /// The drill with these Applications of Argo CD.
    pub(crate) async fn drill_of(applications: Vec<ApplicationSpec>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Just before the last scrape of metrics.k8s.io, so that nobody has to wait for the next one.
        let now = Clock::real().now();
        let epoch = World::from_timestamp(now.timestamp() / 15 * 15 - 1, 0).unwrap();
        let node = |name: &str| NodeSpec {
            name: name.into(),
            zone: "zone-a".into(),
            cpu: 32_000,
            memory: 128 << 30,
            pods: 110,
        };
        let deployment = |name: &str, replicas| workload(WorkloadKind::Deployment, name, replicas, epoch);
        let spec = ClusterSpec {
            name: "drill".into(),
            user: "admin".into(),
            nodes: vec![node("node-0"), node("node-1"), node("node-2")],
            workloads: vec![deployment("payments", 4), deployment("catalog", 2)],
            autoscalers: Vec::new(),
            applications,
        };
        let cluster = Cluster::new(spec, epoch, 1);
        for pod in ["payments", "catalog"].iter().flat_map(|app| cluster.pods("shop", app)) {
            cluster.set_usage("shop", &pod.name, 200, 100 << 20);
        }
        cluster.tick(second(now));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig").to_str().unwrap().to_owned();
        std::fs::write(&kubeconfig, cluster.kubeconfig(&format!("http://{}", listener.local_addr().unwrap()))).unwrap();
        tokio::spawn(axum::serve(listener, cluster.router()).into_future());
        let sick = Sick::default();
        let world = tokio::spawn(world(cluster.clone(), Arc::clone(&sick), second(now)));
        let client = client(&kubeconfig).await;
        let behind = Behind::Drill { cluster, sick, world, _folder: folder };
        Self { kubeconfig, namespace: "shop".into(), user: "admin", client, behind }
    }

    pub(crate) async fn real() -> Self {
        Self::on_plane(Shop::open().await).await
    }

    /// A real one that nobody else uses meanwhile.
    pub(crate) async fn alone() -> Self {
        Self::on_plane(Shop::alone().await).await
    }

    async fn on_plane(shop: Shop) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (kubeconfig, namespace) = (shop.kubeconfig.clone(), shop.namespace.clone());
        let client = client(&kubeconfig).await;
        let side = Self { kubeconfig, namespace, user: "admin", client, behind: Behind::Real { _shop: shop } };
        for (name, replicas) in [("payments", 4), ("catalog", 2)] {
            let labels = json!({"app": name});
            let annotations = json!({"sim/log-interval": "0.05", "sim/cpu": "200", "sim/mem": "100"});
            let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                    "metadata": {"labels": labels, "annotations": annotations},
                    "spec": {"containers": [{"name": name, "image": format!("registry.example/{name}:1.0.0"),
                        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}});
            let made = side.send("POST", &side.apps("deployments"), JSON, deployment).await;
            assert_eq!(made.code, 201, "{}", made.text());
        }
        side.until("six pods, which their controllers have counted", async || {
            let payments = side.available(&side.apps("deployments/payments")).await;
            let catalog = side.available(&side.apps("deployments/catalog")).await;
            (payments, catalog) == (4, 2)
        })
        .await;
        side
    }

    /// The drill's controllers do not take a second for each step from here on: for cases in which
    /// many steps follow one another, and none that counts them.
    pub(crate) fn hurry(&self) {
        if let Behind::Drill { sick, .. } = &self.behind {
            sick.lock().unwrap().hurried = true;
        }
    }

    pub(crate) fn is_drill(&self) -> bool {
        matches!(self.behind, Behind::Drill { .. })
    }

    /// A path of the core group in this namespace.
    pub(crate) fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// A path of the apps group in this namespace.
    pub(crate) fn apps(&self, rest: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{rest}", self.namespace)
    }

    pub(crate) fn usage(&self) -> String {
        format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods", self.namespace)
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> axum::http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.client.send(request.body(Body::from(body)).unwrap());
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
    }

    /// Asks and reads the answer whole, whatever its code.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.ask(method, path, headers, body.as_bytes().to_vec()).await;
        let code = answer.status().as_u16();
        let media = media(&answer);
        let bytes = tokio::time::timeout(PATIENCE, answer.into_body().collect_bytes()).await.unwrap().unwrap();
        Answer { code, media, bytes }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, media: &str, body: Value) -> Answer {
        self.call(method, path, &[("content-type", media), ("accept", JSON)], &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, &[("accept", JSON)], "").await;
        assert_eq!(answer.code, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Opens a stream of bytes, which must begin with 200.
    pub(crate) async fn stream(&self, path: &str, accept: &str) -> Stream {
        let answer = self.ask("GET", path, &[("accept", accept)], Vec::new()).await;
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        Stream::of(answer)
    }

    /// Waits until it is so; fails with `what`.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !so().await {
            assert!(tokio::time::Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Names of the pods of a deployment that are not being deleted.
    pub(crate) async fn pods(&self, app: &str) -> Vec<String> {
        let list = self.get(&format!("{}?labelSelector=app%3D{app}", self.core("pods"))).await;
        let there =
            list["items"].as_array().unwrap().iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        there.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn scale(&self, app: &str, replicas: u32) {
        let path = self.apps(&format!("deployments/{app}/scale"));
        let answer = self.send("PATCH", &path, MERGE, json!({"spec": {"replicas": replicas}})).await;
        assert_eq!(answer.code, 200, "{}", answer.text());
    }

    /// Has an object divide what callers of `payments` send between that and `catalog`, which gets
    /// nothing yet. The drill's only: a real one takes what is posted.
    pub(crate) fn divide(&self, kind: RouteKind) {
        let Behind::Drill { cluster, .. } = &self.behind else { panic!("a real server is asked by its API") };
        cluster.divide(&RouteSpec {
            kind,
            namespace: self.namespace.clone(),
            name: "payments".into(),
            host: "payments".into(),
            to: vec![("payments".into(), 100), ("catalog".into(), 0)],
        });
    }

    /// Adds a workload of version 1.0.0 whose replicas run: a DaemonSet has one on each node whatever
    /// they say.
    pub(crate) async fn add(&self, kind: WorkloadKind, name: &str, replicas: u32) {
        assert!(ADDED.contains(&name), "the drill's world looks after {ADDED:?} alone");
        let path = self.of(&kind, name);
        let is_daemon_set = kind == WorkloadKind::DaemonSet;
        match &self.behind {
            Behind::Drill { cluster, .. } => cluster.add(&workload(kind, name, replicas, second(Clock::real().now()))),
            Behind::Real { .. } => {
                let (collection, _) = path.rsplit_once('/').unwrap();
                let made = self.send("POST", collection, JSON, object(&kind, name, replicas)).await;
                assert_eq!(made.code, 201, "{}", made.text());
            }
        }
        let wants = async || match is_daemon_set {
            true => self.get(&path).await["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0),
            false => u64::from(replicas),
        };
        self.until("its controller has counted its pods", async || {
            let available = self.available(&path).await;
            available > 0 && available == wants().await
        })
        .await;
    }

    /// How many pods a workload's controller has counted as available. It learns of them after they
    /// are, on a busy machine seconds after.
    async fn available(&self, path: &str) -> u64 {
        let status = &self.get(path).await["status"];
        ["availableReplicas", "numberAvailable"].iter().find_map(|field| status[field].as_u64()).unwrap_or(0)
    }

    /// A commit with another version of a workload, where an Application of the drill manages it. A
    /// real one has a repository.
    pub(crate) fn release(&self, name: &str, version: &str) {
        let Behind::Drill { cluster, .. } = &self.behind else { panic!("a real one follows its repository") };
        cluster.release(&self.namespace, name, &format!("registry.example/{name}:{version}"), "bo");
    }

    /// The path of a workload.
    pub(crate) fn of(&self, kind: &WorkloadKind, name: &str) -> String {
        match kind {
            WorkloadKind::Deployment => self.apps(&format!("deployments/{name}")),
            WorkloadKind::StatefulSet => self.apps(&format!("statefulsets/{name}")),
            WorkloadKind::DaemonSet => self.apps(&format!("daemonsets/{name}")),
            WorkloadKind::Rollout(_) => {
                format!("/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts/{name}", self.namespace)
            }
        }
    }

    /// Has no pod of an image get ready. On a real server the template says so itself.
    pub(crate) fn spoil(&self, image: &str) {
        if let Behind::Drill { sick, .. } = &self.behind {
            sick.lock().unwrap().unready.insert(image.to_owned());
        }
    }

    /// From now on a pod's container ends again and again.
    pub(crate) async fn fail(&self, pod: &str, why: Kill) {
        match &self.behind {
            Behind::Drill { sick, .. } => {
                sick.lock().unwrap().failing.insert(pod.to_owned(), why);
            }
            Behind::Real { .. } => {
                let word = if why == Kill::OutOfMemory { "oom" } else { "crash" };
                let patch = json!({"metadata": {"annotations": {"sim/fail": word}}});
                let answer = self.send("PATCH", &self.core(&format!("pods/{pod}")), MERGE, patch).await;
                assert_eq!(answer.code, 200, "{}", answer.text());
            }
        }
    }

    /// Has the API server forget every version but the newest, and end every watch. A real one
    /// keeps a window of events in memory, beside what etcd compacts, until it is started anew.
    pub(crate) async fn forget(&self) {
        match &self.behind {
            Behind::Drill { cluster, .. } => {
                // Something must have happened since for a version to be an old one.
                self.scale("catalog", 1).await;
                self.until("a pod is gone", async || self.pods("catalog").await.len() == 1).await;
                cluster.compact();
            }
            Behind::Real { .. } => {
                plane(&["kill", "kube-apiserver"]).await;
                plane(&["compact"]).await;
                plane(&["start", "kube-apiserver"]).await;
                self.scale("catalog", 1).await;
                self.until("a pod is gone", async || self.pods("catalog").await.len() == 1).await;
            }
        }
    }

    /// A configuration that reads this cluster alone, with both services.
    pub(crate) fn config(&self) -> String {
        let (at, kubeconfig) = (&self.namespace, &self.kubeconfig);
        let context = if self.is_drill() { "drill" } else { "plane" };
        format!(
            "[environments.real]\nproduction = false\nwrite = \"ask\"\n[environments.real.kubernetes]\n\
             kubeconfig = \"{kubeconfig}\"\ncontext = \"{context}\"\nusage_every = \"2s\"\n[services.payments]\nworkloads = [\"{at}/payments\"]\n\
             [services.catalog]\nworkloads = [\"{at}/catalog\"]\n"
        )
    }
}

/// Asks the control plane for something, beside what else goes on.
pub(crate) async fn plane(request: &'static [&'static str]) {
    tokio::task::spawn_blocking(move || command("controlplane", &[&["ask"], request].concat())).await.unwrap();
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}
