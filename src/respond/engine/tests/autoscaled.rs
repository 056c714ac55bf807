//! The promises of the gateway for what an autoscaler scales: its floor or cap is changed, the
//! workload follows, and the undo puts back exactly what was there.

use serde_json::Value;

use super::*;
use crate::model::name::{Kind, Target};
use crate::model::plan::{Ends, OwnerEffect, Tier};
use crate::respond::kubernetes::fake::scalers::{edit, hpa, scaled_object};

async fn under(floor: u32, cap: u32) -> Fake {
    let fake = Fake::start().await;
    fake.state().autoscalers = json!([hpa(floor, cap)]);
    fake
}

async fn keda(spec: Value, annotations: Value) -> Fake {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        state.scaled = vec![scaled_object(spec, annotations)];
        state.autoscalers = json!([]);
    }
    fake
}

/// By its autoscaler, as the session asks for it.
fn bound(floor: Option<u32>, cap: Option<u32>) -> Request {
    let target = Target { kind: Kind::HorizontalPodAutoscaler, uid: None, ..payments() };
    Request::Bound { target, floor, cap }
}

fn spec(fake: &Fake) -> Value {
    fake.state().autoscalers[0]["spec"].clone()
}

async fn refused(room: &Room, want: &Request) -> String {
    room.engine.plan(want, &Cluster::default()).await.expect_err("it was planned").why.to_string()
}

fn written(plan: &Plan) -> Vec<(&str, &str, &str)> {
    plan.changes.iter().map(|change| (&*change.pointer, &*change.before, &*change.after)).collect()
}

#[tokio::test]
async fn more_replicas_raise_the_floor_and_the_cap_only_if_it_is_in_the_way() {
    let fake = under(2, 8).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let cluster = Cluster { fits: Some(4), service: Some("checkout".into()), ..Cluster::default() };
    let plan = room.engine.plan(&scale(12), &cluster).await.unwrap();
    assert_eq!(plan.title, "scale Deployment payments by HPA payments");
    assert_eq!((plan.target.kind, plan.target.uid.clone()), (Kind::HorizontalPodAutoscaler, Some("hpa-1".into())));
    assert_eq!(plan.changed(), "floor 2 → 12, cap 8 → 12");
    assert_eq!(written(&plan), [("/spec/minReplicas", "2", "12"), ("/spec/maxReplicas", "8", "12")]);
    let owner = &plan.owners[0];
    assert_eq!((&*owner.name, owner.effect), ("HPA payments 2–8", OwnerEffect::Informs));
    assert_eq!(owner.words, "would set a plain scale back within 15 s, so its floor and cap are changed");
    assert_eq!(plan.blast.words, "+6 of 6 (100 % more), 6 ready now");
    let crate::model::plan::Room::Counted { fit: 4, wait: 2, .. } = plan.room else { panic!("{:?}", plan.room) };
    assert_eq!(
        (plan.tier, plan.ends, plan.service.clone()),
        (Tier::Reversible, Ends::Reminder, Some("checkout".into()))
    );
    assert_eq!(plan.undo.as_deref(), Some("floor 12 → 2, cap 12 → 8, while nobody else has changed it"));
    assert!(
        plan.command.ends_with(r#"patch hpa payments --type=merge -p '{"spec":{"maxReplicas":12,"minReplicas":12}}'"#),
        "{}",
        plan.command
    );
    assert_eq!(Engine::blocked(&plan), None);
    assert!(fake.state().writes().is_empty(), "planning changes nothing");

    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::Verified { words, .. } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "12 of 12 ready under HPA payments 12–12");
    assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
    let state = fake.state();
    assert_eq!(state.replicas(), 12);
    let writes = state.writes();
    assert_eq!((writes.len(), writes[0].intents), (1, 1), "one write, the intent durable before it");
    assert_eq!(
        writes[0].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "hpa-1" },
            { "op": "test", "path": "/spec/minReplicas", "value": 2 },
            { "op": "replace", "path": "/spec/minReplicas", "value": 12 },
            { "op": "test", "path": "/spec/maxReplicas", "value": 8 },
            { "op": "replace", "path": "/spec/maxReplicas", "value": 12 },
        ])
    );
}

#[tokio::test]
async fn fewer_replicas_lower_the_cap_and_want_the_name() {
    let fake = under(2, 8).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(4)).await;
    assert_eq!((plan.changed().as_str(), plan.tier), ("cap 8 → 4", Tier::Lowers));
    assert!(plan.owners[0].words.ends_with("so its cap is changed"), "{}", plan.owners[0].words);
    assert_eq!(room.apply(plan, &pad).await.unwrap().outcome.as_str(), "verified");
    let cap = spec(&fake)["maxReplicas"].clone();
    assert_eq!((fake.state().replicas(), cap), (4, json!(4)));

    let lower = room.plan(&scale(1)).await;
    assert_eq!(lower.changed(), "floor 2 → 1, cap 4 → 1", "the floor is in the way");
    let more = room.plan(&scale(5)).await;
    assert_eq!(more.changed(), "floor 2 → 5, cap 4 → 5");
}

