//! Prometheus' HTTP API v1, as the connector and people's `curl` use it.

use serde_json::{Value, json};

use super::side::{Server, Side, json as answered, plain_client};

const QUERY: &str = "/api/v1/query";
const RANGE: &str = "/api/v1/query_range";

async fn data(side: &impl Side, path: &str, query: &[(&str, &str)]) -> Value {
    let (status, answer) = side.get(Server::Prometheus, path, query).await;
    assert_eq!((status, &answer["status"]), (200, &json!("success")), "{query:?}: {answer}");
    answer["data"].clone()
}

/// A moment, in whole seconds, at which the ratio has a value.
async fn scraped(side: &impl Side) -> i64 {
    let wait = async {
        loop {
            let now = side.clock().now().timestamp();
            if data(side, QUERY, &[("query", side.ratio()), ("time", &now.to_string())]).await["result"] != json!([]) {
                return now;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.expect("a first scrape")
}

pub(super) async fn queries_are_answered(side: impl Side) {
    let now = scraped(&side).await;
    let (good, _) = side.values();
    let at = now.to_string();

    let one = data(&side, QUERY, &[("query", side.ratio()), ("time", &at)]).await;
    assert_eq!(one["resultType"], "vector");
    let [time, value] = one["result"][0]["value"].as_array().unwrap().as_slice() else { panic!("{one}") };
    assert_eq!((time.as_f64(), value), (Some(now as f64), &json!(good.to_string())), "{one}");
    for (query, kind, result) in [
        ("1 + 1", "scalar", json!([now, "2"])),
        ("\"text\"", "string", json!([now, "text"])),
        ("vector(1) / 0", "vector", json!([{"metric": {}, "value": [now, "+Inf"]}])),
        ("vector(-1) / 0", "vector", json!([{"metric": {}, "value": [now, "-Inf"]}])),
        ("vector(0) / 0", "vector", json!([{"metric": {}, "value": [now, "NaN"]}])),
        ("vector(1e-9)", "vector", json!([{"metric": {}, "value": [now, "1e-09"]}])),
        ("vector(0.000001)", "vector", json!([{"metric": {}, "value": [now, "0.000001"]}])),
        ("vector(-2.5e30)", "vector", json!([{"metric": {}, "value": [now, "-2.5e+30"]}])),
        ("vector(123456789012345680000)", "vector", json!([{"metric": {}, "value": [now, "123456789012345680000"]}])),
        ("no_such_metric", "vector", json!([])),
        ("vector(1) > 2", "vector", json!([])),
    ] {
        let found = data(&side, QUERY, &[("query", query), ("time", &at)]).await;
        assert_eq!((&found["resultType"], &found["result"]), (&json!(kind), &result), "{query}");
    }
    let matrix = data(&side, QUERY, &[("query", "up[5m]"), ("time", &at)]).await;
    assert_eq!(matrix["resultType"], "matrix");
    assert!(matrix["result"][0]["values"][0][1].is_string(), "{matrix}");

    // A range has its moments at the start and every step from there, both ends included.
    let start = (now - 60).to_string();
    for step in ["15", "15s", "15.0"] {
        let asked = [("query", "vector(7)"), ("start", &start), ("end", &at), ("step", step)];
        let found = data(&side, RANGE, &asked).await;
        assert_eq!(found["resultType"], "matrix");
        let values: Vec<_> = (0..5).map(|n| json!([now - 60 + n * 15, "7"])).collect();
        assert_eq!(found["result"], json!([{"metric": {}, "values": values}]), "step {step}");
    }
    let asked = [("query", "no_such_metric"), ("start", &start), ("end", &at), ("step", "15")];
    assert_eq!(data(&side, RANGE, &asked).await["result"], json!([]));
    let rfc = chrono::DateTime::from_timestamp(now - 30, 0).unwrap().to_rfc3339();
    let asked = [("query", "vector(7)"), ("start", &rfc), ("end", &rfc), ("step", "1m")];
    assert_eq!(data(&side, RANGE, &asked).await["result"][0]["values"].as_array().unwrap().len(), 1);

    // The same by a form, as `promtool` and Grafana ask.
    let form = [("query", side.ratio()), ("time", at.as_str())];
    let url = format!("{}{QUERY}", side.url(Server::Prometheus));
    let body: String = form.iter().map(|(name, value)| format!("{name}={}&", encoded(value))).collect();
    let request = plain_client().post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    assert_eq!(answered(request.send().await.unwrap()).await.1["data"], one);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub(super) async fn queries_that_cannot_be_answered_say_why(side: impl Side) {
    let now = scraped(&side).await;
    let (start, end) = ((now - 60).to_string(), now.to_string());
    let range = |query: &'static str| vec![("query", query), ("start", &start), ("end", &end), ("step", "15")];
    let with = |name: &'static str, value: &'static str| {
        let mut asked = range("vector(1)");
        asked.iter_mut().find(|(one, _)| *one == name).unwrap().1 = value;
        asked
    };
    for (path, asked, status, kind) in [
        (QUERY, vec![("query", "sum((")], 400, "bad_data"),
        (QUERY, vec![("query", "")], 400, "bad_data"),
        (QUERY, vec![("query", "no_such_function(up)")], 400, "bad_data"),
        (QUERY, vec![("query", "up{job=~\"(\"}")], 400, "bad_data"),
        (QUERY, vec![("query", "1"), ("time", "yesterday")], 400, "bad_data"),
        (QUERY, vec![("query", "1 == 1")], 400, "bad_data"),
        (QUERY, vec![("query", "rate(up)")], 400, "bad_data"),
        (QUERY, vec![("query", "up * on() group_left() (up or vector(1))")], 422, "execution"),
        (RANGE, range("sum(("), 400, "bad_data"),
        (RANGE, range("up[1m]"), 400, "bad_data"),
        (RANGE, range("\"text\""), 400, "bad_data"),
        (RANGE, range("up * on() group_left() (up or vector(1))"), 422, "execution"),
        (RANGE, with("step", "0"), 400, "bad_data"),
        (RANGE, with("step", "-15"), 400, "bad_data"),
        (RANGE, with("step", "0.001"), 400, "bad_data"),
        (RANGE, with("start", "x"), 400, "bad_data"),
        (RANGE, with("end", "1"), 400, "bad_data"),
    ] {
        let (is, why) = side.get(Server::Prometheus, path, &asked).await;
        let shape = (is, &why["status"], &why["errorType"], why["error"].is_string());
        assert_eq!(shape, (status, &json!("error"), &json!(kind), true), "{asked:?}: {why}");
    }
}
