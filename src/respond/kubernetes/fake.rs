//! An API server for tests: one workload and what is beside it, every request recorded.

pub(in crate::respond) mod argo;
pub(in crate::respond) mod mesh;
mod objects;
pub(in crate::respond) mod rollout;
pub(in crate::respond) mod scalers;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::Kubernetes;
use crate::clock::Clock;
use crate::config::{Environment, KubeAccess, WritePolicy};
use crate::model::name::{EnvId, Kind, ObjectPath, Origin, Target};
use crate::respond::Actuator;
use crate::respond::fake::{Asked, Fault, Reply, Served, Wrote, listen};

pub(in crate::respond) use objects::Objects;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(in crate::respond) struct Seen {
    pub(in crate::respond) method: String,
    pub(in crate::respond) path: String,
    pub(in crate::respond) body: Value,
    /// Intents that were durable at that moment.
    pub(in crate::respond) intents: usize,
}

impl Seen {
    pub(in crate::respond) fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "POST") && !self.path.contains("dryRun=All")
    }
}

/// The cluster.
pub(in crate::respond) struct State {
    pub(in crate::respond) object: Value,
    pub(in crate::respond) autoscalers: Value,
    /// KEDA's ScaledObjects; without any the cluster has no KEDA.
    pub(in crate::respond) scaled: Vec<Value>,
    pub(in crate::respond) application: Option<Value>,
    pub(in crate::respond) pods: Vec<Value>,
    /// ReplicaSets or ControllerRevisions.
    pub(in crate::respond) revisions: Vec<Value>,
    /// Whatever else there is.
    pub(in crate::respond) objects: Objects,
    /// Objects and lists of Argo's, by their paths.
    pub(in crate::respond) argo: BTreeMap<String, Value>,
    /// Whether the Deployment's controller follows, some pods a look.
    pub(in crate::respond) follows: bool,
    pub(in crate::respond) allowed: bool,
    /// Paths that may not be read.
    pub(in crate::respond) forbidden: Vec<&'static str>,
    pub(in crate::respond) dry_run: Option<(u16, &'static str)>,
    pub(in crate::respond) fault: Fault,
    /// Done as soon as the write was answered.
    pub(in crate::respond) then: Option<fn(&mut State)>,
    pub(in crate::respond) seen: Vec<Seen>,
}

impl State {
    pub(in crate::respond) fn replicas(&self) -> u64 {
        self.object["spec"]["replicas"].as_u64().unwrap()
    }

    pub(in crate::respond) fn writes(&self) -> Vec<Seen> {
        self.seen.iter().filter(|seen| seen.is_write()).cloned().collect()
    }

    /// Somebody else sets replicas.
    pub(in crate::respond) fn set_by(&mut self, manager: &str, replicas: u32) {
        set_by(&mut self.object, manager, replicas);
    }

    fn look(&mut self) -> Value {
        if self.follows {
            let wanted = self.object["spec"]["replicas"].as_u64().unwrap_or(6);
            let rollout = self.object["kind"] == "Rollout";
            let (meta, status) = (self.object["metadata"]["generation"].clone(), &mut self.object["status"]);
            let count = |name: &str| status[name].as_u64().unwrap();
            let now = count("availableReplicas").min(count("updatedReplicas"));
            let next = if now < wanted { (now + 3).min(wanted) } else { wanted };
            status["observedGeneration"] = if rollout { json!(meta.to_string()) } else { meta };
            status["replicas"] = json!(wanted);
            for count in ["availableReplicas", "readyReplicas", "updatedReplicas"] {
                status[count] = json!(next);
            }
            if !self.revisions.is_empty() {
                rollout::follow(self);
            }
        }
        self.object.clone()
    }

    fn scale(&self) -> Value {
        let meta = &self.object["metadata"];
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "spec": {}, "status": { "replicas": self.object["status"]["replicas"], "selector": "app=payments" },
        });
        // As the real server does it: `omitempty`.
        if self.replicas() != 0 {
            scale["spec"]["replicas"] = json!(self.replicas());
        }
        scale
    }

    /// Applies a JSON Patch to the scale, all or nothing.
    fn patch(&mut self, patch: &Value, keep: bool) -> (u16, Value) {
        let mut scale = self.scale();
        for step in patch.as_array().unwrap() {
            let path = step["path"].as_str().unwrap();
            let at = scale.pointer(path).cloned();
            let fits = match step["op"].as_str().unwrap() {
                "test" => at.unwrap_or(Value::Null) == step["value"],
                "replace" => at.is_some(),
                "add" => true,
                other => panic!("{other} is not an operation that was agreed on"),
            };
            if !fits {
                return (422, status("the server rejected our request due to an error in our request"));
            }
            if step["op"] != "test" {
                assert_eq!(path, "/spec/replicas", "nothing else is ours to write");
                scale["spec"]["replicas"] = step["value"].clone();
            }
        }
        if keep {
            let replicas = scale["spec"]["replicas"].as_u64().unwrap();
            self.set_by("warroom", u32::try_from(replicas).unwrap());
        }
        (200, scale)
    }
}

