//! What is refused, for a while or for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::clock::Clock;
use crate::connect::SourceError;
use crate::connect::kubernetes::nodes::Nodes;
use crate::connect::kubernetes::usage::Usage;
use crate::connect::kubernetes::workloads::Workloads;
use crate::model::signal::{Delta, Signal, SourceState};

use super::server::{Asked, Fake, JSON, Reply, Streams};
use super::{context, epoch, reach, sink};

fn no(code: u16) -> Reply {
    Reply::Whole(code, JSON, b"{\"message\":\"no\"}".to_vec())
}

fn list(items: &serde_json::Value) -> Reply {
    let list = json!({"metadata": {"resourceVersion": "3"}, "items": items});
    Reply::Whole(200, JSON, list.to_string().into_bytes())
}

/// A live state, and its limit if it has one.
fn live(signal: Signal) -> Option<Option<String>> {
    match signal {
        Signal::Link(SourceState::Live { limited }) => Some(limited.map(|why| why.to_string())),
        _ => None,
    }
}

#[tokio::test]
async fn a_cluster_that_does_not_know_us_any_more_ends_the_run_and_no_kind_is_left_as_it_was() {
    let (others, _others) = Streams::new(4);
    let (own, mut sender) = Streams::new(1);
    let opened = AtomicUsize::new(0);
    // The token ends while all five kinds are watched; one of them has to be opened again.
    let fake = Fake::serve(move |asked| match (asked.watches(), asked.path.ends_with("/deployments")) {
        (false, _) => list(&json!([])),
        (true, false) => others.reply(JSON),
        (true, true) if opened.fetch_add(1, Ordering::SeqCst) == 0 => own.reply(JSON),
        (true, true) => no(401),
    })
    .await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let (out, _said) = sink();
    let mut source = Workloads::new(&reached.cluster);
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    while fake.asked().iter().filter(|asked| asked.watches()).count() < 5 {
        tokio::task::yield_now().await;
    }
    // With news, so that its end is not taken for a failure of the stream.
    let change =
        json!({"type": "ADDED", "object": {"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "4"}}});
    sender[0].send(format!("{change}\n").into_bytes()).unwrap();
    sender.clear();
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), run).await;
    let end = end.expect("it goes on with four kinds and an old list of the fifth").unwrap();
    let Err(SourceError::Unknown(why)) = end else { panic!("{end:?}") };
    assert!(why.contains("sign in again"), "{why}");
}

#[tokio::test]
async fn a_kind_that_was_refused_is_read_as_soon_as_it_is_permitted() {
    let (streams, _senders) = Streams::new(8);
    let permitted = Arc::new(AtomicBool::new(false));
    let may = Arc::clone(&permitted);
    let fake = Fake::serve(move |asked| {
        let refused = asked.path.contains("horizontalpodautoscalers") || asked.path.starts_with("/api/v1/namespaces");
        if refused && !may.load(Ordering::SeqCst) {
            return no(403);
        }
        if asked.watches() { streams.reply(JSON) } else { list(&json!([])) }
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    let mut source = Workloads::new(&reached.cluster);
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    let why = said.find_later(&mut driver, |_, signal| live(signal).flatten()).await;
    assert_eq!(
        why,
        "list horizontalpodautoscalers in all namespaces: 403 no; ask for a role with get, list and watch on it"
    );
    permitted.store(true, Ordering::SeqCst);
    let read =
        said.find_later(&mut driver, |_, signal| matches!(signal, Signal::Autoscalers(Delta::All(_))).then_some(()));
    read.await;
    assert_eq!(said.find(|_, signal| live(signal)).await, None, "and nothing is limited any more");
    run.abort();
}

#[tokio::test]
async fn a_source_is_refused_only_when_all_its_kinds_are() {
    let fake = Fake::serve(|_| no(403)).await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let (out, _said) = sink();
    let mut source = Workloads::new(&reached.cluster);
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), source.read(&cx, &out)).await;
    assert!(matches!(end, Ok(Err(SourceError::Denied(_)))), "{end:?}");
}

#[tokio::test]
async fn a_watch_that_was_refused_once_is_tried_again() {
    let (streams, senders) = Streams::new(1);
    let permitted = Arc::new(AtomicBool::new(false));
    let may = Arc::clone(&permitted);
    let fake = Fake::serve(move |asked| match asked.watches() {
        false => list(&json!([])),
        true if may.load(Ordering::SeqCst) => streams.reply(JSON),
        true => no(403),
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    let mut source = Nodes::new(Arc::clone(&reached.cluster));
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    let why = said.find_later(&mut driver, |_, signal| live(signal).flatten()).await;
    assert_eq!(why, "nodes are read every 30 s: no permission to watch");
    permitted.store(true, Ordering::SeqCst);
    let began = driver.now();
    said.find_later(&mut driver, |_, signal| live(signal).filter(Option::is_none)).await;
    assert!(driver.now() - began > chrono::TimeDelta::minutes(3), "it is not tried at every poll");
    let watches = fake.asked().iter().filter(|asked| asked.watches()).count();
    assert_eq!(watches, 2);
    senders[0].send(b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\"}}}\n".to_vec()).unwrap();
    said.find(|_, signal| matches!(signal, Signal::Nodes(Delta::Upsert(_))).then_some(())).await;
    run.abort();
}

#[tokio::test]
async fn usage_that_was_refused_is_asked_for_again_and_the_limit_ends() {
    let permitted = Arc::new(AtomicBool::new(false));
    let may = Arc::clone(&permitted);
    let fake = Fake::serve(move |asked| {
        let may = may.load(Ordering::SeqCst);
        match asked.path.as_str() {
            "/apis/metrics.k8s.io/v1beta1/pods" | "/apis/metrics.k8s.io/v1beta1/nodes" if !may => no(403),
            "/api/v1/namespaces" => list(&json!([{"metadata": {"name": "shop"}}, {"metadata": {"name": "secret"}}])),
            "/apis/metrics.k8s.io/v1beta1/namespaces/secret/pods" => no(403),
            _ => list(&json!([])),
        }
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    let mut source = Usage::new(Arc::clone(&reached.cluster));
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    let why = said.limit().await;
    assert!(why.contains("read usage of nodes: 403 no") && why.contains("in 1 namespaces only"), "{why}");
    // The nodes' at the next poll; that of the pods is still true as long as they are not asked for.
    permitted.store(true, Ordering::SeqCst);
    let why = said.find_later(&mut driver, |_, signal| live(signal).flatten()).await;
    assert!(!why.contains("nodes") && why.contains("in 1 namespaces only"), "{why}");
    said.find_later(&mut driver, |_, signal| live(signal).filter(Option::is_none)).await;
    let secret = |asked: &Asked| asked.path.contains("/secret/");
    assert_eq!(fake.asked().iter().filter(|asked| secret(asked)).count(), 1, "not at every poll");
    run.abort();
}
