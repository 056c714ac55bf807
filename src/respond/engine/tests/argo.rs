//! The promises of the gateway for Argo: Rollouts that are aborted and rolled back, Applications
//! that go back and follow git again.

use serde_json::Value;

use super::*;
use crate::model::plan::Revision;
use crate::respond::kubernetes::fake::argo::{
    APPLICATION, COMMITS, ROLLOUT, SETS, checkout, shop, stage_application, stage_rollout, template,
};
use crate::text::redact_safe;

async fn staged() -> Fake {
    let fake = Fake::start().await;
    stage_rollout(&mut fake.state());
    stage_application(&mut fake.state());
    fake
}

fn abort() -> Request {
    Request::Abort { target: checkout() }
}

fn back() -> Request {
    Request::RollBack { target: checkout(), to: Revision::Previous }
}

fn application(to: &str) -> Request {
    let to = if to.is_empty() { Revision::Previous } else { Revision::Named(to.into()) };
    Request::RollBack { target: shop(), to }
}

fn all() -> [(Request, &'static str); 4] {
    [(abort(), ROLLOUT), (back(), ROLLOUT), (application(""), APPLICATION), (application("current"), APPLICATION)]
}

/// What of an object is ours to write and is not used up.
fn ours(fake: &Fake, path: &str) -> Value {
    let state = fake.state();
    let object = &state.argo[path];
    json!([object["spec"], object["status"]["abort"]])
}

fn change(fake: &Fake, path: &str, change: impl FnOnce(&mut Value)) {
    change(fake.state().argo.get_mut(path).unwrap());
}

#[tokio::test]
async fn each_is_intended_written_once_watched_and_told() {
    let words = [
        "the stable version has 8 of 8 ready, the new one 0; RolloutAborted: Rollout aborted update to revision 5",
        "8 of 8 ready",
        "2222222 is synced and Healthy",
        "auto-sync is off; Synced, Healthy",
    ];
    for ((want, path), told) in all().into_iter().zip(words) {
        let fake = staged().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&want).await;
        let ended = room.apply(plan.clone(), &pad).await.unwrap();
        let Outcome::Verified { words, .. } = &ended.outcome else { panic!("{}: {:?}", plan.title, ended.outcome) };
        assert_eq!(*words, told, "{}", plan.title);
        assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
        let state = fake.state();
        let writes = state.writes();
        assert_eq!((writes.len(), writes[0].intents), (1, 1), "{}", plan.title);
        let asked = writes[0].path.split('?').next().unwrap().to_owned();
        let written = if want == abort() { format!("{path}/status") } else { path.to_owned() };
        assert_eq!(asked, written);
        let steps = writes[0].body.as_array().unwrap();
        assert_eq!(steps[0]["path"], "/metadata/uid");
        let tests: Vec<_> = steps.iter().filter(|step| step["op"] == "test").collect();
        let tested = |pointer: &str| tests.iter().any(|test| test["path"] == *pointer);
        assert!(plan.changes.iter().all(|change| tested(&change.pointer)), "each field is tested as it was shown");
        assert!(plan.guards.iter().all(|guard| tested(&guard.pointer)), "and all that it goes by");
        assert_eq!(steps.len() - tests.len(), plan.changes.len());
    }
}

#[tokio::test]
async fn an_application_goes_back_in_one_patch_that_turns_auto_sync_off_first() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&application("")).await;
    room.apply(plan.clone(), &pad).await.unwrap();
    let operation: Value = serde_json::from_str(&plan.changes[1].after).unwrap();
    let body = fake.state().writes()[0].body.clone();
    let automated = json!({ "prune": true, "selfHeal": true });
    assert_eq!(
        body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "uid-a" },
            { "op": "test", "path": "/spec/syncPolicy/automated", "value": automated },
            { "op": "remove", "path": "/spec/syncPolicy/automated" },
            { "op": "test", "path": "/operation", "value": null },
            { "op": "test", "path": "/status/operationState/startedAt", "value": "2026-11-12T02:29:58Z" },
            { "op": "add", "path": "/operation", "value": operation },
        ])
    );
}

/// A plan as it is read back from the record.
fn recorded(plan: &Plan) -> Plan {
    let mut kept: Plan = serde_json::from_str(&serde_json::to_string(plan).unwrap()).unwrap();
    for change in &mut kept.changes {
        change.before = redact_safe(change.before.clone());
        change.after = redact_safe(change.after.clone());
    }
    kept
}

#[tokio::test]
async fn an_intent_that_a_kill_left_after_the_write_is_settled_as_it_ended() {
    for (want, _) in all() {
        let fake = staged().await;
        // A secret in what is written must not keep it from being known again.
        change(&fake, APPLICATION, |app| {
            for entry in app["status"]["history"].as_array_mut().unwrap() {
                entry["source"]["repoURL"] = json!("https://ci:hunter22@git.example/shop.git");
            }
        });
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&want).await;
        let first = room.apply(plan.clone(), &pad).await.unwrap();
        assert_eq!(first.outcome.as_str(), "verified", "{:?}", first.outcome);
        let kept = recorded(&plan);
        assert_eq!(want == application(""), kept.changes != plan.changes, "{}", plan.title);
        let next = self::room(&fake);
        let ended = next.settle(kept, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), "verified", "{}: {:?}", plan.title, ended.outcome);
        assert_eq!(fake.state().writes().len(), 1);
    }
}

