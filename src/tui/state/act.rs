//! Commands on the screen: view commands change it, the others go to the core.

use tui_input::Input;

use crate::clock::Wall;
use crate::model::command::{AlertChoice, Command, Pane, View};
use crate::model::log::Level;
use crate::model::name::ServiceName;
use crate::model::plan::Request;
use crate::session::{ActionState, NoticeKind, PlanView, Purpose};
use crate::text::Safe;
use crate::tui::editor::Edited;
use crate::tui::filter::{Fields as _, Filter};
use crate::tui::list::{Keyed as _, Move};
use crate::tui::overlay::{closing, runbook};
use crate::tui::panes::logs::Goal;
use crate::tui::panes::{self, Item, Paint, logs};
use crate::tui::scene::Scene;
use crate::tui::theme::Theme;
use crate::tui::words;

use super::{Commands, Leaving, Overlay, Prompt, PromptKind, Shown, State, Wish};

/// Columns of one step sideways.
const SIDEWAYS: usize = 8;
/// Lines of the log that are saved to a file.
const SAVED_LINES: usize = 10_000;

impl State {
    /// Does a view command; hands any other to the core.
    pub(in crate::tui) fn command(&mut self, command: Command, scene: &Scene<'_>, now: Wall) -> Commands {
        match command {
            Command::View(view) => self.view(view, scene, now),
            Command::Runbook { service } => {
                self.overlay = Some(Overlay::Runbook { step: 1, scroll: 0, reveal: false });
                vec![Command::Runbook { service: service.or_else(|| self.service_here(scene)) }]
            }
            // Wherever a line comes from, the environment's name is typed by hand.
            Command::OpenWrite { reason, .. } => {
                self.ask_to_write_because(&reason, scene, now);
                Vec::new()
            }
            Command::Copy { text } => {
                self.wishes.push(Wish::Copy(text.to_string()));
                Vec::new()
            }
            Command::Quit => {
                let under = scene.actions.iter().rev().find_map(|action| match &action.state {
                    ActionState::Under(words) => {
                        let what = format!("{}: {words}", action.plan.title);
                        let child = matches!(action.plan.request, Request::RunStep { .. });
                        Some(if child { Leaving::Step(what) } else { Leaving::Action(what) })
                    }
                    ActionState::Ended(_) => None,
                });
                // Nobody is asked where nothing is recorded any more, nor on a screen that is too
                // small for the question.
                let asks = scene.journal_failed.is_none() && !self.rects.is_empty();
                let open =
                    || scene.incident.filter(|_| asks).map(|incident| Leaving::Incident(incident.id.to_string()));
                match under.or_else(open) {
                    Some(why) if !matches!(self.overlay, Some(Overlay::Quit { .. })) => {
                        self.overlay = Some(Overlay::Quit { why });
                        Vec::new()
                    }
                    _ => vec![Command::Quit],
                }
            }
            Command::TakeOver { ref alert, from: None } => {
                self.overlay = claimed_by_another(alert, scene);
                if self.overlay.is_some() { Vec::new() } else { vec![command] }
            }
            Command::Claim(choice) => {
                self.overlay = claimed_by_another(&choice, scene);
                if self.overlay.is_some() { Vec::new() } else { vec![Command::Claim(choice)] }
            }
            Command::Close if closing::left(scene).next().is_some() => {
                self.overlay = Some(Overlay::Close { owner: None, scroll: 0 });
                Vec::new()
            }
            other => vec![other],
        }
    }

