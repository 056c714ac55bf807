//! The promises of the gateway, for silences: what would be hidden is said before, one write a
//! plan, and nobody else's silence is touched. Faults of the network are tried in
//! `tests/under_faults`, real Alertmanagers in `tests/contract`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::fake::{Fake, alert};
use super::*;
use crate::clock::{Driver, World};
use crate::model::alert::AlertKey;
use crate::model::entry::EntryKind;
use crate::model::name::{ObjectPath, Origin, ServiceName, Target};
use crate::model::plan::{Ends, Matcher, Tier};
use crate::respond::pad::{Pad, ana};
use crate::respond::{Ended, Engine, Left};

/// An engine whose world runs as fast as it can.
struct Room {
    engine: Engine,
    clock: Clock,
    pad: Pad,
    world: JoinHandle<()>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.world.abort();
    }
}

async fn run(mut driver: Driver) {
    loop {
        driver.settled().await;
        let to = driver.now() + TimeDelta::seconds(1);
        driver.advance(to);
        tokio::task::yield_now().await;
    }
}

fn room(env: &Environment) -> Room {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (clock, driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
    let engine = Engine::new(env, clock.clone()).unwrap();
    Room { engine, clock, pad: Pad::default(), world: tokio::spawn(run(driver)) }
}

fn silence(matchers: &str, minutes: u32) -> Request {
    let target = Target {
        origin: Origin { env: "prod-eu".into(), source: "alertmanager".into() },
        kind: Kind::Silence,
        path: ObjectPath::new("alertmanager", "PaymentsCPUHigh"),
        uid: None,
    };
    let matchers = Matcher::group(matchers).unwrap().0;
    Request::Silence { target, matchers, minutes, comment: "partner's known".into() }
}

fn undo(plan: &Plan) -> Request {
    Request::Undo { plan: Box::new(plan.clone()) }
}

impl Room {
    async fn try_plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.engine.plan(want, &Cluster { service: Some("payments".into()), ..Cluster::default() }).await
    }

    async fn settle(&self, plan: Plan) -> Result<Ended, Refusal> {
        self.engine.settle(Left { begun: plan.read_at, plan, last: false }, &ana(), &self.pad).await
    }

    async fn plan(&self, want: &Request) -> Plan {
        self.try_plan(want).await.unwrap()
    }

    async fn apply(&self, plan: Plan) -> Ended {
        self.engine.apply(plan, &ana(), &self.pad, &|_| ()).await.unwrap()
    }
}

const CPU: &str = r#"{alertname="PaymentsCPUHigh", service="payments"}"#;

async fn shop() -> Fake {
    Fake::start(vec![alert("PaymentsCPUHigh", "payments", "warning")]).await
}

