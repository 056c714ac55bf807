//! The fields of a plan against an object as it is: pure, and the same for every kind.

use serde_json::{Value, json};

use crate::model::plan::{FieldChange, Guard, Plan};
use crate::text::{Safe, TEXT_CAP, clean_capped, redact};

/// The most bytes of a value that a plan may hold. Reading a text back from the record cuts it at
/// 16 times the cap of a text, and half a template is a wrong patch.
pub(super) const KEPT: usize = 16 * TEXT_CAP;

/// A value as a plan keeps it: JSON in printable ASCII, which no cleaning changes. `None` if the
/// record would give it back cut, with its secrets or without them.
pub(in crate::respond) fn kept(value: &Value) -> Option<Safe> {
    let text = ascii(value);
    (text.len() <= KEPT && redact(&text).len() <= KEPT).then(|| clean_capped(&text, KEPT))
}

/// JSON in printable ASCII: what is not is written `\uXXXX`, which it may be in strings alone, and
/// nowhere else does it occur.
fn ascii(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            ' '..='~' => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

/// Without members that are `null`: to Kubernetes they are not there.
pub(super) fn lean(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), lean(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(lean).collect(),
        other => other.clone(),
    }
}

/// What the fields of a plan hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::respond) enum Held<'a> {
    /// What the plan writes, all of them.
    After,
    /// What the plan read, all of them.
    Before,
    /// This one holds something else.
    Other(&'a FieldChange, Value),
    /// They hold what was read or what is written, and this, which goes with them, does not.
    Beside(&'a Guard),
}

/// What the fields of `plan` hold in `object`.
pub(in crate::respond) fn held<'a>(object: &Value, plan: &'a Plan) -> Held<'a> {
    let all = |kept: fn(&FieldChange) -> &Safe| plan.changes.iter().all(|field| same(&at(object, field), kept(field)));
    let beside = |written| plan.guards.iter().find(|guard| !stands(object, guard, &plan.changes, written));
    if all(|field| &field.after) {
        return beside(true).map_or(Held::After, Held::Beside);
    }
    if all(|field| &field.before) {
        return beside(false).map_or(Held::Before, Held::Beside);
    }
    let strange = plan.changes.iter().find(|field| {
        let now = at(object, field);
        !same(&now, &field.before) && !same(&now, &field.after)
    });
    // Some were written and some not: whoever did that was not this program.
    let strange = strange.or_else(|| plan.changes.iter().find(|field| same(&at(object, field), &field.before)));
    match strange {
        Some(field) => Held::Other(field, at(object, field)),
        None => Held::Before,
    }
}

/// Whether what a guard is about is as it was read, but for what was `written` below it.
fn stands(object: &Value, guard: &Guard, changes: &[FieldChange], written: bool) -> bool {
    let Ok(mut kept) = serde_json::from_str::<Value>(&guard.value) else { return false };
    for change in changes.iter().filter(|_| written) {
        let below = change.pointer.strip_prefix(guard.pointer.as_str());
        if let (Some(slot), Ok(after)) =
            (below.and_then(|at| kept.pointer_mut(at)), serde_json::from_str(&change.after))
        {
            *slot = after;
        }
    }
    is(object.pointer(&guard.pointer).unwrap_or(&Value::Null), &kept)
}

/// The value of a field now: `null` where there is none.
///
/// A server leaves replicas of zero out of a Scale (`omitempty`); on the objects themselves it
/// always writes them.
pub(super) fn at(object: &Value, field: &FieldChange) -> Value {
    match object.pointer(&field.pointer) {
        now if *field.pointer == *OPERATION => operation(object, now, field),
        Some(value) => value.clone(),
        None if *field.pointer == *"/spec/replicas" => json!(0),
        None => Value::Null,
    }
}

/// Where an Application holds what Argo CD is to do.
pub(super) const OPERATION: &str = "/operation";

/// When the operation began that Argo CD tells of in the status.
const STARTED: &str = "/status/operationState/startedAt";
/// What an operation of ours calls the time of the one that it comes after.
pub(super) const AFTER: &str = "after";

/// When the operation began that a change comes after, if it asks for one.
fn follows(field: &FieldChange) -> Option<Value> {
    let operation: Value = serde_json::from_str(&field.after).ok().filter(|_| *field.pointer == *OPERATION)?;
    let info = operation.get("info")?.as_array()?;
    info.iter().find(|info| info["name"] == AFTER)?.get("value").cloned()
}

