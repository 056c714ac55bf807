//! What an API server answers to who changes something: guards, conflicts, dry runs, scale,
//! questions about the caller, events, deletion.

use serde_json::{Value, json};

use super::read::status;
use super::side::{JSON, JSON_PATCH, MERGE, STRATEGIC, Side, cases};

fn deployments(name: &str) -> Value {
    json!({"name": name, "group": "apps", "kind": "deployments"})
}

async fn a_guarded_patch_is_taken_only_as_it_was_read(side: &Side) {
    let (whole, scale) = (side.apps("deployments/payments"), side.apps("deployments/payments/scale"));
    let uid = side.get(&whole).await["metadata"]["uid"].clone();
    let guarded = |uid: &Value, from: u32| {
        json!([{"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/spec/replicas", "value": from},
            {"op": "replace", "path": "/spec/replicas", "value": 5}])
    };
    let rejected = status(422, "Invalid", "the server rejected our request due to an error in our request", json!({}));
    for path in [&whole, &scale] {
        for patch in [guarded(&json!("another"), 4), guarded(&uid, 3)] {
            assert_eq!(side.send("PATCH", path, JSON_PATCH, patch).await.json(), rejected, "{path}");
        }
    }
    assert_eq!(side.get(&scale).await["spec"]["replicas"], 4, "nothing of this was taken");
    let taken = side.send("PATCH", &scale, JSON_PATCH, guarded(&uid, 4)).await;
    assert_eq!((taken.code, &taken.json()["spec"]["replicas"]), (200, &json!(5)));
    assert_eq!(side.get(&whole).await["spec"]["replicas"], 5);
}

async fn what_was_changed_meanwhile_is_a_conflict(side: &Side) {
    let (whole, scale) = (side.apps("deployments/payments"), side.apps("deployments/payments/scale"));
    let uid = side.get(&whole).await["metadata"]["uid"].as_str().unwrap().to_owned();
    let modified = "Operation cannot be fulfilled on deployments.apps \"payments\": the object has been modified; please \
                    apply your changes to the latest version and try again";
    let conflict = status(409, "Conflict", modified, deployments("payments"));
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}});
    for path in [&whole, &scale] {
        assert_eq!(side.send("PATCH", path, MERGE, stale.clone()).await.json(), conflict, "{path}");
        let mut put = side.get(path).await;
        put["metadata"]["resourceVersion"] = json!("1");
        assert_eq!(side.send("PUT", path, JSON, put).await.json(), conflict, "PUT {path}");
    }
    let other = json!({"metadata": {"uid": "another"}, "spec": {"replicas": 6}});
    let why = format!(
        "Operation cannot be fulfilled on deployments/scale.apps \"payments\": Precondition failed: UID in precondition: \
         another, UID in object meta: {uid}"
    );
    let details = json!({"name": "payments", "group": "apps", "kind": "deployments/scale"});
    assert_eq!(side.send("PATCH", &scale, MERGE, other.clone()).await.json(), status(409, "Conflict", &why, details));
    let answer = side.send("PATCH", &whole, MERGE, other).await;
    let got = answer.json();
    assert_eq!((answer.code, &got["reason"], &got["details"]["kind"]), (422, &json!("Invalid"), &json!("Deployment")));
    assert_eq!(
        got["message"],
        "Deployment.apps \"payments\" is invalid: metadata.uid: Invalid value: \"another\": field is immutable"
    );
    assert_eq!(got["details"]["causes"][0]["field"], "metadata.uid");
    assert_eq!(side.get(&scale).await["spec"]["replicas"], 4);
}

async fn a_dry_run_shows_what_would_be_and_changes_nothing(side: &Side) {
    let (whole, scale) = (side.apps("deployments/payments"), side.apps("deployments/payments/scale"));
    let query = "?dryRun=All&fieldManager=warroom&fieldValidation=Strict";
    let spec = async || side.get(&whole).await["spec"].clone();
    let before = spec().await;
    let dry = side.send("PATCH", &format!("{scale}{query}"), MERGE, json!({"spec": {"replicas": 9}})).await;
    assert_eq!((dry.code, &dry.json()["spec"]["replicas"]), (200, &json!(9)));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "payments", "image": "x:2"}]}}}});
    let dry = side.send("PATCH", &format!("{whole}{query}"), STRATEGIC, image).await.json();
    let container = &dry["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["image"], &container["resources"]["requests"]["cpu"]), (&json!("x:2"), &json!("100m")));
    let generation = |of: &Value| of["metadata"]["generation"].as_i64().unwrap();
    let now = side.get(&whole).await;
    assert_eq!(generation(&dry), generation(&now) + 1, "as if it were taken");
    assert_eq!(spec().await, before);
}

