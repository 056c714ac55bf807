//! Where traffic goes: what Services select, and what VirtualServices and HTTPRoutes divide.
//!
//! Owns: the controllers of EndpointSlices and of an HTTPRoute's status, and the answer to who
//! takes how much of the requests to a host. Must not: count a request; that is the physics'.

use serde_json::{Value, json};

use super::Cluster;
use super::kinds::{Kind, WORKLOADS};
use super::state::State;
use super::store::Key;
use super::value::{at, int, list, put, stamp, text};

/// What divides the traffic to one Service of a namespace.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Whose: Istio's or the Gateway API's.
    pub kind: RouteKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Service that callers name.
    pub host: String,
    /// The Services that take the calls, and their weights.
    pub to: Vec<(String, u32)>,
}

/// A kind of object that divides traffic by weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// Istio's.
    VirtualService,
    /// The Gateway API's, on a Service as its parent.
    HttpRoute,
}

/// A share of the requests to a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The workload that takes it, by namespace and name; `None` if nobody does.
    pub to: Option<(String, String)>,
    /// The share of one.
    pub share: f64,
}

impl Cluster {
    /// Adds what divides the traffic to a Service, as of now.
    pub fn divide(&self, spec: &RouteSpec) {
        let mut state = self.lock();
        let (kind, word, spec_json) = match spec.kind {
            RouteKind::VirtualService => (Kind::VirtualService, "virtualservice", virtual_service(spec)),
            RouteKind::HttpRoute => (Kind::HttpRoute, "httproute", http_route(spec)),
        };
        let object = json!({
            "metadata": {"name": spec.name, "namespace": spec.namespace, "generation": 1,
                "uid": state.seed.uid(&[word, &spec.namespace, &spec.name]), "creationTimestamp": stamp(state.now)},
            "spec": spec_json,
        });
        state.store.put(kind, object);
        state.run_routes();
        drop(state);
        self.publish();
    }

    /// Who takes the requests to a Service, by the objects that divide them. The shares make one.
    pub fn flows(&self, namespace: &str, host: &str) -> Vec<Flow> {
        self.lock().flows(namespace, host)
    }
}

fn virtual_service(spec: &RouteSpec) -> Value {
    let way = |(to, weight): &(String, u32)| json!({"destination": {"host": to}, "weight": weight});
    json!({"hosts": [spec.host], "http": [{"route": spec.to.iter().map(way).collect::<Vec<_>>()}]})
}

fn http_route(spec: &RouteSpec) -> Value {
    let way = |(to, weight): &(String, u32)| json!({"group": "", "kind": "Service", "name": to, "port": 80, "weight": weight});
    json!({
        "parentRefs": [{"group": "", "kind": "Service", "name": spec.host, "port": 80}],
        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": spec.to.iter().map(way).collect::<Vec<_>>()}],
    })
}

/// A destination: a Service, labels that its pods have beside its selector, and a weight.
struct Way {
    service: String,
    labels: Value,
    weight: f64,
}

impl State {
    fn flows(&self, namespace: &str, host: &str) -> Vec<Flow> {
        let ways = self.divided(namespace, host);
        let total: f64 = ways.iter().map(|way| way.weight).sum();
        let mut flows: Vec<Flow> = Vec::new();
        let mut add = |to: Option<(String, String)>, share: f64| match flows.iter_mut().find(|flow| flow.to == to) {
            Some(flow) => flow.share += share,
            None => flows.push(Flow { to, share }),
        };
        for way in ways.iter().filter(|way| way.weight > 0.0) {
            let share = way.weight / total;
            let takers = self.takers(namespace, way);
            if takers.is_empty() {
                add(None, share);
            }
            for (name, part) in takers {
                add(Some((namespace.to_owned(), name)), share * part);
            }
        }
        if flows.is_empty() {
            flows.push(Flow { to: None, share: 1.0 });
        }
        flows
    }

    /// The destinations of the first route that is about the host, else the host alone.
    fn divided(&self, namespace: &str, host: &str) -> Vec<Way> {
        let long = format!("{host}.{namespace}.svc.cluster.local");
        let is_host = |name: &Value| name.as_str().is_some_and(|name| name == host || name == long);
        let of = |kind: Kind| self.store.all(kind).filter(|(key, _)| key.namespace == namespace).map(|(_, it)| it);
        let mesh = of(Kind::VirtualService).find(|it| list(it, &["spec", "hosts"]).iter().any(is_host));
        if let Some(route) = mesh.and_then(|it| list(it, &["spec", "http"]).first()) {
            let route = list(route, &["route"]);
            return route.iter().map(|way| self.mesh_way(namespace, way, route.len())).collect();
        }
        let gateway = of(Kind::HttpRoute).find(|it| {
            let parents = list(it, &["spec", "parentRefs"]);
            parents.iter().any(|parent| text(parent, &["kind"]) == "Service" && text(parent, &["name"]) == host)
        });
        match gateway.and_then(|it| list(it, &["spec", "rules"]).first()) {
            Some(rule) => list(rule, &["backendRefs"])
                .iter()
                .map(|way| Way {
                    service: text(way, &["name"]).to_owned(),
                    labels: Value::Null,
                    weight: at(way, &["weight"]).as_f64().unwrap_or(1.0),
                })
                .collect(),
            None => vec![Way { service: host.to_owned(), labels: Value::Null, weight: 1.0 }],
        }
    }

