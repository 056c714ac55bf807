//! The drill that plays itself, as a program of its own: what it leaves in its folder, and that a
//! seed tells one story.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chrono::TimeDelta;
use warroom::clock::World;
use warroom::drill::{SHIPPED, Scenario, Times, Truth};
use warroom::model::entry::{Entry, EntryKind, MilestoneName};
use warroom::record::{IncidentRecord, milestones, read_incident};

const SCENARIO: &str = "rate-limit-storm";
const MINUTE: TimeDelta = TimeDelta::seconds(60);

/// A drill that was played to its end.
struct Played {
    dir: tempfile::TempDir,
    scenario: Scenario,
    seed: u64,
    record: IncidentRecord,
}

fn warroom(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_warroom"))
        .args(arguments)
        .env_clear()
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

impl Played {
    /// Plays the scenario that `text` is.
    fn new(text: &str, seed: u64, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("scenario.toml"), dir.path().join("out"));
        std::fs::write(&file, text).unwrap();
        let seed_said = seed.to_string();
        let mut arguments =
            vec!["drill", file.to_str().unwrap(), "--autopilot", "--speed", "600", "--seed", &seed_said];
        arguments.extend(["--out", out.to_str().unwrap()]);
        arguments.extend(more);
        let ran = warroom(dir.path(), &arguments);
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
        let record = read_incident(&incident_in(&out)).unwrap();
        assert!(record.problems.is_empty(), "{:?}", record.problems);
        Self { scenario: Scenario::parse("scenario.toml", text).unwrap(), seed, record, dir }
    }

    fn incident(&self) -> PathBuf {
        incident_in(&self.dir.path().join("out"))
    }

    fn postmortem(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out/postmortem.md")).unwrap()
    }

    fn truth(&self) -> Truth {
        self.scenario.truth(self.seed).unwrap()
    }

    fn named(&self, name: &str) -> World {
        Times::new(&self.scenario, self.seed).named(name).unwrap()
    }

    fn milestone(&self, name: MilestoneName) -> World {
        milestones(&self.record.entries).at(name).unwrap_or_else(|| panic!("{} is not known", name.as_str()))
    }

    fn all(&self, kind: EntryKind) -> impl Iterator<Item = &Entry> {
        self.record.entries.iter().filter(move |entry| entry.draft.kind == kind)
    }

    fn one(&self, kind: EntryKind, part: &str) -> &Entry {
        let found: Vec<_> = self.all(kind).filter(|entry| entry.draft.title.contains(part)).collect();
        let [entry] = found.as_slice() else { panic!("{} of {kind:?} with `{part}`", found.len()) };
        entry
    }

    /// When what happened, by kind and subject.
    fn story(&self) -> Story {
        let mut story = Story::new();
        for entry in &self.record.entries {
            let what = (entry.draft.kind, entry.draft.subject.to_string());
            story.entry(what).or_default().push(entry.occurred_at);
        }
        story.values_mut().for_each(|times| times.sort());
        story
    }
}

type Story = BTreeMap<(EntryKind, String), Vec<World>>;

fn incident_in(out: &Path) -> PathBuf {
    let members = std::fs::read_dir(out).unwrap().map(|member| member.unwrap().path());
    let found: Vec<_> = members.filter(|path| path.join("journal").is_dir()).collect();
    let [incident] = found.as_slice() else { panic!("incidents in {}: {found:?}", out.display()) };
    incident.clone()
}

fn shipped() -> &'static str {
    text_of(SCENARIO)
}

fn text_of(id: &str) -> &'static str {
    SHIPPED.iter().find(|shipped| shipped.id == id).unwrap().text
}

/// The scenario without the responder's steps whose command line begins so.
fn without_steps(text: &str, lines: &[&str]) -> String {
    let says = |block: &str| lines.iter().any(|line| block.contains(&format!("say = '{line}")));
    let blocks: Vec<_> =
        text.split("\n\n").filter(|block| !(block.starts_with("[[responder]]") && says(block))).collect();
    let left = blocks.join("\n\n");
    assert_eq!(text.split("\n\n").count() - blocks.len(), lines.len(), "each of them was there once");
    left
}

