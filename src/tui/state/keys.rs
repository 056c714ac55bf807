//! Events: who hears a key, and in which order.

mod dialogs;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use tui_input::backend::crossterm::EventHandler as _;
use tui_input::{Input, InputRequest};

use crate::clock::Wall;
use crate::config::WritePolicy;
use crate::model::command::{Command, View};
use crate::model::plan::Plan;
use crate::session::{NoticeKind, PlanView, WriteWindow, commands};
use crate::text::Safe;
use crate::tui::chrome::header;
use crate::tui::keymap::{Found, Where, chord};
use crate::tui::list::Move;
use crate::tui::scene::Scene;

use super::{Commands, Overlay, Prompt, PromptKind, State};

/// What the key that asks for the reason of break-glass is bound to.
pub(in crate::tui) const BREAK_GLASS: &str = ":break-glass";

impl State {
    /// Hears one event of the terminal.
    pub(in crate::tui) fn event(&mut self, event: &Event, scene: &Scene<'_>, now: Wall) -> Commands {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => return self.key(*key, scene, now),
            Event::Paste(text) => self.paste(text, scene, now),
            Event::Mouse(mouse) => self.mouse(*mouse, scene),
            _ => {}
        }
        Vec::new()
    }

    /// Pasted text only ever becomes text in a field: it triggers no key and confirms nothing.
    fn paste(&mut self, text: &str, scene: &Scene<'_>, now: Wall) {
        let name = matches!(self.overlay, Some(Overlay::Write { second: false, .. }));
        if (scene.plan.is_some() && !self.is_typing()) || self.resume(scene).is_some() || name {
            self.say(NoticeKind::Info, "a paste confirms nothing: type it", now);
            return;
        }
        let field = match (&mut self.overlay, &mut self.prompt) {
            (Some(Overlay::Palette { input, at, back }), _) => {
                (*at, *back) = (0, None);
                input
            }
            (Some(Overlay::Write { reason, .. }), _) => reason,
            (Some(Overlay::Close { owner: Some((_, name)), .. }), _) => name,
            (None, Some(prompt)) => &mut prompt.input,
            _ => {
                self.say(NoticeKind::Info, "the paste was left out: no field is open", now);
                return;
            }
        };
        for c in Safe::from(text).chars() {
            field.handle(InputRequest::InsertChar(c));
        }
        self.typed_on();
    }

    fn key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        match scene.plan {
            // The command line below a plan, for another of the revisions that it lists.
            Some(PlanView::Shown { .. }) if self.is_typing() => return self.overlay_key(key, scene, now),
            Some(PlanView::Shown { plan, blocked }) => return self.plan_key(key, plan, blocked.is_some(), scene, now),
            Some(PlanView::Planning { .. } | PlanView::Refused { .. }) => {
                // The keys of somebody who is ahead of the program are not kept for the dialog.
                let refused = matches!(scene.plan, Some(PlanView::Refused { .. }));
                return match self.view_at(Where::Dialog, key) {
                    Some(View::Back) if refused || key.code == KeyCode::Esc => vec![Command::DiscardPlan],
                    Some(View::Accept) if refused => vec![Command::DiscardPlan],
                    Some(view @ (View::Suspend | View::Redraw)) => self.command(Command::View(view), scene, now),
                    _ => Vec::new(),
                };
            }
            None => {}
        }
        if let Some(offer) = self.resume(scene) {
            return match self.command_at(Where::Resume, key) {
                Some(Command::View(View::Back)) => {
                    self.later = Some(offer.id.clone());
                    Vec::new()
                }
                Some(command @ Command::View(View::Suspend | View::Redraw)) => self.command(command, scene, now),
                Some(command @ (Command::Resume | Command::DeclineResume | Command::Quit)) => vec![command],
                _ => Vec::new(),
            };
        }
        if self.overlay.is_some() {
            return self.overlay_key(key, scene, now);
        }
        if self.prompt.is_some() {
            return self.prompt_key(key, scene, now);
        }
        self.pending.push(chord(key));
        let found = self.keymap.find(Where::Pane(self.focus), &self.pending);
        if found != Found::More {
            self.pending.clear();
        }
        match found {
            Found::Line(line) => self.bound(&line, scene, now),
            Found::More | Found::Nothing => Vec::new(),
        }
    }

    /// What a key does in a dialog, from the keymap. Esc leaves it in any case.
    pub(super) fn command_at(&self, at: Where, key: KeyEvent) -> Option<Command> {
        match self.keymap.find(at, &[chord(key)]) {
            Found::Line(line) => commands::parse(&line).ok(),
            Found::More | Found::Nothing if key.code == KeyCode::Esc => Some(Command::View(View::Back)),
            Found::More | Found::Nothing => None,
        }
    }

    pub(super) fn view_at(&self, at: Where, key: KeyEvent) -> Option<View> {
        match self.command_at(at, key) {
            Some(Command::View(view)) => Some(view),
            _ => None,
        }
    }

    /// Does what a key is bound to.
    fn bound(&mut self, line: &str, scene: &Scene<'_>, now: Wall) -> Commands {
        if line == header::OPEN_WRITE {
            self.ask_to_write(scene, now);
            return Vec::new();
        }
        if let Some(prefill) = line.strip_prefix(':') {
            self.open_palette(prefill);
            return Vec::new();
        }
        // Hands know `n` as the next match while something is searched for, else as a note.
        let line = if line == "write-note" && self.search.is_some() { "next-match" } else { line };
        match commands::parse(line) {
            Ok(command) => self.command(command, scene, now),
            Err(why) => {
                self.say(NoticeKind::Error, why, now);
                Vec::new()
            }
        }
    }

    /// The question for a write window, or why there is none.
    pub(super) fn ask_to_write(&mut self, scene: &Scene<'_>, now: Wall) {
        self.ask_to_write_because("", scene, now);
    }

    /// The same, with the reason that was given already. The name of the environment never is.
    pub(super) fn ask_to_write_because(&mut self, reason: &str, scene: &Scene<'_>, now: Wall) {
        let why = match (scene.facing.write, scene.journal_failed, scene.window) {
            (WritePolicy::Deny, ..) => "read-only for good: the configuration allows no changes in this environment",
            (_, Some(_), _) => "actions are off while the record cannot be written",
            (.., WriteWindow::Open { .. }) => "the write window is open already; `:close-write` closes it",
            (.., WriteWindow::Closed) => {
                let reason = Input::new(reason.to_owned());
                self.overlay = Some(Overlay::Write { env: Input::default(), reason, second: false });
                return;
            }
        };
        self.say(NoticeKind::Info, why, now);
    }

    /// Whether the command line has the keys, or the question that it led to.
    pub(in crate::tui) fn is_typing(&self) -> bool {
        matches!(self.overlay, Some(Overlay::Palette { .. } | Overlay::Write { .. }))
    }

    pub(super) fn open_palette(&mut self, prefill: &str) {
        self.overlay = Some(Overlay::Palette { input: Input::new(prefill.to_owned()), at: 0, back: None });
    }

    fn plan_key(&mut self, key: KeyEvent, plan: &Plan, blocked: bool, scene: &Scene<'_>, now: Wall) -> Commands {
        if let Some(reason) = &mut self.glass {
            match key.code {
                KeyCode::Esc => self.glass = None,
                KeyCode::Enter if reason.value().trim().is_empty() => {
                    self.say(NoticeKind::Error, "say why: the reason goes on the record", now);
                }
                KeyCode::Enter => {
                    let reason = Safe::from(reason.value().trim());
                    self.glass = None;
                    return vec![Command::BreakGlass { reason }];
                }
                _ => drop(reason.handle_event(&Event::Key(key))),
            }
            return Vec::new();
        }
        if key.code == KeyCode::Esc {
            return vec![Command::DiscardPlan];
        }
        let waits = Self::waits(plan, scene) && !blocked;
        let found = self.keymap.find(Where::Plan, &[chord(key)]);
        let typed = Self::wants_name(plan) && !blocked && !waits;
        // Only what confirms waits until the plan can have been read: leaving it harms nobody.
        if (typed || found == Found::Line("confirm-dialog".into())) && !self.armed(plan, now) {
            self.say(NoticeKind::Info, "that key came before the plan was on the screen: press it again", now);
            return Vec::new();
        }
        if typed && !key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Enter => return self.confirm(plan, now),
                KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Left | KeyCode::Right => {
                    self.typed.handle_event(&Event::Key(key));
                    return Vec::new();
                }
                _ => {}
            }
        }
        match found {
            Found::Line(line) if line == BREAK_GLASS => {
                if waits && self.armed(plan, now) {
                    self.glass = Some(Input::default());
                }
                Vec::new()
            }
            Found::Line(line) if line == "confirm-dialog" && waits => {
                self.say(NoticeKind::Error, "this plan takes a second person, or break-glass", now);
                Vec::new()
            }
            Found::Line(line) if line == "confirm-dialog" && blocked => {
                self.say(NoticeKind::Error, "this plan cannot be confirmed as it is", now);
                Vec::new()
            }
            Found::Line(line) => self.bound(&line, scene, now),
            Found::More | Found::Nothing => Vec::new(),
        }
    }

    pub(super) fn confirm(&mut self, plan: &Plan, now: Wall) -> Commands {
        if !Self::wants_name(plan) {
            return vec![Command::Confirm { plan: Some(plan.id.clone()), typed: None }];
        }
        let typed = self.typed.value().trim().to_owned();
        if plan.name_to_type() != typed {
            self.say(NoticeKind::Error, format!("type `{}` to confirm", plan.name_to_type()), now);
            return Vec::new();
        }
        vec![Command::Confirm { plan: Some(plan.id.clone()), typed: Some(Safe::from(typed)) }]
    }

    fn prompt_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let view = self.view_at(Where::Line, key);
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        match view {
            Some(View::Back) => {
                prompt.input = Input::new(std::mem::take(&mut prompt.before));
                self.typed_on();
                self.prompt = None;
            }
            Some(View::Accept) => {
                let kind = prompt.kind;
                self.prompt = None;
                if kind == PromptKind::Search
                    && self.search.is_some()
                    && !(self.seek_match(false, scene) || self.seek_match(true, scene))
                {
                    self.say_unfound("nothing else matches", scene, now);
                }
            }
            Some(view @ (View::Suspend | View::Redraw)) => return self.command(Command::View(view), scene, now),
            _ => {
                prompt.input.handle_event(&Event::Key(key));
                self.typed_on();
            }
        }
        Vec::new()
    }

    /// Applies what is typed as it is typed.
    fn typed_on(&mut self) {
        let Some(Prompt { kind, input, .. }) = &self.prompt else { return };
        let text = input.value().to_owned();
        match kind {
            PromptKind::Filter => self.set_filter(&text),
            PromptKind::Search => {
                self.search = if text.is_empty() { None } else { crate::tui::filter::log_pattern_of(&text) }
            }
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, scene: &Scene<'_>) {
        if self.overlay.is_some() || scene.plan.is_some() {
            return;
        }
        let at = Position::new(mouse.column, mouse.row);
        let Some((pane, rect)) = self.rects.iter().find(|(_, rect)| rect.contains(at)).copied() else { return };
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.focus_on(pane);
                let items = self.items(pane, scene);
                let list = self.list_mut(pane);
                let row = list.offset() + usize::from(mouse.row.saturating_sub(rect.y));
                if row < items.len() {
                    list.select_at(&items, row);
                }
            }
            MouseEventKind::ScrollDown => self.go_in(pane, Move::By(3), scene),
            MouseEventKind::ScrollUp => self.go_in(pane, Move::By(-3), scene),
            _ => {}
        }
    }
}
