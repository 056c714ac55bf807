//! Live Tail sessions: what they tell, what they leave out, and what reads that.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::super::Logs;
use super::*;
use crate::config::AwsAccess;
use crate::connect::aws::Account;
use crate::connect::aws::harness::{Answer, Fake, Session, error};
use crate::connect::harness::{Running, at, catalogue, service};

const PREFIX: &str = "arn:aws-cn:logs:eu-west-1:111122223333:log-group:";

fn ms(seconds: i64) -> i64 {
    at(seconds).timestamp_millis()
}

fn identity() -> Answer {
    let answer = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws-cn:sts::111122223333:user/ana</Arn>\
                  <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    (200, json!(answer))
}

fn page(events: &[Value]) -> Answer {
    (200, json!({"events": events}))
}

fn found(id: &str, seconds: i64, message: &str) -> Value {
    json!({"eventId": id, "timestamp": ms(seconds), "message": message, "logStreamName": "s"})
}

/// A server that finds these events in every group, from where a search starts.
async fn holding(events: Vec<Value>) -> (std::sync::Arc<Fake>, AwsAccess, std::sync::Arc<Mutex<Vec<Value>>>) {
    let events = std::sync::Arc::new(Mutex::new(events));
    let held = std::sync::Arc::clone(&events);
    let (fake, mut access) = Fake::start(move |operation, input| match operation {
        "FilterLogEvents" => {
            let from = input["startTime"].as_i64().unwrap();
            let later = |event: &&Value| event["timestamp"].as_i64().unwrap() >= from;
            page(&held.lock().unwrap().iter().filter(later).cloned().collect::<Vec<_>>())
        }
        "GetCallerIdentity" => identity(),
        other => panic!("{other}"),
    })
    .await;
    access.logs.live_tail = vec!["*".into()];
    access.logs.groups = vec!["/a".into()];
    (fake, access, events)
}

fn tailed(access: AwsAccess) -> Logs {
    Logs::new(Account::new(access, true), catalogue(vec![])).unwrap().0
}

/// A source that runs, and what it has told.
struct Tailing {
    shared: std::sync::Arc<Shared>,
    running: Running,
    /// As `group text`, sorted.
    lines: Vec<String>,
    gaps: Vec<crate::model::signal::Gap>,
    /// What limited the view, each sign of life.
    limits: Vec<Option<String>>,
}

impl Tailing {
    fn start(source: Logs) -> Self {
        let shared = std::sync::Arc::clone(&source.shared);
        Self { shared, running: Running::start(source), lines: vec![], gaps: vec![], limits: vec![] }
    }

    /// Seconds since the first moment.
    fn now(&self) -> i64 {
        (self.running.clock.now() - at(0)).num_seconds()
    }

    /// Takes in what is told while `session` goes on and time passes, until `done`.
    async fn until(&mut self, session: Option<&Session>, seconds: i64, done: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if done(self) {
                return;
            }
            // What is not taken in holds the world: so it is read before time passes.
            match session {
                Some(session) => session.update(false, &[]),
                None => self.running.advance(seconds).await,
            }
            let (signals, limited) = self.running.until_live().await;
            self.limits.push(limited);
            for signal in signals {
                match signal.body {
                    Signal::Logs(batch) => {
                        self.lines.extend(batch.iter().map(|(_, stream, text)| format!("{} {text}", stream.group)));
                    }
                    Signal::Gap(gap) => self.gaps.push(gap),
                    _ => {}
                }
            }
            self.lines.sort();
            if session.is_some() && seconds > 0 {
                self.running.advance(seconds).await;
            }
        }
        panic!("not within 400 turns: {:?} {:?} {:?}", self.lines, self.gaps, self.limits.last());
    }

    /// Nothing is in doubt.
    fn is_certain(&self) -> bool {
        self.shared.board.is_certain(&"/a".into()) && self.limits.last() == Some(&None)
    }
}

#[tokio::test]
async fn lines_come_at_once_and_what_lies_before_is_searched_until_it_is_certain() {
    let (fake, access, _) = holding(vec![found("1", -9, "before"), found("2", 0, "same"), found("3", 0, "same")]).await;
    let session = fake.session();
    session.update(false, &[("/a", "s", ms(0), "same"), ("/a", "s", ms(1), "now\n")]);
    let mut tailing = Tailing::start(tailed(access));
    tailing.until(Some(&session), 0, |told| told.lines.len() == 4).await;
    assert_eq!(tailing.lines, ["/a before", "/a now", "/a same", "/a same"]);
    let calls = fake.calls();
    let (_, input) = calls.iter().find(|(operation, _)| operation == "StartLiveTail").unwrap();
    assert_eq!(input["logGroupIdentifiers"], json!([format!("{PREFIX}/a")]));
    tailing.until(Some(&session), 5, Tailing::is_certain).await;
    fake.calls();
    let told = tailing.limits.len() + 10;
    tailing.until(Some(&session), 10, |now| now.limits.len() >= told).await;
    assert_eq!(fake.calls(), [], "the searches rest");
    session.update(false, &[("/a", "s", ms(tailing.now()), "later")]);
    tailing.until(Some(&session), 0, |told| told.lines.contains(&"/a later".into())).await;
    assert_eq!(tailing.lines, ["/a before", "/a later", "/a now", "/a same", "/a same"], "nothing is told twice");
    assert!(tailing.limits.iter().all(Option::is_none), "{:?}", tailing.limits);
}