    fn view(&mut self, view: View, scene: &Scene<'_>, now: Wall) -> Commands {
        let height = if self.focus == Pane::Logs { self.logs.height } else { self.list(self.focus).height };
        let page = isize::try_from(height.max(2) - 1).unwrap_or(10);
        match view {
            View::FocusPane(pane) => self.focus_on(pane),
            View::NextPane => self.step_pane(1),
            View::PreviousPane => self.step_pane(Pane::ALL.len() - 1),
            View::Situation => {
                let clauses = scene.clauses.len().max(1);
                self.clause = Some(self.clause.map_or(0, |at| (at + 1) % clauses));
            }
            View::Zoom => self.zoom = !self.zoom,
            View::Up => self.go(Move::By(-1), scene),
            View::Down => self.go(Move::By(1), scene),
            View::PageUp => self.go(Move::By(-page), scene),
            View::PageDown => self.go(Move::By(page), scene),
            View::HalfPageUp => self.go(Move::By(-(page / 2).max(1)), scene),
            View::HalfPageDown => self.go(Move::By((page / 2).max(1)), scene),
            View::Top => self.go(Move::First, scene),
            View::Bottom => self.go(Move::Last, scene),
            View::Left => self.sideways(false, scene),
            View::Right => self.sideways(true, scene),
            View::Detail => self.detail(scene),
            View::Back => return self.back(scene),
            View::Filter => self.open_prompt(PromptKind::Filter),
            View::Search => self.open_prompt(PromptKind::Search),
            View::ClearFilter => {
                self.set_filter("");
                self.search = None;
                return self.choose(None);
            }
            View::NextMatch | View::PreviousMatch if self.search.is_none() => {
                self.say(NoticeKind::Info, "nothing is searched for: ctrl-f searches", now);
            }
            View::NextMatch | View::PreviousMatch => {
                if !self.seek_match(view == View::PreviousMatch, scene) {
                    self.say_unfound("no further match", scene, now);
                }
            }
            View::NextError | View::PreviousError => {
                self.focus_on(Pane::Logs);
                let back = view == View::PreviousError;
                if !self.logs.seek(back, Goal::Level(Level::Error), scene.logs, self.chip.as_ref()) {
                    self.say(NoticeKind::Info, "no further error in the lines that are kept", now);
                }
            }
            View::PauseLogs => self.logs.pause(scene.logs, self.chip.as_ref()),
            View::WrapLogs => self.logs.wrap = !self.logs.wrap,
            View::LogTimes => self.logs.times = !self.logs.times,
            View::SelectService => return self.select_service(scene, now),
            View::Sources => self.overlay = Some(Overlay::Sources { scroll: 0 }),
            View::Help => self.overlay = Some(Overlay::Help { scroll: 0 }),
            View::Palette => self.open_palette(""),
            View::Actions => self.overlay = Some(Overlay::Actions { at: 0 }),
            View::ConfirmDialog => {
                if let Some(PlanView::Shown { plan, blocked: None }) = scene.plan
                    && self.armed(plan, now)
                    && !Self::waits(plan, scene)
                {
                    return self.confirm(plan, now);
                }
            }
            View::OtherRevision => match scene.plan {
                Some(PlanView::Shown { plan, .. }) if matches!(plan.request, Request::RollBack { .. }) => {
                    self.open_palette(&format!("rollback {} {} ", plan.target.kind, plan.target.path));
                }
                _ => self.say(NoticeKind::Info, "this plan goes to no revision that could be another", now),
            },
            View::CycleZone => self.zone = (self.zone + 1) % self.zones.len().max(1),
            View::CycleTheme => self.wishes.push(Wish::CycleTheme),
            View::ToggleMouse => self.wishes.push(Wish::ToggleMouse),
            View::Suspend => self.wishes.push(Wish::Suspend),
            View::Redraw => self.wishes.push(Wish::Redraw),
            View::SaveView => self.wishes.push(Wish::Save(self.focus)),
            View::CopySelection => self.copy(scene, now),
            View::ClaimSelection => return self.claim(scene, now),
            View::WriteNote => self.open_palette("note "),
            View::EditNote => self.wishes.push(Wish::Edit(String::new())),
            // Of dialogs: a pane has nothing to take.
            View::Accept | View::Complete => {}
        }
        Vec::new()
    }

    /// What became of a note that was written in an editor.
    pub(in crate::tui) fn edited(&mut self, edited: Edited, now: Wall) -> Commands {
        match edited {
            Edited::Written(text) => return vec![Command::Note { text }],
            Edited::Empty => self.say(NoticeKind::Info, "nothing was noted: the text is empty", now),
            Edited::Failed { why, text } => {
                self.say(NoticeKind::Error, why, now);
                // What was written is not lost.
                self.open_palette(&format!("note {}", Safe::from(text.as_str())));
            }
        }
        Vec::new()
    }

    pub(in crate::tui) fn focus_on(&mut self, pane: Pane) {
        (self.focus, self.clause) = (pane, None);
    }

    fn step_pane(&mut self, by: usize) {
        let at = (self.focus.number().saturating_sub(1) + by) % Pane::ALL.len();
        self.focus_on(Pane::ALL.get(at).copied().unwrap_or(Pane::Alerts));
    }

    fn go(&mut self, to: Move, scene: &Scene<'_>) {
        if let Some(PlanView::Shown { .. }) = scene.plan {
            self.plan_scroll = match to {
                Move::By(rows) => self.plan_scroll.saturating_add_signed(rows),
                Move::First => 0,
                Move::Last => usize::MAX / 2,
            };
        } else if self.clause.take().is_none() {
            self.go_in(self.focus, to, scene);
        }
    }

    pub(super) fn go_in(&mut self, pane: Pane, to: Move, scene: &Scene<'_>) {
        if pane == Pane::Logs {
            self.logs.go(to, scene.logs, self.chip.as_ref());
        } else {
            let items = self.items(pane, scene);
            self.list_mut(pane).go(&items, to, pane == Pane::Timeline);
        }
    }