#[tokio::test]
async fn an_application_whose_policy_goes_with_its_auto_sync_gets_it_back_and_is_held_again() {
    for want in [application(""), application("current")] {
        let path = APPLICATION;
        let fake = staged().await;
        // The last thing in it: Argo CD takes the whole policy away then.
        change(&fake, APPLICATION, |app| {
            drop(app["spec"]["syncPolicy"].as_object_mut().unwrap().remove("syncOptions"))
        });
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let before = ours(&fake, path);
        let done = room.apply(room.plan(&want).await, &pad).await.unwrap();
        let changed = ours(&fake, path);
        assert_ne!(changed, before);
        let undone = room.apply(room.plan(&undo(done.plan)).await, &pad).await.unwrap();
        assert_eq!(undone.outcome.as_str(), "verified", "{:?}", undone.outcome);
        assert_eq!(ours(&fake, path), before, "{}", undone.plan.title);
        let again = room.apply(room.plan(&undo(undone.plan)).await, &pad).await.unwrap();
        assert_eq!(again.outcome.as_str(), "verified", "{:?}", again.outcome);
        assert_eq!(ours(&fake, path), changed, "{}", again.plan.title);
        if want == application("") {
            let state = fake.state();
            assert_eq!(state.argo[APPLICATION]["status"]["operationState"]["syncResult"]["revision"], COMMITS[2]);
        }
    }
}

#[tokio::test]
async fn an_application_without_auto_sync_goes_back_to_what_ran() {
    let fake = staged().await;
    change(&fake, APPLICATION, |app| app["spec"]["syncPolicy"] = Value::Null);
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let runs = || fake.state().argo[APPLICATION]["status"]["operationState"]["syncResult"]["revision"].clone();
    let done = room.apply(room.plan(&application("")).await, &pad).await.unwrap();
    assert_eq!((done.outcome.as_str(), runs()), ("verified", json!(COMMITS[1])));
    let undone = room.apply(room.plan(&undo(done.plan.clone())).await, &pad).await.unwrap();
    assert_eq!((undone.outcome.as_str(), runs()), ("verified", json!(COMMITS[2])));
    assert_eq!(undone.plan.title, "undo the rollback of Application shop");
    // Once it was taken back, or somebody else synced, it is not taken back again.
    let refusal = room.engine.plan(&undo(done.plan), &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("was synced by somebody else since"), "{refusal}");
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    type Edit = fn(&mut Value);
    let edits: [(Request, &str, Edit, &str); 4] = [
        (abort(), ROLLOUT, |it| it["status"]["abort"] = json!(false), "abort went from null to false"),
        (back(), ROLLOUT, |it| it["spec"]["template"] = template("2.9.1"), "template was changed"),
        (
            application(""),
            APPLICATION,
            |it| it["spec"]["syncPolicy"]["automated"]["selfHeal"] = json!(false),
            "auto-sync",
        ),
        (application(""), APPLICATION, |it| it["operation"] = json!({ "sync": {} }), "version was changed"),
    ];
    for (want, path, edit, why) in edits {
        // Between the plan and the confirmation.
        let fake = staged().await;
        let (first, pad) = (room(&fake), Pad::of(&fake));
        let plan = first.plan(&want).await;
        fake.state().follows = false;
        change(&fake, path, edit);
        let edited = ours(&fake, path);
        let ended = first.apply(plan, &pad).await.unwrap();
        assert!(ended.outcome.words().contains(why), "{why}: {:?}", ended.outcome);
        assert_eq!(ours(&fake, path), edited);
    }

    // Between the action and its undo.
    let edits: [(Request, &str, Edit, &str); 3] = [
        (abort(), ROLLOUT, |it| it["status"]["abort"] = Value::Null, "nothing to undo"),
        (back(), ROLLOUT, |it| it["spec"]["template"] = template("2.9.1"), "would overwrite that"),
        (
            application("current"),
            APPLICATION,
            |it| it["spec"]["syncPolicy"]["automated"] = json!({ "selfHeal": false }),
            "would overwrite that",
        ),
    ];
    for (want, path, edit, why) in edits {
        let fake = staged().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let done = room.apply(room.plan(&want).await, &pad).await.unwrap();
        fake.state().follows = false;
        change(&fake, path, edit);
        let refusal = room.engine.plan(&undo(done.plan), &Cluster::default()).await.unwrap_err();
        assert!(refusal.why.contains(why), "{why}: {refusal}");
        assert_eq!(fake.state().writes().len(), 1);
    }
}

