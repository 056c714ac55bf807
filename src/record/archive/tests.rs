//! An on-call engineer finds an incident again, or opens a new one with the hour before it.

mod several;

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::model::entry::{Actor, Body, EntryKind, Evidence};
use crate::model::name::EnvId;
use crate::model::plan::{Ends, Outcome, Plan, Request};
use crate::record::Durability;
use crate::record::disk::memory::MemoryDisk;
use crate::record::testing::{at, draft, plan, wait};

fn archive() -> (Archive, MemoryDisk) {
    let disk = MemoryDisk::default();
    (Archive::on("/records", Arc::new(disk.clone())), disk)
}

fn info() -> StartInfo {
    StartInfo {
        titles: Default::default(),
        incident: None,
        version: Safe::fixed("0.1.0"),
        drill: false,
        env: Safe::fixed("prod-eu"),
        actor: Actor::system(),
        at: at(0, 0),
    }
}

fn write(journal: &Journal, minute: u32, kind: EntryKind, title: &str, body: Option<Body>) {
    let draft = crate::model::entry::Draft { body, ..draft(kind, title) };
    wait(journal.append(draft, at(minute, 0), at(minute, 0), Durability::Now)).expect("it is kept");
}

fn open(archive: &Archive, title: &str, minute: u32) -> (IncidentId, Journal) {
    let id = archive.create(title, at(minute, 0)).expect("there is room");
    let journal = archive.journal_for(&id, info()).expect("there is room");
    let body = Body::Opened { incident: id.clone(), title: Safe::from(title) };
    write(&journal, minute, EntryKind::Opened, title, Some(body));
    (id, journal)
}

#[test]
fn an_id_is_the_date_and_the_title_and_never_taken_twice() {
    let (archive, _) = archive();
    let ids: Vec<_> =
        ["Checkout!", "checkout", "../../etc", "日本", "A very long title that goes on and on about checkout"]
            .into_iter()
            .map(|title| archive.create(title, at(0, 0)).expect("there is room").to_string())
            .collect();
    assert_eq!(
        ids,
        [
            "2026-11-21-checkout",
            "2026-11-21-checkout-2",
            "2026-11-21-etc",
            "2026-11-21-incident",
            "2026-11-21-a-very-long-title-that-goes-on-and-on"
        ]
    );
}

#[test]
fn the_list_tells_title_phase_severity_and_end_newest_first() {
    let (archive, _) = archive();
    assert_eq!(archive.list().expect("no archive is an empty one"), []);
    let (first, journal) = open(&archive, "Checkout fails", 1);
    write(&journal, 2, EntryKind::Severity, "SEV2", Severity::parse("SEV2").map(Body::Severity));
    write(&journal, 3, EntryKind::Phase, "mitigating", Some(Body::Phase(Phase::Mitigating)));
    write(&journal, 9, EntryKind::Closed, "closed", None);
    let (second, _journal) = open(&archive, "Mail is late", 20);
    let list = archive.list().expect("it can be read");
    assert_eq!(list.iter().map(|one| &one.id).collect::<Vec<_>>(), [&second, &first]);
    assert_eq!(list[1].title, "Checkout fails");
    assert_eq!((list[1].phase, list[1].severity), (Phase::Mitigating, Severity::parse("2")));
    assert_eq!((list[1].opened_at, list[1].closed_at), (at(1, 0), Some(at(9, 0))));
}

