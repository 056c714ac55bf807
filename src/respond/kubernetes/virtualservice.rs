//! Istio's VirtualService: which of its routes divide traffic, and what stands behind each
//! destination.
//!
//! Weights are those of one `http`, `tcp` or `tls` entry. A destination with a subset that no
//! DestinationRule names answers 503, so that is looked up before any traffic is sent there.

use http::StatusCode;
use serde_json::Value;

use crate::model::plan::Plan;
use crate::respond::Seen;
use crate::text::Safe;

use super::client::Api;
use super::place::Place;
use super::ready::{self, Labels, Ready};
use super::said;
use super::shares::{List, Way, weight_of};
use super::traffic::written;

/// Where Istio looks for rules that hold for all namespaces.
const ROOT: &str = "istio-system";

/// A destination's host, as Istio resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A Service of the cluster: namespace and name.
    Service(String, String),
    /// Anything else.
    Other(String),
}

impl Host {
    /// A name without a dot is a Service of the namespace of whoever says it; any other is taken
    /// as it is.
    fn of(text: &str, namespace: &str) -> Self {
        if !text.contains('.') {
            return Self::Service(namespace.to_owned(), text.to_owned());
        }
        let mut parts = text.splitn(4, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(namespace), Some("svc")) if name != "*" => {
                Self::Service(namespace.to_owned(), name.to_owned())
            }
            _ => Self::Other(text.to_owned()),
        }
    }
}

/// Its entries that name destinations.
pub(super) fn lists(object: &Value) -> Vec<List> {
    let mut lists = Vec::new();
    for kind in ["http", "tcp", "tls"] {
        let entries = object.pointer(&format!("/spec/{kind}")).and_then(Value::as_array);
        for (at, entry) in entries.into_iter().flatten().enumerate() {
            let Some(route) = entry.get("route").and_then(Value::as_array) else { continue };
            let number = lists.len() + 1;
            lists.push(List {
                pointer: format!("/spec/{kind}/{at}/route"),
                around: ["match", "name"].map(|field| format!("/spec/{kind}/{at}/{field}")).into(),
                name: entry.get("name").and_then(Value::as_str).map(str::to_owned),
                number,
                ways: route.iter().map(way).collect(),
            });
        }
    }
    lists
}

fn way(entry: &Value) -> Way {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (host, subset) = (text("/destination/host"), text("/destination/subset"));
    let short = host.split('.').next().unwrap_or(host);
    let mut names = vec![host.to_owned(), short.to_owned()];
    if !subset.is_empty() {
        names = vec![format!("{short}/{subset}"), format!("{host}/{subset}"), subset.to_owned()];
        names.extend([host.to_owned(), short.to_owned()]);
    }
    Way {
        label: if subset.is_empty() { short.to_owned() } else { subset.to_owned() },
        long: if subset.is_empty() { host.to_owned() } else { format!("{host}/{subset}") },
        names,
        weight: weight_of(entry),
        // One destination alone gets everything without a weight; of several, none.
        absent: 0,
        entry: entry.clone(),
    }
}

/// What stands behind each destination of `ways`. The error is a destination whose subset nobody
/// defines.
pub(super) async fn backing(api: &Api, place: &Place, ways: &[Way]) -> Vec<Result<Ready, String>> {
    let hosts: Vec<(Host, Option<String>)> = ways
        .iter()
        .map(|way| {
            let text = |pointer: &str| way.entry.pointer(pointer).and_then(Value::as_str);
            let host = Host::of(text("/destination/host").unwrap_or_default(), &place.namespace);
            (host, text("/destination/subset").map(str::to_owned))
        })
        .collect();
    let rules = if hosts.iter().any(|(_, subset)| subset.is_some()) {
        let mut namespaces = vec![place.namespace.clone()];
        namespaces.extend(hosts.iter().filter_map(|(host, _)| match host {
            Host::Service(namespace, _) => Some(namespace.clone()),
            Host::Other(_) => None,
        }));
        namespaces.push(ROOT.to_owned());
        Rules::read(api, place, namespaces).await
    } else {
        Rules::default()
    };
    let looks = hosts.iter().map(|(host, subset)| async {
        let labels = match subset {
            None => Labels::new(),
            Some(subset) => match (rules.labels(host, subset), &rules.unread) {
                (Some(labels), _) => labels.clone(),
                (None, Some(why)) => return Ok(Ready::Unknown(why.clone())),
                (None, None) => return Err(format!("no DestinationRule names the subset {subset}")),
            },
        };
        Ok(match host {
            Host::Service(namespace, name) => ready::behind(api, namespace, name, &labels).await,
            Host::Other(host) => Ready::Unknown(format!("{host} is not a Service of this cluster")),
        })
    });
    futures::future::join_all(looks).await
}

