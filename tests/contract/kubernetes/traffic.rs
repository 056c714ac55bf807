//! Diverting traffic, against both: guards on custom resources and Services, and the program's own
//! plans. On the real one the resources are defined as Istio and the Gateway API publish them, as far
//! as weights go, and their controllers are the test.

use serde_json::{Value, json};
use warroom::drill::kube::RouteKind;
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Plan, Request, Share};
use warroom::respond::Ended;

use super::read::status;
use super::side::{JSON, JSON_PATCH, MERGE, Side, cases};
use crate::desk::Desk;

const KINDS: [Kind; 2] = [Kind::VirtualService, Kind::HttpRoute];

fn path(side: &Side, kind: Kind) -> String {
    let (api, plural, name) = match kind {
        Kind::VirtualService => ("/apis/networking.istio.io/v1", "virtualservices", "payments"),
        Kind::HttpRoute => ("/apis/gateway.networking.k8s.io/v1", "httproutes", "payments"),
        _ => ("/api/v1", "services", "catalog"),
    };
    format!("{api}/namespaces/{}/{plural}/{name}", side.namespace)
}

/// The entry of the second destination.
fn second(kind: Kind) -> &'static str {
    if kind == Kind::VirtualService { "/spec/http/0/route/1" } else { "/spec/rules/0/backendRefs/1" }
}

/// Whatever is called for on `payments` goes to payments, and could go to catalog.
async fn divided(side: &Side) {
    if side.is_drill() {
        side.divide(RouteKind::VirtualService);
        side.divide(RouteKind::HttpRoute);
        return;
    }
    for definition in [virtual_services(), http_routes()] {
        let made = side.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", JSON, definition).await;
        assert!(made.code == 201 || made.code == 409, "{}", made.text());
    }
    for kind in KINDS {
        let list = path(side, kind);
        let list = list.trim_end_matches("/payments");
        side.until("the resource is served", async || side.call("GET", list, &[], "").await.code == 200).await;
    }
    for name in ["payments", "catalog"] {
        let service = json!({"metadata": {"name": name}, "spec": {"selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}});
        let made = side.send("POST", &side.core("services"), JSON, service).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
    let mesh = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "payments"},
        "spec": {"hosts": ["payments"], "http": [{"route": [
            {"destination": {"host": "payments"}, "weight": 100}, {"destination": {"host": "catalog"}}]}]}});
    let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "payments"}, "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [
            {"name": "payments", "port": 80}, {"name": "catalog", "port": 80, "weight": 0}]}]}});
    for (kind, object) in [(Kind::VirtualService, mesh), (Kind::HttpRoute, gateway)] {
        let at = path(side, kind);
        let made = side.send("POST", at.trim_end_matches("/payments"), JSON, object).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
}

fn definition(group: &str, names: &Value, versions: &[&str], spec: &Value, status: &Value) -> Value {
    let version = |(at, name): (usize, &&str)| {
        json!({"name": name, "served": true, "storage": at == 0, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}}})
    };
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    let annotations = json!({"api-approved.kubernetes.io": "unapproved, a part of the published one for tests"});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{group}", names["plural"].as_str().unwrap()), "annotations": annotations},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": versions}})
}

fn virtual_services() -> Value {
    let text = json!({"type": "string"});
    let destination = json!({"type": "object", "required": ["host"], "properties": {
        "host": text, "subset": text, "port": {"type": "object", "properties": {"number": {"type": "integer"}}}}});
    let route = json!({"type": "array", "items": {"type": "object", "required": ["destination"],
        "properties": {"destination": destination, "weight": {"type": "integer", "format": "int32"}}}});
    let http = json!({"type": "array", "items": {"type": "object", "properties": {"name": text, "route": route}}});
    let spec = json!({"type": "object", "properties": {"hosts": {"type": "array", "items": text}, "http": http}});
    let names = json!({"plural": "virtualservices", "singular": "virtualservice", "kind": "VirtualService"});
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definition("networking.istio.io", &names, &["v1", "v1beta1"], &spec, &status)
}

