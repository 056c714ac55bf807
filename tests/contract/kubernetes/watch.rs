//! Watches: their order, selections, marks, ends, and what is said of a version that is forgotten.

use prost::Message;
use serde_json::json;

use super::read::{Object, opened};
use super::side::{JSON, PROTOBUF, Side, alone, cases};

fn version(of: &serde_json::Value) -> u64 {
    of["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

async fn a_watch_tells_what_happened_since_and_then_what_happens(side: &Side) {
    let pods = side.core("pods");
    let since = version(&side.get(&pods).await);
    side.scale("payments", 5).await;
    side.until("a fifth pod", async || side.pods("payments").await.len() == 5).await;
    let selected = "labelSelector=app%3Dpayments&timeoutSeconds=60";
    let mut all = side.stream(&format!("{pods}?watch=1&resourceVersion={since}&{selected}"), JSON).await;
    assert_eq!(all.media, JSON);
    let running = format!("{pods}?watch=1&resourceVersion={since}&{selected}&fieldSelector=status.phase%3DRunning");
    let mut ran = side.stream(&running, JSON).await;
    let added = all.event_of("ADDED").await;
    assert_eq!((&added["kind"], &added["apiVersion"]), (&json!("Pod"), &json!("v1")));
    assert!(version(&added) > since && added["status"]["phase"] == "Pending", "as it was when it was made");
    let entered = ran.event_of("ADDED").await;
    assert_eq!(entered["metadata"]["name"], added["metadata"]["name"], "it enters the selection when it runs");
    assert_eq!(entered["status"]["phase"], "Running");
    let changed = all.event_of("MODIFIED").await;
    assert!(version(&changed) > version(&added));
    side.scale("payments", 4).await;
    let gone = all.event_of("DELETED").await;
    assert!(version(&gone) > version(&changed) && gone["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(ran.event_of("DELETED").await["metadata"]["uid"], gone["metadata"]["uid"]);
}

async fn a_watch_may_begin_with_all_there_is(side: &Side) {
    let mut plain = side.stream(&format!("{}?watch=1&timeoutSeconds=60", side.core("pods")), JSON).await;
    for _ in 0..6 {
        assert_eq!(plain.event().await.unwrap().0, "ADDED");
    }
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=60";
    let mut list = side.stream(&format!("{}?{query}", side.core("pods")), JSON).await;
    let mut newest = 0;
    for _ in 0..6 {
        let (kind, pod) = list.event().await.unwrap();
        assert_eq!(kind, "ADDED");
        newest = newest.max(version(&pod));
    }
    let (kind, mark) = list.event().await.unwrap();
    assert_eq!((kind.as_str(), &mark["kind"]), ("BOOKMARK", &json!("Pod")));
    assert_eq!(mark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(version(&mark) >= newest);
}

async fn a_watch_marks_its_place_and_ends_when_asked(side: &Side) {
    let since = version(&side.get(&side.core("pods")).await);
    // Before, not meanwhile: on a busy machine a pod may take longer than the watch lasts.
    side.scale("payments", 5).await;
    side.until("a fifth pod", async || side.pods("payments").await.len() == 5).await;
    let query = format!("watch=1&resourceVersion={since}&allowWatchBookmarks=true&timeoutSeconds=4");
    let mut watch = side.stream(&format!("{}?{query}", side.core("pods")), JSON).await;
    let mut events = Vec::new();
    while let Some(event) = watch.event().await {
        events.push(event);
    }
    let (kind, mark) = events.iter().rfind(|(kind, _)| kind == "BOOKMARK").expect("a bookmark before the end");
    assert_eq!((kind.as_str(), &mark["kind"]), ("BOOKMARK", &json!("Pod")));
    assert!(events.iter().any(|(kind, _)| kind == "ADDED") && version(mark) > since);
    // Who goes on from the last version misses nothing and meets nothing twice.
    let last = events.iter().map(|(_, object)| version(object)).max().unwrap();
    let query = format!("watch=1&resourceVersion={last}&timeoutSeconds=60");
    let mut next = side.stream(&format!("{}?{query}", side.core("pods")), JSON).await;
    side.scale("payments", 4).await;
    loop {
        let (kind, pod) = next.event().await.unwrap();
        assert!(version(&pod) > last && kind != "ADDED", "{kind} {pod}");
        if kind == "DELETED" {
            break;
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, optional, tag = "2")]
    object: Option<Raw>,
}

#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    raw: Vec<u8>,
}

async fn a_watch_in_protobuf_is_framed(side: &Side) {
    let query =
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=60";
    let accept = format!("{PROTOBUF};stream=watch");
    let mut watch = side.stream(&format!("{}?{query}", side.core("pods")), &accept).await;
    assert_eq!(watch.media, accept);
    let mut names = Vec::new();
    let mark = loop {
        let event = Event::decode(&*watch.frame().await.unwrap()).unwrap();
        let (kind, object) = opened::<Object>(&event.object.unwrap().raw);
        assert_eq!(kind, "Pod");
        let meta = object.meta.unwrap();
        if event.kind == "BOOKMARK" {
            break meta;
        }
        assert_eq!(event.kind, "ADDED");
        names.push(meta.name);
    };
    assert_eq!(names.len(), 6);
    assert_eq!(mark.annotations["k8s.io/initial-events-end"], "true");
    side.scale("payments", 5).await;
    let event = Event::decode(&*watch.frame().await.unwrap()).unwrap();
    let (_, pod) = opened::<Object>(&event.object.unwrap().raw);
    let meta = pod.meta.unwrap();
    assert!(event.kind == "ADDED" && !names.contains(&meta.name), "{} {}", event.kind, meta.name);
    assert!(meta.version.parse::<u64>().unwrap() > mark.version.parse::<u64>().unwrap());
}

async fn a_watch_from_a_forgotten_version_is_told_to_start_anew(side: &Side) {
    let pods = side.core("pods");
    let since = version(&side.get(&pods).await);
    side.forget().await;
    for (accept, framed) in [(JSON.to_owned(), false), (format!("{PROTOBUF};stream=watch"), true)] {
        let path = format!("{pods}?watch=1&resourceVersion={since}&timeoutSeconds=60");
        let mut watch = side.stream(&path, &accept).await;
        if framed {
            let event = Event::decode(&*watch.frame().await.unwrap()).unwrap();
            let unknown =
                super::read::Unknown::decode(event.object.unwrap().raw.strip_prefix(b"k8s\0").unwrap()).unwrap();
            assert_eq!((event.kind.as_str(), unknown.of.unwrap().kind.as_str()), ("ERROR", "Status"));
            assert_eq!(watch.frame().await, None);
            continue;
        }
        let (kind, status) = watch.event().await.unwrap();
        assert_eq!((kind.as_str(), &status["kind"]), ("ERROR", &json!("Status")));
        assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
        assert!(status["message"].as_str().unwrap().starts_with("too old resource version"), "{status}");
        assert_eq!(watch.event().await, None, "and it is over");
    }
    let now = version(&side.get(&pods).await);
    let mut watch = side.stream(&format!("{pods}?watch=1&resourceVersion={now}&timeoutSeconds=60"), JSON).await;
    side.scale("catalog", 2).await;
    assert_eq!(watch.event_of("ADDED").await["metadata"]["labels"]["app"], "catalog");
}

cases!(
    a_watch_tells_what_happened_since_and_then_what_happens,
    a_watch_may_begin_with_all_there_is,
    a_watch_marks_its_place_and_ends_when_asked,
    a_watch_in_protobuf_is_framed,
);
alone!(a_watch_from_a_forgotten_version_is_told_to_start_anew);
