//! Pod logs: live, resumed, previous and past.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::mpsc;

use crate::clock::{Clock, Span};
use crate::connect::kubernetes::call::Fault;
use crate::connect::kubernetes::logstream::Log;
use crate::connect::kubernetes::logtail::{Heard, Progress, Wire, tail};
use crate::connect::kubernetes::podlogs::{Key, PastLogs, PodLogs, STREAMS};
use crate::connect::kubernetes::roster::Roster;
use crate::connect::kubernetes::wire;
use crate::connect::{Ctx, History as _};
use crate::model::log::LogStream;
use crate::model::name::ObjectPath;
use crate::model::signal::Signal;

use super::bytes::pods;
use super::server::{Asked, Fake, JSON, PROTOBUF, Reply, Streams};
use super::{Said, Sink, catalogue, context, epoch, reach, sink};

fn pod(name: &str, restarts: u32) -> wire::Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "shop", "labels": {"pod-template-hash": "7d9f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-7d9f", "controller": true}]},
        "status": {"containerStatuses": [{"name": "app", "restartCount": restarts, "state": {"running": {}}}]},
    }))
    .unwrap()
}

async fn lines(said: &mut Said, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < count {
        said.find(|_, signal| match signal {
            Signal::Logs(batch) => {
                for (_, stream, text) in batch.iter() {
                    assert_eq!((stream.group.as_str(), stream.name.as_str()), ("shop/web", "web-1/app"));
                    lines.push(text.to_owned());
                }
                Some(())
            }
            _ => None,
        })
        .await;
    }
    lines
}

