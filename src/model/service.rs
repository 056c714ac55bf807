//! Services as the configuration declares them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text::Safe;

use super::name::{Kind, ObjectPath, ServiceName};

/// A thing that users depend on, and everything that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Who answers for it.
    pub owner: Option<Safe>,
    /// What users call it, for the stakeholders' view.
    pub title: Option<Safe>,
    /// Its workloads.
    pub workloads: Vec<WorkloadPattern>,
    /// What divides its traffic.
    pub routes: Vec<Route>,
    /// Its CloudWatch log groups, exact names.
    pub log_groups: Vec<Safe>,
    /// Names of alerts and alarms that are about it; `*` stands for any run of characters.
    pub alarms: Vec<Safe>,
    /// Its measured signals.
    pub signals: Vec<SignalSpec>,
    /// Dashboards, by URL.
    pub dashboards: Vec<Safe>,
    /// The path of a Markdown file, or the address of a page.
    pub runbook: Option<Safe>,
    /// Services that it calls.
    pub depends_on: Vec<ServiceName>,
}

impl Service {
    /// The file of its runbook, if that is one.
    pub fn runbook_file(&self) -> Option<&Path> {
        let text = self.runbook.as_ref()?.as_str();
        (!text.contains("://")).then(|| Path::new(text))
    }
}

/// Names one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadPattern {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Safe,
    /// Its name.
    pub name: Safe,
}

/// What divides traffic between destinations: a VirtualService, an HTTPRoute, a selector. Which
/// kinds do is for the configuration to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// What it is.
    pub kind: Kind,
    /// Where it is, in the terms of its system.
    pub path: ObjectPath,
}

impl Route {
    /// Whether it divides traffic by weights. A Service does so by its selector, and a zone is left
    /// as a whole.
    pub fn divides_by_weights(&self) -> bool {
        !matches!(self.kind, Kind::Service | Kind::LoadBalancer)
    }

    /// The source whose system it is part of.
    pub fn source(&self) -> &'static str {
        match self.kind {
            Kind::Listener | Kind::ListenerRule | Kind::RecordSet | Kind::LoadBalancer => "aws",
            _ => "kubernetes",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path)
    }
}

/// One measured signal of a service: a Prometheus query with a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalSpec {
    /// Such as `errors` or `p99`.
    pub name: Safe,
    /// PromQL that gives one value.
    pub query: Safe,
    /// How values are written.
    pub unit: Unit,
    /// What counts as a breach.
    pub threshold: Option<Threshold>,
}

/// When a value is a breach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The limit, in the signal's unit.
    pub limit: f64,
    /// On which side the breach lies.
    pub side: Side,
    /// How long a breach lasts before it counts, by sample time.
    pub hold: Duration,
    /// How long values stay on the good side before it counts as recovered, by sample time.
    pub recover: Duration,
}

impl Threshold {
    /// Whether `value` lies on the bad side.
    pub fn breached(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.limit,
            Side::Below => value < self.limit,
        }
    }
}

/// The bad side of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Higher is bad.
    Above,
    /// Lower is bad.
    Below,
}

/// How values of a signal are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of one, written as per cent.
    Ratio,
    /// Seconds.
    Seconds,
    /// Events per second.
    PerSecond,
    /// A bare number.
    Count,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// The word of the configuration and of track names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Seconds => "seconds",
            Self::PerSecond => "per_second",
            Self::Count => "count",
            Self::Bytes => "bytes",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ratio, Self::Seconds, Self::PerSecond, Self::Count, Self::Bytes]
            .into_iter()
            .find(|unit| unit.as_str() == text)
    }

    /// `value` with its unit, in two or three digits: `7.2 %`, `4.1 s`, `120 ms`, `1.2k/s`.
    pub fn write(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{} %", digits(value * 100.0)),
            Self::Seconds if value.abs() < 1.0 && value != 0.0 => format!("{} ms", digits(value * 1000.0)),
            Self::Seconds => format!("{} s", digits(value)),
            Self::PerSecond => format!("{}/s", scaled(value, 1000.0, ["", "k", "M", "G"])),
            Self::Count => scaled(value, 1000.0, ["", "k", "M", "G"]),
            Self::Bytes => format!("{}B", scaled(value, 1024.0, [" ", " Ki", " Mi", " Gi"])),
        }
    }
}

fn scaled(value: f64, step: f64, suffixes: [&str; 4]) -> String {
    let mut value = value;
    let mut at = 0;
    // 999.5 would be rounded to 1000: step up before it is.
    while value.abs() >= step * 0.9995 && at + 1 < suffixes.len() {
        value /= step;
        at += 1;
    }
    format!("{}{}", digits(value), suffixes[at])
}

fn digits(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if size < 0.0995 {
        format!("{value:.2}")
    } else if size < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_unit_and_two_or_three_digits() {
        for (unit, value, text) in [
            (Unit::Ratio, 0.072, "7.2 %"),
            (Unit::Ratio, 0.31, "31 %"),
            (Unit::Ratio, 0.0, "0 %"),
            (Unit::Seconds, 4.13, "4.1 s"),
            (Unit::Seconds, 0.12, "120 ms"),
            (Unit::PerSecond, 1234.0, "1.2k/s"),
            (Unit::PerSecond, 999.9, "1.0k/s"),
            (Unit::Bytes, 512.0 * 1024.0 * 1024.0, "512 MiB"),
            (Unit::Count, 12.0, "12"),
        ] {
            assert_eq!(unit.write(value), text);
        }
    }
}