fn http_routes() -> Value {
    let text = json!({"type": "string"});
    let weight = json!({"type": "integer", "format": "int32", "default": 1, "minimum": 0, "maximum": 1_000_000});
    let backend = json!({"type": "object", "required": ["name"], "properties": {
        "group": {"type": "string", "default": ""}, "kind": {"type": "string", "default": "Service"}, "name": text,
        "namespace": text, "port": {"type": "integer", "format": "int32"}, "weight": weight}});
    let backends = json!({"type": "array", "maxItems": 16, "x-kubernetes-list-type": "atomic", "items": backend});
    let rules = json!({"type": "array", "x-kubernetes-list-type": "atomic",
        "items": {"type": "object", "properties": {"name": text, "backendRefs": backends}}});
    let parents = json!({"type": "array", "items": {"type": "object", "properties": {"name": text}}});
    let spec = json!({"type": "object", "properties": {"parentRefs": parents, "rules": rules}});
    let names = json!({"plural": "httproutes", "singular": "httproute", "kind": "HTTPRoute"});
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definition("gateway.networking.k8s.io", &names, &["v1", "v1beta1"], &spec, &status)
}

async fn a_guarded_patch_of_a_custom_resource_is_taken_only_as_it_was_read(side: &Side) {
    divided(side).await;
    let rejected = status(422, "Invalid", "the server rejected our request due to an error in our request", json!({}));
    for kind in KINDS {
        let (path, at) = (path(side, kind), second(kind));
        let before = side.get(&path).await;
        let (uid, entry) = (&before["metadata"]["uid"], before.pointer(at).unwrap());
        let with = |weight: u32| {
            let mut entry = entry.clone();
            entry["weight"] = json!(weight);
            entry
        };
        let guarded = |uid: &Value, from: &Value| {
            json!([{"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "test", "path": at, "value": from},
                {"op": "replace", "path": at, "value": with(40)}])
        };
        for patch in [guarded(&json!("another"), entry), guarded(uid, &with(7))] {
            assert_eq!(side.send("PATCH", &path, JSON_PATCH, patch).await.json(), rejected, "{path}");
        }
        let dry = format!("{path}?dryRun=All&fieldManager=warroom");
        let would = side.send("PATCH", &dry, JSON_PATCH, guarded(uid, entry)).await;
        assert_eq!((would.code, would.json().pointer(at).unwrap()), (200, &with(40)));
        assert_eq!(side.get(&path).await["spec"], before["spec"], "nothing of this was taken");
        let taken = side.send("PATCH", &path, JSON_PATCH, guarded(uid, entry)).await;
        assert_eq!((taken.code, taken.json().pointer(at).unwrap()), (200, &with(40)));
        let generation = |of: &Value| of["metadata"]["generation"].as_i64().unwrap();
        assert_eq!(generation(&side.get(&path).await), generation(&before) + 1);
        let strange = json!([{"op": "replace", "path": format!("{at}/weight"), "value": "much"}]);
        assert_eq!(side.send("PATCH", &path, JSON_PATCH, strange).await.code, 422, "a weight is a number");
    }
}

/// Applies a plan, with the gateways' part played where there are none.
async fn apply(desk: &Desk, side: &Side, plan: Plan) -> Ended {
    let kind = plan.target.kind;
    let action = desk.apply(plan);
    if side.is_drill() || kind != Kind::HttpRoute {
        return action.await;
    }
    let path = path(side, kind);
    let before = side.get(&path).await["metadata"]["generation"].clone();
    let gateway = async {
        side.until("it is written", async || side.get(&path).await["metadata"]["generation"] != before).await;
        let generation = side.get(&path).await["metadata"]["generation"].clone();
        let condition = |kind: &str| json!({"type": kind, "status": "True", "observedGeneration": generation});
        let parents = json!([{"parentRef": {"name": "edge"}, "controllerName": "test.example/gateway",
            "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]);
        let told = side.send("PATCH", &format!("{path}/status"), MERGE, json!({"status": {"parents": parents}})).await;
        assert_eq!(told.code, 200, "{}", told.text());
    };
    let (ended, ()) = tokio::join!(action, gateway);
    ended
}

fn target(side: &Side, kind: Kind) -> Target {
    Target {
        origin: Origin { env: "real".into(), source: "kubernetes".into() },
        kind,
        path: ObjectPath::new(side.namespace.as_str(), if kind == Kind::Service { "catalog" } else { "payments" }),
        uid: None,
    }
}

async fn a_diversion_keeps_the_promises_of_the_gateway(side: &Side) {
    divided(side).await;
    let desk = Desk::of(&side.config());
    for kind in KINDS {
        let path = path(side, kind);
        let before = side.get(&path).await["spec"].clone();
        let divert = |weight: u32| Request::Divert {
            target: target(side, kind),
            shares: vec![Share { destination: "catalog".into(), weight }],
        };
        let plan = desk.allowed(&divert(40)).await;
        assert_eq!(plan.changed(), "payments 100 % → 60 %, catalog 0 % → 40 %");
        assert_eq!(plan.blast.words, "40 % of the traffic moves; 4 ready pods carry it now, 6 will");
        let stale = desk.allowed(&divert(30)).await;
        let done = apply(&desk, side, plan).await;
        assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
        let weight = async |at: &str| side.get(&path).await.pointer(at).unwrap()["weight"].clone();
        assert_eq!(weight(second(kind)).await, 40);
        let refused = desk.apply(stale).await.outcome;
        assert!(refused.words().contains("was changed since the plan was made"), "{refused:?}");

        let undone = apply(&desk, side, desk.allowed(&Request::Undo { plan: Box::new(done.plan) }).await).await;
        assert_eq!((undone.outcome.as_str(), &side.get(&path).await["spec"]), ("verified", &before));

        // Somebody else, whom a real server knows by name.
        let done = apply(&desk, side, desk.allowed(&divert(40)).await).await;
        let edit = json!([{"op": "replace", "path": format!("{}/weight", second(kind)), "value": 41}]);
        let edited = side.send("PATCH", &format!("{path}?fieldManager=kubectl-edit"), JSON_PATCH, edit).await;
        assert_eq!(edited.code, 200, "{}", edited.text());
        let undo = Request::Undo { plan: Box::new(done.plan) };
        let refusal = desk.try_plan(&undo).await.unwrap_err();
        let by = if side.is_drill() { "was changed since" } else { "catalog was changed since, by kubectl-edit" };
        assert!(refusal.why.contains(by), "{refusal}");
        assert_eq!(weight(second(kind)).await, 41);
    }
}

async fn a_switch_leads_to_ready_pods_and_back(side: &Side) {
    divided(side).await;
    let desk = Desk::of(&side.config());
    let path = path(side, Kind::Service);
    let before = side.get(&path).await["spec"].clone();
    let switch = |to: &str| Request::Switch { target: target(side, Kind::Service), key: "app".into(), to: to.into() };
    let none = desk.try_plan(&switch("nobody")).await.unwrap_err();
    assert!(none.why.contains("would be an outage"), "{none}");
    let done = apply(&desk, side, desk.allowed(&switch("payments")).await).await;
    assert_eq!(done.outcome.words().as_str(), "4 of 4 ready pods are behind catalog", "{:?}", done.outcome);
    let undone = apply(&desk, side, desk.allowed(&Request::Undo { plan: Box::new(done.plan) }).await).await;
    assert_eq!(undone.outcome.words().as_str(), "2 of 2 ready pods are behind catalog", "{:?}", undone.outcome);
    assert_eq!(side.get(&path).await["spec"], before);
}

cases!(
    a_guarded_patch_of_a_custom_resource_is_taken_only_as_it_was_read,
    a_diversion_keeps_the_promises_of_the_gateway,
    a_switch_leads_to_ready_pods_and_back,
);
