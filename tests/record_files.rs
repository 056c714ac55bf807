//! The record on a real disk: who may read it, who writes it, and what a kill leaves.

#![allow(clippy::expect_used, reason = "a test that cannot go on should say where")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use warroom::clock::World;
use warroom::model::entry::{Actor, Body, Draft, Entry, EntryKind, EntryOrigin, Evidence};
use warroom::record::{Archive, Durability, Journal, RealDisk, Sharing, StartInfo, read_incident, verify};
use warroom::text::Safe;

/// Tells the child process of the kill test where to write.
const CHILD_DIR: &str = "WARROOM_TEST_RECORD_DIR";

fn at(second: i64) -> World {
    World::from_timestamp(1_795_230_000 + second, 0).expect("it is a time")
}

fn info() -> StartInfo {
    StartInfo {
        titles: Default::default(),
        incident: None,
        version: Safe::fixed("0.1.0"),
        drill: false,
        env: Safe::fixed("prod-eu"),
        actor: Actor::system(),
        at: at(0),
    }
}

fn draft(kind: EntryKind, title: &str, body: Option<Body>) -> Draft {
    Draft {
        kind,
        source: Safe::fixed("warroom"),
        subject: Safe::fixed("note"),
        title: Safe::from(title),
        detail: None,
        actor: Actor::system(),
        service: None,
        before: None,
        after: None,
        evidence: Vec::new(),
        dedupe: None,
        origin: EntryOrigin::Auto,
        pinned: false,
        body,
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers").block_on(future)
}

fn write(journal: &Journal, kind: EntryKind, title: &str, body: Option<Body>) -> Entry {
    let receipt = journal.append(draft(kind, title, body), at(1), at(1), Durability::Now);
    wait(receipt).expect("it is kept").into_entry()
}

fn everything_under(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_path_buf()];
    let mut at = 0;
    while let Some(path) = all.get(at).cloned() {
        at += 1;
        if path.is_dir() {
            all.extend(
                std::fs::read_dir(&path).expect("it can be listed").map(|member| member.expect("it is there").path()),
            );
        }
    }
    all
}

/// A whole small incident in `archive`; its directory.
fn incident(archive: &Archive) -> PathBuf {
    let id = archive.create("checkout", at(0)).expect("there is room");
    let journal = archive.journal_for(&id, info()).expect("there is room");
    let body = Body::Opened { incident: id.clone(), title: Safe::fixed("checkout") };
    write(&journal, EntryKind::Opened, "declared", Some(body));
    let kept = Evidence { kept: Some(Safe::fixed("a line")), ..Evidence::default() };
    wait(journal.append(
        Draft { evidence: vec![kept], ..draft(EntryKind::ErrorBurst, "errors", None) },
        at(1),
        at(1),
        Durability::Now,
    ))
    .expect("it is kept");
    wait(journal.close(at(2))).expect("it is sealed");
    archive.dir(&id)
}