/// Sets replicas as `manager` would.
fn set_by(object: &mut Value, manager: &str, replicas: u32) {
    let generation = object["metadata"]["generation"].as_i64().unwrap() + 1;
    object["spec"]["replicas"] = json!(replicas);
    object["metadata"]["generation"] = json!(generation);
    object["metadata"]["resourceVersion"] = json!((100 + generation).to_string());
    object["metadata"]["managedFields"] = json!([{
        "manager": manager, "operation": "Update", "subresource": "scale", "time": "2026-11-21T03:24:00Z",
        "fieldsV1": { "f:spec": { "f:replicas": {} } },
    }]);
}

/// The server, and where it listens.
pub(in crate::respond) struct Fake {
    state: Arc<Mutex<State>>,
    pub(in crate::respond) intents: Arc<AtomicUsize>,
    pub(in crate::respond) url: String,
    _folder: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Fake {
    /// `payments/payments` with six replicas, all ready.
    pub(in crate::respond) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            object: json!({
                "kind": "Deployment", "apiVersion": "apps/v1",
                "metadata": {
                    "name": "payments", "namespace": "shop", "uid": "uid-1", "generation": 4,
                    "resourceVersion": "104", "labels": {}, "annotations": { "team": "money" },
                },
                "spec": {
                    "replicas": 6, "progressDeadlineSeconds": 600, "selector": { "matchLabels": { "app": "payments" } },
                    "template": { "spec": { "containers": [{ "name": "payments", "image": "payments:2.9.0" }] } },
                },
                "status": {
                    "observedGeneration": 4, "replicas": 6, "readyReplicas": 6, "availableReplicas": 6,
                    "updatedReplicas": 6, "conditions": null,
                },
            }),
            autoscalers: json!([]),
            scaled: Vec::new(),
            application: None,
            pods: Vec::new(),
            revisions: Vec::new(),
            objects: Objects::default(),
            argo: BTreeMap::new(),
            follows: true,
            allowed: true,
            forbidden: Vec::new(),
            dry_run: None,
            fault: Fault::None,
            then: None,
            seen: Vec::new(),
        }));
        let intents = Arc::new(AtomicUsize::new(0));
        let url = {
            let (state, intents) = (Arc::clone(&state), Arc::clone(&intents));
            let seen = move |asked: Asked| Seen {
                intents: intents.load(Ordering::SeqCst),
                body: asked.json(),
                method: asked.method,
                path: asked.path,
            };
            listen(move |asked| answer(&mut state.lock().unwrap(), seen(asked))).await
        };
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let fake = Self { state, intents, url, _folder: folder, kubeconfig };
        fake.write_kubeconfig(&[("prod", &fake.url)], "prod");
        fake
    }

    /// A kubeconfig with these contexts and their servers.
    pub(in crate::respond) fn write_kubeconfig(&self, contexts: &[(&str, &str)], current: &str) {
        let list =
            |part: &dyn Fn(&str, &str) -> Value| -> Vec<Value> { contexts.iter().map(|(n, u)| part(n, u)).collect() };
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": current,
            "clusters": list(&|name, url| json!({ "name": name, "cluster": { "server": url } })),
            "contexts": list(&|name, _| json!({ "name": name, "context": { "cluster": name, "user": name } })),
            "users": list(&|name, _| json!({ "name": name, "user": { "token": "t0ps3cret" } })),
        });
        // JSON is YAML.
        std::fs::write(&self.kubeconfig, config.to_string()).unwrap();
    }

    pub(in crate::respond) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// An environment that may be changed, with the context pinned.
    pub(in crate::respond) fn environment(&self) -> Environment {
        Environment {
            name: "prod-eu".into(),
            production: true,
            color: None,
            write: WritePolicy::Ask,
            write_window: Duration::from_secs(900),
            drill: false,
            kubernetes: Some(KubeAccess {
                kubeconfig: Some(self.kubeconfig.clone()),
                context: Some("prod".into()),
                namespaces: Vec::new(),
                usage_every: Duration::from_secs(15),
            }),
            aws: None,
            alertmanager: Vec::new(),
            prometheus: Vec::new(),
        }
    }
}

/// The Deployment, as a pane would name it.
pub(in crate::respond) fn payments() -> Target {
    Target {
        origin: Origin { env: "prod-eu".into(), source: "kubernetes".into() },
        kind: Kind::Deployment,
        path: ObjectPath::new("shop", "payments"),
        uid: Some("uid-1".into()),
    }
}

fn status(message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message })
}

