//! Alarms as CloudWatch tells them.

use serde_json::{Value, json};

use super::*;
use crate::connect::aws::harness::{Answer, Fake};
use crate::connect::harness::{Running, at, context, epoch};

const ARN: &str = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:";

fn metric(name: &str, state: &str, seconds: i64) -> Value {
    json!({
        "AlarmName": name,
        "AlarmArn": format!("{ARN}{name}"),
        "StateValue": state,
        "StateReason": "Threshold crossed",
        "StateUpdatedTimestamp": at(seconds).timestamp(),
        "Dimensions": [{"Name": "service", "Value": "payments"}],
        "Namespace": "AWS/ECS"
    })
}

/// Two pages of alarms, then none.
fn pages(input: &Value) -> Answer {
    match input.get("NextToken").and_then(Value::as_str) {
        None => (200, json!({"MetricAlarms": [metric("cpu high", "ALARM", -60)], "NextToken": "p2"})),
        Some("p2") => {
            let mut composite = json!({
                "AlarmName": "checkout", "AlarmArn": format!("{ARN}checkout"), "StateValue": "ALARM",
                "AlarmDescription": " Users\u{1b}]0;x\u{7} cannot pay ", "AlarmRule": "ALARM(a)",
                "StateUpdatedTimestamp": at(-10).timestamp(), "StateTransitionedTimestamp": at(-30).timestamp(),
            });
            let mut quiet = composite.clone();
            quiet["AlarmName"] = json!("quiet");
            quiet["AlarmArn"] = json!(format!("{ARN}quiet"));
            quiet["ActionsSuppressedBy"] = json!("Alarm");
            quiet["ActionsSuppressor"] = json!(format!("{ARN}maintenance"));
            composite["ActionsEnabled"] = json!(true);
            let rest = [metric("disk", "INSUFFICIENT_DATA", -20), metric("fine", "OK", -3600), json!({})];
            (200, json!({"MetricAlarms": rest, "CompositeAlarms": [composite, quiet]}))
        }
        other => panic!("{other:?}"),
    }
}

async fn read(running: &mut Running) -> Vec<Alert> {
    match running.until_live().await.0.pop().map(|signal| signal.body) {
        Some(Signal::Alerts(Delta::All(alerts))) => alerts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn alarms_of_both_kinds_are_told_from_all_pages() {
    let (fake, access) = Fake::start(|_, input| pages(input)).await;
    let (source, _) = Alarms::new(Account::new(access, true));
    let mut running = Running::start(source);
    let alerts = read(&mut running).await;
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.name.as_str(), alert.state.clone(), (alert.since - epoch()).num_seconds()))
        .collect();
    let suppressed = AlertState::Suppressed { by: "maintenance".into() };
    assert_eq!(
        told,
        [
            ("alarm without a name", AlertState::NoData, 0),
            ("checkout", AlertState::Firing, -30),
            ("cpu high", AlertState::Firing, -60),
            ("disk", AlertState::NoData, -20),
            ("fine", AlertState::Resolved, -3600),
            ("quiet", suppressed, -30),
        ]
    );
    let cpu = &alerts[2];
    assert_eq!(cpu.key.0, format!("{ARN}cpu high").as_str());
    assert_eq!(cpu.labels.get("service").map(Safe::as_str), Some("payments"));
    assert_eq!(cpu.summary.as_deref(), Some("Threshold crossed"));
    assert!(cpu.link.as_deref().unwrap().ends_with("region=eu-west-1#alarmsV2:alarm/cpu%20high"), "{:?}", cpu.link);
    assert_eq!(alerts[1].summary.as_deref(), Some("Users cannot pay"));
    let calls = fake.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].1["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
    // The next poll comes in its time and tells the whole set again.
    fake.now(|_, _| (200, json!({})));
    running.advance(30).await;
    assert_eq!(read(&mut running).await, []);
}

#[tokio::test]
async fn only_alarms_with_the_wanted_prefixes_are_asked_for() {
    let (fake, mut access) = Fake::start(|_, _| (200, json!({}))).await;
    access.alarm_prefixes = vec!["pay".into(), "check".into()];
    let (source, _) = Alarms::new(Account::new(access, true));
    read(&mut Running::start(source)).await;
    let prefixes: Vec<_> = fake.calls().into_iter().map(|(_, input)| input["AlarmNamePrefix"].clone()).collect();
    assert_eq!(prefixes, ["pay", "check"]);
}