/// Whether another operation began since the plan was made that is over by now: it is not the one
/// that what was shown comes after.
pub(super) fn overtaken(object: &Value, plan: &Plan) -> bool {
    plan.changes.iter().filter_map(follows).any(|started| object.pointer(STARTED) != Some(&started))
}

/// Argo CD takes an operation away when it is over; what it was is told in the status, until the
/// next one, with fields of Argo CD's own added.
fn operation(object: &Value, now: Option<&Value>, field: &FieldChange) -> Value {
    let pending = now.filter(|now| !now.is_null());
    let told = pending.or_else(|| object.pointer("/status/operationState/operation"));
    let ours = serde_json::from_str(&field.after).unwrap_or(Value::Null);
    match told.map(|told| common(told, &ours)) {
        Some(told) if same(&told, &field.after) => told,
        _ => pending.cloned().unwrap_or(Value::Null),
    }
}

/// As much of `now` as `ours` has.
fn common(now: &Value, ours: &Value) -> Value {
    match (now, ours) {
        (Value::Object(now), Value::Object(ours)) => {
            ours.iter().filter_map(|(key, ours)| Some((key.clone(), common(now.get(key)?, ours)))).collect()
        }
        (Value::Array(now), Value::Array(ours)) if now.len() == ours.len() => {
            now.iter().zip(ours).map(|(now, ours)| common(now, ours)).collect()
        }
        _ => now.clone(),
    }
}

/// Whether `now` is what a plan kept. Of a plan that was read from the record secrets were taken
/// out: there they are taken out of `now`, too.
pub(super) fn same(now: &Value, kept: &Safe) -> bool {
    serde_json::from_str::<Value>(kept).is_ok_and(|kept| is(now, &kept))
        || *redact(&now.to_string()) == **kept
        || *redact(&ascii(now)) == **kept
}

/// Whether `now` is `kept`, or would be if the record had kept it.
fn is(now: &Value, kept: &Value) -> bool {
    kept == now || lean(kept) == lean(now) || *redact(&now.to_string()) == *kept.to_string()
}

/// The guarded patch: identity and every shown field tested, then written. All or nothing.
///
/// A failed test answers 422 and changes nothing; a test of what is not there passes only against
/// `null` (measured on kube-apiserver 1.36). `absent`: fields that read as something and are not
/// there.
pub(super) fn patch(plan: &Plan, absent: bool) -> Option<Value> {
    let uid = plan.target.uid.as_ref()?;
    let mut patch = vec![json!({ "op": "test", "path": "/metadata/uid", "value": uid })];
    // Before anything below them is written.
    for guard in &plan.guards {
        let value: Value = serde_json::from_str(&guard.value).ok()?;
        patch.push(json!({ "op": "test", "path": guard.pointer, "value": value }));
    }
    for field in &plan.changes {
        let path = field.pointer.as_str();
        let read = |text: &Safe| serde_json::from_str::<Value>(text).ok();
        let (before, after) = (if absent { Value::Null } else { read(&field.before)? }, read(&field.after)?);
        patch.push(json!({ "op": "test", "path": path, "value": before }));
        // Not a guard, for ours moves it, too.
        if let Some(started) = follows(field) {
            patch.push(json!({ "op": "test", "path": STARTED, "value": started }));
        }
        patch.push(match (before.is_null(), after.is_null()) {
            (_, true) => json!({ "op": "remove", "path": path }),
            (true, false) => json!({ "op": "add", "path": path, "value": after }),
            (false, false) => json!({ "op": "replace", "path": path, "value": after }),
        });
    }
    (!plan.changes.is_empty()).then_some(Value::Array(patch))
}

/// `replicas went from 6 to 9`, of a field that holds something else than the plan read.
pub(in crate::respond) fn moved(field: &FieldChange, now: &Value) -> String {
    if field.words.is_some() {
        return format!("{} was changed", field.label);
    }
    format!("{} went from {} to {now}", field.label, field.before)
}

/// `its destinations were changed`: what a guard found.
pub(in crate::respond) fn strayed(guard: &Guard) -> String {
    format!("{} changed", guard.label)
}
