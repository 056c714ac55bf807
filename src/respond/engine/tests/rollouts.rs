//! The promises of the gateway for rolling back and restarting, of every kind that has revisions.

use serde_json::Value;

use super::*;
use crate::model::plan::{Revision, Tier};
use crate::respond::kubernetes::fake::rollout::{stage, target, template, template_by};

const KINDS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

async fn staged(kind: Kind) -> Fake {
    let fake = Fake::start().await;
    stage(&mut fake.state(), kind);
    fake
}

fn back(kind: Kind) -> Request {
    Request::RollBack { target: target(kind), to: Revision::Previous }
}

fn restart(kind: Kind) -> Request {
    Request::Restart { target: target(kind) }
}

fn both() -> impl Iterator<Item = (Kind, Request)> {
    KINDS.into_iter().flat_map(|kind| [(kind, back(kind)), (kind, restart(kind))])
}

/// Spec and annotations, without what the controller numbers.
fn ours(fake: &Fake) -> (Value, Value) {
    let state = fake.state();
    let mut annotations = state.object["metadata"]["annotations"].clone();
    annotations.as_object_mut().unwrap().remove("deployment.kubernetes.io/revision");
    (state.object["spec"].clone(), annotations)
}

const IMAGE: &str = "/spec/template/spec/containers/0/image";

#[tokio::test]
async fn a_rollback_is_intended_written_once_watched_and_told() {
    for kind in KINDS {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back(kind)).await;
        assert!(fake.state().writes().is_empty(), "planning changes nothing");
        let ended = room.apply(plan.clone(), &pad).await.unwrap();
        let Outcome::Verified { words, .. } = &ended.outcome else { panic!("{kind}: {:?}", ended.outcome) };
        assert_eq!(*words, "6 of 6 replaced, 6 of 6 available", "{kind}");
        assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
        assert!(pad.last().title.contains("template payments:2.9.0 → payments:2.8.0"), "{}", pad.last().title);
        let state = fake.state();
        assert_eq!(state.object["spec"]["template"], template("2.8.0"), "{kind}: without hash and `$patch`");
        let writes = state.writes();
        assert_eq!((writes.len(), writes[0].intents), (1, 1));
        let mut patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": "uid-1" },
            { "op": "test", "path": "/spec/template", "value": template("2.9.0") },
            { "op": "replace", "path": "/spec/template", "value": template("2.8.0") },
        ]);
        if kind == Kind::Deployment {
            let path = "/metadata/annotations/kubernetes.io~1change-cause";
            let cause = json!({ "op": "test", "path": path, "value": "ci/payments" });
            patch.as_array_mut().unwrap().extend([cause, json!({ "op": "remove", "path": path })]);
        }
        assert_eq!(writes[0].body, patch, "{kind}");
    }
}

#[tokio::test]
async fn a_restart_writes_a_time_and_nothing_else_and_has_no_undo() {
    for kind in KINDS {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&restart(kind)).await;
        assert_eq!((plan.title.as_str(), plan.undo.as_ref()), (format!("restart {kind} payments").as_str(), None));
        drop(room.clock.due(plan.read_at + TimeDelta::seconds(2)).await);
        let again = room.plan(&restart(kind)).await;
        assert_ne!(again.changes, plan.changes, "its time moves");
        assert_eq!(Engine::voided(&plan, &again), None, "which is nothing to judge anew");
        let ended = room.apply(again.clone(), &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), "verified", "{kind}: {:?}", ended.outcome);
        let mut expected = template("2.9.0");
        let at = again.read_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        expected["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/restartedAt": at });
        assert_eq!(fake.state().object["spec"]["template"], expected);
        // The next one finds the annotation there.
        let next = room.plan(&restart(kind)).await;
        assert_eq!(next.changes[0].pointer, "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt");
        let undo = Request::Undo { plan: Box::new(ended.plan) };
        let why = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err().why;
        assert!(why.contains("cannot be undone"), "{why}");
    }
}

