//! Which entries are about one and the same alert.
//!
//! Owns: the identity of an alert within a record. Two alerts of one name with other labels are
//! two; one alert that several sources tell, each by a key of its own, is one. Must not: go by
//! names where keys are known.

use std::collections::HashMap;

use crate::model::entry::{Draft, Entry, EntryKind};

/// The alerts of a record, numbered in the order of their first entry.
#[derive(Debug, Default)]
pub(crate) struct Alerts<'a> {
    ids: HashMap<&'a str, usize>,
    /// By number: another number of the same alert, or its own.
    same: Vec<usize>,
}

impl<'a> Alerts<'a> {
    /// Those that `entries` are about.
    pub(crate) fn of(entries: impl IntoIterator<Item = &'a Draft>) -> Self {
        let mut alerts = Self::default();
        for draft in entries.into_iter().filter(|draft| is_about_one(draft.kind)) {
            let mut one = None;
            for key in draft.alert_keys() {
                let known = alerts.ids.get(key.as_str()).map(|id| alerts.first(*id));
                one = match (one, known) {
                    (Some(one), Some(known)) => Some(alerts.join(one, known)),
                    (one, known) => one.or(known),
                };
            }
            let one = one.unwrap_or_else(|| {
                alerts.same.push(alerts.same.len());
                alerts.same.len() - 1
            });
            alerts.ids.extend(draft.alert_keys().iter().map(|key| (key.as_str(), one)));
        }
        alerts
    }

    /// As [`Alerts::of`], of entries.
    pub(crate) fn of_entries(entries: &'a [Entry]) -> Self {
        Self::of(entries.iter().map(|entry| &entry.draft))
    }

    /// The number of the alert that an entry is about, if it is about one.
    pub(crate) fn id(&self, draft: &Draft) -> Option<usize> {
        if !is_about_one(draft.kind) {
            return None;
        }
        draft.alert_keys().iter().find_map(|key| self.ids.get(key.as_str())).map(|id| self.first(*id))
    }

    fn join(&mut self, a: usize, b: usize) -> usize {
        let (first, other) = (a.min(b), a.max(b));
        if let Some(same) = self.same.get_mut(other) {
            *same = first;
        }
        first
    }

    fn first(&self, mut id: usize) -> usize {
        // Each leads to a smaller one until the first.
        while let Some(same) = self.same.get(id).filter(|same| **same < id) {
            id = *same;
        }
        id
    }
}

fn is_about_one(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::AlertFiring | EntryKind::AlertResolved | EntryKind::AlertSuppressed | EntryKind::Claimed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Body;
    use crate::record::testing::draft;
    use crate::text::Safe;

    fn about(name: &str, keys: &[&str]) -> Draft {
        let keys: Vec<_> = keys.iter().map(|key| Safe::from(*key)).collect();
        let body = (!keys.is_empty()).then_some(Body::Alert { keys });
        Draft { subject: Safe::from(name), body, ..draft(EntryKind::AlertFiring, name) }
    }

    #[test]
    fn alerts_of_one_name_are_told_apart_and_one_of_two_sources_is_one() {
        let told = [
            about("NodeCPUHigh", &["a"]),
            about("NodeCPUHigh", &["b"]),
            about("CheckoutSlow", &["fp"]),
            about("CheckoutSlow", &["arn"]),
            about("CheckoutSlow", &["arn", "fp"]),
            about("Old", &[]),
            about("Old", &[]),
            draft(EntryKind::Breach, "of no alert"),
        ];
        let alerts = Alerts::of(&told);
        let ids: Vec<_> = told.iter().map(|draft| alerts.id(draft)).collect();
        assert_eq!(ids, [Some(0), Some(1), Some(2), Some(2), Some(2), Some(4), Some(4), None]);
    }
}
