//! Rolling back and restarting every kind that has revisions: on both servers through the program's
//! own desk, and on a real one against `kubectl rollout undo` and `restart`.

use std::sync::Mutex;

use serde_json::{Value, json};
use warroom::drill::kube::WorkloadKind;
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Plan, Progress, Replicas, Request, Revision};

use super::Shop;
use super::side::{STRATEGIC, Side, cases};
use crate::desk::Desk;

fn target(kind: Kind, namespace: &str, name: &str) -> Target {
    let origin = Origin { env: "real".into(), source: "kubernetes".into() };
    Target { origin, kind, path: ObjectPath::new(namespace, name), uid: None }
}

async fn a_rollback_its_undo_and_a_restart_keep_the_promises_of_the_gateway(side: &Side) {
    let desk = Desk::of(&side.config());
    let path = side.apps("deployments/payments");
    let image = async || side.get(&path).await["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let rolled = json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "ci/payments"}},
        "spec": {"template": {"spec": {"containers": [
            {"name": "payments", "image": "registry.example/payments:1.1.0"}]}}}});
    assert_eq!(side.send("PATCH", &path, STRATEGIC, rolled).await.code, 200);
    side.until("it is rolled out", async || {
        let now = side.get(&path).await;
        now["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
            && now["status"]["updatedReplicas"] == 4
    })
    .await;
    let before = side.get(&path).await;
    let of = || target(Kind::Deployment, &side.namespace, "payments");
    let back = Request::RollBack { target: of(), to: Revision::Previous };
    let done = desk.made(&back).await;
    assert_eq!(done.outcome.words().as_str(), "4 of 4 replaced, 4 of 4 available");
    assert_eq!(image().await, "registry.example/payments:1.0.0");
    let cause = async || side.get(&path).await["metadata"]["annotations"]["kubernetes.io/change-cause"].clone();
    assert_eq!(cause().await, Value::Null, "it goes back with the template");
    desk.undone(done).await;
    assert_eq!((side.get(&path).await["spec"].clone(), cause().await), (before["spec"].clone(), json!("ci/payments")));

    let pods = side.pods("payments").await;
    let restart = Request::Restart { target: of() };
    // On the second one the annotation is there already. The drill's pods take their time.
    for _ in 0..if side.is_drill() { 1 } else { 2 } {
        desk.made(&restart).await;
    }
    assert!(side.pods("payments").await.iter().all(|pod| !pods.contains(pod)), "every pod is another one");
    assert_eq!(image().await, "registry.example/payments:1.1.0");
}

/// A pod's UID: those of a StatefulSet keep their names.
async fn uids(side: &Side, app: &str) -> Vec<Value> {
    let list = side.get(&format!("{}?labelSelector=app%3D{app}", side.core("pods"))).await;
    let there = list["items"].as_array().unwrap().iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    there.map(|pod| pod["metadata"]["uid"].clone()).collect()
}

/// Rolls a workload out that was added as `ledger`.
async fn released(side: &Side, path: &str, version: &str, annotations: Value) {
    let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}, "spec": {"containers": [
        {"name": "ledger", "image": format!("registry.example/ledger:{version}")}]}}}});
    let answer = side.send("PATCH", path, STRATEGIC, patch).await;
    assert_eq!(answer.code, 200, "{}", answer.text());
}

async fn goes_back_forward_and_anew(side: &Side, kind: Kind, of: WorkloadKind) {
    side.hurry();
    let desk = Desk::of(&side.config());
    let path = side.of(&of, "ledger");
    side.add(of, "ledger", 3).await;
    let first = side.get(&path).await;
    released(side, &path, "1.1.0", json!({"example.com/build": "2"})).await;
    side.until("it is rolled out", async || {
        let (now, status) = (side.get(&path).await, side.get(&path).await["status"].clone());
        let all = if kind == Kind::DaemonSet { &status["desiredNumberScheduled"] } else { &now["spec"]["replicas"] };
        let (updated, ready) = match kind {
            Kind::DaemonSet => (&status["updatedNumberScheduled"], &status["numberAvailable"]),
            _ => (&status["updatedReplicas"], &status["availableReplicas"]),
        };
        status["observedGeneration"] == now["metadata"]["generation"]
            && status["currentRevision"] == status["updateRevision"]
            && (updated, ready) == (all, all)
    })
    .await;
    let second = side.get(&path).await;
    let of = || target(kind, &side.namespace, "ledger");
    let back = Request::RollBack { target: of(), to: Revision::Previous };
    let done = desk.made(&back).await;
    let words = done.outcome.words().to_string();
    assert!(words.contains("replaced") && words.contains("available"), "{words}");
    assert_eq!(side.get(&path).await["spec"], first["spec"]);
    desk.undone(done).await;
    assert_eq!(side.get(&path).await["spec"], second["spec"]);

    // What kubectl sends, which is the revision's own data, leaves the same.
    let list = side.get(&side.apps("controllerrevisions?labelSelector=app%3Dledger")).await;
    let image = "/data/spec/template/spec/containers/0/image";
    let of_first = |one: &&Value| one.pointer(image) == Some(&json!("registry.example/ledger:1.0.0"));
    let kept = list["items"].as_array().unwrap().iter().find(of_first).unwrap();
    let dry = side.send("PATCH", &format!("{path}?dryRun=All"), STRATEGIC, kept["data"].clone()).await;
    assert_eq!((dry.code, &dry.json()["spec"]), (200, &first["spec"]));

    let pods = uids(side, "ledger").await;
    desk.made(&Request::Restart { target: of() }).await;
    assert!(uids(side, "ledger").await.iter().all(|pod| !pods.contains(pod)), "every pod is another one");
    if kind == Kind::StatefulSet {
        let scale = Request::Scale { target: of(), to: Replicas::Exactly(4) };
        let done = desk.made(&scale).await;
        assert_eq!(side.pods("ledger").await, ["ledger-0", "ledger-1", "ledger-2", "ledger-3"]);
        desk.undone(done).await;
        assert_eq!(side.pods("ledger").await, ["ledger-0", "ledger-1", "ledger-2"]);
    }
}