#[test]
fn an_unknown_id_is_answered_with_the_nearest() {
    let (archive, _) = archive();
    let (id, _journal) = open(&archive, "checkout", 1);
    assert_eq!(archive.find(id.as_str()), Ok(archive.dir(&id)));
    assert_eq!(archive.find("/records/2026-11-21-checkout"), Ok(archive.dir(&id)));
    let error = archive.find("2026-11-21-chekout").expect_err("there is none of that name").to_string();
    assert!(error.ends_with("did you mean 2026-11-21-checkout?"), "{error}");
    for wrong in ["", "..", "."] {
        assert!(archive.find(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn after_a_crash_the_open_incident_is_offered_with_what_was_being_done() {
    let (archive, disk) = archive();
    let (closed, journal) = open(&archive, "old", 1);
    write(&journal, 2, EntryKind::Closed, "closed", None);
    let (id, journal) = open(&archive, "checkout", 3);
    write(&journal, 4, EntryKind::Intent, "scale", Some(Body::Intent(Box::new(plan("p1", "kubectl scale")))));
    let live = archive.unfinished("prod-eu", false).expect("it can be read").expect("one is open");
    assert!(live.being_written);

    let after = Archive::on("/records", Arc::new(disk.after_power_cut(20)));
    let left = after.unfinished("prod-eu", false).expect("it can be read").expect("one is open");
    assert_eq!((&left.id, left.title.as_str(), left.last), (&id, "checkout", at(4, 0)));
    assert!(!left.being_written && left.id != closed);
    assert_eq!(left.open_intents.len(), 1);
    assert_eq!(left.open_intents[0].1.command, "kubectl scale");
    assert_eq!(after.unfinished("staging", false), Ok(None));
    assert_eq!(after.unfinished("prod-eu", true), Ok(None), "a drill of that name is another world");

    let journal = after.journal_for(&id, info()).expect("there is room");
    let outcome = crate::model::plan::Outcome::Unknown { why: Safe::fixed("not seen") };
    let body = Body::Outcome { plan: crate::model::plan::PlanId(Safe::fixed("p1")), outcome };
    write(&journal, 9, EntryKind::Outcome, "unknown", Some(body));
    let settled = after.unfinished("prod-eu", false).expect("it can be read").expect("one is open");
    assert_eq!(settled.open_intents, []);
    write(&journal, 10, EntryKind::Closed, "closed", None);
    assert_eq!(after.unfinished("prod-eu", false), Ok(None));
}

#[test]
fn the_hour_before_is_carried_into_an_incident() {
    let (archive, _) = archive();
    let rolling = archive.rolling(info()).expect("there is room");
    write(&rolling, 1, EntryKind::Rollout, "too long ago", None);
    write(&rolling, 30, EntryKind::Rollout, "payments 2.9.0", None);
    let other = archive.rolling(info()).expect("there is room");
    write(&other, 30, EntryKind::Rollout, "payments 2.9.0", None);
    let staging = archive.rolling(StartInfo { env: Safe::fixed("staging"), ..info() }).expect("there is room");
    write(&staging, 31, EntryKind::Rollout, "elsewhere", None);

    let carried = archive.carry(&EnvId::from("prod-eu"), false, at(65, 0), &[]);
    let titles: Vec<_> = carried.drafts.iter().map(|(draft, ..)| draft.title.as_str()).collect();
    assert_eq!(titles, ["payments 2.9.0"]);
    let (draft, occurred, _) = &carried.drafts[0];
    assert_eq!(*occurred, at(30, 0));
    let whence = draft.evidence[0].query.as_ref().expect("it says where it comes from");
    assert!(whence.starts_with("carried from the rolling journal"), "{whence}");
    assert_eq!(archive.list(), Ok(Vec::new()), "a rolling journal is no incident");
    let others = archive.carry(&EnvId::from("prod-eu"), false, at(65, 0), &[rolling.path(), other.path()]);
    assert_eq!(others, Carried::default(), "what the caller wrote itself is not told to it");
    assert_eq!(archive.carry(&EnvId::from("prod-eu"), true, at(65, 0), &[]), Carried::default());
}

#[test]
fn what_evidence_keeps_is_carried_with_its_entry() {
    let (archive, disk) = archive();
    let rolling = archive.rolling(info()).expect("there is room");
    let lines = crate::text::clean_block("ERROR one\nERROR two");
    let mut burst = crate::record::testing::draft(EntryKind::ErrorBurst, "errors");
    burst.evidence.push(Evidence { kept: Some(lines.clone()), ..Evidence::default() });
    wait(rolling.append(burst, at(30, 0), at(30, 0), Durability::Now)).expect("it is kept");
    // As another process finds it.
    let mut carried = archive.carry(&EnvId::from("prod-eu"), false, at(65, 0), &[]).drafts;
    let (draft, occurred, observed) = carried.remove(0);
    assert_eq!((&draft.evidence[0].kept, &draft.evidence[0].file), (&Some(lines), &None));
    let (id, journal) = open(&archive, "checkout", 66);
    let entry = wait(journal.append(draft, occurred, observed, Durability::Now)).expect("it is kept").into_entry();
    let hash = entry.draft.evidence[0].file.clone().expect("its file has a name");
    wait(journal.close(at(67, 0))).expect("it is sealed");
    let path = archive.dir(&id).join(format!("evidence/{hash}.txt"));
    let kept = disk.files().into_iter().find(|(at, _)| *at == path).expect("the file is the incident's").1;
    assert_eq!(kept, b"ERROR one\nERROR two\n");
    assert_eq!(crate::record::verify::verify_on(&disk, &archive.dir(&id)).expect("it is one").faults, []);
}

#[test]
fn old_rolling_journals_go_and_those_that_are_written_stay() {
    // This disk's files are as old as the calendar.
    let (archive, disk) = archive();
    let kept = archive.rolling(info()).expect("there is room");
    let closed = archive.rolling(info()).expect("there is room");
    let gone = closed.path();
    wait(closed.close(at(1, 0))).expect("it is sealed");
    let _third = archive.rolling(info()).expect("there is room");
    let paths: Vec<_> = disk.files().into_iter().map(|(path, _)| path).collect();
    assert!(paths.contains(&kept.path()));
    assert!(!paths.contains(&gone));
}

#[test]
fn what_closed_incidents_left_over_is_found_until_any_record_tells_its_end() {
    let (archive, _) = archive();
    let applied = |journal: &Journal, minute: u32, id: &str, ends: Ends| {
        let plan = Plan { ends, ..plan(id, "kubectl") };
        write(journal, minute, EntryKind::Intent, "about to", Some(Body::Intent(Box::new(plan.clone()))));
        let outcome = Outcome::Verified { after_seconds: Some(1), words: Safe::fixed("live") };
        let ended = Body::Outcome { plan: plan.id.clone(), outcome };
        write(journal, minute, EntryKind::Outcome, "ended", Some(ended));
        plan
    };
    let (first, journal) = open(&archive, "checkout", 0);
    let weights = applied(&journal, 1, "p1", Ends::Reminder);
    let floor = applied(&journal, 2, "p2", Ends::Reminder);
    applied(&journal, 3, "p3", Ends::BySystem { at: at(30, 0) });
    applied(&journal, 4, "p4", Ends::Stays);
    write(&journal, 5, EntryKind::Closed, "closed", None);
    wait(journal.close(at(5, 0))).expect("it is sealed");
    let rolling = archive.rolling(info()).expect("there is room");
    applied(&rolling, 6, "p5", Ends::Reminder);

    let left = |env: &str, drill, minute| -> Vec<String> {
        let left = archive.leftovers(env, drill, at(minute, 0)).expect("it can be read");
        left.iter()
            .map(|one| format!("{} {}", one.plan.id.0, one.incident.as_ref().map_or("-", |id| id.as_str())))
            .collect()
    };
    let of = |id: &str| format!("{id} {first}");
    assert_eq!(left("prod-eu", false, 10), [of("p1"), of("p2"), of("p3"), "p5 -".to_owned()]);
    assert_eq!(left("prod-eu", false, 30), [of("p1"), of("p2"), "p5 -".to_owned()], "the system ended one");
    assert!(left("prod-us", false, 10).is_empty() && left("prod-eu", true, 10).is_empty());

    // One is undone during the next incident, the other owned in the record of its own.
    let (_, journal) = open(&archive, "search", 31);
    let undo = Plan { request: Request::Undo { plan: Box::new(weights) }, ..plan("u1", "kubectl") };
    write(&journal, 32, EntryKind::Intent, "about to", Some(Body::Intent(Box::new(undo.clone()))));
    let outcome = Outcome::Verified { after_seconds: Some(1), words: Safe::fixed("live") };
    write(&journal, 32, EntryKind::Outcome, "ended", Some(Body::Outcome { plan: undo.id, outcome }));
    let body = Body::Owned { plan: floor.id, owner: Safe::fixed("team-money") };
    let owned = crate::model::entry::Draft { body: Some(body), ..draft(EntryKind::Owned, "team-money owns it") };
    wait(archive.add(&first, info(), owned, at(33, 0))).expect("a closed incident takes what is said of it later");
    assert_eq!(left("prod-eu", false, 40), ["p5 -"]);
    let record = archive.read(&first).expect("it can be read");
    assert!(record.problems.is_empty() && record.closed_at().is_some());
}

fn begun(journal: &Journal, minute: u32, id: &str, ends: Ends) -> Plan {
    let plan = Plan { ends, ..plan(id, "kubectl") };
    write(journal, minute, EntryKind::Intent, "about to", Some(Body::Intent(Box::new(plan.clone()))));
    plan
}

fn ended(journal: &Journal, minute: u32, plan: &Plan) {
    let outcome = Outcome::Verified { after_seconds: Some(1), words: Safe::fixed("live") };
    write(journal, minute, EntryKind::Outcome, "ended", Some(Body::Outcome { plan: plan.id.clone(), outcome }));
}

/// The names of the rolling journals that are there.
fn rolling(disk: &MemoryDisk) -> HashSet<std::path::PathBuf> {
    let dirs = crate::record::testing::journal_dirs(disk).into_iter();
    dirs.filter(|dir| dir.starts_with(std::path::Path::new("/records").join(layout::ROLLING))).collect()
}

fn folder(journal: &Journal) -> std::path::PathBuf {
    journal.path().ancestors().nth(2).expect("it is in a folder").to_path_buf()
}

#[test]
fn open_intents_are_found_in_every_incident_that_is_not_closed_and_in_rolling_journals() {
    let (archive, disk) = archive();
    let (older, journal) = open(&archive, "checkout", 1);
    begun(&journal, 2, "p1", Ends::Stays);
    let (newer, later) = open(&archive, "search", 3);
    begun(&later, 4, "p2", Ends::Stays);
    let (_, closed) = open(&archive, "mail", 5);
    begun(&closed, 6, "p3", Ends::Stays);
    write(&closed, 7, EntryKind::Closed, "closed", None);
    let loose = archive.rolling(info()).expect("there is room");
    begun(&loose, 8, "p4", Ends::Stays);
    let theirs = ["p1", "p2", "p4"].map(|id| archive.hold(&plan(id, "").id).expect("there is room"));
    let done = begun(&loose, 9, "p5", Ends::Stays);
    ended(&loose, 9, &done);
    assert_eq!(
        archive.open_intents("prod-eu", false),
        Ok(Vec::new()),
        "what a living process has in flight is its own"
    );
    drop(theirs);

    let name = folder(&loose).file_name().expect("it has one").to_string_lossy().into_owned();
    let after = Archive::on("/records", Arc::new(disk.after_power_cut(0)));
    let found = after.open_intents("prod-eu", false).expect("it can be read");
    let held: Vec<_> = found.iter().map(|one| (one.plan.id.0.as_str(), one.held.clone())).collect();
    assert_eq!(
        held,
        [
            ("p1", Holder::Incident(older)),
            ("p2", Holder::Incident(newer.clone())),
            ("p4", Holder::Rolling(Safe::from(name)))
        ]
    );
    assert_eq!(after.open_intents("prod-us", false), Ok(Vec::new()));
    assert_eq!(after.open_intents("prod-eu", true), Ok(Vec::new()), "a drill of that name is another world");

    // Each is settled where it is held.
    for one in &found {
        let beside = after.journal_beside(&one.held, info()).expect("there is room");
        ended(&beside, 20, &one.plan);
        wait(beside.close(at(21, 0))).expect("it is sealed");
    }
    assert_eq!(after.open_intents("prod-eu", false), Ok(Vec::new()));
    assert!(after.read(&newer).expect("it can be read").open_intents().is_empty());
}

#[test]
fn an_old_rolling_journal_stays_as_long_as_it_alone_tells_of_something_that_is_not_over() {
    // This disk's files are as old as the calendar.
    let (archive, disk) = archive();
    let journal = |drill| {
        let info = StartInfo { drill, ..info() };
        let dir = archive.root.join(layout::ROLLING).join(ulid::Ulid::generate().to_string());
        Journal::create(&dir, info, Arc::new(disk.clone())).expect("there is room")
    };
    let in_flight = journal(false);
    begun(&in_flight, 1, "p1", Ends::Stays);
    let weights = journal(false);
    let diverted = begun(&weights, 2, "p2", Ends::Reminder);
    ended(&weights, 2, &diverted);
    let over = journal(false);
    let done = begun(&over, 3, "p3", Ends::Stays);
    ended(&over, 3, &done);
    let rehearsed = journal(true);
    begun(&rehearsed, 4, "p4", Ends::Reminder);
    let kept = [folder(&in_flight), folder(&weights)];
    let gone = [folder(&over), folder(&rehearsed)];
    for journal in [in_flight, weights, over, rehearsed] {
        wait(journal.close(at(5, 0))).expect("it is sealed");
    }
    let next = archive.rolling(info()).expect("there is room");
    let there = rolling(&disk);
    assert!(kept.iter().all(|dir| there.contains(dir)) && !gone.iter().any(|dir| there.contains(dir)), "{there:?}");

    // Both come to an end: the one where it was begun, the other is owned by an entry elsewhere.
    let open = archive.open_intents("prod-eu", false).expect("it can be read");
    let [one] = &open[..] else { panic!("{open:?}") };
    let beside = archive.journal_beside(&one.held, info()).expect("there is room");
    ended(&beside, 6, &one.plan);
    wait(beside.close(at(6, 0))).expect("it is sealed");
    let body = Body::Owned { plan: diverted.id, owner: Safe::fixed("team-money") };
    write(&next, 7, EntryKind::Owned, "team-money owns it", Some(body));
    let _third = archive.rolling(info()).expect("there is room");
    let there = rolling(&disk);
    assert!(!kept.iter().any(|dir| there.contains(dir)), "{there:?}");
}

#[test]
fn what_tells_an_end_stays_as_long_as_what_tells_the_beginning() {
    let (archive, disk) = archive();
    let begins = archive.rolling(info()).expect("there is room");
    let diverted = begun(&begins, 1, "p1", Ends::Reminder);
    ended(&begins, 1, &diverted);
    let ends = archive.rolling(info()).expect("there is room");
    let body = Body::Owned { plan: diverted.id, owner: Safe::fixed("team-money") };
    write(&ends, 2, EntryKind::Owned, "team-money owns it", Some(body));
    let told = folder(&ends);
    wait(ends.close(at(3, 0))).expect("it is sealed");
    // The first is still written: it does not go, and would be left over again without the other.
    let _third = archive.rolling(info()).expect("there is room");
    assert!(rolling(&disk).contains(&told));
    assert_eq!(archive.leftovers("prod-eu", false, at(9, 0)), Ok(Vec::new()));
}

#[test]
fn what_a_living_process_has_in_flight_is_not_carried_into_another_ones_incident() {
    let (archive, disk) = archive();
    let theirs = archive.rolling(info()).expect("there is room");
    let held = archive.hold(&plan("p1", "").id).expect("there is room");
    begun(&theirs, 30, "p1", Ends::Stays);
    write(&theirs, 31, EntryKind::Rollout, "payments 2.9.0", None);
    let kinds = |archive: &Archive| -> Vec<EntryKind> {
        let carried = archive.carry(&EnvId::from("prod-eu"), false, at(65, 0), &[]).drafts;
        carried.iter().map(|(draft, ..)| draft.kind).collect()
    };
    assert_eq!(kinds(&archive), [EntryKind::Rollout]);
    let after = Archive::on("/records", Arc::new(disk.after_power_cut(0)));
    assert_eq!(kinds(&after), [EntryKind::Intent, EntryKind::Rollout]);
    drop(held);
    assert_eq!(kinds(&archive), [EntryKind::Intent, EntryKind::Rollout], "it lives, and lets go of it");
}
