use warroom::model::entry::EntryKind::*;
use warroom::model::signal::{Gap as Stretch, Signal, SourceState};

use crate::kit::*;

#[test]
fn a_source_is_lost_after_ten_seconds_without_an_answer_and_found_again() {
    let mut picture = picture();
    play(&mut picture, [link("alertmanager", "03:00", live())]);
    play(&mut picture, [link("alertmanager", "03:10", retrying("GET /api/v2/alerts: connection refused"))]);
    assert!(picture.tick(at("03:10:09")).is_empty());
    let findings = picture.tick(at("03:10:11"));
    assert_eq!(
        told(&findings),
        [(
            SourceLost,
            "03:10:00".into(),
            "prod-eu/alertmanager does not answer: GET /api/v2/alerts: connection refused"
        )]
    );
    assert!(picture.tick(at("03:11")).is_empty());
    let findings = play(&mut picture, [link("alertmanager", "03:15", live())]);
    assert_eq!(told(&findings), [(SourceFound, "03:15:00".into(), "prod-eu/alertmanager answers again after 5 min")]);
    let row = picture.sources.row(&origin("alertmanager")).unwrap();
    assert_eq!((row.since, row.last_read), (at("03:15"), Some(at("03:15"))));
    assert_eq!(row.age(at("03:15:48")), Some(chrono::TimeDelta::seconds(48)));
}

#[test]
fn the_same_is_told_when_no_tick_fell_into_the_time_of_trouble() {
    let mut picture = picture();
    let script = [
        link("alertmanager", "03:00", live()),
        link("alertmanager", "03:10", retrying("connection refused")),
        link("alertmanager", "03:10:05", SourceState::Connecting),
        link("alertmanager", "03:15", live()),
    ];
    let findings = play(&mut picture, script);
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [SourceLost, SourceFound]);
    assert!(findings[0].title.ends_with("connection refused"));
}

#[test]
fn a_hiccup_is_not_told() {
    let mut picture = picture();
    let script = [
        link("alertmanager", "03:00", live()),
        link("alertmanager", "03:10", retrying("reset by peer")),
        link("alertmanager", "03:10:08", live()),
    ];
    assert!(play(&mut picture, script).is_empty());
}

#[test]
fn a_source_that_never_answers_gets_a_minute() {
    let mut picture = picture();
    play(&mut picture, [link("alarms", "03:00", SourceState::Connecting)]);
    play(&mut picture, [link("alarms", "03:00:10", SourceState::Denied { why: "expired token".into() })]);
    assert!(picture.tick(at("03:00:59")).is_empty());
    assert_eq!(
        told(&picture.tick(at("03:01:01"))),
        [(SourceLost, "03:00:00".into(), "prod-eu/alarms refuses us: expired token")]
    );
}

#[test]
fn what_could_not_be_seen_is_told_once_with_its_stretch() {
    let mut picture = picture();
    let gap = || {
        let gap = Stretch { from: at("03:20"), to: at("03:23"), what: "412 lines dropped".into() };
        stamped("cw-logs", at("03:23"), Signal::Gap(gap))
    };
    let findings = play(&mut picture, [gap(), gap()]);
    assert_eq!(told(&findings), [(Gap, "03:20:00".into(), "could not see: cw-logs 03:20–03:23, 412 lines dropped")]);
    assert_eq!(findings[0].until, Some(at("03:23")));
    assert_eq!(picture.sources.row(&origin("cw-logs")).unwrap().dropped, 412);
}
