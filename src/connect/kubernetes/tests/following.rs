//! Lists, watches, and what happens when they break.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::clock::Clock;
use crate::connect::SourceError;
use crate::connect::kubernetes::pods::Pods;
use crate::connect::kubernetes::roster::Roster;
use crate::connect::kubernetes::workloads::Workloads;
use crate::model::cluster::Pod;
use crate::model::name::ObjectPath;
use crate::model::signal::{Delta, Signal};

use super::bytes::{envelope, event, pod, pods, status};
use super::server::{Asked, Fake, JSON, PROTOBUF, PROTOBUF_WATCH, Reply, Streams};
use super::{Sink, catalogue, context, epoch, reach, sink};

fn delta(signal: Signal) -> Option<Delta<Pod, ObjectPath>> {
    if let Signal::Pods(delta) = signal { Some(delta) } else { None }
}

fn names(pods: &[Pod]) -> Vec<&str> {
    pods.iter().map(|pod| pod.path.name.as_str()).collect()
}

/// Runs a pods source until the test drops it.
fn run_pods(
    url: &str,
    clock: &Clock,
    out: Sink,
) -> tokio::task::JoinHandle<Result<crate::connect::Ended, SourceError>> {
    let reached = reach(url);
    let (cx, follow) = context(clock);
    let mut source = Pods::new(Arc::clone(&reached.cluster), Arc::new(Roster::new(catalogue())));
    tokio::spawn(async move {
        let _keep = (reached, follow);
        source.read(&cx, &out).await
    })
}

fn paged(asked: &Asked) -> Reply {
    match asked.query.contains("continue=page%2F2") {
        false => Reply::Whole(200, PROTOBUF, pods(&["a", "b"], "", "page/2")),
        true => Reply::Whole(200, PROTOBUF, pods(&["c"], "100", "")),
    }
}

#[tokio::test]
async fn pods_come_page_by_page_and_then_as_they_change() {
    let (streams, senders) = Streams::new(2);
    let fake =
        Fake::serve(move |asked| if asked.watches() { streams.reply(PROTOBUF_WATCH) } else { paged(asked) }).await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);

    let Delta::Upsert(early) = said.find(|_, signal| delta(signal)).await else {
        panic!("the first page comes at once")
    };
    assert_eq!(names(&early), ["a", "b"]);
    let Delta::All(all) = said.find(|_, signal| delta(signal)).await else { panic!("then all") };
    assert_eq!(names(&all), ["a", "b", "c"]);
    let one = &all[0];
    assert_eq!(one.owner.as_ref().map(ToString::to_string).as_deref(), Some("Deployment shop/web"));
    assert_eq!((one.status.as_str(), one.ready, one.restarts, one.image.as_str()), ("Running", 1, 3, "2.9.0"));
    assert_eq!((one.cpu_request, one.cpu_limit, one.memory_request), (250, 1000, 64 << 20));
    assert_eq!((one.node.as_deref(), one.revision.as_deref()), (Some("node-1"), Some("7d9f")));
    assert_eq!(one.last_end.as_ref().map(|(why, _)| why.as_str()), Some("OOMKilled"));

    // A frame may be cut anywhere.
    let frame = event("MODIFIED", &envelope("Pod", &pod("a", "101", "Failed")));
    senders[0].send(frame[..7].to_vec()).unwrap();
    senders[0].send(frame[7..].to_vec()).unwrap();
    let Delta::Upsert(changed) = said.find(|_, signal| delta(signal)).await else { panic!("a change") };
    assert_eq!((names(&changed), changed[0].status.as_str()), (vec!["a"], "Failed"));
    senders[0].send(event("DELETED", &envelope("Pod", &pod("b", "102", "Running")))).unwrap();
    let Delta::Remove(gone) = said.find(|_, signal| delta(signal)).await else { panic!("a removal") };
    assert_eq!(gone, [ObjectPath::new("shop", "b")]);

    // Cut after a bookmark: it goes on from there.
    senders[0]
        .send(event("BOOKMARK", &envelope("Pod", &super::bytes::bytes(1, &super::bytes::text(6, "110")))))
        .unwrap();
    let mut senders = senders.into_iter();
    drop(senders.next());
    let second = senders.next().unwrap();
    second.send(event("ADDED", &envelope("Pod", &pod("d", "111", "Running")))).unwrap();
    let Delta::Upsert(added) = said.find(|_, signal| delta(signal)).await else { panic!("an addition, not a list") };
    assert_eq!(names(&added), ["d"]);
    let asked = fake.asked();
    let watches: Vec<&Asked> = asked.iter().filter(|asked| asked.watches()).collect();
    assert!(watches[0].query.contains("resourceVersion=100") && watches[0].query.contains("allowWatchBookmarks=true"));
    assert!(watches[1].query.contains("resourceVersion=110"), "{watches:?}");
    assert!(asked[0].query.contains("limit=500") && asked[0].accept.starts_with(PROTOBUF));
    source.abort();
}

