//! Several sessions, and journals that cannot be read: nothing that somebody still needs goes.

use super::*;
use crate::model::entry::{ActorKind, Draft, EntryOrigin};
use crate::model::plan::PlanId;

/// A person says or does something.
fn says(journal: &Journal, minute: u32, title: &str) {
    let actor = Actor { kind: ActorKind::Human, name: Safe::fixed("ben"), known_by: None };
    let draft = Draft { actor, origin: EntryOrigin::Manual, ..draft(EntryKind::Note, title) };
    wait(journal.append(draft, at(minute, 0), at(minute, 0), Durability::Now)).expect("it is kept");
}

/// A rolling journal; none is removed for it.
fn begin(archive: &Archive, disk: &MemoryDisk) -> Journal {
    let dir = archive.root.join(layout::ROLLING).join(ulid::Ulid::generate().to_string());
    Journal::create(&dir, info(), Arc::new(disk.clone())).expect("there is room")
}

fn owned(journal: &Journal, minute: u32, plan: &Plan) {
    let body = Body::Owned { plan: plan.id.clone(), owner: Safe::fixed("team-money") };
    write(journal, minute, EntryKind::Owned, "team-money owns it", Some(body));
}

#[test]
fn what_others_do_beside_an_incident_is_found_until_its_record_tells_it() {
    let (archive, _) = archive();
    let theirs = archive.rolling(info()).expect("there is room");
    let over = begun(&theirs, 40, "p0", Ends::Stays);
    ended(&theirs, 41, &over);
    says(&theirs, 50, "before");
    let crossing = begun(&theirs, 55, "p1", Ends::Stays);
    let (id, mine) = open(&archive, "checkout", 60);
    ended(&theirs, 62, &crossing);
    let held = archive.hold(&PlanId("p2".into())).expect("there is room");
    begun(&theirs, 63, "p2", Ends::Stays);
    says(&theirs, 64, "after");
    write(&theirs, 65, EntryKind::Rollout, "seen here too", None);
    let joined = archive.journal_for(&id, info()).expect("there is room");
    write(&joined, 66, EntryKind::Phase, "mitigating", Some(Body::Phase(Phase::Mitigating)));

    let look = || archive.beside(&id, &EnvId::from("prod-eu"), false, &mine.path(), &[]).expect("it can be read");
    let told = |beside: &Beside| -> Vec<(EntryKind, World)> {
        beside.told.iter().map(|(draft, occurred, _)| (draft.kind, *occurred)).collect()
    };
    let beside = look();
    assert_eq!(
        told(&beside),
        [(EntryKind::Intent, at(55, 0)), (EntryKind::Outcome, at(62, 0)), (EntryKind::Note, at(64, 0))]
    );
    let news: Vec<_> = beside.news.iter().map(|entry| entry.draft.kind).collect();
    assert_eq!(news, [EntryKind::Started, EntryKind::Phase], "of those who write to it too");
    assert_eq!(beside.under_way, [(PlanId("p2".into()), Safe::fixed("scale Deployment payments"))]);

    for (draft, occurred, observed) in beside.told {
        wait(mine.append(draft, occurred, observed, Durability::Now)).expect("it is kept");
    }
    assert_eq!(told(&look()), [], "it tells them now");
    // Its process is gone: it is nobody's, and the incident's to settle.
    drop(held);
    let beside = look();
    assert_eq!((told(&beside), beside.under_way), (vec![(EntryKind::Intent, at(63, 0))], Vec::new()));
    let own = archive.beside(&id, &EnvId::from("prod-eu"), false, &mine.path(), &[theirs.path()]);
    assert_eq!(own.expect("it can be read").told, [], "what the caller wrote itself is not told to it");
    let elsewhere = archive.beside(&id, &EnvId::from("prod-us"), false, &mine.path(), &[]);
    assert_eq!(elsewhere.expect("it can be read").told, []);
}

