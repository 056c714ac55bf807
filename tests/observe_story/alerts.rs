use warroom::model::alert::{AlertKey, AlertState};
use warroom::model::entry::EntryKind::*;
use warroom::model::signal::{Delta, Signal};
use warroom::observe::alerts::{AlertCounts, Claim};

use crate::kit::*;

#[test]
fn an_alert_first_met_live_fires_since_its_own_time() {
    let mut picture = picture();
    let mut cpu = firing("PaymentsCPUHigh", "03:12");
    cpu.summary = Some("CPU of payments pods above 90 %".into());
    let findings = play(&mut picture, [alerts("alertmanager", "03:22", vec![cpu])]);
    assert_eq!(
        told(&findings),
        [(AlertFiring, "03:12:00".into(), "PaymentsCPUHigh fires: CPU of payments pods above 90 %")]
    );
    assert_eq!(findings[0].service, Some(name("payments")));
    assert_eq!(findings[0].dedupe, "alert/prod-eu/alertmanager/fp-PaymentsCPUHigh/2026-11-21T03:12:00Z");
}

#[test]
fn history_and_then_the_live_list_make_one_story() {
    let mut picture = picture();
    let history = |when: &str, state| {
        let alert = alert("PaymentsCPUHigh", state, at(when));
        stamped("alarms", at(when), Signal::Alerts(Delta::Upsert(vec![alert])))
    };
    let findings = play(
        &mut picture,
        [
            history("01:00", AlertState::Firing),
            history("01:20", AlertState::Resolved),
            history("03:12", AlertState::Firing),
            alerts("alarms", "03:22", vec![firing("PaymentsCPUHigh", "03:12")]),
            alerts("alarms", "03:22:10", vec![firing("PaymentsCPUHigh", "03:12")]),
        ],
    );
    let kinds: Vec<_> = told(&findings).into_iter().map(|(kind, when, _)| (kind, when)).collect();
    assert_eq!(
        kinds,
        [(AlertFiring, "01:00:00".into()), (AlertResolved, "01:20:00".into()), (AlertFiring, "03:12:00".into()),]
    );
}

#[test]
fn an_alert_that_leaves_the_list_is_resolved_then_and_stays_in_the_book_for_half_an_hour() {
    let mut picture = picture();
    play(&mut picture, [alerts("alertmanager", "03:12", vec![firing("CheckoutErrorRate", "03:12")])]);
    let findings = play(&mut picture, [alerts("alertmanager", "03:40", vec![])]);
    assert_eq!(told(&findings), [(AlertResolved, "03:40:00".into(), "CheckoutErrorRate stopped firing")]);
    picture.tick(at("04:09"));
    assert_eq!(picture.alerts.counts(), AlertCounts { resolved: 1, ..AlertCounts::default() });
    picture.tick(at("04:11"));
    assert!(picture.alerts.rows().is_empty());
}

#[test]
fn an_alert_that_fires_anew_between_two_reads_is_told_as_two() {
    let mut picture = picture();
    play(&mut picture, [alerts("alertmanager", "03:12", vec![firing("CheckoutErrorRate", "03:12")])]);
    let findings = play(&mut picture, [alerts("alertmanager", "03:30", vec![firing("CheckoutErrorRate", "03:20")])]);
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [AlertResolved, AlertFiring]);
    assert!(findings[0].title.contains("was not seen"));
}

#[test]
fn two_sources_of_one_alert_are_one_row_and_one_finding() {
    let mut picture = picture();
    let findings = play(
        &mut picture,
        [
            alerts("alertmanager-a", "03:12", vec![firing("PaymentsCPUHigh", "03:12")]),
            alerts("alertmanager-b", "03:12:05", vec![firing("PaymentsCPUHigh", "03:12")]),
        ],
    );
    assert_eq!(findings.len(), 1);
    assert_eq!(picture.alerts.rows().len(), 1);
    assert_eq!(picture.alerts.rows()[0].also.len(), 1);
    let ended = play(&mut picture, [alerts("alertmanager-a", "03:20", vec![])]);
    assert!(ended.is_empty(), "the other source still tells it");
    let ended = play(&mut picture, [alerts("alertmanager-b", "03:21", vec![])]);
    assert_eq!(ended.len(), 1);
}