    fn sideways(&mut self, right: bool, scene: &Scene<'_>) {
        if let Some(at) = self.clause {
            let clauses = scene.clauses.len().max(1);
            self.clause = Some((at + if right { 1 } else { clauses - 1 }) % clauses);
            return;
        }
        let shift = if self.focus == Pane::Logs { &mut self.logs.shift } else { &mut self.list_mut(self.focus).shift };
        *shift = if right { *shift + SIDEWAYS } else { shift.saturating_sub(SIDEWAYS) };
    }

    fn detail(&mut self, scene: &Scene<'_>) {
        if let Some(clause) = self.clause.take().and_then(|at| scene.clauses.get(at)) {
            // What backs a clause is in a pane: go there, to the service that it is about.
            self.focus_on(clause.pane);
            let items = self.items(clause.pane, scene);
            let about = clause.service.as_ref();
            if let Some(at) = items.iter().position(|item| about.is_some() && item.service() == about) {
                self.list_mut(clause.pane).select_at(&items, at);
            }
            return;
        }
        let pane = self.focus;
        let of = if pane == Pane::Logs {
            self.logs.cursor(scene.logs, self.chip.as_ref()).map(Shown::Line)
        } else {
            self.selected(scene).map(|item| Shown::Row(pane, item.key()))
        };
        self.overlay = of.map(|of| Overlay::Detail { of, scroll: 0 });
    }

    /// Leaves what is on top, one thing at a time.
    fn back(&mut self, scene: &Scene<'_>) -> Commands {
        if self.said.take().is_some() {
            return Vec::new();
        }
        if let Some(notice) = scene.notice.filter(|notice| Some(*notice) != self.notice_put_away.as_ref()) {
            self.notice_put_away = Some(notice.clone());
            if notice.kind == NoticeKind::Error {
                return Vec::new();
            }
        }
        if self.clause.take().is_some() || self.search.take().is_some() {
            return Vec::new();
        }
        let logs = self.focus == Pane::Logs;
        if (logs && self.logs.filter.is_on()) || (!logs && self.list(self.focus).filter.is_on()) {
            self.set_filter("");
        } else if logs && self.logs.is_paused() {
            self.logs.follow();
        } else if self.zoom {
            self.zoom = false;
        } else {
            return self.choose(None);
        }
        Vec::new()
    }

    fn open_prompt(&mut self, kind: PromptKind) {
        let before = match kind {
            PromptKind::Filter if self.focus == Pane::Logs => self.logs.filter.text.clone(),
            PromptKind::Filter => self.list(self.focus).filter.text.clone(),
            PromptKind::Search => String::new(),
        };
        self.prompt = Some(Prompt { kind, input: Input::new(before.clone()), before });
    }

    pub(super) fn set_filter(&mut self, text: &str) {
        let filter = Filter::new(text);
        if self.focus == Pane::Logs {
            self.logs.filter = filter;
        } else {
            self.list_mut(self.focus).filter = filter;
        }
    }

    pub(super) fn seek_match(&mut self, back: bool, scene: &Scene<'_>) -> bool {
        let Some(pattern) = self.search.clone() else { return false };
        if self.focus == Pane::Logs {
            return self.logs.seek(back, Goal::Pattern(&pattern), scene.logs, self.chip.as_ref());
        }
        let pane = self.focus;
        let items = self.items(pane, scene);
        let height = self.list(pane).height;
        let at = self.list_mut(pane).place(&items, height, pane == Pane::Timeline).1.unwrap_or(0);
        let hit = |item: &Item<'_>| pattern.regex().is_match(&item.whole());
        let found = if back {
            items.iter().take(at).rposition(hit)
        } else {
            items.iter().skip(at + 1).position(hit).map(|further| at + 1 + further)
        };
        if let Some(at) = found {
            self.list_mut(pane).select_at(&items, at);
        }
        found.is_some()
    }

    /// Nothing was found, or not yet.
    pub(super) fn say_unfound(&mut self, text: &str, scene: &Scene<'_>, now: Wall) {
        let progress = scene.logs.progress(Purpose::Search).filter(|_| self.focus == Pane::Logs);
        let text =
            progress.map_or_else(|| text.to_owned(), |progress| format!("{text} yet: {}", words::scanned(progress)));
        self.say(NoticeKind::Info, text, now);
    }

    /// The service of the selected row.
    fn service_of_row(&mut self, scene: &Scene<'_>) -> Option<ServiceName> {
        if self.focus == Pane::Logs {
            let id = self.logs.cursor(scene.logs, self.chip.as_ref());
            id.and_then(|id| scene.logs.line(id)).and_then(|line| line.service.cloned())
        } else {
            self.selected(scene).and_then(|item| item.service().cloned())
        }
    }