#[tokio::test]
async fn after_three_hours_there_is_another_session_and_the_time_between_is_read() {
    let (fake, access, held) = holding(vec![]).await;
    let (first, second) = (fake.session(), fake.session());
    let mut tailing = Tailing::start(tailed(access));
    tailing.until(Some(&first), 5, Tailing::is_certain).await;
    tailing.running.advance(3 * 3600).await;
    let now = tailing.now();
    first.update(false, &[("/a", "s", ms(now), "last")]);
    tailing.until(Some(&first), 0, |told| !told.lines.is_empty()).await;
    *held.lock().unwrap() = vec![found("1", now, "last"), found("2", now, "between"), found("3", now, "next")];
    second.update(false, &[("/a", "s", ms(now), "next")]);
    first.exception("SessionTimeoutException");
    fake.called("StartLiveTail", 1).await;
    let limited = |told: &Tailing| told.limits.iter().flatten().count();
    tailing.until(Some(&second), 1, |told| limited(told) > 0).await;
    tailing.until(Some(&second), 5, Tailing::is_certain).await;
    assert_eq!(tailing.lines, ["/a between", "/a last", "/a next"]);
    let limit = tailing.limits.iter().flatten().next().unwrap();
    assert!(limit.contains("lines of /a may be missing for some seconds"), "{limit:?}");
    assert_eq!(tailing.gaps, []);
}

#[tokio::test]
async fn of_a_sample_the_rest_is_searched_for() {
    let (fake, access, held) = holding(vec![]).await;
    let session = fake.session();
    let mut tailing = Tailing::start(tailed(access));
    tailing.until(Some(&session), 5, Tailing::is_certain).await;
    let now = tailing.now();
    *held.lock().unwrap() = vec![found("1", now, "one"), found("2", now, "two"), found("3", now, "three")];
    session.update(true, &[("/a", "s", ms(now), "two")]);
    tailing.until(None, 0, |told| !told.lines.is_empty()).await;
    assert_eq!(tailing.lines, ["/a two"]);
    assert_eq!(
        tailing.limits.last().unwrap().as_deref(),
        Some("lines of /a come as a sample, because there are more than 500 a second; the others come later")
    );
    tailing.until(Some(&session), 5, Tailing::is_certain).await;
    assert_eq!((tailing.lines.join(","), tailing.gaps.len()), ("/a one,/a three,/a two".into(), 0));
}

#[tokio::test]
async fn who_may_not_tail_reads_as_without_and_says_so() {
    let (fake, mut access) = Fake::start(|operation, _| match operation {
        "StartLiveTail" => error("AccessDeniedException", "not authorized to perform logs:StartLiveTail"),
        "FilterLogEvents" => page(&[found("1", 0, "one")]),
        _ => identity(),
    })
    .await;
    access.logs.live_tail = vec!["payments".into(), "nothing".into()];
    let services = catalogue(vec![service("payments", &["/payments"], &[]), service("checkout", &["/checkout"], &[])]);
    let mut tailing = Tailing::start(Logs::new(Account::new(access, true), services).unwrap().0);
    let limited = |told: &Tailing| told.limits.iter().flatten().find(|limit| limit.contains("not permitted")).cloned();
    tailing.until(None, 5, |told| limited(told).is_some()).await;
    let limited = limited(&tailing).unwrap();
    assert_eq!(tailing.lines, ["/checkout one", "/payments one"]);
    assert!(limited.starts_with("tailing /payments of CloudWatch Logs: not permitted"), "{limited}");
    assert!(limited.contains("FilterLogEvents reads its groups meanwhile"), "{limited}");
    assert!(limited.contains("live_tail names nothing, which is neither"), "{limited}");
    let calls = fake.calls();
    let tails: Vec<_> = calls.iter().filter(|(operation, _)| operation == "StartLiveTail").collect();
    assert_eq!(tails.len(), 1, "{tails:?}");
    assert_eq!(tails[0].1["logGroupIdentifiers"], json!([format!("{PREFIX}/payments")]));
}

#[tokio::test]
async fn a_group_that_is_missing_does_not_keep_the_others_from_being_tailed() {
    let (fake, mut access) = Fake::start(|operation, input| match operation {
        "StartLiveTail" => error("ResourceNotFoundException", "The specified log group does not exist."),
        "FilterLogEvents" if input["logGroupName"] == "/gone" => error("ResourceNotFoundException", "none"),
        "FilterLogEvents" => page(&[]),
        _ => identity(),
    })
    .await;
    access.logs.groups = vec!["/gone".into(), "/here".into()];
    access.logs.live_tail = vec!["/gone".into(), "/here".into()];
    let _running = Running::start(tailed(access));
    fake.called("StartLiveTail", 1).await;
    let session = fake.session();
    fake.called("StartLiveTail", 2).await;
    let calls = fake.calls();
    let tails = calls.iter().filter(|(operation, _)| operation == "StartLiveTail");
    let groups: Vec<_> = tails.map(|(_, input)| input["logGroupIdentifiers"].as_array().unwrap().len()).collect();
    assert_eq!(groups, [2, 1]);
    drop(session);
}

