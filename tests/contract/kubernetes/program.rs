//! The program's own sources and its one write, against both: what they make of what the API
//! server says.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use warroom::clock::Clock;
use warroom::drill::kube::Kill;
use warroom::model::entry::{Actor, ActorKind, EntryKind};
use warroom::model::name::{Kind, ObjectPath, Origin, Target, Uid};
use warroom::model::plan::{OwnerEffect, Permission, Preview, Replicas, Request};
use warroom::model::signal::SourceState;
use warroom::record::{Journal, RealDisk, StartInfo};
use warroom::respond::{Cluster, Engine};

use super::logs::number;
use super::side::{JSON, MERGE, STRATEGIC, Side, alone, cases};
use crate::kit::{Session, configured};

/// All sources of a cluster.
pub(super) const SOURCES: [&str; 6] = ["pods", "workloads", "nodes", "events", "usage", "pod-logs"];

fn ready(session: &Session, side: &Side, app: &str) -> usize {
    session.pods(&side.namespace, app).iter().filter(|row| row.pod.is_ready).count()
}

/// The numbers of the lines that came of each pod, in the order in which they came.
fn lines(session: &Session) -> BTreeMap<String, Vec<u64>> {
    let mut of: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (stream, text) in session.lines.iter().filter(|(_, text)| text.contains("line ")) {
        of.entry(stream.clone()).or_default().push(number(text));
    }
    of
}

fn none_lost_none_doubled(session: &Session) {
    for (stream, numbers) in lines(session) {
        let expected: Vec<u64> = (numbers[0]..numbers[0] + numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "{stream}");
    }
}

async fn pods_usage_nodes_and_logs_are_read_and_followed(side: &Side) {
    let mut session = Session::start(&configured(&side.config()));
    session.until("six pods", |s| ready(s, side, "payments") == 4 && ready(s, side, "catalog") == 2).await;
    session
        .until("usage", |s| {
            let pods = s.pods(&side.namespace, "payments");
            pods.iter().all(|row| row.cpu.is_some_and(|cpu| cpu > 100) && row.memory.is_some_and(|it| it > 60 << 20))
        })
        .await;
    let pod = session.pods(&side.namespace, "payments")[0].pod.clone();
    assert_eq!((pod.status.as_str(), pod.image.as_str(), pod.cpu_request), ("Running", "1.0.0", 100));
    session.until("nodes", |s| s.picture.workloads.nodes().len() == 3).await;
    assert!(session.picture.workloads.nodes().iter().all(|row| row.node.ready && row.node.zone.is_some()));
    session.until("lines of every pod", |s| lines(s).len() == 6 && lines(s).values().all(|of| of.len() > 30)).await;
    none_lost_none_doubled(&session);
    side.scale("payments", 6).await;
    session.until("two more", |s| ready(s, side, "payments") == 6).await;
    side.scale("payments", 3).await;
    session.until("three fewer", |s| s.pods(&side.namespace, "payments").len() == 3).await;
    session.until("all live", |s| SOURCES.iter().all(|source| s.live(source))).await;
    for (source, states) in &session.links {
        let bad = states.iter().find(|state| !matches!(state, SourceState::Connecting | SourceState::Live { .. }));
        assert_eq!(bad, None, "{source}");
    }
    none_lost_none_doubled(&session);
    session.end().await;
}