#[tokio::test]
async fn do_and_undo_is_the_identity_of_the_bounds_and_of_their_absence() {
    for (floor, want) in
        [(2, scale(12)), (0, scale(7)), (0, scale(3)), (2, bound(Some(4), Some(20))), (0, bound(None, Some(6)))]
    {
        let fake = under(floor, 8).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let before = spec(&fake);
        let done = room.apply(room.plan(&want).await, &pad).await.unwrap();
        assert_eq!(done.outcome.as_str(), "verified", "{want:?}: {:?}", done.outcome);
        let after = spec(&fake);
        assert_ne!(after, before);
        let undo = room.plan(&Request::Undo { plan: Box::new(done.plan.clone()) }).await;
        assert_eq!((undo.ends, undo.target.kind), (Ends::Stays, Kind::HorizontalPodAutoscaler));
        assert_eq!(*undo.title, format!("{} back", done.plan.title));
        let undone = room.apply(undo, &pad).await.unwrap();
        assert_eq!(undone.outcome.as_str(), "verified", "{:?}", undone.outcome);
        assert_eq!(spec(&fake), before, "{want:?}");
        let again = room.plan(&Request::Undo { plan: Box::new(undone.plan) }).await;
        assert_eq!(
            (again.changed(), again.ends),
            (done.plan.changed(), Ends::Reminder),
            "undoing the undo does it again"
        );
    }
}

#[tokio::test]
async fn a_floor_that_goes_down_says_that_replicas_follow_only_when_the_load_allows() {
    let fake = under(2, 8).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let done = room.apply(room.plan(&scale(7)).await, &pad).await.unwrap();
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!((undo.changed().as_str(), undo.tier), ("floor 7 → 2", Tier::Lowers));
    assert_eq!(undo.blast.words, "none at once: 7 wanted, 7 ready; HPA payments may lower them to 2");
    assert!(undo.facts[0].words.contains("300 s"), "{:?}", undo.facts);
    let undone = room.apply(undo, &pad).await.unwrap();
    let Outcome::Verified { words, .. } = &undone.outcome else { panic!("{:?}", undone.outcome) };
    assert_eq!(*words, "7 of 7 ready under HPA payments 2–8");
}