fn answer(state: &mut State, seen: Seen) -> Reply {
    state.seen.push(seen.clone());
    let asked = seen.path.split('?').next().unwrap_or_default();
    if state.forbidden.contains(&asked) {
        return Reply::json(403, status("it is forbidden"));
    }
    if let Some(reply) =
        argo::answer(state, &seen).or_else(|| rollout::answer(state, &seen)).or_else(|| scalers::answer(state, &seen))
    {
        return reply;
    }
    let path = seen.path.split('?').next().unwrap_or_default();
    // The object may be a Rollout: it has a scale, too.
    let rollout = path.strip_prefix("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/payments");
    let rest = rollout.filter(|_| state.object["kind"] == "Rollout");
    let same = rest.map(|rest| format!("/apis/apps/v1/namespaces/shop/deployments/payments{rest}"));
    let path = same.as_deref().unwrap_or(path);
    if let Some(reply) = objects::answer(state, &seen, path) {
        return reply;
    }
    let ok = |value| Reply::json(200, value);
    if state.object["kind"] == "Rollout" && path == "/apis/apps/v1/namespaces/shop/replicasets" {
        return ok(json!({ "kind": "List", "metadata": {}, "items": [only_set(&state.object)] }));
    }
    // A Rollout's paths were told above.
    let kind = state.object["kind"].as_str().unwrap().to_ascii_lowercase().replace("rollout", "deployment");
    let scale = format!("/apis/apps/v1/namespaces/shop/{kind}s/payments/scale");
    let items = |items: Value| ok(json!({ "kind": "List", "metadata": {}, "items": items }));
    match (seen.method.as_str(), path) {
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/payments") => ok(state.look()),
        ("GET", path) if path == scale => ok(state.scale()),
        ("GET", "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers") => items(state.autoscalers.clone()),
        ("GET", "/api/v1/namespaces/shop/pods") => items(json!(state.pods)),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop") => match &state.application {
            Some(application) => ok(application.clone()),
            None => Reply::json(403, status("applications is forbidden")),
        },
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
            ok(json!({ "status": { "allowed": state.allowed, "reason": "" } }))
        }
        ("PATCH", path) if path == scale && seen.path.contains("dryRun=All") => match state.dry_run {
            Some((code, why)) => Reply::json(code, status(why)),
            None => {
                let (code, value) = state.patch(&seen.body, false);
                Reply::json(code, value)
            }
        },
        ("PATCH", path) if path == scale => write(state, &seen.body, State::patch),
        _ => Reply::json(404, status("the server could not find the requested resource")),
    }
}

/// The ReplicaSet of a Rollout that has one version.
fn only_set(rollout: &Value) -> Value {
    json!({
        "metadata": { "name": "payments-x1", "labels": { "rollouts-pod-template-hash": rollout["status"]["stableRS"] },
            "ownerReferences": [{ "kind": "Rollout", "uid": rollout["metadata"]["uid"], "controller": true }] },
        "spec": { "template": rollout["spec"]["template"] }, "status": rollout["status"],
    })
}

fn write(state: &mut State, patch: &Value, apply: fn(&mut State, &Value, bool) -> (u16, Value)) -> Reply {
    let fault = std::mem::replace(&mut state.fault, Fault::None);
    let take = || {
        let (code, value) = apply(state, patch, true);
        Reply::json(code, value)
    };
    let reply = fault.meets(take, refused);
    if let Some(then) = state.then.take_if(|_| fault.takes()) {
        then(state);
    }
    reply
}

fn refused(code: Option<u16>) -> Reply {
    Reply::json(code.unwrap_or(429), status("not now"))
}

impl Served for Fake {
    fn env(&self) -> EnvId {
        self.environment().name
    }

    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator> {
        let env = self.environment();
        let kubernetes = Kubernetes::new(&env, env.kubernetes.as_ref().unwrap(), clock.clone()).unwrap();
        Box::new(kubernetes.write_limit(Duration::from_secs(1)))
    }

    fn intents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.intents)
    }

    fn writes(&self) -> Vec<Wrote> {
        let wire = |seen: &Seen| format!("{} {} {}", seen.method, seen.path, seen.body);
        self.state().writes().iter().map(|seen| Wrote { intents: seen.intents, wire: wire(seen) }).collect()
    }

    /// Without what controllers set by themselves: the replicas under an autoscaler, the
    /// autoscaler that KEDA makes, the number of a Deployment's revision.
    fn holds(&self) -> Value {
        let state = self.state();
        let ours = |object: &Value| json!([object["spec"], object["metadata"]["annotations"]]);
        let autoscalers = state.autoscalers.as_array().unwrap();
        let mut workload = ours(&state.object);
        if !autoscalers.is_empty() || !state.scaled.is_empty() {
            workload[0].as_object_mut().unwrap().remove("replicas");
        }
        workload[1].as_object_mut().unwrap().remove(rollout::NUMBER);
        let scalers: Vec<_> =
            if state.scaled.is_empty() { autoscalers } else { &state.scaled }.iter().map(ours).collect();
        let objects: Vec<_> =
            state.objects.by_path.values().filter(|object| object.get("spec").is_some()).map(ours).collect();
        json!([workload, scalers, objects, argo::holds(&state.argo)])
    }

    fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }
}
