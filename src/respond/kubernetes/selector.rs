//! The selector of a Service: blue or green, by one key of `spec.selector`.
//!
//! A selector that matches nothing is an outage, so the pods that the new one would match are
//! counted first. Connections that are open stay where they are.

use serde_json::{Value, json};
use ulid::Ulid;

use crate::clock::Clock;
use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Guard, Permission, Plan, PlanId, Preview, Refusal, Request, Room, Tier,
};
use crate::respond::guard::{LIFETIME, refusal};
use crate::respond::{Cluster, Seen};
use crate::text::Safe;

use super::client::Api;
use super::place::Place;
use super::ready::{self, Labels};
use super::traffic::{PATIENCE_SECONDS, Read, patched};
use super::{fields, keepers, said};

/// Where the labels are that a Service selects by.
const SELECTOR: &str = "/spec/selector";

/// A plan for `want`, which switches a Service or takes a switch back.
pub(super) async fn plan(api: &Api, clock: &Clock, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
    let target = want.target();
    let place = Place::of(target)?;
    let place = api.served(place).await.map_err(|error| error.refusal("read", target))?;
    let read = Read::of(api, clock, &place, target).await?;
    let labels = ready::selector(&read.object);
    let (key, to, carried) = match want {
        Request::Undo { plan } => {
            read.check_ours(plan)?;
            let (key, to) = switched(plan)
                .ok_or_else(|| refusal(format!("{} has no inverse that this version knows", plan.title)))?;
            (key, to, Some(plan.blast.ready_before))
        }
        Request::Switch { key, to, .. } => (key.to_string(), to.to_string(), None),
        other => return Err(refusal(format!("cannot {}: it is not about a selector", other.words()))),
    };
    let shown: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let shown = shown.join(", ");
    let Some(from) = labels.get(&key) else {
        return Err(refusal(said(&format!(
            "{target} does not select by {key:?}, but by {shown}: nothing was planned"
        ))));
    };
    if *from == to {
        return Err(refusal(said(&format!("{target} selects {shown} already: there is nothing to change"))));
    }
    let mut then = labels.clone();
    then.insert(key.clone(), to.clone());
    // Pods are counted by all of it, and one key is written.
    let selects = fields::kept(read.object.pointer(SELECTOR).unwrap_or(&Value::Null))
        .ok_or_else(|| refusal(format!("the selector of {target} is too long for the record: nothing was planned")))?;
    let pointer = format!("{SELECTOR}/{}", key.replace('~', "~0").replace('/', "~1"));
    let pointers = [pointer.clone()];
    let (old, new, (owners, instead)) = futures::join!(
        ready::pods(api, &place.namespace, &labels),
        ready::pods(api, &place.namespace, &then),
        keepers::of(api, &place, target, &read.meta, &pointers),
    );
    let count = |pods: Result<Vec<String>, String>| pods.map(|pods| u32::try_from(pods.len()).unwrap_or(u32::MAX));
    let (old, new) = (count(old), count(new));
    let new = match new {
        Ok(0) => {
            return Err(refusal(said(&format!(
                "no ready pod has {key}={to} beside the rest of what {target} selects: switching it would be an outage"
            ))));
        }
        Ok(new) => new,
        Err(why) => {
            return Err(refusal(said(&format!(
                "what {target} would select is not known ({why}): nothing was planned"
            ))));
        }
    };
    let undo = want.is_undo();
    let identified = read.identified();
    let carries = carried.or_else(|| old.as_ref().ok().copied());
    let not_asked = Safe::fixed("not asked yet");
    let quoted = |value: &str| Safe::from(json!(value).to_string());
    let patch = json!([
        { "op": "test", "path": pointer, "value": from },
        { "op": "replace", "path": pointer, "value": to },
    ]);
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read.read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(format!("switch Service {}{}", identified.path.name, if undo { " back" } else { "" })),
        changes: vec![FieldChange {
            pointer: Safe::from(pointer),
            label: said(&key),
            before: quoted(from),
            after: quoted(&to),
            words: Some(said(&format!("{from} → {to}"))),
        }],
        undo: Some(said(&format!("{key} {to} → {from}, while nobody else has changed it and {from} has ready pods"))),
        blast: Blast {
            ready_before: old.as_ref().copied().unwrap_or(0),
            wanted_before: None,
            wanted_after: new,
            fewest_ready: Some(new),
            words: Safe::from("all new connections move; those that are open stay where they are"),
        },
        room: Room::NotNeeded,
        owners,
        load: cluster.load.clone(),
        tier: if carries.is_some_and(|carries| new < carries) { Tier::Grave } else { Tier::Lowers },
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: Safe::from(patched(read.context, &place, &patch)),
        facts: facts(from, &to, &old, new),
        instead,
        ends: if undo { Ends::Stays } else { Ends::Reminder },
        read_at: read.read_at,
        expires_at: read.read_at + LIFETIME,
        guards: vec![Guard { pointer: Safe::fixed(SELECTOR), label: Safe::fixed("its selector"), value: selects }],
        affects: Vec::new(),
        patience_seconds: PATIENCE_SECONDS,
        raised_from: None,
        target: identified,
    })
}

