//! Signals and time: what is noticed once is told once, and time may jump.

use crate::model::change::{Change, ChangeKind};
use crate::model::cluster::{Pod, Workload};
use crate::model::entry::{ActorKind, Body};
use crate::model::name::{Kind, ObjectPath, WorkloadKey};
use crate::observe::situation::{Heard, situation};

use super::*;

fn rollout(at: World, title: &str) -> Entry {
    let mut entry = testing::entry(title, EntryKind::Rollout, at, title);
    entry.observed_at = at;
    entry
}

#[test]
fn the_rolling_record_lets_go_of_what_no_incident_would_be_given() {
    let mut story = Story::begin();
    story.command("note a word").hears(vec![alert("Slow", "s", at(0))]);
    let mut burst = testing::entry("b", EntryKind::WarningEvent, at(0), "an old event");
    burst.observed_at = at(0);
    for entry in [burst, rollout(at(0), "yesterday's rollout")] {
        story.send(Message::Written { entry, to: None });
    }
    story.core.facing.drill = true;
    story.send(Message::Tick(at(3500)));
    assert_eq!(story.core.entries.len(), 4);
    story.send(Message::Tick(at(3700)));
    assert_eq!(story.kinds(), [EntryKind::Note, EntryKind::AlertFiring, EntryKind::Rollout]);
    story.send(Message::Tick(at(25 * 3600)));
    assert_eq!(story.kinds(), [EntryKind::Note, EntryKind::AlertFiring]);
}

#[test]
fn what_was_told_is_remembered_within_bounds() {
    let mut told = crate::session::core::Told::<crate::session::core::Mark>::default();
    let mark = |number: usize| (EntryKind::WarningEvent, Safe::from(format!("{number}")), at(0));
    let often = (EntryKind::AlertFiring, Safe::from("always"), at(0));
    assert!(told.insert(often.clone()));
    for number in 0..3 * crate::session::core::Told::<crate::session::core::Mark>::CAP {
        assert!(told.insert(mark(number)));
        if number % 1000 == 0 {
            assert!(!told.insert(often.clone()), "told again at {number}");
        }
    }
    assert!(told.insert(mark(0)), "long ago and never again: forgotten");
}

#[test]
fn a_past_with_a_senseless_time_does_not_keep_the_program() {
    let mut story = Story::begin();
    let said = |occurred, key| {
        let body = Signal::Alerts(Delta::Upsert(vec![alert(key, key, occurred)]));
        Stamped { origin: alertmanager(), occurred, observed: at(0), body }
    };
    let ages_ago = World::from_timestamp(0, 0).unwrap();
    let in_ages = at(100 * 365 * 86_400);
    let begun = std::time::Duration::from_secs(2);
    let before = crate::clock::wall();
    story.send(Message::BackFilled(vec![said(ages_ago, "old"), said(at(-60), "now"), said(in_ages, "new")]));
    assert!(crate::clock::wall() - before < begun);
    assert_eq!(story.kinds().iter().filter(|kind| **kind == EntryKind::AlertFiring).count(), 3);
}

#[test]
fn a_cluster_and_what_fires_are_shown_while_the_past_is_still_being_read() {
    let core = Core::new(&environment(), Arc::new(Catalogue::default()), Actor::system(), at(0), 1);
    let mut story = Story { core, effects: Vec::new(), beside: Beside::default() };
    let pod = Pod {
        path: ObjectPath::new("shop", "web-1"),
        uid: "u".into(),
        owner: None,
        revision: None,
        node: Some("node-1".into()),
        status: "Running".into(),
        ready: 1,
        containers: 1,
        restarts: 1,
        is_ready: true,
        terminating: false,
        created: at(-3600),
        last_end: Some(("OOMKilled".into(), at(-60))),
        message: None,
        cpu_request: 0,
        cpu_limit: 0,
        memory_request: 0,
        memory_limit: 0,
        image: "1".into(),
    };
    let origin = Origin { env: "prod-eu".into(), source: SourceId::from("pods") };
    let pods = Stamped { origin, occurred: at(0), observed: at(0), body: Signal::Pods(Delta::All(vec![pod])) };
    story.send(Message::Signals(vec![pods])).send(Message::Tick(at(1))).hears(vec![alert("Now", "n", at(0))]);
    assert_eq!(story.core.picture.workloads.pod_counts().all, 1, "it is shown");
    assert_eq!(story.core.picture.alerts.counts().firing, 1, "and so is what fires");
    assert!(story.kinds().is_empty(), "what is noticed waits for what was before");
    let said: Vec<_> =
        situation(&story.core.picture, at(1), Heard::All).into_iter().map(|clause| clause.text).collect();
    assert!(said.iter().any(|text| text.contains("1 alert fires")), "{said:?}");
    assert_eq!(said.last().map(Safe::as_str), Some("what changed before is still being read"), "{said:?}");
    let body = Signal::Alerts(Delta::Upsert(vec![alert("Before", "b", at(-120))]));
    let before = Stamped { origin: alertmanager(), occurred: at(-120), observed: at(1), body };
    story.send(Message::BackFilled(vec![before]));
    assert_eq!(story.kinds(), [EntryKind::AlertFiring, EntryKind::OomKilled, EntryKind::AlertFiring]);
    assert_eq!(story.core.entries[0].draft.subject, "Before");
    assert_eq!(story.core.picture.alerts.counts().firing, 2);
    story.send(Message::Tick(at(20)));
    assert_eq!(story.kinds().len(), 3, "and is told once");
}

