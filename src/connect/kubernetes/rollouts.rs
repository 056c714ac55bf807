//! Rollouts of Deployments, told by their ReplicaSets.
//!
//! Owns: what a ReplicaSet says of a rollout: its revision, its time, its images against those
//! of the revision before, and its change cause. Pure. Must not: judge a rollout.

use std::collections::BTreeMap;

use crate::clock::World;
use crate::model::change::{Change, ChangeKind};
use crate::model::name::{Kind, ObjectPath, WorkloadKey};
use crate::text::{Safe, clean};

use super::objects::Workload;
use super::podview::short_image;

const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISIONS_BEFORE: &str = "deployment.kubernetes.io/revision-history";
const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// Images by container name.
pub(super) type Images = BTreeMap<String, String>;

/// One ReplicaSet of one Deployment.
#[derive(Clone, Debug, PartialEq)]
struct Revision {
    /// Its place in the order of rollouts. It changes when a rollback takes it up again.
    number: u64,
    /// Its number when it was created.
    born: u64,
    uid: String,
    created: World,
    images: Images,
    cause: Option<Safe>,
}

/// All ReplicaSets of all Deployments.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    /// By Deployment, then by ReplicaSet UID.
    known: BTreeMap<ObjectPath, BTreeMap<String, Revision>>,
}

impl Rollouts {
    /// Takes a ReplicaSet in. A change comes out when it stands for a rollout that was not known:
    /// a new one, made when it was created, or one that took an old template up again, made now.
    pub(super) fn put(&mut self, now: World, from: &Workload) -> Option<Change> {
        let (deployment, revision) = read(from)?;
        let revisions = self.known.entry(deployment.clone()).or_default();
        let before = revisions.insert(revision.uid.clone(), revision.clone());
        let at = match before {
            None => revision.created,
            Some(before) if before.number < revision.number => now,
            Some(_) => return None,
        };
        Some(self.change(&deployment, &revision, revision.number, at))
    }

    /// Forgets a ReplicaSet.
    pub(super) fn remove(&mut self, from: &Workload) {
        if let Some((deployment, revision)) = read(from)
            && let Some(revisions) = self.known.get_mut(&deployment)
        {
            revisions.remove(&revision.uid);
            if revisions.is_empty() {
                self.known.remove(&deployment);
            }
        }
    }

    /// The rollouts that the ReplicaSets remember: each at its creation, with the number that it
    /// had then. That an old one was taken up again is told by [`Rollouts::taken_up_again`].
    pub(super) fn remembered(&self) -> Vec<Change> {
        let all =
            self.known.iter().flat_map(|(deployment, revisions)| revisions.values().map(move |r| (deployment, r)));
        all.map(|(deployment, revision)| self.change(deployment, revision, revision.born, revision.created)).collect()
    }

    /// The last rollback of each Deployment that runs on a template older than its newest, at the
    /// time that `at` gives for its last rollout. ReplicaSets do not remember that time.
    pub(super) fn taken_up_again(&self, at: impl Fn(&ObjectPath) -> Option<World>) -> Vec<Change> {
        let again = |(deployment, revisions): (&ObjectPath, &BTreeMap<String, Revision>)| {
            let running = revisions.values().max_by_key(|revision| revision.number)?;
            if running.number == running.born {
                return None;
            }
            // A template is not taken up again before the one that it replaced was made.
            let others = revisions.values().filter(|other| other.uid != running.uid);
            let earliest = others.map(|other| other.created).max().unwrap_or(running.created);
            Some(self.change(deployment, running, running.number, at(deployment)?.max(earliest)))
        };
        self.known.iter().filter_map(again).collect()
    }

