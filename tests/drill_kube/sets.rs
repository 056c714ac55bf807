//! StatefulSets and DaemonSets: in which order their pods change, and what they were before.

use serde_json::{Value, json};
use warroom::drill::kube::WorkloadKind;

use super::shop::*;

const STATEFUL: &str = "/apis/apps/v1/namespaces/shop/statefulsets/ledger";
const DAEMON: &str = "/apis/apps/v1/namespaces/shop/daemonsets/ledger";
const REVISIONS: &str = "/apis/apps/v1/namespaces/shop/controllerrevisions?labelSelector=app%3Dledger";

fn versions(shop: &Shop) -> Vec<String> {
    shop.ledger().iter().map(|pod| pod.image.rsplit(':').next().unwrap().to_owned()).collect()
}

/// Number and version of each ControllerRevision, in order.
async fn revisions(shop: &Shop) -> Vec<(i64, String)> {
    let list = shop.get(REVISIONS).await;
    let of = |one: &Value| {
        let image = one["data"]["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
        (one["revision"].as_i64().unwrap(), image.rsplit(':').next().unwrap().to_owned())
    };
    let mut all: Vec<_> = list["items"].as_array().unwrap().iter().map(of).collect();
    all.sort();
    all
}

/// What `kubectl rollout undo` sends: the data of the revision of that number.
async fn undo(shop: &Shop, path: &str, to: i64) {
    let list = shop.get(REVISIONS).await;
    let one = list["items"].as_array().unwrap().iter().find(|one| one["revision"] == to).unwrap();
    let (code, answer) = shop.patch(path, STRATEGIC, one["data"].clone()).await;
    assert_eq!(code, 200, "{answer}");
}

fn told(told: &[(i64, &str)]) -> Vec<(i64, String)> {
    told.iter().map(|(number, version)| (*number, (*version).to_owned())).collect()
}

#[tokio::test]
async fn a_stateful_set_has_numbered_pods_and_a_revision_for_each_template_it_had() {
    let shop = Shop::beside(WorkloadKind::StatefulSet, 3);
    let names: Vec<_> = shop.ledger().into_iter().map(|pod| pod.name).collect();
    assert_eq!(names, ["ledger-0", "ledger-1", "ledger-2"]);
    let set = shop.get(STATEFUL).await;
    let (status, meta) = (&set["status"], &set["metadata"]);
    assert_eq!(
        (&status["readyReplicas"], &status["updatedReplicas"], &status["replicas"]),
        (&json!(3), &json!(3), &json!(3))
    );
    assert_eq!(
        (&status["currentRevision"], &meta["generation"]),
        (&status["updateRevision"], &status["observedGeneration"])
    );
    assert_eq!(revisions(&shop).await, told(&[(1, "1.0.0"), (2, "1.1.0")]));
    let pod = shop.get(&format!("{PODS}/ledger-2")).await;
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["controller-revision-hash"], status["updateRevision"]);
    assert_eq!(
        (&labels["statefulset.kubernetes.io/pod-name"], &pod["spec"]["hostname"]),
        (&json!("ledger-2"), &json!("ledger-2"))
    );
    assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
}

#[tokio::test]
async fn a_stateful_set_rolls_from_its_highest_pod_down_one_at_a_time_and_back_under_a_new_number() {
    let mut shop = Shop::beside(WorkloadKind::StatefulSet, 3);
    let before = shop.get(STATEFUL).await;
    shop.release("2.0.0");
    let mut order = Vec::new();
    for _ in 0..60 {
        shop.seconds(1);
        let now = shop.ledger();
        assert!(now.iter().filter(|pod| pod.ready).count() >= 2, "one at a time: {now:?}");
        let new = now.into_iter().filter(|pod| pod.image.ends_with("2.0.0"));
        order.extend(new.map(|pod| pod.name).filter(|name| !order.contains(name)).collect::<Vec<_>>());
    }
    assert_eq!(order, ["ledger-2", "ledger-1", "ledger-0"]);
    assert_eq!(revisions(&shop).await, told(&[(1, "1.0.0"), (2, "1.1.0"), (3, "2.0.0")]));
    undo(&shop, STATEFUL, 2).await;
    let after = shop.get(STATEFUL).await;
    assert_eq!(after["spec"], before["spec"]);
    shop.seconds(60);
    assert_eq!(versions(&shop), ["1.1.0"; 3]);
    assert_eq!(revisions(&shop).await, told(&[(1, "1.0.0"), (3, "2.0.0"), (4, "1.1.0")]));
    let set = shop.get(STATEFUL).await;
    assert_eq!(set["status"]["currentRevision"], before["status"]["currentRevision"]);
}

