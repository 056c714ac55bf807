//! What a tired person finds in every plan at 80×24, whatever system it is of.
//!
//! A test of an action hands its plan to [`picture`] and keeps what comes back as a snapshot.

use std::time::Duration;

use chrono::TimeDelta;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::clock::{Wall, wall};
use crate::model::card::waits;
use crate::model::command::{Command, View};
use crate::model::plan::{Ends, Fact, FieldChange, Plan, Room, Tier};
use crate::session::PlanView;
use crate::text::Safe;
use crate::tui::chrome::{self, Brush};
use crate::tui::fixture::{Fixture, plan};
use crate::tui::keymap::Keymap;
use crate::tui::snapshot;
use crate::tui::state::State;
use crate::tui::term::Depth;
use crate::tui::theme::Themes;
use crate::tui::words::Zone;

use super::person::Person;

/// The smallest screen that a plan has to be judged on.
const SIZE: (u16, u16) = (80, 24);
/// Characters of a command that are there at least. The rest of a long one is copied.
const COMMAND: usize = 60;

/// The plan on a screen of 80×24, two seconds after the system was read. Fails if the environment,
/// the target, a change, the room, an owner, the undo, the expiry, the command or anything else
/// that the plan tells is not to be found in it, by scrolling where the screen says that there is
/// more.
pub(crate) fn picture(plan: &Plan) -> String {
    let frames = frames(plan, None);
    for told in telling(plan) {
        assert!(
            frames.iter().any(|frame| squeezed(frame).contains(&squeezed(&told))),
            "at 80×24 the plan does not tell `{told}`:\n{}",
            frames.join("\n")
        );
    }
    let left = format!("valid for {} s", (plan.expires_at - plan.read_at).num_seconds() - 2);
    assert!(frames.iter().all(|frame| frame.contains(&left)), "when it expires is always in sight");
    assert_eq!(frames.len() > 1, frames[0].contains(" 0 above, "), "more than is seen is announced:\n{}", frames[0]);
    frames.concat()
}

/// All that the plan tells, as its card has it.
fn telling(plan: &Plan) -> Vec<String> {
    let mut told = vec![
        plan.title.to_string(),
        format!("PRODUCTION {}", plan.target.origin.env),
        format!("target {} {}", plan.target.kind, plan.target.path),
        format!("undo {}", plan.undo.as_deref().unwrap_or("there is none")),
        format!("same as {}", plan.command.chars().take(COMMAND).collect::<String>()),
    ];
    assert!(!plan.command.is_empty(), "the equivalent command is missing");
    assert!(!plan.changes.is_empty(), "nothing is changed");
    told.extend(plan.changes.iter().map(|change| match &change.words {
        Some(words) => format!("{} {words}", change.label),
        None => format!("{} {} → {}", change.label, value(&change.before), value(&change.after)),
    }));
    told.extend(plan.facts.iter().map(|fact| format!("{} {}", fact.label, fact.words)));
    told.push(format!("waits up to {}", waits(plan)));
    told.push(match &plan.room {
        Room::NotNeeded => "room none is needed".into(),
        Room::Counted { fit, wait: 0, .. } => format!("room all {fit} fit now"),
        Room::Counted { fit, wait, .. } => format!("room {fit} of {} fit now; {wait} would wait", fit + wait),
        Room::Unknown { why } => format!("room unknown: {why}"),
    });
    if plan.owners.is_empty() {
        told.push("owner no controller was found".into());
    }
    told.extend(plan.owners.iter().map(|owner| format!("owner {} {}", owner.name, owner.words)));
    told.extend(plan.instead.iter().map(|instead| format!("instead {}", instead.words)));
    told.extend(match plan.ends {
        Ends::Stays => None,
        Ends::BySystem { at } => Some(format!("ends by itself at {}", Zone::Utc.minute(at, plan.read_at))),
        Ends::Reminder => Some("ends by nobody".into()),
    });
    told
}

/// A value as the card has it, as far as one line of it goes.
fn value(json: &Safe) -> String {
    match json.as_str() {
        "null" => "nothing".into(),
        json => json.chars().take(40).collect(),
    }
}

/// The screen with the plan: as it comes up, then a line further each, down to its end.
fn frames(plan: &Plan, blocked: Option<Safe>) -> Vec<String> {
    let mut fixture = Fixture::burning();
    fixture.now = plan.read_at + TimeDelta::seconds(2);
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan.clone()), blocked });
    let mut state = State::new(Keymap::shipped().unwrap(), vec![Zone::Utc], Duration::ZERO);
    let (scene, now) = (fixture.scene(), wall());
    let mut frames = vec![drawn(&mut state, &fixture, now)];
    while !frames.last().is_some_and(|frame| !frame.contains(" above, ") || frame.contains(", 0 below ")) {
        state.command(Command::View(View::Down), &scene, now);
        frames.push(drawn(&mut state, &fixture, now));
        assert!(frames.len() < 200, "the end of the plan is out of reach");
    }
    frames
}

