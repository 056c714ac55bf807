//! The drill `zone-outage`, played by itself as a program of its own: the zone is left after
//! capacity was added, and that is what ends the harm.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Stdio};

use chrono::TimeDelta;
use warroom::clock::World;
use warroom::drill::{SHIPPED, Scenario, Times};
use warroom::model::entry::{Body, EntryKind, MilestoneName};
use warroom::model::plan::{Ends, Outcome, Plan};
use warroom::record::{IncidentRecord, milestones, read_incident};

fn shipped() -> &'static str {
    SHIPPED.iter().find(|shipped| shipped.id == "zone-outage").unwrap().text
}

/// At a speed at which a busy machine, which may hold a keystroke up for a fifth of a second, is still
/// within a minute of the story.
fn play(dir: &Path, text: &str, seed: u64) -> IncidentRecord {
    let (file, out) = (dir.join("scenario.toml"), dir.join("out"));
    std::fs::write(&file, text).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_warroom"))
        .args(["drill", file.to_str().unwrap(), "--autopilot", "--speed", "300", "--seed", &seed.to_string()])
        .args(["--out", out.to_str().unwrap()])
        .env_clear()
        .env("HOME", dir)
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .env("XDG_STATE_HOME", dir.join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let incidents = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let incident = incidents.into_iter().find(|path| path.join("journal").is_dir()).unwrap();
    let record = read_incident(&incident).unwrap();
    assert!(record.problems.is_empty(), "{:?}", record.problems);
    record
}

/// Plans that were applied, with how they ended.
fn actions(record: &IncidentRecord) -> Vec<(Plan, Outcome)> {
    let outcome = |plan: &Plan| {
        record.entries.iter().find_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { plan: id, outcome }) if *id == plan.id => Some(outcome.clone()),
            _ => None,
        })
    };
    let intents = record.entries.iter().filter_map(|entry| match &entry.draft.body {
        Some(Body::Intent(plan)) => Some((**plan).clone()),
        _ => None,
    });
    intents.map(|plan| (plan.clone(), outcome(&plan).unwrap())).collect()
}

fn near(found: World, told: World, what: &str) {
    assert!((found - told).abs() <= TimeDelta::seconds(60), "{what}: {found}, and the truth says {told}");
}

#[test]
fn the_zone_is_left_after_capacity_was_added_and_that_ends_the_harm() {
    for seed in [1, 5] {
        let dir = tempfile::tempdir().unwrap();
        let record = play(dir.path(), shipped(), seed);
        let scenario = Scenario::shipped("zone-outage").unwrap();
        let truth = scenario.truth(seed).unwrap();
        assert_eq!(truth.culprit, "eu-central-1b");

        let actions = actions(&record);
        let titles: Vec<_> = actions.iter().map(|(plan, _)| plan.title.as_str()).collect();
        assert_eq!(
            titles,
            ["scale Deployment storefront", "scale Deployment checkout", "move shop away from eu-central-1b"]
        );
        for (plan, outcome) in &actions {
            assert!(matches!(outcome, Outcome::Verified { .. }), "{}: {outcome:?}", plan.title);
        }
        let shift = &actions[2].0;
        assert!(shift.blast.words.starts_with("3 of 9 healthy targets"), "{}", shift.blast.words);
        assert_eq!(shift.ends, Ends::BySystem { at: shift.read_at + TimeDelta::hours(2) });

        let known = milestones(&record.entries);
        for (name, told) in [
            (MilestoneName::ImpactStart, truth.impact_start),
            (MilestoneName::Detected, truth.detected),
            (MilestoneName::Acknowledged, truth.acknowledged),
            (MilestoneName::Mitigated, truth.mitigated),
            (MilestoneName::Resolved, truth.resolved),
        ] {
            near(known.at(name).unwrap(), told, name.as_str());
        }
    }
}

/// The scenario without the responder's lines that contain one of these.
fn without(lines: &[&str]) -> String {
    let blocks: Vec<_> = shipped()
        .split("\n\n")
        .filter(|block| !block.contains("[[responder]]") || !lines.iter().any(|line| block.contains(line)))
        .collect();
    blocks.join("\n\n").replace("mitigated = \"evacuated", "mitigated = \"claim")
}

/// How long services were in breach after `at`, up to the end of the record.
fn recovered(record: &IncidentRecord, at: World) -> Vec<String> {
    record
        .entries
        .iter()
        .filter(|entry| entry.draft.kind == EntryKind::Recovered && entry.occurred_at > at)
        .map(|entry| entry.draft.title.to_string())
        .collect()
}

#[test]
fn adding_capacity_alone_cures_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let text = without(&["say = 'evacuate ", "say = 'break-glass ", "say = 'confirm shop'"]);
    let record = play(dir.path(), &text, 1);
    let outage = Times::new(&Scenario::shipped("zone-outage").unwrap(), 1).named("outage").unwrap();
    assert_eq!(actions(&record).len(), 2);
    assert_eq!(recovered(&record, outage), Vec::<String>::new(), "nobody recovers");
}

#[test]
fn a_shift_without_capacity_for_it_trades_errors_for_a_shortage() {
    let dir = tempfile::tempdir().unwrap();
    let text = without(&["say = 'scale ", "say = 'confirm'"]);
    let record = play(dir.path(), &text, 1);
    let (shift, _) = &actions(&record)[0];
    let warned = shift.facts.iter().find(|fact| fact.label.as_str() == "capacity").unwrap();
    assert_eq!(warned.words, "4 healthy targets are left, each with 50 % more to do: scale up first");
    let late = record
        .entries
        .iter()
        .filter(|entry| entry.occurred_at > shift.read_at && entry.draft.title.contains("p99"))
        .any(|entry| entry.draft.kind == EntryKind::Breach);
    assert!(late, "what is left is short of CPU");
}
