//! How alerts enter the book, are found to be one, and change.
//!
//! Each source's telling of an alert is a member of a group, and each group is a row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::alert::{Alert, AlertKey, AlertState};
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::model::signal::Delta;

use super::group::{Group, Member, Stage};
use super::{AlertCounts, AlertRow, Claim};

/// How long a resolved row stays.
const KEEP_RESOLVED: TimeDelta = TimeDelta::minutes(30);

type GroupId = u64;

/// Alerts of all sources.
#[derive(Debug, Default)]
pub struct AlertBook {
    /// What is shown: rebuilt from the groups when one of them changed.
    rows: Vec<AlertRow>,
    groups: BTreeMap<GroupId, Group>,
    index: HashMap<Origin, BTreeMap<AlertKey, GroupId>>,
    /// Time of the newest whole list of each source: an older one tells nothing new.
    listed: HashMap<Origin, World>,
    next: GroupId,
}

impl AlertCounts {
    /// Those of some rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a AlertRow>) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match Stage::of(&row.alert.state) {
                Stage::Firing => {
                    counts.firing += 1;
                    counts.claimed += usize::from(row.claim.is_some());
                }
                Stage::Suppressed => counts.suppressed += 1,
                Stage::Resolved => counts.resolved += 1,
                Stage::NoData => {}
            }
        }
        counts
    }
}

impl AlertBook {
    /// All rows by need: firing before suppressed before resolved; worst first, then oldest.
    pub fn rows(&self) -> &[AlertRow] {
        &self.rows
    }

    /// How many are in which state.
    pub fn counts(&self) -> AlertCounts {
        AlertCounts::of(&self.rows)
    }

    /// The row of an alert.
    pub fn find(&self, origin: &Origin, key: &AlertKey) -> Option<&AlertRow> {
        self.rows.iter().find(|row| row.stands_for(origin, key))
    }

    /// The worst firing alert of that name.
    pub fn named(&self, name: &str) -> Option<&AlertRow> {
        self.rows.iter().find(|row| row.alert.name == name)
    }

    /// Alerts about a service that fire and are not silenced.
    pub fn firing_for<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a AlertRow> {
        self.rows.iter().filter(move |row| row.fires() && row.service.as_ref() == Some(service))
    }

    /// Notes who took an alert on. `false` if there is no such alert.
    pub fn claim(&mut self, origin: &Origin, key: &AlertKey, claim: Claim) -> bool {
        self.set_claim(origin, key, Some(claim))
    }

    /// Takes a claim back. `false` if there is no such alert or nobody had taken it on.
    pub fn unclaim(&mut self, origin: &Origin, key: &AlertKey) -> bool {
        self.find(origin, key).is_some_and(|row| row.claim.is_some()) && self.set_claim(origin, key, None)
    }

    fn set_claim(&mut self, origin: &Origin, key: &AlertKey, claim: Option<Claim>) -> bool {
        let Some(id) = self.index.get(origin).and_then(|keys| keys.get(key)) else { return false };
        let Some(group) = self.groups.get_mut(id) else { return false };
        group.claim = claim;
        self.rebuild();
        true
    }

    /// Takes in what one source says of its alerts.
    pub(in crate::observe) fn apply(
        &mut self,
        origin: &Origin,
        occurred: World,
        delta: Delta<Alert, AlertKey>,
        catalogue: &Catalogue,
    ) -> Vec<Finding> {
        let mut touched = BTreeSet::new();
        match delta {
            Delta::All(alerts) => {
                if self.listed.get(origin).is_some_and(|newest| occurred < *newest) {
                    return Vec::new();
                }
                self.listed.insert(origin.clone(), occurred);
                let there: BTreeSet<AlertKey> = alerts.iter().map(|alert| alert.key.clone()).collect();
                let known = self.index.get(origin).into_iter().flat_map(BTreeMap::keys);
                let gone: Vec<_> = known.filter(|key| !there.contains(*key)).cloned().collect();
                for alert in alerts {
                    touched.extend(self.upsert(origin, occurred, alert, catalogue));
                }
                for key in gone {
                    touched.extend(self.vanish(origin, occurred, &key));
                }
            }
            Delta::Upsert(alerts) => {
                for alert in alerts {
                    touched.extend(self.upsert(origin, occurred, alert, catalogue));
                }
            }
            Delta::Remove(keys) => {
                for key in keys {
                    touched.extend(self.vanish(origin, occurred, &key));
                }
            }
        }
        if touched.is_empty() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for id in touched {
            if let Some(group) = self.groups.get_mut(&id) {
                findings.extend(group.transition(occurred));
            }
        }
        self.rebuild();
        findings
    }

