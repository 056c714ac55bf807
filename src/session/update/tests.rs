//! Scripts of messages, as a responder's story. A journal that keeps everything stands in for
//! the disk.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::update;
use crate::clock::World;
use crate::config::{Catalogue, Environment, WritePolicy};
use crate::model::command::{AlertChoice, Command, MilestoneTime};
use crate::model::entry::{Actor, Entry, EntryId, EntryKind, MilestoneName, Phase};
use crate::record::JournalError;
use crate::session::{Core, Effect, Message, NoticeKind, WriteWindow};
use crate::text::Safe;

fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

fn environment() -> Environment {
    Environment {
        name: "prod-eu".into(),
        production: true,
        color: None,
        write: WritePolicy::Ask,
        write_window: Duration::from_secs(900),
        drill: false,
        kubernetes: None,
        aws: None,
        alertmanager: Vec::new(),
        prometheus: Vec::new(),
    }
}

struct Story {
    core: Core,
    effects: Vec<Effect>,
}

impl Story {
    fn begin() -> Self {
        let core = Core::new(&environment(), Arc::new(Catalogue::default()), Actor::system(), at(0), 0);
        Self { core, effects: Vec::new() }
    }

    /// Sends a message; every entry that is handed over becomes durable at once.
    fn send(&mut self, message: Message) -> &mut Self {
        let mut todo = update(&mut self.core, message);
        while !todo.is_empty() {
            let effect = todo.remove(0);
            if let Effect::Record { ticket, dated, .. } = &effect {
                let entry = Entry {
                    id: EntryId(format!("E{ticket}").into()),
                    occurred_at: dated.occurred_at,
                    observed_at: dated.observed_at,
                    draft: dated.draft.clone(),
                };
                todo.extend(update(&mut self.core, Message::Recorded { ticket: *ticket, result: Ok(entry) }));
            }
            self.effects.push(effect);
        }
        self
    }

    fn command(&mut self, line: &str) -> &mut Self {
        let command = crate::session::commands::parse(line).unwrap();
        self.send(Message::Command(command))
    }

    fn kinds(&self) -> Vec<EntryKind> {
        self.core.entries.iter().map(|entry| entry.draft.kind).collect()
    }

    fn notice(&self) -> &str {
        self.core.notice.as_ref().map_or("", |notice| notice.text.as_str())
    }
}

#[test]
fn what_was_noted_before_is_carried_into_the_incident() {
    let mut story = Story::begin();
    story.command("note payments looks slow").send(Message::Tick(at(60))).command("open Checkout fails");
    assert!(matches!(&story.effects.last(), Some(Effect::Declare { title, .. }) if *title == "Checkout fails"));
    story.send(Message::IncidentReady {
        id: "2026-11-18-checkout".into(),
        title: "Checkout fails".into(),
        earlier: Vec::new(),
    });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note]);
    assert_eq!(story.core.entries[1].occurred_at, at(0), "its own time stays");
    assert_eq!(story.core.incident.as_ref().unwrap().phase, Phase::Investigating);
    assert!(story.effects.contains(&Effect::WriteTo("2026-11-18-checkout".into())));
}

#[test]
fn an_open_incident_that_is_opened_again_gets_a_better_title_once_that_is_durable() {
    let mut story = Story::begin();
    story.command("open x").send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new() });
    update(&mut story.core, Message::Command(Command::Open { title: "not yet durable".into() }));
    assert_eq!(story.core.incident.as_ref().unwrap().title, "x");
    story.command("open Checkout fails");
    let incident = story.core.incident.clone().unwrap();
    assert_eq!((incident.id.0.as_str(), incident.title.as_str()), ("i", "Checkout fails"));
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Opened]);
    let titled = &story.core.entries[1].draft;
    assert_eq!((titled.before.as_deref(), titled.after.as_deref()), (Some("x"), Some("Checkout fails")));
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Declare { title, .. } if *title != "x")));
    // Taken up again, it has the title that it was given last.
    let mut later = Story::begin();
    let title = Safe::from("Checkout fails");
    later.send(Message::IncidentReady { id: "i".into(), title, earlier: story.core.entries.clone() });
    assert_eq!(later.core.incident.as_ref().unwrap().title, "Checkout fails");
    story.command("open Checkout fails");
    assert_eq!(story.kinds().len(), 2, "the same title again is no entry");
}

