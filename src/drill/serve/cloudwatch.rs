//! CloudWatch: alarms with their history, and metrics.
//!
//! Shapes: the service model `monitoring-2010-08-01`. Without `AlarmTypes`, both describe
//! operations give metric alarms only. `MaxRecords` is at most 100 and 50 if not given.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use crate::drill::World;
use crate::drill::scenario::Statistic;
use crate::drill::world::{Alarm, Metric, Transition, Watches};

use super::aws::{Answer, AwsError, error, page, text, texts, time};
use super::doc::Doc;

pub(super) fn answer(world: &World, operation: &str, input: &Json) -> Answer {
    match operation {
        "DescribeAlarms" => describe_alarms(world, input),
        "DescribeAlarmHistory" => describe_history(world, input),
        "GetMetricData" => metric_data(world, input),
        "GetMetricStatistics" => metric_statistics(world, input),
        "ListMetrics" => Ok(list_metrics(world, input)),
        other => Err(error("UnknownOperationException", format!("this drill does not serve CloudWatch's {other}"))),
    }
}

/// Where a page begins. The token names the operation, so that one cannot be used for another.
fn begin(input: &Json, operation: &str) -> Result<usize, AwsError> {
    let Some(token) = text(input, "NextToken").filter(|token| !token.is_empty()) else { return Ok(0) };
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .as_deref()
        .and_then(|decoded| decoded.strip_prefix(operation)?.strip_prefix('|')?.parse().ok())
        .ok_or_else(|| error("InvalidNextToken", "The next token specified is invalid."))
}

fn token(operation: &str, at: usize) -> Doc {
    Doc::Text(URL_SAFE_NO_PAD.encode(format!("{operation}|{at}")))
}

fn types(input: &Json) -> (bool, bool) {
    let types = texts(input, "AlarmTypes");
    let metric = types.is_empty() || types.contains(&"MetricAlarm");
    (metric, types.contains(&"CompositeAlarm"))
}

fn arn(world: &World, name: &str) -> String {
    let file = &world.scenario().file;
    format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", file.region, file.account)
}

fn describe_alarms(world: &World, input: &Json) -> Answer {
    let (metric, composite) = types(input);
    let names = texts(input, "AlarmNames");
    let prefix = text(input, "AlarmNamePrefix");
    if !names.is_empty() && prefix.is_some() {
        return Err(error("ValidationError", "AlarmNames and AlarmNamePrefix cannot be given together"));
    }
    let state = text(input, "StateValue");
    if let Some(other) = state.filter(|state| !matches!(*state, "OK" | "ALARM" | "INSUFFICIENT_DATA")) {
        return Err(error("ValidationError", format!("Value '{other}' at 'stateValue' failed to satisfy constraint")));
    }
    let most = page(input, "MaxRecords", 50, 100)?;
    let start = begin(input, "alarms")?;
    let wanted: Vec<_> = world
        .alarms()
        .alarms
        .iter()
        .filter(|alarm| if alarm.is_composite() { composite } else { metric })
        .filter(|alarm| names.is_empty() || names.contains(&alarm.name.as_str()))
        .filter(|alarm| prefix.is_none_or(|prefix| alarm.name.starts_with(prefix)))
        .filter(|alarm| state.is_none_or(|state| alarm.state.as_str() == state))
        .collect();
    let shown: Vec<_> = wanted.iter().skip(start).take(most).collect();
    let (mut metrics, mut composites) = (Vec::new(), Vec::new());
    for alarm in &shown {
        let shown = described(world, alarm);
        if alarm.is_composite() { composites.push(shown) } else { metrics.push(shown) }
    }
    let mut out = vec![("MetricAlarms", Doc::List(metrics)), ("CompositeAlarms", Doc::List(composites))];
    if start + shown.len() < wanted.len() {
        out.push(("NextToken", token("alarms", start + shown.len())));
    }
    Ok(Doc::Map(out))
}

