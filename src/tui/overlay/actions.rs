//! The action menu: what can be done about the selected row. What cannot run is not offered.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::config::WritePolicy;
use crate::model::command::{AlertChoice, Command, WorkloadChoice};
use crate::model::name::{Kind, ServiceName, WorkloadKey};
use crate::model::plan::{Request, Revision};
use crate::session::commands::Declaration;
use crate::session::{self, ActionState, WriteWindow};
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::panes::Item;
use crate::tui::scene::Scene;
use crate::tui::state::State;
use crate::tui::theme::Role;

use super::{Card, routes};

/// One choice.
pub(in crate::tui) struct Choice {
    pub(in crate::tui) title: String,
    pub(in crate::tui) does: Does,
}

/// What a choice does.
pub(in crate::tui) enum Does {
    Run(Command),
    /// Opens the command line with this.
    Line(String),
    /// Opens the question for a write window.
    Write,
}

/// Whether anything may ever be changed here.
pub(in crate::tui) fn may_act(scene: &Scene<'_>) -> bool {
    scene.facing.write == WritePolicy::Ask && scene.journal_failed.is_none()
}

/// The commands that are offered now.
pub(in crate::tui) fn offered(scene: &Scene<'_>) -> impl Fn(&Declaration) -> bool + use<> {
    session::offered(may_act(scene), scene.window)
}

fn workloads<'a>(scene: &Scene<'a>, selected: Option<&Item<'a>>, chip: Option<&ServiceName>) -> Vec<&'a WorkloadKey> {
    match selected {
        Some(Item::Workload(row) | Item::Pod(row, _)) => vec![&row.key],
        other => {
            let Some(service) = other.and_then(Item::service).or(chip) else { return Vec::new() };
            scene.workloads.iter().filter(|row| row.service.as_ref() == Some(service)).map(|row| &row.key).collect()
        }
    }
}

/// The Argo CD Application that a workload is part of, as a command line names it: those outside
/// Argo CD's own namespace are tracked as `namespace_name`.
fn application(scene: &Scene<'_>, key: &WorkloadKey) -> Option<String> {
    let row = scene.workloads.iter().find(|row| row.key == *key)?;
    let name = row.workload.as_ref()?.managed_by.as_ref()?.strip_prefix("Argo CD ")?;
    Some(name.replacen('_', "/", 1))
}

