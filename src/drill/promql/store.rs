//! The samples of the world's metrics, all of them since the epoch.

use std::collections::{BTreeMap, HashMap};

use super::Matcher;

/// Labels of a series; the metric's name is `__name__`.
pub(in crate::drill) type Labels = BTreeMap<String, String>;

/// The NaN by which Prometheus marks that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

pub(super) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE
}

/// One series.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Series {
    pub(in crate::drill) labels: Labels,
    /// Milliseconds since the Unix epoch and value, by time.
    samples: Vec<(i64, f64)>,
}

impl Series {
    /// The samples in `(after, until]`, without stale markers.
    pub(super) fn between(&self, after: i64, until: i64) -> impl Iterator<Item = (i64, f64)> + '_ {
        let from = self.samples.partition_point(|(at, _)| *at <= after);
        let to = self.samples.partition_point(|(at, _)| *at <= until);
        self.samples.get(from..to.max(from)).unwrap_or_default().iter().copied().filter(|(_, value)| !is_stale(*value))
    }

    /// The newest sample at `at`, not older than the lookback, unless the series has ended.
    pub(super) fn latest(&self, at: i64, lookback: i64) -> Option<f64> {
        let to = self.samples.partition_point(|(sample, _)| *sample <= at);
        let (found, value) = *self.samples.get(to.checked_sub(1)?)?;
        (found > at - lookback && !is_stale(value)).then_some(value)
    }
}

/// All series.
#[derive(Clone, Debug, Default)]
pub(in crate::drill) struct Store {
    series: Vec<Series>,
    by_key: HashMap<String, usize>,
    by_name: BTreeMap<String, Vec<usize>>,
}

impl Store {
    /// Takes a sample of a scrape at `at`, milliseconds since the Unix epoch.
    pub(in crate::drill) fn push(&mut self, name: &str, labels: &[(&str, &str)], at: i64, value: f64) {
        let mut key = String::with_capacity(96);
        key.push_str(name);
        for (label, value) in labels {
            key.push('\u{1}');
            key.push_str(label);
            key.push('\u{2}');
            key.push_str(value);
        }
        let slot = match self.by_key.get(&key) {
            Some(slot) => *slot,
            None => {
                let slot = self.series.len();
                let mut all: Labels =
                    labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
                all.insert("__name__".to_owned(), name.to_owned());
                self.series.push(Series { labels: all, samples: Vec::new() });
                self.by_key.insert(key, slot);
                self.by_name.entry(name.to_owned()).or_default().push(slot);
                slot
            }
        };
        if let Some(series) = self.series.get_mut(slot) {
            series.samples.push((at, value));
        }
    }

    /// Ends a scrape at `at`: what it did not hold any more is marked as ended.
    pub(in crate::drill) fn end_scrape(&mut self, at: i64) {
        for series in &mut self.series {
            if series.samples.last().is_some_and(|(last, value)| *last < at && !is_stale(*value)) {
                series.samples.push((at, f64::from_bits(STALE)));
            }
        }
    }

    /// The series of this name, if given, that meet all conditions.
    pub(in crate::drill) fn select<'a>(
        &'a self,
        name: Option<&str>,
        matchers: &'a [Matcher],
    ) -> impl Iterator<Item = &'a Series> + use<'a> {
        let slots: Vec<usize> = match name {
            Some(name) => self.by_name.get(name).cloned().unwrap_or_default(),
            None => (0..self.series.len()).collect(),
        };
        slots.into_iter().filter_map(|slot| self.series.get(slot)).filter(move |series| {
            matchers.iter().all(|matcher| matcher.matches(series.labels.get(&matcher.label).map_or("", String::as_str)))
        })
    }
}

impl Series {
    /// Whether it has a sample in the stretch, both ends included.
    pub(in crate::drill) fn lives(&self, from: i64, to: i64) -> bool {
        self.between(from - 1, to).next().is_some()
    }
}