fn drawn(state: &mut State, fixture: &Fixture, now: Wall) -> String {
    let theme = Themes::shipped().load("default", Depth::Ansi16).unwrap();
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    chrome::draw(state, &fixture.scene(), &Brush { theme: &theme, ascii: false, wall: now }, &mut buffer);
    snapshot::text(&buffer)
}

/// Without the blanks and lines that wrapping brings.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !('\u{2500}'..='\u{257f}').contains(c)).collect()
}

/// A plan with all that a plan can have, and more of it than a small screen holds.
fn long() -> Plan {
    let mut long = plan(2, Tier::Lowers);
    long.target.path = crate::model::name::ObjectPath::new(
        "",
        "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener-rule/app/shop/1234567890abcdef/fedcba/0987",
    );
    long.changes.push(FieldChange {
        pointer: "/spec/template".into(),
        label: "template".into(),
        before: "{\"spec\":\"very long\"}".into(),
        after: "{\"spec\":\"another\"}".into(),
        words: Some("payments:2.9.0 → payments:2.8.0".into()),
    });
    long.changes.push(FieldChange {
        pointer: "/metadata/annotations/paused".into(),
        label: "paused".into(),
        before: "null".into(),
        after: "\"true\"".into(),
        words: None,
    });
    let fact = |n: u8| Fact {
        label: "traffic".into(),
        words: Safe::from(format!("{n} % of 1.9k requests/s go to the green target group, which has 3 ready")),
        warns: n == 90,
    };
    long.facts = vec![fact(10), fact(90)];
    long.room = Room::Unknown { why: "nodes are not read in this environment".into() };
    long.ends = Ends::Reminder;
    let forward = "{\"Type\":\"forward\",\"TargetGroups\":[{\"arn\":\"blue\",\"weight\":10}]},".repeat(9);
    long.command = Safe::from(format!("aws elbv2 modify-rule --rule-arn {} --actions '{forward}'", long.target.path));
    (long.read_at, long.expires_at) = (long.expires_at - TimeDelta::seconds(90), long.expires_at);
    long
}

fn ninety(mut plan: Plan) -> Plan {
    plan.expires_at = plan.read_at + TimeDelta::seconds(90);
    plan
}

#[test]
fn a_plan_that_is_longer_than_the_screen_says_so_and_all_of_it_is_reached() {
    let picture = picture(&long());
    assert!(picture.contains("(goes on; c copies all of it)"), "{picture}");
    insta::assert_snapshot!(frames(&long(), None).first().unwrap());
}

#[test]
fn a_plan_of_few_facts_fits_and_has_nothing_to_scroll() {
    for tier in [Tier::Reversible, Tier::Lowers] {
        let plan = ninety(plan(if tier == Tier::Reversible { 12 } else { 2 }, tier));
        assert_eq!(frames(&plan, None).len(), 1);
        assert!(!picture(&plan).contains(" below "));
    }
}

#[test]
fn a_plan_that_ends_by_itself_says_when_and_one_of_no_owner_says_that() {
    let mut plan = ninety(plan(12, Tier::Reversible));
    plan.owners.clear();
    plan.ends = Ends::BySystem { at: plan.read_at + TimeDelta::hours(2) };
    let picture = picture(&plan);
    assert!(picture.contains("by itself at 05:29"), "{picture}");
}

#[test]
fn why_a_plan_is_blocked_is_in_sight_and_so_is_when_it_expires() {
    let frames = frames(&ninety(plan(12, Tier::Reversible)), Some("the HPA sets it back".into()));
    assert!(frames[0].contains("Cannot be confirmed as it is: the HPA sets it back"), "{}", frames[0]);
    assert!(frames[0].contains("valid for 88 s"), "{}", frames[0]);
}

#[test]
fn what_is_not_drawn_is_missed() {
    let whole = ninety(plan(12, Tier::Reversible));
    let bare = Plan { undo: None, owners: Vec::new(), command: "kubectl".into(), ..whole.clone() };
    let drawn = squeezed(&frames(&bare, None).concat());
    let missing: Vec<_> = telling(&whole).into_iter().filter(|told| !drawn.contains(&squeezed(told))).collect();
    assert_eq!(missing.len(), 3, "{missing:?}");
}

#[test]
fn a_system_that_takes_long_to_be_read_is_no_silence() {
    let mut fixture = Fixture::burning();
    let since = fixture.now;
    fixture.plan = Some(PlanView::Planning { what: "scale payments".into(), since });
    let mut ana = Person::at(fixture);
    assert!(ana.sees().contains("reading the system; nothing is changed"));
    ana.fixture.now = since + TimeDelta::seconds(14);
    assert!(ana.sees().contains("reading the system for 14 s; nothing is changed"));
}