#[tokio::test]
async fn what_fails_or_is_set_back_is_told_so() {
    // The sync fails.
    let fake = staged().await;
    let (one, pad) = (room(&fake), Pad::of(&fake));
    let ended = one.apply(one.plan(&application("0")).await, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "failed");
    assert_eq!(ended.outcome.words().as_str(), "the sync failed: one or more objects failed to apply");

    // Somebody turns auto-sync on again meanwhile.
    let fake = staged().await;
    let (one, pad) = (room(&fake), Pad::of(&fake));
    let plan = one.plan(&application("current")).await;
    one.apply(plan.clone(), &pad).await.unwrap();
    change(&fake, APPLICATION, |app| app["spec"]["syncPolicy"]["automated"] = json!({}));
    let ended = room(&fake).settle(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "overridden", "{:?}", ended.outcome);

    // A version that does not come up, and a controller that is not there.
    let fake = staged().await;
    let (one, pad) = (room(&fake), Pad::of(&fake));
    let plan = one.plan(&back()).await;
    fake.state().follows = false;
    let ended = one.apply(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "its controller has not taken the change up yet");
    change(&fake, ROLLOUT, |it| {
        it["status"]["observedGeneration"] = json!("8");
        (it["status"]["phase"], it["status"]["message"]) = (json!("Degraded"), json!("ProgressDeadlineExceeded: …"));
    });
    let ended = room(&fake).settle(ended.plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "failed", "{:?}", ended.outcome);
}

#[tokio::test]
async fn healthy_as_it_was_before_is_no_success() {
    let fake = staged().await;
    let (one, pad) = (room(&fake), Pad::of(&fake));
    let plan = one.plan(&application("")).await;
    let applied = one.apply(plan.clone(), &pad).await.unwrap();
    assert_eq!(applied.outcome.as_str(), "verified");
    fake.state().follows = false;
    change(&fake, APPLICATION, |app| {
        app["status"]["reconciledAt"] = app["status"]["operationState"]["finishedAt"].clone();
    });
    let ended = room(&fake).settle(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "2222222 is synced, Healthy, as it was before");
}

#[tokio::test]
async fn an_abort_is_of_the_version_that_was_shown_and_so_is_a_retry() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let refused = async |plan: Plan, what: &str| {
        let ended = room.let_apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert!(why.contains(&format!("{what} changed since the plan was made")), "{why}");
    };
    for (hash, other, what) in
        [("currentPodHash", "h6", "the version that is rolled out"), ("stableRS", "h3", "the stable version")]
    {
        fake.state().follows = false;
        let plan = room.plan(&abort()).await;
        let shown = fake.state().argo[ROLLOUT]["status"][hash].clone();
        change(&fake, ROLLOUT, |rollout| rollout["status"][hash] = json!(other));
        refused(plan, what).await;
        assert_eq!(fake.state().argo[ROLLOUT]["status"]["abort"], Value::Null);
        change(&fake, ROLLOUT, |rollout| rollout["status"][hash] = shown);
    }
    fake.state().follows = true;
    let done = room.let_apply(room.plan(&abort()).await, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
    fake.state().follows = false;
    let retry = room.plan(&undo(done.plan)).await;
    change(&fake, ROLLOUT, |rollout| rollout["status"]["currentPodHash"] = json!("h6"));
    refused(retry, "the version that is rolled out").await;
    assert_eq!(fake.state().argo[ROLLOUT]["status"]["abort"], true);
}

#[tokio::test]
async fn an_abort_is_not_done_by_what_was_degraded_before() {
    let fake = staged().await;
    fake.state().follows = false;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    change(&fake, SETS, |sets| {
        for set in sets["items"].as_array_mut().unwrap().iter_mut().skip(1) {
            set["status"] = json!({ "replicas": 8, "readyReplicas": 8, "availableReplicas": 8 });
        }
    });
    change(&fake, ROLLOUT, |rollout| {
        rollout["spec"]["strategy"] = json!({ "blueGreen": { "activeService": "checkout" } });
        rollout["status"]["blueGreen"] = json!({ "activeSelector": "h4" });
        rollout["status"]["phase"] = json!("Degraded");
        rollout["status"]["message"] = json!("ProgressDeadlineExceeded: ReplicaSet checkout-h5 has timed out");
    });
    let ended = room.let_apply(room.plan(&abort()).await, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "timed out", "{:?}", ended.outcome);
}

#[tokio::test]
async fn a_deploy_that_was_made_after_the_plan_is_not_rolled_back_unseen() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&application("")).await;
    fake.state().follows = false;
    // Auto-sync brought another commit, and is done.
    change(&fake, APPLICATION, |app| {
        app["status"]["operationState"]["startedAt"] = json!("2026-11-21T03:24:00Z");
        app["status"]["operationState"]["finishedAt"] = json!("2026-11-21T03:24:02Z");
    });
    let ended = room.let_apply(plan, &pad).await.unwrap();
    let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(why.contains("Application argocd/shop in prod-eu was synced since the plan was made"), "{why}");
    let app = fake.state().argo[APPLICATION].clone();
    assert_eq!(
        (&app["operation"], app["spec"]["syncPolicy"]["automated"]["selfHeal"].clone()),
        (&Value::Null, json!(true))
    );
}
