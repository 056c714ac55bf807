//! What a person needs from a row or a title, at the sizes that matter.

use chrono::TimeDelta;

use crate::model::command::Pane;
use crate::model::entry::{Body, EntryKind};
use crate::model::plan::{Outcome, PlanId, Tier};
use crate::model::signal::SourceState;
use crate::session::{Action, ActionState};
use crate::tui::fixture::{Fixture, at, plan, row, source};
use crate::tui::screen::Options;
use crate::tui::snapshot::{Format, Shot, of};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

fn shot(fixture: &Fixture, size: (u16, u16), pane: Pane) -> String {
    let shot = Shot { size, pane: Some(pane), zoom: false, format: Format::Text };
    of(&fixture.scene(), shot, &Options::shipped().unwrap()).unwrap()
}

fn line<'a>(picture: &'a str, text: &str) -> &'a str {
    picture.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no line has {text}:\n{picture}"))
}

fn outcome(detail: &str, ended: Outcome) -> Fixture {
    let mut fixture = Fixture::burning();
    let title = "scale Deployment payments: replicas 6 → 12, 12 of 12 ready after 71 s";
    let mut acted = row("e8", EntryKind::Outcome, 26, title, "kubernetes", Some("ana"), 1);
    let draft = &mut acted.entry.draft;
    draft.subject = "Deployment payments/payments".into();
    (draft.before, draft.after) = (Some("6".into()), Some("12".into()));
    draft.detail = Some(detail.into());
    draft.body = Some(Body::Outcome { plan: PlanId("p".into()), outcome: ended });
    fixture.timeline.push(acted);
    fixture
}

fn verified() -> Outcome {
    Outcome::Verified { after_seconds: Some(71), words: "12 of 12 ready".into() }
}

#[test]
fn what_an_action_did_to_users_is_read_whole_at_every_size() {
    let felt = "checkout errors 9.1 % → 7.2 %; checkout p99 4.6 s → 4.1 s; payments errors 33 % → 31 %";
    let fixture = outcome(felt, verified());
    let small = shot(&fixture, SMALL, Pane::Timeline);
    let told = line(&small, "payments 6→12");
    assert!(told.contains("payments 6→12: checkout errors 9.1→7.2 % +2"), "{told}");
    assert!(!told.contains('…'), "{told}");
    let large = shot(&fixture, LARGE, Pane::Timeline);
    let told = line(&large, "payments 6→12");
    assert!(told.contains("checkout errors 9.1→7.2 %, checkout p99 4.6→4.1 s, payments errors 33→31 %"), "{told}");
    let zoomed = Shot { size: (240, 60), pane: Some(Pane::Timeline), zoom: true, format: Format::Text };
    let wide = of(&fixture.scene(), zoomed, &Options::shipped().unwrap()).unwrap();
    assert!(wide.contains(&format!("12 of 12 ready after 71 s; {felt}")), "{wide}");
}

#[test]
fn of_an_action_that_failed_the_failure_comes_first() {
    let fixture = outcome("checkout errors 9.1 % → 9.9 %", Outcome::Failed { why: "quota exceeded".into() });
    assert!(line(&shot(&fixture, SMALL, Pane::Timeline), "scale Deployment").contains("scale Deployment payments"));
}

#[test]
fn what_is_well_takes_one_line_and_is_counted_until_somebody_looks_for_it() {
    let fixture = Fixture::burning();
    for size in [SMALL, LARGE] {
        let picture = shot(&fixture, size, Pane::Workloads);
        assert!(line(&picture, "3 well").contains("3 well, 0 pods: checkout, cart, login"), "{picture}");
        assert!(line(&picture, " 9/12 ready").contains("cpu 97 %"), "{picture}");
    }
    let mut acted = Fixture::burning();
    let mut plan = plan(12, Tier::Reversible);
    plan.target.path = crate::model::name::ObjectPath::new("cart", "cart");
    acted.actions.push(Action { plan, at: at(20, 0), state: ActionState::Ended(verified()), undone_by: None });
    let picture = shot(&acted, SMALL, Pane::Workloads);
    assert!(picture.contains("3/3 ready") && picture.contains("2 well"), "what was acted on stays: {picture}");
    let shot = Shot { size: LARGE, pane: Some(Pane::Workloads), zoom: true, format: Format::Text };
    let whole = of(&fixture.scene(), shot, &Options::shipped().unwrap()).unwrap();
    assert!(whole.contains("6/6 ready") && !whole.contains("3 well"), "{whole}");
}

#[test]
fn a_pane_says_when_its_source_was_read_last() {
    for size in [SMALL, LARGE] {
        let mut fixture = Fixture::burning();
        let why = "connection refused".into();
        fixture.sources[1] = source("alertmanager", SourceState::Retrying { until: at(30, 0), why }, 48);
        fixture.sources[3] =
            source("cloudwatch", SourceState::Retrying { until: at(30, 0), why: "throttled".into() }, 61);
        let picture = shot(&fixture, size, Pane::Alerts);
        let title = line(&picture, "1 Alerts");
        let both = if size == SMALL { "alertmanager 48s ago, cloudwatch 61s ago" } else { "2 late, oldest 61s ago" };
        assert!(title.contains(both), "{title}");
        fixture.sources.remove(3);
        let picture = shot(&fixture, size, Pane::Alerts);
        let title = line(&picture, "1 Alerts");
        let age = if size == SMALL { "alertmanager last read 48 s ago" } else { "─ last read 48 s ago ─" };
        assert!(title.replace('━', "─").contains(age), "{title}");
    }
}

#[test]
fn a_pane_whose_source_is_read_and_silent_says_so() {
    for size in [SMALL, LARGE] {
        let mut fixture = Fixture::burning();
        fixture.sources.truncate(5);
        for row in &mut fixture.sources {
            row.last_read = Some(fixture.now - TimeDelta::seconds(1));
        }
        fixture.sources[4].last_news = Some(fixture.now - TimeDelta::seconds(48));
        let picture = shot(&fixture, size, Pane::Logs);
        let title = line(&picture, "3 Logs");
        assert!(title.contains("no new lines for 48 s"), "{title}");
        assert!(!title.contains("last read"), "{title}");
    }
}