#[test]
fn a_claim_survives_refreshes_and_can_be_taken_back() {
    let mut picture = picture();
    let list = || alerts("alertmanager", "03:16", vec![firing("PaymentsCPUHigh", "03:12")]);
    play(&mut picture, [list()]);
    let key = AlertKey("fp-PaymentsCPUHigh".into());
    let claim = Claim { by: "ana".into(), at: at("03:16") };
    assert!(picture.alerts.claim(&origin("alertmanager"), &key, claim.clone()));
    assert!(!picture.alerts.claim(&origin("elsewhere"), &key, claim.clone()));
    play(&mut picture, [list()]);
    assert_eq!(picture.alerts.named("PaymentsCPUHigh").unwrap().claim, Some(claim));
    assert_eq!(picture.alerts.counts(), AlertCounts { firing: 1, claimed: 1, ..AlertCounts::default() });
    assert!(picture.alerts.unclaim(&origin("alertmanager"), &key));
    assert!(!picture.alerts.unclaim(&origin("alertmanager"), &key));
    assert_eq!(picture.alerts.counts().claimed, 0);
}

#[test]
fn a_silence_is_told_and_so_is_its_end() {
    let mut picture = picture();
    let silenced = || alert("PaymentsCPUHigh", AlertState::Suppressed { by: "silence 7".into() }, at("03:12"));
    let findings = play(
        &mut picture,
        [
            alerts("alertmanager", "03:13", vec![firing("PaymentsCPUHigh", "03:12")]),
            alerts("alertmanager", "03:20", vec![silenced()]),
            alerts("alertmanager", "03:20:15", vec![silenced()]),
            alerts("alertmanager", "03:50", vec![firing("PaymentsCPUHigh", "03:12")]),
        ],
    );
    assert_eq!(
        told(&findings),
        [
            (AlertFiring, "03:12:00".into(), "PaymentsCPUHigh fires"),
            (AlertSuppressed, "03:20:00".into(), "PaymentsCPUHigh is silenced by silence 7"),
            (AlertFiring, "03:50:00".into(), "PaymentsCPUHigh is not silenced any more"),
        ]
    );
}

#[test]
fn quiet_alarms_of_a_large_account_do_not_fill_the_book() {
    let mut picture = picture();
    let quiet = ["A", "B"].map(|name| alert(name, AlertState::Resolved, at("01:00")));
    let no_data = alert("C", AlertState::NoData, at("01:00"));
    let findings = play(&mut picture, [alerts("alarms", "03:00", quiet.into_iter().chain([no_data]).collect())]);
    assert!(findings.is_empty());
    assert!(picture.alerts.rows().is_empty());
}

#[test]
fn an_alert_that_names_a_workload_belongs_to_its_service() {
    let mut picture = picture();
    let mut alert = firing("KubeDeploymentReplicasMismatch", "03:12");
    alert.labels = [("namespace".into(), "checkout".into()), ("deployment".into(), "checkout".into())].into();
    let findings = play(&mut picture, [alerts("alertmanager", "03:13", vec![alert])]);
    assert_eq!(findings[0].service, Some(name("checkout")));
    assert_eq!(findings[0].detail.as_deref(), Some("deployment=checkout, namespace=checkout"));
}

#[test]
fn what_was_told_before_tells_nothing_when_it_comes_again_late() {
    let mut picture = picture();
    let silenced = alert("CheckoutErrorRate", AlertState::Suppressed { by: "silence 7".into() }, at("03:12"));
    let upsert = |when: &str, alert| stamped("alertmanager", at(when), Signal::Alerts(Delta::Upsert(vec![alert])));
    let first = upsert("03:12", firing("CheckoutErrorRate", "03:12"));
    let list = alerts("other", "03:13", vec![firing("PaymentsCPUHigh", "03:12")]);
    let script = [first.clone(), upsert("03:20", silenced), list.clone(), alerts("other", "03:40", vec![])];
    assert_eq!(play(&mut picture, script).len(), 4);
    assert!(play(&mut picture, [first, list]).is_empty());
    let states: Vec<_> = picture.alerts.rows().iter().map(|row| row.alert.state.to_string()).collect();
    assert_eq!(states, ["suppressed", "resolved"]);
    // In a later list it is news: it fires again, or had only been missing from one answer.
    let findings = play(&mut picture, [alerts("other", "03:41", vec![firing("PaymentsCPUHigh", "03:12")])]);
    assert_eq!(told(&findings), [(AlertFiring, "03:41:00".into(), "PaymentsCPUHigh fires again")]);
    // A list from before an alert fired does not say that it stopped.
    assert!(play(&mut picture, [alerts("other", "03:39", vec![])]).is_empty());
    assert!(picture.alerts.named("PaymentsCPUHigh").unwrap().fires());
}