#[test]
fn where_no_source_has_a_past_nothing_that_was_told_goes_with_it() {
    let mut story = Story::begin();
    story.hears(vec![alert("Now", "n", at(-10))]).send(Message::BackFilled(Vec::new()));
    assert_eq!(story.core.picture.alerts.counts().firing, 1);
}

#[test]
fn an_alert_that_is_claimed_while_the_past_is_being_read_stays_claimed() {
    let core = Core::new(&environment(), Arc::new(Catalogue::default()), Actor::system(), at(0), 1);
    let mut story = Story { core, effects: Vec::new(), beside: Beside::default() };
    story.hears(vec![alert("Now", "n", at(-10))]).command("claim Now");
    assert!(story.kinds().contains(&EntryKind::Claimed), "{}", story.notice());
    let before = Signal::Alerts(Delta::Upsert(vec![alert("Now", "n", at(-10))]));
    story.send(Message::BackFilled(vec![Stamped {
        origin: alertmanager(),
        occurred: at(-10),
        observed: at(1),
        body: before,
    }]));
    let rows = story.core.picture.alerts.rows();
    assert_eq!((rows.len(), rows[0].claim.is_some()), (1, true), "{rows:?}");
}

#[test]
fn a_clock_that_goes_back_closes_the_window_and_is_followed() {
    let mut story = Story::begin();
    story.send(Message::Tick(at(0))).command("write prod-eu storm").send(Message::Tick(at(-3600)));
    assert_eq!(story.core.window, WriteWindow::Closed, "it would have stayed open for an hour more");
    assert_eq!(story.core.now, at(-3600));
    assert!(story.kinds().contains(&EntryKind::Gap));
    story.command("write prod-eu storm");
    assert!(matches!(story.core.window, WriteWindow::Open { until, .. } if until == at(-3600 + 900)));
}

#[test]
fn hours_that_nobody_watched_are_a_gap() {
    let mut story = Story::begin();
    story.send(Message::Tick(at(1))).send(Message::Tick(at(2))).send(Message::Tick(at(7202)));
    let gap = story.core.entries.last().unwrap();
    assert_eq!(gap.draft.kind, EntryKind::Gap);
    assert_eq!(gap.occurred_at, at(2));
    assert!(story.notice().contains("nothing was seen for 120 min"));
}

fn workload(uid: &str) -> Workload {
    Workload {
        key: WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new("payments", "payments") },
        uid: uid.into(),
        desired: 12,
        updated: 12,
        ready: 12,
        total: 12,
        revision: None,
        images: Default::default(),
        generation: 2,
        observed_generation: 2,
        paused: false,
        trouble: None,
        selector: Default::default(),
        managed_by: None,
        cpu_request: 500,
        memory_request: 256 << 20,
    }
}

/// A change of payments, told by the cluster's source.
fn changed(kind: ChangeKind, id: &str, by: Option<&str>) -> Message {
    let change = Change {
        id: id.into(),
        at: at(20),
        kind,
        workload: Some(workload("u-1").key),
        service: None,
        title: "x".into(),
        before: Some("6".into()),
        after: Some("12".into()),
        by: by.map(Safe::from),
        revision: None,
    };
    let origin = Origin { env: EnvId::from("prod-eu"), source: SourceId::from("workloads") };
    Message::Signals(vec![Stamped { origin, occurred: at(20), observed: at(20), body: Signal::Change(change) }])
}

#[test]
fn who_made_a_change_is_told_by_the_change_and_not_by_its_source() {
    let mut story = Story::begin();
    story.send(Message::Tick(at(30)));
    story.send(changed(ChangeKind::Rollout, "a", Some("ci/payments")));
    story.send(changed(ChangeKind::Rollout, "b", Some("bob@example.com")));
    story.send(changed(ChangeKind::Rollout, "c", Some("kubectl set image deploy/payments x=y")));
    story.send(changed(ChangeKind::Scale, "d", None));
    let actors: Vec<_> = story.core.entries.iter().map(|entry| &entry.draft.actor).collect();
    let told: Vec<_> = actors.iter().map(|actor| (actor.kind, actor.name.as_str())).collect();
    let (human, automation) = (ActorKind::Human, ActorKind::Automation);
    let unknown = (automation, "unknown");
    assert_eq!(told, [(automation, "ci/payments"), (human, "bob@example.com"), unknown, unknown]);
}

#[test]
fn an_own_scale_names_who_took_the_action_and_one_of_another_object_does_not() {
    for (uid, own) in [("u-1", true), ("u-2", false)] {
        let mut story = Story::begin();
        let origin = Origin { env: EnvId::from("prod-eu"), source: SourceId::from("workloads") };
        let body = Signal::Workloads(Delta::All(vec![workload(uid)]));
        let seen = Stamped { origin, occurred: at(10), observed: at(10), body };
        story.send(Message::Tick(at(15))).send(Message::Signals(vec![seen]));
        let mut intent = testing::by("ana", testing::entry("I", EntryKind::Intent, at(15), "about to scale"));
        intent.draft.body = Some(Body::Intent(Box::new(testing::plan("p1", "kubectl scale"))));
        story.send(Message::Written { entry: intent, to: None });
        story.send(Message::Tick(at(30))).send(changed(ChangeKind::Scale, "s", None));
        let scaled = story.core.entries.last().unwrap();
        assert_eq!(scaled.draft.kind, EntryKind::Rescaled);
        assert_eq!(scaled.draft.actor.name == "ana", own, "{uid}: {:?}", scaled.draft.actor);
        let told = format!("by the action of {}, p1", at(15).format("%H:%M:%SZ"));
        assert_eq!(scaled.draft.detail.as_deref() == Some(told.as_str()), own, "{:?}", scaled.draft.detail);
    }
}
