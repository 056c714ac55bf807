//! A scale through the proxy: whatever the network does, at most one write leaves, and the outcome
//! that is told is the truth.

use std::time::Duration;

use serde_json::{Value, json};
use warroom::model::entry::{Actor, ActorKind, Entry, EntryKind};
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Outcome, Replicas, Request};
use warroom::record::{Archive, Journal, StartInfo, read_incident};
use warroom::respond::{Cluster, Engine};

use crate::proxy::{Asked, Canned, Fault, Rule};
use crate::site::Site;

const PATH: &str = "/apis/apps/v1/namespaces/shop/deployments/storefront";

fn is_write(asked: &Asked) -> bool {
    asked.method == "PATCH" && !asked.target.contains("dryRun")
}

fn storefront() -> Target {
    Target {
        origin: Origin { env: "prod".into(), source: "kubernetes".into() },
        kind: Kind::Deployment,
        path: ObjectPath::new("shop", "storefront"),
        uid: None,
    }
}

pub(crate) fn ana() -> Actor {
    Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None }
}

fn status(code: u16) -> Canned {
    let body = json!({"kind": "Status", "code": code, "message": "the test says so"});
    Canned::new(code, "application/json", body.to_string()).with("retry-after", "1")
}

async fn replicas(site: &Site) -> u64 {
    site.get(PATH).await["spec"]["replicas"].as_u64().unwrap()
}

/// An incident of its own, on a real disk.
pub(crate) struct Record {
    dir: tempfile::TempDir,
    pub(crate) journal: Journal,
}

impl Record {
    pub(crate) fn new(site: &Site) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        let at = site.opens();
        let id = archive.create("faults", at).unwrap();
        let info = StartInfo {
            titles: Default::default(),
            incident: None,
            version: "1".into(),
            drill: true,
            env: "prod".into(),
            actor: ana(),
            at,
        };
        Self { journal: archive.journal_for(&id, info).unwrap(), dir }
    }

    fn entries(&self) -> Vec<Entry> {
        let incident = std::fs::read_dir(self.dir.path()).unwrap().next().unwrap().unwrap().path();
        let record = read_incident(&incident).unwrap();
        record.entries
    }
}

/// Confirms one scale with `rule` on the way, and gives its outcome.
async fn scale(site: &Site, engine: &Engine, record: &Record, rule: Option<Rule>) -> (Outcome, u64) {
    let before = replicas(site).await;
    let to = if before == 4 { 5 } else { 4 };
    let want = Request::Scale { target: storefront(), to: Replicas::Exactly(to) };
    let plan = engine.plan(&want, &Cluster::default()).await.unwrap();
    if let Some(rule) = rule {
        site.kubernetes.rule(rule);
    }
    let ended = engine.apply(plan, &ana(), &record.journal, &|_| ()).await.unwrap();
    site.give_back();
    (ended.outcome, u64::from(to))
}

