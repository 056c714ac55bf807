//! The journal's promise: what a receipt called durable is there after a power cut, and what
//! cannot be kept is refused in one clear sentence.

use std::path::Path;

use super::*;
use crate::model::entry::{Body, EntryKind, Evidence};
use crate::model::service::Unit;
use crate::model::track::TrackSample;
use crate::record::chain::{JOURNAL as DOMAIN, scan};
use crate::record::disk::memory::MemoryDisk;
use crate::record::read::read_incident_on;
use crate::record::testing::{at, draft, wait};
use crate::record::verify::verify_on;
use crate::record::{Fault, IncidentRecord, Verified};

const DIR: &str = "/records/2026-11-21-checkout";

fn info() -> StartInfo {
    StartInfo {
        titles: Default::default(),
        incident: Some(IncidentId::from("2026-11-21-checkout")),
        version: Safe::fixed("0.1.0"),
        drill: true,
        env: Safe::fixed("drill"),
        actor: Actor::system(),
        at: at(0, 0),
    }
}

fn start(disk: &MemoryDisk) -> Journal {
    Journal::create(Path::new(DIR), info(), Arc::new(disk.clone())).expect("the disk works")
}

fn note(journal: &Journal, text: &str, durability: Durability) -> Receipt {
    journal.append(draft(EntryKind::Note, text), at(1, 0), at(1, 0), durability)
}

fn read(disk: &MemoryDisk) -> IncidentRecord {
    read_incident_on(disk, Path::new(DIR)).expect("it is an incident")
}

fn check(disk: &MemoryDisk) -> Verified {
    verify_on(disk, Path::new(DIR)).expect("it is an incident")
}

fn sample(minute: u32, value: f64) -> TrackSample {
    TrackSample {
        at: at(minute, 0),
        track: Safe::fixed("checkout errors"),
        service: Some("checkout".into()),
        unit: Unit::Ratio,
        limit: Some(0.02),
        values: [(Safe::fixed("value"), Some(value))].into(),
    }
}

/// A small incident of two writers, both closed in good order, with tracks and evidence.
fn sealed() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let first = start(&disk);
    first.track(vec![sample(1, 0.01), sample(2, 0.05)]);
    first.track(vec![sample(2, 0.07)]);
    let mut shown = draft(EntryKind::ErrorBurst, "errors of checkout far above the usual");
    let lines = crate::text::clean_block("03:14:01 ERROR timed out\n03:14:02 ERROR timed out");
    shown.evidence.push(Evidence { kept: Some(lines), ..Evidence::default() });
    wait(first.append(shown, at(2, 0), at(2, 5), Durability::Now)).expect("it is kept");
    wait(first.close(at(3, 0))).expect("it is sealed");
    let second = start(&disk);
    wait(note(&second, "took over", Durability::Soon)).expect("it is kept");
    wait(second.close(at(5, 0))).expect("it is sealed");
    disk
}

#[test]
fn an_entry_that_was_shown_as_recorded_survives_a_power_cut_at_any_moment() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    for count in 1..=40 {
        let durability = if count % 3 == 0 { Durability::Soon } else { Durability::Now };
        wait(note(&journal, &format!("note {count}"), durability)).expect("it is kept");
        for extra in [0, 1, 30, 200, 100_000] {
            let after = disk.after_power_cut(extra);
            let record = read(&after);
            let notes = record.entries.iter().filter(|entry| entry.draft.kind == EntryKind::Note).count();
            assert!(notes >= count, "{notes} of {count} are there");
            assert_eq!(check(&after).faults, [], "a power cut is no fault");
        }
    }
}

#[test]
fn no_receipt_runs_ahead_of_the_disk() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    let receipts: Vec<_> = (0..60).map(|number| note(&journal, &number.to_string(), Durability::Soon)).collect();
    for receipt in receipts {
        let entry = wait(receipt).expect("it is kept").into_entry();
        assert!(read(&disk.after_power_cut(0)).entries.contains(&entry));
    }
}

