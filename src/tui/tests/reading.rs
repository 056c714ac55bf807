//! What is opened to be read: the sources, a row in full, help.

use chrono::TimeDelta;
use crossterm::event::KeyCode;

use super::person::Person;
use crate::model::command::Pane;
use crate::model::name::{SourceId, SourceKind};
use crate::model::signal::SourceState;
use crate::observe::sources::SourceRow;
use crate::session::WriteWindow;
use crate::session::commands::COMMANDS;
use crate::tui::fixture::{Fixture, at, origin};

fn source(fixture: &Fixture, name: &str, state: SourceState) -> SourceRow {
    let now = fixture.now;
    SourceRow {
        origin: origin(name),
        state,
        since: now - TimeDelta::seconds(70),
        last_read: Some(now - TimeDelta::seconds(75)),
        last_news: None,
        dropped: 0,
    }
}

#[test]
fn every_source_says_how_it_is_why_and_what_comes_next() {
    let mut fixture = Fixture::quiet();
    let (now, denied) = (fixture.now, "list pods: 403 pods is forbidden; ask for the role `view`");
    fixture.sources = vec![
        source(&fixture, "alertmanager", SourceState::Live { limited: None }),
        source(&fixture, "pods", SourceState::Denied { why: denied.into() }),
        source(
            &fixture,
            "cloudwatch",
            SourceState::Retrying {
                until: now + TimeDelta::seconds(8),
                why: "DescribeAlarms: ExpiredToken: the token has expired; run `aws sso login`".into(),
            },
        ),
        source(&fixture, "usage", SourceState::Live { limited: Some("metrics of 2 of 5 nodes are missing".into()) }),
    ];
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('i'));
    let seen = ana.sees();
    for wanted in [
        "refuses us for 70 s, last read 75 s ago",
        denied,
        "does not answer for 70 s, last read 75 s ago; next try in 8 s",
        "ExpiredToken: the token has expired; run `aws sso login`",
        "sees less than everything",
        "metrics of 2 of 5 nodes are missing",
        "live, last read 75 s ago",
    ] {
        assert!(seen.contains(wanted), "{wanted}:\n{seen}");
    }
    let place = |text: &str| seen.find(text).unwrap();
    assert!(place("refuses us") < place("does not answer") && place("does not answer") < place("live, last"), "{seen}");
    ana.presses(KeyCode::Char('q'));
    assert!(!ana.sees().contains("what is read, and what cannot be"));
}

#[test]
fn what_the_credentials_could_do_stands_below_the_sources() {
    let mut fixture = Fixture::quiet();
    let told = "in payments these credentials could scale deployments, read secrets";
    fixture.powers = vec![told.into()];
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('i'));
    assert!(ana.sees().contains(told), "{}", ana.sees());
}

#[test]
fn a_pane_knows_its_sources_whatever_they_are_called() {
    let mut fixture = Fixture::quiet();
    for (name, kind) in [("eu", SourceKind::Signals), ("catalog-alerts", SourceKind::Alerts)] {
        fixture.facing.sources.insert(SourceId::from(name), kind);
    }
    let live = SourceState::Live { limited: None };
    fixture.sources = vec![source(&fixture, "eu", live.clone()), source(&fixture, "catalog-alerts", live)];
    let scene = fixture.scene();
    let fed = |pane| scene.feed(pane, &[]).words;
    assert_eq!((fed(Pane::Services).as_str(), fed(Pane::Alerts).as_str()), ("read 75s ago", "read 75s ago"));
    assert_eq!(fed(Pane::Logs), "no source", "a catalog is no log");
}

#[test]
fn a_long_row_of_the_timeline_can_be_read_to_its_end() {
    let mut fixture = Fixture::burning();
    let long = "could not see: cloudwatch-logs 03:20-03:23, throttled: ".to_owned()
        + &"rate exceeded, ".repeat(20)
        + "the end";
    let mut row = fixture.timeline[0].clone();
    row.entry.draft.title = long.as_str().into();
    fixture.timeline = vec![row];
    let mut ana = Person::at(fixture);
    for key in [KeyCode::Char('6'), KeyCode::Enter] {
        ana.presses(key);
        ana.sees();
    }
    assert!(ana.sees().contains("the end"), "{}", ana.sees());
}

#[test]
fn help_tells_every_command_to_its_last_word() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Open { until: at(40, 0), reason: "more cpu".into() };
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('?'));
    // As far as it can be scrolled, page by page.
    let mut told = String::new();
    for _ in 0..40 {
        told.push_str(&ana.sees());
        ana.presses(KeyCode::PageDown);
    }
    for command in COMMANDS {
        let last = command.help.split(' ').next_back().unwrap();
        let line = format!(":{} {}", command.id, command.args);
        assert!(told.contains(line.trim_end()), "{line}");
        assert!(told.contains(last), "{}: {last}", command.id);
    }
}