#[tokio::test]
async fn a_stateful_set_stays_on_a_broken_pod_until_somebody_deletes_it() {
    let mut shop = Shop::beside(WorkloadKind::StatefulSet, 3);
    shop.release("2.0.0");
    shop.seconds(4);
    assert_eq!(versions(&shop), ["1.1.0", "1.1.0", "2.0.0"]);
    shop.cluster.set_ready("shop", "ledger-2", false);
    shop.seconds(60);
    undo(&shop, STATEFUL, 2).await;
    shop.seconds(300);
    assert_eq!(versions(&shop), ["1.1.0", "1.1.0", "2.0.0"], "kubernetes#67250");
    let status = shop.get(STATEFUL).await["status"].clone();
    assert_eq!((&status["readyReplicas"], &status["updatedReplicas"]), (&json!(2), &json!(2)));
    let (code, _) = shop.call("DELETE", &format!("{PODS}/ledger-2"), "", Value::Null).await;
    assert_eq!(code, 200);
    shop.seconds(20);
    assert_eq!(
        (versions(&shop), shop.get(STATEFUL).await["status"]["readyReplicas"].clone()),
        (vec!["1.1.0".to_owned(); 3], json!(3))
    );
}

#[tokio::test]
async fn a_stateful_set_grows_and_shrinks_in_order_and_keeps_what_it_was_born_with() {
    let mut shop = Shop::beside(WorkloadKind::StatefulSet, 3);
    let scale = format!("{STATEFUL}/scale");
    let patch = |count: i64| {
        json!([{"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": count}])
    };
    let (code, dry) = shop.patch(&format!("{scale}?dryRun=All"), JSON_PATCH, patch(5)).await;
    assert_eq!((code, &dry["spec"]["replicas"]), (200, &json!(5)));
    shop.seconds(10);
    assert_eq!(shop.ledger().len(), 3, "a dry run changes nothing");
    assert_eq!(shop.patch(&scale, JSON_PATCH, patch(5)).await.0, 200);
    shop.seconds(2);
    assert_eq!(shop.ledger().len(), 4, "the fifth waits for the fourth");
    shop.seconds(30);
    assert_eq!(shop.ledger().iter().filter(|pod| pod.ready).count(), 5);
    assert_eq!(shop.patch(&scale, JSON_PATCH, patch(1)).await.0, 422, "it is not 3 any more");
    assert_eq!(shop.patch(&scale, MERGE, json!({"spec": {"replicas": 1}})).await.0, 200);
    shop.seconds(2);
    assert_eq!(shop.ledger().last().unwrap().name, "ledger-3", "the highest goes first");
    shop.seconds(30);
    assert_eq!(shop.ledger().iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["ledger-0"]);

    let (code, answer) = shop.patch(STATEFUL, MERGE, json!({"spec": {"serviceName": "other"}})).await;
    assert_eq!(code, 422);
    assert!(answer["message"].as_str().unwrap().contains("are forbidden"), "{answer}");
}

#[tokio::test]
async fn a_daemon_set_has_a_pod_on_every_node_and_replaces_them_one_after_the_other() {
    let mut shop = Shop::beside(WorkloadKind::DaemonSet, 3);
    let nodes = |shop: &Shop| {
        let mut nodes: Vec<_> = shop.ledger().into_iter().map(|pod| pod.node.unwrap()).collect();
        nodes.sort();
        nodes
    };
    assert_eq!(nodes(&shop), ["a1", "b1", "c1"]);
    let before = shop.get(DAEMON).await;
    let status = &before["status"];
    assert_eq!((&status["desiredNumberScheduled"], &status["numberAvailable"]), (&json!(3), &json!(3)));
    let count = "deprecated.daemonset.template.generation";
    assert_eq!(before["metadata"]["annotations"][count], "2");
    shop.release("2.0.0");
    for _ in 0..60 {
        shop.seconds(1);
        assert!(shop.ledger().iter().filter(|pod| pod.ready).count() >= 2, "one node at a time");
    }
    assert_eq!(
        (versions(&shop), nodes(&shop)),
        (vec!["2.0.0".to_owned(); 3], ["a1", "b1", "c1"].map(str::to_owned).to_vec())
    );
    undo(&shop, DAEMON, 2).await;
    shop.seconds(60);
    let after = shop.get(DAEMON).await;
    assert_eq!((&after["spec"], &after["metadata"]["annotations"][count]), (&before["spec"], &json!("4")));
    assert_eq!(revisions(&shop).await, told(&[(1, "1.0.0"), (3, "2.0.0"), (4, "1.1.0")]));
    assert_eq!((versions(&shop), &after["status"]["updatedNumberScheduled"]), (vec!["1.1.0".to_owned(); 3], &json!(3)));
}

