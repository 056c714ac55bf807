//! What stakeholders read of a story, and what they must not.

use chrono::TimeDelta;
use std::collections::BTreeMap;

use super::*;
use crate::model::entry::{EntryKind, Severity};
use crate::model::plan::{Ends, Outcome, Plan, PlanId};
use crate::model::service::Unit;
use crate::model::track::TrackSample;
use crate::record::testing::{at, by, entry, plan};

fn of(service: &str, subject: &str, mut entry: Entry) -> Entry {
    entry.draft.service = Some(ServiceName::from(service));
    entry.draft.subject = Safe::from(subject);
    entry
}

fn with(body: Body, mut entry: Entry) -> Entry {
    entry.draft.body = Some(body);
    entry
}

fn sample(track: &str, unit: Unit, minute: u32, value: f64) -> TrackSample {
    TrackSample {
        at: at(minute, 0),
        track: Safe::from(track),
        service: Some(ServiceName::from(track.split(' ').next().expect("it has a service"))),
        unit,
        limit: Some(0.02),
        values: BTreeMap::from([(Safe::fixed("value"), Some(value))]),
    }
}

fn record(entries: Vec<Entry>, tracks: Vec<TrackSample>) -> IncidentRecord {
    IncidentRecord {
        id: "2026-11-21-checkout".into(),
        dir: "/nowhere".into(),
        entries,
        tracks,
        writers: Vec::new(),
        problems: Vec::new(),
        unread: 0,
    }
}

/// Checkout fails since 03:14; capacity was added at 03:24; ana promised an update by 03:40.
fn story() -> IncidentRecord {
    let started = Body::Started {
        incident: None,
        version: Safe::fixed("0"),
        drill: false,
        predecessor: None,
        env: Safe::fixed("prod-eu"),
        titles: BTreeMap::from([(ServiceName::from("checkout"), Safe::fixed("paying in the shop"))]),
    };
    let opened = Body::Opened { incident: "x".into(), title: Safe::fixed("payments are slow") };
    let severity = Body::Severity(Severity::parse("2").expect("it is one"));
    let ended = Outcome::Verified { after_seconds: Some(71), words: Safe::fixed("12 of 12 ready") };
    let outcome = Body::Outcome { plan: PlanId(Safe::fixed("p")), outcome: ended };
    let update = Body::Update { next: Some(at(40, 0)) };
    let entries = vec![
        with(started, entry("00", EntryKind::Started, at(10, 0), "")),
        of("checkout", "checkout errors", entry("01", EntryKind::Breach, at(14, 0), "checkout errors 7 %")),
        of("payments", "payments cpu", entry("02", EntryKind::Breach, at(14, 30), "payments cpu 97 %")),
        by("ana", with(opened, entry("03", EntryKind::Opened, at(16, 0), ""))),
        by("ana", of("payments", "PaymentsCPUHigh", entry("04", EntryKind::Claimed, at(16, 1), ""))),
        by("ana", with(severity, entry("05", EntryKind::Severity, at(17, 0), ""))),
        by("ana", with(Body::Intent(Box::new(plan("p", "kubectl"))), entry("06", EntryKind::Intent, at(23, 0), ""))),
        by("ana", entry("07", EntryKind::Note, at(23, 30), "the token is hunter2, ask bob")),
        by("ana", with(outcome, of("payments", "Deployment x", entry("08", EntryKind::Outcome, at(24, 11), "")))),
        by("ana", with(update, entry("09", EntryKind::Update, at(26, 0), "Capacity helps; we move traffic next."))),
    ];
    let errors = [(14, 0.07), (22, 0.091), (23, 0.091), (24, 0.072), (30, 0.068)];
    let tracks = errors.map(|(minute, value)| sample("checkout errors", Unit::Ratio, minute, value));
    record(entries, tracks.to_vec())
}

fn texts(lines: &[Safe]) -> Vec<&str> {
    lines.iter().map(Safe::as_str).collect()
}

