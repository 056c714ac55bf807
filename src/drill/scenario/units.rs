//! The units of scenario files: `500m` of CPU, `512Mi` of memory, `2m30s` of time, `18ms`.
//!
//! Owns: reading them. Must not: know which key they stand in.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A duration such as `2m30s`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// A duration such as `18ms`, in seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    duration(deserializer).map(|length| length.as_secs_f64())
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|why| format!("`{text}` is not a duration such as `2m30s` or `18ms`: {why}"))
}

/// CPU in thousandths of a core: `500m`, `1.5`, `2`.
pub(super) fn cpu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (number, scale) = text.strip_suffix('m').map_or((text.as_str(), 1000.0), |number| (number, 1.0));
    let cores: f64 = number.parse().map_err(|_| D::Error::custom(bad_cpu(&text)))?;
    if (0.0..=100_000_000.0).contains(&(cores * scale)) {
        Ok((cores * scale).round() as u64)
    } else {
        Err(D::Error::custom(bad_cpu(&text)))
    }
}

fn bad_cpu(text: &str) -> String {
    format!("`{text}` is not an amount of CPU such as `500m` or `1.5`")
}

/// Memory in bytes: `512Mi`, `2Gi`, `64Ki`.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    [("Ki", 1u64 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, scale)| text.strip_suffix(suffix)?.parse::<u32>().ok().map(|n| u64::from(n) * scale))
        .ok_or_else(|| D::Error::custom(format!("`{text}` is not an amount of memory such as `512Mi` or `2Gi`")))
}
