//! What the screen itself remembers: focus, filters, dialogs, and what is typed.
//!
//! Owns: the meaning of keys on the screen. Must not: draw, or change anything but itself.

mod act;
mod keys;

use std::time::Duration;

use crokey::KeyCombination;
use ratatui::layout::Rect;
use tui_input::Input;

use crate::clock::Wall;
use crate::model::command::{AlertChoice, Command, Pane};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::plan::{Plan, PlanId, Tier};
use crate::observe::alerts::Claim;
use crate::observe::logs::{LineId, LogFilter, LogPattern};
use crate::session::{Consent, Grant, Notice, NoticeKind, PlanView, Wanted};
use crate::text::Safe;

pub(super) use keys::BREAK_GLASS;

use super::keymap::Keymap;
use super::list::{ListView, RowKey};
use super::panes::logs::LogView;
use super::panes::{self, Choice, Item};
use super::scene::Scene;
use super::words::Zone;

/// How long a sentence of the screen itself stays.
const SAID_FOR: Duration = Duration::from_secs(8);
/// How long news of the session stay; errors stay until they are put away.
const NOTICE_FOR: Duration = Duration::from_secs(15);
/// Command lines that are remembered.
const HISTORY: usize = 100;

/// What the screen itself remembers.
pub(super) struct State {
    pub(super) keymap: Keymap,
    pub(super) focus: Pane,
    /// The clause of the situation line that is focused, when the line is.
    pub(super) clause: Option<usize>,
    pub(super) zoom: bool,
    pub(super) lists: [ListView; Pane::ALL.len()],
    pub(super) logs: LogView,
    pub(super) chip: Option<ServiceName>,
    pub(super) search: Option<LogPattern>,
    pub(super) prompt: Option<Prompt>,
    pub(super) overlay: Option<Overlay>,
    /// The target's name as typed into a plan.
    pub(super) typed: Input,
    /// The reason for breaking the glass, while it is typed.
    pub(super) glass: Option<Input>,
    /// What the plan that was drawn comes to: what is typed into it stays when it is read again.
    meaning: String,
    pub(super) plan_scroll: usize,
    /// The write window was asked for while an incident was being closed.
    closing: bool,
    pub(super) zones: Vec<Zone>,
    pub(super) zone: usize,
    pub(super) said: Option<Said>,
    pub(super) pending: Vec<KeyCombination>,
    /// The plan that was drawn, and when its first frame was written.
    pub(super) drawn: Option<(PlanId, Wall)>,
    /// The number of that frame, as long as the terminal has not taken it.
    pub(super) on_its_way: Option<u64>,
    /// Keys sooner than this after the first frame of a plan were typed before it was read.
    pub(super) arm: Duration,
    /// The incident whose resumption was put off.
    pub(super) later: Option<IncidentId>,
    pub(super) history: Vec<String>,
    /// Where panes were drawn, for the mouse.
    pub(super) rects: Vec<(Pane, Rect)>,
    /// What only the screen can do.
    pub(super) wishes: Vec<Wish>,
    notice_put_away: Option<Notice>,
    /// The session's notice that was drawn last, and when that was first: by the wall, because
    /// nobody reads faster in a drill whose time runs faster.
    notice_drawn: Option<(Notice, Wall)>,
}

/// What only the screen can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Suspend,
    Redraw,
    CycleTheme,
    ToggleMouse,
    Copy(String),
    Save(Pane),
    /// Open the person's editor for a note, with this text.
    Edit(String),
}

/// A line that is typed at the bottom.
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) input: Input,
    /// What was there before, for Esc.
    pub(super) before: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptKind {
    Filter,
    Search,
}

