//! Lines of two streams, told once each, in either mode, also when the connection breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::kit::Session;
use crate::stage::Door;

use super::side::Side;

/// How far back a session begins.
const PAST: TimeDelta = TimeDelta::minutes(10);

pub(super) async fn searched_lines_come_once_each_also_after_a_break(side: impl Side) {
    lines_come_once_each(side, "[]").await;
}

pub(super) async fn tailed_lines_come_once_each_also_after_a_break(side: impl Side) {
    lines_come_once_each(side, "[\"*\"]").await;
}

fn counted<'a>(lines: impl Iterator<Item = &'a (String, String)>) -> BTreeMap<&'a (String, String), usize> {
    let mut counts = BTreeMap::new();
    lines.for_each(|line| *counts.entry(line).or_default() += 1);
    counts
}

async fn lines_come_once_each(mut side: impl Side, live_tail: &str) {
    side.past_lines().await;
    let mut door = Door::before(&side.logs()).await;
    let config = side.config(&door.url(), live_tail);
    let mut session = Session::after_its_past_by(&config, side.clock(), PAST).await;
    session.until("it is live", |s| s.live("cloudwatch-logs")).await;
    side.write_lines();
    let group = side.group();
    let ours = move |line: &&(String, String)| line.0.starts_with(&format!("{group} "));
    let told = |s: &Session| s.lines.iter().filter(&ours).count();
    let before = told(&session);
    session.until("lines come", |s| told(s) > before + 20).await;

    door.shut().await;
    session.until("it is lost", |s| !s.live("cloudwatch-logs")).await;
    session.meanwhile(Duration::from_secs(1)).await;
    door.open().await;
    let at_return = told(&session);
    session.until("it is back", |s| s.live("cloudwatch-logs") && told(s) > at_return + 20).await;

    // What was written up to here is told, each as often as it was written; more may follow.
    let truth = side.written(session.start - PAST).await;
    let truth = counted(truth.iter());
    let complete = |s: &Session| {
        let told = counted(s.lines.iter());
        truth.iter().all(|(line, count)| told.get(*line).is_some_and(|told| told >= count))
    };
    if tokio::time::timeout(Duration::from_secs(60), session.until("every line", complete)).await.is_err() {
        let told = counted(session.lines.iter());
        let missing: Vec<_> = truth.iter().filter(|(line, count)| told.get(**line) < Some(*count)).collect();
        panic!("{} lines are missing, such as {:?}; gaps {:?}", missing.len(), missing.first(), session.gaps);
    }
    // Both ways of reading have had their turn once more.
    session.meanwhile(Duration::from_secs(3)).await;
    let told = counted(session.lines.iter());
    let doubled: Vec<_> = truth.iter().filter(|(line, count)| told.get(**line) != Some(*count)).take(5).collect();
    assert!(doubled.is_empty(), "told more often than written: {doubled:?}; gaps {:?}", session.gaps);
    let streams: std::collections::BTreeSet<&str> = truth.keys().map(|(from, _)| from.as_str()).collect();
    assert!(streams.len() >= 2 && truth.len() > 200, "{} lines of {streams:?}", truth.len());
    assert_eq!(session.gaps, Vec::<String>::new());
    session.end().await;
}
