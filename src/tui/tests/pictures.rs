//! What is seen at the sizes that matter. Read the `.snap` files: they are the screen.

use crate::model::command::Pane;
use crate::model::plan::{Instead, Tier};
use crate::session::{Notice, NoticeKind, PlanView, ResumeOffer};
use crate::tui::fixture::{Fixture, at, plan};
use crate::tui::screen::Options;
use crate::tui::snapshot::{Format, Shot, of};

fn shot(fixture: &Fixture, columns: u16, rows: u16, pane: Option<Pane>, ascii: bool) -> String {
    let mut options = Options::shipped().unwrap();
    options.ascii = ascii;
    of(&fixture.scene(), Shot { size: (columns, rows), pane, zoom: false, format: Format::Text }, &options).unwrap()
}

#[test]
fn an_incident_under_way_at_80_by_24() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 80, 24, None, false));
}

#[test]
fn an_incident_under_way_at_120_by_40() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 120, 40, None, false));
}

#[test]
fn an_incident_under_way_at_200_by_60() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 200, 60, None, false));
}

#[test]
fn the_smallest_screen_still_shows_what_fires() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 60, 15, None, false));
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 40, 8, None, false));
}

#[test]
fn nothing_is_known_yet() {
    insta::assert_snapshot!(shot(&Fixture::quiet(), 80, 24, None, false));
}

#[test]
fn the_workloads_take_the_place_of_the_logs_when_they_have_the_focus() {
    insta::assert_snapshot!(shot(&Fixture::burning(), 80, 24, Some(Pane::Workloads), false));
}

#[test]
fn only_ascii_is_drawn_when_the_terminal_knows_no_other() {
    let picture = shot(&Fixture::burning(), 120, 40, Some(Pane::Timeline), true);
    // What the data itself holds is not the screen's.
    let own: String = picture.chars().filter(|c| !c.is_ascii() && *c != '→').collect();
    assert_eq!(own, "");
    insta::assert_snapshot!(picture);
}

#[test]
fn a_plan_at_80_by_24() {
    let mut fixture = Fixture::burning();
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan(12, Tier::Reversible)), blocked: None });
    insta::assert_snapshot!(shot(&fixture, 80, 24, None, false));
}

#[test]
fn a_plan_that_lowers_capacity_wants_the_name_typed() {
    let mut fixture = Fixture::burning();
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan(2, Tier::Lowers)), blocked: None });
    insta::assert_snapshot!(shot(&fixture, 80, 24, None, false));
}

#[test]
fn a_plan_that_would_be_undone_offers_another_by_one_key() {
    let mut fixture = Fixture::burning();
    let mut plan = plan(12, Tier::Reversible);
    plan.instead = Some(Instead {
        words: "turn auto-sync of Application shop off first, at the version that runs".into(),
        request: Box::new(plan.request.clone()),
    });
    let blocked = Some("Not offered as it is: it would be undone. Argo CD app shop heals itself".into());
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan), blocked });
    insta::assert_snapshot!(shot(&fixture, 80, 24, None, false));
}

#[test]
fn an_old_incident_is_offered() {
    let mut fixture = Fixture::burning();
    fixture.resume = Some(ResumeOffer {
        id: "2026-11-20-search".into(),
        title: "search is slow".into(),
        last: at(2, 0),
        open_intents: 1,
        being_written: true,
    });
    insta::assert_snapshot!(shot(&fixture, 80, 24, None, false));
}

#[test]
fn a_drill_that_cannot_record_says_so() {
    let mut fixture = Fixture::burning();
    fixture.facing.drill = true;
    fixture.facing.env = "rate-limit-storm".into();
    fixture.journal_failed = Some("the disk is full".into());
    fixture.notice = Some(Notice {
        kind: NoticeKind::Error,
        text: "The record cannot be written: the disk is full. Actions are off until it can.".into(),
        at: at(29, 50),
        number: 1,
    });
    insta::assert_snapshot!(shot(&fixture, 100, 30, None, false));
}

#[test]
fn a_picture_for_documents_is_well_formed() {
    let options = Options::shipped().unwrap();
    let picture = |format| {
        of(&Fixture::burning().scene(), Shot { size: (120, 40), pane: None, zoom: false, format }, &options).unwrap()
    };
    let svg = picture(Format::Svg);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("PRODUCTION prod-eu") && !svg.contains("<text></text>"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    let mut screen = vt100::Parser::new(40, 121, 0);
    screen.process(picture(Format::Ansi).replace('\n', "\r\n").trim_end().as_bytes());
    assert!(screen.screen().contents().contains("1 Alerts  3 firing"));
}

/// Writes the README's picture anew: `cargo test --lib tui:: -- --ignored picture_of_the_readme`.
#[test]
#[ignore = "writes into the source tree"]
fn the_picture_of_the_readme() {
    let options = Options::shipped().unwrap();
    let shot = Shot { size: (120, 40), pane: None, zoom: false, format: Format::Svg };
    let svg = of(&Fixture::burning().scene(), shot, &options).unwrap();
    std::fs::create_dir_all("assets").unwrap();
    std::fs::write("assets/screen.svg", svg).unwrap();
}