/// A table of pods that were there before the list was made.
fn table(asked: &Asked) -> Reply {
    assert!(asked.query.contains("includeObject=None"), "{asked:?}");
    let rows = json!([{"cells": ["a", "1/1", "Running"]}, {"cells": ["gone", "0/1", "Error"]}]);
    let columns = json!([{"name": "Name"}, {"name": "Ready"}, {"name": "Status"}]);
    let table = json!({"kind": "Table", "columnDefinitions": columns, "rows": rows});
    Reply::Whole(200, JSON, table.to_string().into_bytes())
}

fn named(signal: Signal) -> Option<Vec<String>> {
    match signal {
        Signal::PodNames(names) => Some(names.iter().map(|pod| pod.name.to_string()).collect()),
        Signal::Pods(_) => Some(vec!["pods before their names".into()]),
        _ => None,
    }
}

#[tokio::test]
async fn pods_are_named_before_they_are_listed_once() {
    let (streams, senders) = Streams::new(2);
    let fake = Fake::serve_tables(
        table,
        move |asked| {
            if asked.watches() { streams.reply(PROTOBUF_WATCH) } else { paged(asked) }
        },
    )
    .await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);
    assert_eq!(said.find(|_, signal| named(signal)).await, ["a", "gone"]);
    let Delta::Upsert(early) = said.find(|_, signal| delta(signal)).await else { panic!("the first page") };
    assert_eq!(names(&early), ["a", "b"]);
    let Delta::All(all) = said.find(|_, signal| delta(signal)).await else { panic!("then all") };
    assert_eq!(names(&all), ["a", "b", "c"]);
    // The next list is no first one: names would say less than what is known.
    senders[0].send(event("ERROR", &status(410, "too old resource version"))).unwrap();
    let again = said.find(|_, signal| match signal {
        Signal::PodNames(_) => Some(false),
        Signal::Pods(Delta::All(_)) => Some(true),
        _ => None,
    });
    assert!(again.await, "named again");
    source.abort();
}

#[tokio::test]
async fn a_table_that_does_not_come_holds_nothing_up() {
    // It stays open and says nothing for as long as the test runs.
    let (streams, _senders) = Streams::new(1);
    let fake = Fake::serve_tables(
        move |_| streams.reply(JSON),
        |asked| if asked.watches() { Reply::Whole(503, JSON, Vec::new()) } else { paged(asked) },
    )
    .await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);
    let Delta::Upsert(early) = said.find(|_, signal| delta(signal)).await else { panic!("the first page") };
    assert_eq!(names(&early), ["a", "b"]);
    source.abort();
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_listed_again() {
    let (streams, senders) = Streams::new(2);
    let lists = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lists);
    let fake = Fake::serve(move |asked| {
        if asked.watches() {
            return streams.reply(PROTOBUF_WATCH);
        }
        match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Whole(200, PROTOBUF, pods(&["a", "b"], "5", "")),
            _ => Reply::Whole(200, PROTOBUF, pods(&["b"], "9", "")),
        }
    })
    .await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);
    let Delta::All(first) = said.find(|_, signal| delta(signal)).await else { panic!() };
    assert_eq!(names(&first), ["a", "b"]);
    senders[0].send(event("ERROR", &status(410, "too old resource version"))).unwrap();
    let Delta::All(second) = said.find(|_, signal| delta(signal)).await else { panic!("all, so that a goes") };
    assert_eq!(names(&second), ["b"]);
    source.abort();
}