    fn mesh_way(&self, namespace: &str, way: &Value, of: usize) -> Way {
        let (host, subset) = (text(way, &["destination", "host"]), text(way, &["destination", "subset"]));
        let usual = if of == 1 { 1.0 } else { 0.0 };
        let weight = at(way, &["weight"]).as_f64().unwrap_or(usual);
        let mut labels = Value::Null;
        if !subset.is_empty() {
            let rules = self.store.all(Kind::DestinationRule).filter(|(key, _)| key.namespace == namespace);
            let found = rules
                .filter(|(_, rule)| short(text(rule, &["spec", "host"])) == short(host))
                .flat_map(|(_, rule)| list(rule, &["spec", "subsets"]))
                .find(|it| text(it, &["name"]) == subset);
            // A subset that nobody defines has no pods: no label has this value.
            labels = found.map_or_else(|| json!({"app": ""}), |it| at(it, &["labels"]).clone());
        }
        Way { service: short(host).to_owned(), labels, weight }
    }

    /// The workloads whose pods a destination reaches, and how its traffic is spread over them: by
    /// their ready pods. Without one, somebody still has to fail.
    fn takers(&self, namespace: &str, way: &Way) -> Vec<(String, f64)> {
        let Some(service) = self.store.get(Kind::Service, &Key::new(namespace, way.service.clone())) else {
            return Vec::new();
        };
        let selector = at(service, &["spec", "selector"]);
        if selector.is_null() {
            return Vec::new();
        }
        let matching: Vec<(Kind, &Key)> = WORKLOADS
            .iter()
            .flat_map(|kind| self.store.all(*kind).map(|(key, workload)| (*kind, key, workload)))
            .filter(|(_, key, _)| key.namespace == namespace)
            .filter(|(.., workload)| {
                let labels = at(workload, &["spec", "template", "metadata", "labels"]);
                has(labels, selector) && has(labels, &way.labels)
            })
            .map(|(kind, key, _)| (kind, key))
            .collect();
        let ready: Vec<usize> =
            matching.iter().map(|(kind, key)| self.pods_of(*kind, key).filter(|(_, run)| run.ready).count()).collect();
        let all: usize = ready.iter().sum();
        matching
            .iter()
            .zip(&ready)
            .filter(|(_, ready)| all == 0 || **ready > 0)
            .map(|((_, key), ready)| {
                let part = if all == 0 { 1.0 / matching.len() as f64 } else { *ready as f64 / all as f64 };
                (key.name.clone(), part)
            })
            .collect()
    }

    /// Gateways take every HTTPRoute at once; a backend that is no Service is not resolved.
    pub(super) fn run_routes(&mut self) {
        for key in self.store.keys(Kind::HttpRoute) {
            let Some(route) = self.store.get(Kind::HttpRoute, &key) else { continue };
            let backends = list(route, &["spec", "rules"]).iter().flat_map(|rule| list(rule, &["backendRefs"]));
            let missing = backends
                .map(|backend| text(backend, &["name"]))
                .find(|name| self.store.get(Kind::Service, &Key::new(key.namespace.clone(), *name)).is_none())
                .map(str::to_owned);
            let generation = int(route, &["metadata", "generation"]);
            let seen = list(route, &["status", "parents"]).first().map(|parent| {
                let condition = list(parent, &["conditions"]).get(1).cloned().unwrap_or_default();
                (int(&condition, &["observedGeneration"]), text(&condition, &["status"]) == "True")
            });
            if seen == Some((generation, missing.is_none())) {
                continue;
            }
            let now = stamp(self.now);
            let condition = |kind: &str, good: bool, reason: &str, message: String| {
                json!({"type": kind, "status": if good { "True" } else { "False" }, "reason": reason,
                    "message": message, "observedGeneration": generation, "lastTransitionTime": now})
            };
            let resolved = match &missing {
                None => condition("ResolvedRefs", true, "ResolvedRefs", String::new()),
                Some(name) => {
                    condition("ResolvedRefs", false, "BackendNotFound", format!("there is no Service {name}"))
                }
            };
            let conditions = json!([condition("Accepted", true, "Accepted", String::new()), resolved]);
            let parents: Vec<Value> = list(route, &["spec", "parentRefs"])
                .iter()
                .map(|parent| json!({"parentRef": parent, "controllerName": "drill.example/mesh", "conditions": conditions}))
                .collect();
            self.store.edit(Kind::HttpRoute, &key, |it| put(it, &["status", "parents"], json!(parents)));
        }
    }

