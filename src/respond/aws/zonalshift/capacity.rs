//! What a zonal shift takes away and what it leaves: healthy targets by zone. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::respond::aws::behind::Group;

/// Where a target stands, seen from the zone that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// In that zone.
    There,
    /// Where traffic goes on to.
    Elsewhere,
    /// In another zone that gets no traffic.
    Away,
    /// Its zone is not told.
    Untold,
}

/// Healthy targets of one target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) lost: usize,
    pub(super) left: usize,
    pub(super) untold: usize,
}

impl Part {
    /// How much more each of those that are left has to do, in percent; `None` if none is left.
    fn more(&self) -> Option<usize> {
        (self.lost * 100).checked_div(self.left)
    }

    /// Whether it has targets in the zone and none elsewhere.
    fn ends(&self) -> bool {
        self.lost > 0 && self.left == 0 && self.untold == 0
    }
}

/// Healthy targets of all groups that traffic reaches, each once, wherever it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capacity {
    /// In the zone that is left.
    pub(super) lost: usize,
    /// Where traffic goes on to.
    pub(super) left: usize,
    /// Of which the zone is not told.
    pub(super) untold: usize,
    /// By zone, as far as it is told.
    pub(super) zones: BTreeMap<String, usize>,
    /// Group by group.
    parts: Vec<Part>,
}

impl Capacity {
    /// Counts the targets of `groups`; `stands` says of a zone what traffic there comes to.
    pub(super) fn of(groups: &[Group], stands: impl Fn(&str) -> Stands) -> Self {
        let mut found = Self::default();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for group in groups {
            let mut part = Part { name: group.name.clone(), lost: 0, left: 0, untold: 0 };
            let mut here = BTreeSet::new();
            for member in group.members.iter().filter(|member| member.healthy) {
                // Of several ports of one target each is a member.
                if here.insert(member.id.as_str()) {
                    match stands(&member.zone) {
                        Stands::There => part.lost += 1,
                        Stands::Elsewhere => part.left += 1,
                        Stands::Away => {}
                        Stands::Untold => part.untold += 1,
                    }
                }
                let zone = seen.entry(&member.id).or_default();
                if zone.is_empty() {
                    *zone = &member.zone;
                }
            }
            found.parts.push(part);
        }
        for zone in seen.into_values() {
            match stands(zone) {
                Stands::There => found.lost += 1,
                Stands::Elsewhere => found.left += 1,
                Stands::Away => {}
                Stands::Untold => found.untold += 1,
            }
            if stands(zone) != Stands::Untold {
                *found.zones.entry(zone.to_owned()).or_default() += 1;
            }
        }
        found
    }

    /// How much more each of those that are left has to do, in percent; `None` if none is left.
    pub(super) fn more(&self) -> Option<usize> {
        (self.lost * 100).checked_div(self.left)
    }

    /// The groups that lose all their healthy targets.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.ends())
    }

    /// The group whose targets have the most to do after it, if that is more than all together say.
    pub(super) fn worst(&self) -> Option<(&Part, usize)> {
        let worst = self.parts.iter().filter_map(|part| Some((part, part.more()?))).max_by_key(|(_, more)| *more)?;
        (Some(worst.1) > self.more()).then_some(worst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::aws::behind::Member;

    fn group(name: &str, members: &[(&str, &str, bool)]) -> Group {
        let member = |(id, zone, healthy): &(&str, &str, bool)| Member {
            id: (*id).to_owned(),
            zone: (*zone).to_owned(),
            healthy: *healthy,
        };
        Group { name: name.to_owned(), members: members.iter().map(member).collect() }
    }

    /// Zone `a` is left, `d` is away already.
    fn stands(zone: &str) -> Stands {
        match zone {
            "a" => Stands::There,
            "d" => Stands::Away,
            "" => Stands::Untold,
            _ => Stands::Elsewhere,
        }
    }

    fn counts(capacity: &Capacity) -> (usize, usize, usize) {
        (capacity.lost, capacity.left, capacity.untold)
    }

    #[test]
    fn a_target_counts_once_however_many_groups_and_ports_it_has() {
        let web = group("web", &[("i-1", "a", true), ("i-2", "b", true), ("i-2", "b", true), ("i-3", "b", false)]);
        let api = group("api", &[("i-1", "a", true), ("i-2", "b", true), ("i-3", "b", true)]);
        let found = Capacity::of(&[web, api], stands);
        assert_eq!(counts(&found), (1, 2, 0));
        assert_eq!(found.zones, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
        assert_eq!(found.more(), Some(50));
        let (worst, more) = found.worst().unwrap();
        assert_eq!((worst.name.as_str(), more), ("web", 100), "one is ill there");
    }

    #[test]
    fn what_gets_no_traffic_or_stands_nowhere_is_not_left() {
        let web = group("web", &[("1", "a", true), ("2", "d", true), ("3", "", true), ("4", "all", true)]);
        let found = Capacity::of(&[web], stands);
        assert_eq!(counts(&found), (1, 1, 1), "one outside of the network goes on");
        assert_eq!(found.worst(), None);
    }

    #[test]
    fn a_group_that_loses_all_its_targets_is_named_whatever_the_others_have() {
        let many = group("many", &[("1", "b", true), ("2", "b", true), ("3", "c", true)]);
        let last = group("last", &[("4", "a", true), ("5", "b", false)]);
        let unknown = group("unknown", &[("6", "a", true), ("7", "", true)]);
        let found = Capacity::of(&[many, last, unknown], stands);
        assert_eq!(found.ended().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["last"]);
        assert_eq!(counts(&found), (2, 3, 1));
    }
}