    fn change(&self, deployment: &ObjectPath, revision: &Revision, number: u64, at: World) -> Change {
        // Numbers at birth: a template that was taken up again later still came before.
        let number_of = |other: &Revision| if number == revision.born { other.born } else { other.number };
        let others = self.known.get(deployment).into_iter().flat_map(BTreeMap::values);
        let before = others
            .filter(|other| other.uid != revision.uid && number_of(other) < number)
            .max_by_key(|other| number_of(other))
            .map(|other| &other.images);
        let again = if number == revision.born { "" } else { "back to " };
        Change {
            id: Safe::from(format!("{}@{number}", revision.uid)),
            at,
            kind: ChangeKind::Rollout,
            workload: Some(WorkloadKey { kind: Kind::Deployment, path: deployment.clone() }),
            service: None,
            title: Safe::from(format!("{again}{}", title(before, &revision.images))),
            before: before.map(written),
            after: Some(written(&revision.images)),
            by: revision.cause.clone(),
            revision: Some(Safe::from(number.to_string())),
        }
    }
}

/// The Deployment that a ReplicaSet belongs to, and the revision that it is.
fn read(from: &Workload) -> Option<(ObjectPath, Revision)> {
    let meta = &from.metadata;
    let owner = meta.controller().filter(|owner| owner.kind == "Deployment")?;
    let number = meta.annotations.get(REVISION)?.parse().ok()?;
    let born = meta
        .annotations
        .get(REVISIONS_BEFORE)
        .and_then(|before| before.split(',').next()?.trim().parse().ok())
        .unwrap_or(number);
    let revision = Revision {
        number,
        born,
        uid: meta.uid.clone(),
        created: meta.created()?,
        images: images(from),
        cause: meta.annotations.get(CHANGE_CAUSE).filter(|cause| !cause.is_empty()).map(|cause| clean(cause)),
    };
    Some((ObjectPath::new(meta.namespace.as_str(), owner.name.as_str()), revision))
}

/// The images of a template.
pub(super) fn images(of: &Workload) -> Images {
    let containers = &of.spec.template.spec.containers;
    containers.iter().map(|container| (container.name.clone(), container.image.clone())).collect()
}

/// What changed between two templates, in words: `image 2.8.0→2.9.0`.
pub(super) fn title(before: Option<&Images>, after: &Images) -> String {
    let shorts = |images: &Images| {
        let list: Vec<String> = images.values().map(|image| short_image(image).to_string()).collect();
        list.join(", ")
    };
    let Some(before) = before else { return format!("image {}", shorts(after)) };
    let changed: Vec<String> = after
        .iter()
        .filter(|(name, image)| before.get(*name) != Some(image))
        .map(|(name, image)| {
            let label = if after.len() > 1 { format!("{name} ") } else { String::new() };
            let Some(old) = before.get(name) else { return format!("{name} none→{}", short_image(image)) };
            let (from, to) = (short_image(old), short_image(image));
            // Two equal tags would hide that the repository is another.
            if from == to { format!("{label}{old}→{image}") } else { format!("{label}{from}→{to}") }
        })
        .collect();
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name} removed"));
    let parts: Vec<String> = changed.into_iter().chain(gone).collect();
    if parts.is_empty() {
        format!("new template, image stays {}", shorts(after))
    } else {
        format!("image {}", parts.join(", "))
    }
}