/// What lies over the panes.
pub(super) enum Overlay {
    Help {
        scroll: usize,
    },
    Sources {
        scroll: usize,
    },
    Detail {
        of: Shown,
        scroll: usize,
    },
    /// The chosen step, and whether it still has to be brought into sight.
    Runbook {
        step: u32,
        scroll: usize,
        reveal: bool,
    },
    Palette {
        input: Input,
        at: usize,
        back: Option<usize>,
    },
    Actions {
        at: usize,
    },
    Write {
        env: Input,
        reason: Input,
        second: bool,
    },
    Quit {
        why: Leaving,
    },
    /// Whether an alert is taken over from somebody.
    TakeOver {
        alert: AlertChoice,
        name: Safe,
        claim: Claim,
    },
    /// What is left over before the incident is closed, and of which change it is typed who owns
    /// it.
    Close {
        owner: Option<(PlanId, Input)>,
        scroll: usize,
    },
}

/// Why it is asked whether to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// This action is under way.
    Action(String),
    /// This step of a runbook is under way: a child of this process.
    Step(String),
    /// This incident is open, and this process records it.
    Incident(String),
}

/// What a detail shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shown {
    Row(Pane, RowKey),
    Line(LineId),
}

/// One sentence of the screen itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: NoticeKind,
    pub(super) text: String,
    pub(super) at: Wall,
}

impl State {
    pub(super) fn new(keymap: Keymap, zones: Vec<Zone>, arm: Duration) -> Self {
        Self {
            keymap,
            focus: Pane::Alerts,
            clause: None,
            zoom: false,
            lists: Default::default(),
            logs: LogView::default(),
            chip: None,
            search: None,
            prompt: None,
            overlay: None,
            typed: Input::default(),
            glass: None,
            meaning: String::new(),
            plan_scroll: 0,
            closing: false,
            zones: if zones.is_empty() { vec![Zone::Utc] } else { zones },
            zone: 0,
            said: None,
            pending: Vec::new(),
            drawn: None,
            on_its_way: None,
            arm,
            later: None,
            history: Vec::new(),
            rects: Vec::new(),
            wishes: Vec::new(),
            notice_put_away: None,
            notice_drawn: None,
        }
    }

    pub(super) fn zone(&self) -> Zone {
        self.zones.get(self.zone).copied().unwrap_or_default()
    }

    pub(super) fn list(&self, pane: Pane) -> &ListView {
        // Panes are numbered from 1 in the order of the array.
        &self.lists[pane.number().saturating_sub(1)]
    }

    pub(super) fn list_mut(&mut self, pane: Pane) -> &mut ListView {
        &mut self.lists[pane.number().saturating_sub(1)]
    }