#[tokio::test]
async fn a_server_without_protobuf_is_read_as_json() {
    let (streams, senders) = Streams::new(1);
    let fake = Fake::serve(move |asked| {
        if asked.accept.contains("protobuf") {
            return Reply::Whole(406, JSON, b"{\"message\":\"only json\"}".to_vec());
        }
        if asked.watches() {
            return streams.reply(JSON);
        }
        let list =
            json!({"metadata": {"resourceVersion": "3"}, "items": [{"metadata": {"name": "j", "namespace": "shop"}}]});
        Reply::Whole(200, JSON, list.to_string().into_bytes())
    })
    .await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);
    let Delta::All(all) = said.find(|_, signal| delta(signal)).await else { panic!() };
    assert_eq!(names(&all), ["j"]);
    senders[0].send(b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"k\"}}}\n".to_vec()).unwrap();
    let Delta::Upsert(added) = said.find(|_, signal| delta(signal)).await else { panic!() };
    assert_eq!(names(&added), ["k"]);
    source.abort();
}

#[tokio::test]
async fn a_role_for_some_namespaces_sees_those() {
    let (streams, senders) = Streams::new(2);
    let fake = Fake::serve(move |asked| {
        let forbidden = || Reply::Whole(403, JSON, b"{\"message\":\"pods is forbidden\"}".to_vec());
        match asked.path.as_str() {
            "/api/v1/namespaces" => {
                let list = json!({"items": [{"metadata": {"name": "shop"}}, {"metadata": {"name": "secret"}}, {"metadata": {"name": "web"}}]});
                Reply::Whole(200, JSON, list.to_string().into_bytes())
            }
            "/api/v1/namespaces/shop/pods" | "/api/v1/namespaces/web/pods" if asked.watches() => streams.reply(PROTOBUF_WATCH),
            "/api/v1/namespaces/shop/pods" => Reply::Whole(200, PROTOBUF, pods(&["a"], "3", "")),
            "/api/v1/namespaces/web/pods" => Reply::Whole(200, PROTOBUF, pods(&["b"], "4", "")),
            _ => forbidden(),
        }
    })
    .await;
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &Clock::real(), out);
    let all = said
        .find(|_, signal| match delta(signal) {
            Some(Delta::All(all)) => Some(all),
            _ => None,
        })
        .await;
    assert_eq!(names(&all), ["a", "b"]);
    let limit = said.limit().await;
    assert_eq!(
        limit,
        "pods of 2 namespaces only (shop, web): no permission for the whole cluster; ask for a role that may list \
         them everywhere"
    );
    senders[1].send(event("DELETED", &envelope("Pod", &pod("b", "5", "Running")))).unwrap();
    assert!(matches!(said.find(|_, signal| delta(signal)).await, Delta::Remove(_)));
    source.abort();
}