#[test]
fn entries_that_wait_share_a_sync() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    let before = disk.syncs();
    let receipts: Vec<_> = (0..500).map(|number| note(&journal, &number.to_string(), Durability::Soon)).collect();
    for receipt in receipts {
        wait(receipt).expect("it is kept");
    }
    assert!(disk.syncs() - before < 20, "{} syncs", disk.syncs() - before);
}

#[test]
fn the_order_of_calls_is_the_order_in_the_file() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    let receipts: Vec<_> = (0..200).map(|number| note(&journal, &number.to_string(), Durability::Soon)).collect();
    let ids: Vec<_> = receipts.into_iter().map(|receipt| wait(receipt).expect("it is kept").into_entry().id).collect();
    assert!(ids.is_sorted());
    let titles: Vec<_> = read(&disk).entries.iter().skip(1).map(|entry| entry.draft.title.to_string()).collect();
    assert_eq!(titles, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_is_told_in_one_sentence_and_nothing_more_is_taken() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    wait(note(&journal, "before", Durability::Now)).expect("it is kept");
    disk.fill_up(100);
    let refused = |text: &str| match wait(note(&journal, text, Durability::Now)) {
        Err(JournalError::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = refused("does not fit");
    assert!(why.contains("the disk is full") && why.contains("free some space") && why.contains(DIR), "{why}");
    disk.fill_up(1_000_000);
    assert_eq!(refused("there is room again, but what the file holds is not known"), why);
    let after = disk.after_power_cut(100_000);
    assert_eq!(read(&after).entries.len(), 2);
    assert_eq!(check(&after).faults, []);
}

#[test]
fn after_a_failed_sync_the_journal_takes_no_more_entries() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    disk.break_syncs();
    let first = note(&journal, "lost", Durability::Now);
    assert!(matches!(wait(first), Err(JournalError::Failed(why)) if why.contains("the system reports an error")));
    assert!(matches!(wait(note(&journal, "lost too", Durability::Soon)), Err(JournalError::Failed(_))));
    assert!(matches!(wait(journal.close(at(9, 0))), Err(JournalError::Failed(_))));
}

#[test]
fn a_sealed_journal_takes_no_more_entries_and_verifies() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    let other = journal.clone();
    wait(journal.close(at(3, 0))).expect("it is sealed");
    assert_eq!(wait(note(&other, "too late", Durability::Now)).map(|_| ()), Err(JournalError::Closed));
    assert_eq!(check(&disk), Verified { files: 2, entries: 2, ..Verified::default() });
}

#[test]
fn no_caller_can_put_a_secret_into_the_record() {
    let disk = MemoryDisk::default();
    let journal = start(&disk);
    let secret = "password=hunter2";
    let mut said = draft(EntryKind::Note, secret);
    said.subject = Safe::from(secret);
    said.detail = Some(Safe::from(secret));
    said.before = Some(Safe::from(secret));
    said.after = Some(Safe::from(secret));
    said.dedupe = Some(Safe::from(secret));
    let (query, excerpt, kept) = (Some(Safe::from(secret)), Some(Safe::from(secret)), Some(Safe::from(secret)));
    said.evidence.push(Evidence { query, excerpt, kept, ..Evidence::default() });
    said.body = Some(Body::Intent(Box::new(crate::record::testing::plan("p1", secret))));
    let kept = wait(journal.append(said, at(1, 0), at(1, 0), Durability::Now)).expect("it is kept");
    assert!(!format!("{kept:?}").contains("hunter2"), "the receipt tells what was written: {kept:?}");
    assert!(disk.files().iter().any(|(path, _)| path.starts_with(format!("{DIR}/evidence"))), "a text was kept");
    for (path, bytes) in disk.files() {
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"), "{} holds it", path.display());
    }
}

