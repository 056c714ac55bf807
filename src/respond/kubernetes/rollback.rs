//! Back to an earlier template, as `kubectl rollout undo` does it, and forward again.
//!
//! A plan keeps the template itself, never a revision's number: rolling back renumbers it. An undo
//! writes only over the very template that was written here.

use serde_json::{Value, json};

use crate::clock::World;
use crate::model::plan::{Fact, FieldChange, Plan, Refusal, Request, Revision as Wanted};
use crate::respond::Cluster;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::difference::{self, leaves};
use super::fields::{self, Held, held, kept};
use super::owners::Field;
use super::pace::Way;
use super::place::Place;
use super::revisions::{self, Revision};
use super::rollout::{self, Read};
use super::{Kubernetes, argocd, said};

/// The field that a rollback writes.
pub(super) const POINTER: &str = "/spec/template";
/// Revisions that are told, the newest first.
const TOLD: usize = 6;
/// The longest plan that is kept: an undo holds the plan that it takes back, and an entry is one
/// line of the journal.
const LONGEST: usize = 1 << 20;

impl Kubernetes {
    /// A plan to go to another template.
    pub(super) async fn roll_back(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let target = want.target();
        let read = self.read_rollout(target, "rollback").await?;
        let place = Place::of(target)?;
        let (listed, application) = futures::join!(
            revisions::read(&self.api, &place, &read.object),
            self.api.application(&read.meta, target.kind.as_str())
        );
        let revisions = listed.map_err(|error| error.refusal("read the revisions of", target))?;
        let change = match want {
            Request::Undo { plan } => undone(&read, plan, &revisions)?,
            Request::RollBack { to, .. } => picked(&read, to, &revisions)?,
            other => return Err(refusal(format!("{} is not about revisions", other.words()))),
        };
        let tracked = application.as_ref().map(|(tracked, _)| tracked.clone());
        let now = read.template()?;
        let differs = leaves(now, &change.template);
        let pointers: Vec<String> = differs.iter().map(|leaf| format!("{POINTER}{}", leaf.pointer)).collect();
        let owners = super::owners::of_field(Field::Template(&pointers), &read.meta, target.kind.as_str(), application);
        let images = difference::images(&differs);
        let kind = format!("{} {}", target.kind, target.path.name);
        let verb = if want.is_undo() { "roll forward" } else { "roll back" };
        let back = images
            .as_deref()
            .and_then(|words| words.split_once(" → "))
            .map_or_else(|| "back to the template of now".to_owned(), |_| format!("back to {}", difference::runs(now)));
        let number =
            change.revision.or_else(|| revisions.iter().find(|one| one.is(&change.template)).map(|one| one.number));
        let command = match number {
            Some(number) => read.kubectl(&["rollout", "undo", &read.short(), &format!("--to-revision={number}")]),
            // No revision holds it any more, so the template itself is written.
            None => {
                let patch = json!([{ "op": "replace", "path": POINTER, "value": change.template }]);
                read.kubectl(&["patch", &read.short(), "--type=json", "-p", &patch.to_string()])
            }
        };
        let instead = argocd::roll_back_instead(target, tracked.as_deref(), &owners);
        let plan = rollout::plan(
            &read,
            want,
            cluster,
            rollout::Made {
                title: format!("{verb} {kind}"),
                changes: changes(&read, &change, images.as_deref())?,
                undo: Some(said(&format!("{back}, while nobody else has changed the template"))),
                facts: facts(&read, &change, number, &differs, &revisions),
                owners,
                command,
            },
        );
        fits(Plan { instead, ..plan })
    }
}

/// Where it goes.
struct Change {
    template: Value,
    /// Annotations of the workload: key, now, then.
    annotations: Vec<(String, Value, Value)>,
    revision: Option<i64>,
}