async fn a_stateful_set_goes_back_forward_and_anew(side: &Side) {
    goes_back_forward_and_anew(side, Kind::StatefulSet, WorkloadKind::StatefulSet).await;
}

async fn a_daemon_set_goes_back_forward_and_anew(side: &Side) {
    goes_back_forward_and_anew(side, Kind::DaemonSet, WorkloadKind::DaemonSet).await;
}

/// kubernetes#67250, as it is: a rollback does not replace the pod that the release broke.
async fn a_stateful_set_stays_on_its_broken_pod_and_the_gateway_says_which(side: &Side) {
    let desk = Desk::of(&side.config());
    let path = side.of(&WorkloadKind::StatefulSet, "ledger");
    side.add(WorkloadKind::StatefulSet, "ledger", 3).await;
    side.spoil("registry.example/ledger:1.1.0");
    released(side, &path, "1.1.0", json!({"sim/fail": "not-ready"})).await;
    let last = side.core("pods/ledger-2");
    side.until("its last pod is broken", async || {
        let pod = side.call("GET", &last, &[], "").await;
        // Between the old one and the new one there is none.
        pod.code == 200
            && pod.json()["spec"]["containers"][0]["image"] == "registry.example/ledger:1.1.0"
            && pod.json()["status"]["phase"] == "Running"
    })
    .await;

    let want =
        Request::RollBack { target: target(Kind::StatefulSet, &side.namespace, "ledger"), to: Revision::Previous };
    let plan = desk.allowed(&want).await;
    assert!(plan.facts.iter().any(|fact| fact.warns && fact.words.contains("kubernetes#67250")), "{:?}", plan.facts);
    let told: Mutex<Vec<String>> = Mutex::default();
    let tell = |progress| {
        if let Progress::Under { words } = progress {
            told.lock().unwrap().push(words.to_string());
        }
    };
    let action = desk.engine.apply(plan, &desk.actor, &desk.journal, &tell);
    let cure = async {
        let named = async || told.lock().unwrap().iter().any(|words| words.contains("ledger-2 is not ready"));
        side.until("the pod is named", named).await;
        assert_eq!(side.call("DELETE", &last, &[], "").await.code, 200);
    };
    let (ended, ()) = tokio::join!(action, cure);
    let outcome = ended.unwrap().outcome;
    assert_eq!(outcome.as_str(), "verified", "{outcome:?}");
}

cases!(
    a_rollback_its_undo_and_a_restart_keep_the_promises_of_the_gateway,
    a_stateful_set_goes_back_forward_and_anew,
    a_daemon_set_goes_back_forward_and_anew,
    a_stateful_set_stays_on_its_broken_pod_and_the_gateway_says_which,
);

/// A workload of some version: templates that differ in more than an image.
fn workload(kind: Kind, version: u32) -> Value {
    let labels = json!({ "app": "payments" });
    let mut env = vec![json!({ "name": "GREETING", "value": "grüß \"dich\"\n" })];
    if version != 2 {
        env.push(json!({ "name": "RATE_LIMIT", "value": version.to_string() }));
    }
    let template = json!({
        "metadata": { "labels": labels, "annotations": { "example.com/build": version.to_string() } },
        "spec": { "containers": [{ "name": "app", "image": format!("registry.example/payments:1.{version}.0"),
            "env": env, "ports": [{ "containerPort": 8080 }] }] },
    });
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind.as_str(),
        "metadata": { "name": "payments", "annotations": {
            "kubernetes.io/change-cause": format!("release 1.{version}.0"), "example.com/of": version.to_string() } },
        "spec": { "selector": { "matchLabels": labels }, "template": template },
    });
    if kind != Kind::DaemonSet {
        object["spec"]["replicas"] = json!(3);
    }
    if kind == Kind::StatefulSet {
        object["spec"]["serviceName"] = json!("payments");
    }
    object
}

