//! A shop whose traffic is divided: two partners behind a VirtualService and an HTTPRoute, and a
//! Service that is blue and can be green.

use serde_json::{Value, json};

use crate::model::name::{Kind, ObjectPath, Origin, Target};
use crate::model::plan::{Request, Share};

use super::{Objects, State};

pub(in crate::respond) const VIRTUAL_SERVICE: &str =
    "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/partner";
pub(in crate::respond) const HTTP_ROUTE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/partner";
pub(in crate::respond) const SERVICE: &str = "/api/v1/namespaces/shop/services/checkout";

/// Where a kind of ours is.
pub(in crate::respond) fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::VirtualService => VIRTUAL_SERVICE,
        Kind::HttpRoute => HTTP_ROUTE,
        _ => SERVICE,
    }
}

/// One of the three.
pub(in crate::respond) fn target(kind: Kind) -> Target {
    Target {
        origin: Origin { env: "prod-eu".into(), source: "kubernetes".into() },
        kind,
        path: ObjectPath::new("shop", if kind == Kind::Service { "checkout" } else { "partner" }),
        uid: None,
    }
}

/// A wish for other shares.
pub(in crate::respond) fn divert(kind: Kind, shares: &[(&str, u32)]) -> Request {
    let share = |(destination, weight): &(&str, u32)| Share { destination: (*destination).into(), weight: *weight };
    Request::Divert { target: target(kind), shares: shares.iter().map(share).collect() }
}

/// A wish for another colour.
pub(in crate::respond) fn switch(to: &str) -> Request {
    Request::Switch { target: target(Kind::Service), key: "color".into(), to: to.into() }
}

/// The wish that each kind is tried with.
pub(in crate::respond) fn wish(kind: Kind) -> Request {
    if kind == Kind::Service { switch("green") } else { divert(kind, &[("partner-b", 40)]) }
}

fn slice(pods: &[String]) -> Value {
    let endpoint =
        |pod: &String| json!({ "conditions": { "ready": true }, "targetRef": { "kind": "Pod", "name": pod } });
    json!({
        "metadata": { "name": "checkout-x1", "namespace": "shop",
            "labels": { "kubernetes.io/service-name": "checkout" } },
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";

/// What gateways and the endpoints' controller do.
fn follow(objects: &mut std::collections::BTreeMap<String, Value>) {
    let generation = objects[HTTP_ROUTE]["metadata"]["generation"].clone();
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "observedGeneration": generation });
    let parents =
        json!([{ "parentRef": { "name": "edge" }, "conditions": [condition("Accepted"), condition("ResolvedRefs")] }]);
    objects.get_mut(HTTP_ROUTE).unwrap()["status"]["parents"] = parents;
    let color = objects[SERVICE]["spec"]["selector"]["color"].as_str().unwrap().to_owned();
    let pods: Vec<String> = objects
        .values()
        .filter(|object| object["metadata"]["labels"]["color"] == json!(color))
        .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    objects.insert(format!("{SLICES}/checkout-x1"), slice(&pods));
}

/// Three ready pods behind partner-a, which gets all, and two behind partner-b; four blue pods and
/// four green ones.
pub(in crate::respond) fn put(state: &mut State) {
    let objects: &mut Objects = &mut state.objects;
    objects.by_path.insert(
        "/apis/networking.istio.io".into(),
        json!({ "kind": "APIGroup", "versions": [{ "version": "v1" }, { "version": "v1beta1" }] }),
    );
    objects.by_path.insert(
        "/apis/gateway.networking.k8s.io".into(),
        json!({ "kind": "APIGroup", "versions": [{ "version": "v1" }] }),
    );
    let meta = |uid: &str| json!({ "name": "partner", "namespace": "shop", "uid": uid, "generation": 3, "resourceVersion": "103" });
    objects.put(
        VIRTUAL_SERVICE.trim_end_matches("/partner"),
        json!({
            "metadata": meta("vs-1"),
            "spec": { "hosts": ["partner"], "http": [{ "timeout": "2s", "route": [
                { "destination": { "host": "partner-a" }, "weight": 100 },
                { "destination": { "host": "partner-b.shop.svc.cluster.local", "port": { "number": 80 } } },
            ] }] },
        }),
    );
    objects.put(
        HTTP_ROUTE.trim_end_matches("/partner"),
        json!({
            "metadata": meta("hr-1"),
            "spec": { "rules": [{ "backendRefs": [
                { "name": "partner-a", "port": 80 },
                { "name": "partner-b", "port": 80, "weight": 0 },
            ] }] },
        }),
    );
    for (name, count) in [("partner-a", 3), ("partner-b", 2)] {
        objects.service(name, &json!({ "app": name }));
        objects.pods(name, count, true, &json!({ "app": name, "track": "stable" }));
    }
    objects.service("checkout", &json!({ "app": "checkout", "color": "blue" }));
    for color in ["blue", "green"] {
        objects.pods(&format!("checkout-{color}"), 4, true, &json!({ "app": "checkout", "color": color }));
    }
    objects.controllers = Some(follow);
    objects.by_path.insert(format!("{SLICES}/checkout-x1"), slice(&[]));
}