/// The revision that was asked for.
fn picked(read: &Read<'_>, to: &Wanted, revisions: &[Revision]) -> Result<Change, Refusal> {
    let (target, now) = (read.target, read.template()?);
    let list = || {
        let numbers: Vec<String> = revisions.iter().take(TOLD).map(|one| one.number.to_string()).collect();
        if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
    };
    let revision = match to {
        // The newest that is another: right after a change its own revision may not be there yet.
        Wanted::Previous => revisions.iter().find(|one| !one.is(now)).ok_or_else(|| {
            refusal(format!(
                "{target} has no earlier revision to go back to (kept: {}): release the version that is wanted",
                list()
            ))
        })?,
        Wanted::Named(name) => {
            let named = name.trim_start_matches('#').parse::<i64>().ok();
            let one = revisions.iter().find(|one| Some(one.number) == named).ok_or_else(|| {
                refusal(format!("{target} has no revision {name} (kept: {}): name one of these", list()))
            })?;
            if one.is(now) {
                return Err(refusal(format!(
                    "{target} has the template of revision {} already: there is nothing to change; others: {}",
                    one.number,
                    list()
                )));
            }
            one
        }
    };
    let annotations =
        if target.kind == crate::model::name::Kind::Deployment { revision.annotated(&read.object) } else { Vec::new() };
    Ok(Change { template: revision.template.clone(), annotations, revision: Some(revision.number) })
}

/// What takes `applied` back, while the fields hold what it wrote.
fn undone(read: &Read<'_>, applied: &Plan, revisions: &[Revision]) -> Result<Change, Refusal> {
    let target = read.target;
    match held(&read.object, applied) {
        Held::After => {}
        Held::Before => {
            return Err(refusal(format!("there is nothing to undo: {target} has the template of before again")));
        }
        Held::Beside(guard) => {
            return Err(refusal(format!("{target}: {} since: the undo is not what it was", fields::strayed(guard))));
        }
        Held::Other(field, _) => {
            let by = read.meta.set_by(&field.pointer).map_or(String::new(), |by| format!(", by {}", said(&by.manager)));
            return Err(refusal(format!(
                "the {} of {target} was changed since{by}: the undo would overwrite that; roll back to a revision \
                 instead",
                field.label
            )));
        }
    }
    let (mut template, mut annotations, mut revision) = (None, Vec::new(), None);
    for field in &applied.changes {
        let before = whole(&field.before);
        if field.pointer == POINTER {
            // Of a plan that was read from the record secrets were taken out: a revision still has
            // them.
            let known = revisions.iter().find(|one| fields::same(&one.template, &field.before));
            revision = known.map(|one| one.number);
            template = before.or_else(|| known.map(|one| one.template.clone()));
        } else if let Some(key) = field.pointer.strip_prefix("/metadata/annotations/") {
            let then = before.ok_or_else(|| lost(applied))?;
            let key = key.replace("~1", "/").replace("~0", "~");
            annotations.push((key, fields::at(&read.object, field), then));
        }
    }
    Ok(Change { template: template.ok_or_else(|| lost(applied))?, annotations, revision })
}

/// A value as it was kept, unless secrets were taken out of it.
fn whole(kept: &Safe) -> Option<Value> {
    if kept.contains("[redacted") { None } else { serde_json::from_str(kept).ok() }
}

fn lost(applied: &Plan) -> Refusal {
    refusal(format!(
        "{} cannot be undone from the record, which keeps no secrets, and no revision holds that template any more: \
         release the version that is wanted",
        applied.title
    ))
}