    /// The service that is meant here: that which all panes show, else the row's.
    fn service_here(&mut self, scene: &Scene<'_>) -> Option<ServiceName> {
        self.chip.clone().or_else(|| self.service_of_row(scene))
    }

    fn select_service(&mut self, scene: &Scene<'_>, now: Wall) -> Commands {
        match self.service_of_row(scene) {
            Some(service) if self.chip.as_ref() == Some(&service) => self.choose(None),
            Some(service) => self.choose(Some(service)),
            None => {
                self.say(NoticeKind::Info, "this row belongs to no service", now);
                Vec::new()
            }
        }
    }

    /// Limits all panes to a service; its logs are followed closely from then on.
    fn choose(&mut self, service: Option<ServiceName>) -> Commands {
        if self.chip == service {
            return Vec::new();
        }
        self.chip.clone_from(&service);
        vec![Command::FollowLogs { service }]
    }

    fn claim(&mut self, scene: &Scene<'_>, now: Wall) -> Commands {
        let selected = if self.focus == Pane::Alerts { self.selected(scene) } else { None };
        if let Some(Item::Alert(row)) = selected {
            let choice = AlertChoice::Exactly { origin: row.origin.clone(), key: row.alert.key.clone() };
            return self.command(Command::Claim(choice), scene, now);
        }
        self.focus_on(Pane::Alerts);
        self.say(NoticeKind::Info, "choose the alert to claim, then press the key again", now);
        Vec::new()
    }

    fn copy(&mut self, scene: &Scene<'_>, now: Wall) {
        let zone = self.zone();
        let theme = Theme::plain();
        let paint = Paint { theme: &theme, ascii: false, zone, now: scene.now, width: 200 };
        let of_runbook = match (&self.overlay, scene.runbook) {
            (Some(Overlay::Runbook { step, .. }), Some(view)) => Some(runbook::copied(view, *step)),
            _ => None,
        };
        let text = match (scene.plan, self.focus) {
            (Some(PlanView::Shown { plan, .. }), _) => Some(plan.command.to_string()),
            _ if of_runbook.is_some() => of_runbook.flatten(),
            (_, Pane::Logs) => {
                let line = self.logs.cursor(scene.logs, self.chip.as_ref()).and_then(|id| scene.logs.line(id));
                line.map(|line| format!("{} {} {}", zone.full(line.at), line.stream.name, line.text))
            }
            _ => self.selected(scene).map(|item| item.copy(&paint, scene)),
        };
        match text {
            Some(text) => self.wishes.push(Wish::Copy(text)),
            None => self.say(NoticeKind::Info, "there is nothing to copy here", now),
        }
    }

    /// A pane as text, for a file: redacted.
    pub(in crate::tui) fn text_of(&self, pane: Pane, scene: &Scene<'_>) -> String {
        let theme = Theme::plain();
        let paint = Paint { theme: &theme, ascii: false, zone: self.zone(), now: scene.now, width: 400 };
        let lines: Vec<String> = if pane == Pane::Logs {
            let mut view = self.logs.clone();
            (view.shift, view.wrap) = (0, false);
            let kept = scene.logs.before(&self.logs.filter.for_logs(self.chip.as_ref()), None, SAVED_LINES);
            kept.iter().flat_map(|line| logs::rows(line, &view, &paint)).map(|line| line.to_string()).collect()
        } else {
            let items = self.items(pane, scene);
            let columns = panes::columns(&items, 200);
            if pane == Pane::Workloads && self.zoom && self.focus == pane {
                // All there is of every pod: a file has room for what a screen has not.
                return crate::text::redact(&panes::pod_table(&items)).into_owned();
            }
            items.iter().map(|item| item.line(&paint, &columns, None, scene).to_string()).collect()
        };
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        crate::text::redact(&lines.join("\n")).into_owned() + "\n"
    }
}

/// The question whether an alert is taken over, if somebody else has it.
fn claimed_by_another(choice: &AlertChoice, scene: &Scene<'_>) -> Option<Overlay> {
    let row = scene.alerts.iter().find(|row| match choice {
        AlertChoice::Exactly { origin, key } => row.stands_for(origin, key),
        AlertChoice::Named(name) => row.alert.name == *name,
    })?;
    let claim = row.claim.clone().filter(|claim| row.fires() && claim.by != scene.actor.name)?;
    let alert = AlertChoice::Exactly { origin: row.origin.clone(), key: row.alert.key.clone() };
    Some(Overlay::TakeOver { alert, name: row.alert.name.clone(), claim })
}