fn without_truth(text: &str) -> String {
    let at = text.find("[truth]").unwrap();
    text[..at].to_owned()
}

fn near(found: World, told: World, what: &str) {
    assert!((found - told).abs() <= MINUTE, "{what}: {found}, and the truth says {told}");
}

/// The same entries by kind and subject, at most a minute apart.
fn same_story(one: &Story, other: &Story) {
    let count =
        |story: &Story| story.iter().map(|(what, times)| (what.clone(), times.len())).collect::<BTreeMap<_, _>>();
    let (ours, theirs) = (count(one), count(other));
    let only = |a: &BTreeMap<_, usize>, b: &BTreeMap<_, usize>| {
        a.iter()
            .filter(|(what, count)| b.get(*what) != Some(*count))
            .map(|(what, _)| format!("{what:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ours, theirs, "not alike: {:?} and {:?}", only(&ours, &theirs), only(&theirs, &ours));
    for (what, times) in one {
        for (a, b) in times.iter().zip(&other[what]) {
            near(*a, *b, &format!("{what:?}"));
        }
    }
}

#[test]
fn a_seed_tells_one_story_which_the_truth_does_not_touch_and_leaves_a_whole_record() {
    let (played, again) = std::thread::scope(|scope| {
        let one = scope.spawn(|| Played::new(shipped(), 1, &[]));
        let other = scope.spawn(|| Played::new(&without_truth(shipped()), 1, &[]));
        (one.join().unwrap(), other.join().unwrap())
    });
    the_story_is_the_truths(&played);
    the_postmortem_tells_it(&played);
    same_story(&played.story(), &again.story());
    any_changed_byte_is_found(&played);
}

fn the_milestones_are_the_truths(played: &Played) {
    let truth = played.truth();
    use MilestoneName::{Acknowledged, Detected, ImpactStart, Mitigated, Resolved};
    for (name, told) in [
        (ImpactStart, truth.impact_start),
        (Detected, truth.detected),
        (Acknowledged, truth.acknowledged),
        (Mitigated, truth.mitigated),
        (Resolved, truth.resolved),
    ] {
        near(played.milestone(name), told, name.as_str());
    }
}

fn the_story_is_the_truths(played: &Played) {
    the_milestones_are_the_truths(played);
    let truth = played.truth();
    let lead_up = played.one(EntryKind::Rollout, "payments 2.9.0");
    assert!(lead_up.occurred_at < truth.impact_start && lead_up.draft.title.ends_with(", by ci/payments"));
    assert!(lead_up.occurred_at < played.milestone(MilestoneName::ImpactStart), "what set it off came before it");
    assert!(played.all(EntryKind::Claimed).count() == 2);
    assert_eq!(played.record.title(), "Payments are slow and some checkouts fail", "as it was titled last");
    let (asked, answered) = (played.one(EntryKind::Asked, ""), played.one(EntryKind::Answered, "2.9.0 dropped"));
    assert!(asked.occurred_at <= answered.occurred_at && answered.draft.actor.name == "developers");
    let intent = played.one(EntryKind::Intent, "replicas 6 → 12");
    let outcome = played.one(EntryKind::Outcome, "12 of 12 ready");
    assert!(intent.occurred_at <= outcome.occurred_at && outcome.occurred_at < truth.mitigated);
    near(played.one(EntryKind::Recovered, "checkout errors").occurred_at, played.named("confirm") + MINUTE, "checkout");
    let seal = played.one(EntryKind::Sealed, "");
    assert!(played.record.entries.iter().all(|entry| entry.observed_at <= seal.observed_at), "nothing is later");
    assert_eq!(played.all(EntryKind::Breach).count(), played.all(EntryKind::Recovered).count());
    let affected: BTreeSet<_> = played.all(EntryKind::Breach).filter_map(|entry| entry.draft.service.clone()).collect();
    assert_eq!(affected.iter().map(|name| name.as_str()).collect::<Vec<_>>(), truth.affected);
}

fn the_postmortem_tells_it(played: &Played) {
    let text = played.postmortem();
    assert!(text.contains("title: \"Payments are slow and some checkouts fail\""), "{text}");
    let named = text.split_once("The last change before it, ").and_then(|(_, rest)| rest.split_once(": "));
    let (_, named) = named.unwrap_or_else(|| panic!("no change is named:\n{text}"));
    assert!(named.starts_with("payments 2.9.0 rolled out"), "seed {}: {}", played.seed, &named[..60]);
    let evidence = text.split("\n## ").find(|section| section.starts_with("Evidence")).unwrap();
    let burst = evidence.lines().find(|line| line.contains("payments logs ")).unwrap_or_else(|| panic!("{evidence}"));
    assert!(burst.contains("errors of payments in the minute from ") && burst.contains(" lines"), "{burst}");
    let timeline = text.split("\n## ").find(|section| section.starts_with("Timeline")).unwrap();
    let mut rest = timeline;
    for part in [
        "payments 2.9.0 rolled out",
        "PaymentsCPUHigh",
        "PaymentsCPUHigh claimed",
        "6 → 12, 12 of 12 ready",
        "checkout errors back",
        "payments 2.9.1 rolled out",
        "payments errors back",
        "phase: resolved",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is not in its place in:\n{timeline}"));
        rest = &rest[at..];
    }
}

#[test]
fn a_bad_deploy_under_an_autoscaler_and_self_heal_is_eased_by_the_autoscalers_bounds_which_are_undone() {
    let text = text_of("bad-deploy");
    let (played, again) = std::thread::scope(|scope| {
        let one = scope.spawn(|| Played::new(text, 1, &[]));
        let other = scope.spawn(|| Played::new(&without_truth(text), 1, &[]));
        (one.join().unwrap(), other.join().unwrap())
    });
    same_story(&played.story(), &again.story());
    the_milestones_are_the_truths(&played);
    let truth = played.truth();
    let lead_up = played.one(EntryKind::Rollout, "checkout 6.2.0");
    assert!(lead_up.occurred_at < truth.impact_start && lead_up.draft.title.ends_with(", by ci/checkout"));
    assert_eq!(played.record.title(), "Checkout is slow and orders fail");

    // Not the workload is scaled, which its autoscaler would set back: its floor and cap are.
    let intents: Vec<_> = played.all(EntryKind::Intent).map(|entry| entry.draft.title.to_string()).collect();
    let [raised, lowered] = intents.as_slice() else { panic!("{intents:?}") };
    assert!(raised.contains("scale Deployment checkout by HPA checkout: floor 3 → 12, cap 6 → 12"), "{raised}");
    assert!(lowered.contains("scale Deployment checkout by HPA checkout back: floor 12 → 3, cap 12 → 6"), "{lowered}");
    let eased = played.one(EntryKind::Outcome, "12 of 12 ready under HPA checkout 12–12");
    assert!(eased.occurred_at < truth.mitigated);
    let undone = played.one(EntryKind::Outcome, "under HPA checkout 3–6");
    assert!(undone.occurred_at > truth.mitigated && undone.occurred_at < truth.resolved);
    let quick = played.one(EntryKind::Recovered, "checkout p99").occurred_at;
    let fix = played.one(EntryKind::Rollout, "checkout 6.2.1").occurred_at;
    assert!(eased.occurred_at < quick && quick < fix && fix < truth.mitigated, "{quick} {fix}");
    // Not by what the release itself lets fail, of which chance decides from minute to minute.
    let fewer = played.one(EntryKind::AlertResolved, "checkout-failures").occurred_at;
    assert!(eased.occurred_at < fewer && fewer < eased.occurred_at + MINUTE * 3, "{fewer}");
    assert_eq!(played.all(EntryKind::Breach).count(), played.all(EntryKind::Recovered).count());
    let affected: BTreeSet<_> = played.all(EntryKind::Breach).filter_map(|entry| entry.draft.service.clone()).collect();
    assert_eq!(affected.iter().map(|name| name.as_str()).collect::<Vec<_>>(), truth.affected);
    assert!(played.postmortem().contains("floor 3 → 12, cap 6 → 12"), "{}", played.postmortem());
}

/// Who practises aborts, rolls back, restarts and scales what stands beside the trouble.
#[test]
fn a_stateful_set_a_daemon_set_and_a_rollout_in_its_canary_answer_to_whoever_practises() {
    let text = text_of("bad-deploy");
    let (world, _) = text.split_once("# The responder's part").unwrap();
    let lines = [
        ("6m", "open practice"),
        ("6m10s", "write prod-eu practice"),
        ("6m20s", "abort shop/recommendations"),
        ("6m30s", "confirm recommendations"),
        ("7m30s", "rollback shop/recommendations"),
        ("7m40s", "confirm"),
        ("8m30s", "rollback shop/cart-store"),
        ("8m40s", "confirm"),
        ("10m", "rollback platform/log-agent 1"),
        ("10m10s", "confirm"),
        ("12m", "restart shop/cart-store"),
        // What nothing takes back takes the name.
        ("12m10s", "confirm cart-store"),
        ("14m", "scale shop/recommendations 5"),
        ("14m10s", "confirm"),
        ("16m", "close"),
        ("16m10s", "export"),
        ("16m20s", "quit"),
    ];
    let steps = lines.map(|(at, say)| format!("[[responder]]\nat = \"release + {at}\"\nsay = '{say}'\n\n")).concat();
    let played = Played::new(&format!("{world}\n{steps}"), 1, &[]);
    for (outcome, words) in [
        ("abort the rollout of Rollout recommendations", "4 of 4 ready, the new one 0; RolloutAborted"),
        ("roll back Rollout recommendations", "recommendations:2.18.0 → recommendations:2.17.0, 4 of 4 ready"),
        ("roll back StatefulSet cart-store", "valkey:8.1.3 → valkey:8.1.1, 3 of 3 replaced, 3 of 3 available"),
        ("roll back DaemonSet log-agent", "fluent-bit:4.0.3 → fluent-bit:3.2.10, 5 of 5 replaced"),
        ("restart StatefulSet cart-store", "3 of 3 replaced, 3 of 3 available"),
        ("scale Rollout recommendations", "replicas 4 → 5, 5 of 5 ready"),
    ] {
        let told = &played.one(EntryKind::Outcome, outcome).draft.title;
        assert!(told.contains(words), "{told}");
    }
    played.one(EntryKind::Rollout, "cart-store 8.1.1 rolled out: image 8.1.3→8.1.1");
    played.one(EntryKind::Rollout, "log-agent 3.2.10 rolled out: image 4.0.3→3.2.10");
    // Nobody who uses the shop felt any of it: the trouble is the same as without.
    let affected: BTreeSet<_> = played.all(EntryKind::Breach).filter_map(|entry| entry.draft.service.clone()).collect();
    assert_eq!(affected.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["checkout"]);
}

/// The lines of the one journal file.
fn journal_lines(incident: &Path) -> Vec<String> {
    let file = std::fs::read_dir(incident.join("journal")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// One byte of each file and of some more places, across all files of the record.
fn any_changed_byte_is_found(played: &Played) {
    let incident = played.incident();
    let verify = || warroom(played.dir.path(), &["incident", "verify", incident.to_str().unwrap()]);
    let whole = verify();
    assert_eq!(whole.status.code(), Some(0), "{}", String::from_utf8_lossy(&whole.stdout));
    let lines = journal_lines(&incident);
    for folder in ["journal", "tracks", "evidence"] {
        assert!(std::fs::read_dir(incident.join(folder)).unwrap().next().is_some(), "{folder}/ is empty");
        for member in std::fs::read_dir(incident.join(folder)).unwrap() {
            let path = member.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            for part in 0..=6 {
                let at = (bytes.len() - 1) * part / 6;
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                std::fs::write(&path, &changed).unwrap();
                let found = verify();
                let told = String::from_utf8_lossy(&found.stdout).into_owned();
                assert_eq!(found.status.code(), Some(3), "byte {at} of {}: {told}", path.display());
                let name = path.file_name().unwrap().to_str().unwrap();
                let line = match name.strip_suffix(".txt") {
                    // The entry that names the evidence.
                    Some(hash) => lines.iter().position(|line| line.contains(hash)).unwrap() + 1,
                    None => bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1,
                };
                let fault = told.lines().find(|line| line.starts_with("NOT AS WRITTEN")).unwrap();
                assert!(fault.contains(name) && fault.contains(&format!(" {line}")), "entry {line} of {name}: {fault}");
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    assert_eq!(verify().status.code(), Some(0));
}

#[test]
fn without_the_scaling_checkout_stays_in_breach_until_the_fix_ships_and_another_seed_has_other_times() {
    let (unscaled, other) = std::thread::scope(|scope| {
        let text = without_steps(shipped(), &["write ", "scale ", "confirm"]);
        let one = scope.spawn(move || Played::new(&text, 1, &[]));
        let other = scope.spawn(|| Played::new(shipped(), 2, &[]));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(unscaled.all(EntryKind::Intent).count(), 0);
    let fix = unscaled.one(EntryKind::Rollout, "payments 2.9.1").occurred_at;
    for signal in ["checkout errors", "checkout p99"] {
        let breach = unscaled.one(EntryKind::Breach, signal);
        let recovered = unscaled.one(EntryKind::Recovered, signal);
        assert!(breach.occurred_at < unscaled.truth().detected && recovered.occurred_at > fix, "{signal}");
    }
    near(unscaled.milestone(MilestoneName::Mitigated), unscaled.truth().mitigated, "mitigated, without the scaling");

    the_story_is_the_truths(&other);
    let times = |played: &Played| {
        let release = played.one(EntryKind::Rollout, "payments 2.9.0").occurred_at;
        [release, played.milestone(MilestoneName::Acknowledged), played.milestone(MilestoneName::Resolved)]
    };
    for (one, another) in times(&unscaled).into_iter().zip(times(&other)) {
        assert_ne!(one, another, "another seed has other times");
    }
}

/// Nobody is asked and nothing is scaled: the release that lost the limit is taken back.
#[test]
fn rolling_back_cures_it_and_the_incident_ends_without_a_fix() {
    let text = without_truth(&without_steps(shipped(), &["ask developers"]));
    let changed = |text: &str, from: &str, to: &str| {
        assert_eq!(text.matches(from).count(), 1, "`{from}`");
        text.replace(from, to)
    };
    let text = changed(&text, "say = 'scale payments/payments 12'", "say = 'rollback payments/payments'");
    // The pipeline's own fix comes after the end.
    let text = changed(&text, "at = \"release + 25m\"", "at = \"release + 45m\"");
    let played = Played::new(&text, 1, &[]);

    let intent = played.one(EntryKind::Intent, "payments:2.9.0 → payments:2.8.0");
    let outcome = played.one(EntryKind::Outcome, "6 of 6 replaced, 6 of 6 available");
    assert!(intent.occurred_at < outcome.occurred_at && outcome.occurred_at - intent.occurred_at < MINUTE * 3);
    let back = played.one(EntryKind::Rollout, "back to");
    assert!(back.draft.title.contains("2.9.0→2.8.0"), "{}", back.draft.title);
    assert_eq!(played.all(EntryKind::Rollout).filter(|entry| entry.draft.title.contains("2.9.1")).count(), 0);
    for signal in ["checkout errors", "checkout p99", "payments errors", "payments p99", "payments refusals"] {
        let recovered = played.one(EntryKind::Recovered, signal).occurred_at;
        assert!(
            recovered > intent.occurred_at && recovered - outcome.occurred_at < MINUTE * 4,
            "{signal} at {recovered}, replaced at {}",
            outcome.occurred_at
        );
    }
    assert_eq!(played.all(EntryKind::Breach).count(), played.all(EntryKind::Recovered).count());
    let mitigated = played.milestone(MilestoneName::Mitigated);
    assert!(mitigated > intent.occurred_at && mitigated - outcome.occurred_at < MINUTE * 4, "{mitigated}");
    assert!(played.postmortem().contains("template payments:2.9.0 → payments:2.8.0"), "{}", played.postmortem());
}

#[test]
fn diverting_in_the_place_of_scaling_saves_the_checkout_too() {
    let text = shipped()
        .replace("say = 'scale payments/payments 12'", "say = 'divert payments second-gateway=45'")
        .replace("say = 'confirm'", "say = 'confirm partner-gateway'");
    assert_ne!(text, shipped());
    let played = Played::new(&text, 1, &[]);
    let change = "partner-gateway 100 % → 55 %, second-gateway 0 % → 45 %";
    let intent = played.one(EntryKind::Intent, change);
    let outcome = played.one(EntryKind::Outcome, change);
    assert!(outcome.draft.title.contains("partner-gateway says"), "{}", outcome.draft.title);
    assert_eq!(intent.draft.service.as_ref().map(|name| name.as_str()), Some("payments"));
    let fix = played.one(EntryKind::Rollout, "payments 2.9.1").occurred_at;
    let saved = played.one(EntryKind::Recovered, "checkout errors").occurred_at;
    assert!(intent.occurred_at < saved && saved < fix, "{saved}");
    let cured = played.one(EntryKind::Recovered, "payments errors").occurred_at;
    assert!(cured > fix, "the second partner is too small to cure it: {cured}");
    assert!(played.postmortem().contains(change));
}

#[test]
fn whatever_the_seed_the_release_comes_before_the_impact_and_is_the_change_that_is_named() {
    for seeds in [[3, 4, 5], [7, 11, 42]] {
        std::thread::scope(|scope| {
            let played = seeds.map(|seed| scope.spawn(move || Played::new(shipped(), seed, &[])));
            for played in played {
                let played = played.join().unwrap();
                the_story_is_the_truths(&played);
                the_postmortem_tells_it(&played);
            }
        });
    }
}

#[test]
fn a_session_that_joins_ten_minutes_after_detection_meets_the_same_milestones() {
    // The responder acts when the late one is there, in both.
    let late = shipped().replace("at = \"release + 6m30s\"", "at = \"release + 16m30s\"");
    let late = late.replace("ends = \"release + 34m\"", "ends = \"release + 44m\"");
    let late = late.replace("at = \"release + 25m\"", "at = \"release + 45m\"");
    let (there, joined) = std::thread::scope(|scope| {
        let there = scope.spawn(|| Played::new(&late, 1, &[]));
        let joined = scope.spawn(|| Played::new(&late, 1, &["--join-after", "11m", "--tz", "Europe/Berlin"]));
        (there.join().unwrap(), joined.join().unwrap())
    });
    assert!(joined.postmortem().contains("| UTC | Europe/Berlin |") && !there.postmortem().contains("Europe/Berlin"));
    let opened = |played: &Played| played.scenario.opens(1);
    assert!(opened(&joined) + TimeDelta::minutes(11) >= joined.truth().detected + TimeDelta::minutes(9));
    for name in MilestoneName::ALL {
        near(joined.milestone(name), there.milestone(name), name.as_str());
        let told = joined.truth();
        let told = match name {
            MilestoneName::ImpactStart => told.impact_start,
            MilestoneName::Detected => told.detected,
            MilestoneName::Acknowledged => told.acknowledged,
            MilestoneName::Mitigated => told.mitigated,
            MilestoneName::Resolved => told.resolved,
        };
        near(joined.milestone(name), told, name.as_str());
    }
}
