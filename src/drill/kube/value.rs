//! Reading and writing Kubernetes objects as JSON: fields by path, times and quantities.
//!
//! Owns: total accessors (a missing field is empty, never a panic), because objects can be
//! rewritten by a client's patch. Must not: know a kind.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::clock::World;

static NULL: Value = Value::Null;

/// The field at `path`, or null.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().try_fold(value, |inner, key| inner.get(key)).unwrap_or(&NULL)
}

/// The text at `path`, or the empty text.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The integer at `path`, or 0.
pub(super) fn int(value: &Value, path: &[&str]) -> i64 {
    at(value, path).as_i64().unwrap_or_default()
}

/// The list at `path`, or an empty one.
pub(super) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// Sets the field at `path`; what stands in the way and is no object gives way to one.
pub(super) fn put(value: &mut Value, path: &[&str], new: Value) {
    let Some((last, parents)) = path.split_last() else {
        *value = new;
        return;
    };
    let mut inner = value;
    for key in parents {
        inner = object(inner).entry(*key).or_insert(Value::Null);
    }
    object(inner).insert((*last).to_owned(), new);
}

/// Removes the field at `path`.
pub(super) fn cut(value: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut inner = value;
    for key in parents {
        match inner.get_mut(*key) {
            Some(next) => inner = next,
            None => return,
        }
    }
    if let Some(map) = inner.as_object_mut() {
        map.remove(*last);
    }
}

/// `value` as an object, made into one if it is none.
pub(super) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// A time as Kubernetes writes it, to the second.
pub(super) fn stamp(at: World) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as Kubernetes writes it where it wants fractions (`MicroTime`, log lines).
pub(super) fn stamp_nanos(at: World) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()
}

/// Reads an RFC 3339 time.
pub(super) fn moment(text: &str) -> Option<World> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// Whole seconds, as a difference of world times; at most a hundred years, so that a client's
/// figure added to a time stays a time.
pub(super) fn seconds(count: u64) -> TimeDelta {
    const CENTURY: u64 = 100 * 365 * 86_400;
    i64::try_from(count.min(CENTURY)).ok().and_then(TimeDelta::try_seconds).unwrap_or_default()
}

/// A duration as Go reads it, in seconds: `1m30s`, `90m`, `1.5h`; `None` if it is none, or negative.
pub(super) fn go_seconds(text: &str) -> Option<f64> {
    let mut sum = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let (unit, more) = after.split_at_checked(after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len()))?;
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = more;
    }
    (!text.is_empty()).then_some(sum)
}

/// An age as kubectl prints it: `duration.HumanDuration` of k8s.io/apimachinery.
pub(super) fn age(since: World, now: World) -> String {
    let secs = (now - since).num_seconds();
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    let two = |big: i64, unit: char, small: i64, less: char| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{less}") }
    };
    match secs {
        ..-1 => "<invalid>".into(),
        -1..0 => "0s".into(),
        0..120 => format!("{secs}s"),
        120..600 => two(minutes, 'm', secs % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

/// The age of the time at `path`, `<unknown>` if there is none.
pub(super) fn age_at(value: &Value, path: &[&str], now: World) -> String {
    moment(text(value, path)).map_or_else(|| "<unknown>".into(), |since| age(since, now))
}

/// CPU as Kubernetes writes it canonically: whole cores without a suffix.
pub(super) fn cpu(milli: u64) -> String {
    if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Bytes as Kubernetes writes them canonically: the largest binary suffix that divides them.
pub(super) fn memory(bytes: u64) -> String {
    let suffixes = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
    suffixes
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(|| bytes.to_string(), |(unit, suffix)| format!("{}{suffix}", bytes / unit))
}

/// A quantity in thousandths of its unit, rounded up; `None` if it is none.
pub(super) fn milli(quantity: &str) -> Option<u64> {
    let split = quantity.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1e3 * 1024.0,
        "Mi" => 1e3 * 1024.0 * 1024.0,
        "Gi" => 1e3 * 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1e3 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // A float cast saturates, which is what a bound on foreign figures should do.
    (number.is_finite() && number >= 0.0).then(|| (number * scale).ceil() as u64)
}

/// Sum over the containers of a pod spec of `resources.<of>.<name>`, in thousandths.
pub(super) fn resources_milli(pod_spec: &Value, of: &str, name: &str) -> u64 {
    list(pod_spec, &["containers"])
        .iter()
        .filter_map(|container| milli(text(container, &["resources", of, name])))
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_and_written_as_kubernetes_does() {
        assert_eq!(milli("250m"), Some(250));
        assert_eq!(milli("1.5"), Some(1500));
        assert_eq!(milli("512Mi"), Some(512 * 1024 * 1024 * 1000));
        assert_eq!(milli("-1"), None);
        assert_eq!(milli("much"), None);
        assert_eq!((cpu(250), cpu(4000)), ("250m".to_owned(), "4".to_owned()));
        assert_eq!((memory(256 << 20), memory(3 << 30), memory(1000)), ("256Mi".into(), "3Gi".into(), "1000".into()));
    }

    #[test]
    fn durations_are_read_as_go_does() {
        for (text, seconds) in [("90s", 90.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("2h45m", 9900.0), ("250ms", 0.25)] {
            assert_eq!(go_seconds(text), Some(seconds), "{text}");
        }
        for wrong in ["", "90", "1d", "-1m", "m", "1m 30s", "1m30"] {
            assert_eq!(go_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let now = World::from_timestamp(1_795_000_000, 0).unwrap();
        let ago = |secs| age(now - TimeDelta::seconds(secs), now);
        assert_eq!(ago(45), "45s");
        assert_eq!(ago(150), "2m30s");
        assert_eq!(ago(3600), "60m");
        assert_eq!(ago(4 * 3600 + 120), "4h2m");
        assert_eq!(ago(3 * 86_400), "3d");
        assert_eq!(ago(30 * 86_400), "30d");
    }

    #[test]
    fn a_path_through_something_else_reads_as_nothing_and_can_be_written() {
        let mut value = json!({"spec": "none"});
        assert_eq!(text(&value, &["spec", "replicas"]), "");
        put(&mut value, &["spec", "replicas"], json!(3));
        assert_eq!(int(&value, &["spec", "replicas"]), 3);
        cut(&mut value, &["spec", "replicas"]);
        cut(&mut value, &["nothing", "here"]);
        assert_eq!(value, json!({"spec": {}}));
    }
}