#[tokio::test]
async fn a_log_goes_on_after_a_cut_and_across_a_restart() {
    let (streams, senders) = Streams::new(3);
    let fake = Fake::serve(move |asked| {
        if asked.query.contains("previous=true") {
            let last = "2026-11-21T03:00:02Z two\n2026-11-21T03:00:03Z FATAL out of memory\n";
            return Reply::Whole(200, "text/plain", last.into());
        }
        if asked.path == "/version" { Reply::Whole(200, JSON, b"{}".to_vec()) } else { streams.reply("text/plain") }
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, _driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let roster = Arc::new(Roster::new(catalogue()));
    roster.put([pod("web-1", 0)].iter());
    let (out, mut said) = sink();
    let mut source = PodLogs::new(Arc::clone(&reached.cluster), Arc::clone(&roster));
    let run = tokio::spawn(async move { source.read(&cx, &out).await });

    senders[0].send(b"2026-11-21T02:59:59Z before\n2026-11-21T03:00:01Z one\n2026-11-21T03:00:02Z t".to_vec()).unwrap();
    assert_eq!(lines(&mut said, 1).await, ["one"], "what was before the start is the history's");
    senders[0].send(b"wo\n".to_vec()).unwrap();
    assert_eq!(lines(&mut said, 1).await, ["two"]);

    let mut senders = senders.into_iter();
    drop(senders.next());
    let second = senders.next().unwrap();
    second.send(b"2026-11-21T03:00:02Z two\n2026-11-21T03:00:02Z twin\n".to_vec()).unwrap();
    assert_eq!(lines(&mut said, 1).await, ["twin"], "no line twice, none lost");

    // The container dies and comes back.
    drop(second);
    roster.put([pod("web-1", 1)].iter());
    let third = senders.next().unwrap();
    third.send(b"2026-11-21T03:00:04Z hello again\n".to_vec()).unwrap();
    assert_eq!(lines(&mut said, 2).await, ["FATAL out of memory", "hello again"]);
    let asked: Vec<String> = fake.asked().iter().skip(1).map(Asked::uri).collect();
    let base = "/api/v1/namespaces/shop/pods/web-1/log?container=app&timestamps=true&sinceTime=2026-11-21T03%3A00%3A0";
    assert_eq!(asked[0], format!("{base}0Z&follow=true"));
    assert_eq!(asked[1], format!("{base}2Z&follow=true"));
    assert!(asked.contains(&format!("{base}2Z&previous=true")), "{asked:?}");
    run.abort();
}

#[tokio::test]
async fn more_containers_than_streams_is_said() {
    let (streams, _senders) = Streams::new(STREAMS);
    let fake = Fake::serve(move |asked| match asked.path.as_str() {
        "/version" => Reply::Whole(200, JSON, b"{}".to_vec()),
        _ => streams.reply("text/plain"),
    })
    .await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let roster = Arc::new(Roster::new(catalogue()));
    let many: Vec<wire::Pod> = (0..STREAMS + 6).map(|n| pod(&format!("web-{n}"), 0)).collect();
    roster.put(many.iter());
    let (clock, mut driver) = Clock::driven(epoch());
    let cx = crate::connect::Ctx { start: clock.now(), clock, ..cx };
    let (out, mut said) = sink();
    let mut source = PodLogs::new(Arc::clone(&reached.cluster), roster);
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    while fake.asked().len() < 1 + STREAMS {
        tokio::task::yield_now().await;
    }
    driver.advance(epoch() + chrono::TimeDelta::seconds(15));
    assert_eq!(said.limit().await, "64 of 70 containers are followed: focus a service to see its own");
    assert_eq!(fake.asked().len(), 1 + STREAMS);
    run.abort();
}

#[tokio::test]
async fn the_past_is_read_within_its_span_and_with_the_life_before() {
    let fake = Fake::serve(|asked| match (asked.path.as_str(), asked.query.contains("previous=true")) {
        ("/api/v1/namespaces/shop/pods", _) => Reply::Whole(200, PROTOBUF, pods(&["web-1"], "9", "")),
        (_, true) => Reply::Whole(200, "text/plain", b"2026-11-21T02:40:00Z FATAL oom\n".to_vec()),
        _ => Reply::Whole(200, "text/plain", b"2026-11-21T02:50:00Z ok\n2026-11-21T03:00:00Z too new\n".to_vec()),
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, _driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let history = PastLogs::new(Arc::clone(&reached.cluster), Arc::new(Roster::new(catalogue())));
    let span = Span::before(epoch(), chrono::TimeDelta::hours(1));
    let told = history.between(&cx, span).await.unwrap();
    let text: Vec<String> = told
        .iter()
        .filter_map(|stamped| match &stamped.body {
            Signal::Logs(batch) => Some(batch.text().trim_end().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(text, ["FATAL oom", "ok"]);
    assert!(told.iter().all(|stamped| span.contains(stamped.occurred)));
    assert!(fake.asked().iter().any(|asked| asked.query.contains("tailLines=2000")));
    assert!(!fake.asked().iter().any(|asked| asked.path == "/api/v1/pods"), "not the whole cluster");
}

/// It dies while the pods are being listed, which takes a while in a large cluster.
#[tokio::test]
async fn a_life_that_ends_after_the_start_and_before_the_first_look_is_told_to_its_end() {
    for (ended, told) in
        [("2026-11-21T03:00:01Z", vec!["FATAL", "hello again"]), ("2026-11-21T02:59:59Z", vec!["hello again"])]
    {
        let fake = Fake::serve(|asked| match (asked.path.as_str(), asked.query.contains("previous=true")) {
            ("/version", _) => Reply::Whole(200, JSON, b"{}".to_vec()),
            (_, true) => {
                Reply::Whole(200, "text/plain", b"2026-11-21T02:59:58Z early\n2026-11-21T03:00:01Z FATAL\n".to_vec())
            }
            _ => Reply::Whole(200, "text/plain", CURRENT.into()),
        })
        .await;
        let reached = reach(&fake.url);
        let (clock, _driver) = Clock::driven(epoch());
        let (cx, _follow) = context(&clock);
        let mut restarted = pod("web-1", 1);
        let last = json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ended}});
        restarted.status.as_mut().unwrap().container_statuses[0].last_state = serde_json::from_value(last).unwrap();
        let roster = Arc::new(Roster::new(catalogue()));
        roster.put([restarted].iter());
        let (out, mut said) = sink();
        let mut source = PodLogs::new(Arc::clone(&reached.cluster), roster);
        let run = tokio::spawn(async move { source.read(&cx, &out).await });
        assert_eq!(lines(&mut said, told.len()).await, told, "{ended}");
        let before = fake.asked().iter().any(|asked| asked.query.contains("previous=true"));
        assert_eq!(before, told.len() == 2, "{ended}");
        run.abort();
    }
}

/// Whatever lies between the moment at which a session begins and the first read, which a busy machine
/// or a slow login puts off.
#[tokio::test]
async fn what_is_logged_before_the_first_read_is_told_by_the_past_or_the_present_and_by_one_alone() {
    let log = "2026-11-21T03:00:00.499999Z a\n2026-11-21T03:00:00.500300Z b\n2026-11-21T03:00:00.500900Z c\n\
               2026-11-21T03:00:03Z d\n";
    let fake = Fake::serve(move |asked| match asked.path.as_str() {
        "/version" => Reply::Whole(200, JSON, b"{}".to_vec()),
        "/api/v1/namespaces/shop/pods" => Reply::Whole(200, PROTOBUF, pods(&["web-1"], "9", "")),
        _ if asked.query.contains("previous=true") => Reply::Whole(200, "text/plain", Vec::new()),
        _ => Reply::Whole(200, "text/plain", log.into()),
    })
    .await;
    let reached = reach(&fake.url);
    let start = epoch() + chrono::TimeDelta::microseconds(500_700);
    let (clock, _driver) = Clock::driven(epoch() + chrono::TimeDelta::seconds(5));
    let (cx, _follow) = context(&clock);
    let cx = Ctx { start, ..cx };
    let history = PastLogs::new(Arc::clone(&reached.cluster), Arc::new(Roster::new(catalogue())));
    let told = history.between(&cx, Span::before(start, chrono::TimeDelta::hours(1))).await.unwrap();
    let past = told.iter().filter_map(|stamped| match &stamped.body {
        Signal::Logs(batch) => Some(batch.text().trim_end().to_owned()),
        _ => None,
    });
    assert_eq!(past.collect::<Vec<_>>(), ["a"]);

    let roster = Arc::new(Roster::new(catalogue()));
    roster.put([pod("web-1", 0)].iter());
    let (out, mut said) = sink();
    let mut source = PodLogs::new(Arc::clone(&reached.cluster), roster);
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    assert_eq!(lines(&mut said, 3).await, ["b", "c", "d"]);
    run.abort();
}

#[tokio::test]
async fn without_declared_workloads_it_says_so() {
    let fake = Fake::serve(|_| Reply::Whole(404, JSON, Vec::new())).await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    let mut source = PodLogs::new(Arc::clone(&reached.cluster), Arc::new(Roster::new(Arc::default())));
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    said.find(|_, signal| matches!(signal, Signal::Link(_)).then_some(())).await;
    driver.advance(epoch() + chrono::TimeDelta::seconds(15));
    assert_eq!(said.limit().await, "no service declares workloads, so no pod logs are followed");
    run.abort();
}

/// A log that is followed by hand, without a source that lets it rest.
struct ByHand {
    log: Log,
    progress: Mutex<Progress>,
    wire: Wire,
    cx: Ctx,
}

fn by_hand(reached: &super::Reached, cx: Ctx) -> (ByHand, mpsc::Receiver<Key>) {
    let (opened, open) = mpsc::channel(8);
    let key = Key { pod: ObjectPath::new("shop", "web-1"), container: "app".into() };
    let stream = LogStream { group: "shop/web".into(), name: "web-1/app".into() };
    let log = Log { cluster: Arc::clone(&reached.cluster), key, stream };
    let heard = Arc::new(Mutex::new(Heard::now(&cx)));
    let progress = Mutex::new(Progress::new(epoch(), 0));
    (ByHand { log, progress, wire: Wire { opened, heard }, cx }, open)
}

impl ByHand {
    /// Follows the log of a container that was restarted once.
    async fn tail(&self, out: &Sink) -> Result<bool, Fault> {
        tail(&self.log, 1, &self.progress, &self.cx, out, &self.wire).await
    }
}

const CURRENT: &str = "2026-11-21T03:00:04Z hello again\n";

#[tokio::test]
async fn what_a_container_said_last_is_read_although_it_failed_at_first() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::serve(move |request| match request.query.contains("previous=true") {
        false => Reply::Whole(200, "text/plain", CURRENT.into()),
        true => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Whole(500, JSON, b"{\"message\":\"the kubelet is busy\"}".to_vec()),
            1 => Reply::Broken("text/plain", "2026-11-21T03:00:01Z one\n2026-11-21T03:00:02Z tw"),
            2 => Reply::Whole(
                200,
                "text/plain",
                b"2026-11-21T03:00:01Z one\n2026-11-21T03:00:02Z two\n2026-11-21T03:00:03Z FATAL\n".to_vec(),
            ),
            _ => panic!("it was read"),
        },
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, _driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (log, _open) = by_hand(&reached, cx);
    let (out, mut said) = sink();
    assert!(matches!(log.tail(&out).await, Err(Fault::Retry(..))));
    assert!(matches!(log.tail(&out).await, Err(Fault::Retry(..))), "cut off is not read");
    assert_eq!(log.tail(&out).await, Ok(true));
    assert_eq!(lines(&mut said, 4).await, ["one", "two", "FATAL", "hello again"]);
    assert_eq!(log.tail(&out).await, Ok(false), "and that once");
}

#[tokio::test]
async fn what_a_container_said_last_and_nobody_can_read_is_a_gap_and_not_an_obstacle() {
    let fake = Fake::serve(|request| match request.query.contains("previous=true") {
        false => Reply::Whole(200, "text/plain", CURRENT.into()),
        true => Reply::Whole(500, JSON, b"{\"message\":\"the file is gone\"}".to_vec()),
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (log, _open) = by_hand(&reached, cx);
    driver.advance(epoch() + chrono::TimeDelta::seconds(90));
    let (out, mut said) = sink();
    let mut failed = 0;
    while log.tail(&out).await.is_err() {
        failed += 1;
        assert!(failed < 10, "the current log can be read");
    }
    assert!(failed > 3, "it is not given up at once");
    let gap = said
        .find(|_, signal| match signal {
            Signal::Gap(gap) => Some(gap),
            Signal::Logs(_) => panic!("lines before what is missing"),
            _ => None,
        })
        .await;
    assert_eq!((gap.from, gap.to), (epoch(), epoch() + chrono::TimeDelta::seconds(90)));
    assert!(gap.what.contains("what shop/web-1 said last") && gap.what.contains("the file is gone"), "{}", gap.what);
    assert_eq!(lines(&mut said, 1).await, ["hello again"]);
    assert_eq!(log.tail(&out).await, Ok(false));
    assert_eq!(fake.asked().iter().filter(|asked| asked.query.contains("previous")).count(), failed + 1);
}

#[tokio::test]
async fn a_kubelet_that_hangs_takes_no_other_logs_past_and_what_breaks_off_is_said() {
    let names = ["web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7"];
    // Restarted ones; their last lives are gone.
    let fake = Fake::serve(move |asked| match (asked.path.as_str(), asked.query.contains("previous=true")) {
        ("/api/v1/namespaces/shop/pods", _) => Reply::Whole(200, PROTOBUF, pods(&names, "9", "")),
        (_, true) => Reply::Whole(404, JSON, Vec::new()),
        (path, _) if ["web-1/", "web-2/", "web-3/", "web-4/"].iter().any(|name| path.contains(name)) => Reply::Never,
        (path, _) if path.contains("web-5/") => {
            Reply::Broken("text/plain", "2026-11-21T02:50:00Z ok\n2026-11-21T02:55:00Z cu")
        }
        _ => Reply::Whole(200, "text/plain", b"2026-11-21T02:50:00Z ok\n".to_vec()),
    })
    .await;
    let reached = reach(&fake.url);
    let (cx, _follow) = context(&Clock::real());
    let history = PastLogs::new(Arc::clone(&reached.cluster), Arc::new(Roster::new(catalogue())));
    let span = Span::before(epoch(), chrono::TimeDelta::hours(1));
    let past = tokio::time::timeout(crate::connect::backfill::patience(&cx.clock), history.between(&cx, span));
    let told = past.await.expect("nothing is read of any of them").unwrap();
    let told_of: Vec<String> = told
        .iter()
        .map(|stamped| match &stamped.body {
            Signal::Logs(batch) => batch.iter().map(|(_, stream, text)| format!("{} {text}", stream.name)).collect(),
            Signal::Gap(gap) => format!("{} {}", (gap.to - gap.from).num_minutes(), gap.what),
            other => format!("{other:?}"),
        })
        .collect();
    let hangs = |pod: &str| format!("60 log of shop/{pod} before the start: no answer in time");
    assert_eq!(
        told_of,
        [
            hangs("web-1"),
            hangs("web-2"),
            hangs("web-3"),
            hangs("web-4"),
            "web-5/app ok".into(),
            "10 log of shop/web-5 before the start: it broke off".into(),
            "web-6/app ok".into(),
            "web-7/app ok".into(),
        ]
    );
}
