//! The record as a stream of plain lines: what the fronts without a screen print.

use std::io::{self, Write};

use crate::clock::World;
use crate::model::card;
use crate::model::entry::{ActorKind, Entry, EntryId, EntryKind};
use crate::model::plan::{Plan, PlanId, Tier};
use crate::model::runbook::Block;
use crate::record::{OpenIntent, short};
use crate::text::Safe;

use super::core::Told;
use super::outflow::Outflow;
use super::{Consent, Core, Grant, Notice, PlanView, ResumeOffer, RunbookState, RunbookView};

/// Prints each entry, notice and plan once, a line each, in the order it became known.
#[derive(Debug)]
pub(super) struct Transcript {
    out: Outflow,
    /// What was printed: an entry that is carried into an incident comes again, with another id.
    printed: Told<(EntryKind, World, Safe, Safe)>,
    /// The last entry that was looked at.
    last: Option<EntryId>,
    notice: Option<Notice>,
    plan: Option<String>,
    /// The plan that was printed last: one that was renewed and reads the same is the same.
    plan_id: Option<PlanId>,
    incident: Option<Safe>,
    offer: Option<ResumeOffer>,
    open: Vec<OpenIntent>,
    runbook: Option<RunbookView>,
}

impl Transcript {
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        Self {
            out: Outflow::new(out),
            printed: Told::default(),
            last: None,
            notice: None,
            plan: None,
            plan_id: None,
            incident: None,
            offer: None,
            open: Vec::new(),
            runbook: None,
        }
    }

    /// Whether what was printed has been taken.
    pub(super) fn is_taken(&self) -> bool {
        self.out.is_dry()
    }

    /// Prints what is new in the core.
    pub(super) fn show(&mut self, core: &Core) -> io::Result<()> {
        let incident = core.incident.as_ref().map(|incident| incident.id.0.clone());
        if incident != self.incident {
            if let Some(id) = &incident {
                writeln!(self.out, "incident {id}")?;
            }
            self.incident = incident;
        }
        self.show_offer(core)?;
        self.show_open(core)?;
        for entry in self.unseen(&core.entries) {
            let draft = &entry.draft;
            let mark = (draft.kind, entry.occurred_at, draft.subject.clone(), draft.title.clone());
            if draft.kind != EntryKind::Started && self.printed.insert(mark) {
                writeln!(self.out, "{}", line(entry))?;
            }
        }
        self.last = core.entries.last().map(|entry| entry.id.clone());
        self.show_runbook(core)?;
        self.show_plan(core)?;
        if core.notice != self.notice {
            if let Some(notice) = &core.notice {
                writeln!(self.out, "{} -- {}", notice.at.format("%H:%M:%SZ"), notice.text)?;
            }
            self.notice.clone_from(&core.notice);
        }
        self.out.flush()
    }

    /// Prints a line that is not part of the core.
    pub(super) fn say(&mut self, text: &Safe) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// The plan that was printed, while it is shown.
    pub(super) fn plan_printed(&self) -> Option<&PlanId> {
        self.plan_id.as_ref()
    }

    fn show_offer(&mut self, core: &Core) -> io::Result<()> {
        if core.resume != self.offer {
            if let Some(offer) = &core.resume {
                let acts = match offer.open_intents {
                    0 => String::new(),
                    1 => ", one action without a known outcome".into(),
                    n => format!(", {n} actions without a known outcome"),
                };
                let shared = if offer.being_written { ", another process writes it now" } else { "" };
                writeln!(
                    self.out,
                    "left open: {} {} (last entry {}{acts}{shared}); `resume` takes it up, `decline-resume` leaves it as it is",
                    offer.id,
                    offer.title,
                    offer.last.format("%H:%M:%SZ")
                )?;
            }
            self.offer.clone_from(&core.resume);
        }
        Ok(())
    }

    /// What was left in flight, as long as nobody knows how it ended.
    fn show_open(&mut self, core: &Core) -> io::Result<()> {
        if core.open_intents != self.open {
            for one in core.open_intents.iter().filter(|one| !self.open.contains(one)) {
                writeln!(self.out, "no outcome is recorded of {}", one.words())?;
            }
            self.open.clone_from(&core.open_intents);
        }
        Ok(())
    }

    /// The entries since the last look; all of them if others took their place.
    fn unseen<'a>(&self, entries: &'a [Entry]) -> &'a [Entry] {
        let seen = entries.iter().rposition(|entry| Some(&entry.id) == self.last.as_ref()).map_or(0, |at| at + 1);
        entries.get(seen..).unwrap_or_default()
    }

    /// A runbook whole, its commands with their numbers: what `run-step` wants.
    fn show_runbook(&mut self, core: &Core) -> io::Result<()> {
        if core.runbook == self.runbook {
            return Ok(());
        }
        self.runbook.clone_from(&core.runbook);
        let Some(view) = &self.runbook else { return Ok(()) };
        writeln!(self.out, "runbook of {}: {}", view.service, view.source)?;
        match &view.state {
            RunbookState::Read(runbook) => {
                for block in &runbook.blocks {
                    match block {
                        Block::Heading { text, .. } | Block::Text { text, .. } => writeln!(self.out, "{text}")?,
                        Block::Code(text) => lines(&mut self.out, "    ", text)?,
                        Block::Step(step) => {
                            let refused = step.refused.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                            writeln!(self.out, "step {}, {}{refused}:", step.number, step.shell.as_str())?;
                            lines(&mut self.out, "    ", &step.command)?;
                        }
                    }
                }
            }
            RunbookState::Failed(why) => writeln!(self.out, "{why}")?,
            RunbookState::Reading | RunbookState::Page => {}
        }
        Ok(())
    }

    fn show_plan(&mut self, core: &Core) -> io::Result<()> {
        let words = match &core.plan {
            Some(PlanView::Shown { plan, blocked }) => Some(card(core, plan, blocked.as_ref())),
            Some(PlanView::Refused { why }) => Some(format!("no plan: {why}")),
            Some(PlanView::Planning { .. }) | None => None,
        };
        if words != self.plan {
            if let Some(words) = &words {
                writeln!(self.out, "{} {words}", core.now.format("%H:%M:%SZ"))?;
            }
            self.plan = words;
        }
        self.plan_id = core.shown_plan().map(|plan| plan.id.clone());
        Ok(())
    }
}