    /// The rows of a pane as they are limited now.
    pub(super) fn items<'a>(&self, pane: Pane, scene: &Scene<'a>) -> Vec<Item<'a>> {
        let choice = Choice {
            filter: &self.list(pane).filter,
            service: self.chip.as_ref(),
            whole: self.zoom && self.focus == pane,
        };
        panes::items(pane, scene, &choice)
    }

    /// The selected row of the focused pane.
    pub(super) fn selected<'a>(&mut self, scene: &Scene<'a>) -> Option<Item<'a>> {
        let pane = self.focus;
        let items = self.items(pane, scene);
        let height = self.list(pane).height;
        let (_, at) = self.list_mut(pane).place(&items, height, pane == Pane::Timeline);
        items.into_iter().nth(at?)
    }

    /// What is looked for in the log. A level or a service alone is in its index, where whole
    /// chunks are passed over; lines of both can be few among many.
    pub(super) fn wanted(&self) -> Wanted {
        let filter = self.logs.filter.for_logs(self.chip.as_ref());
        let searched = self.search.clone().filter(|_| self.focus == Pane::Logs);
        Wanted {
            search: searched.map(|pattern| LogFilter { pattern: Some((pattern, false)), ..filter.clone() }),
            filter: Some(filter)
                .filter(|filter| filter.pattern.is_some() || (filter.service.is_some() && filter.level.is_some())),
        }
    }

    pub(super) fn say(&mut self, kind: NoticeKind, text: impl Into<String>, at: Wall) {
        self.said = Some(Said { kind, text: text.into(), at });
    }

    /// The sentence for the bottom line: the screen's own while it is new, else the session's.
    pub(super) fn sentence<'s>(&'s self, scene: &'s Scene<'_>, now: Wall) -> Option<(NoticeKind, &'s str)> {
        let own = self.said.as_ref().filter(|said| now.saturating_duration_since(said.at) < SAID_FOR);
        if let Some(said) = own {
            return Some((said.kind, &said.text));
        }
        let notice = scene.notice.filter(|notice| Some(*notice) != self.notice_put_away.as_ref())?;
        // An error stays until it is put away; news pass by themselves.
        let drawn = self.notice_drawn.as_ref().filter(|(it, _)| it == notice).map_or(now, |(_, drawn)| *drawn);
        let fresh = notice.kind == NoticeKind::Error || now.saturating_duration_since(drawn) < NOTICE_FOR;
        fresh.then_some((notice.kind, notice.text.as_str()))
    }

    /// The resumption that is offered and was not put off.
    pub(super) fn resume<'a>(&self, scene: &Scene<'a>) -> Option<&'a crate::session::ResumeOffer> {
        scene.resume.filter(|offer| self.later.as_ref() != Some(&offer.id))
    }

    /// Whether a plan was on the screen long enough to have been read by who presses a key now.
    pub(super) fn armed(&self, plan: &Plan, now: Wall) -> bool {
        let long_enough = |at: Wall| now.saturating_duration_since(at) >= self.arm;
        self.on_its_way.is_none() && self.drawn.as_ref().is_some_and(|(id, at)| *id == plan.id && long_enough(*at))
    }

    /// The terminal has taken the frame of this number: over a slow link that is later than it was
    /// sent, and what is read before it is the frame before.
    pub(super) fn note_written(&mut self, frame: u64, at: Wall) {
        if self.on_its_way.is_some_and(|awaited| awaited <= frame) {
            self.on_its_way = None;
            if let Some((_, drawn)) = &mut self.drawn {
                *drawn = at.max(*drawn);
            }
        }
    }

    /// Whether a plan's confirmation is the target's name.
    pub(super) fn wants_name(plan: &Plan) -> bool {
        plan.tier >= Tier::Lowers
    }

    /// Whether a plan of the top tier waits for somebody, or for its countdown.
    pub(super) fn waits(plan: &Plan, scene: &Scene<'_>) -> bool {
        let given = |consent: &Consent| matches!(&consent.grant, Grant::Given(warrant) if warrant.covers(plan));
        plan.tier == Tier::Grave && !scene.consent.is_some_and(given)
    }

    /// A frame with this plan and this notice was handed to the terminal. Whether it is the first
    /// one with this plan.
    pub(super) fn note_drawn(&mut self, scene: &Scene<'_>, now: Wall) -> bool {
        if let Some(notice) = scene.notice
            && self.notice_drawn.as_ref().is_none_or(|(drawn, _)| drawn != notice)
        {
            self.notice_drawn = Some((notice.clone(), now));
        }
        match scene.plan {
            Some(PlanView::Shown { plan, .. }) => {
                let first = self.drawn.as_ref().is_none_or(|(id, _)| *id != plan.id);
                if first {
                    self.drawn = Some((plan.id.clone(), now));
                    let meaning = plan.meaning();
                    if meaning != self.meaning {
                        self.typed.reset();
                        (self.glass, self.plan_scroll, self.meaning) = (None, 0, meaning);
                    }
                }
                first
            }
            Some(PlanView::Planning { .. } | PlanView::Refused { .. }) | None => {
                (self.drawn, self.on_its_way) = (None, None);
                self.typed.reset();
                self.glass = None;
                self.meaning.clear();
                false
            }
        }
    }

    pub(super) fn remember(&mut self, line: &str) {
        self.history.retain(|old| old != line);
        self.history.push(line.to_owned());
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
    }
}

/// Commands that a key leads to: at most one now.
pub(super) type Commands = Vec<Command>;