#[tokio::test]
async fn rolling_back_and_forward_again_is_the_identity() {
    for kind in KINDS {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let before = ours(&fake);
        let done = room.apply(room.plan(&back(kind)).await, &pad).await.unwrap();
        let after = ours(&fake);
        assert_ne!(after, before);
        let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
        assert_eq!(*undo.title, *format!("roll forward {kind} payments"));
        // The revision that it goes forward to has another number by now, on a Deployment.
        assert!(undo.command.ends_with("--to-revision=3"), "{}", undo.command);
        let undone = room.apply(undo, &pad).await.unwrap();
        assert_eq!(undone.outcome.as_str(), "verified", "{kind}");
        assert_eq!(ours(&fake), before, "{kind}");
        let again = room.plan(&Request::Undo { plan: Box::new(undone.plan) }).await;
        assert_eq!(*again.title, *format!("roll back {kind} payments"));
        room.apply(again, &pad).await.unwrap();
        assert_eq!(ours(&fake), after, "{kind}: undoing the undo does it again");
    }
}

#[tokio::test]
async fn a_template_that_somebody_else_changed_is_never_overwritten() {
    for (kind, want) in both() {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        // Between the plan and the confirmation.
        let plan = room.plan(&want).await;
        if matches!(want, Request::RollBack { .. }) {
            template_by(&mut fake.state(), "kubectl-edit", "2.9.1");
            let ended = room.apply(plan, &pad).await.unwrap();
            assert!(
                matches!(&ended.outcome, Outcome::Refused { why } if why.contains("template was changed")),
                "{kind}: {:?}",
                ended.outcome
            );
            assert_eq!(fake.state().object.pointer(IMAGE).unwrap(), "registry.example/payments:2.9.1");
            template_by(&mut fake.state(), "kubectl-edit", "2.9.0");
            // Between the action and its undo.
            let done = room.apply(room.plan(&want).await, &pad).await.unwrap();
            template_by(&mut fake.state(), "kubectl-edit", "2.9.1");
            let undo = Request::Undo { plan: Box::new(done.plan) };
            let why = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err().why;
            assert!(why.contains("was changed since, by kubectl-edit"), "{why}");
        } else {
            // A restart is not about the image: who changes that is not in its way.
            template_by(&mut fake.state(), "kubectl-edit", "2.9.1");
            assert_eq!(room.apply(plan, &pad).await.unwrap().outcome.as_str(), "verified");
        }
        assert_eq!(fake.state().object.pointer(IMAGE).unwrap(), "registry.example/payments:2.9.1");
    }
}

/// A controller that sets it back, one that gives up, and one that never looks.
#[tokio::test]
async fn success_is_the_template_on_all_pods_and_nothing_less() {
    for kind in KINDS {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back(kind)).await;
        fake.state().then = Some(|state| template_by(state, "argocd-controller", "2.9.0"));
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Overridden { words } = &ended.outcome else { panic!("{kind}: {:?}", ended.outcome) };
        assert!(words.contains("template is as before, set by argocd-controller"), "{words}");
    }
    for kind in KINDS {
        let fake = staged(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back(kind)).await;
        fake.state().follows = false;
        let ended = room.apply(plan, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), "timed out", "{kind}: all counts are those of the spec before");
        assert!(ended.outcome.words().contains("has not seen it yet"), "{}", ended.outcome.words());
    }
}

fn gave_up(at: World) -> Value {
    json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"payments-2\" has timed out progressing.", "lastUpdateTime": at.to_rfc3339() }])
}

