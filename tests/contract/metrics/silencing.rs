//! A silence by the gateway, against Alertmanagers: planned, made, seen on the alert, ended; what
//! somebody changed is left alone; what a server refuses is quoted.

use chrono::TimeDelta;
use serde_json::{Value, json};
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Matcher, Outcome, Plan, Request};
use warroom::respond::{Engine, Left};

use super::alertmanager_api::{delete, failing, post, until};
use super::side::{Server, Side};
use crate::desk::Desk;

const NAME: (&str, &str) = ("filter", "alertname=\"CheckoutErrors\"");

fn want(matchers: &str) -> Request {
    let target = Target {
        origin: Origin { env: "real".into(), source: "alertmanager".into() },
        kind: Kind::Silence,
        path: ObjectPath::new("alertmanager", "CheckoutErrors"),
        uid: None,
    };
    // In a drill hours go by in no time.
    let matchers = Matcher::group(matchers).unwrap().0;
    Request::Silence { target, matchers, minutes: 2 * 24 * 60, comment: "it's known".into() }
}

fn left(plan: &Plan) -> Left {
    Left { plan: plan.clone(), begun: plan.read_at, last: false }
}

fn undo(plan: &Plan) -> Request {
    Request::Undo { plan: Box::new(plan.clone()) }
}

async fn ours(side: &impl Side, plan: &Plan) -> Value {
    let (_, all) = side.get(Server::Alertmanager, "/api/v2/silences", &[]).await;
    let mark = format!("it's known [warroom {}]", plan.id.0);
    all.as_array().unwrap().iter().find(|one| one["comment"] == mark).unwrap_or_else(|| panic!("{mark}: {all}")).clone()
}

pub(super) async fn a_silence_keeps_the_promises_of_the_gateway(mut side: impl Side) {
    failing(&mut side).await;
    let config = side.config("");
    let mut env = config.environments[0].clone();
    env.write = warroom::config::WritePolicy::Ask;
    let desk = Desk::at(&env, side.clock());
    let plan = async |want: &Request| desk.try_plan(want).await;
    let apply = async |plan| desk.apply(plan).await;

    // Do: the alert is silenced, and by ours.
    let first = plan(&want(r#"{alertname="CheckoutErrors", service=~"check.*"}"#)).await.unwrap();
    assert!(first.blast.words.starts_with("hides 1 alert that fires now: CheckoutErrors of checkout"), "{first:?}");
    let done = apply(first).await;
    assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
    assert!(done.outcome.words().ends_with("1 alert is silenced"), "{:?}", done.outcome);
    let made = ours(&side, &done.plan).await;
    assert_eq!((&made["createdBy"], &made["status"]["state"]), (&json!("ana"), &json!("active")));
    let list = until(&side, &[NAME], |list| list[0]["status"]["state"] == "suppressed").await;
    assert_eq!(list[0]["status"]["silencedBy"], json!([made["id"]]));

    // Undo: it is told again, and the silence is over.
    let undone = apply(plan(&undo(&done.plan)).await.unwrap()).await;
    assert_eq!(undone.outcome.as_str(), "verified", "{:?}", undone.outcome);
    assert_eq!(ours(&side, &done.plan).await["status"]["state"], "expired");
    until(&side, &[NAME], |list| list[0]["status"]["state"] == "active").await;
    let nothing = plan(&undo(&done.plan)).await.unwrap_err();
    assert!(nothing.why.contains("nothing to undo"), "{nothing}");

    // Somebody changes it in their own tool: with the same matchers it stays the same, with others
    // it is another.
    for (change, why) in [("endsAt", "it ends at"), ("matchers", "other matchers")] {
        let done = apply(plan(&want(r#"{alertname="CheckoutErrors"}"#)).await.unwrap()).await;
        assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
        let ready = plan(&undo(&done.plan)).await.unwrap();
        let mut edited = ours(&side, &done.plan).await;
        if change == "endsAt" {
            edited["endsAt"] = json!((side.clock().now() + TimeDelta::days(3)).to_rfc3339());
        } else {
            edited["matchers"][0]["value"] = json!("Other");
        }
        let (status, answer) = post(&side, &edited).await;
        assert!((200..300).contains(&status), "{answer}");
        let refusal = plan(&undo(&done.plan)).await.unwrap_err();
        assert!(refusal.why.contains(why), "{refusal}");
        let ended = apply(ready).await.outcome;
        assert!(matches!(&ended, Outcome::Refused { why } if why.contains("nothing was changed")), "{ended:?}");
        let id = answer["silenceID"].as_str().unwrap();
        let (_, left) = side.get(Server::Alertmanager, &format!("/api/v2/silence/{id}"), &[]).await;
        assert_eq!(left["status"]["state"], "active", "what somebody else wanted stands: {left}");
        assert_eq!(delete(&side, id).await, 200);
        until(&side, &[NAME], |list| list[0]["status"]["state"] == "active").await;
    }

    // Refused here, word by word, and there, in its own words.
    for (matchers, why) in [
        ("{}", "a silence without matchers is none: say which alerts, such as {alertname=\"NAME\"}"),
        (
            "{alertname=~\".+\"}",
            "{alertname=~\".+\"} takes every alert, now and to come: name at least one label with a value of its own, \
             such as alertname=\"NAME\"",
        ),
    ] {
        assert_eq!(plan(&want(matchers)).await.unwrap_err().why.as_str(), why);
    }
    let (status, _) = post(
        &side,
        &json!({
            "matchers": [], "startsAt": side.clock().now().to_rfc3339(), "createdBy": "ana", "comment": "x",
            "endsAt": (side.clock().now() + TimeDelta::days(1)).to_rfc3339(),
        }),
    )
    .await;
    assert!(matches!(status, 400 | 422), "{status}");

    // A name that fits no label of old, and a value with all that needs quoting.
    let odd = plan(&want(r#"{alertname="CheckoutErrors", summary!="a \"b\" \\ c, {d}"}"#)).await.unwrap();
    assert!(odd.blast.words.starts_with("hides 1 alert"), "{odd:?}");
    assert!(odd.facts.iter().all(|fact| !fact.words.contains("would not")), "read as the server does: {odd:?}");

    // The process dies between its intent and the outcome: the next one finds what stands there.
    let done = apply(odd).await;
    let next = Engine::new(&env, side.clock()).unwrap();
    let settled = next.settle(left(&done.plan), &desk.actor, &desk.journal).await.unwrap().outcome;
    assert_eq!(settled.as_str(), "verified", "{settled:?}");
    assert_eq!(apply(plan(&undo(&done.plan)).await.unwrap()).await.outcome.as_str(), "verified");
    let never = plan(&want(r#"{alertname="CheckoutErrors"}"#)).await.unwrap();
    let settled = next.settle(left(&never), &desk.actor, &desk.journal).await.unwrap().outcome;
    assert!(matches!(&settled, Outcome::Unknown { why } if why.contains("no silence of this plan")), "{settled:?}");
}
