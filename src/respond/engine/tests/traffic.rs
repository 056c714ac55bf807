//! The promises of the gateway, for weights and selectors.

use super::*;
use crate::model::name::Kind;
use crate::model::plan::Ends;
use crate::respond::kubernetes::fake::mesh::{self, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE, divert, path, switch, wish};

const KINDS: [Kind; 3] = [Kind::VirtualService, Kind::HttpRoute, Kind::Service];

async fn shop() -> Fake {
    let fake = Fake::start().await;
    mesh::put(&mut fake.state());
    fake
}

fn spec(fake: &Fake, kind: Kind) -> serde_json::Value {
    fake.state().objects.at(path(kind))["spec"].clone()
}

#[tokio::test]
async fn a_diversion_is_one_guarded_write_and_is_told_when_it_is_live() {
    let fake = shop().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    for (kind, words) in [
        (
            Kind::VirtualService,
            "partner says partner-a 60 %, partner-b 40 %; Istio does not tell when its proxies follow: watch the signals",
        ),
        (Kind::HttpRoute, "partner says partner-a 60 %, partner-b 40 %; its gateway has taken it"),
        (Kind::Service, "4 of 4 ready pods are behind checkout"),
    ] {
        let ended = room.apply(room.plan(&wish(kind)).await, &pad).await.unwrap();
        assert_eq!((ended.outcome.as_str(), ended.outcome.words().as_str()), ("verified", words));
    }
    let writes = fake.state().writes();
    assert_eq!(writes.iter().map(|write| write.intents).collect::<Vec<_>>(), [1, 2, 3], "each after its intent");
    let (a, b) = ("/spec/http/0/route/0", "/spec/http/0/route/1");
    let b_is = json!({ "host": "partner-b.shop.svc.cluster.local", "port": { "number": 80 } });
    assert_eq!(
        writes[0].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "vs-1" },
            { "op": "test", "path": "/spec/http/0/route", "value": [
                { "destination": { "host": "partner-a" }, "weight": 100 }, { "destination": b_is } ] },
            { "op": "test", "path": "/spec/http/0/match", "value": null },
            { "op": "test", "path": "/spec/http/0/name", "value": null },
            { "op": "test", "path": a, "value": { "destination": { "host": "partner-a" }, "weight": 100 } },
            { "op": "replace", "path": a, "value": { "destination": { "host": "partner-a" }, "weight": 60 } },
            { "op": "test", "path": b, "value": { "destination": b_is } },
            { "op": "replace", "path": b, "value": { "destination": b_is, "weight": 40 } },
        ])
    );
    assert_eq!(
        writes[2].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "service-checkout" },
            { "op": "test", "path": "/spec/selector", "value": { "app": "checkout", "color": "blue" } },
            { "op": "test", "path": "/spec/selector/color", "value": "blue" },
            { "op": "replace", "path": "/spec/selector/color", "value": "green" },
        ])
    );
    let told = pad.kept.lock().unwrap().iter().map(|draft| draft.title.to_string()).collect::<Vec<_>>();
    assert_eq!(told[0], "about to divert VirtualService partner: partner-a 100 % → 60 %, partner-b 0 % → 40 %");
}