#[tokio::test]
async fn a_deadline_that_passed_is_a_failure_but_not_that_of_the_rollout_before() {
    let stalled = async |late: TimeDelta| {
        let fake = staged(Kind::Deployment).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back(Kind::Deployment)).await;
        {
            let mut state = fake.state();
            state.follows = false;
            state.object["status"]["conditions"] = gave_up(plan.read_at + late);
            state.then = Some(|state| state.object["status"]["observedGeneration"] = json!(5));
        }
        room.apply(plan, &pad).await.unwrap().outcome
    };
    let failed = stalled(TimeDelta::seconds(600)).await;
    assert!(
        matches!(&failed, Outcome::Failed { why } if why.contains("0 of 6 replaced") && why.contains("ProgressDeadlineExceeded")),
        "{failed:?}"
    );
    let stale = stalled(TimeDelta::seconds(-60)).await;
    assert_eq!(stale.as_str(), "timed out", "the rollout before ours gave up: {stale:?}");
}

#[tokio::test]
async fn a_stateful_set_that_waits_for_a_broken_pod_says_which() {
    let fake = staged(Kind::StatefulSet).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    fake.state().object["status"]["readyReplicas"] = json!(5);
    fake.state().follows = false;
    let plan = room.plan(&back(Kind::StatefulSet)).await;
    assert!(plan.facts.iter().any(|fact| fact.warns && fact.words.contains("kubernetes#67250")), "{:?}", plan.facts);
    {
        let mut state = fake.state();
        state.then = Some(|state| state.object["status"]["observedGeneration"] = json!(5));
        let pod = |name: &str, hash: &str, ready: &str| {
            json!({ "metadata": { "name": name, "labels": { "controller-revision-hash": hash } },
                "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
        };
        state.pods = vec![pod("payments-4", "r3", "True"), pod("payments-5", "r3", "False")];
    }
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "timed out");
    assert!(ended.outcome.words().contains("payments-5 is not ready"), "{}", ended.outcome.words());
    assert!(ended.outcome.words().contains("kubernetes#67250"), "{}", ended.outcome.words());
}

#[tokio::test]
async fn a_template_that_no_pod_runs_by_itself_is_written_and_not_live() {
    let partition = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 6 } });
    for (strategy, first, words) in [
        (json!({ "type": "OnDelete" }), 0, "the others when somebody deletes them (OnDelete)"),
        (partition.clone(), 0, "all are below ordinal 6 (partition)"),
        (partition, 10, "all are below ordinal 16 (partition)"),
    ] {
        let fake = staged(Kind::StatefulSet).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        {
            let mut state = fake.state();
            state.object["spec"]["updateStrategy"] = strategy;
            state.object["spec"]["ordinals"] = json!({ "start": first });
            state.follows = false;
            state.then = Some(|state| state.object["status"]["observedGeneration"] = json!(5));
        }
        let plan = room.plan(&back(Kind::StatefulSet)).await;
        assert!(plan.facts.iter().any(|fact| fact.label == "strategy" && fact.warns));
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Written { words: told } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert!(told.contains(words), "{told}");
        assert!(ended.outcome.is_applied() && ended.outcome.may_be_on(), "it can be taken back");
    }
}

#[tokio::test]
async fn nothing_is_live_where_there_is_no_pod() {
    let fake = staged(Kind::Deployment).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    fake.state().object["spec"]["replicas"] = json!(0);
    let ended = room.apply(room.plan(&back(Kind::Deployment)).await, &pad).await.unwrap();
    let Outcome::Written { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "it has no pods: the next ones run it");
}

#[tokio::test]
async fn a_template_that_no_revision_holds_has_a_command_all_the_same() {
    let fake = staged(Kind::Deployment).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let done = room.apply(room.plan(&back(Kind::Deployment)).await, &pad).await.unwrap();
    fake.state().revisions.clear();
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert!(
        undo.command.contains("patch deploy/payments --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/template\"")
    );
    assert!(undo.command.contains("payments:2.9.0") && undo.command.ends_with("}]'"), "{}", undo.command);
}