/// The key and the value before of a plan that switches.
fn switched(plan: &Plan) -> Option<(String, String)> {
    let change = plan.changes.first()?;
    let key = change.pointer.strip_prefix(SELECTOR)?.strip_prefix('/')?.replace("~1", "/").replace("~0", "~");
    let before: String = serde_json::from_str(&change.before).ok()?;
    Some((key, before))
}

fn facts(from: &str, to: &str, old: &Result<u32, String>, new: u32) -> Vec<Fact> {
    let pods = |count: u32| if count == 1 { "1 ready pod".to_owned() } else { format!("{count} ready pods") };
    let (now, fewer) = match old {
        Ok(old) => (format!("{from} has {}", pods(*old)), new < *old),
        Err(why) => (format!("how many {from} has is not known: {why}"), true),
    };
    vec![
        Fact {
            label: Safe::fixed("traffic"),
            words: said(&format!("now {from} 100 %; then {to} 100 %")),
            warns: false,
        },
        Fact {
            label: Safe::fixed("capacity"),
            words: said(&format!("{to} has {} for 100 %; {now}", pods(new))),
            warns: fewer,
        },
    ]
}

/// It is live when the Service's endpoints are ready pods of the new selector and nothing else.
pub(super) async fn look(api: &Api, plan: &Plan, place: &Place, object: &Value) -> Seen {
    let labels: Labels = ready::selector(object);
    let path = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{}&limit=250",
        place.namespace, place.name
    );
    let (pods, slices) = futures::join!(ready::pods(api, &place.namespace, &labels), ready::all::<Value>(api, &path));
    let unread =
        |why: String| Seen::Unread { why: said(&format!("could not tell where {} leads: {why}", plan.target)) };
    let pods = match pods {
        Ok(pods) => pods,
        Err(why) => return unread(why),
    };
    let slices = match slices {
        Ok(slices) => slices,
        Err(error) => return unread(error.to_string()),
    };
    let mut ours = std::collections::BTreeSet::new();
    let mut others = std::collections::BTreeSet::new();
    for endpoint in slices.iter().filter_map(|slice| slice.get("endpoints")?.as_array()).flatten() {
        // Not told means ready.
        if endpoint.pointer("/conditions/ready") == Some(&Value::Bool(false)) {
            continue;
        }
        let pod = endpoint.pointer("/targetRef/name").and_then(Value::as_str).unwrap_or_default();
        if pods.iter().any(|name| name == pod) {
            ours.insert(pod)
        } else {
            others.insert(pod)
        };
    }
    let words = format!("{} of {} ready pods are behind {}", ours.len(), pods.len(), place.name);
    if others.is_empty() && !pods.is_empty() && ours.len() == pods.len() {
        Seen::Live { words: Safe::from(words) }
    } else {
        let still = if others.is_empty() { String::new() } else { format!(", {} others still are", others.len()) };
        Seen::Under { words: Safe::from(format!("{words}{still}")) }
    }
}