#[tokio::test(start_paused = true)]
async fn one_confirmation_is_one_write_whatever_the_network_does() {
    let site = Site::open().await;
    let engine = Engine::new(&site.env, site.clock.clone()).unwrap();
    let record = Record::new(&site);
    let seconds = Duration::from_secs;
    // The fault, the outcome, how often the server got it, a word of the sentence.
    let cases = [
        ("none", None, "verified", 1, "ready"),
        ("the request is dropped", Some(Fault::Drop), "unknown", 0, "did not answer"),
        ("the connection is reset", Some(Fault::Reset), "unknown", 0, "did not answer"),
        ("the answer is dropped", Some(Fault::DropAnswer), "verified", 1, "ready"),
        ("its head is cut", Some(Fault::CutHead(20)), "verified", 1, "ready"),
        ("its body is cut", Some(Fault::Cut(20)), "verified", 1, "ready"),
        ("never delivered, never answered", Some(Fault::Silent), "unknown", 0, "no answer within 10 s"),
        ("delivered, never answered", Some(Fault::SilentAfter), "verified", 1, "ready"),
        ("delivered after the time-out", Some(Fault::Late(seconds(15))), "verified", 1, "ready"),
        ("answered after the time-out", Some(Fault::LateAnswer(seconds(15))), "verified", 1, "ready"),
        ("401", Some(Fault::Answer(status(401))), "refused", 0, "nothing was changed"),
        ("403", Some(Fault::Answer(status(403))), "refused", 0, "nothing was changed"),
        ("409", Some(Fault::Answer(status(409))), "refused", 0, "nothing was changed"),
        ("429", Some(Fault::Answer(status(429))), "refused", 0, "nothing was changed"),
        ("500", Some(Fault::Answer(status(500))), "unknown", 0, "500"),
        ("503", Some(Fault::Answer(status(503))), "unknown", 0, "503"),
        ("504", Some(Fault::Answer(status(504))), "unknown", 0, "504"),
        ("503 after the write", Some(Fault::AnswerAfter(status(503))), "verified", 1, "ready"),
        ("504 after the write", Some(Fault::AnswerAfter(status(504))), "verified", 1, "ready"),
        ("a sign-in page", Some(Fault::Answer(Canned::login_page())), "unknown", 0, "not known"),
        ("delivered twice", Some(Fault::Twice), "verified", 2, "ready"),
    ];
    for (number, (name, fault, outcome, delivered, word)) in cases.into_iter().enumerate() {
        let before = replicas(&site).await;
        let asked = site.kubernetes.count(is_write);
        let rule = fault.map(|fault| Rule::new(name, fault).on(is_write));
        let (ended, to) = scale(&site, &engine, &record, rule).await;
        assert_eq!(ended.as_str(), outcome, "{name}: {ended:?}");
        assert!(ended.words().contains(word), "{name}: {ended:?}");
        let now = replicas(&site).await;
        assert_eq!(now, if outcome == "verified" { to } else { before }, "{name}: {ended:?}");
        let writes: Vec<Asked> = site.kubernetes.asked().into_iter().filter(is_write).skip(asked).collect();
        assert_eq!(writes.len(), 1, "{name}: one write leaves this program");
        assert_eq!(writes[0].delivered, delivered, "{name}");
        let entries = record.entries();
        let kinds =
            [EntryKind::Intent, EntryKind::Outcome].map(|kind| entries.iter().filter(|e| e.draft.kind == kind).count());
        assert_eq!(kinds, [number + 1; 2], "{name}: an intent and an outcome for each");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_lands_long_after_is_unknown_and_never_sent_again() {
    let site = Site::open().await;
    let engine = Engine::new(&site.env, site.clock.clone()).unwrap();
    let record = Record::new(&site);
    let late = Rule::new("late", Fault::Late(Duration::from_secs(60))).on(is_write);
    let (ended, to) = scale(&site, &engine, &record, Some(late)).await;
    assert_eq!(ended.as_str(), "unknown", "{ended:?}");
    assert!(ended.words().contains("replicas is 4"), "{ended:?}");
    while replicas(&site).await != to {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(site.kubernetes.count(is_write), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_not_written_to_and_one_that_goes_is_looked_at_again() {
    let site = Site::open().await;
    let engine = Engine::new(&site.env, site.clock.clone()).unwrap();
    let record = Record::new(&site);
    let want = Request::Scale { target: storefront(), to: Replicas::Exactly(5) };
    let plan = engine.plan(&want, &Cluster::default()).await.unwrap();
    site.kubernetes.down().await;
    let refused = engine.plan(&want, &Cluster::default()).await.unwrap_err();
    assert!(refused.why.contains("refuses connections"), "{refused}");
    let ended = engine.apply(plan, &ana(), &record.journal, &|_| ()).await.unwrap().outcome;
    assert!(matches!(&ended, Outcome::Refused { why } if why.contains("nothing was changed")), "{ended:?}");
    site.kubernetes.up().await;
    assert_eq!(replicas(&site).await, 4);
    // It takes the write and is away for half a minute.
    let reads = Rule::new("away", Fault::Answer(status(503))).on(|asked| asked.method == "GET").times(12);
    let (ended, _) = scale(&site, &engine, &record, Some(reads)).await;
    assert_eq!(ended.as_str(), "verified", "{ended:?}");
    assert_eq!(site.kubernetes.count(is_write), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_signs_in_again_acts_again() {
    let site = Site::with_plugin().await;
    let engine = Engine::new(&site.env, site.clock.clone()).unwrap();
    let record = Record::new(&site);
    site.only_token("first");
    let (ended, _) = scale(&site, &engine, &record, None).await;
    assert_eq!(ended.as_str(), "verified", "{ended:?}");
    // Somebody signs in again; what was kept is refused once.
    site.sign_in("second");
    site.only_token("second");
    let want = Request::Scale { target: storefront(), to: Replicas::Exactly(4) };
    let refused = engine.plan(&want, &Cluster::default()).await.unwrap_err();
    assert!(refused.why.contains("log in again"), "{refused}");
    site.give_back();
    site.only_token("second");
    let plan = engine.plan(&want, &Cluster::default()).await.unwrap();
    let ended = engine.apply(plan, &ana(), &record.journal, &|_| ()).await.unwrap().outcome;
    assert_eq!(ended.as_str(), "verified", "{ended:?}");
    let tokens: Vec<Value> = site.kubernetes.asked().iter().map(|asked| json!(asked.header("authorization"))).collect();
    assert!(tokens.contains(&json!("Bearer first")) && tokens.contains(&json!("Bearer second")), "{tokens:?}");
}
