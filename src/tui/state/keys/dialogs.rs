//! Keys in what lies over the panes: texts, menus, questions, the command line.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::clock::Wall;
use crate::model::command::{Command, View};
use crate::session::{NoticeKind, commands};
use crate::text::Safe;
use crate::tui::chrome::header;
use crate::tui::keymap::{Found, Where, chord};
use crate::tui::overlay::{actions, closing, palette, runbook};
use crate::tui::scene::Scene;
use crate::tui::state::{Commands, Overlay, State, Wish};

/// Rows of a page in a dialog.
const PAGE: usize = 10;

impl State {
    pub(super) fn overlay_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        match &mut self.overlay {
            Some(Overlay::Help { .. } | Overlay::Sources { .. } | Overlay::Detail { .. }) => {
                self.reading_key(key, scene, now)
            }
            Some(Overlay::Runbook { .. }) => self.runbook_key(key, scene, now),
            Some(Overlay::Palette { .. }) => self.palette_key(key, scene, now),
            Some(Overlay::Actions { at }) => {
                let at = *at;
                self.actions_key(key, at, scene, now)
            }
            Some(Overlay::Write { .. }) => self.write_key(key, scene, now),
            Some(Overlay::Quit { .. }) => {
                let leaves = self.command_at(Where::Leave, key) == Some(Command::Quit);
                self.overlay = None;
                if leaves { vec![Command::Quit] } else { Vec::new() }
            }
            Some(Overlay::TakeOver { .. }) => self.take_over_key(key, scene, now),
            Some(Overlay::Close { .. }) => self.close_key(key, scene, now),
            None => Vec::new(),
        }
    }

    /// A key for the question whether an alert is taken over from who has claimed it.
    fn take_over_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let view = self.view_at(Where::Dialog, key);
        if let Some(view @ (View::Suspend | View::Redraw)) = view {
            return self.command(Command::View(view), scene, now);
        }
        match (view, self.overlay.take()) {
            (Some(View::Accept), Some(Overlay::TakeOver { alert, claim, .. })) => {
                // From whom it is taken is who was shown.
                vec![Command::TakeOver { alert, from: Some(claim) }]
            }
            (Some(View::Back), _) => Vec::new(),
            (_, asked) => {
                self.overlay = asked;
                Vec::new()
            }
        }
    }

    /// A key for what is left over, one change at a time, before the incident is closed.
    fn close_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let first = closing::left(scene).next();
        let typing = matches!(self.overlay, Some(Overlay::Close { owner: Some(_), .. }));
        let found = if typing { self.view_at(Where::Line, key).map(Command::View) } else { None };
        let line = self.keymap.find(Where::Close, &[chord(key)]);
        let command = if typing { found } else { self.command_at(Where::Close, key) };
        let Some(Overlay::Close { owner, scroll }) = &mut self.overlay else { return Vec::new() };
        match (owner.as_mut(), command) {
            (_, Some(Command::View(view @ (View::Suspend | View::Redraw)))) => {
                return self.command(Command::View(view), scene, now);
            }
            (Some(_), Some(Command::View(View::Back))) => *owner = None,
            (Some((of, name)), Some(Command::View(View::Accept))) => {
                let name = Safe::from(name.value().trim());
                let shown = closing::left(scene).find(|one| one.plan.id == *of);
                if name.is_empty() {
                    self.say(NoticeKind::Error, "say who sees to it: the name goes on the record", now);
                    return Vec::new();
                }
                *owner = None;
                if let Some(one) = shown {
                    return vec![Command::Own { which: one.handle().into(), owner: name }];
                }
                self.say(NoticeKind::Info, "that change is not left over any more: nothing was recorded", now);
            }
            (Some((_, name)), _) => drop(name.handle_event(&Event::Key(key))),
            (None, Some(Command::View(View::Back))) => self.overlay = None,
            (None, Some(Command::View(View::Down))) => *scroll += 1,
            (None, Some(Command::View(View::Up))) => *scroll = scroll.saturating_sub(1),
            (None, Some(Command::Close)) if first.is_none() => {
                self.overlay = None;
                return vec![Command::Close];
            }
            (None, Some(Command::Close)) => {
                self.say(NoticeKind::Info, "not closed yet: undo what is left over, or say who owns it", now);
            }
            (None, Some(Command::Undo)) => {
                let Some(one) = first else { return Vec::new() };
                if closing::undoable(one, scene) {
                    return vec![Command::UndoLeftover { which: one.handle().into() }];
                }
                self.say(NoticeKind::Info, "it cannot be undone from here now", now);
            }
            (None, _) if line == Found::Line(closing::OWN.into()) => {
                *owner = first.map(|one| (one.plan.id.clone(), Input::new(scene.actor.name.to_string())));
            }
            (None, _) if line == Found::Line(header::OPEN_WRITE.into()) => {
                self.ask_to_write(scene, now);
                self.closing = matches!(self.overlay, Some(Overlay::Write { .. }));
            }
            (None, _) => {}
        }
        Vec::new()
    }

    /// The question for a write window is over: back to where it was asked for.
    fn after_write(&mut self) {
        let back = std::mem::take(&mut self.closing);
        self.overlay = back.then_some(Overlay::Close { owner: None, scroll: 0 });
    }

    /// A key for a text that is read: help, the sources, a detail.
    fn reading_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let view = self.view_at(Where::Dialog, key);
        let Some(
            Overlay::Help { scroll }
            | Overlay::Sources { scroll }
            | Overlay::Detail { scroll, .. }
            | Overlay::Runbook { scroll, .. },
        ) = &mut self.overlay
        else {
            return Vec::new();
        };
        match view {
            Some(View::Down) => *scroll += 1,
            Some(View::Up) => *scroll = scroll.saturating_sub(1),
            Some(View::PageDown | View::HalfPageDown) => *scroll += PAGE,
            Some(View::PageUp | View::HalfPageUp) => *scroll = scroll.saturating_sub(PAGE),
            Some(View::Top) => *scroll = 0,
            Some(View::Bottom) => *scroll = usize::MAX / 2,
            Some(View::Back | View::Accept) => self.overlay = None,
            Some(view @ (View::CopySelection | View::Suspend | View::Redraw)) => {
                return self.command(Command::View(view), scene, now);
            }
            _ => {}
        }
        Vec::new()
    }

    /// A key for a runbook: it is read, a step is chosen, and that is planned.
    fn runbook_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let steps = runbook::steps(scene.runbook);
        let view = self.view_at(Where::Dialog, key);
        let stops = matches!(self.command_at(Where::Dialog, key), Some(Command::StopStep { .. }));
        let Some(Overlay::Runbook { step, reveal, .. }) = &mut self.overlay else { return Vec::new() };
        let digit = match key.code {
            KeyCode::Char(c) => c.to_digit(10).filter(|digit| (1..=steps).contains(digit)),
            _ => None,
        };
        let next = match view {
            _ if digit.is_some() => digit,
            _ if stops && runbook::runs(scene.runbook, *step, scene.actions) => {
                return vec![Command::StopStep { step: Some(*step) }];
            }
            Some(View::NextMatch) => Some(if *step < steps { *step + 1 } else { 1 }),
            Some(View::PreviousMatch) => Some(if *step > 1 { *step - 1 } else { steps.max(1) }),
            Some(View::Accept) if steps > 0 && actions::may_act(scene) => {
                return vec![Command::RunStep { step: *step }];
            }
            Some(View::Accept) => return Vec::new(),
            _ => return self.reading_key(key, scene, now),
        };
        if let Some(next) = next {
            (*step, *reveal) = (next, true);
        }
        Vec::new()
    }

    fn write_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let view = self.view_at(Where::Line, key);
        let Some(Overlay::Write { env, reason, second }) = &mut self.overlay else { return Vec::new() };
        match view {
            Some(View::Back) => self.after_write(),
            Some(View::Complete | View::Up | View::Down) => *second = !*second,
            Some(View::Accept) if !*second => *second = true,
            Some(View::Accept) => {
                let (env, reason) = (Safe::from(env.value().trim()), Safe::from(reason.value().trim()));
                if env != scene.facing.env.as_str() {
                    *second = false;
                    self.say(NoticeKind::Error, format!("type the environment's name: {}", scene.facing.env), now);
                } else if reason.is_empty() {
                    self.say(NoticeKind::Error, "say why: the reason goes on the record", now);
                } else {
                    // What was wrong before is mended.
                    self.said = None;
                    self.after_write();
                    return vec![Command::OpenWrite { env, reason }];
                }
            }
            Some(view @ (View::Suspend | View::Redraw)) => return self.command(Command::View(view), scene, now),
            _ => {
                if *second { reason } else { env }.handle_event(&Event::Key(key));
            }
        }
        Vec::new()
    }

    fn palette_key(&mut self, key: KeyEvent, scene: &Scene<'_>, now: Wall) -> Commands {
        let view = self.view_at(Where::Line, key);
        let Some(Overlay::Palette { input, at, back }) = &mut self.overlay else { return Vec::new() };
        let offers = palette::offers(input.value(), actions::offered(scene));
        match view {
            Some(View::Back) => self.overlay = None,
            Some(View::Up) if input.value().is_empty() || back.is_some() => {
                let next = back.map_or(0, |n| n + 1);
                if let Some(line) = self.history.iter().rev().nth(next) {
                    (*input, *back) = (Input::new(line.clone()), Some(next));
                }
            }
            Some(View::Down) if back.is_some() => {
                *back = back.and_then(|n| n.checked_sub(1));
                let line = back.and_then(|n| self.history.iter().rev().nth(n)).cloned();
                *input = Input::new(line.unwrap_or_default());
            }
            Some(View::Up) => *at = at.saturating_sub(1),
            Some(View::Down) => *at = (*at + 1).min(offers.len().saturating_sub(1)),
            Some(View::Complete) => {
                if let Some(filled) = palette::complete(input.value(), *at, &offers, scene) {
                    (*input, *at) = (Input::new(filled), 0);
                }
            }
            Some(View::Accept) => return self.run_line(scene, now),
            Some(View::EditNote) if palette::noted(input.value()).is_some() => {
                let text = palette::noted(input.value()).unwrap_or_default().to_owned();
                self.overlay = None;
                self.wishes.push(Wish::Edit(text));
            }
            Some(view @ (View::Suspend | View::Redraw)) => return self.command(Command::View(view), scene, now),
            _ => {
                input.handle_event(&Event::Key(key));
                (*at, *back) = (0, None);
            }
        }
        Vec::new()
    }

    /// Runs what is typed in the command line, or what is chosen below it.
    fn run_line(&mut self, scene: &Scene<'_>, now: Wall) -> Commands {
        let Some(Overlay::Palette { input, at, .. }) = &mut self.overlay else { return Vec::new() };
        let offers = palette::offers(input.value(), actions::offered(scene));
        let line = palette::chosen(input.value(), *at, &offers);
        // The dialog has the name typed by hand. What led there is not kept: it would be a name that
        // two keys bring back.
        if line.split_whitespace().next() == Some("write") {
            let reason = match commands::parse(&line) {
                Ok(Command::OpenWrite { reason, .. }) => reason,
                _ => Safe::default(),
            };
            self.overlay = None;
            self.ask_to_write_because(&reason, scene, now);
            return Vec::new();
        }
        if line.ends_with(' ') {
            (*input, *at) = (Input::new(line), 0);
            return Vec::new();
        }
        match commands::parse(&line) {
            Ok(command) => {
                self.overlay = None;
                self.remember(&line);
                self.command(command, scene, now)
            }
            Err(why) => {
                // What was typed stays, to be mended.
                self.say(NoticeKind::Error, why, now);
                Vec::new()
            }
        }
    }

    fn actions_key(&mut self, key: KeyEvent, at: usize, scene: &Scene<'_>, now: Wall) -> Commands {
        let selected = self.selected(scene);
        let choices = actions::choices(scene, selected.as_ref(), self.chip.as_ref());
        let last = choices.len().saturating_sub(1);
        let digit = match key.code {
            KeyCode::Char(c) => c.to_digit(10).and_then(|n| (n as usize).checked_sub(1)),
            _ => None,
        };
        let next = match self.view_at(Where::Dialog, key) {
            _ if digit.is_some() => digit,
            Some(View::Accept) => Some(at),
            Some(View::Back) => {
                self.overlay = None;
                return Vec::new();
            }
            Some(view @ (View::Suspend | View::Redraw)) => return self.command(Command::View(view), scene, now),
            other => {
                let at = match other {
                    Some(View::Down) => (at + 1).min(last),
                    Some(View::Up) => at.saturating_sub(1),
                    Some(View::Top) => 0,
                    Some(View::Bottom) => last,
                    _ => at,
                };
                self.overlay = Some(Overlay::Actions { at });
                return Vec::new();
            }
        };
        let Some(choice) = next.and_then(|at| choices.get(at)) else { return Vec::new() };
        self.overlay = None;
        match &choice.does {
            actions::Does::Run(command) => return self.command(command.clone(), scene, now),
            actions::Does::Line(prefill) => self.open_palette(prefill),
            actions::Does::Write => self.ask_to_write(scene, now),
        }
        Vec::new()
    }
}
