//! Alerts and breaches as a session sees them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::json;
use warroom::model::alert::AlertState;
use warroom::model::entry::EntryKind;
use warroom::model::signal::SourceState;

use super::alertmanager_api::{end_silence, silence};
use super::side::{Server, Side};
use crate::kit::Session;

const ALERT: &str = "CheckoutErrors";

fn fires(session: &Session) -> bool {
    session.picture.alerts.rows().iter().any(|row| row.alert.name == ALERT && row.fires())
}

fn told(session: &Session) -> (usize, usize) {
    (session.count(EntryKind::AlertFiring, ALERT), session.count(EntryKind::AlertResolved, ALERT))
}

pub(super) async fn an_alert_fires_is_silenced_and_resolves_and_the_breach_recovers(mut side: impl Side) {
    let (good, _) = side.values();
    let mut session = Session::start_by(&side.config(""), side.clock());
    let began = session.now();
    session.until("both are live", |s| s.live("alertmanager") && s.live("prometheus")).await;
    session.until("good values", |s| s.samples.iter().any(|sample| sample.value == Some(good))).await;
    assert_eq!(session.limited("prometheus"), None);

    side.fail(true).await;
    session.until("the alert", |s| told(s) == (1, 0)).await;
    session.until("the breach", |s| s.count(EntryKind::Breach, "checkout") == 1).await;
    let row = session.picture.alerts.rows().iter().find(|row| row.alert.name == ALERT).unwrap();
    assert_eq!(row.service.as_ref().map(|name| name.as_str()), Some("checkout"));
    assert_eq!(row.alert.summary.as_deref(), Some("checkout fails"));
    assert!(row.alert.since > began && row.alert.since <= session.now(), "{}", row.alert.since);

    let matchers = json!([{"name": "alertname", "value": ALERT, "isRegex": false, "isEqual": true}]);
    let id = silence(&side, &matchers, session.now()).await;
    session.until("the silence", |s| s.count(EntryKind::AlertSuppressed, ALERT) == 1).await;
    let by = format!("silence {id}");
    let row = session.picture.alerts.rows().iter().find(|row| row.alert.name == ALERT).unwrap();
    assert_eq!(row.alert.state, AlertState::Suppressed { by: by.as_str().into() });
    end_silence(&side, &id).await;
    session.until("it is heard again", fires).await;

    side.fail(false).await;
    session.until("the end of the alert", |s| s.count(EntryKind::AlertResolved, ALERT) == 1).await;
    session.until("the recovery", |s| s.count(EntryKind::Recovered, "checkout") == 1).await;
    assert_eq!(session.count(EntryKind::Breach, "checkout"), 1);
    session.end().await;

    // Who comes late meets the same breach and the same recovery, from the server's own past.
    let since = side.clock().now() - began + TimeDelta::minutes(2);
    let late = Session::after_its_past_by(&side.config(""), side.clock(), since).await;
    assert_eq!((late.count(EntryKind::Breach, "checkout"), late.count(EntryKind::Recovered, "checkout")), (1, 1));
    late.end().await;
}

pub(super) async fn an_alert_that_went_comes_back_as_another_one(mut side: impl Side) {
    let mut session = Session::start_by(&side.config(""), side.clock());
    session.until("it is live", |s| s.live("alertmanager")).await;
    for turn in 1..=2 {
        side.fail(true).await;
        session.until("the alert", |s| told(s) == (turn, turn - 1)).await;
        side.fail(false).await;
        session.until("its end", |s| told(s) == (turn, turn)).await;
    }
    let of = |kind: EntryKind| session.findings.iter().filter(move |one| one.kind == kind && one.subject == *ALERT);
    let times = of(EntryKind::AlertFiring).zip(of(EntryKind::AlertResolved));
    let times: Vec<_> = times.flat_map(|(fired, ended)| [fired.occurred, ended.occurred]).collect();
    assert!(times.is_sorted() && times.len() == 4, "{times:?}");
    // What makes an entry: its kind, its key and its time.
    let entries = of(EntryKind::AlertFiring).chain(of(EntryKind::AlertResolved));
    let entries: BTreeSet<_> = entries.map(|one| (one.title.clone(), one.dedupe.clone(), one.occurred)).collect();
    assert_eq!(entries.len(), 4, "{entries:?}");
    session.end().await;
}