/// What a rollback may touch, without what controllers and the server count.
fn touched(shop: &Shop, kind: Kind) -> (Value, Value, Value) {
    let text = shop.kubectl(&["get", kind.as_str(), "payments", "-o", "json"]);
    let mut object: Value = serde_json::from_str(&text).unwrap();
    let meta = &mut object["metadata"];
    for counted in ["deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"] {
        meta["annotations"].as_object_mut().unwrap().remove(counted);
    }
    (object["spec"].clone(), object["metadata"]["annotations"].clone(), object["metadata"]["labels"].clone())
}

/// The command of a plan, as a person would paste it.
fn pasted(shop: &Shop, kind: Kind, plan: &Plan) {
    let out = std::process::Command::new("sh").args(["-c", plan.command.as_str()]).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}: {told}{}", plan.command, String::from_utf8_lossy(&out.stderr));
    assert!(!told.contains("skipped"), "{}: {told}", plan.command);
    shop.kubectl(&["rollout", "status", &format!("{kind}/payments"), "--timeout=90s"]);
}

async fn a_rollback_leaves_what_kubectl_leaves(kind: Kind) {
    let shop = Shop::open().await;
    let desk = Desk::of(&acting(&shop));
    let mut versions = Vec::new();
    for version in 1..=3 {
        shop.apply(&workload(kind, version));
        shop.kubectl(&["rollout", "status", &format!("{kind}/payments"), "--timeout=90s"]);
        versions.push(touched(&shop, kind));
    }
    let of = || target(kind, &shop.namespace, "payments");
    let back = |to| Request::RollBack { target: of(), to };
    // The one before, then one that is named: it is never the one before.
    for (to, image) in [(Revision::Previous, "1.2.0"), (Revision::Named("1".into()), "1.1.0")] {
        let start = touched(&shop, kind);
        let done = desk.made(&back(to)).await;
        let ours = touched(&shop, kind);
        assert!(ours.0["template"]["spec"]["containers"][0]["image"].as_str().unwrap().ends_with(image), "{kind}");
        assert_ne!(ours, start);
        desk.undone(done).await;
        assert_eq!(touched(&shop, kind), start, "{kind}: do and undo is the identity");

        // The one before is the same again, under another number.
        let plan = desk.allowed(&back(Revision::Previous)).await;
        assert!(plan.command.contains("rollout undo"), "{}", plan.command);
        pasted(&shop, kind, &plan);
        assert_eq!(touched(&shop, kind), ours, "{kind}: kubectl leaves something else");
    }
    if kind == Kind::Deployment {
        assert_eq!(touched(&shop, kind).1["example.com/of"], "1", "annotations go with it");
    }

    // A restart differs from kubectl's in the time alone.
    let restart = Request::Restart { target: of() };
    let key = "/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let untimed = || {
        let mut now = touched(&shop, kind);
        let time = now.0.pointer_mut(key).unwrap().take();
        assert!(time.as_str().is_some_and(|time| chrono::DateTime::parse_from_rfc3339(time).is_ok()), "{time}");
        now
    };
    desk.made(&restart).await;
    let ours = untimed();
    pasted(&shop, kind, &desk.allowed(&restart).await);
    assert_eq!(untimed(), ours, "{kind}");
}

/// The configuration of a session that may change this namespace.
fn acting(shop: &Shop) -> String {
    let text = shop.config().replacen("production = false", "production = false\nwrite = \"ask\"", 1);
    text.replacen("[environments.real.kubernetes]", "[environments.real.kubernetes]\ncontext = \"plane\"", 1)
}

mod beside_kubectl {
    mod real {
        mod kubernetes {
            use warroom::model::name::Kind;

            #[tokio::test]
            #[ignore = "needs kubernetes: tests/run starts it"]
            async fn a_rollback_of_a_deployment_leaves_what_kubectl_leaves() {
                super::super::super::a_rollback_leaves_what_kubectl_leaves(Kind::Deployment).await;
            }

            #[tokio::test]
            #[ignore = "needs kubernetes: tests/run starts it"]
            async fn a_rollback_of_a_stateful_set_leaves_what_kubectl_leaves() {
                super::super::super::a_rollback_leaves_what_kubectl_leaves(Kind::StatefulSet).await;
            }

            #[tokio::test]
            #[ignore = "needs kubernetes: tests/run starts it"]
            async fn a_rollback_of_a_daemon_set_leaves_what_kubectl_leaves() {
                super::super::super::a_rollback_leaves_what_kubectl_leaves(Kind::DaemonSet).await;
            }
        }
    }
}