    /// Lets rows go that were resolved long ago.
    pub(in crate::observe) fn tick(&mut self, now: World) {
        let over = |group: &Group| group.is_over(now, KEEP_RESOLVED);
        if !self.groups.values().any(over) {
            return;
        }
        self.groups.retain(|_, group| !over(group));
        for keys in self.index.values_mut() {
            keys.retain(|_, id| self.groups.contains_key(id));
        }
        self.rebuild();
    }

    fn upsert(&mut self, origin: &Origin, occurred: World, mut alert: Alert, catalogue: &Catalogue) -> Option<GroupId> {
        // A source whose clock runs ahead: what it tells now is not later than now.
        let mut clocks = (alert.since, alert.since.min(occurred));
        alert.since = clocks.1;
        if let Some(id) = self.index.get(origin).and_then(|keys| keys.get(&alert.key)) {
            let member = self.groups.get_mut(id)?.members.iter_mut().find(|member| member.origin == *origin)?;
            if member.clocks.0 == clocks.0 {
                // The same moment as before, which is not later by now.
                clocks = member.clocks;
                alert.since = clocks.1;
            }
            let (was, is) = (Stage::of(&member.alert.state), Stage::of(&alert.state));
            if was != is {
                // Telling an earlier state again changes nothing. An alert that had only left the
                // list may come back with its old `since`.
                let older = occurred < member.changed || (alert.since < member.alert.since && !member.vanished);
                // An alert that had ended lacks data now: it has still ended.
                if older || (was == Stage::Resolved && is == Stage::NoData) {
                    return None;
                }
                member.changed = occurred;
            }
            member.vanished = false;
            member.clocks = clocks;
            member.alert = alert;
            return Some(*id);
        }
        if matches!(alert.state, AlertState::Resolved | AlertState::NoData) {
            // It did not fire while we knew of it: accounts hold hundreds of quiet alarms.
            return None;
        }
        let service = catalogue.of_alert(&alert).cloned();
        let id = self.group_for(origin, &alert, service.as_ref()).unwrap_or_else(|| {
            let id = self.next;
            self.next += 1;
            self.groups.insert(id, Group::new(origin, &alert, service));
            id
        });
        self.index.entry(origin.clone()).or_default().insert(alert.key.clone(), id);
        self.groups.get_mut(&id)?.members.push(Member {
            origin: origin.clone(),
            alert,
            clocks,
            changed: occurred,
            vanished: false,
        });
        Some(id)
    }

    /// A group in which another source tells the same alert: of the same key or the same labels, as
    /// two replicas of one Alertmanager tell it. With a service, one of the same name that is not
    /// over is taken for it, too, if its labels have other names: sources of two kinds.
    fn group_for(&self, origin: &Origin, alert: &Alert, service: Option<&ServiceName>) -> Option<GroupId> {
        let open = |group: &&Group| {
            group.service.as_ref() == service && group.members.iter().all(|member| member.origin != *origin)
        };
        let find = |same: &dyn Fn(&Alert) -> bool| {
            let of_name = |other: &Alert| other.name == alert.name && same(other);
            let groups = self.groups.iter().filter(|(_, group)| open(group));
            groups
                .filter(|(_, group)| group.members.iter().any(|member| of_name(&member.alert)))
                .map(|(id, _)| *id)
                .next()
        };
        find(&|other| other.key == alert.key).or_else(|| find(&|other| other.labels == alert.labels)).or_else(|| {
            let of_another_kind = |other: &Alert| !other.labels.keys().eq(alert.labels.keys());
            service.and_then(|_| find(&|other| other.state != AlertState::Resolved && of_another_kind(other)))
        })
    }

    fn vanish(&mut self, origin: &Origin, occurred: World, key: &AlertKey) -> Option<GroupId> {
        let id = *self.index.get(origin)?.get(key)?;
        let member = self.groups.get_mut(&id)?.members.iter_mut().find(|member| member.origin == *origin)?;
        if member.alert.state == AlertState::Resolved {
            return None;
        }
        member.alert.state = AlertState::Resolved;
        member.alert.since = occurred;
        member.changed = occurred;
        member.vanished = true;
        Some(id)
    }

    fn rebuild(&mut self) {
        self.rows = self.groups.values().filter_map(Group::row).collect();
        self.rows.sort_by(|a, b| {
            let need = |row: &AlertRow| (Stage::of(&row.alert.state), row.alert.severity, row.alert.since);
            need(a).cmp(&need(b)).then_with(|| a.alert.name.cmp(&b.alert.name))
        });
    }
}
