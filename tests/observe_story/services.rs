use warroom::model::entry::EntryKind::*;
use warroom::model::signal::{Delta, Signal, SourceState};
use warroom::observe::Picture;
use warroom::observe::services::Health;

use crate::kit::*;

#[test]
fn a_breach_is_told_from_its_first_sample_once_it_has_lasted() {
    let mut picture = picture();
    let findings = play(&mut picture, series("checkout", "03:13:30", &[0.003, 0.004, 0.03, 0.05, 0.06, 0.07]));
    assert!(findings.is_empty(), "it has lasted for 45 s only");
    let findings = play(&mut picture, series("checkout", "03:15:00", &[0.072, 0.08]));
    assert_eq!(told(&findings), [(Breach, "03:14:00".into(), "checkout errors 7.2 % (limit 1 %)")]);
    let breach = &findings[0];
    assert_eq!(breach.subject, "checkout errors");
    assert_eq!((breach.before.as_deref(), breach.after.as_deref()), (Some("0.4 %"), Some("7.2 %")));
    assert_eq!(breach.evidence.as_deref(), Some("error_ratio{service=\"checkout\"}"));
    let row = &picture.services.rows()[0];
    assert_eq!((row.name.as_str(), row.health, row.since), ("checkout", Health::Failing, Some(at("03:14"))));
}

#[test]
fn it_has_recovered_since_the_first_good_sample_of_a_long_enough_run() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:14:00", &[0.05; 6]));
    // A short dip is no recovery.
    let findings = play(&mut picture, series("checkout", "03:15:30", &[0.005, 0.005, 0.091, 0.04]));
    assert!(findings.is_empty());
    let findings = play(&mut picture, series("checkout", "03:16:30", &[0.004; 12]));
    assert_eq!(told(&findings), [(Recovered, "03:16:30".into(), "checkout errors back at 0.4 % (limit 1 %)")]);
    assert_eq!(findings[0].before.as_deref(), Some("4.0 %"));
    assert_eq!(findings[0].detail.as_deref(), Some("in breach for 2 min, at worst 9.1 %"));
    assert_eq!(picture.services.row(&name("checkout")).unwrap().health, Health::Fine);
}

#[test]
fn a_query_without_a_value_neither_breaches_nor_recovers() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:14:00", &[0.05; 5]));
    let mut findings = Vec::new();
    for second in 0..12 {
        let when = at("03:15:15") + chrono::TimeDelta::seconds(15 * second);
        findings.extend(play(&mut picture, [sample("checkout", when, None)]));
        findings.extend(play(&mut picture, [sample("checkout", when + chrono::TimeDelta::seconds(1), Some(f64::NAN))]));
    }
    assert!(findings.is_empty());
    assert_eq!(picture.services.row(&name("checkout")).unwrap().health, Health::Failing);
}

#[test]
fn a_run_does_not_reach_across_a_silence() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:00:00", &[0.002; 8]));
    play(&mut picture, series("checkout", "03:01:59", &[0.05]));
    let findings = play(&mut picture, series("checkout", "03:30:00", &[0.05]));
    assert!(findings.is_empty(), "what was between is not known");
    let findings = play(&mut picture, series("checkout", "03:30:15", &[0.05; 4]));
    assert_eq!(told(&findings)[0].1, "03:30:00");
}

#[test]
fn silence_is_not_health() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:00:00", &[0.002; 8]));
    picture.tick(at("03:02"));
    assert_eq!(picture.services.row(&name("checkout")).unwrap().health, Health::Fine);
    picture.tick(at("03:05:45"));
    let row = picture.services.row(&name("checkout")).unwrap();
    assert_eq!((row.health, row.why.as_str()), (Health::Unknown, "no signal for 4 min"));
    let mail = picture.services.row(&name("mail")).unwrap();
    assert_eq!((mail.health, mail.why.as_str()), (Health::Unknown, "no signal"));
}

#[test]
fn a_breach_that_goes_dark_stays_a_breach_and_says_how_old_it_is() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:14:00", &[0.05; 6]));
    picture.tick(at("03:19:15"));
    let row = &picture.services.rows()[0];
    assert_eq!(row.health, Health::Failing);
    assert_eq!(row.why, "errors 5.0 % (limit 1 %), last read 4 min ago");
}

#[test]
fn an_alert_hurts_a_service_whose_signals_are_fine() {
    let mut picture = picture();
    play(&mut picture, series("payments", "03:10:00", &[0.002; 8]));
    play(&mut picture, [alerts("alertmanager", "03:12", vec![firing("PaymentsCPUHigh", "03:11")])]);
    let row = &picture.services.rows()[0];
    assert_eq!((row.name.as_str(), row.health, row.why.as_str()), ("payments", Health::Hurt, "1 alert fires"));
    assert_eq!(row.since, Some(at("03:11")));
    play(&mut picture, [alerts("alertmanager", "03:13", vec![])]);
    picture.tick(at("03:12:30"));
    assert_eq!(picture.services.row(&name("payments")).unwrap().health, Health::Fine);
}

#[test]
fn the_recorder_gets_the_last_value_of_the_minute_and_nothing_where_nothing_is_known() {
    let mut picture = picture();
    play(&mut picture, series("checkout", "03:14:00", &[0.01, 0.02, 0.03, 0.04, 0.05]));
    play(&mut picture, [errors_in("payments", "03:14", 7)]);
    let tracks = picture.tracks(at("03:14:59"));
    let value = |track: &str, of: &str| {
        tracks.iter().find(|sample| sample.track == track).and_then(|sample| sample.values.get(of).copied().flatten())
    };
    assert_eq!(value("checkout errors", "value"), Some(0.04));
    assert_eq!(value("payments errors", "value"), None);
    assert_eq!(value("logs payments", "error"), Some(7.0));
    assert_eq!(value("logs payments", "info"), Some(1.0));
    assert_eq!(value("logs checkout", "error"), None);
}

#[test]
fn replicas_of_a_source_that_tells_nothing_any_more_are_not_recorded() {
    let mut picture = picture();
    let list = Signal::Workloads(Delta::All(vec![workload("checkout", 3, 3)]));
    play(&mut picture, [stamped("workloads", at("03:14"), list), link("workloads", "03:14", live())]);
    let ready = |picture: &Picture, minute: &str| {
        let tracks = picture.tracks(at(minute));
        tracks.iter().find(|sample| sample.track.starts_with("replicas")).map(|sample| sample.values["ready"])
    };
    picture.tick(at("03:14:59"));
    assert_eq!(ready(&picture, "03:14:59"), Some(Some(3.0)));
    play(&mut picture, [link("workloads", "03:14:30", SourceState::Denied { why: "401".into() })]);
    picture.tick(at("03:19:59"));
    assert_eq!(ready(&picture, "03:19:59"), None, "it is not known how many there are");
    play(&mut picture, [link("workloads", "03:20:30", live())]);
    picture.tick(at("03:20:59"));
    assert_eq!(ready(&picture, "03:20:59"), Some(Some(3.0)));
}