#[tokio::test]
async fn a_role_that_may_list_but_not_watch_is_polled_on_round_times() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lists);
    let fake = Fake::serve(move |asked| {
        if asked.watches() {
            return Reply::Whole(403, JSON, b"{\"message\":\"cannot watch\"}".to_vec());
        }
        let name = format!("p{}", counter.fetch_add(1, Ordering::SeqCst));
        Reply::Whole(200, PROTOBUF, pods(&[&name], "1", ""))
    })
    .await;
    let (clock, mut driver) = Clock::driven(epoch());
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &clock, out);
    said.find(|_, signal| delta(signal)).await;
    // The watch is refused some time after; only then does it sleep until the next round time.
    while !fake.asked().iter().any(Asked::watches) {
        tokio::task::yield_now().await;
    }
    // When it falls asleep cannot be seen from here, so time goes on second by second.
    let poll = async {
        loop {
            driver.advance(driver.now() + chrono::TimeDelta::seconds(1));
            driver.settled().await;
            let next = tokio::time::timeout(std::time::Duration::from_millis(5), said.0.recv()).await;
            if let Ok(Some((at, signal))) = next
                && let Some(Delta::All(pods)) = delta(signal)
            {
                return (at, names(&pods).join(","));
            }
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let (at, names) = tokio::time::timeout(limit, poll).await.expect("no poll within 20 s");
    assert_eq!(at.timestamp() % 30, 0, "{at}");
    assert_eq!(names, "p1");
    assert_eq!(said.limit().await, "pods are read every 30 s: no permission to watch");
    source.abort();
}

#[tokio::test]
async fn a_quiet_watch_gives_a_sign_of_life_every_fifteen_seconds_as_of_when_it_was_heard() {
    let (streams, senders) = Streams::new(1);
    let fake = Fake::serve(move |asked| {
        if asked.watches() { streams.reply(PROTOBUF_WATCH) } else { Reply::Whole(200, PROTOBUF, pods(&["a"], "1", "")) }
    })
    .await;
    let (clock, mut driver) = Clock::driven(epoch());
    let (out, mut said) = sink();
    let source = run_pods(&fake.url, &clock, out);
    said.find(|_, signal| delta(signal)).await;
    // It is open from here on.
    let after = |seconds| epoch() + chrono::TimeDelta::seconds(seconds);
    let live = |when, signal| matches!(signal, Signal::Link(_)).then_some(when);
    assert_eq!(said.find(live).await, epoch(), "with the list");
    assert_eq!(said.find(live).await, epoch(), "as the watch opens");
    for beat in 1..=3 {
        driver.advance(after(15 * beat));
        assert_eq!(said.find(live).await, epoch(), "nothing was heard since");
    }
    let mark = envelope("Pod", &super::bytes::bytes(1, &super::bytes::text(6, "2")));
    senders[0].send(event("BOOKMARK", &mark)).unwrap();
    assert_eq!(said.find(live).await, after(45));
    driver.advance(after(60));
    assert_eq!(said.find(live).await, after(45));
    source.abort();
}

#[tokio::test]
async fn kinds_of_workloads_that_are_refused_only_limit_the_view() {
    let (streams, senders) = Streams::new(4);
    let fake = Fake::serve(move |asked| {
        let kind = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        if kind == "horizontalpodautoscalers" || asked.path.starts_with("/api/v1/namespaces") {
            return Reply::Whole(403, JSON, b"{\"message\":\"no\"}".to_vec());
        }
        if asked.watches() {
            return streams.reply(JSON);
        }
        let items = match kind.as_str() {
            "deployments" => {
                json!([{"metadata": {"name": "web", "namespace": "shop", "uid": "d"}, "spec": {"replicas": 6}}])
            }
            "statefulsets" => json!(null),
            _ => json!([]),
        };
        let list = json!({"metadata": {"resourceVersion": "3"}, "items": items});
        Reply::Whole(200, JSON, list.to_string().into_bytes())
    })
    .await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let (out, mut said) = sink();
    let mut source = Workloads::new(&reached.cluster);
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    let all = said
        .find(|_, signal| match signal {
            Signal::Workloads(Delta::All(all)) => Some(all),
            _ => None,
        })
        .await;
    assert_eq!((all.len(), all[0].desired), (1, 6));
    let scaled = json!({"type": "MODIFIED", "object":
        {"metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 2}, "spec": {"replicas": 12}}});
    // Whichever of the four it is, the stream that belongs to deployments gives a Deployment.
    let mut kinds = BTreeMap::new();
    while kinds.len() < 4 {
        for (at, asked) in fake.asked().into_iter().filter(Asked::watches).enumerate() {
            kinds.insert(asked.path.clone(), at);
        }
        tokio::task::yield_now().await;
    }
    senders[kinds["/apis/apps/v1/deployments"]].send(format!("{scaled}\n").into_bytes()).unwrap();
    let change = said
        .find(|_, signal| match signal {
            Signal::Change(change) => Some(change),
            _ => None,
        })
        .await;
    assert_eq!(
        (change.title.as_str(), change.before.as_deref(), change.after.as_deref()),
        ("replicas 6→12", Some("6"), Some("12"))
    );
    assert!(said.limit().await.contains("horizontalpodautoscalers in all namespaces: 403 no"));
    run.abort();
}
