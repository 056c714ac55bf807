//! Log groups as CloudWatch Logs tells them.

use serde_json::{Value, json};

use super::*;
use crate::clock::Span;
use crate::config::AwsAccess;
use crate::connect::History as _;
use crate::connect::aws::harness::{Answer, Fake, error};
use crate::connect::harness::{Running, at, catalogue, context, epoch, service};
use crate::model::signal::Stamped;

fn event(id: &str, seconds: i64, message: &str) -> Value {
    json!({"eventId": id, "timestamp": at(seconds).timestamp_millis(), "message": message,
           "logStreamName": format!("stream-{}", id.len()), "ingestionTime": 0})
}

fn page(events: &[Value], token: Option<&str>) -> Answer {
    (200, json!({"events": events, "nextToken": token, "searchedLogStreams": []}))
}

fn group(input: &Value) -> &str {
    input["logGroupName"].as_str().unwrap()
}

fn logs(access: AwsAccess) -> (Logs, LogsHistory) {
    let services = vec![service("payments", &["/payments"], &[]), service("checkout", &["/checkout"], &[])];
    Logs::new(Account::new(access, true), catalogue(services)).unwrap()
}

fn lines(signals: &[Stamped<Signal>]) -> Vec<(String, String, i64)> {
    let mut lines = Vec::new();
    for signal in signals {
        if let Signal::Logs(batch) = &signal.body {
            lines.extend(batch.iter().map(|(line, stream, text)| {
                (stream.group.to_string(), text.to_owned(), (line.at_ms - epoch().timestamp_millis()) / 1000)
            }));
        }
    }
    lines
}

fn texts(signals: &[Stamped<Signal>]) -> Vec<String> {
    lines(signals).into_iter().map(|(_, text, _)| text).collect()
}