#[test]
fn an_entry_in_flight_while_the_incident_is_declared_is_neither_lost_nor_doubled() {
    let mut story = Story::begin();
    let handed = update(&mut story.core, Message::Command(Command::Note { text: "early".into() }));
    let Some(Effect::Record { ticket, dated, .. }) = handed.into_iter().next() else { unreachable!() };
    story.command("open Checkout");
    story.send(Message::IncidentReady { id: "i".into(), title: "t".into(), earlier: Vec::new() });
    // The rolling journal's answer comes late.
    let entry = Entry {
        id: EntryId("late".into()),
        occurred_at: dated.occurred_at,
        observed_at: dated.observed_at,
        draft: dated.draft,
    };
    story.send(Message::Recorded { ticket, result: Ok(entry) });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note]);
    assert_eq!(story.core.unrecorded, 0);
}

#[test]
fn nothing_is_shown_before_it_is_durable() {
    let mut story = Story::begin();
    update(&mut story.core, Message::Command(Command::Note { text: "x".into() }));
    assert!(story.core.entries.is_empty());
    assert_eq!(story.core.unrecorded, 1);
}

#[test]
fn a_journal_that_fails_takes_the_actions_away_and_says_so() {
    let mut story = Story::begin();
    story.command("write prod-eu scale for the storm");
    assert!(matches!(story.core.window, WriteWindow::Open { .. }));
    let ticket = match update(&mut story.core, Message::Command(Command::Note { text: "x".into() })).as_slice() {
        [Effect::Record { ticket, .. }] => *ticket,
        other => panic!("{other:?}"),
    };
    let full = JournalError::Failed("could not write the journal: no space left on device".into());
    story.send(Message::Recorded { ticket, result: Err(full) });
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert!(story.notice().contains("no space left on device"));
    story.command("write prod-eu again");
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert!(story.notice().contains("actions are off"));
}

#[test]
fn the_write_window_opens_only_for_the_right_name_and_closes_by_itself() {
    let mut story = Story::begin();
    story.command("write prod-us scale");
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert_eq!(story.core.notice.as_ref().unwrap().kind, NoticeKind::Error);
    story.command("write prod-eu scale");
    assert!(matches!(story.core.window, WriteWindow::Open { until, .. } if until == at(900)));
    story.send(Message::Tick(at(899)));
    assert!(matches!(story.core.window, WriteWindow::Open { .. }));
    story.send(Message::Tick(at(900)));
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert_eq!(story.kinds(), [EntryKind::WriteWindow, EntryKind::WriteWindow]);
}

#[test]
fn a_plan_needs_an_open_window_and_a_known_workload() {
    let mut story = Story::begin();
    story.command("scale payments 12");
    assert!(story.notice().contains(":write prod-eu REASON"));
    story.command("write prod-eu storm").command("scale payments 12");
    assert!(story.notice().contains("no workload `payments` is known"));
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. } | Effect::Apply { .. })));
}

#[test]
fn an_unknown_alert_is_not_claimed() {
    let mut story = Story::begin();
    story.send(Message::Command(Command::Claim(AlertChoice::Named(Safe::from("Nope")))));
    assert!(story.core.entries.is_empty());
    assert!(story.notice().contains("no alert `Nope` is known"));
}

#[test]
fn a_milestone_by_time_of_day_is_never_in_the_future() {
    let mut story = Story::begin();
    story.command("open x").send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new() });
    let now = at(0);
    let later = (now + TimeDelta::minutes(5)).time();
    story.send(Message::Command(Command::Milestone {
        name: MilestoneName::Detected,
        at: Some(MilestoneTime::OfDay(later)),
    }));
    let detected = story.core.milestones.at(MilestoneName::Detected);
    assert_eq!(detected, Some(now + TimeDelta::minutes(5) - TimeDelta::days(1)));
}

#[test]
fn closing_seals_the_record_and_a_new_incident_starts_clean() {
    let mut story = Story::begin();
    story.command("open x").send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new() });
    story.command("note one").command("close");
    assert!(story.core.incident.is_none());
    assert!(story.effects.contains(&Effect::Seal("i".into())));
    story.command("note two").command("open y").send(Message::IncidentReady {
        id: "j".into(),
        title: "y".into(),
        earlier: Vec::new(),
    });
    let titles: Vec<_> = story.core.entries.iter().map(|entry| entry.draft.title.to_string()).collect();
    assert_eq!(titles, ["incident declared: y", "two"]);
}

#[test]
fn what_an_earlier_process_wrote_is_not_told_twice() {
    let mut earlier = Story::begin();
    earlier.command("open x").send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new() });
    earlier.command("note one");
    let mut story = Story::begin();
    story.send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: earlier.core.entries.clone() });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note, EntryKind::Note]);
    assert!(story.core.entries[2].draft.title.contains("takes the incident up again"));
}