/// The record keeps no secrets: a plan that comes from it is held against what is there all the
/// same, and is taken back only where a revision still has what was taken out.
#[tokio::test]
async fn a_plan_whose_secrets_the_record_took_out_is_settled_and_undone_from_a_revision() {
    for kind in KINDS {
        let fake = staged(kind).await;
        {
            let mut state = fake.state();
            let pointer = if kind == Kind::Deployment { "/spec/template" } else { "/data/spec/template" };
            let hide = |template: &mut Value| {
                template["spec"]["containers"][0]["env"][0] = json!({ "name": "DB_PASSWORD", "value": "hünter2" });
            };
            hide(&mut state.object["spec"]["template"]);
            state.revisions.iter_mut().for_each(|item| hide(item.pointer_mut(pointer).unwrap()));
        }
        let before = ours(&fake);
        let (first, pad) = (room(&fake), Pad::of(&fake));
        let done = first.apply(first.plan(&back(kind)).await, &pad).await.unwrap();
        assert_eq!(done.outcome.as_str(), "verified", "{kind}: {:?}", done.outcome);

        let mut kept = done.plan.clone();
        for change in &mut kept.changes {
            change.before = crate::text::redact_safe(change.before.clone());
            change.after = crate::text::redact_safe(change.after.clone());
        }
        assert!(!format!("{kept:?}").contains("nter2") && format!("{kept:?}").contains("[redacted secret]"));
        let next = room(&fake);
        let settled = next.settle(kept.clone(), &pad).await.unwrap();
        assert_eq!(settled.outcome.as_str(), "verified", "{kind}: {:?}", settled.outcome);

        let undo = Request::Undo { plan: Box::new(kept) };
        let gone = std::mem::take(&mut fake.state().revisions);
        let why = next.engine.plan(&undo, &Cluster::default()).await.unwrap_err().why;
        assert!(why.contains("keeps no secrets"), "{kind}: {why}");
        fake.state().revisions = gone;
        next.apply(next.plan(&undo).await, &pad).await.unwrap();
        assert_eq!(ours(&fake), before, "{kind}");
    }
}

#[tokio::test]
async fn a_template_that_the_record_would_cut_is_not_written() {
    for (size, fits) in [(20 << 10, true), (100 << 10, false)] {
        let fake = staged(Kind::Deployment).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        fake.state().object["spec"]["template"]["metadata"]["annotations"] = json!({ "large": "é".repeat(size / 6) });
        let want = Request::RollBack { target: target(Kind::Deployment), to: Revision::Named("2".into()) };
        let planned = room.engine.plan(&want, &Cluster::default()).await;
        if fits {
            let plan = planned.unwrap();
            let kept: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
            assert_eq!(kept, plan, "the record gives back what it was given");
            assert_eq!(room.apply(plan, &pad).await.unwrap().outcome.as_str(), "verified");
            assert_eq!(fake.state().object["spec"]["template"], template("2.8.0"));
        } else {
            let why = planned.unwrap_err().why;
            assert!(why.contains("more than the 64 KB") && why.contains("rollout undo"), "{why}");
            assert!(fake.state().writes().is_empty());
        }
    }
}

#[tokio::test]
async fn what_was_undone_and_done_again_without_end_is_refused_before_a_line_of_the_journal_breaks() {
    let fake = staged(Kind::Deployment).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    fake.state().object["spec"]["template"]["metadata"]["annotations"] = json!({ "large": "x".repeat(50 << 10) });
    let mut plan = room.plan(&back(Kind::Deployment)).await;
    for _ in 0..100 {
        assert_eq!(plan.tier, Tier::Reversible);
        let line = serde_json::to_vec(&plan).unwrap().len();
        assert!(line < 2 << 20, "an intent of {line} bytes");
        let done = room.apply(plan, &pad).await.unwrap();
        match room.engine.plan(&Request::Undo { plan: Box::new(done.plan) }, &Cluster::default()).await {
            Ok(next) => plan = next,
            Err(refusal) => {
                assert!(refusal.why.contains("too often"), "{refusal}");
                return;
            }
        }
    }
    panic!("a hundred templates in one line");
}