#[test]
fn an_old_journal_that_cannot_be_read_is_not_removed() {
    // This disk's files are as old as the calendar.
    let (archive, disk) = archive();
    let applied = |id: &str| {
        let journal = begin(&archive, &disk);
        let plan = begun(&journal, 1, id, Ends::Stays);
        ended(&journal, 1, &plan);
        let path = journal.path();
        wait(journal.close(at(2, 0))).expect("it is sealed");
        path
    };
    let (closed, damaged, whole) = (applied("p1"), applied("p2"), applied("p3"));
    disk.close_to_readers(&closed);
    // A line of it that nobody can read any more may have told of yet another change.
    let files = disk.files();
    let bytes = files.into_iter().find(|(path, _)| *path == damaged).expect("it is there").1;
    let text = String::from_utf8(bytes).expect("it is text").replace(r#""kind":"outcome""#, r#""kind":"outcom""#);
    disk.overwrite(&damaged, text.into_bytes());
    let _next = archive.rolling(info()).expect("there is room");
    let there: Vec<_> = disk.files().into_iter().map(|(path, _)| path).collect();
    assert!(there.contains(&closed), "what it holds is not known");
    assert!(there.contains(&damaged), "what it holds is not known");
    assert!(!there.contains(&whole), "nobody needs it");
}

#[test]
fn each_journal_stays_that_ends_what_one_that_stays_has_begun() {
    let (archive, disk) = archive();
    let journals: Vec<Journal> = (0..4).map(|_| begin(&archive, &disk)).collect();
    let [written, second, third, needless] = &journals[..] else { panic!("four") };
    let mut last = None;
    for (minute, journal) in [written, second, third].into_iter().enumerate() {
        let minute = u32::try_from(minute).expect("it is small");
        if let Some(before) = &last {
            owned(journal, minute, before);
        }
        let plan = begun(journal, minute, &format!("p{minute}"), Ends::Reminder);
        ended(journal, minute, &plan);
        last = Some(plan);
    }
    // The last one is owned in an incident's record, which does not go.
    let (_, incident) = open(&archive, "checkout", 5);
    owned(&incident, 6, &last.expect("there is one"));
    let over = begun(needless, 7, "p9", Ends::Stays);
    ended(needless, 7, &over);
    let dirs: Vec<_> = journals.iter().map(folder).collect();
    let mut journals = journals.into_iter();
    // The first one is still written.
    let _written = journals.next();
    for journal in journals {
        wait(journal.close(at(9, 0))).expect("it is sealed");
    }
    let _next = archive.rolling(info()).expect("there is room");
    let there = rolling(&disk);
    assert!(dirs[..3].iter().all(|dir| there.contains(dir)), "{there:?}");
    assert!(!there.contains(&dirs[3]), "nobody needs it");
    assert_eq!(archive.leftovers("prod-eu", false, at(10, 0)), Ok(Vec::new()));
}

#[test]
fn a_lock_that_a_process_left_behind_goes_and_one_that_is_held_stays() {
    let (archive, disk) = archive();
    let held = archive.hold(&PlanId("p1".into())).expect("there is room");
    assert!(archive.hold(&PlanId("p1".into())).expect("there is room").is_none());
    let locks = |disk: &MemoryDisk| disk.files().iter().filter(|(path, _)| path.starts_with("/records/.held")).count();
    assert_eq!(locks(&disk), 1);
    archive.rolling(info()).expect("there is room");
    assert_eq!(locks(&disk), 1, "its process lives");
    drop(held);
    assert_eq!(locks(&disk), 0);
    // An identity is a text of a record: it names no other file.
    let odd = archive.hold(&PlanId("../../etc/passwd".into())).expect("there is room");
    assert!(odd.is_some() && locks(&disk) == 1);
    let crashed = disk.after_power_cut(0);
    assert_eq!(locks(&crashed), 1);
    Archive::on("/records", Arc::new(crashed.clone())).rolling(info()).expect("there is room");
    assert_eq!(locks(&crashed), 0);
}
