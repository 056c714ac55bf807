//! A silence through the proxy: whatever the network does, at most one request to make it leaves,
//! and what is told is the truth.

use std::time::Duration;

use serde_json::json;
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Matcher, Outcome, Request};
use warroom::respond::{Cluster, Engine};

use crate::acting::{Record, ana};
use crate::proxy::{Asked, Canned, Fault, Rule};
use crate::site::Site;

fn is_write(asked: &Asked) -> bool {
    asked.method == "POST" && asked.target.starts_with("/api/v2/silences")
}

fn status(code: u16) -> Canned {
    Canned::new(code, "application/json", json!("the test says so").to_string()).with("retry-after", "1")
}

/// Nobody's alert: what is silenced does not hang on how far the drill is.
fn want(number: usize) -> Request {
    let target = Target {
        origin: Origin { env: "prod".into(), source: "alertmanager".into() },
        kind: Kind::Silence,
        path: ObjectPath::new("alertmanager", "Nobodys"),
        uid: None,
    };
    let matchers = vec![Matcher::equal("alertname", format!("Nobodys{number}").as_str())];
    Request::Silence { target, matchers, minutes: 7 * 24 * 60, comment: "known".into() }
}

#[tokio::test(start_paused = true)]
async fn one_confirmation_is_one_silence_whatever_the_network_does() {
    let site = Site::open().await;
    let engine = Engine::new(&site.env, site.clock.clone()).unwrap();
    let record = Record::new(&site);
    let proxy = site.proxy("alertmanager");
    let seconds = Duration::from_secs;
    let cases = [
        ("none", None, "verified", 1, "holds until"),
        ("the request is dropped", Some(Fault::Drop), "unknown", 0, "did not answer"),
        ("the connection is reset", Some(Fault::Reset), "unknown", 0, "did not answer"),
        ("the answer is dropped", Some(Fault::DropAnswer), "verified", 1, "holds until"),
        ("its head is cut", Some(Fault::CutHead(20)), "verified", 1, "holds until"),
        ("its body is cut", Some(Fault::Cut(5)), "verified", 1, "holds until"),
        ("never delivered, never answered", Some(Fault::Silent), "unknown", 0, "no answer within 10 s"),
        ("delivered, never answered", Some(Fault::SilentAfter), "verified", 1, "holds until"),
        ("delivered after the time-out", Some(Fault::Late(seconds(15))), "verified", 1, "holds until"),
        ("answered after the time-out", Some(Fault::LateAnswer(seconds(15))), "verified", 1, "holds until"),
        ("401", Some(Fault::Answer(status(401))), "refused", 0, "nothing was changed"),
        ("403", Some(Fault::Answer(status(403))), "refused", 0, "nothing was changed"),
        ("429", Some(Fault::Answer(status(429))), "refused", 0, "nothing was changed"),
        ("500", Some(Fault::Answer(status(500))), "unknown", 0, "500"),
        ("503", Some(Fault::Answer(status(503))), "unknown", 0, "503"),
        ("503 after the write", Some(Fault::AnswerAfter(status(503))), "verified", 1, "holds until"),
        ("a sign-in page", Some(Fault::Answer(Canned::login_page())), "unknown", 0, "not known"),
        ("delivered twice", Some(Fault::Twice), "verified", 2, "delivered 2 times"),
    ];
    for (number, (name, fault, outcome, delivered, word)) in cases.into_iter().enumerate() {
        let asked = proxy.count(is_write);
        let plan = engine.plan(&want(number), &Cluster::default()).await.unwrap();
        if let Some(fault) = fault {
            proxy.rule(Rule::new(name, fault).on(is_write));
        }
        let ended = engine.apply(plan.clone(), &ana(), &record.journal, &|_| ()).await.unwrap().outcome;
        site.give_back();
        assert_eq!(ended.as_str(), outcome, "{name}: {ended:?}");
        assert!(ended.words().contains(word), "{name}: {ended:?}");
        let writes: Vec<Asked> = proxy.asked().into_iter().filter(is_write).skip(asked).collect();
        assert_eq!(writes.len(), 1, "{name}: one request leaves this program");
        assert_eq!(writes[0].delivered, delivered, "{name}");
        if outcome != "verified" {
            continue;
        }
        // What is ended is what was made, once for each.
        for _ in 0..delivered {
            let undo = Request::Undo { plan: Box::new(plan.clone()) };
            let back = engine.plan(&undo, &Cluster::default()).await.unwrap();
            let ended = engine.apply(back, &ana(), &record.journal, &|_| ()).await.unwrap().outcome;
            assert!(matches!(ended, Outcome::Verified { .. } | Outcome::Overridden { .. }), "{name}: {ended:?}");
        }
        let over = engine.plan(&Request::Undo { plan: Box::new(plan) }, &Cluster::default()).await.unwrap_err();
        assert!(over.why.contains("nothing to undo"), "{name}: {over}");
    }
}