#[tokio::test]
async fn bounds_can_be_named_and_the_other_end_moves_only_if_it_is_in_the_way() {
    let fake = under(2, 8).await;
    let room = room(&fake);
    let plan = room.plan(&bound(Some(4), Some(20))).await;
    assert_eq!(
        (plan.title.as_str(), plan.changed().as_str()),
        ("bound Deployment payments by HPA payments", "floor 2 → 4, cap 8 → 20")
    );
    assert_eq!(
        (plan.tier, plan.blast.words.as_str()),
        (Tier::Reversible, "none at once: 6 wanted, 6 ready, within 4–20")
    );
    for (want, changed) in [
        (bound(Some(9), None), "floor 2 → 9, cap 8 → 9"),
        (bound(None, Some(1)), "floor 2 → 1, cap 8 → 1"),
        (bound(None, Some(7)), "cap 8 → 7"),
    ] {
        assert_eq!(room.plan(&want).await.changed(), changed);
    }
    for (want, why) in [
        (bound(Some(2), Some(8)), "has these bounds already"),
        (bound(Some(9), Some(3)), "cannot be kept"),
        (bound(Some(0), None), "the floor is at least 1"),
        (bound(None, Some(0)), "the cap at least 1"),
        (bound(None, Some(900)), "more than 10 times"),
    ] {
        let said = refused(&room, &want).await;
        assert!(said.contains(why), "{want:?}: {said}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_a_switched_off_autoscaler_is_told() {
    let fake = under(2, 8).await;
    let room = room(&fake);
    let said = refused(&room, &scale(0)).await;
    assert!(said.contains("no replica left") && said.contains("HPA payments 2–8 would be off"), "{said}");
    assert!(refused(&room, &scale(6)).await.contains("nothing to change"));
    fake.state().follows = false;
    fake.state().autoscalers = json!([hpa(9, 12)]);
    assert!(refused(&room, &scale(8)).await.contains("the floor of its HPA payments is 9: that is under way"));
    fake.state().autoscalers = json!([hpa(1, 3)]);
    assert!(refused(&room, &scale(4)).await.contains("the cap of its HPA payments is 3"));

    fake.state().set_by("kubectl", 0);
    let plain = room.plan(&scale(3)).await;
    assert_eq!((plain.target.kind, plain.owners[0].effect), (Kind::Deployment, OwnerEffect::MayRevert));
    let off = room.plan(&bound(Some(2), None)).await;
    assert!(off.facts[0].warns && off.facts[0].words.contains("is off while"), "{:?}", off.facts);
}

#[tokio::test]
async fn who_keeps_the_autoscaler_or_the_workload_as_git_has_it_is_named() {
    let fake = under(2, 8).await;
    let room = room(&fake);
    fake.state().application = Some(json!({ "spec": { "syncPolicy": { "automated": { "selfHeal": true } } } }));
    let tracked = json!({ "argocd.argoproj.io/tracking-id": "shop:autoscaling/HorizontalPodAutoscaler:shop/payments" });
    fake.state().autoscalers[0]["metadata"]["annotations"] = tracked;
    let plan = room.plan(&scale(12)).await;
    assert_eq!((&*plan.owners[0].name, plan.owners[0].effect), ("Argo CD app shop", OwnerEffect::Reverts));
    assert!(plan.owners[0].words.contains("change its floor and cap in git"), "{}", plan.owners[0].words);
    assert!(Engine::blocked(&plan).unwrap().contains("it would be undone"));
    let instead = plan.instead.unwrap();
    assert_eq!(instead.words, "turn auto-sync of Application shop off first, at the version that runs");
    assert_eq!(instead.request.target().kind, Kind::Application);

    // The autoscaler is nobody's, and the workload's manifest leaves the number to it.
    fake.state().autoscalers = json!([hpa(2, 8)]);
    let applied = json!({ "spec": { "replicas": 6 } }).to_string();
    fake.state().object["metadata"]["annotations"] = json!({
        "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/payments",
        "kubectl.kubernetes.io/last-applied-configuration": applied,
    });
    let fights = room.plan(&scale(12)).await;
    assert_eq!(fights.owners[0].effect, OwnerEffect::Reverts, "git sets the number that the autoscaler sets");
    let applied = json!({ "spec": { "template": {} } }).to_string();
    fake.state().object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(applied);
    let free = room.plan(&scale(12)).await;
    assert_eq!(free.owners.len(), 1);
    assert_eq!(Engine::blocked(&free), None);
}

#[tokio::test]
async fn what_somebody_else_set_at_an_autoscaler_is_never_overwritten() {
    let fake = under(2, 8).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    edit(&mut fake.state(), "minReplicas", 5);
    let ended = room.apply(plan.clone(), &pad).await.unwrap();
    let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*why, "nothing was changed: floor went from 2 to 5 since the plan was made; look again");
    let next = self::room(&fake);
    let settled = next.settle(plan, &Pad::of(&fake)).await.unwrap();
    assert_eq!(settled.outcome.as_str(), "overridden");
    assert!(settled.outcome.words().contains("floor is 5, set by kubectl-edit"), "{}", settled.outcome.words());

    let done = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified");
    let undo = Request::Undo { plan: Box::new(done.plan) };
    edit(&mut fake.state(), "maxReplicas", 20);
    assert!(refused(&room, &undo).await.contains("the cap of HPA payments is 20, not the 12 that was set here"));
    edit(&mut fake.state(), "maxReplicas", 12);
    assert!(refused(&room, &undo).await.contains("was set by kubectl-edit since"));
    fake.state().autoscalers = json!([hpa(5, 8)]);
    assert!(refused(&room, &undo).await.contains("nothing to undo"));
    fake.state().autoscalers[0]["metadata"]["uid"] = json!("hpa-2");
    assert!(refused(&room, &undo).await.contains("another object"));
}

#[tokio::test]
async fn replicas_that_do_not_follow_time_out_and_say_why() {
    let fake = under(2, 8).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    {
        let mut state = fake.state();
        state.follows = false;
        state.autoscalers[0]["status"]["conditions"] = json!([{ "type": "AbleToScale", "status": "False",
            "reason": "FailedGetScale", "message": "the target cannot be read" }]);
    }
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "6 of 6 ready under HPA payments 12–12; FailedGetScale: the target cannot be read");
}

