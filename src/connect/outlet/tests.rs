//! What a source and the session may rely on.

use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::model::log::LogStream;

fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

fn origin(source: &str) -> Origin {
    Origin { env: "test".into(), source: source.into() }
}

fn gap(what: &str) -> Signal {
    Signal::Gap(Gap { from: at(0), to: at(1), what: what.into() })
}

fn live() -> Signal {
    Signal::Link(SourceState::Live { limited: None })
}

fn logs(first: i64, count: usize) -> Signal {
    let stream = LogStream { group: "g".into(), name: "s".into() };
    let mut batch = LogBatch::default();
    for n in 0..count {
        batch.push(&stream, at(first + n as i64), "line");
    }
    Signal::Logs(batch)
}

fn words(batch: &Batch) -> Vec<String> {
    batch
        .signals
        .iter()
        .map(|signal| match &signal.body {
            Signal::Gap(gap) => gap.what.to_string(),
            Signal::Logs(logs) => format!("{} lines", logs.len()),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_talkative_source_does_not_keep_the_others_from_being_heard() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let loud = inbox.outlet(origin("loud"), clock.clone());
    let quiet = inbox.outlet(origin("quiet"), clock.clone());
    for _ in 0..3 {
        loud.send((0..MERGED_SIGNALS).map(|n| (at(0), gap(&n.to_string()))).collect(), clock.hold()).await;
    }
    quiet.send(vec![(at(0), gap("here"))], clock.hold()).await;
    assert_eq!(inbox.next().await.signals[0].origin, origin("loud"));
    assert_eq!(inbox.next().await.signals[0].origin, origin("quiet"));
    assert_eq!(inbox.next().await.signals[0].origin, origin("loud"));
}

#[tokio::test]
async fn state_waits_until_the_session_has_room_and_keeps_its_order() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    let sender = tokio::spawn({
        let (outlet, clock) = (outlet.clone(), clock.clone());
        async move {
            for n in 0..3 * STATES {
                outlet.send(vec![(at(0), gap(&n.to_string()))], clock.hold()).await;
            }
        }
    });
    tokio::task::yield_now().await;
    assert!(!sender.is_finished(), "it waits");
    let mut seen = Vec::new();
    while seen.len() < 3 * STATES {
        seen.extend(words(&inbox.next().await));
    }
    assert_eq!(seen, (0..3 * STATES).map(|n| n.to_string()).collect::<Vec<_>>());
    sender.await.unwrap();
}

#[tokio::test]
async fn lines_never_wait_and_the_oldest_that_had_to_go_are_counted() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    let each = 8 * 1024;
    for n in 0..10 {
        let sent = outlet.send(vec![(at(0), logs(n * 10_000, each)), (at(0), live())], clock.hold());
        assert!(sent.now_or_never().is_some(), "lines do not wait");
    }
    let first = inbox.next().await;
    assert_eq!(words(&first)[0], "16384 lines were dropped: the session could not keep up");
    let Signal::Gap(gap) = &first.signals[0].body else { panic!("{first:?}") };
    assert_eq!((gap.from, gap.to), (at(0), at(10_000 + each as i64 - 1)), "it says when");
    let mut kept = 0;
    let mut batch = Some(first);
    while let Some(some) = batch {
        kept += some.signals.iter().map(|s| if let Signal::Logs(l) = &s.body { l.len() } else { 0 }).sum::<usize>();
        batch = inbox.try_next();
    }
    assert_eq!(kept, 8 * each);
}

#[tokio::test]
async fn a_session_that_does_not_listen_is_not_filled_with_the_sources_state() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    for n in 0..10_000 {
        outlet.send(vec![(at(n), live())], clock.hold()).await;
    }
    let mut count = 0;
    let mut last = None;
    while let Some(batch) = inbox.try_next() {
        count += batch.signals.len();
        last = batch.signals.last().map(|signal| signal.occurred);
    }
    assert!(count <= 2 * STATES + 1, "{count}");
    assert_eq!(last, Some(at(9_999)), "the newest stays");
    assert_eq!(outlet.lives(), 10_000);
}

#[tokio::test]
async fn giving_up_on_next_loses_nothing() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    for n in 0..20 {
        let _ = tokio::time::timeout(Duration::ZERO, inbox.next()).await;
        outlet.send(vec![(at(0), gap(&n.to_string()))], clock.hold()).await;
        assert_eq!(words(&inbox.next().await), [n.to_string()]);
    }
}

#[tokio::test]
async fn a_hold_travels_with_its_batch() {
    let (clock, mut driver) = Clock::driven(at(0));
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    outlet.send(vec![(at(0), live())], clock.hold()).await;
    outlet.send(vec![(at(0), gap("x"))], clock.hold()).await;
    let batch = inbox.next().await;
    assert_eq!(batch.signals.len(), 2, "small neighbours come together");
    assert!(driver.settled().now_or_never().is_none(), "the world stands still while it is applied");
    drop(batch);
    assert!(driver.settled().now_or_never().is_some());
    driver.advance(at(1));
    outlet.send(vec![(at(1), live())], clock.hold()).await;
    assert_eq!(inbox.next().await.signals[0].observed, at(1));
}

#[tokio::test]
async fn the_last_words_of_a_source_are_heard_and_an_inbox_that_is_gone_blocks_nobody() {
    let clock = Clock::real();
    let mut inbox = Inbox::new();
    let outlet = inbox.outlet(origin("a"), clock.clone());
    outlet.send(vec![(at(0), gap("farewell"))], clock.hold()).await;
    drop(outlet);
    assert_eq!(words(&inbox.next().await), ["farewell"]);
    let outlet = inbox.outlet(origin("b"), clock.clone());
    drop(inbox);
    for _ in 0..2 * STATES {
        outlet.send(vec![(at(0), gap("nobody"))], clock.hold()).await;
    }
}
