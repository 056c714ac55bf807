//! What the tracks are given: each minute as it ends, and again what of it came late.

use super::*;
use crate::model::log::{LogBatch, LogStream};
use crate::model::service::{Service, SignalSpec, Unit};
use crate::model::signal::Sample;
use crate::model::track::TrackSample;

/// So many minutes and seconds after the first whole one.
fn after(minutes: i64, seconds: i64) -> World {
    at(20 + 60 * minutes + seconds)
}

fn story() -> Story {
    let payments = Service {
        name: "payments".into(),
        owner: None,
        title: None,
        workloads: Vec::new(),
        routes: Vec::new(),
        log_groups: vec!["/ecs/payments".into()],
        alarms: Vec::new(),
        signals: vec![SignalSpec { name: "errors".into(), query: "errors".into(), unit: Unit::Ratio, threshold: None }],
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    };
    let catalogue = Arc::new(Catalogue::new(vec![payments]));
    let core = Core::new(&environment(), catalogue, Actor::system(), after(0, 0), 0);
    let mut story = Story { core, effects: Vec::new(), beside: Default::default() };
    story.send(Message::Tick(after(0, 1)));
    story
}

fn origin(source: &str) -> Origin {
    Origin { env: "prod-eu".into(), source: source.into() }
}

/// Prometheus tells values of these times, as of now.
fn values(story: &mut Story, of: &[(World, f64)]) {
    let sample = |(at, value): &(World, f64)| Sample {
        service: "payments".into(),
        signal: "errors".into(),
        at: *at,
        value: Some(*value),
    };
    let body = Signal::Samples(of.iter().map(sample).collect());
    let (occurred, observed) = (of.last().unwrap().0, story.core.now);
    story.send(Message::Signals(vec![Stamped { origin: origin("prometheus"), occurred, observed, body }]));
}

/// A line of that time is read now.
fn line(story: &mut Story, when: World, text: &str) {
    let mut batch = LogBatch::default();
    batch.push(&LogStream { group: "/ecs/payments".into(), name: "a".into() }, when, text);
    let (observed, body) = (story.core.now, Signal::Logs(batch));
    story.send(Message::Signals(vec![Stamped { origin: origin("cw-logs"), occurred: when, observed, body }]));
}

/// What was written since this was asked last: minute, track, and the sum of its values.
fn written(story: &mut Story) -> Vec<(i64, String, f64)> {
    let told = std::mem::take(&mut story.effects).into_iter().filter_map(|effect| match effect {
        Effect::Track(samples) => Some(samples),
        _ => None,
    });
    let row = |sample: TrackSample| {
        let minute = (sample.at - after(0, 0)).num_minutes();
        (minute, sample.track.to_string(), sample.values.values().flatten().sum())
    };
    told.flatten().map(row).collect()
}

fn errors(minute: i64, value: f64) -> (i64, String, f64) {
    (minute, "payments errors".to_owned(), value)
}

fn logs(minute: i64, lines: f64) -> (i64, String, f64) {
    (minute, "logs payments".to_owned(), lines)
}

#[test]
fn what_a_source_tells_when_it_is_back_is_written_for_the_minutes_that_it_was_away() {
    let mut story = story();
    values(&mut story, &[(after(0, 30), 0.01)]);
    for minute in 1..=10 {
        story.send(Message::Tick(after(minute, 0)));
    }
    assert_eq!(written(&mut story), [errors(0, 0.01)]);
    // Prometheus was away for nine minutes; what it says of them is in the picture, and is the worst.
    let missed: Vec<_> = (1..=9).map(|minute| (after(minute, 30), 0.5)).collect();
    story.send(Message::Tick(after(10, 20)));
    values(&mut story, &missed);
    assert!(written(&mut story).is_empty(), "once a minute is enough");
    story.send(Message::Tick(after(11, 0)));
    assert_eq!(written(&mut story), (1..=9).map(|minute| errors(minute, 0.5)).collect::<Vec<_>>());
    story.send(Message::Tick(after(12, 0)));
    assert!(written(&mut story).is_empty(), "each once");
}

#[test]
fn lines_that_come_late_are_counted_in_their_minute_and_nothing_else_is_written_again() {
    let mut story = story();
    values(&mut story, &[(after(0, 30), 0.01)]);
    line(&mut story, after(0, 40), "ERROR one");
    story.send(Message::Tick(after(1, 0)));
    assert_eq!(written(&mut story), [errors(0, 0.01), logs(0, 1.0)]);
    story.send(Message::Tick(after(2, 30)));
    written(&mut story);
    line(&mut story, after(0, 50), "ERROR two");
    // A clock that is wrong by days touches nothing.
    line(&mut story, after(-3000, 0), "ERROR long ago");
    story.send(Message::Tick(after(3, 0)));
    assert_eq!(written(&mut story), [logs(0, 2.0)]);
}

#[test]
fn a_stall_of_more_than_a_minute_skips_none() {
    let mut story = story();
    values(&mut story, &[(after(0, 30), 0.01)]);
    story.send(Message::Tick(after(0, 59)));
    story.send(Message::Tick(after(1, 1)));
    assert_eq!(written(&mut story), [errors(0, 0.01)]);
    // The loop stood still for 110 seconds, and what came meanwhile is taken in after it.
    story.send(Message::Tick(after(2, 51)));
    values(&mut story, &[(after(1, 30), 0.02), (after(2, 30), 0.03)]);
    story.send(Message::Tick(after(3, 0)));
    assert_eq!(written(&mut story), [errors(1, 0.02), errors(2, 0.03)]);
    // Or it had taken it in before.
    values(&mut story, &[(after(3, 30), 0.04), (after(4, 30), 0.05)]);
    story.send(Message::Tick(after(3, 59)));
    story.send(Message::Tick(after(5, 50)));
    assert_eq!(written(&mut story), [errors(3, 0.04), errors(4, 0.05)]);
    assert!(!story.kinds().contains(&EntryKind::Gap));
}

#[test]
fn a_clock_that_is_set_back_an_hour_costs_no_hour() {
    let mut story = story();
    for minute in 59..=61 {
        values(&mut story, &[(after(minute, 10), 0.01)]);
        story.send(Message::Tick(after(minute + 1, 0)));
    }
    written(&mut story);
    story.send(Message::Tick(after(2, 30)));
    line(&mut story, after(2, 40), "ERROR one");
    story.send(Message::Tick(after(3, 0)));
    assert_eq!(written(&mut story), [logs(2, 1.0)]);
    // So is what the rolling record lets go of.
    assert!(story.core.desk.forgotten <= after(3, 0));
}

#[test]
fn an_incident_is_given_the_hour_before_it_and_then_what_is_new() {
    let mut story = story();
    values(&mut story, &[(after(0, 30), 0.01), (after(1, 30), 0.02)]);
    for minute in 1..=2 {
        story.send(Message::Tick(after(minute, 0)));
    }
    assert_eq!(written(&mut story), [errors(0, 0.01), errors(1, 0.02)]);
    story.command("open x").ready("i", "x");
    assert_eq!(written(&mut story), [errors(0, 0.01), errors(1, 0.02)], "its own record has nothing yet");
    values(&mut story, &[(after(2, 30), 0.03)]);
    story.send(Message::Tick(after(3, 0)));
    assert_eq!(written(&mut story), [errors(2, 0.03)]);
}