#[tokio::test]
async fn under_keda_the_scaled_object_is_changed_and_its_autoscaler_follows() {
    let fake = keda(json!({ "minReplicaCount": 2, "maxReplicaCount": 8 }), json!({})).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    assert_eq!((plan.target.kind, plan.target.path.name.as_str()), (Kind::ScaledObject, "pay"));
    assert_eq!(written(&plan), [("/spec/minReplicaCount", "2", "12"), ("/spec/maxReplicaCount", "8", "12")]);
    assert_eq!(plan.owners[0].name, "KEDA ScaledObject pay 2–8");
    assert!(plan.command.contains("patch scaledobject pay --type=merge"), "{}", plan.command);
    let before = fake.state().scaled[0]["spec"].clone();
    let done = room.apply(plan, &pad).await.unwrap();
    let Outcome::Verified { words, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
    assert_eq!(*words, "12 of 12 ready under KEDA ScaledObject pay 12–12");
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!(room.apply(undo, &pad).await.unwrap().outcome.as_str(), "verified");
    assert_eq!(fake.state().scaled[0]["spec"], before);

    // By the autoscaler that it made, too.
    let target = Target {
        path: ObjectPath::new("shop", "keda-hpa-pay"),
        kind: Kind::HorizontalPodAutoscaler,
        uid: None,
        ..payments()
    };
    let named = room.plan(&Request::Bound { target, floor: Some(3), cap: None }).await;
    assert_eq!((named.target.kind, named.changed().as_str()), (Kind::ScaledObject, "floor 2 → 3"));
}

#[tokio::test]
async fn counts_that_keda_was_not_told_are_its_defaults_and_go_again_with_the_undo() {
    let fake = keda(json!({}), json!({})).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    assert_eq!(plan.changed(), "floor 0 (not set) → 12", "the cap of 100 is not in the way");
    assert_eq!(written(&plan), [("/spec/minReplicaCount", "null", "12")]);
    let before = fake.state().scaled[0]["spec"].clone();
    let done = room.apply(plan, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified");
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert!(undo.facts.iter().any(|fact| fact.warns && fact.words.contains("the last replica")), "{:?}", undo.facts);
    assert_eq!(room.apply(undo, &pad).await.unwrap().outcome.as_str(), "verified");
    assert_eq!(fake.state().scaled[0]["spec"], before, "no field is left behind");

    let idle = keda(json!({ "minReplicaCount": 4, "idleReplicaCount": 3 }), json!({})).await;
    let why = refused(&self::room(&idle), &scale(2)).await;
    assert!(why.contains("idles at 3"), "{why}");
}

#[tokio::test]
async fn a_pinned_scaled_object_is_pinned_at_another_number_and_back() {
    let notes = json!({ "autoscaling.keda.sh/paused-replicas": "6", "team": "money" });
    let fake = keda(json!({ "minReplicaCount": 2 }), notes.clone()).await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(9)).await;
    assert_eq!(plan.changed(), r#"paused-replicas "6" → "9""#);
    assert!(
        plan.command.ends_with("annotate scaledobject pay --overwrite autoscaling.keda.sh/paused-replicas=9"),
        "{}",
        plan.command
    );
    let done = room.apply(plan, &pad).await.unwrap();
    let Outcome::Verified { words, .. } = &done.outcome else { panic!("{:?}", done.outcome) };
    assert_eq!(*words, "9 of 9 ready under KEDA ScaledObject pay pinned at 9");
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!(undo.tier, Tier::Lowers);
    assert_eq!(room.apply(undo, &pad).await.unwrap().outcome.as_str(), "verified");
    assert_eq!(fake.state().scaled[0]["metadata"]["annotations"], notes);

    // Paused at what there is: nobody sets a plain scale back.
    let paused = keda(json!({}), json!({ "autoscaling.keda.sh/paused": "true" })).await;
    let plain = self::room(&paused).plan(&scale(9)).await;
    assert_eq!((plain.target.kind, Engine::blocked(&plain)), (Kind::Deployment, None));
    let owner = plain.owners.last().unwrap();
    assert_eq!((&*owner.name, owner.effect), ("KEDA ScaledObject pay 0–100", OwnerEffect::MayRevert));
    assert!(owner.words.contains("is paused"), "{}", owner.words);
}

#[tokio::test]
async fn plans_of_autoscalers_at_80_by_24() {
    let cluster = Cluster {
        fits: Some(4),
        full: Some("no more room on 5 nodes for 500m cpu each".into()),
        load: Some("cpu 97 % on 6 pods; errors 9.1 %, p99 4.2 s".into()),
        service: Some("payments".into()),
        ..Cluster::default()
    };
    let keda = keda(json!({ "maxReplicaCount": 8 }), json!({})).await;
    let hpa = under(2, 8).await;
    for (name, fake, want) in [
        ("more_replicas_by_an_autoscaler", &hpa, scale(12)),
        ("fewer_replicas_by_an_autoscaler", &hpa, scale(4)),
        ("an_autoscalers_bounds", &hpa, bound(Some(4), Some(12))),
        ("more_replicas_by_keda", &keda, scale(12)),
    ] {
        let room = room(fake);
        let mut plan = room.engine.plan(&want, &cluster).await.unwrap();
        // The file lies in a folder of this run.
        let file = fake.environment().kubernetes.unwrap().kubeconfig.unwrap();
        plan.command = plan.command.replace(&file.display().to_string(), "/home/ana/.kube/prod").into();
        insta::assert_snapshot!(name, crate::tui::tests::plans::picture(&plan));
    }
}