#[tokio::test]
async fn a_plan_says_what_it_hides_and_asks_the_server_by_filter() {
    let fake = shop().await;
    let room = room(&fake.environment());
    let plan = room.plan(&silence(CPU, 120)).await;
    assert_eq!(plan.title, "silence PaymentsCPUHigh");
    assert_eq!(plan.changed(), r#"silence none → 2h of {alertname="PaymentsCPUHigh", service="payments"}"#);
    assert_eq!(plan.blast.words, "hides 1 alert that fires now: PaymentsCPUHigh of payments");
    assert_eq!(plan.tier, Tier::Reversible);
    assert_eq!(plan.ends, Ends::BySystem { at: plan.read_at + TimeDelta::hours(2) });
    assert!(plan.undo.as_ref().unwrap().contains("exactly this silence"));
    assert_eq!(
        plan.command.as_str(),
        format!(
            r#"amtool silence add --alertmanager.url={} --duration=120m '--comment=partner'\''s known' 'alertname="PaymentsCPUHigh"' 'service="payments"'"#,
            fake.url
        )
    );
    crate::tui::tests::plans::picture(&plan);
    let state = fake.state();
    let (_, asked, _) = &state.seen[0];
    assert!(asked.contains("filter=alertname%3D%22PaymentsCPUHigh%22"), "{asked}");
    assert!(asked.contains("filter=service%3D%22payments%22") && asked.contains("silenced=true"), "{asked}");
    assert!(state.writes().is_empty());
}

#[tokio::test]
async fn a_plan_that_hides_what_several_services_wait_for_takes_a_second_person() {
    let fake = Fake::start(vec![
        alert("High", "payments", "warning"),
        alert("High", "checkout", "warning"),
        alert("High", "cart", "critical"),
        alert("Low", "payments", "info"),
    ])
    .await;
    let room = room(&fake.environment());
    let plan = room.plan(&silence(r#"{alertname=~"High|Low"}"#, 30)).await;
    assert_eq!(plan.tier, Tier::Grave);
    let others = ["cart", "checkout"].map(ServiceName::from);
    assert_eq!(plan.services, others, "what is said of them is said of it");
    let none = room.engine.plan(&silence(r#"{alertname=~"High|Low"}"#, 30), &Cluster::default()).await.unwrap();
    assert_eq!((none.service, none.services.len()), (None, 3));
    let one = Fake::start(vec![alert("High", "cart", "critical")]).await;
    let of_one = self::room(&one.environment()).plan(&silence(r#"{alertname="High"}"#, 30)).await;
    assert_eq!(of_one.tier, Tier::Lowers, "critical, of one service");
    let facts: Vec<_> = plan.facts.iter().map(|fact| (fact.warns, fact.words.as_str())).collect();
    assert_eq!(facts[0], (true, "1 of them critical: nobody is paged for it"));
    assert_eq!(facts[1], (true, "2 of them not of payments: their people are not told either"));
    assert_eq!(facts.last().unwrap(), &(false, "partner's known"));
    assert!(
        plan.blast.words.starts_with("hides 4 alerts that fire now: High of cart, High of checkout, High of payments"),
        "{}",
        plan.blast.words
    );
    // What the picture knows of services goes before labels.
    let known = Cluster {
        service: Some("payments".into()),
        alerts: [(AlertKey("High-checkout".into()), "payments".into())].into(),
        ..Cluster::default()
    };
    let plan = room.engine.plan(&silence(r#"{alertname=~"High|Low"}"#, 30), &known).await.unwrap();
    assert!(plan.facts[1].words.starts_with("1 of them not of payments"), "{:?}", plan.facts);
    // A server that counts otherwise than this program is not believed blindly.
    let plan = room.plan(&silence(r#"{alertname="High"}"#, 30)).await;
    assert!(
        plan.facts.iter().any(|fact| fact.words.contains("counts 1 that this program would not")),
        "{:?}",
        plan.facts
    );
}

#[tokio::test]
async fn what_would_silence_everything_is_refused_before_anybody_is_asked() {
    let fake = shop().await;
    let room = room(&fake.environment());
    for (matchers, minutes, why) in [
        ("{}", 30, "without matchers is none"),
        (r#"{alertname=~".+"}"#, 30, "takes every alert, now and to come"),
        (r#"{severity!="critical"}"#, 30, "takes every alert"),
        (r#"{alertname=~"("}"#, 30, "no regular expression"),
        (CPU, 0, "from one minute to seven days"),
        (CPU, 7 * 24 * 60 + 1, "from one minute to seven days"),
    ] {
        let refusal = room.try_plan(&silence(matchers, minutes)).await.unwrap_err();
        assert!(refusal.why.contains(why), "{matchers}: {refusal}");
    }
    let mut elsewhere = silence(CPU, 30);
    let Request::Silence { target, .. } = &mut elsewhere else { panic!() };
    target.path.namespace = "other".into();
    assert!(room.try_plan(&elsewhere).await.unwrap_err().why.contains("no Alertmanager `other`"));
    assert!(fake.state().seen.is_empty());
}

#[tokio::test]
async fn do_and_undo_is_the_identity_and_the_undo_of_the_undo_does_it_again() {
    let fake = shop().await;
    fake.state().slow = 2;
    let room = room(&fake.environment());
    let done = room.apply(room.plan(&silence(CPU, 120)).await).await;
    let id = "00000000-0000-4000-a000-000000000001";
    assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
    assert!(done.outcome.words().starts_with(&format!("silence {id} holds until ")), "{:?}", done.outcome);
    assert!(done.outcome.words().ends_with("1 alert is silenced"), "{:?}", done.outcome);
    {
        let state = fake.state();
        let [(method, path, body)] = state.writes()[..] else { panic!("one write") };
        assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/v2/silences"));
        assert_eq!((&body["createdBy"], body["matchers"].as_array().unwrap().len()), (&json!("ana"), 2));
        assert_eq!(body["comment"], format!("partner's known [warroom {}]", done.plan.id.0));
        let ends = body["endsAt"].as_str().unwrap().parse::<World>().unwrap();
        assert_eq!(Ends::BySystem { at: ends }, done.plan.ends);
    }
    // Somebody else's silence of the very same stays.
    let mut foreign = fake.state().silences[0].clone();
    foreign["id"] = json!("f");
    foreign["comment"] = json!("ours too");
    foreign["matchers"] = json!([{ "name": "service", "value": "cart", "isRegex": false, "isEqual": true }]);
    fake.state().silences.push(foreign);

    let back = room.plan(&undo(&done.plan)).await;
    assert_eq!((back.title.as_str(), back.tier), ("end the silence of PaymentsCPUHigh", Tier::Reversible));
    assert_eq!(back.target.uid, Some(id.into()));
    assert_eq!(back.blast.words, "1 alert that fires is told again");
    assert_eq!(back.command.as_str(), format!("amtool silence expire --alertmanager.url={} {id}", fake.url));
    assert_eq!(Engine::voided(&back, &room.plan(&undo(&done.plan)).await), None, "read again it is the same");
    let undone = room.apply(back).await;
    assert_eq!(undone.outcome.words(), &Safe::from(format!("silence {id} has ended; 1 told again")));
    let states: Vec<_> = fake.state().silences.iter().map(|one| one["status"]["state"].clone()).collect();
    assert_eq!(states, ["expired", "active"]);

    let again = room.plan(&undo(&undone.plan)).await;
    assert!(again.changed().contains("of {alertname="), "{}", again.changed());
    let Ends::BySystem { at } = again.ends else { panic!("{:?}", again.ends) };
    let Ends::BySystem { at: first } = done.plan.ends else { panic!() };
    assert_eq!(at, first, "until the same end");
    assert!(again.command.contains(&format!(" --end={} ", first.format("%Y-%m-%dT%H:%M:%SZ"))), "{}", again.command);
    // Some minutes later it is the same still: whoever consented did so to this one.
    drop(room.clock.due(room.clock.now() + TimeDelta::minutes(5)).await);
    let later = room.plan(&undo(&undone.plan)).await;
    assert_eq!((Engine::voided(&again, &later), later.meaning()), (None, again.meaning()));
    let again = later;
    assert_eq!(room.apply(again).await.outcome.as_str(), "verified");
    assert_eq!(fake.state().writes().len(), 3);
}

#[tokio::test]
async fn what_somebody_changed_is_not_ended() {
    let fake = shop().await;
    let room = room(&fake.environment());
    let done = room.apply(room.plan(&silence(CPU, 120)).await).await;
    let before = fake.state().silences.clone();
    type Case = (&'static str, fn(&mut Vec<Value>));
    let cases: [Case; 4] = [
        ("it ends at", |all| all[0]["endsAt"] = json!("2027-01-01T00:00:00.000Z")),
        ("other matchers", |all| {
            // As the real one does it: the old one ends, and there is another.
            let mut other = all[0].clone();
            other["id"] = json!("other");
            other["createdBy"] = json!("ben");
            other["matchers"][1]["value"] = json!("cart");
            all[0]["status"]["state"] = json!("expired");
            all.push(other);
        }),
        ("nothing to undo", |all| all[0]["status"]["state"] = json!("expired")),
        ("changed its comment", |all| all[0]["comment"] = json!("mine now")),
    ];
    for (why, change) in cases {
        // Before the undo is planned.
        fake.state().silences = before.clone();
        let ready = room.plan(&undo(&done.plan)).await;
        change(&mut fake.state().silences);
        let refusal = room.try_plan(&undo(&done.plan)).await.unwrap_err();
        assert!(refusal.why.contains(why), "{why}: {refusal}");
        // Between the plan of the undo and its confirmation.
        let writes = fake.state().writes().len();
        let ended = room.apply(ready).await.outcome;
        if why == "changed its comment" {
            // It is still the silence that was shown.
            assert_eq!(ended.as_str(), "verified");
        } else {
            assert!(ended.as_str() == "refused" && ended.words().contains("nothing was changed"), "{why}: {ended:?}");
            assert_eq!(fake.state().writes().len(), writes, "{why}");
        }
    }
}

#[tokio::test]
async fn a_silence_that_was_delivered_twice_is_told_and_ended_one_by_one() {
    let fake = shop().await;
    fake.state().twice = true;
    let room = room(&fake.environment());
    let done = room.apply(room.plan(&silence(CPU, 120)).await).await;
    assert_eq!(done.outcome.as_str(), "verified");
    assert!(done.outcome.words().contains("delivered 2 times, and each of them has to be ended"), "{:?}", done.outcome);
    let first = room.apply(room.plan(&undo(&done.plan)).await).await.outcome;
    assert!(first.as_str() == "overridden" && first.words().contains("the same, delivered twice"), "{first:?}");
    let second = room.apply(room.plan(&undo(&done.plan)).await).await.outcome;
    assert_eq!(second.as_str(), "verified", "{second:?}");
    assert_eq!(fake.state().writes().len(), 3, "one for each plan");
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_and_one_that_fails_is_not_known() {
    let fake = shop().await;
    let room = room(&fake.environment());
    for (status, why, outcome) in [
        (400, "bad\u{1b}[2J matcher", "refused"),
        (401, "who?", "refused"),
        (403, "no", "refused"),
        (429, "slow down", "refused"),
        (302, "login", "refused"),
        (500, "disk", "unknown"),
        (503, "away", "unknown"),
    ] {
        let plan = room.plan(&silence(CPU, 120)).await;
        fake.state().refuses = Some((status, why));
        let writes = fake.state().writes().len();
        let ended = room.apply(plan).await.outcome;
        assert_eq!(ended.as_str(), outcome, "{status}: {ended:?}");
        assert!(ended.words().contains(&status.to_string()) && !ended.words().contains('\u{1b}'), "{ended:?}");
        assert_eq!(fake.state().writes().len(), writes + 1, "{status}: never sent again");
        fake.state().refuses = None;
    }
    assert!(fake.state().silences.is_empty());
}

#[tokio::test]
async fn an_open_intent_is_settled_by_the_mark_of_its_plan() {
    let fake = shop().await;
    let made = |state: &str, id: &str, plan: &Plan| {
        let Ends::BySystem { at } = plan.ends else { panic!() };
        json!({
            "id": id, "status": { "state": state }, "createdBy": "ana", "endsAt": at.to_rfc3339(),
            "startsAt": plan.read_at.to_rfc3339(), "comment": format!("x {}", mark(plan)),
            "matchers": [
                { "name": "service", "value": "payments", "isRegex": false, "isEqual": true },
                { "name": "alertname", "value": "PaymentsCPUHigh", "isRegex": false },
            ],
        })
    };
    type Left = fn(&dyn Fn(&str, &str) -> Value) -> Vec<Value>;
    let cases: [(&str, &str, Left); 5] = [
        ("unknown", "there is no silence of this plan", |_| Vec::new()),
        ("verified", "1 alert is silenced", |made| vec![made("active", "a")]),
        ("overridden", "somebody ended it before its time", |made| vec![made("expired", "a")]),
        ("overridden", "other matchers", |made| {
            let mut changed = made("active", "b");
            changed["matchers"][0]["value"] = json!("cart");
            vec![made("expired", "a"), changed]
        }),
        ("unknown", "there is no silence of this plan", |made| {
            let mut foreign = made("active", "c");
            foreign["comment"] = json!("somebody's own, with the very same matchers");
            vec![foreign]
        }),
    ];
    for (outcome, words, left) in cases {
        fake.state().silences.clear();
        let dead = room(&fake.environment());
        let plan = dead.plan(&silence(CPU, 120)).await;
        fake.state().silences = left(&|state, id| made(state, id, &plan));
        let next = room(&fake.environment());
        let ended = next.settle(plan).await.unwrap().outcome;
        assert_eq!(ended.as_str(), outcome, "{ended:?}");
        assert!(ended.words().contains(words), "{ended:?}");
        assert!(fake.state().writes().is_empty(), "settling writes nothing");
    }
    // At its end it is over, and that is no success any more.
    let late = room(&fake.environment());
    let plan = late.plan(&silence(CPU, 1)).await;
    fake.state().silences = vec![made("expired", "a", &plan)];
    drop(late.clock.due(plan.read_at + TimeDelta::minutes(2)).await);
    let ended = late.settle(plan).await.unwrap().outcome;
    assert!(ended.as_str() == "overridden" && ended.words().contains("has ended at its time"), "{ended:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_written_to_once() {
    let port = crate::port_under_test::Port::new();
    let listener = port.listen().await;
    let fake = shop().await;
    let access = HttpAccess { url: port.url(), ..fake.environment().alertmanager.remove(0) };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let writer = Writer::new("Alertmanager", &access, false, allowed).await.unwrap();
    let writer = writer.limit(std::time::Duration::from_millis(50));
    let error = writer.send(Method::POST, SILENCES, &[], Some(&json!({}))).await.unwrap_err();
    assert!(matches!(&error, HttpError::NoAnswer(why) if why.contains("no answer within 0.05 s")), "{error}");
    assert!(!error.changed_nothing());
    drop(listener);
    let error = writer.send(Method::POST, SILENCES, &[], Some(&json!({}))).await.unwrap_err();
    assert!(matches!(&error, HttpError::NotSent(why) if why.contains("no connection")), "{error}");
}

#[tokio::test]
async fn nothing_but_its_requests_leaves() {
    let fake = shop().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let access = fake.environment().alertmanager.remove(0);
    let writer = Writer::new("Alertmanager", &access, false, allowed).await.unwrap();
    for (method, path) in [
        (Method::POST, "/api/v2/alerts"),
        (Method::PUT, SILENCES),
        (Method::DELETE, SILENCES),
        (Method::DELETE, "/api/v2/silence/a/b"),
        (Method::DELETE, "/api/v2/silence/../alerts"),
        (Method::POST, "/-/reload"),
        (Method::GET, "/api/v2/status"),
        (Method::POST, "//api/v2/silences"),
    ] {
        let error = writer.send(method.clone(), path, &[], None).await.unwrap_err();
        assert!(matches!(&error, HttpError::NotSent(why) if why.contains("allow-list")), "{method} {path}: {error}");
    }
    for id in ["", "../silences", "a/b", "a?b", "é"] {
        assert!(matches!(one(id), Err(HttpError::NotSent(_))), "{id}");
    }
    assert!(fake.state().seen.is_empty());
    let far = HttpAccess { url: "https://alerts.example.com".into(), ..access };
    let why = Writer::new("Alertmanager", &far, true, allowed).await.err().unwrap();
    assert!(why.contains("a drill goes nowhere else"), "{why}");
}

#[tokio::test]
async fn a_plan_is_intended_written_and_told_once() {
    let fake = shop().await;
    let room = room(&fake.environment());
    let plan = room.plan(&silence(CPU, 120)).await;
    let ended = room.apply(plan.clone()).await;
    assert_eq!((room.pad.kinds(), ended.outcome.as_str()), (vec![EntryKind::Intent, EntryKind::Outcome], "verified"));
    assert!(room.pad.last().title.starts_with("silence PaymentsCPUHigh: silence none → 2h of {alertname="));
    let again = room.engine.apply(plan, &ana(), &room.pad, &|_| ()).await.unwrap_err();
    assert!(again.why.contains("a plan writes once"), "{again}");
    assert_eq!(fake.state().writes().len(), 1);
}
