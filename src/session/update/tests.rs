//! Scripts of messages, as a responder's story. A journal that keeps everything stands in for
//! the disk.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

mod act;
mod autoscaled;
mod beside;
mod declared;
mod grave;
mod incident;
mod record;
mod see;
mod settle;
mod silence;
mod tracks;

use super::update;
use crate::clock::World;
use crate::config::{Catalogue, Environment, WritePolicy};
use crate::model::alert::{Alert, AlertKey, AlertSeverity, AlertState};
use crate::model::command::{AlertChoice, Command, MilestoneTime};
use crate::model::entry::{Actor, Entry, EntryId, EntryKind, MilestoneName, Phase};
use crate::model::name::{EnvId, Origin, SourceId};
use crate::model::plan::{Instead, Outcome, Plan, Replicas, Revision};
use crate::model::signal::{Delta, Signal, Stamped};
use crate::record::{Beside, JournalError, testing};
use crate::session::{ActionState, Core, Effect, Message, NoticeKind, PlanView, WriteWindow};
use crate::text::Safe;

fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

fn environment() -> Environment {
    crate::config::testing::environment(WritePolicy::Ask)
}

struct Story {
    core: Core,
    effects: Vec<Effect>,
    /// What others do, as often as it is looked.
    beside: Beside,
}

impl Story {
    fn begin() -> Self {
        let core = Core::new(&environment(), Arc::new(Catalogue::default()), Actor::system(), at(0), 0);
        Self { core, effects: Vec::new(), beside: Beside::default() }
    }

    /// Sends a message; every entry that is handed over becomes durable at once, and whoever asks
    /// what others do is answered.
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
            if let Effect::LookBeside(incident) = &effect {
                let beside = Box::new(self.beside.clone());
                todo.extend(update(&mut self.core, Message::Beside { incident: incident.clone(), beside }));
            }
            self.effects.push(effect);
        }
        self
    }

    fn command(&mut self, line: &str) -> &mut Self {
        let mut command = crate::session::commands::parse(line).unwrap();
        // As a front does: with the plan that it shows.
        if let Command::Confirm { plan, .. } = &mut command {
            *plan = self.core.shown_plan().map(|plan| plan.id.clone());
        }
        self.send(Message::Command(command))
    }

    /// The incident that was asked for stands ready.
    fn ready(&mut self, id: &str, title: &str) -> &mut Self {
        let (id, title) = (id.into(), title.into());
        self.send(Message::IncidentReady { id, title, earlier: Vec::new(), before: Vec::new() })
    }

    fn hears(&mut self, alerts: Vec<Alert>) -> &mut Self {
        let occurred = self.core.now;
        let body = Signal::Alerts(Delta::Upsert(alerts));
        self.send(Message::Signals(vec![Stamped { origin: alertmanager(), occurred, observed: occurred, body }]))
    }

    /// The window is open and a plan is shown.
    fn planned(&mut self, plan: Plan) -> &mut Self {
        self.command("write prod-eu storm");
        self.core.desk.planning = Some(7);
        self.send(Message::Planned { ticket: 7, result: Ok(plan) })
    }

    fn titles(&self) -> Vec<&str> {
        self.core.entries.iter().map(|entry| entry.draft.title.as_str()).collect()
    }

    fn kinds(&self) -> Vec<EntryKind> {
        self.core.entries.iter().map(|entry| entry.draft.kind).collect()
    }

    fn notice(&self) -> &str {
        self.core.notice.as_ref().map_or("", |notice| notice.text.as_str())
    }
}

fn alertmanager() -> Origin {
    Origin { env: EnvId::from("prod-eu"), source: SourceId::from("alertmanager") }
}

fn alert(name: &str, key: &str, since: World) -> Alert {
    Alert {
        key: AlertKey(key.into()),
        name: name.into(),
        severity: AlertSeverity::Critical,
        state: AlertState::Firing,
        since,
        labels: [(Safe::from("pod"), Safe::from(key))].into(),
        summary: None,
        link: None,
    }
}

/// A plan that was read now and can be confirmed for 90 seconds.
fn plan(id: &str, now: World) -> Plan {
    Plan { read_at: now, expires_at: now + TimeDelta::seconds(90), ..testing::plan(id, "kubectl scale") }
}

/// The durable entry of what was handed over.
fn durable(id: &str, effect: &Effect) -> (u64, Entry) {
    let Effect::Record { ticket, dated, .. } = effect else { panic!("not an entry: {effect:?}") };
    let entry = Entry {
        id: EntryId(id.into()),
        occurred_at: dated.occurred_at,
        observed_at: dated.observed_at,
        draft: dated.draft.clone(),
    };
    (*ticket, entry)
}