/// Images written out.
pub(super) fn written(images: &Images) -> Safe {
    let single = images.len() == 1;
    let list: Vec<String> =
        images.iter().map(|(name, image)| if single { image.clone() } else { format!("{name}={image}") }).collect();
    Safe::from(list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(minute: u32) -> World {
        format!("2026-11-21T03:{minute:02}:00Z").parse().unwrap()
    }

    fn set(uid: &str, revision: &str, history: &str, image: &str, minute: u32) -> Workload {
        serde_json::from_value(json!({
            "metadata": {"name": format!("web-{uid}"), "namespace": "shop", "uid": uid,
                "creationTimestamp": at(minute).to_rfc3339(),
                "annotations": {"deployment.kubernetes.io/revision": revision,
                    "deployment.kubernetes.io/revision-history": history,
                    "kubernetes.io/change-cause": "ci run 77"},
                "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_new_replica_set_is_a_rollout_at_its_creation() {
        let mut rollouts = Rollouts::default();
        assert_eq!(rollouts.put(at(9), &set("a", "41", "", "shop/web:2.8.0", 1)).unwrap().title, "image 2.8.0");
        let change = rollouts.put(at(9), &set("b", "42", "", "shop/web:2.9.0", 4)).unwrap();
        assert_eq!((change.title.as_str(), change.at, change.id.as_str()), ("image 2.8.0→2.9.0", at(4), "b@42"));
        assert_eq!(
            (change.before.as_deref(), change.after.as_deref()),
            (Some("shop/web:2.8.0"), Some("shop/web:2.9.0"))
        );
        assert_eq!((change.by.as_deref(), change.revision.as_deref()), (Some("ci run 77"), Some("42")));
        assert_eq!(change.workload.unwrap().to_string(), "Deployment shop/web");
        assert_eq!(rollouts.put(at(10), &set("b", "42", "", "shop/web:2.9.0", 4)), None, "told once");
    }

    #[test]
    fn a_rollback_renumbers_an_old_replica_set_and_is_made_now() {
        let mut rollouts = Rollouts::default();
        rollouts.put(at(9), &set("a", "41", "", "shop/web:2.8.0", 1));
        rollouts.put(at(9), &set("b", "42", "", "shop/web:2.9.0", 4));
        let change = rollouts.put(at(30), &set("a", "43", "41", "shop/web:2.8.0", 1)).unwrap();
        assert_eq!(
            (change.title.as_str(), change.at, change.id.as_str()),
            ("back to image 2.9.0→2.8.0", at(30), "a@43")
        );
    }

    #[test]
    fn what_is_remembered_keeps_its_first_numbers() {
        let mut rollouts = Rollouts::default();
        rollouts.put(at(40), &set("a", "43", "41", "shop/web:2.8.0", 1));
        rollouts.put(at(40), &set("b", "42", "", "shop/web:2.9.0", 4));
        let remembered: Vec<_> =
            rollouts.remembered().into_iter().map(|c| (c.id.to_string(), c.title.to_string())).collect();
        assert_eq!(
            remembered,
            [("a@41".into(), "image 2.8.0".into()), ("b@42".into(), "image 2.8.0→2.9.0".to_owned())]
        );
    }

    #[test]
    fn a_rollback_before_the_start_is_told_at_the_time_that_the_deployment_gives() {
        let mut rollouts = Rollouts::default();
        rollouts.put(at(40), &set("b", "42", "", "shop/web:2.9.0", 4));
        assert_eq!(rollouts.taken_up_again(|_| Some(at(4))), [], "nothing was taken back");
        rollouts.put(at(40), &set("a", "43", "41", "shop/web:2.8.0", 1));
        let told = |time| {
            let all = rollouts.taken_up_again(|_| time);
            all.into_iter().map(|c| (c.id.to_string(), c.title.to_string(), c.at)).collect::<Vec<_>>()
        };
        let back = |time| [("a@43".to_owned(), "back to image 2.9.0→2.8.0".to_owned(), time)];
        assert_eq!(told(Some(at(6))), back(at(6)));
        assert_eq!(told(Some(at(2))), back(at(4)), "not before what it took back");
        assert_eq!(told(None), [], "no time is made up");
    }

    #[test]
    fn titles_say_what_is_different() {
        let images =
            |pairs: &[(&str, &str)]| -> Images { pairs.iter().map(|(n, i)| ((*n).into(), (*i).into())).collect() };
        let two = images(&[("app", "web:1"), ("proxy", "mesh:7")]);
        for (before, after, words) in [
            (images(&[("app", "web:1")]), images(&[("app", "web:1")]), "new template, image stays 1"),
            (images(&[("app", "web:1")]), images(&[("app", "fork/web:1")]), "image web:1→fork/web:1"),
            (two.clone(), images(&[("app", "web:2"), ("proxy", "mesh:7")]), "image app 1→2"),
            (two.clone(), images(&[("app", "web:1")]), "image proxy removed"),
            (images(&[("app", "web:1")]), two, "image proxy none→7"),
        ] {
            assert_eq!(title(Some(&before), &after), words);
        }
    }
}
