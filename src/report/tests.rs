//! The document as people read it.

use super::*;
use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Body, Draft, Entry, EntryId, EntryKind, EntryOrigin};
use crate::model::service::Unit;

fn at(minutes: i64, seconds: i64) -> World {
    World::from_timestamp(1_795_230_000 + minutes * 60 + seconds, 0).unwrap()
}

fn entry(occurred_at: World, kind: EntryKind, subject: &str, title: &str) -> Entry {
    Entry {
        id: EntryId(format!("{:026}", occurred_at.timestamp()).into()),
        occurred_at,
        observed_at: occurred_at,
        draft: Draft {
            kind,
            source: "prod/test".into(),
            subject: subject.into(),
            title: title.into(),
            detail: None,
            actor: Actor::system(),
            service: Some(subject.split(' ').next().unwrap_or_default().into()),
            before: None,
            after: None,
            evidence: Vec::new(),
            dedupe: None,
            origin: EntryOrigin::Auto,
            pinned: false,
            body: None,
        },
    }
}

fn incident() -> Vec<Entry> {
    let mut opened = entry(at(16, 0), EntryKind::Opened, "2026-11-21-checkout", "incident declared: Checkout fails");
    opened.draft.body = Some(Body::Opened { incident: "2026-11-21-checkout".into(), title: "Checkout fails".into() });
    let mut claimed = entry(at(16, 0), EntryKind::Claimed, "CheckoutErrorRate", "ana claims CheckoutErrorRate");
    claimed.draft.actor = Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None };
    vec![
        entry(at(4, 0), EntryKind::Rollout, "payments", "image 2.8.0→2.9.0"),
        entry(at(14, 0), EntryKind::Breach, "checkout errors", "checkout errors 7.2 % (limit 1 %)"),
        entry(at(15, 0), EntryKind::AlertFiring, "CheckoutErrorRate", "CheckoutErrorRate fires: <b>errors</b> | high"),
        opened,
        claimed,
        entry(at(37, 0), EntryKind::Recovered, "checkout errors", "checkout errors 0.4 % (limit 1 %)"),
    ]
}

fn sample(minute: i64, value: f64) -> TrackSample {
    TrackSample {
        at: at(minute, 0),
        track: "checkout errors".into(),
        service: None,
        unit: Unit::Ratio,
        limit: Some(0.01),
        values: [("value".into(), Some(value))].into(),
    }
}

fn written(options: &Options) -> String {
    let entries = incident();
    let tracks: Vec<_> = [0.001, 0.02, 0.072, 0.004].into_iter().zip(0..).map(|(value, minute)| sample(minute, value)).collect();
    postmortem(Material { entries: &entries, tracks: &tracks, problems: &[] }, options).unwrap()
}

#[test]
fn the_sections_are_there_in_order() {
    let text = written(&Options::default());
    let mut rest = text.as_str();
    for heading in [
        "---\nschema: incident-postmortem/v1",
        "# Checkout fails",
        "## Summary",
        "## At a glance",
        "## Impact",
        "## Key moments",
        "## Alerts",
        "## Timeline",
        "## Changes",
        "## Actions",
        "## Evidence",
        "## Five whys",
        "## Action items",
        "## What we could not see",
        "## Appendix",
    ] {
        let place = rest.find(heading);
        assert!(place.is_some(), "`{heading}` is missing or out of order in:\n{text}");
        rest = &rest[place.unwrap_or(0)..];
    }
}

#[test]
fn the_facts_stand_where_they_are_looked_for() {
    let text = written(&Options::default());
    assert!(text.contains("id: \"2026-11-21-checkout\""));
    assert!(text.contains("impact_start: 2026-11-21T"));
    assert!(text.contains("10 min before | payments | payments: image 2.8.0→2.9.0"), "{text}");
    assert!(text.contains("worst minute 7.2 %"), "{text}");
    assert!(text.contains("ana"));
}

#[test]
fn markup_in_an_alert_stays_text() {
    let text = written(&Options::default());
    assert!(!text.contains("<b>"));
    assert!(text.contains("&lt;b&gt;errors&lt;/b&gt; \\| high"));
}

#[test]
fn other_flavors_have_no_html() {
    for flavor in [Flavor::Confluence, Flavor::Plain] {
        let text = written(&Options { flavor, ..Options::default() });
        assert!(!text.contains("<details>") && !text.contains("<!--"), "{text}");
    }
}

#[test]
fn a_second_export_keeps_what_people_wrote() {
    let first = written(&Options::default()).replace("- Trigger:", "- Trigger: the retry budget was dropped in 2.9.0");
    let renewed = renew(&first, &written(&Options::default())).unwrap();
    assert!(renewed.contains("the retry budget was dropped"));
    assert_eq!(renewed, first);
}

#[test]
fn a_zone_stands_beside_utc() {
    let text = written(&Options { zone: Some(chrono_tz::Europe::Berlin), ..Options::default() });
    assert!(text.contains("| UTC | Europe/Berlin | impact |"), "{text}");
}

#[test]
fn an_empty_record_is_an_error() {
    let empty = Material { entries: &[], tracks: &[], problems: &[] };
    assert!(matches!(postmortem(empty, &Options::default()), Err(ReportError::Empty)));
}