fn described(world: &World, alarm: &Alarm) -> Doc {
    let mut out = vec![
        ("AlarmName", Doc::text(&alarm.name)),
        ("AlarmArn", Doc::Text(arn(world, &alarm.name))),
        ("AlarmConfigurationUpdatedTimestamp", Doc::time(alarm.configured)),
        ("ActionsEnabled", Doc::Bool(true)),
        ("OKActions", Doc::List(Vec::new())),
        ("AlarmActions", Doc::List(Vec::new())),
        ("InsufficientDataActions", Doc::List(Vec::new())),
        ("StateValue", Doc::text(alarm.state.as_str())),
        ("StateReason", Doc::text(&alarm.reason)),
        ("StateUpdatedTimestamp", Doc::time(alarm.since)),
        ("StateTransitionedTimestamp", Doc::time(alarm.since)),
    ];
    let description = match &alarm.watches {
        Watches::Metric(spec) => spec.description.as_ref(),
        Watches::Others(spec, _) => spec.description.as_ref(),
    };
    out.extend(description.map(|text| ("AlarmDescription", Doc::text(text))));
    match &alarm.watches {
        Watches::Metric(spec) => {
            if let Some(metric) = world.alarms().metric(spec.metric.get_ref()) {
                out.extend([
                    ("MetricName", Doc::text(&metric.spec.name)),
                    ("Namespace", Doc::text(&metric.spec.namespace)),
                    ("Dimensions", dimensions(metric)),
                ]);
            }
            out.extend([
                ("Statistic", Doc::text(spec.statistic.as_str())),
                ("Period", Doc::Int(spec.period.as_secs().cast_signed())),
                ("EvaluationPeriods", Doc::Int(i64::from(spec.evaluate))),
                ("DatapointsToAlarm", Doc::Int(i64::from(spec.bad))),
                ("Threshold", Doc::Number(spec.threshold)),
                ("ComparisonOperator", Doc::text(spec.comparison.as_str())),
                ("TreatMissingData", Doc::text("missing")),
            ]);
        }
        Watches::Others(spec, _) => out.push(("AlarmRule", Doc::text(spec.rule.get_ref()))),
    }
    Doc::Map(out)
}

fn dimensions(metric: &Metric) -> Doc {
    let pair =
        |(name, value): (&String, &String)| Doc::Map(vec![("Name", Doc::text(name)), ("Value", Doc::text(value))]);
    Doc::List(metric.spec.dimensions.iter().map(pair).collect())
}

fn describe_history(world: &World, input: &Json) -> Answer {
    let (metric, composite) = types(input);
    let name = text(input, "AlarmName");
    let kind = text(input, "HistoryItemType");
    let (from, to) = (time(input, "StartDate"), time(input, "EndDate"));
    let most = page(input, "MaxRecords", 50, 100)?;
    let start = begin(input, "history")?;
    let mut wanted: Vec<_> = world
        .alarms()
        .history
        .iter()
        .filter(|_| kind.is_none_or(|kind| kind == "StateUpdate"))
        .filter(|change| if change.composite { composite } else { metric })
        .filter(|change| name.is_none_or(|name| change.alarm == name))
        .filter(|change| from.is_none_or(|from| change.at.timestamp_millis() >= from))
        .filter(|change| to.is_none_or(|to| change.at.timestamp_millis() <= to))
        .collect();
    if text(input, "ScanBy") != Some("TimestampAscending") {
        wanted.reverse();
    }
    let shown: Vec<_> = wanted.iter().skip(start).take(most).map(|change| item(change)).collect();
    let end = start + shown.len();
    let mut out = vec![("AlarmHistoryItems", Doc::List(shown))];
    if end < wanted.len() {
        out.push(("NextToken", token("history", end)));
    }
    Ok(Doc::Map(out))
}

fn item(change: &Transition) -> Doc {
    let stamp = change.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let data = json!({
        "version": "1.0",
        "type": if change.composite { "CompositeAlarm" } else { "MetricAlarm" },
        "oldState": { "stateValue": change.from.as_str(), "stateReason": change.from_reason },
        "newState": { "stateValue": change.to.as_str(), "stateReason": change.reason, "stateTransitionedTimestamp": stamp },
    });
    Doc::Map(vec![
        ("AlarmName", Doc::text(&change.alarm)),
        ("AlarmType", Doc::text(if change.composite { "CompositeAlarm" } else { "MetricAlarm" })),
        ("Timestamp", Doc::time(change.at)),
        ("HistoryItemType", Doc::text("StateUpdate")),
        ("HistorySummary", Doc::Text(format!("Alarm updated from {} to {}", change.from.as_str(), change.to.as_str()))),
        ("HistoryData", Doc::Text(data.to_string())),
    ])
}

/// The metric that a request names, by namespace, name and all dimensions.
fn named<'a>(world: &'a World, metric: &Json) -> Option<&'a Metric> {
    let mut dimensions: Vec<(&str, &str)> = metric
        .get("Dimensions")
        .and_then(Json::as_array)
        .map(|all| all.iter().filter_map(|pair| Some((text(pair, "Name")?, text(pair, "Value")?))).collect())
        .unwrap_or_default();
    dimensions.sort_unstable();
    world.alarms().metrics.iter().find(|found| {
        text(metric, "Namespace") == Some(&found.spec.namespace)
            && text(metric, "MetricName") == Some(&found.spec.name)
            && found.spec.dimensions.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(dimensions.iter().copied())
    })
}

fn statistic(name: &str) -> Option<Statistic> {
    [Statistic::Average, Statistic::Maximum, Statistic::Minimum, Statistic::Sum]
        .into_iter()
        .find(|s| s.as_str() == name)
}