async fn crashes_kills_and_pods_without_room_are_told_in_words(side: &Side) {
    let mut session = Session::start(&configured(&side.config()));
    session.until("six pods", |s| ready(s, side, "payments") == 4 && ready(s, side, "catalog") == 2).await;
    let pods = side.pods("payments").await;
    side.fail(&pods[0], Kill::Crash).await;
    side.fail(&pods[1], Kill::OutOfMemory).await;
    let wide = json!([{"name": "catalog", "resources": {"requests": {"cpu": "1000"}}}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": wide}}}});
    let patched = side.send("PATCH", &side.apps("deployments/catalog"), STRATEGIC, patch).await;
    assert_eq!(patched.code, 200, "{}", patched.text());
    let told = |s: &Session, kind: EntryKind, words: &str| {
        s.noticed(kind, &side.namespace).any(|one| one.title.contains(words))
    };
    session.until("the crash loop", |s| told(s, EntryKind::CrashLoop, "")).await;
    session.until("the kill", |s| told(s, EntryKind::OomKilled, "memory")).await;
    session.until("the pod without a node", |s| told(s, EntryKind::Unschedulable, "cores")).await;
    for (kind, pod) in [(EntryKind::CrashLoop, &pods[0]), (EntryKind::OomKilled, &pods[1])] {
        let found = session.noticed(kind, &side.namespace).next().unwrap();
        assert!(found.subject.contains("payments") || found.title.contains(pod.as_str()), "{found:?}");
    }
    session.end().await;
}

/// The versions that were watched from are gone: everything is listed anew, and nothing that was
/// told is told again.
async fn after_a_forgotten_version_all_is_listed_anew_and_nothing_told_twice(side: &Side) {
    let mut session = Session::start(&configured(&side.config()));
    session.until("six pods", |s| ready(s, side, "payments") == 4 && ready(s, side, "catalog") == 2).await;
    session.until("all live", |s| SOURCES.iter().all(|source| s.live(source))).await;
    session.until("lines", |s| lines(s).len() == 6 && lines(s).values().all(|of| of.len() > 20)).await;
    let before = session.findings.len();
    let forget = side.forget();
    tokio::pin!(forget);
    let mut forgotten = false;
    // What comes meanwhile is taken in, as the program does.
    while !forgotten {
        tokio::select! {
            () = &mut forget => forgotten = true,
            () = session.meanwhile(std::time::Duration::from_millis(200)) => {}
        }
    }
    session.until("one pod of catalog", |s| s.pods(&side.namespace, "catalog").len() == 1).await;
    side.scale("payments", 5).await;
    session.until("it watches", |s| ready(s, side, "payments") == 5).await;
    session.until("all live again", |s| SOURCES.iter().all(|source| s.live(source))).await;
    let pods = lines(&session).into_iter().filter(|(stream, _)| stream.contains("payments")).collect::<Vec<_>>();
    session.until("lines go on", |s| pods.iter().all(|(stream, had)| lines(s)[stream].len() > had.len() + 20)).await;
    none_lost_none_doubled(&session);
    let mut keys: Vec<_> = session.findings.iter().map(|one| format!("{:?} {}", one.kind, one.dedupe)).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "{:#?}", &session.findings[before..]);
    assert_eq!(session.gaps, Vec::<String>::new());
    session.end().await;
}

async fn a_scale_keeps_the_promises_of_the_gateway(side: &Side) {
    let config = configured(&side.config());
    let engine = Engine::new(&config.environments[0], Clock::real()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let actor = Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None };
    let journal = Journal::create(folder.path(), start(&actor), Arc::new(RealDisk::default())).unwrap();
    let whole = side.apps("deployments/payments");
    let uid = side.get(&whole).await["metadata"]["uid"].as_str().unwrap().to_owned();
    let target = Target {
        origin: Origin { env: "real".into(), source: "kubernetes".into() },
        kind: Kind::Deployment,
        path: ObjectPath::new(side.namespace.as_str(), "payments"),
        uid: Some(Uid::from(uid.as_str())),
    };
    let replicas = async || side.get(&whole).await["spec"]["replicas"].clone();
    let want = |to| Request::Scale { target: target.clone(), to: Replicas::Exactly(to) };
    let plan = async |want: &Request| engine.plan(want, &Cluster::default()).await;
    let apply = async |plan| engine.apply(plan, &actor, &journal, &|_| ()).await.unwrap();

    // Do and undo.
    let up = plan(&want(6)).await.unwrap();
    assert_eq!((&up.permission, &up.preview), (&Permission::Allowed, &Preview::Accepted));
    let stale = plan(&want(7)).await.unwrap();
    let done = apply(up).await;
    assert_eq!(done.outcome.words().as_str(), "6 of 6 ready", "{:?}", done.outcome);
    assert_eq!(replicas().await, 6);
    let refused = apply(stale).await.outcome;
    assert!(refused.words().contains("replicas went from 4 to 6"), "{refused:?}");
    let undone = apply(plan(&Request::Undo { plan: Box::new(done.plan) }).await.unwrap()).await;
    assert_eq!((undone.outcome.as_str(), replicas().await), ("verified", json!(4)));

    // A foreign edit that ends at the very same value. The drill's API knows no managers; a real one
    // forgets who set a number of replicas that was once nought, so this comes first.
    if !side.is_drill() {
        let done = apply(plan(&want(3)).await.unwrap()).await;
        for replicas in [2, 3] {
            let path = format!("{whole}/scale?fieldManager=kubectl");
            assert_eq!(side.send("PATCH", &path, MERGE, json!({"spec": {"replicas": replicas}})).await.code, 200);
        }
        let refusal = plan(&Request::Undo { plan: Box::new(done.plan) }).await.unwrap_err();
        assert!(refusal.why.contains("set by kubectl"), "{refusal}");
    }

    // From nought, which a server may leave out.
    side.scale("payments", 0).await;
    side.until("no pods", async || side.pods("payments").await.is_empty()).await;
    let from_zero = plan(&want(2)).await.unwrap();
    assert_eq!(from_zero.preview, Preview::Accepted);
    assert_eq!(apply(from_zero).await.outcome.words().as_str(), "2 of 2 ready");

    // The drill's API makes and deletes neither autoscalers nor deployments.
    if !side.is_drill() {
        // Under an autoscaler, whose bounds are changed (`autoscale` tells more).
        let path = format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", side.namespace);
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "payments"});
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "payments"},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 4}});
        assert_eq!(side.send("POST", &path, JSON, hpa).await.code, 201);
        let owned = plan(&want(3)).await.unwrap();
        assert_eq!((owned.owners[0].name.as_str(), owned.owners[0].effect), ("HPA payments 1–4", OwnerEffect::Informs));
        // The command that can be copied works as it stands.
        let command = owned.command.as_str();
        let ran = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(side.get(&format!("{path}/payments")).await["spec"]["minReplicas"], 3);
        assert_eq!(side.send("DELETE", &format!("{path}/payments"), JSON, json!({})).await.code, 200);

        // Another object of the name.
        let unowned = plan(&want(6)).await.unwrap();
        let mut other = side.get(&whole).await;
        assert_eq!(side.send("DELETE", &whole, JSON, json!({})).await.code, 200);
        side.until("it is gone", async || side.call("GET", &whole, &[], "").await.code == 404).await;
        assert!(plan(&want(6)).await.unwrap_err().why.contains("is not there"));
        other["metadata"] = json!({"name": "payments"});
        other["spec"]["replicas"] = json!(2);
        assert_eq!(side.send("POST", &side.apps("deployments"), JSON, other).await.code, 201);
        let ended = apply(unowned).await;
        assert!(ended.outcome.words().contains("another object"), "{:?}", ended.outcome);
        assert_eq!(replicas().await, 2);
    }
    journal.close(Clock::real().now()).await.unwrap();
}

fn start(actor: &Actor) -> StartInfo {
    StartInfo {
        incident: None,
        version: "0".into(),
        drill: false,
        env: "real".into(),
        titles: BTreeMap::new(),
        actor: actor.clone(),
        at: Clock::real().now(),
    }
}

cases!(
    pods_usage_nodes_and_logs_are_read_and_followed,
    crashes_kills_and_pods_without_room_are_told_in_words,
    a_scale_keeps_the_promises_of_the_gateway,
);
alone!(after_a_forgotten_version_all_is_listed_anew_and_nothing_told_twice);
