//! The Gateway API's HTTPRoute: which of its rules divide traffic, what stands behind each
//! backend, and whether the gateways took it.

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

/// Its rules that name backends.
pub(super) fn lists(object: &Value) -> Vec<List> {
    let rules = object.pointer("/spec/rules").and_then(Value::as_array);
    let mut lists: Vec<List> = Vec::new();
    for (at, rule) in rules.into_iter().flatten().enumerate() {
        let Some(backends) = rule.get("backendRefs").and_then(Value::as_array) else { continue };
        lists.push(List {
            pointer: format!("/spec/rules/{at}/backendRefs"),
            around: ["matches", "name"].map(|field| format!("/spec/rules/{at}/{field}")).into(),
            name: rule.get("name").and_then(Value::as_str).map(str::to_owned),
            number: lists.len() + 1,
            ways: backends.iter().map(way).collect(),
        });
    }
    lists
}

fn way(entry: &Value) -> Way {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name").to_owned();
    let mut names = vec![name.clone()];
    let mut long = name.clone();
    if !text("namespace").is_empty() {
        long = format!("{}/{name}", text("namespace"));
    }
    if let Some(port) = entry.get("port").and_then(Value::as_u64) {
        names.push(format!("{long}:{port}"));
        names.push(long.clone());
        long = format!("{long}:{port}");
    } else {
        names.push(long.clone());
    }
    // A backend that says nothing has a weight of 1.
    Way { label: name, long, names, weight: weight_of(entry), absent: 1, entry: entry.clone() }
}

/// What stands behind each backend.
pub(super) async fn backing(api: &Api, place: &Place, ways: &[Way]) -> Vec<Result<Ready, String>> {
    let looks = ways.iter().map(|way| async {
        let text = |key: &str| way.entry.get(key).and_then(Value::as_str);
        let (group, kind) = (text("group").unwrap_or_default(), text("kind").unwrap_or("Service"));
        if !group.is_empty() || kind != "Service" {
            return Ok(Ready::Unknown(format!("it is a {kind}, not a Service")));
        }
        let namespace = text("namespace").unwrap_or(&place.namespace);
        Ok(ready::behind(api, namespace, text("name").unwrap_or_default(), &Labels::new()).await)
    });
    futures::future::join_all(looks).await
}

/// It is live when every gateway (or mesh) that it hangs on has accepted this very generation and
/// resolved its backends: the share of a backend that is not resolved is answered 500. One that says
/// no of this generation has made up its mind: the change did not work out.
pub(super) fn look(plan: &Plan, object: &Value) -> Seen {
    let holds = format!("{} says {}", plan.target.path.name, written(plan));
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    let parents = object.pointer("/status/parents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if parents.is_empty() {
        return Seen::Under { words: Safe::from(format!("{holds}; no gateway has taken it yet")) };
    }
    let mut waits = None;
    for parent in parents {
        let name = parent.pointer("/parentRef/name").and_then(Value::as_str).unwrap_or("a gateway");
        for wanted in ["Accepted", "ResolvedRefs"] {
            let conditions = parent.get("conditions").and_then(Value::as_array);
            let found = conditions.into_iter().flatten().find(|it| it.get("type") == Some(&Value::from(wanted)));
            let current = found.filter(|condition| {
                condition.get("observedGeneration").and_then(Value::as_i64).unwrap_or_default() >= generation
            });
            let text = |key: &str| current.and_then(|it| it.get(key)).and_then(Value::as_str).unwrap_or_default();
            match text("status") {
                "True" => {}
                "False" => {
                    let words =
                        format!("{holds}, but {name} says {wanted} is not so: {} {}", text("reason"), text("message"));
                    return Seen::Failed { why: said(&words) };
                }
                _ => waits = waits.or(Some(format!("{holds}; {name} has not told {wanted} of it yet"))),
            }
        }
    }
    if let Some(words) = waits {
        return Seen::Under { words: said(&words) };
    }
    let gateways =
        if parents.len() == 1 { "its gateway has".to_owned() } else { format!("all {} gateways have", parents.len()) };
    Seen::Live { words: Safe::from(format!("{holds}; {gateways} taken it")) }
}