/// The fields that are written: the template, and what of the annotations goes with it.
fn changes(read: &Read<'_>, change: &Change, images: Option<&str>) -> Result<Vec<FieldChange>, Refusal> {
    let long = || {
        refusal(format!(
            "the template of {} takes more than the {} KB that the record keeps of a value, and without the record \
             nothing is written: run `{}` yourselves and note it",
            read.target,
            fields::KEPT / 1024,
            match change.revision {
                Some(number) => read.kubectl(&["rollout", "undo", &read.short(), &format!("--to-revision={number}")]),
                None => read.kubectl(&["rollout", "undo", &read.short()]),
            }
        ))
    };
    let text = |value: &Value| kept(value).ok_or_else(long);
    let mut changes = vec![FieldChange {
        pointer: Safe::fixed(POINTER),
        label: Safe::fixed("template"),
        before: text(read.template()?)?,
        after: text(&change.template)?,
        words: Some(said(images.unwrap_or("another of the same image"))),
    }];
    for (key, now, then) in &change.annotations {
        // An annotation's name is a prefix and a word: what is not has no business in a pointer.
        if key.len() > 400 {
            return Err(long());
        }
        let short = |value: &Value| match value.as_str() {
            None => "nothing".to_owned(),
            Some(text) if text.chars().count() > 60 => format!("“{}…”", text.chars().take(60).collect::<String>()),
            Some(text) => format!("“{text}”"),
        };
        changes.push(FieldChange {
            pointer: Safe::from(format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"))),
            label: said(&format!("annotation {key}")),
            before: text(now)?,
            after: text(then)?,
            words: Some(said(&format!("{} → {}", short(now), short(then)))),
        });
    }
    Ok(changes)
}

fn facts(
    read: &Read<'_>,
    change: &Change,
    number: Option<i64>,
    differs: &[difference::Leaf<'_>],
    revisions: &[Revision],
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut tell = |label: &'static str, words: String, warns: bool| {
        facts.push(Fact { label: Safe::fixed(label), words: said(&words), warns });
    };
    let picked = revisions.iter().find(|one| Some(one.number) == number);
    tell(
        "to",
        match picked {
            Some(one) => format!("revision {}", described(one, read.read_at)),
            None => format!("{}, of which no revision is kept", difference::runs(&change.template)),
        },
        false,
    );
    let now = read.template().ok();
    let others: Vec<String> = revisions
        .iter()
        .filter(|one| Some(one.number) != number)
        .take(TOLD)
        .map(|one| {
            let current = if now.is_some_and(|now| one.is(now)) { ", now" } else { "" };
            format!("{}{current}", described(one, read.read_at))
        })
        .collect();
    if !others.is_empty() {
        let more = revisions.len().saturating_sub(others.len() + usize::from(picked.is_some()));
        let more = if more > 0 { format!("; and {more} older") } else { String::new() };
        tell("revisions", format!("{}{more}", others.join("; ")), false);
    }
    if let Some(words) = difference::words(differs) {
        tell("differs", words, false);
    }
    let stay: Vec<String> = difference::sources(&change.template).into_iter().take(6).collect();
    let stay = match stay.as_slice() {
        [] => "ConfigMaps, Secrets and schemas".to_owned(),
        some => format!("{}, and schemas", some.join(", ")),
    };
    tell("stays", format!("{stay} do not roll back"), false);
    facts.extend(rollout::ways(read));
    if read.target.kind == crate::model::name::Kind::StatefulSet
        && read.pace.way != Way::OnDelete
        && read.pace.ready < read.pace.replicas
        && read.object.pointer("/spec/podManagementPolicy").and_then(Value::as_str) != Some("Parallel")
    {
        let words = "a StatefulSet waits for ever on a pod that is broken (kubernetes#67250): delete that pod then";
        facts.push(Fact { label: Safe::fixed("broken pod"), words: Safe::fixed(words), warns: true });
    }
    facts
}

/// `4 payments:2.9.0, 25 min old (ci/payments)`.
fn described(one: &Revision, now: World) -> String {
    let age = one.made.map_or(String::new(), |made| format!(", {} old", rollout::age(now - made)));
    let cause = one.cause().map_or(String::new(), |cause| {
        let cause: String = cause.chars().take(60).collect();
        format!(" ({cause})")
    });
    format!("{} {}{age}{cause}", one.number, difference::runs(&one.template))
}

/// A plan that the journal can keep in a line.
fn fits(plan: Plan) -> Result<Plan, Refusal> {
    match serde_json::to_vec(&plan) {
        Ok(bytes) if bytes.len() <= LONGEST => Ok(plan),
        _ => Err(refusal(format!(
            "{} was undone and done again too often for the record to keep it all: roll back to a revision instead",
            plan.target
        ))),
    }
}
