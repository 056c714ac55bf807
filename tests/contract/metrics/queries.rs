//! Signals whose queries give nothing, nonsense, or no answer.

use std::collections::BTreeMap;

use warroom::model::signal::Sample;

use super::side::Side;
use crate::kit::Session;

/// Signals of `checkout`: name and query.
fn signals(all: &[(&str, &str)]) -> String {
    let one = |(name, query): &(&str, &str)| {
        format!(
            "[[services.checkout.signals]]\nname = \"{name}\"\nquery = '{query}'\nunit = \"ratio\"\nabove = 1\n\
             hold = \"15s\"\nrecover = \"15s\"\n"
        )
    };
    all.iter().map(one).collect()
}

fn values<'a>(session: &'a Session, signal: &'a str) -> impl Iterator<Item = &'a Sample> {
    session.samples.iter().filter(move |sample| sample.signal == *signal)
}

/// What a session says of a view in which only that signal is broken.
async fn limit(side: &impl Side, name: &str, query: &str) -> String {
    let (good, _) = side.values();
    let mut session = Session::start_by(&side.config(&signals(&[(name, query)])), side.clock());
    session.until("it says what it lacks", |s| s.limited("prometheus").is_some()).await;
    session.until("good values", |s| values(s, "errors").any(|sample| sample.value == Some(good))).await;
    assert_eq!(values(&session, name).count(), 0, "nothing is made up");
    let limited = session.limited("prometheus").unwrap();
    session.end().await;
    limited
}

pub(super) async fn a_query_that_fails_limits_the_view_and_no_other_query(side: impl Side) {
    for (name, query, says) in [
        ("syntax", "sum((", "refused (bad_data)"),
        ("function", "no_such_function(up)", "refused (bad_data)"),
        ("range", "up[1m]", "refused (bad_data)"),
        ("matching", "up * on() group_left() (up or vector(1))", "refused (execution)"),
        ("several", "up or vector(1)", "series where one is needed"),
    ] {
        let limited = limit(&side, name, query).await;
        assert!(limited.contains(&format!("checkout {name}: ")) && limited.contains(says), "{query}: {limited}");
    }
}

pub(super) async fn a_query_that_takes_too_long_limits_the_view_and_no_other_query(side: impl Side) {
    // At every moment six times five million samples: no machine has them within the second that
    // these servers give a query, also when a single moment is asked for.
    let days: Vec<_> = (55..=60).map(|days| format!("count(count_over_time(vector(1)[{days}d:1s]))")).collect();
    let limited = limit(&side, "slow", &days.join(" + ")).await;
    assert!(limited.contains("refused (timeout)"), "{limited}");
}

pub(super) async fn values_that_are_no_numbers_are_no_values(side: impl Side) {
    let (good, _) = side.values();
    let mut queries = vec![
        ("nan", "vector(0) / 0"),
        ("inf", "vector(1) / 0"),
        ("minus", "vector(-1) / 0"),
        ("empty", "no_such_metric"),
        ("scalar", "1 + 1"),
        ("tiny", "vector(1e-9)"),
        ("huge", "vector(123456789012345680000)"),
    ];
    let mut session = Session::start_by(&side.config(&signals(&queries)), side.clock());
    queries.push(("errors", side.ratio()));
    session.until("all", |s| queries.iter().all(|(name, _)| values(s, name).count() > 1)).await;
    session.until("good values", |s| values(s, "errors").any(|sample| sample.value == Some(good))).await;
    let seen: BTreeMap<&str, Vec<Option<f64>>> = queries
        .iter()
        .map(|(name, _)| {
            let mut all: Vec<_> = values(&session, name).map(|sample| sample.value).collect();
            all.dedup();
            (*name, all)
        })
        .collect();
    for (name, value) in [
        ("nan", None),
        ("inf", Some(f64::INFINITY)),
        ("minus", Some(f64::NEG_INFINITY)),
        ("empty", None),
        ("scalar", Some(2.0)),
        ("tiny", Some(1e-9)),
        ("huge", Some(123_456_789_012_345_680_000.0)),
    ] {
        assert_eq!(seen[name], [value], "{name}");
    }
    assert_eq!(session.limited("prometheus"), None);
    session.end().await;
}