#[tokio::test]
async fn all_pages_are_read_also_behind_an_empty_one_and_each_line_is_told_once() {
    let (fake, access) = Fake::start(|_, input| {
        if group(input) == "/checkout" {
            return page(&[], None);
        }
        match input.get("nextToken").and_then(Value::as_str) {
            None => page(&[event("1", -9, "one\n"), event("22", -8, "two \u{1b}[31mred")], Some("a")),
            Some("a") => page(&[], Some("b")),
            Some("b") => page(&[event("3", -2, "three")], None),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let mut running = Running::start(logs(access).0);
    let (signals, limited) = running.until_live().await;
    assert_eq!(limited, None);
    let payments = |text: &str, at| ("/payments".to_owned(), text.to_owned(), at);
    assert_eq!(lines(&signals), [payments("one", -9), payments("two red", -8), payments("three", -2)]);
    let Signal::Logs(first) = &signals[0].body else { panic!("{signals:?}") };
    assert_eq!(first.streams().iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["stream-1", "stream-2"]);
    assert_eq!(signals[0].occurred, at(-8), "a batch occurred when its newest line did");
    let calls = fake.calls();
    assert_eq!(calls.len(), 4);
    // The window overlaps for late lines, and what comes again is not told again.
    fake.now(|_, input| {
        if group(input) == "/checkout" {
            return page(&[], None);
        }
        page(&[event("late", -11, "late"), event("3", -2, "three"), event("4", 4, "four")], None)
    });
    running.advance(5).await;
    let (signals, _) = running.until_live().await;
    assert_eq!(texts(&signals), ["late", "four"]);
    let asked = fake.calls().into_iter().find(|(_, input)| group(input) == "/payments").unwrap().1;
    assert_eq!(asked["startTime"], at(-12).timestamp_millis());
}

#[tokio::test]
async fn a_group_that_is_missing_or_forbidden_does_not_take_the_others_with_it() {
    let (fake, mut access) = Fake::start(|_, input| match group(input) {
        "/payments" => error("ResourceNotFoundException", "The specified log group does not exist."),
        "/secret" => error("AccessDeniedException", "not authorized to perform logs:FilterLogEvents"),
        _ => page(&[event("1", 0, "fine")], None),
    })
    .await;
    access.logs.groups = vec!["/secret".into(), "/checkout".into()];
    let mut running = Running::start(logs(access).0);
    let (signals, limited) = running.until_live().await;
    assert_eq!(texts(&signals), ["fine"]);
    let limited = limited.unwrap();
    assert!(limited.contains("reading log group /payments of CloudWatch: it does not exist"), "{limited}");
    assert!(limited.contains("reading log group /secret of CloudWatch: not permitted"), "{limited}");
    assert_eq!(fake.calls().len(), 3, "a group that is named twice is read once");
    running.advance(5).await;
    assert!(running.until_live().await.1.is_some(), "it is still said");
    assert_eq!(fake.calls().len(), 1, "but not asked for at every turn");
    fake.now(|_, _| page(&[], None));
    running.advance(60).await;
    assert_eq!(running.until_live().await.1, None, "and when it is there, all is well");
}

#[tokio::test]
async fn when_no_group_may_be_read_it_is_a_refusal() {
    let (fake, access) = Fake::start(|_, _| error("AccessDeniedException", "no")).await;
    let (result, _) = Running::start(logs(access.clone()).0).end().await;
    assert!(matches!(result, Err(SourceError::Denied(_))), "{result:?}");
    fake.now(|_, _| error("ExpiredTokenException", "The security token included in the request is expired"));
    fake.calls();
    let (result, _) = Running::start(logs(access).0).end().await;
    let Err(SourceError::Denied(why)) = result else { panic!("{result:?}") };
    assert!(why.contains("have expired"), "{why}");
    assert_eq!(fake.calls().len(), 1, "the other groups would say the same");
}

#[tokio::test]
async fn throttling_slows_the_reading_down_and_loses_nothing() {
    let count = Arc::new(Mutex::new(0));
    let (fake, mut access) = Fake::start(move |_, input| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match *count {
            1 => page(&[event("1", -9, "one")], Some("t")),
            2 => error("ThrottlingException", "Rate exceeded"),
            _ => {
                assert_eq!(input["nextToken"], "t", "it goes on where it was");
                page(&[event("2", -8, "two")], None)
            }
        }
    })
    .await;
    access.logs.groups = vec!["/only".into()];
    let (source, _) = Logs::new(Account::new(access, true), catalogue(vec![])).unwrap();
    let before = tokio::time::Instant::now();
    let (signals, limited) = Running::start(source).until_live().await;
    assert_eq!((texts(&signals), limited), (vec!["one".into(), "two".into()], None));
    assert!(before.elapsed() >= Duration::from_millis(500));
    assert_eq!(fake.calls().len(), 3, "the SDK does not try again behind the budget's back");
}

#[tokio::test]
async fn who_stays_throttled_is_not_live_and_what_was_lost_meanwhile_is_said() {
    let (fake, mut access) = Fake::start(|_, _| error("ThrottlingException", "Rate exceeded")).await;
    access.logs.groups = vec!["/only".into()];
    let (source, _) = Logs::new(Account::new(access, true), catalogue(vec![])).unwrap();
    let (result, source) = Running::start(source).end().await;
    let Err(SourceError::Retry { why, .. }) = result else { panic!("{result:?}") };
    assert!(why.contains("/only") && why.contains("throttled"), "{why}");
    assert_eq!(fake.calls().len(), 3);
    fake.now(|_, _| page(&[event("1", -9, "one")], None));
    let mut running = Running::start_at(source, at(5));
    let (signals, limited) = running.until_live().await;
    assert_eq!((texts(&signals), limited), (vec!["one".into()], None));
    running.advance(3600).await;
    let (signals, _) = running.until_live().await;
    let Signal::Gap(gap) = &signals[0].body else { panic!("{signals:?}") };
    assert_eq!((gap.from, gap.to), (at(-19), at(3605 - 900)));
    assert!(gap.what.contains("lines of /only"), "{}", gap.what);
}

#[tokio::test]
async fn a_group_with_more_lines_than_its_share_gives_the_others_their_turn() {
    let (fake, access) = Fake::start(|_, input| match group(input) {
        "/payments" => {
            let n: i64 = input["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            page(&[event(&format!("e{n}"), -9, &format!("line {n}"))], Some(&(n + 1).to_string()))
        }
        _ => page(&[event("1", 0, "fine")], None),
    })
    .await;
    let mut running = Running::start(logs(access).0);
    let (signals, limited) = running.until_live().await;
    assert_eq!(limited.as_deref(), Some("lines of /payments come late: the call budget is used up"));
    assert_eq!(texts(&signals).len(), PAGES + 1);
    assert!(texts(&signals).contains(&"fine".into()));
    fake.calls();
    running.advance(5).await;
    let (signals, _) = running.until_live().await;
    assert!(texts(&signals).contains(&format!("line {PAGES}")), "it goes on at its page");
}

#[tokio::test]
async fn groups_that_somebody_looks_at_are_read_first() {
    let (fake, mut access) = Fake::start(|_, _| page(&[], None)).await;
    access.logs.groups = vec!["/z".into()];
    let mut running = Running::start(logs(access).0);
    running.until_live().await;
    let order = |fake: &Fake| fake.calls().iter().map(|(_, input)| group(input).to_owned()).collect::<Vec<_>>();
    assert_eq!(order(&fake), ["/payments", "/checkout", "/z"]);
    running.follow.send(Follow { services: vec!["checkout".into()] }).unwrap();
    running.advance(5).await;
    running.until_live().await;
    assert_eq!(order(&fake), ["/checkout", "/payments", "/z"]);
}

#[tokio::test]
async fn the_past_is_read_newest_first_and_the_present_goes_on_from_it() {
    let (fake, access) = Fake::start(|_, input| {
        let (from, to) = (input["startTime"].as_i64().unwrap(), input["endTime"].as_i64().unwrap());
        let all = [event("old", -3000, "old"), event("mid", -200, "mid"), event("new", -5, "new")];
        let within = |event: &&Value| (from..=to).contains(&event["timestamp"].as_i64().unwrap());
        match group(input) {
            "/payments" => page(&all.iter().filter(within).cloned().collect::<Vec<_>>(), None),
            _ => error("ResourceNotFoundException", "none"),
        }
    })
    .await;
    let (source, history) = logs(access);
    let (clock, _driver) = crate::clock::Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let past = history.between(&cx, Span { from: at(-3600), to: epoch() }).await.unwrap();
    assert_eq!(texts(&past), ["new", "mid", "old"]);
    let gaps: Vec<_> =
        past.iter().filter_map(|signal| if let Signal::Gap(gap) = &signal.body { Some(gap) } else { None }).collect();
    assert!(gaps.iter().all(|gap| gap.what.contains("/checkout")), "{gaps:?}");
    assert_eq!(gaps.iter().map(|gap| gap.from).min(), Some(at(-3600)));
    assert_eq!(gaps.iter().map(|gap| gap.to).max(), Some(epoch()));
    fake.now(|_, input| match group(input) {
        "/payments" => page(&[event("new", -5, "new"), event("now", 0, "now")], None),
        _ => page(&[], None),
    });
    fake.calls();
    let (signals, _) = Running::start(source).until_live().await;
    assert_eq!(texts(&signals), ["now"], "what the past told is not told again");
    assert_eq!(fake.calls()[0].1["startTime"], at(-15).timestamp_millis());
}

#[tokio::test]
async fn an_environment_without_log_groups_has_no_such_source() {
    let (_, access) = Fake::start(|_, _| page(&[], None)).await;
    assert!(Logs::new(Account::new(access, true), catalogue(vec![])).is_none());
}