#[test]
fn a_sealed_incident_of_two_writers_verifies_and_reads_as_one() {
    let disk = sealed();
    assert_eq!(check(&disk), Verified { files: 5, entries: 6, ..Verified::default() });
    let record = read(&disk);
    assert!(record.problems.is_empty(), "{:?}", record.problems);
    assert_eq!(record.tracks, [sample(1, 0.01), sample(2, 0.07)], "the last word on a minute counts");
    assert!(record.writers.iter().all(|writer| writer.sealed && !writer.open));
    let before = record.writers[1].predecessor.as_ref().expect("the second continues the first");
    assert_eq!(before.file, record.writers[0].file);
}

#[test]
fn any_changed_byte_is_found_with_its_entrys_position() {
    let whole = sealed();
    let files = whole.files();
    let mut tried = 0;
    for (path, bytes) in &files {
        let short = path.strip_prefix(DIR).expect("it is the incident's").display().to_string();
        for place in 0..bytes.len() {
            let disk = whole.after_power_cut(0);
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            disk.overwrite(path, changed);
            let line = if short.starts_with("evidence/") {
                // The entry that names it.
                2
            } else {
                1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count() as u64
            };
            let faults = check(&disk).faults;
            let hit = |fault: &&Fault| fault.file == short.as_str() && fault.position == Some(line);
            assert!(faults.iter().any(|fault| hit(&fault)), "{short} byte {place} (line {line}): {faults:?}");
            tried += 1;
        }
    }
    assert!(tried > 3000, "the incident is not that small: {tried}");
}

#[test]
fn a_deleted_file_is_found() {
    let whole = sealed();
    for (path, _) in whole.files() {
        let disk = whole.after_power_cut(0);
        disk.delete(&path);
        let faults = check(&disk).faults;
        let short = path.strip_prefix(DIR).expect("it is the incident's").display().to_string();
        assert!(faults.iter().any(|fault| fault.file == short.as_str()), "{short}: {faults:?}");
    }
}

#[test]
fn a_sealed_file_that_was_cut_off_is_found_wherever_it_was_cut() {
    let whole = sealed();
    for (path, bytes) in whole.files() {
        let last_line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for length in 0..bytes.len() {
            let disk = whole.after_power_cut(0);
            disk.overwrite(&path, bytes[..length].to_vec());
            let found = check(&disk);
            if path.display().to_string().contains("tracks/") && length == last_line {
                // A kill between the seal and the end of the tracks leaves exactly this, and all
                // samples are there.
                assert!(found.faults.is_empty() && found.torn.len() == 1, "{found:?}");
            } else {
                assert!(!found.faults.is_empty(), "{} cut to {length}", path.display());
            }
        }
    }
}

#[test]
fn a_line_that_was_put_in_or_taken_out_is_found() {
    let whole = sealed();
    let (path, bytes) = whole
        .files()
        .into_iter()
        .find(|(path, _)| path.display().to_string().contains("journal/"))
        .expect("there is one");
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for skip in 0..lines.len() {
        let fewer: Vec<u8> =
            lines.iter().enumerate().filter(|(at, _)| *at != skip).flat_map(|(_, line)| line.to_vec()).collect();
        let twice: Vec<u8> =
            lines.iter().enumerate().flat_map(|(at, line)| line.repeat(if at == skip { 2 } else { 1 })).collect();
        for changed in [fewer, twice] {
            let disk = whole.after_power_cut(0);
            disk.overwrite(&path, changed);
            assert!(!check(&disk).faults.is_empty(), "line {skip}");
        }
    }
}

#[test]
fn a_line_is_an_object_that_others_can_read() {
    let disk = sealed();
    for (path, bytes) in disk.files().into_iter().filter(|(path, _)| path.display().to_string().contains("journal/")) {
        for (at, line) in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
            let value: serde_json::Value = serde_json::from_slice(line).expect("a line is one object");
            for key in ["seq", "id", "occurred_at", "observed_at", "kind", "source", "subject", "title", "hash"] {
                assert!(value.get(key).is_some(), "{} lacks {key}", path.display());
            }
            assert_eq!(value["seq"], at as u64 + 1);
        }
        assert!(scan(&bytes, DOMAIN).faults.is_empty());
    }
}