/// All that the screen's card tells of a plan, a line each. Its age and the time that is left are
/// not told: a plan that was read again and reads the same is not printed again.
fn card(core: &Core, plan: &Plan, blocked: Option<&Safe>) -> String {
    let grave = core.consent.as_ref().filter(|_| plan.tier == Tier::Grave && blocked.is_none());
    let second = grave.map(second_person).unwrap_or_default();
    let blocked = blocked.map(|why| format!("; {why}")).unwrap_or_default();
    let mut text = format!("plan: {} in {}: {}{blocked}{second}", plan.title, plan.target.origin.env, plan.changed());
    let valid = (plan.expires_at - plan.read_at).num_seconds();
    let rest = [
        card::Line::new("expires", format!("{valid} s after it was read; it is read again then"), card::Tone::Dim),
        card::Line::new("confirm", how_to_confirm(plan), card::Tone::Text),
    ];
    let minute = |at: World| at.format("%Y-%m-%d %H:%MZ").to_string();
    let place = Some(core.facing.place());
    for line in card::lines(plan, place, plan.read_at, &minute).iter().chain(&rest) {
        text += &format!("\n    {:<9} {}", line.label, line.text);
    }
    text.replace('→', "->")
}

fn how_to_confirm(plan: &Plan) -> String {
    match plan.tier {
        Tier::Reversible => "`confirm`".to_owned(),
        Tier::Lowers | Tier::Grave => format!("`confirm {}`", plan.name_to_type()),
    }
}

fn lines(out: &mut Outflow, before: &str, text: &str) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "{before}{line}"))
}

/// What a plan of the top tier takes.
fn second_person(consent: &Consent) -> String {
    match &consent.grant {
        Grant::Given(warrant) => format!("; {}", warrant.words()),
        _ => format!(
            "; it takes a second person: `warroom incident consent {} {}` as another user, or `break-glass REASON`",
            consent.incident,
            short(&consent.hash)
        ),
    }
}

/// `03:12:04Z alert_firing    PaymentsCPUHigh fires: … [drill/alertmanager]`.
fn line(entry: &Entry) -> String {
    let draft = &entry.draft;
    let who = match draft.actor.kind {
        ActorKind::Human => &draft.actor.name,
        ActorKind::Automation | ActorKind::System => &draft.source,
    };
    format!("{} {:<17} {} [{who}]", entry.occurred_at.format("%H:%M:%SZ"), draft.kind.as_str(), draft.title)
}