async fn scale_is_read_patched_and_replaced(side: &Side) {
    let (whole, scale) = (side.apps("deployments/payments"), side.apps("deployments/payments/scale"));
    // A status that is written between the two reads makes them differ: once more then.
    let (read, deployment) = loop {
        let pair = (side.get(&scale).await, side.get(&whole).await);
        if pair.0["metadata"]["resourceVersion"] == pair.1["metadata"]["resourceVersion"] {
            break pair;
        }
    };
    assert_eq!((&read["kind"], &read["apiVersion"]), (&json!("Scale"), &json!("autoscaling/v1")));
    for field in ["uid", "resourceVersion", "name", "namespace", "creationTimestamp"] {
        assert_eq!(read["metadata"][field], deployment["metadata"][field], "{field}");
    }
    assert_eq!(read["spec"], json!({"replicas": 4}));
    assert_eq!((&read["status"]["replicas"], &read["status"]["selector"]), (&json!(4), &json!("app=payments")));
    // Controllers write the status meanwhile: who replaces reads again until nobody was faster.
    side.until("it is replaced", async || {
        let mut put = side.get(&scale).await;
        put["spec"]["replicas"] = json!(5);
        let answer = side.send("PUT", &scale, JSON, put).await;
        assert!(answer.code == 200 || answer.code == 409, "{}", answer.text());
        answer.code == 200 && answer.json()["spec"]["replicas"] == 5
    })
    .await;
    side.until("five pods", async || side.pods("payments").await.len() == 5).await;
    let after = side.get(&whole).await;
    assert_eq!(
        after["metadata"]["generation"].as_i64(),
        deployment["metadata"]["generation"].as_i64().map(|number| number + 1)
    );
    side.scale("payments", 0).await;
    side.until("no pods", async || side.pods("payments").await.is_empty()).await;
    let none = side.get(&scale).await;
    assert!(none["spec"]["replicas"].is_null() || none["spec"]["replicas"] == 0, "nought may be left out: {none}");
    let guard = json!([{"op": "add", "path": "/spec/replicas", "value": 1}]);
    assert_eq!(side.send("PATCH", &scale, JSON_PATCH, guard).await.code, 200, "from nought by `add`");
    side.until("one pod", async || side.pods("payments").await.len() == 1).await;
}

async fn the_caller_is_told_who_it_is_and_what_it_may(side: &Side) {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let who = side.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", JSON, review).await;
    assert_eq!((who.code, &who.json()["status"]["userInfo"]["username"]), (201, &json!(side.user)));
    assert!(who.json()["status"]["userInfo"]["groups"].as_array().unwrap().contains(&json!("system:authenticated")));
    for (verb, sub) in [("patch", "scale"), ("get", ""), ("update", "scale")] {
        let attributes = json!({"namespace": side.namespace, "verb": verb, "group": "apps", "resource": "deployments",
            "subresource": sub, "name": "payments"});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes}});
        let may = side.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, review).await;
        assert_eq!((may.code, &may.json()["status"]["allowed"]), (201, &json!(true)), "{verb} {sub}");
        assert_eq!(may.json()["spec"]["resourceAttributes"]["verb"], verb);
    }
}

async fn an_event_that_is_posted_can_be_found(side: &Side) {
    let events = side.core("events");
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "note-"},
        "involvedObject": {"kind": "Deployment", "namespace": side.namespace, "name": "payments"},
        "reason": "Noted", "message": "looked at by ana", "type": "Warning", "count": 1});
    let posted = side.send("POST", &events, JSON, event.clone()).await;
    assert_eq!(posted.code, 201, "{}", posted.text());
    let name = posted.json()["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("note-") && name.len() > 5);
    let found = side.get(&format!("{events}?fieldSelector=reason%3DNoted,type%3DWarning")).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["message"], "looked at by ana");
    assert_eq!(side.get(&format!("{events}?fieldSelector=reason%3DNoted,type%3DNormal")).await["items"], json!([]));
    let mut again = event;
    again["metadata"] = json!({"name": name});
    let exists = side.send("POST", &events, JSON, again).await.json();
    let expected = status(
        409,
        "AlreadyExists",
        &format!("events \"{name}\" already exists"),
        json!({"name": name, "kind": "events"}),
    );
    assert_eq!(exists, expected);
}

async fn a_pod_is_deleted_only_if_it_is_the_one(side: &Side) {
    let name = &side.pods("payments").await[0];
    let path = side.core(&format!("pods/{name}"));
    let uid = side.get(&path).await["metadata"]["uid"].as_str().unwrap().to_owned();
    let only = |uid: &str| json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}});
    let why = format!(
        "Operation cannot be fulfilled on Pod \"{name}\": the UID in the precondition (another) does not match the UID in \
         record ({uid}). The object might have been deleted and then recreated"
    );
    let refused = status(409, "Conflict", &why, json!({"name": name, "kind": "Pod"}));
    assert_eq!(side.send("DELETE", &path, JSON, only("another")).await.json(), refused);
    let mut dry = only(&uid);
    dry["dryRun"] = json!(["All"]);
    assert_eq!(side.send("DELETE", &path, JSON, dry).await.code, 200);
    assert!(side.get(&path).await["metadata"]["deletionTimestamp"].is_null());
    let deleted = side.send("DELETE", &path, JSON, only(&uid)).await;
    let pod = deleted.json();
    assert_eq!((deleted.code, &pod["kind"], &pod["metadata"]["name"]), (200, &json!("Pod"), &json!(name)));
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "it ends, it is not gone yet");
    side.until("another pod takes its place", async || {
        let pods = side.pods("payments").await;
        pods.len() == 4 && !pods.contains(name)
    })
    .await;
    side.until("it is gone", async || side.call("GET", &path, &[], "").await.code == 404).await;
}

cases!(
    a_guarded_patch_is_taken_only_as_it_was_read,
    what_was_changed_meanwhile_is_a_conflict,
    a_dry_run_shows_what_would_be_and_changes_nothing,
    scale_is_read_patched_and_replaced,
    the_caller_is_told_who_it_is_and_what_it_may,
    an_event_that_is_posted_can_be_found,
    a_pod_is_deleted_only_if_it_is_the_one,
);