pub(super) async fn an_alert_that_two_replicas_tell_is_one(mut side: impl Side) {
    let (url, (every, _)) = (side.url(Server::Alertmanager), side.every());
    let replica =
        format!("[[environments.real.alertmanager]]\nname = \"replica\"\nurl = \"{url}\"\nevery = \"{every}\"\n");
    let mut session = Session::start_by(&side.config(&replica), side.clock());
    session.until("both are live", |s| s.live("alertmanager") && s.live("replica")).await;
    side.fail(true).await;
    session
        .until("both tell it", |s| {
            let rows = s.picture.alerts.rows().iter().filter(|row| row.alert.name == ALERT);
            rows.map(|row| row.also.len()).collect::<Vec<_>>() == [1]
        })
        .await;
    side.fail(false).await;
    session.until("it ends", |s| told(s) == (1, 1)).await;
    session.end().await;
}

pub(super) async fn servers_that_go_away_come_back_with_their_data_and_nothing_twice(mut side: impl Side) {
    let (_, bad) = side.values();
    side.fail(true).await;
    let mut session = Session::start_by(&side.config(""), side.clock());
    session.until("the alert", |s| told(s) == (1, 0)).await;
    session.until("the breach", |s| s.count(EntryKind::Breach, "checkout") == 1).await;
    let retrying = |s: &Session, name: &str| matches!(s.links[name].last(), Some(SourceState::Retrying { .. }));
    side.stop(Server::Prometheus).await;
    session.until("prometheus is lost", |s| retrying(s, "prometheus")).await;
    side.stop(Server::Alertmanager).await;
    // The first failure may be a connection that was cut.
    let port = side.url(Server::Alertmanager).rsplit(':').next().unwrap().to_owned();
    session
        .until("alertmanager is lost", |s| match s.links["alertmanager"].last() {
            Some(SourceState::Retrying { why, .. }) => why.contains(&port) && why.to_lowercase().contains("refused"),
            _ => false,
        })
        .await;
    side.start(Server::Alertmanager).await;
    side.start(Server::Prometheus).await;
    session.until("both are back", |s| s.live("alertmanager") && s.live("prometheus")).await;
    assert!(fires(&session), "what nobody saw end still fires");
    let last = session.samples.last().unwrap().at;
    session
        .until("new values", |s| s.samples.last().is_some_and(|sample| sample.at > last && sample.value == Some(bad)))
        .await;
    session.until("the whole view", |s| s.live("alertmanager") && s.limited("alertmanager").is_none()).await;
    assert!(fires(&session));
    let mut times: Vec<_> = session.samples.iter().map(|sample| sample.at).collect();
    let all = times.len();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), all, "no moment is told twice");
    assert!(times.windows(2).all(|two| two[1] - two[0] == TimeDelta::seconds(15)), "and none is left out: {times:?}");
    assert_eq!((told(&session), session.count(EntryKind::Breach, "checkout")), ((1, 0), 1));
    side.fail(false).await;
    session.until("its one end", |s| told(s) == (1, 1)).await;
    session.end().await;
}

pub(super) async fn an_inhibited_alert_says_by_what(mut side: impl Side) {
    let mut session = Session::start_by(&side.config(""), side.clock());
    session.until("it is live", |s| s.live("alertmanager")).await;
    side.fail(true).await;
    session
        .until("the inhibition", |s| {
            let rows = s.picture.alerts.rows();
            let (Some(by), Some(slow)) = (
                rows.iter().find(|row| row.alert.name == ALERT),
                rows.iter().find(|row| row.alert.name == "CheckoutSlow"),
            ) else {
                return false;
            };
            let by = format!("inhibited by {}", by.alert.key.0);
            slow.alert.state == AlertState::Suppressed { by: by.as_str().into() }
        })
        .await;
    session.end().await;
}

pub(super) async fn an_alertmanager_that_forgot_its_alerts_in_a_restart_has_not_ended_them(mut side: impl Side) {
    side.fail(true).await;
    let mut session = Session::start_by(&side.config(""), side.clock());
    session.until("the alert", |s| told(s) == (1, 0)).await;
    let since = session.picture.alerts.named(ALERT).unwrap().alert.since;
    // Nobody tells it of the alert meanwhile.
    side.stop(Server::Prometheus).await;
    side.stop(Server::Alertmanager).await;
    side.start(Server::Alertmanager).await;
    let restarted = |s: &Session| s.limited("alertmanager").is_some_and(|why| why.contains("it was restarted"));
    session.until("the restart", restarted).await;
    let (_, listed) = side.get(Server::Alertmanager, "/api/v2/alerts", &[]).await;
    assert_eq!(listed, json!([]), "the server itself knows nothing");
    assert!(fires(&session));
    side.start(Server::Prometheus).await;
    session.until("it knows again", |s| s.live("alertmanager") && s.limited("alertmanager").is_none()).await;
    assert_eq!(told(&session), (1, 0));
    assert_eq!(session.picture.alerts.named(ALERT).unwrap().alert.since, since);
    side.fail(false).await;
    session.until("its end", |s| told(s) == (1, 1)).await;
    session.end().await;
}