/// What can be done about `selected` now.
pub(in crate::tui) fn choices(
    scene: &Scene<'_>,
    selected: Option<&Item<'_>>,
    chip: Option<&ServiceName>,
) -> Vec<Choice> {
    let mut choices = Vec::new();
    let mut offer = |title: String, does: Does| choices.push(Choice { title, does });
    if let Some(Item::Alert(row)) = selected
        && row.claim.as_ref().is_none_or(|claim| claim.by != scene.actor.name)
        && row.fires()
    {
        let choice = AlertChoice::Exactly { origin: row.origin.clone(), key: row.alert.key.clone() };
        let title = match &row.claim {
            Some(claim) => format!("take {} over from {} …", row.alert.name, claim.by),
            None => format!("claim {}", row.alert.name),
        };
        offer(title, Does::Run(Command::Claim(choice)));
    }
    if may_act(scene) {
        match scene.window {
            WriteWindow::Closed => offer("open a write window, to change something".into(), Does::Write),
            WriteWindow::Open { .. } => {
                for key in workloads(scene, selected, chip) {
                    offer(format!("scale {key} …"), Does::Line(format!("scale {} ", key.path)));
                    if scene.workloads.iter().any(|row| row.key == *key && row.autoscaler.is_some()) {
                        let line = format!("bound {} ", key.path);
                        offer(format!("set floor and cap of {key}'s autoscaler …"), Does::Line(line));
                    }
                    let workload = || WorkloadChoice::Exactly(key.clone());
                    if matches!(key.kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Rollout) {
                        let back = Command::RollBack { workload: workload(), to: Revision::Previous };
                        offer(format!("roll back {key}"), Does::Run(back));
                    }
                    if key.kind == Kind::Rollout {
                        offer(
                            format!("abort the rollout of {key}"),
                            Does::Run(Command::Abort { workload: workload() }),
                        );
                    }
                    if matches!(key.kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Rollout) {
                        offer(format!("restart {key}"), Does::Run(Command::Restart { workload: workload() }));
                    }
                    if let Some(app) = application(scene, key) {
                        offer(
                            format!("roll back Argo CD app {app} …"),
                            Does::Line(format!("rollback Application {app} ")),
                        );
                    }
                }
                for route in routes::offers(scene, selected, chip) {
                    offer(route.title, Does::Line(route.line));
                }
                if let Some(Item::Alert(row)) = selected
                    && row.fires()
                {
                    offer(
                        format!("silence {} …", row.alert.name),
                        Does::Line(format!("silence {} 2h ", row.alert.name)),
                    );
                }
                let undoable = scene.actions.iter().rev().find(|action| action.undoable());
                if let Some(action) = undoable {
                    offer(format!("undo: {}", action.plan.title), Does::Run(Command::Undo));
                }
                for one in scene.left_over {
                    let undo = Command::UndoLeftover { which: one.handle().into() };
                    offer(format!("undo what is left over: {}", one.plan.title), Does::Run(undo));
                }
                offer("close the write window".into(), Does::Run(Command::CloseWrite));
            }
        }
    }
    for action in scene.actions.iter().filter(|action| matches!(action.state, ActionState::Under(_))) {
        if let Request::RunStep { step, .. } = &action.plan.request {
            offer(format!("stop: {}", action.plan.title), Does::Run(Command::StopStep { step: Some(*step) }));
        }
    }
    let service = selected.and_then(Item::service).or(chip);
    if let Some(service) = service.filter(|name| scene.catalogue.service(name).is_some_and(|one| one.runbook.is_some()))
    {
        offer(format!("open the runbook of {service}"), Does::Run(Command::Runbook { service: Some(service.clone()) }));
    }
    offer("note a command run elsewhere …".into(), Does::Line("ran ".into()));
    for one in scene.left_over {
        let (title, line) =
            (format!("say who owns what is left over: {} …", one.plan.title), format!("own {} ", one.handle()));
        offer(title, Does::Line(line));
    }
    if scene.incident.is_some() {
        offer("write a note …".into(), Does::Line("note ".into()));
        offer("ask somebody …".into(), Does::Line("ask ".into()));
        offer("set the phase …".into(), Does::Line("phase ".into()));
        offer("set the severity …".into(), Does::Line("severity ".into()));
        offer("write the postmortem".into(), Does::Run(Command::Export { path: None }));
        offer("close the incident …".into(), Does::Line("close".into()));
    } else {
        offer("declare an incident …".into(), Does::Line("open ".into()));
    }
    choices
}

pub(super) fn draw(
    at: usize,
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) {
    let selected = state.selected(scene);
    let choices = choices(scene, selected.as_ref(), state.chip.as_ref());
    let mut card = Card::new(brush, Role::Dialog, body, 72, 4);
    card.title(Role::TitleFocus, "Act").title(Role::Dim, "  nothing is changed before a plan was shown and confirmed");
    for (index, choice) in choices.iter().enumerate() {
        let mut ink = card.ink();
        let chosen = index == at;
        let mark = if brush.ascii { ">" } else { "▸" };
        ink.put(Role::Accent, if chosen { mark } else { " " }).gap(1);
        let digit = if index < 9 { (index + 1).to_string() } else { " ".into() };
        ink.put(Role::Key, &digit).gap(1);
        let title = if brush.ascii { choice.title.replace('…', "...") } else { choice.title.clone() };
        ink.put(if chosen { Role::Selected } else { Role::Text }, &title);
        card.lines.push(ink.line());
    }
    if !may_act(scene) {
        let why = if scene.journal_failed.is_some() {
            "Nothing can be changed: the record cannot be written."
        } else {
            "Read-only: the configuration allows no changes in this environment."
        };
        card.blank().text(why, Role::Dim);
    }
    for one in scene.open_intents {
        card.text(&format!("No outcome is recorded of {}.", one.words()), Role::Warn);
    }
    let mut foot = card.ink();
    super::keys(&mut foot, &state.keymap, Where::Dialog, &[("accept", "take"), ("back", "back")]);
    card.foot = vec![foot.line()];
    // What is chosen is always in sight.
    let mut scroll = (at + 4).saturating_sub(usize::from(body.height));
    card.draw(body, &mut scroll, buffer);
}