#[tokio::test]
async fn do_and_undo_is_the_identity_also_of_weights_that_were_not_there() {
    for kind in KINDS {
        let fake = shop().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let before = spec(&fake, kind);
        let done = room.apply(room.plan(&wish(kind)).await, &pad).await.unwrap();
        assert_eq!(done.outcome.as_str(), "verified");
        let between = spec(&fake, kind);
        assert_ne!(between, before);
        let undo = room.plan(&Request::Undo { plan: Box::new(done.plan.clone()) }).await;
        assert!(undo.title.ends_with(" back"), "{}", undo.title);
        assert_eq!(undo.tier, crate::model::plan::Tier::Lowers, "three pods carried all of it before");
        assert_eq!((done.plan.ends, undo.ends), (Ends::Reminder, Ends::Stays));
        let undone = room.apply(undo, &pad).await.unwrap();
        assert_eq!(undone.outcome.as_str(), "verified");
        assert_eq!(spec(&fake, kind), before);
        let again = room.plan(&Request::Undo { plan: Box::new(undone.plan) }).await;
        room.apply(again, &pad).await.unwrap();
        assert_eq!(spec(&fake, kind), between, "undoing the undo does it again");
    }
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    type Edit = (Kind, fn(&mut serde_json::Value), &'static str);
    let edits: [Edit; 6] = [
        (Kind::VirtualService, |it| it["spec"]["http"][0]["route"][0]["weight"] = json!(90), "partner-a"),
        (Kind::VirtualService, |it| it["spec"]["http"][0]["route"][1]["destination"]["host"] = json!("x"), "partner-b"),
        (Kind::VirtualService, |it| it["spec"]["http"][0]["route"].as_array_mut().unwrap().reverse(), "partner-a"),
        (Kind::HttpRoute, |it| it["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(7), "partner-b"),
        (Kind::HttpRoute, |it| it["spec"]["rules"][0]["backendRefs"][0]["name"] = json!("x"), "partner-a"),
        (Kind::Service, |it| it["spec"]["selector"]["color"] = json!("red"), "color"),
    ];
    for (kind, edit, label) in edits {
        let fake = shop().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        // Between the plan and the confirmation.
        let plan = room.plan(&wish(kind)).await;
        edit(fake.state().objects.at(path(kind)));
        let theirs = spec(&fake, kind);
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert_eq!(
            *why,
            format!("nothing was changed: {label} was changed since the plan was made; look again").as_str()
        );
        assert_eq!(spec(&fake, kind), theirs);

        // Between the action and its undo.
        let fake = shop().await;
        let room = self::room(&fake);
        let done = room.apply(room.plan(&wish(kind)).await, &Pad::of(&fake)).await.unwrap();
        edit(fake.state().objects.at(path(kind)));
        let theirs = spec(&fake, kind);
        let undo = Request::Undo { plan: Box::new(done.plan) };
        let refusal = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err();
        assert!(
            refusal.why.contains(&format!("{label} was changed since: the undo would overwrite that")),
            "{refusal}"
        );
        assert_eq!((spec(&fake, kind), fake.state().writes().len()), (theirs, 1));
    }
}

#[tokio::test]
async fn who_changed_it_is_named_where_the_server_knows() {
    let fake = shop().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&wish(Kind::VirtualService)).await;
    fake.state().then = Some(|state| {
        let it = state.objects.at(VIRTUAL_SERVICE);
        it["spec"]["http"][0]["route"][0]["weight"] = json!(5);
        it["metadata"]["managedFields"] = json!([
            { "manager": "flagger", "operation": "Update", "time": "2026-11-21T03:24:00Z",
                "fieldsV1": { "f:spec": { "f:http": {} } } },
            { "manager": "helm", "operation": "Update", "time": "2026-11-21T03:29:00Z",
                "fieldsV1": { "f:spec": { "f:hosts": {} } } },
        ]);
    });
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::Overridden { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(words.starts_with("partner-a is another one, set by flagger at 2026-11-21T03:24:00Z"), "{words}");
}

#[tokio::test]
async fn an_undo_goes_back_only_to_pods_that_live() {
    let fake = shop().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let done = room.apply(room.plan(&switch("green")).await, &pad).await.unwrap();
    let diverted = room.apply(room.plan(&divert(Kind::HttpRoute, &[("partner-a", 0), ("partner-b", 100)])).await, &pad);
    assert!(diverted.await.unwrap_err().why.contains("second person"), "two pods instead of three");
    fake.state().objects.pods("checkout-blue", 4, false, &json!({ "app": "checkout", "color": "blue" }));
    let undo = Request::Undo { plan: Box::new(done.plan) };
    let refusal = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err();
    assert!(refusal.why.contains("no ready pod has color=blue"), "{refusal}");
    fake.state().objects.pods("checkout-blue", 1, true, &json!({ "app": "checkout", "color": "blue" }));
    assert_eq!(room.plan(&undo).await.tier, crate::model::plan::Tier::Grave, "four carried it before");
}

#[tokio::test]
async fn an_open_intent_is_settled_by_what_is_there_also_after_the_record_took_secrets_out() {
    let fake = shop().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let header = json!({ "request": { "set": { "authorization": "Bearer abcdefghijklmnopqrstuvwxyz0123456789" } } });
    fake.state().objects.at(VIRTUAL_SERVICE)["spec"]["http"][0]["route"][1]["headers"] = header;
    let plan = room.plan(&wish(Kind::VirtualService)).await;
    let done = room.apply(plan.clone(), &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified");
    let mut kept = plan;
    for change in &mut kept.changes {
        change.before = crate::text::redact_safe(change.before.clone());
        change.after = crate::text::redact_safe(change.after.clone());
    }
    assert!(!kept.changes[1].after.contains("abcdefghijk"), "{}", kept.changes[1].after);
    let settled = self::room(&fake).settle(kept.clone(), &pad).await.unwrap();
    assert_eq!(settled.outcome.as_str(), "verified");
    // An undo of it puts the weights back and leaves the secret as it is.
    let undo = self::room(&fake);
    let plan = undo.plan(&Request::Undo { plan: Box::new(kept) }).await;
    undo.apply(plan, &pad).await.unwrap();
    let route = &spec(&fake, Kind::VirtualService)["http"][0]["route"];
    assert_eq!((&route[0]["weight"], &route[1]["weight"]), (&json!(100), &serde_json::Value::Null));
    assert!(route[1]["headers"].to_string().contains("Bearer abcdefghijk"));
}

#[tokio::test]
async fn a_route_that_no_gateway_takes_is_not_said_to_be_live() {
    let refused: fn(&mut std::collections::BTreeMap<String, serde_json::Value>) = |objects| {
        let route = objects.get_mut(HTTP_ROUTE).unwrap();
        let generation = route["metadata"]["generation"].clone();
        let condition = |kind: &str, status: &str| {
            json!({ "type": kind, "status": status, "observedGeneration": generation,
                "reason": "BackendNotFound", "message": "partner-b is not there" })
        };
        route["status"]["parents"] = json!([
            { "parentRef": { "name": "edge" }, "conditions": [condition("Accepted", "True"), condition("ResolvedRefs", "True")] },
            { "parentRef": { "name": "mesh" }, "conditions": [condition("Accepted", "True"), condition("ResolvedRefs", "False")] },
        ]);
    };
    let older: fn(&mut std::collections::BTreeMap<String, serde_json::Value>) = |objects| {
        let condition = |kind: &str| json!({ "type": kind, "status": "True", "observedGeneration": 3 });
        objects.get_mut(HTTP_ROUTE).unwrap()["status"]["parents"] = json!([{ "parentRef": { "name": "edge" }, "conditions": [condition("Accepted"), condition("ResolvedRefs")] }]);
    };
    for (controllers, words) in [
        (Some(refused), "mesh says ResolvedRefs is not so: BackendNotFound partner-b is not there"),
        (Some(older), "edge has not told Accepted of it yet"),
        (None, "no gateway has taken it yet"),
    ] {
        // One that says no is not waited for.
        let ends = if words.contains("is not so") { "failed" } else { "timed out" };
        let fake = shop().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        fake.state().objects.controllers = controllers;
        let ended = room.apply(room.plan(&wish(Kind::HttpRoute)).await, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), ends, "{:?}", ended.outcome);
        assert!(ended.outcome.words().ends_with(words), "{:?}", ended.outcome);
    }
}

#[tokio::test]
async fn a_switch_is_live_when_only_new_pods_are_behind_it() {
    let fake = shop().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    fake.state().objects.controllers = Some(|objects| {
        let endpoint = |pod: &str| json!({ "conditions": { "ready": true }, "targetRef": { "name": pod } });
        let all = ["green-0", "green-1", "green-2", "green-3", "blue-0"];
        let endpoints: Vec<_> = all.iter().map(|pod| endpoint(&format!("checkout-{pod}"))).collect();
        let slice = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/checkout-x1";
        objects.get_mut(slice).unwrap()["endpoints"] = json!(endpoints);
    });
    let ended = room.apply(room.plan(&switch("green")).await, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "4 of 4 ready pods are behind checkout, 1 others still are");
    assert_eq!(fake.state().objects.at(SERVICE)["spec"]["selector"]["color"], json!("green"));
}

#[tokio::test]
async fn istio_is_believed_where_it_tells() {
    for (status, outcome, word) in [
        (
            json!({ "observedGeneration": "4", "conditions": [{ "type": "Reconciled", "status": "True" }] }),
            "verified",
            "have it",
        ),
        (
            json!({ "observedGeneration": "3", "conditions": [{ "type": "Reconciled", "status": "True" }] }),
            "timed out",
            "yet",
        ),
        (
            json!({ "observedGeneration": "4", "validationMessages": [
                { "level": "ERROR", "type": { "code": "IST0101", "name": "ReferencedResourceNotFound" } }] }),
            "timed out",
            "IST0101 ReferencedResourceNotFound",
        ),
    ] {
        let fake = shop().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        fake.state().objects.at(VIRTUAL_SERVICE)["status"] = status;
        let ended = room.apply(room.plan(&wish(Kind::VirtualService)).await, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), outcome);
        assert!(ended.outcome.words().ends_with(word), "{}", ended.outcome.words());
    }
}