/// Subsets, and the labels of their pods.
#[derive(Default)]
struct Rules {
    subsets: Vec<(Host, String, Labels)>,
    /// Why some rules are not among them.
    unread: Option<String>,
}

impl Rules {
    async fn read(api: &Api, place: &Place, mut namespaces: Vec<String>) -> Self {
        let mut rules = Self::default();
        let mut seen = Vec::new();
        namespaces.retain(|namespace| {
            let new = super::place::is_name(namespace) && !seen.contains(namespace);
            seen.push(namespace.clone());
            new
        });
        for namespace in namespaces {
            let (group, version) = (place.resource.group, place.resource.version);
            let path = format!("/apis/{group}/{version}/namespaces/{namespace}/destinationrules?limit=250");
            match ready::all::<Value>(api, &path).await {
                Ok(list) => list.iter().for_each(|rule| rules.take(rule, &namespace)),
                Err(error) if error.is(StatusCode::NOT_FOUND) => {}
                Err(error) => {
                    rules.unread = Some(format!("the DestinationRules of {namespace} could not be read ({error})"));
                }
            }
        }
        rules
    }

    fn take(&mut self, rule: &Value, namespace: &str) {
        let host = Host::of(rule.pointer("/spec/host").and_then(Value::as_str).unwrap_or_default(), namespace);
        for subset in rule.pointer("/spec/subsets").and_then(Value::as_array).into_iter().flatten() {
            let name = subset.get("name").and_then(Value::as_str).unwrap_or_default();
            self.subsets.push((host.clone(), name.to_owned(), ready::labels(subset.get("labels"))));
        }
    }

    fn labels(&self, host: &Host, subset: &str) -> Option<&Labels> {
        self.subsets.iter().find(|(of, name, _)| of == host && name == subset).map(|(_, _, labels)| labels)
    }
}

/// Istio tells nothing of a VirtualService by default: then what it holds is what there is to see.
pub(super) fn look(plan: &Plan, object: &Value) -> Seen {
    let holds = format!("{} says {}", plan.target.path.name, written(plan));
    let status = object.get("status");
    let number = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.parse().ok(),
        other => other.and_then(Value::as_i64),
    };
    let observed = number(status.and_then(|status| status.get("observedGeneration")));
    let generation = number(object.pointer("/metadata/generation"));
    let current = observed.is_none() || observed >= generation;
    let messages = status.and_then(|status| status.get("validationMessages")).and_then(Value::as_array);
    let error = messages.into_iter().flatten().find(|message| message.get("level") == Some(&Value::from("ERROR")));
    if let Some(message) = error.filter(|_| current) {
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        return Seen::Under {
            words: said(&format!("{holds}, but Istio says {} {}", text("/type/code"), text("/type/name"))),
        };
    }
    let conditions = status.and_then(|status| status.get("conditions")).and_then(Value::as_array);
    let reconciled = conditions.into_iter().flatten().find(|it| it.get("type") == Some(&Value::from("Reconciled")));
    match reconciled {
        None => Seen::Live {
            words: Safe::from(format!("{holds}; Istio does not tell when its proxies follow: watch the signals")),
        },
        Some(condition) if current && condition.get("status") == Some(&Value::from("True")) => {
            Seen::Live { words: Safe::from(format!("{holds}, and Istio's proxies have it")) }
        }
        Some(_) => Seen::Under { words: Safe::from(format!("{holds}; Istio's proxies do not have it yet")) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_resolved_as_istio_does() {
        let service = |namespace: &str, name: &str| Host::Service(namespace.into(), name.into());
        assert_eq!(Host::of("reviews", "shop"), service("shop", "reviews"));
        assert_eq!(Host::of("reviews.prod.svc.cluster.local", "shop"), service("prod", "reviews"));
        assert_eq!(Host::of("reviews.prod.svc", "shop"), service("prod", "reviews"));
        assert_eq!(Host::of("reviews.prod", "shop"), Host::Other("reviews.prod".into()), "taken as it is");
        assert_eq!(Host::of("api.partner.example", "shop"), Host::Other("api.partner.example".into()));
        assert_eq!(Host::of("*.prod.svc.cluster.local", "shop"), Host::Other("*.prod.svc.cluster.local".into()));
    }
}