#[test]
fn rows_stand_by_need() {
    let mut picture = picture();
    let mut warning = firing("Warning", "03:00");
    warning.severity = warroom::model::alert::AlertSeverity::Warning;
    let silenced = alert("Silenced", AlertState::Suppressed { by: "x".into() }, at("02:00"));
    let all = vec![silenced, warning, firing("Later", "03:14"), firing("Sooner", "03:12")];
    play(&mut picture, [alerts("alertmanager", "03:20", all)]);
    let names: Vec<_> = picture.alerts.rows().iter().map(|row| row.alert.name.as_str()).collect();
    assert_eq!(names, ["Sooner", "Later", "Warning", "Silenced"]);
}

#[test]
fn a_source_whose_clock_is_ahead_tells_one_alert_once() {
    let mut picture = picture();
    // It fires since half a minute from now, by the source's clock, whenever it is read.
    let list = |when| alerts("alertmanager", when, vec![firing("CheckoutErrorRate", "03:12:30")]);
    let reads = ["03:12:00", "03:12:15", "03:12:30", "03:12:45", "03:13:00"];
    let findings = play(&mut picture, reads.map(list));
    assert_eq!(told(&findings), [(AlertFiring, "03:12:00".into(), "CheckoutErrorRate fires")]);
    assert_eq!(picture.alerts.rows()[0].alert.since, at("03:12"));
    // It leaves the list and comes back: the same one.
    let findings = play(&mut picture, [alerts("alertmanager", "03:20", vec![]), list("03:20:15")]);
    let titles: Vec<_> = findings.iter().map(|finding| finding.title.as_str()).collect();
    assert_eq!(titles, ["CheckoutErrorRate stopped firing", "CheckoutErrorRate fires again"]);
    // Another start is another alert.
    let findings = play(&mut picture, [alerts("alertmanager", "03:30", vec![firing("CheckoutErrorRate", "03:29")])]);
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn replicas_of_a_server_agree_on_which_alert_is_which() {
    let mut picture = picture();
    let of = |pod: &str, since: &str| {
        let mut alert = firing("PaymentsCPUHigh", since);
        alert.key = AlertKey(format!("fp-{pod}").into());
        alert.labels = [("pod".into(), pod.into())].into();
        alert
    };
    // The first pod's alert is over, and known to one replica alone.
    play(&mut picture, [alerts("a", "03:12", vec![of("p1", "03:12")]), alerts("a", "03:20", vec![])]);
    let findings = play(&mut picture, [alerts("b", "03:21", vec![of("p2", "03:21")])]);
    assert_eq!(told(&findings), [(AlertFiring, "03:21:00".into(), "PaymentsCPUHigh fires")]);
    assert_eq!(findings[0].alert.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["fp-p2"]);
    assert_eq!(picture.alerts.rows().len(), 2);
    // Both tell of two pods, in another order: each alert is one row.
    play(&mut picture, [alerts("a", "03:22", vec![of("p3", "03:22"), of("p2", "03:21")])]);
    play(&mut picture, [alerts("b", "03:22:05", vec![of("p2", "03:21"), of("p3", "03:22")])]);
    let rows: Vec<_> = picture.alerts.rows().iter().filter(|row| row.fires()).collect();
    let keys: Vec<_> = rows.iter().map(|row| (row.alert.key.0.as_str(), row.also.len())).collect();
    assert_eq!(keys, [("fp-p2", 1), ("fp-p3", 1)]);
    assert!(rows.iter().all(|row| row.also[0].1 == row.alert.key));
}