    /// The ready and unready pods behind each Service, as its EndpointSlice has them.
    pub(super) fn run_endpoints(&mut self) {
        let versions = (self.store.changed(Kind::Pod), self.store.changed(Kind::Service));
        if self.endpoints_seen == versions {
            return;
        }
        self.endpoints_seen = versions;
        for key in self.store.keys(Kind::Service) {
            let Some(service) = self.store.get(Kind::Service, &key) else { continue };
            let selector = at(service, &["spec", "selector"]).clone();
            if selector.is_null() {
                continue;
            }
            let owner = json!([{"apiVersion": "v1", "kind": "Service", "name": key.name, "controller": true,
                "blockOwnerDeletion": true, "uid": text(service, &["metadata", "uid"])}]);
            let endpoints: Vec<Value> = self
                .store
                .all(Kind::Pod)
                .filter(|(pod, object)| {
                    pod.namespace == key.namespace && has(at(object, &["metadata", "labels"]), &selector)
                })
                .filter(|(_, pod)| !text(pod, &["status", "podIP"]).is_empty())
                .map(|(_, pod)| endpoint(pod))
                .collect();
            let name = format!("{}-{}", key.name, self.seed.suffix(&["endpointslice", &key.namespace, &key.name]));
            let object = json!({
                "metadata": {"name": name, "namespace": key.namespace, "generateName": format!("{}-", key.name),
                    "uid": self.seed.uid(&["endpointslice", &key.namespace, &key.name]),
                    "creationTimestamp": text(service, &["metadata", "creationTimestamp"]),
                    "labels": {"kubernetes.io/service-name": key.name,
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
                    "ownerReferences": owner},
                "addressType": "IPv4", "endpoints": endpoints,
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            });
            self.store.put(Kind::EndpointSlice, object);
        }
    }
}

fn endpoint(pod: &Value) -> Value {
    let leaving = !at(pod, &["metadata", "deletionTimestamp"]).is_null();
    let conditions = list(pod, &["status", "conditions"]);
    let ready = conditions.iter().any(|it| text(it, &["type"]) == "Ready" && text(it, &["status"]) == "True");
    json!({
        "addresses": [text(pod, &["status", "podIP"])], "nodeName": text(pod, &["spec", "nodeName"]),
        "conditions": {"ready": ready && !leaving, "serving": ready, "terminating": leaving},
        "targetRef": {"kind": "Pod", "name": text(pod, &["metadata", "name"]),
            "namespace": text(pod, &["metadata", "namespace"]), "uid": text(pod, &["metadata", "uid"])},
    })
}

/// Whether `labels` have all of `wanted`.
fn has(labels: &Value, wanted: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
}

/// A Service's name in a host of its own namespace.
fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// Why an object that divides traffic cannot be what a client wants it to be.
pub(super) fn refused(kind: Kind, wanted: &Value) -> Option<(&'static str, String)> {
    let bad = |weight: &Value, most: u64| !weight.is_null() && weight.as_u64().is_none_or(|weight| weight > most);
    match kind {
        Kind::VirtualService => {
            for route in list(wanted, &["spec", "http"]).iter().map(|http| list(http, &["route"])) {
                let weights: Vec<&Value> = route.iter().map(|way| at(way, &["weight"])).collect();
                if let Some(weight) = weights.iter().find(|weight| bad(weight, u64::from(u32::MAX))) {
                    return Some(("spec.http.route.weight", format!("{weight}: must be a non-negative integer")));
                }
                if weights.len() > 1 && weights.iter().all(|weight| weight.as_u64().unwrap_or(0) == 0) {
                    return Some(("spec.http.route", "total destination weight = 0".to_owned()));
                }
            }
        }
        Kind::HttpRoute => {
            let rules = list(wanted, &["spec", "rules"]).iter().flat_map(|rule| list(rule, &["backendRefs"]));
            if let Some(weight) = rules.map(|way| at(way, &["weight"])).find(|weight| bad(weight, 1_000_000)) {
                return Some(("spec.rules.backendRefs.weight", format!("{weight}: must lie between 0 and 1000000")));
            }
        }
        _ => {}
    }
    None
}