#[tokio::test]
async fn a_daemon_set_waits_for_a_broken_pod_and_a_rollback_takes_that_one_first() {
    let mut shop = Shop::beside(WorkloadKind::DaemonSet, 3);
    shop.release("2.0.0");
    shop.seconds(4);
    let broken = shop.ledger().into_iter().find(|pod| pod.image.ends_with("2.0.0")).unwrap().name;
    shop.cluster.set_ready("shop", &broken, false);
    shop.seconds(120);
    let count = |shop: &Shop, version: &str| versions(shop).iter().filter(|one| *one == version).count();
    assert_eq!((count(&shop, "2.0.0"), count(&shop, "1.1.0")), (1, 2));
    undo(&shop, DAEMON, 2).await;
    shop.seconds(20);
    assert_eq!((count(&shop, "1.1.0"), shop.ledger().iter().filter(|pod| pod.ready).count()), (3, 3));
    // Its pods stay where they are when a node fails.
    shop.cluster.set_node_ready("a1", false);
    shop.seconds(400);
    assert_eq!(shop.ledger().len(), 3);
    assert!(shop.pods().iter().all(|pod| pod.node.as_deref() != Some("a1")), "a Deployment's pods are moved");
}

#[tokio::test]
async fn one_seed_names_their_pods_and_revisions_the_same_way() {
    let story = async || {
        let mut shop = Shop::beside(WorkloadKind::DaemonSet, 3);
        shop.release("2.0.0");
        shop.seconds(30);
        (shop.get(PODS).await, shop.get(REVISIONS).await)
    };
    assert_eq!(story().await, story().await);
}

#[tokio::test]
async fn a_stateful_set_counts_its_pods_and_its_partition_from_the_first_ordinal() {
    let mut shop = Shop::beside(WorkloadKind::StatefulSet, 3);
    let names = |shop: &Shop| shop.ledger().into_iter().map(|pod| pod.name).collect::<Vec<_>>();
    let start = |first: i64| json!({"spec": {"ordinals": {"start": first}}});
    assert_eq!(shop.patch(STATEFUL, MERGE, start(2)).await.0, 200);
    shop.seconds(60);
    assert_eq!(names(&shop), ["ledger-2", "ledger-3", "ledger-4"], "those outside go, those that lack come");
    let pod = shop.get(&format!("{PODS}/ledger-4")).await;
    assert_eq!(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "4");
    let keeps = json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}});
    assert_eq!(shop.patch(STATEFUL, MERGE, keeps).await.0, 200);
    shop.release("2.0.0");
    shop.seconds(60);
    assert_eq!(versions(&shop), ["1.1.0", "2.0.0", "2.0.0"]);
    assert_eq!(shop.get(STATEFUL).await["status"]["readyReplicas"], 3);
    // A client's figure that is out of all proportion.
    assert_eq!(shop.patch(STATEFUL, MERGE, start(i64::MAX)).await.0, 200);
    shop.seconds(60);
    assert_eq!(shop.ledger().len(), 3);
}

#[tokio::test]
async fn pods_go_to_nodes_that_their_selector_takes() {
    let mut shop = Shop::beside(WorkloadKind::DaemonSet, 3);
    let nodes = |shop: &Shop| {
        let mut nodes: Vec<_> = shop.ledger().into_iter().filter_map(|pod| pod.node).collect();
        nodes.sort();
        nodes
    };
    let only = |zone: &str| {
        let selector = json!({"topology.kubernetes.io/zone": zone});
        json!({"spec": {"template": {"spec": {"nodeSelector": selector}}}})
    };
    assert_eq!(shop.patch(DAEMON, MERGE, only("eu-1b")).await.0, 200);
    shop.seconds(60);
    let status = shop.get(DAEMON).await["status"].clone();
    assert_eq!((nodes(&shop), &status["desiredNumberScheduled"]), (vec!["b1".to_owned()], &json!(1)));
    assert_eq!((&status["numberReady"], &status["numberMisscheduled"]), (&json!(1), &json!(0)));
    assert_eq!(shop.patch(DAEMON, MERGE, only("nowhere")).await.0, 200);
    shop.seconds(60);
    assert_eq!((shop.ledger().len(), &shop.get(DAEMON).await["status"]["desiredNumberScheduled"]), (0, &json!(0)));

    // The scheduler goes by it, too.
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, only("eu-1c")).await.0, 200);
    shop.seconds(120);
    assert!(shop.pods().iter().all(|pod| pod.node.as_deref() == Some("c1")), "{:?}", shop.pods());
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, only("nowhere")).await.0, 200);
    shop.seconds(60);
    let waits = shop.pods().into_iter().find(|pod| pod.node.is_none()).unwrap().name;
    let pod = shop.get(&format!("{PODS}/{waits}")).await;
    assert_eq!(
        condition(&pod, "PodScheduled")["message"],
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are \
         available: 3 Preemption is not helpful for scheduling."
    );
}
