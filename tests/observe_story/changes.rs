use warroom::model::change::ChangeKind;
use warroom::model::entry::EntryKind::*;
use warroom::model::signal::{Signal, Stamped};

use crate::kit::*;

fn edited(mut signal: Stamped<Signal>, edit: impl FnOnce(&mut warroom::model::change::Change)) -> Stamped<Signal> {
    if let Signal::Change(change) = &mut signal.body {
        edit(change);
    }
    signal
}

#[test]
fn each_change_is_told_once_and_stands_newest_first() {
    let mut picture = picture();
    let scaled = edited(rollout("checkout", "03:24", "scale"), |change| {
        change.kind = ChangeKind::Scale;
        (change.before, change.after) = (Some("6".into()), Some("12".into()));
    });
    let by = edited(rollout("payments", "03:04", "registry.example/pay/payments:2.9.0"), |change| {
        change.title = "image 2.8.0→2.9.0".into();
        change.by = Some("ci run 77".into());
    });
    let findings = play(&mut picture, [scaled.clone(), by.clone(), scaled, by]);
    assert_eq!(
        told(&findings),
        [
            (Rescaled, "03:24:00".into(), "checkout scaled 6 → 12"),
            (Rollout, "03:04:00".into(), "payments 2.9.0 rolled out: image 2.8.0→2.9.0, by ci run 77"),
        ]
    );
    assert_eq!(findings[1].service, Some(name("payments")));
    assert_eq!(findings[1].subject, "payments");
    let times: Vec<_> = picture.changes.rows().iter().map(|row| row.change.at).collect();
    assert_eq!(times, [at("03:24"), at("03:04")]);
}

#[test]
fn a_change_is_let_go_after_a_day() {
    let mut picture = picture();
    play(&mut picture, [rollout("payments", "03:04", "2.9.0")]);
    picture.tick(at("03:05") + chrono::TimeDelta::hours(23));
    assert_eq!(picture.changes.rows().len(), 1);
    picture.tick(at("03:05") + chrono::TimeDelta::hours(24));
    assert!(picture.changes.rows().is_empty());
    let mut old = rollout("payments", "03:04", "2.8.0");
    old.observed = at("03:05") + chrono::TimeDelta::hours(24);
    assert!(play(&mut picture, [old]).is_empty(), "a revision of long ago is no news");
}

#[test]
fn a_version_is_only_named_where_there_is_one() {
    let mut picture = picture();
    for (after, version) in [
        ("2.9.0", Some("2.9.0")),
        ("v3", Some("v3")),
        ("registry:5000/pay/payments:2.9.0@sha256:0123", Some("2.9.0")),
        ("registry:5000/pay/payments", None),
        ("payments@sha256:0123", None),
        ("app=payments:2.9.0, proxy=mesh:7", None),
    ] {
        play(&mut picture, [rollout("payments", "03:04", after)]);
        let row = picture.changes.rows().iter().find(|row| row.change.after.as_deref() == Some(after));
        assert_eq!(row.map(|row| row.version()), Some(version), "{after}");
    }
}