/// The stretch and period of a request, aligned, in milliseconds.
fn stretch(world: &World, input: &Json, period: Option<i64>) -> Result<(i64, i64, i64), AwsError> {
    let (Some(from), Some(to)) = (time(input, "StartTime"), time(input, "EndTime")) else {
        return Err(error("ValidationError", "StartTime and EndTime are required"));
    };
    let period = period.filter(|period| (1..=86_400).contains(period) && period % 60 == 0);
    let Some(period) = period.map(|seconds| seconds * 1000) else {
        return Err(error("ValidationError", "Period must be a multiple of 60"));
    };
    if from >= to {
        return Err(error("ValidationError", "The parameter StartTime must be less than the parameter EndTime."));
    }
    // There is nothing before the epoch or after now.
    let from = from.max(world.scenario().epoch().timestamp_millis()).div_euclid(period) * period;
    Ok((from, to.min(world.now().timestamp_millis()), period))
}

fn points(metric: &Metric, statistic: Statistic, (from, to, period): (i64, i64, i64)) -> Vec<(i64, f64)> {
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        found.extend(metric.statistic(statistic, at, period).map(|value| (at, value)));
        at += period;
    }
    found
}

fn metric_data(world: &World, input: &Json) -> Answer {
    let Some(queries) = input.get("MetricDataQueries").and_then(Json::as_array) else {
        return Err(error("ValidationError", "MetricDataQueries is required"));
    };
    if queries.len() > 500 {
        return Err(error(
            "ValidationError",
            "The collection MetricDataQueries must not have a size greater than 500.",
        ));
    }
    let mut results = Vec::new();
    for query in queries {
        let Some(stat) = query.get("MetricStat") else {
            return Err(error("ValidationError", "this drill answers MetricStat queries, no expressions"));
        };
        let Some(kind) = text(stat, "Stat").and_then(statistic) else {
            return Err(error("ValidationError", "this drill answers Average, Maximum, Minimum and Sum"));
        };
        let stretch = stretch(world, input, stat.get("Period").and_then(Json::as_i64))?;
        let metric = stat.get("Metric").and_then(|metric| named(world, metric));
        let mut found = metric.map(|metric| points(metric, kind, stretch)).unwrap_or_default();
        if text(input, "ScanBy") != Some("TimestampAscending") {
            found.reverse();
        }
        let label = text(query, "Label").or(metric.map(|metric| metric.spec.name.as_str())).unwrap_or("");
        results.push(Doc::Map(vec![
            ("Id", Doc::text(text(query, "Id").unwrap_or(""))),
            ("Label", Doc::text(label)),
            ("Timestamps", Doc::List(found.iter().map(|(at, _)| Doc::Time(*at)).collect())),
            ("Values", Doc::List(found.iter().map(|(_, value)| Doc::Number(*value)).collect())),
            ("StatusCode", Doc::text("Complete")),
        ]));
    }
    Ok(Doc::Map(vec![("MetricDataResults", Doc::List(results)), ("Messages", Doc::List(Vec::new()))]))
}

fn metric_statistics(world: &World, input: &Json) -> Answer {
    let stretch = stretch(world, input, input.get("Period").and_then(Json::as_i64))?;
    let metric = named(world, input);
    let mut all: Vec<(i64, Vec<(&'static str, Doc)>)> = Vec::new();
    for kind in texts(input, "Statistics").into_iter().filter_map(statistic) {
        for (at, value) in metric.map(|metric| points(metric, kind, stretch)).unwrap_or_default() {
            let pair = (kind.as_str(), Doc::Number(value));
            match all.iter_mut().find(|(known, _)| *known == at) {
                Some((_, pairs)) => pairs.push(pair),
                None => {
                    let unit = metric.and_then(|metric| metric.spec.unit.as_deref()).unwrap_or("None");
                    all.push((at, vec![("Timestamp", Doc::Time(at)), ("Unit", Doc::text(unit)), pair]));
                }
            }
        }
    }
    let points = all.into_iter().map(|(_, pairs)| Doc::Map(pairs)).collect();
    Ok(Doc::Map(vec![("Label", Doc::text(text(input, "MetricName").unwrap_or(""))), ("Datapoints", Doc::List(points))]))
}

fn list_metrics(world: &World, input: &Json) -> Doc {
    let fits = |metric: &&Metric| {
        text(input, "Namespace").is_none_or(|wanted| wanted == metric.spec.namespace)
            && text(input, "MetricName").is_none_or(|wanted| wanted == metric.spec.name)
    };
    let shown = |metric: &Metric| {
        Doc::Map(vec![
            ("Namespace", Doc::text(&metric.spec.namespace)),
            ("MetricName", Doc::text(&metric.spec.name)),
            ("Dimensions", dimensions(metric)),
        ])
    };
    Doc::Map(vec![("Metrics", Doc::List(world.alarms().metrics.iter().filter(fits).map(shown).collect()))])
}
