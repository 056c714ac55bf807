//! What the evaluator promises, on a store of known samples.

use super::*;

/// Two services' counters, 15 s apart for ten minutes: `a` rises by 10/s, of which 1/s fail; `b`
/// by 2/s and restarts in the middle.
fn store() -> Store {
    let mut store = Store::default();
    for n in 0..=40i64 {
        let at = n * 15_000;
        let t = (n * 15) as f64;
        store.push("requests_total", &[("service", "a"), ("code", "200")], at, 9.0 * t);
        store.push("requests_total", &[("service", "a"), ("code", "500")], at, t);
        store.push(
            "requests_total",
            &[("service", "b"), ("code", "200")],
            at,
            if n < 20 { 2.0 * t } else { 2.0 * (t - 300.0) },
        );
        for (le, share) in [("0.1", 0.5), ("1", 0.9), ("+Inf", 1.0)] {
            store.push("seconds_bucket", &[("le", le)], at, 10.0 * t * share);
        }
        if n < 30 {
            store.push("up", &[("job", "gone")], at, 1.0);
        }
        store.end_scrape(at);
    }
    store
}

fn value(query: &str) -> f64 {
    match instant(&store(), &parse(query).unwrap(), 600_000).unwrap() {
        Value::Scalar(value) => value,
        Value::Vector(samples) if samples.len() == 1 => samples[0].value,
        other => panic!("{query} gave {other:?}"),
    }
}

fn count(query: &str) -> usize {
    match instant(&store(), &parse(query).unwrap(), 600_000).unwrap() {
        Value::Vector(samples) => samples.len(),
        other => panic!("{query} gave {other:?}"),
    }
}

#[test]
fn rates_and_shares_come_out_as_they_went_in() {
    let near = |query: &str, expected: f64| {
        let found = value(query);
        assert!((found - expected).abs() < 1e-6 * expected.abs().max(1.0), "{query}: {found}, not {expected}");
    };
    near("sum(rate(requests_total{service=\"a\"}[2m]))", 10.0);
    near("increase(requests_total{service='a',code='500'}[5m])", 300.0);
    near(
        "sum(rate(requests_total{service=\"a\",code=~\"5..\"}[2m])) / sum(rate(requests_total{service=\"a\"}[2m]))",
        0.1,
    );
    // What was counted between the last sample and the restart is lost: 30 of 1170.
    near("sum by (service) (rate(requests_total{service=\"b\"}[10m]))", 1140.0 / 585.0);
    near("histogram_quantile(0.5, sum by (le) (rate(seconds_bucket[5m])))", 0.1);
    near("histogram_quantile(0.7, rate(seconds_bucket[5m]))", 0.55);
    near("2 + 3 * 4 ^ 2 / 8 - -1", 9.0);
    near("-2 ^ 2", -4.0);
    near("max_over_time(requests_total{code=\"500\"}[5m] offset 1m)", 540.0);
    near("requests_total{code=\"500\"} offset 5m", 300.0);
    near("time()", 600.0);
    near("clamp_max(vector(7), 3)", 3.0);
}

#[test]
fn comparisons_filter_and_sets_join() {
    assert_eq!(count("sum by (service) (rate(requests_total[2m])) > 5"), 1);
    assert_eq!(count("requests_total"), 3);
    assert_eq!(count("requests_total unless on(service) requests_total{code=\"500\"}"), 1);
    assert_eq!(count("requests_total and on(service) requests_total{code=\"500\"}"), 2);
    assert_eq!(count("up or vector(1)"), 1);
    assert_eq!(count("topk(1, requests_total)"), 1);
    assert_eq!(value("vector(1) > bool 2"), 0.0);
    assert_eq!(
        count("requests_total / ignoring(code) group_left sum without (code) (requests_total)"),
        3,
        "many to one by their common labels"
    );
}

#[test]
fn a_series_that_is_not_scraped_any_more_ends_at_once() {
    assert_eq!(count("up"), 0);
    assert_eq!(value("absent(up)"), 1.0);
    let before = instant(&store(), &parse("up").unwrap(), 29 * 15_000).unwrap();
    assert!(matches!(before, Value::Vector(samples) if samples.len() == 1));
}

#[test]
fn a_range_holds_a_point_a_step() {
    let query = parse("sum(rate(requests_total[1m]))").unwrap();
    let found = range(&store(), &query, 120_000, 240_000, 15_000).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.len(), 9);
    assert!(range(&store(), &query, 0, 100_000_000, 1_000).is_err(), "too many points");
    assert!(range(&store(), &parse("requests_total[1m]").unwrap(), 0, 1000, 1000).is_err());
}

#[test]
fn what_is_not_promql_is_refused_with_its_column() {
    for bad in [
        "",
        "sum(",
        "up{",
        "up{a}",
        "up[5]",
        "rate(up)",
        "nofunc(up)",
        "up[5m:1m]",
        "up @ 3",
        "{}",
        "1 +",
        "up{a=~\"(\"}",
        "a b",
        "sum(up, up)",
        "\"open",
        "up offset",
    ] {
        let refused = parse(bad).is_err() || instant(&store(), &parse(bad).unwrap(), 0).is_err();
        assert!(refused, "{bad} was taken");
    }
    assert_eq!(
        parse("up + )").unwrap_err().to_string(),
        "1:6: parse error: unexpected token where an expression begins"
    );
    let deep = "(".repeat(5000);
    assert!(parse(&deep).is_err(), "and does not end the program");
    assert!(parse(&"-".repeat(10_000)).is_err());
}

#[test]
fn matchers_come_with_and_without_braces() {
    for (text, count) in
        [("a=\"b\"", 1), ("{a=\"b\",c!~\"d.*\"}", 2), ("up{a=\"b\"}", 2), ("up", 1), ("alertname=Foo", 1)]
    {
        assert_eq!(parse_matchers(text).unwrap().len(), count, "{text}");
    }
    for bad in ["a", "=b", "a=", "{a=\"b\""] {
        if bad != "a" {
            assert!(parse_matchers(bad).is_err(), "{bad}");
        }
    }
}