#[test]
fn a_live_incident_reads_as_sentences_without_names_of_resources() {
    let told = briefing(&story(), at(30, 0), None);
    assert_eq!(told.title, "Severity 2: payments are slow");
    assert_eq!(
        texts(&told.affected),
        [
            "paying in the shop: about 7 of 100 attempts fail, since 03:14Z, 16 min.",
            "payments: monitoring reports trouble, since 03:14Z, 15 min."
        ]
    );
    assert_eq!(
        texts(&told.now),
        [
            "The team is finding out what happened.",
            "Capacity was added to payments at 03:24Z; failures of paying in the shop fell from about 9 of 100 to about 7 of 100."
        ]
    );
    assert_eq!(texts(&told.next), ["Update promised by 03:40Z, in 10 min.", "Last update 03:26Z by ana."]);
    let all = format!("{told:?}");
    for hidden in ["hunter2", "kubectl", "Deployment", "PaymentsCPUHigh", "cpu"] {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
}

#[test]
fn the_timeline_tells_each_thing_once_in_plain_words() {
    let told = briefing(&story(), at(30, 0), None);
    let lines: Vec<_> = told.moments.iter().map(|moment| format!("{} {}", moment.at, moment.text)).collect();
    assert_eq!(
        lines,
        [
            "03:14Z Attempts at paying in the shop began to fail.",
            "03:16Z The team declared an incident.",
            "03:16Z A responder took it on.",
            "03:17Z The severity was set to 2.",
            "03:24Z Capacity was added to payments.",
            "03:26Z ana: Capacity helps; we move traffic next.",
        ]
    );
}

#[test]
fn a_promise_that_was_not_kept_is_said() {
    let told = briefing(&story(), at(43, 0), None);
    assert_eq!(told.next[0], "An update was promised by 03:40Z: 3 min late.");
}

#[test]
fn what_recovered_is_told_with_how_long_it_lasted_and_silence_is_not_health() {
    let mut record = story();
    record.entries.push(of("checkout", "checkout errors", entry("10", EntryKind::Recovered, at(31, 0), "")));
    let told = briefing(&record, at(35, 0), None);
    assert_eq!(told.affected[0], "paying in the shop: back to normal since 03:31Z, after 17 min.");
    // The samples stopped half an hour ago: a number that old is not told.
    let old = briefing(&story(), at(59, 0), None);
    assert_eq!(old.affected[0], "paying in the shop: attempts fail, since 03:14Z, 45 min.");
    assert!(matches!(old.standing, Standing::Left { .. }));
    let nothing = briefing(&super::tests::record(Vec::new(), Vec::new()), at(0, 0), None);
    assert_eq!(texts(&nothing.affected), ["Nothing that users would feel is known."]);
}

#[test]
fn times_are_the_readers_own() {
    let told = briefing(&story(), at(30, 0), Some(chrono_tz::Europe::Berlin));
    assert_eq!(told.clock, "04:30 CET");
    assert!(told.affected[0].contains("since 04:14 CET"), "{:?}", told.affected);
}

#[test]
fn a_drill_is_told_by_its_own_clock() {
    let mut record = story();
    record.writers.push(crate::record::WriterFile {
        file: Safe::fixed("a.jsonl"),
        entries: 1,
        env: Safe::fixed("prod-eu"),
        version: Safe::fixed("0"),
        drill: true,
        predecessor: None,
        sealed: false,
        open: true,
    });
    let told = briefing(&record, at(30, 0) + TimeDelta::days(300), None);
    assert!(told.drill && told.clock == "03:30Z", "{}", told.clock);
    assert_eq!(told.standing, Standing::Live);
}

#[test]
fn shares_are_told_as_people_count() {
    for (share, words) in
        [(0.072, "about 7 of 100"), (0.31, "about 31 of 100"), (0.999, "nearly all"), (0.004, "about 4 of 1,000")]
    {
        assert_eq!(pains::of_hundred(share), words);
    }
}

#[test]
fn what_is_left_over_is_told_to_those_who_wait_until_it_is_over() {
    let verified = Outcome::Verified { after_seconds: Some(1), words: Safe::fixed("live") };
    let ended = |id: &str, minute: u32, ends: Ends, outcome: Outcome| {
        let plan = Plan { ends, ..plan(id, "kubectl") };
        let intent = Body::Intent(Box::new(plan.clone()));
        [
            with(intent, entry(&format!("{minute}a"), EntryKind::Intent, at(minute, 0), "about to")),
            with(
                Body::Outcome { plan: plan.id, outcome },
                entry(&format!("{minute}b"), EntryKind::Outcome, at(minute, 9), "ended"),
            ),
        ]
    };
    let applied = |id: &str, minute: u32, ends: Ends| ended(id, minute, ends, verified.clone());
    let mut entries = applied("p1", 1, Ends::Reminder).to_vec();
    let told = |entries: &[Entry], minute| {
        let said = briefing(&record(entries.to_vec(), Vec::new()), at(minute, 0), None).now;
        said.into_iter().find(|line| line.contains("temporary")).map(|line| line.to_string())
    };
    assert_eq!(
        told(&entries, 5).as_deref(),
        Some("1 temporary change is still in force until the team takes it back.")
    );
    entries.extend(applied("p2", 2, Ends::BySystem { at: at(30, 0) }));
    assert_eq!(told(&entries, 5).as_deref(), Some("2 temporary changes are still in force; 1 of them ends by itself."));
    let owned = Body::Owned { plan: PlanId("p1".into()), owner: Safe::fixed("team-money") };
    entries.push(with(owned, entry("9", EntryKind::Owned, at(9, 0), "owned")));
    assert_eq!(told(&entries, 10).as_deref(), Some("1 temporary change is still in force; it ends by itself."));
    assert_eq!(told(&entries, 30), None);

    // A process died between the intent and the outcome, and its system could not tell.
    let unknown = Outcome::Unknown { why: Safe::fixed("the cluster does not answer") };
    entries.extend(ended("p3", 31, Ends::Reminder, unknown));
    assert_eq!(
        told(&entries, 40).as_deref(),
        Some("1 temporary change may still be in force until the team takes it back.")
    );
    entries.extend(applied("p4", 41, Ends::Reminder));
    assert_eq!(
        told(&entries, 50).as_deref(),
        Some("2 temporary changes may still be in force until the team takes them back.")
    );
    let gone = Outcome::Overridden { words: Safe::fixed("somebody set it back") };
    let told_later = Body::Outcome { plan: PlanId("p3".into()), outcome: gone };
    entries.push(with(told_later, entry("51", EntryKind::Outcome, at(51, 0), "settled")));
    assert_eq!(
        told(&entries, 55).as_deref(),
        Some("1 temporary change is still in force until the team takes it back.")
    );
}

#[test]
fn nothing_is_back_to_normal_while_an_alert_fires_or_a_limit_is_broken() {
    let affected = |minute: u32, entries: &[Entry]| {
        let told =
            briefing(&record(entries.to_vec(), vec![sample("shop errors", Unit::Ratio, 1, 0.07)]), at(minute, 0), None);
        told.affected[0].to_string()
    };
    let mut entries = vec![
        of("shop", "shop errors", entry("01", EntryKind::Breach, at(1, 0), "")),
        of("shop", "ShopErrors", entry("02", EntryKind::AlertFiring, at(2, 0), "")),
        of("shop", "shop cpu", entry("03", EntryKind::Breach, at(3, 0), "")),
        of("shop", "shop errors", entry("04", EntryKind::Recovered, at(10, 0), "")),
    ];
    assert_eq!(affected(11, &entries), "shop: monitoring reports trouble, since 03:02Z, 9 min.");
    entries.push(of("shop", "ShopErrors", entry("05", EntryKind::AlertResolved, at(12, 0), "")));
    assert_eq!(affected(13, &entries), "shop: monitoring reports trouble, since 03:03Z, 10 min.");
    entries.push(of("shop", "shop cpu", entry("06", EntryKind::Recovered, at(20, 0), "")));
    assert_eq!(
        affected(21, &entries),
        "shop: back to normal since 03:10Z, after 9 min.",
        "what users felt ended with what they felt"
    );
    // It comes back: the time before does not count.
    entries.push(of("shop", "shop errors", entry("07", EntryKind::Breach, at(30, 0), "")));
    assert!(affected(34, &entries).ends_with("attempts fail, since 03:30Z, 4 min."), "{}", affected(34, &entries));
}
