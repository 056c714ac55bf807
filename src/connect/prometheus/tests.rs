//! A Prometheus that answers as its API says, and as servers do.

use std::sync::Mutex;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::connect::harness::{Running, access, at, catalogue, context, epoch, serve, service};

#[derive(Default)]
struct Fake {
    /// Every question: query, start, end.
    asked: Mutex<Vec<(String, i64, i64)>>,
    /// Whether the server is in trouble.
    down: Mutex<bool>,
}

#[derive(serde::Deserialize)]
struct Asked {
    query: String,
    start: i64,
    end: i64,
    step: i64,
}

/// The value of `good` is its age since the epoch; at 30 s it has none, at 45 s it is NaN, at
/// 60 s infinite.
async fn range(State(fake): State<Arc<Fake>>, Query(asked): Query<Asked>) -> Response {
    assert_eq!(asked.step, 15);
    fake.asked.lock().unwrap().push((
        asked.query.clone(),
        asked.start - epoch().timestamp(),
        asked.end - epoch().timestamp(),
    ));
    if *fake.down.lock().unwrap() {
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], "starting").into_response();
    }
    let moments = (asked.start..=asked.end).step_by(15).map(|moment| moment - epoch().timestamp());
    let values = moments.filter(|age| *age != 30).map(|age| {
        let text = match age {
            45 => "NaN".to_owned(),
            60 => "+Inf".to_owned(),
            _ => age.to_string(),
        };
        json!([(age + epoch().timestamp()) as f64, text])
    });
    let series = json!({"metric": {"job": "x"}, "values": values.collect::<Vec<_>>()});
    let mut warnings = json!([]);
    let result = match asked.query.as_str() {
        "partial" => {
            warnings = json!(["store eu-2 is away", "and eu-3"]);
            vec![series]
        }
        "slow" => {
            let error = json!({"status": "error", "errorType": "timeout", "error": "query timed out"});
            return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(error)).into_response();
        }
        "good" => vec![series],
        "away" => return (StatusCode::SERVICE_UNAVAILABLE, "a proxy says so").into_response(),
        "several" => vec![series.clone(), series],
        "nothing" => vec![],
        _ => {
            let error =
                json!({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected \u{1b}[2J"});
            return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
        }
    };
    let data = json!({"resultType": "matrix", "result": result});
    axum::Json(json!({"status": "success", "data": data, "warnings": warnings})).into_response()
}

async fn instant() -> Response {
    axum::Json(json!({"status": "success", "data": {"resultType": "scalar", "result": [1.0, "1"]}})).into_response()
}

async fn fake() -> (Arc<Fake>, HttpAccess) {
    let fake = Arc::new(Fake::default());
    let router = Router::new()
        .route("/api/v1/query_range", get(range))
        .route("/api/v1/query", get(instant))
        .with_state(Arc::clone(&fake));
    (fake, access(&serve(router).await))
}

fn samples(signals: &[Stamped<Signal>]) -> Vec<(String, i64, Option<f64>)> {
    let all = signals.iter().filter_map(|signal| match &signal.body {
        Signal::Samples(samples) => Some(samples),
        _ => None,
    });
    all.flatten()
        .map(|sample| {
            (format!("{} {}", sample.service, sample.signal), (sample.at - epoch()).num_seconds(), sample.value)
        })
        .collect()
}

#[tokio::test]
async fn a_query_that_takes_too_long_or_is_not_whole_limits_the_view_and_nothing_else() {
    let (_, access) = fake().await;
    let signals = [("errors", "good"), ("slow", "slow"), ("partial", "partial")];
    let (source, _) = Prometheus::new(access, catalogue(vec![service("checkout", &[], &signals)]), true);
    let (signals, limited) = Running::start(source).until_live().await;
    let read: std::collections::BTreeSet<_> = samples(&signals).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(read.into_iter().collect::<Vec<_>>(), ["checkout errors", "checkout partial"]);
    let limited = limited.unwrap();
    assert_eq!(limited, "checkout slow: the query was refused (timeout): query timed out (and 1 more signals)");

    let (_, access) = self::fake().await;
    let services = catalogue(vec![service("checkout", &[], &[("errors", "partial")])]);
    let (_, limited) = Running::start(Prometheus::new(access, services, true).0).until_live().await;
    assert_eq!(limited.unwrap(), "checkout errors: the server warns: store eu-2 is away (and 1 more)");
}

#[tokio::test]
async fn every_sample_since_the_last_one_is_read_however_late_the_poll() {
    let (fake, access) = fake().await;
    let services = catalogue(vec![service("checkout", &[], &[("errors", "good")])]);
    let (source, _) = Prometheus::new(access, services, true);
    let mut running = Running::start(source);
    let (signals, limited) = running.until_live().await;
    assert_eq!(limited, None);
    let first = samples(&signals);
    assert_eq!(first.len(), 21, "the last five minutes, both ends");
    assert_eq!(first[20], ("checkout errors".into(), 0, Some(0.0)));
    assert_eq!(signals[0].occurred, epoch(), "a message occurred when its last sample did");
    running.advance(15).await;
    assert_eq!(samples(&running.until_live().await.0), [("checkout errors".into(), 15, Some(15.0))]);
    // The program slept: the next poll is a minute late.
    running.advance(62).await;
    let late = samples(&running.until_live().await.0);
    let name = || "checkout errors".to_owned();
    let values = [(30, None), (45, None), (60, Some(f64::INFINITY)), (75, Some(75.0))];
    assert_eq!(late, values.map(|(at, value)| (name(), at, value)), "no value is told as none");
    let asked = fake.asked.lock().unwrap().clone();
    assert_eq!(asked[1..], [("good".into(), 15, 15), ("good".into(), 30, 75)]);
}

#[tokio::test]
async fn a_server_that_is_reached_long_after_the_start_is_asked_for_all_since_then() {
    let (fake, access) = fake().await;
    let (source, _) = Prometheus::new(access, catalogue(vec![service("checkout", &[], &[("errors", "good")])]), true);
    let reader = source.server.reader().await.unwrap();
    let (clock, mut driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    driver.advance(at(20 * 60));
    let poll = source.poll(&reader, &cx).await;
    assert_eq!(*fake.asked.lock().unwrap(), [("good".to_owned(), -300, 1200)]);
    let read = samples(&stamped(&cx, poll.signals));
    assert_eq!((read.len(), read[0].1, read[100].1), (101, -300, 1200));

    // What is further back than that is said to be missing.
    let (cx, _follow) = context(&clock);
    let (source, _) = Prometheus::new(source.server.access, source.server.catalogue, true);
    driver.advance(at(20 * 60 + 7 * 3600));
    let poll = source.poll(&reader, &cx).await;
    let Signal::Gap(gap) = &poll.signals[0].1 else { panic!("{:?}", poll.signals) };
    assert_eq!((gap.from, gap.to), (at(15 * 60), at(20 * 60 + 3600)));
}

fn stamped(cx: &Ctx, signals: Vec<(World, Signal)>) -> Vec<Stamped<Signal>> {
    let stamp = |(occurred, body)| Stamped { origin: cx.origin.clone(), occurred, observed: occurred, body };
    signals.into_iter().map(stamp).collect()
}

#[tokio::test]
async fn a_query_that_is_wrong_limits_the_view_and_is_named() {
    let (_, access) = fake().await;
    let signals = [("errors", "good"), ("p99", "several"), ("load", "broken("), ("new", "nothing")];
    let (source, _) = Prometheus::new(access, catalogue(vec![service("checkout", &[], &signals)]), true);
    let mut running = Running::start(source);
    let (signals, limited) = running.until_live().await;
    let limited = limited.unwrap();
    assert_eq!(
        limited,
        "checkout p99: the query gives 2 series where one is needed; wrap it in `sum(…)` (and 1 more signals)"
    );
    let samples = samples(&signals);
    assert_eq!(samples.iter().filter(|(name, ..)| name == "checkout errors").count(), 21);
    let new: Vec<_> = samples.iter().filter(|(name, ..)| name == "checkout new").collect();
    assert!(new.len() == 21 && new.iter().all(|(.., value)| value.is_none()), "no value is not zero");
    assert!(samples.iter().all(|(name, ..)| !name.contains("p99") && !name.contains("load")));
}

#[tokio::test]
async fn after_an_outage_it_goes_on_from_the_last_sample() {
    let (fake, access) = fake().await;
    let services = catalogue(vec![service("checkout", &[], &[("errors", "good")])]);
    let (source, _) = Prometheus::new(access, services, true);
    let mut running = Running::start(source);
    running.until_live().await;
    *fake.down.lock().unwrap() = true;
    running.advance(15).await;
    let (result, source) = running.end().await;
    let Err(SourceError::Retry { why, after }) = result else { panic!("{result:?}") };
    assert_eq!(after, Some(Duration::from_secs(5)));
    assert!(why.contains("503") && why.contains("starting"), "{why}");
    *fake.down.lock().unwrap() = false;
    let mut running = Running::start_at(source, at(75));
    let times: Vec<_> = samples(&running.until_live().await.0).into_iter().map(|(_, at, _)| at).collect();
    assert_eq!(times, [15, 30, 45, 60, 75]);
    let (result, source) = running.cancel().await;
    assert_eq!(result, Ok(Ended));
    // What was missed for longer than can be asked for is said.
    let mut running = Running::start_at(source, at(75 + 7 * 3600));
    let (signals, _) = running.until_live().await;
    let Signal::Gap(gap) = &signals[0].body else { panic!("{signals:?}") };
    assert_eq!((gap.from, gap.to), (at(75), at(75 + 3600)));
    assert!(gap.what.contains("checkout errors"), "{}", gap.what);
}

#[tokio::test]
async fn the_past_is_read_at_the_same_moments_and_the_present_goes_on_from_it() {
    let (fake, access) = fake().await;
    let signals = [("errors", "good"), ("load", "broken(")];
    let (source, history) = Prometheus::new(access, catalogue(vec![service("checkout", &[], &signals)]), true);
    let (clock, _driver) = crate::clock::Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let past = history.between(&cx, Span { from: at(-3600), to: at(0) }).await.unwrap();
    let samples = samples(&past);
    assert_eq!(samples.len(), 241);
    assert_eq!((samples[0].1, samples[240].1), (-3600, 0));
    let gaps = past.iter().filter(|signal| matches!(&signal.body, Signal::Gap(gap) if gap.what.contains("checkout load: the query was refused (bad_data): parse error: unexpected")));
    assert_eq!(gaps.count(), 1);
    fake.asked.lock().unwrap().clear();
    let mut running = Running::start_at(Box::new(source), at(30));
    running.until_live().await;
    let asked = fake.asked.lock().unwrap().clone();
    assert!(asked.contains(&("good".into(), 15, 30)), "{asked:?}");
}

#[tokio::test]
async fn a_past_that_broke_off_tells_what_was_read_and_what_was_not() {
    let (fake, access) = fake().await;
    let signals = [("errors", "good"), ("load", "away"), ("late", "good")];
    let (source, history) = Prometheus::new(access.clone(), catalogue(vec![service("checkout", &[], &signals)]), true);
    let (clock, _driver) = crate::clock::Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let past = history.between(&cx, Span { from: at(-600), to: at(0) }).await.unwrap();
    let read = samples(&past);
    assert!(read.len() == 41 && read.iter().all(|(name, ..)| name == "checkout errors"), "{read:?}");
    let gaps: Vec<_> = past
        .iter()
        .filter_map(|signal| match &signal.body {
            Signal::Gap(gap) => Some((gap.from, gap.to, gap.what.split(':').next().unwrap().to_owned())),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, ["checkout load", "checkout late"].map(|what| (at(-600), at(0), what.to_owned())));
    // What was read is not read again; what was not, is.
    fake.asked.lock().unwrap().clear();
    let running = Running::start_at(Box::new(source), at(15));
    let (result, _) = running.end().await;
    assert!(matches!(result, Err(SourceError::Retry { .. })), "{result:?}");
    let asked = fake.asked.lock().unwrap().clone();
    assert!(asked.contains(&("good".into(), 15, 15)) && asked.contains(&("good".into(), -285, 15)), "{asked:?}");

    let services = catalogue(vec![service("checkout", &[], &[("load", "away"), ("late", "good")])]);
    let (_, history) = Prometheus::new(access, services, true);
    let past = history.between(&cx, Span { from: at(-600), to: at(0) }).await;
    assert!(matches!(past, Err(SourceError::Retry { .. })), "nothing was read");
}

#[tokio::test]
async fn with_nothing_to_ask_it_says_so_and_still_knows_whether_the_server_lives() {
    let (_, access) = fake().await;
    let (source, _) = Prometheus::new(access, catalogue(vec![]), true);
    let (signals, limited) = Running::start(source).until_live().await;
    assert!(signals.is_empty());
    assert_eq!(limited.as_deref(), Some("no service declares a signal to ask for"));
}