#[tokio::test]
async fn a_stream_that_breaks_is_begun_anew_without_loss_or_repetition() {
    for end in ["cut", "close", "SessionStreamingException", "ThrottlingException"] {
        let (fake, access, held) = holding(vec![]).await;
        let (first, second) = (fake.session(), fake.session());
        first.update(false, &[("/a", "s", ms(0), "one")]);
        let mut tailing = Tailing::start(tailed(access));
        tailing.until(Some(&first), 0, |told| !told.lines.is_empty()).await;
        *held.lock().unwrap() = vec![found("1", 0, "one"), found("2", 1, "two"), found("3", 2, "three")];
        second.update(false, &[("/a", "s", ms(2), "three")]);
        match end {
            "cut" => first.cut(),
            "close" => drop(first),
            exception => first.exception(exception),
        }
        fake.called("StartLiveTail", 2).await;
        tailing.until(Some(&second), 0, |told| told.limits.iter().flatten().count() > 0).await;
        tailing.until(Some(&second), 5, Tailing::is_certain).await;
        assert_eq!(tailing.lines, ["/a one", "/a three", "/a two"], "{end}");
        assert_eq!(tailing.gaps, [], "{end}");
    }
}

#[tokio::test]
async fn groups_are_told_apart_however_an_event_names_them() {
    let (fake, mut access, _) = holding(vec![]).await;
    let other = "arn:aws:logs:eu-west-1:999999999999:log-group:/other:*";
    access.logs.groups.push(other.into());
    let session = fake.session();
    session.update(
        false,
        &[
            ("111122223333:/a", "s", ms(3), "third"),
            (&format!("{PREFIX}/a"), "s", ms(1), "first"),
            ("arn:aws:logs:eu-west-1:999999999999:log-group:/other", "s", ms(2), "second"),
            ("/stranger", "s", ms(4), "fourth"),
        ],
    );
    let mut tailing = Tailing::start(tailed(access));
    tailing.until(Some(&session), 0, |told| !told.lines.is_empty()).await;
    let told = ["/a first".into(), "/a third".into(), "/stranger fourth".into(), format!("{other} second")];
    assert_eq!(tailing.lines, told);
    let calls = fake.calls();
    let (_, tail) = calls.iter().find(|(operation, _)| operation == "StartLiveTail").unwrap();
    assert_eq!(tail["logGroupIdentifiers"], json!([format!("{PREFIX}/a"), other.trim_end_matches(":*")]));
}

#[tokio::test]
async fn a_session_takes_ten_groups_and_no_call_of_the_budget() {
    let (fake, mut access, _) = holding(vec![]).await;
    access.logs.groups = (0..12).map(|n| format!("/{n}")).collect();
    access.logs.calls_per_second = 0.1;
    let (one, _other) = (fake.session(), fake.session());
    let mut tailing = Tailing::start(tailed(access));
    for n in 0..5 {
        // The first session is of the first that asks.
        one.update(false, &[("/3", "s", ms(n), "x"), ("/11", "s", ms(n), "y")]);
    }
    tailing.until(Some(&one), 0, |told| told.lines.len() >= 10).await;
    fake.called("StartLiveTail", 2).await;
    let calls = fake.calls();
    let tails = calls.iter().filter(|(operation, _)| operation == "StartLiveTail");
    let mut sizes: Vec<_> = tails.map(|(_, input)| input["logGroupIdentifiers"].as_array().unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 10]);
    let searches = calls.iter().filter(|(operation, _)| operation == "FilterLogEvents").count();
    assert!(searches <= 1, "{searches} searches with a budget for one in ten seconds");
}

#[tokio::test]
async fn what_may_be_tailed_but_not_searched_has_a_gap_in_the_record() {
    let (fake, mut access) = Fake::start(|operation, _| match operation {
        "FilterLogEvents" => error("AccessDeniedException", "not authorized to perform logs:FilterLogEvents"),
        _ => identity(),
    })
    .await;
    access.logs.groups = vec!["/a".into()];
    access.logs.live_tail = vec!["/a".into()];
    let session = fake.session();
    session.update(false, &[("/a", "s", ms(0), "one")]);
    let mut tailing = Tailing::start(tailed(access));
    // The first search may come before the session: then a later one meets the doubt.
    tailing.until(Some(&session), 61, |told| !told.gaps.is_empty() && !told.lines.is_empty()).await;
    assert_eq!(tailing.lines, ["/a one"]);
    let gaps = &tailing.gaps;
    assert!(gaps[0].what.contains("lines of /a that Live Tail did not tell: reading log group /a"), "{gaps:?}");
    assert!(gaps[0].from < gaps[0].to, "{gaps:?}");
}
