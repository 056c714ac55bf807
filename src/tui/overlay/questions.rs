//! Questions that want a person: open a write window, take up an old incident, take an alert
//! over, leave anyway.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tui_input::Input;

use crate::observe::alerts::Claim;
use crate::session::ResumeOffer;
use crate::text::Safe;
use crate::tui::chrome::Brush;
use crate::tui::keymap::{Keymap, Where};
use crate::tui::scene::Scene;
use crate::tui::state::{Leaving, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::Card;

/// Columns of the labels of the write question.
const LABEL: usize = 12;

/// What is typed into the question for a write window.
pub(super) struct Fields<'a> {
    pub(super) env: &'a Input,
    pub(super) reason: &'a Input,
    /// Whether the reason is what is typed.
    pub(super) second: bool,
}

/// Draws the question for a write window. Where the cursor belongs.
pub(super) fn write(
    Fields { env, reason, second }: Fields<'_>,
    keymap: &Keymap,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Position {
    let mut card = Card::new(brush, Role::DialogDanger, body, 76, LABEL);
    card.title(Role::TitleFocus, "Open a write window");
    let kind = match (scene.facing.drill, scene.facing.production) {
        (true, _) => "a drill",
        (false, true) => "PRODUCTION",
        (false, false) => "not production",
    };
    let text = format!(
        "This environment is {} ({kind}). Plans can be confirmed until the window closes by itself.",
        scene.facing.env
    );
    card.text(&text, Role::Text).blank();
    let above = card.lines.len();
    for (label, input, on) in [("type its name", env, !second), ("why", reason, second)] {
        let mut ink = card.ink();
        ink.cell(if on { Role::Key } else { Role::Dim }, label, LABEL + 2).put(Role::Text, input.value());
        card.lines.push(ink.line());
    }
    let mut foot = card.ink();
    let goes_on = if second { "open" } else { "next" };
    let words = [("accept", goes_on), ("complete", "other field"), ("back", "leave")];
    super::keys(&mut foot, keymap, Where::Line, &words);
    card.foot = vec![foot.line()];
    let place = card.draw(body, &mut 0, buffer);
    let row = above + usize::from(second);
    let x = LABEL + 3 + if second { reason.visual_cursor() } else { env.visual_cursor() };
    let y = usize::from(place.y) - (above + 2) + row;
    Position::new(
        place.x + u16::try_from(x).unwrap_or(0).min(place.width.saturating_sub(1)),
        u16::try_from(y).unwrap_or(place.y),
    )
}

/// Draws the offer to take up an incident.
pub(super) fn resume(
    offer: &ResumeOffer,
    state: &State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) {
    let mut card = Card::new(brush, Role::Dialog, body, 76, 10);
    card.title(Role::TitleFocus, "An incident was left open");
    card.fact("incident", &offer.id.to_string(), Role::Name);
    card.fact("title", &offer.title, Role::Text);
    // A drill begins anew at its own time: what was written before it may lie ahead of it.
    let age = if offer.last <= scene.now {
        format!(" ({} ago)", words::long_age(scene.now - offer.last))
    } else {
        String::new()
    };
    let last = format!("{}{age}", state.zone().full(offer.last));
    card.fact("last entry", &last, Role::Text);
    if offer.open_intents > 0 {
        let text = format!(
            "{} without an outcome: the system is read again, nothing is repeated",
            words::plural(offer.open_intents, "action")
        );
        card.fact("in flight", &text, Role::Warn);
    }
    if offer.being_written {
        let text = "another process writes this record now: resuming it joins that one, and what is in flight there \
                    stays its own";
        card.fact("shared", text, Role::Warn);
    }
    let mut foot = card.ink();
    let words = [("resume", "resume"), ("decline-resume", "leave it as it is"), ("back", "decide later")];
    super::keys(&mut foot, &state.keymap, Where::Resume, &words);
    card.foot = vec![ratatui::text::Line::default(), foot.line()];
    card.draw(body, &mut 0, buffer);
}

/// Draws the question whether to leave while something is under way.
pub(super) fn quit(why: &Leaving, keymap: &Keymap, brush: &Brush<'_>, body: Rect, buffer: &mut Buffer) {
    let mut card = Card::new(brush, Role::DialogDanger, body, 76, 10);
    match why {
        Leaving::Action(under) => {
            card.title(Role::DialogDanger, "An action is under way");
            card.text(under, Role::Name).blank();
            card.text(
                "Leaving does not stop it. Its outcome is recorded when a session that may write is started again.",
                Role::Text,
            );
        }
        Leaving::Step(under) => {
            card.title(Role::DialogDanger, "A step of a runbook is under way");
            card.text(under, Role::Name).blank();
            card.text(
                "Leaving kills it where it stands. What it had done by then stays done, and what it printed is lost.",
                Role::Text,
            );
        }
        Leaving::Incident(id) => {
            card.title(Role::DialogDanger, "The incident is open");
            card.text(id, Role::Name).blank();
            card.text(
                "Leaving ends what this program records of it. It stays open: the next start offers to resume it. \
                 `:close` closes it.",
                Role::Text,
            );
        }
    }
    let mut foot = card.ink();
    super::keys(&mut foot, keymap, Where::Leave, &[("quit", "leave anyway")]);
    foot.put(Role::Key, "any other key").put(Role::Dim, " stay");
    card.foot = vec![foot.line()];
    card.draw(body, &mut 0, buffer);
}

/// Draws the question whether an alert is taken over from who has claimed it.
pub(super) fn take_over(
    name: &Safe,
    claim: &Claim,
    state: &State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) {
    let mut card = Card::new(brush, Role::Dialog, body, 76, 10);
    card.title(Role::TitleFocus, "Already claimed");
    card.fact("alert", name, Role::Name);
    let age = words::long_age(scene.now - claim.at);
    let since = format!("already claimed by {} since {} ({age} ago)", claim.by, state.zone().full(claim.at));
    card.fact("by", &since, Role::Warn);
    card.blank().text("Taking it over goes on the record. Tell them: they may be at it.", Role::Text);
    let mut foot = card.ink();
    super::keys(&mut foot, &state.keymap, Where::Dialog, &[("accept", "take it over"), ("back", "leave it to them")]);
    card.foot = vec![ratatui::text::Line::default(), foot.line()];
    card.draw(body, &mut 0, buffer);
}