#[tokio::test]
async fn the_past_is_told_transition_by_transition() {
    let item = |name: &str, seconds: i64, data: Value| {
        json!({"AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": at(seconds).timestamp(),
               "HistoryItemType": "StateUpdate", "HistorySummary": "Alarm updated from OK to ALARM", "HistoryData": data})
    };
    let to = |state: &str| {
        json!(json!({"version": "1.0", "newState": {"stateValue": state, "stateReason": "r"}}).to_string())
    };
    let first = json!({"AlarmHistoryItems": [item("cpu high", -60, to("ALARM")), item("gone", -90, json!("garbage"))], "NextToken": "h2"});
    let second = json!({"AlarmHistoryItems": [
        item("cpu high", -300, to("OK")), item("cpu high", -9000, to("ALARM")), json!({"AlarmName": "half"})
    ]});
    let (fake, access) = Fake::start(move |operation, input| match (operation, input.get("NextToken")) {
        ("DescribeAlarms", _) => pages(input),
        (_, None) => (200, first.clone()),
        _ => (200, second.clone()),
    })
    .await;
    let (_, history) = Alarms::new(Account::new(access, true));
    let (clock, _driver) = crate::clock::Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let past = history.between(&cx, Span { from: at(-3600), to: epoch() }).await.unwrap();
    let told: Vec<_> = past
        .iter()
        .map(|signal| match &signal.body {
            Signal::Alerts(Delta::Upsert(alerts)) => {
                let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
                assert_eq!(alert.since, signal.occurred);
                ((alert.since - epoch()).num_seconds(), alert.key.0.to_string(), alert.state.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let cpu = || format!("{ARN}cpu high");
    assert_eq!(
        told,
        [
            (-300, cpu(), AlertState::Resolved),
            (-90, "gone".into(), AlertState::Firing),
            (-60, cpu(), AlertState::Firing),
        ],
        "oldest first, by ARN where it is known, and only what lies in the span"
    );
    let asked = &fake.calls()[2].1;
    assert_eq!(asked["StartDate"].as_f64().unwrap() as i64, at(-3600).timestamp());
    assert_eq!(asked["HistoryItemType"], "StateUpdate");
    assert_eq!(asked["AlarmTypes"], json!(["MetricAlarm", "CompositeAlarm"]));
}

#[tokio::test]
async fn alarms_beyond_those_that_are_read_have_not_ended() {
    // Every page has a successor.
    let (_, access) = Fake::start(|_, input| {
        let page: usize = input.get("NextToken").and_then(Value::as_str).map_or(0, |token| token.parse().unwrap());
        let alarm = metric(&format!("alarm {page}"), "ALARM", -60);
        (200, json!({"MetricAlarms": [alarm], "NextToken": (page + 1).to_string()}))
    })
    .await;
    let (source, _) = Alarms::new(Account::new(access, true));
    let (mut signals, limited) = Running::start(source).until_live().await;
    assert_eq!(limited.as_deref(), Some("only the first 100 alarms are read"));
    match signals.pop().map(|signal| signal.body) {
        Some(Signal::Alerts(Delta::Upsert(alerts))) => assert_eq!(alerts.len(), PAGES),
        other => panic!("what is missing would end: {other:?}"),
    }
}

#[tokio::test]
async fn the_past_tells_why_it_was_so_then_and_not_why_it_is_so_now() {
    let item = |name: &str, seconds: i64, reason: &str| {
        let data = json!({"newState": {"stateValue": "OK", "stateReason": reason}}).to_string();
        json!({"AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": at(seconds).timestamp(),
               "HistoryItemType": "StateUpdate", "HistorySummary": "Alarm updated from ALARM to OK", "HistoryData": data})
    };
    let history = json!({"AlarmHistoryItems": [item("checkout", -60, "then"), item("cpu high", -90, " then "), item("cpu high", -95, "")]});
    let (_, access) = Fake::start(move |operation, input| match operation {
        "DescribeAlarms" => pages(input),
        _ => (200, history.clone()),
    })
    .await;
    let (_, history) = Alarms::new(Account::new(access, true));
    let (clock, _driver) = crate::clock::Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let past = history.between(&cx, Span { from: at(-3600), to: epoch() }).await.unwrap();
    let told: Vec<_> = past
        .iter()
        .map(|signal| match &signal.body {
            Signal::Alerts(Delta::Upsert(alerts)) => alerts[0].summary.as_deref(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [None, Some("then"), Some("Users cannot pay")], "a description is of all times");
}