#[test]
fn nobody_else_can_read_the_record() {
    let root = tempfile::tempdir().expect("there is room");
    let dir = incident(&Archive::new(root.path().join("state/incidents")));
    let found = everything_under(&root.path().join("state"));
    assert!(found.len() >= 8, "{found:?}");
    for path in found {
        let mode = path.metadata().expect("it is there").permissions().mode() & 0o7777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    let verified = verify(&dir).expect("it is an incident");
    assert_eq!(verified.faults, []);
}

#[test]
fn a_group_can_read_it_if_the_team_wants_that() {
    let root = tempfile::tempdir().expect("there is room");
    let group = root.path().metadata().expect("it is there").gid();
    let archive = Archive::shared(root.path().join("incidents"), Sharing::Group { id: Some(group) });
    incident(&archive);
    for path in everything_under(&root.path().join("incidents")) {
        let metadata = path.metadata().expect("it is there");
        let mode = metadata.permissions().mode() & 0o7777;
        assert_eq!(mode, if path.is_dir() { 0o2750 } else { 0o640 }, "{}", path.display());
        assert_eq!(metadata.gid(), group);
    }
}

#[test]
fn a_group_that_does_not_exist_is_told_by_name() {
    assert_eq!(Sharing::with_group("0"), Ok(Sharing::Group { id: Some(0) }));
    let error = Sharing::with_group("no-such-group-here").expect_err("there is none").to_string();
    assert!(error.contains("`no-such-group-here`"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_told_in_one_sentence() {
    let root = tempfile::tempdir().expect("there is room");
    let file = root.path().join("file");
    std::fs::write(&file, "no directory").expect("there is room");
    let error = Archive::new(file.join("incidents")).create("checkout", at(0)).expect_err("it is a file").to_string();
    assert!(error.contains("cannot make a directory") && error.contains("record.dir"), "{error}");
    let disk = std::sync::Arc::new(RealDisk::default());
    let error = Journal::create(&file, info(), disk).expect_err("it is a file").to_string();
    assert!(error.contains("the record cannot be written"), "{error}");
}

/// Not a test: the process that the next one kills. It says each entry's id when it is durable.
#[test]
#[ignore = "the other half of `what_a_killed_process_showed_as_recorded_is_there`"]
#[allow(clippy::disallowed_methods, reason = "the parent test tells its child where to write")]
fn child() {
    let Ok(root) = std::env::var(CHILD_DIR) else { return };
    let archive = Archive::new(root);
    let id = archive.create("killed", at(0)).expect("there is room");
    let journal = archive.journal_for(&id, info()).expect("there is room");
    let body = Body::Opened { incident: id.clone(), title: Safe::fixed("killed") };
    write(&journal, EntryKind::Opened, "declared", Some(body));
    for number in 0.. {
        let entry = write(&journal, EntryKind::Note, &format!("note {number}"), None);
        println!("durable {}", entry.id.0);
    }
}

#[test]
fn what_a_killed_process_showed_as_recorded_is_there() {
    let root = tempfile::tempdir().expect("there is room");
    let mut child = Command::new(std::env::current_exe().expect("this runs"))
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(CHILD_DIR, root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this program runs again");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut shown: Vec<String> = Vec::new();
    let archive = Archive::new(root.path());
    for line in lines {
        let line = line.expect("it is text");
        if let Some((_, id)) = line.split_once("durable ") {
            shown.push(id.trim().to_owned());
        }
        if shown.len() == 25 {
            let live = archive.unfinished("prod-eu", false).expect("it can be read").expect("it is open");
            assert!(live.being_written, "another process sees that it is written");
            // SIGKILL: there is no handler to run.
            child.kill().expect("it is ours");
        }
    }
    child.wait().expect("it is ours");
    assert!(shown.len() >= 25, "it was killed after 25: {}", shown.len());

    let left = archive.unfinished("prod-eu", false).expect("it can be read").expect("the next start offers to resume");
    assert!(!left.being_written);
    let record = read_incident(&archive.dir(&left.id)).expect("it is an incident");
    for id in &shown {
        assert!(record.entries.iter().any(|entry| entry.id.0 == id.as_str()), "{id} was shown and is lost");
    }
    let verified = verify(&archive.dir(&left.id)).expect("it is an incident");
    assert_eq!(verified.faults, []);

    // The successor continues it, and then every byte of what was left is bound.
    let journal = archive.journal_for(&left.id, info()).expect("there is room");
    wait(journal.close(at(9))).expect("it is sealed");
    let dir = archive.dir(&left.id);
    assert_eq!(verify(&dir).expect("it is an incident").faults, []);
    let first = dir.join("journal").join(record.writers[0].file.as_str());
    let bytes = std::fs::read(&first).expect("it is there");
    let half = bytes[..bytes.len() / 2].iter().rposition(|byte| *byte == b'\n').expect("it has lines");
    std::fs::write(&first, &bytes[..=half]).expect("there is room");
    assert!(!verify(&dir).expect("it is an incident").faults.is_empty(), "lines are missing at its end");
}
