//! Scaling what an autoscaler scales: not the workload is changed, which the autoscaler would set
//! back within 15 s, but the autoscaler's floor or cap.
//!
//! Owns: which autoscaler holds a workload, a HorizontalPodAutoscaler or the KEDA ScaledObject
//! that makes one, and the way from a request to a plan of it. Must not: change a workload.

mod bounds;
mod keda;
mod look;
mod plan;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::model::name::{Kind, ObjectPath, Target, Uid};
use crate::model::plan::{Owner, OwnerEffect, Plan, Refusal, Replicas, Request};
use crate::respond::Cluster;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::client::ApiError;
use super::objects::{Autoscaler, Meta, TargetRef};
use super::owners::{self, Field};
use super::place::{Place, is_name, resource};
use super::scale::{self, Facts};
use super::{Kubernetes, argocd, said};
use bounds::{Bounds, Wish};
use keda::ScaledObject;
pub(super) use look::look;

/// What the API calls the fields of a kind of autoscaler, and what they are if they are not set.
#[derive(Debug)]
pub(super) struct Dialect {
    kind: Kind,
    /// What people call it.
    word: &'static str,
    /// As `kubectl` takes it.
    resource: &'static str,
    floor: &'static str,
    cap: &'static str,
    floor_unset: u32,
    cap_unset: u32,
    /// The lowest floor.
    least: u32,
}

static HPA: Dialect = Dialect {
    kind: Kind::HorizontalPodAutoscaler,
    word: "HPA",
    resource: "hpa",
    floor: "minReplicas",
    cap: "maxReplicas",
    floor_unset: 1,
    // It is always set.
    cap_unset: 0,
    least: 1,
};

static SCALED_OBJECT: Dialect = Dialect {
    kind: Kind::ScaledObject,
    word: "KEDA ScaledObject",
    resource: "scaledobject",
    floor: "minReplicaCount",
    cap: "maxReplicaCount",
    floor_unset: 0,
    cap_unset: 100,
    least: 0,
};

/// What holds the replicas of a workload between two bounds, as it was read.
#[derive(Debug)]
pub(super) struct Holder {
    dialect: &'static Dialect,
    meta: Meta,
    /// The whole object.
    object: Value,
    /// What it scales.
    of: TargetRef,
    /// As they are set.
    floor: Option<u32>,
    cap: Option<u32>,
    /// KEDA: below the floor it goes only to this, when there is nothing to do.
    idle: Option<u32>,
    /// KEDA: pinned to this number by its annotation, and its autoscaler taken away.
    pinned: Option<u32>,
    /// What its conditions say against it.
    trouble: Option<String>,
}

impl Holder {
    fn of_autoscaler(object: Value) -> Option<Self> {
        let hpa = Autoscaler::deserialize(&object).ok()?;
        Some(Self {
            dialect: &HPA,
            of: hpa.spec.scale_target_ref.clone(),
            floor: hpa.spec.min_replicas,
            cap: Some(hpa.spec.max_replicas),
            idle: None,
            pinned: None,
            trouble: hpa.trouble(),
            meta: hpa.metadata,
            object,
        })
    }

    fn of_scaled_object(object: Value) -> Option<Self> {
        let scaled = ScaledObject::deserialize(&object).ok()?;
        Some(Self {
            dialect: &SCALED_OBJECT,
            of: scaled.spec.scale_target_ref.target(),
            floor: scaled.spec.min_replica_count,
            cap: scaled.spec.max_replica_count,
            idle: scaled.spec.idle_replica_count,
            pinned: scaled.pinned(),
            trouble: scaled.trouble(),
            meta: scaled.metadata,
            object,
        })
    }

    /// The bounds in force.
    fn bounds(&self) -> Bounds {
        let (floor, cap) = (self.floor.unwrap_or(self.dialect.floor_unset), self.cap.unwrap_or(self.dialect.cap_unset));
        Bounds { floor, cap }
    }

    /// `HPA payments`.
    fn name(&self) -> String {
        format!("{} {}", self.dialect.word, self.meta.name)
    }

    /// `HPA payments 2–8`.
    fn shown(&self) -> String {
        let Bounds { floor, cap } = self.bounds();
        match self.pinned {
            Some(count) => format!("{} pinned at {count}", self.name()),
            None => format!("{} {floor}–{cap}", self.name()),
        }
    }

    /// The object as a target, like `near`.
    fn target(&self, near: &Target) -> Target {
        Target {
            origin: near.origin.clone(),
            kind: self.dialect.kind,
            path: ObjectPath::new(near.path.namespace.clone(), self.meta.name.as_str()),
            uid: Some(Uid(Safe::from(self.meta.uid.as_str()))),
        }
    }

    fn is_paused(&self) -> bool {
        self.meta.annotations.get(keda::PAUSED).is_some_and(|paused| paused == "true")
    }

    fn scales(&self, workload: &Target) -> bool {
        self.of.kind == workload.kind.as_str() && *self.of.name == *workload.path.name
    }
}

impl Kubernetes {
    /// A plan of the autoscaler that holds a workload, if there is exactly one. `None`: there is
    /// none, or it is not known well enough to be changed.
    pub(super) async fn scale_by_holder(
        &self,
        want: &Request,
        facts: &Facts<'_>,
        to: Replicas,
        autoscalers: &Result<Vec<Autoscaler>, ApiError>,
        cluster: &Cluster,
    ) -> Option<Result<Plan, Refusal>> {
        let holder = self.holder(facts, autoscalers.as_ref().ok()?).await?;
        if holder.dialect.kind == Kind::HorizontalPodAutoscaler && facts.scale.replicas() == 0 {
            // At 0 it is off, and no floor brings replicas back.
            return None;
        }
        Some(match bounds::for_scale(&holder, facts, to) {
            Ok(wish) => self.bounded(want, &holder, facts, &wish, cluster).await,
            Err(refusal) => Err(refusal),
        })
    }

    /// A plan of other bounds, or of those before.
    pub(super) async fn bound(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let target = want.target();
        let read_at = self.clock.now();
        let mut holder = self.read_holder(target).await?;
        if !is_of(target, &holder) {
            return Err(refusal(format!(
                "{target} is another object than the one picked, of the same name: pick it again"
            )));
        }
        // What KEDA makes, KEDA sets back: its own object is changed.
        if let Some(name) = owners::keda(&holder.meta).filter(|_| holder.dialect.kind == HPA.kind) {
            let path = ObjectPath::new(target.path.namespace.clone(), name.as_str());
            holder = self.read_holder(&Target { kind: Kind::ScaledObject, path, uid: None, ..target.clone() }).await?;
        }
        let workload = workload_of(target, &holder)?;
        let place = Place::of(&workload)?;
        let (object, scale) = futures::join!(self.api.object(&place), self.api.scale(&place));
        let facts = Facts {
            target: &workload,
            object: object.map_err(|error| error.refusal("read", &workload))?,
            scale: scale.map_err(|error| error.refusal("read the scale of", &workload))?,
            read_at,
            context: self.api.context(),
        };
        scale::check_identity(&facts)?;
        let wish = match want {
            Request::Bound { floor, cap, .. } => bounds::for_bound(&holder, &facts, *floor, *cap)?,
            Request::Undo { plan } => bounds::for_undo(&holder, plan)?,
            other => return Err(refusal(format!("{} is not about an autoscaler", other.words()))),
        };
        self.bounded(want, &holder, &facts, &wish, cluster).await
    }

    async fn bounded(
        &self,
        want: &Request,
        holder: &Holder,
        facts: &Facts<'_>,
        wish: &Wish,
        cluster: &Cluster,
    ) -> Result<Plan, Refusal> {
        if holder.meta.deletion_timestamp.is_some() {
            return Err(refusal(format!("{} is being deleted: changing it would do nothing", holder.name())));
        }
        let (kind, of) = (holder.dialect.kind.as_str(), facts.target.kind.as_str());
        let (ours, theirs) =
            futures::join!(self.api.application(&holder.meta, kind), self.api.application(&facts.object.metadata, of));
        let tracked: Vec<String> = [&ours, &theirs].into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let mut owners = owners::of_field(Field::Bounds, &holder.meta, kind, ours);
        // A manifest that sets the workload's replicas would fight the autoscaler, too.
        let workload = owners::of_field(Field::Replicas, &facts.object.metadata, of, theirs);
        owners.splice(0..0, workload.into_iter().filter(|owner| owner.effect == OwnerEffect::Reverts));
        if matches!(want, Request::Scale { .. }) {
            owners.push(Owner {
                name: said(&holder.shown()),
                effect: OwnerEffect::Informs,
                words: said(&format!("would set a plain scale back within 15 s, so {}", wish.instead)),
            });
        }
        let instead = tracked.iter().find_map(|name| argocd::hold_instead(facts.target, Some(name), &owners));
        Ok(Plan { instead, ..plan::plan(want, holder, facts, wish, owners, cluster) })
    }

    /// The autoscaler that holds the target of `facts`.
    async fn holder(&self, facts: &Facts<'_>, autoscalers: &[Autoscaler]) -> Option<Holder> {
        let target = facts.target;
        let mut ours = autoscalers.iter().filter(|hpa| {
            let of = &hpa.spec.scale_target_ref;
            of.kind == target.kind.as_str() && *of.name == *target.path.name
        });
        match (ours.next(), ours.next()) {
            (Some(hpa), None) => {
                let (kind, name) = match owners::keda(&hpa.metadata) {
                    Some(name) => (Kind::ScaledObject, name),
                    None => (Kind::HorizontalPodAutoscaler, hpa.metadata.name.clone()),
                };
                let path = ObjectPath::new(target.path.namespace.clone(), name.as_str());
                let read = self.read_holder(&Target { kind, path, uid: None, ..target.clone() }).await.ok()?;
                read.scales(target).then_some(read)
            }
            // A ScaledObject that is paused has no autoscaler.
            (None, _) => {
                let all = self.api.scaled_objects(&target.path.namespace).await.ok()?;
                let mut paused = all.into_iter().filter_map(Holder::of_scaled_object).filter(|one| one.scales(target));
                match (paused.next(), paused.next()) {
                    (Some(one), None) if one.pinned.is_some() => Some(one),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// KEDA's objects that hold the target of `facts` and are told to leave it alone for the time
    /// being: there is no autoscaler then that would tell of them.
    pub(super) async fn paused(&self, facts: &Facts<'_>) -> Vec<Owner> {
        let all = self.api.scaled_objects(&facts.target.path.namespace).await.unwrap_or_default();
        let ours = all.into_iter().filter_map(Holder::of_scaled_object).filter(|one| one.scales(facts.target));
        ours.filter(|one| one.pinned.is_none() && one.is_paused())
            .map(|one| Owner {
                name: said(&one.shown()),
                effect: OwnerEffect::MayRevert,
                words: said(&format!(
                    "is paused; when somebody takes its annotation {} away, it keeps its own bounds again",
                    keda::PAUSED
                )),
            })
            .collect()
    }

    async fn read_holder(&self, target: &Target) -> Result<Holder, Refusal> {
        let place = Place::of(target)?;
        let object: Value = self.api.get(&place.path()).await.map_err(|error| match error {
            ApiError::Status { status: StatusCode::NOT_FOUND, .. } if target.kind == Kind::HorizontalPodAutoscaler => {
                refusal(format!(
                    "{target} is not there (any more): look again, the workload may be scaled directly now"
                ))
            }
            error => error.refusal("read", target),
        })?;
        let read = if target.kind == Kind::ScaledObject {
            Holder::of_scaled_object(object)
        } else {
            Holder::of_autoscaler(object)
        };
        read.filter(|holder| !holder.meta.uid.is_empty() && *holder.meta.name == *target.path.name)
            .ok_or_else(|| refusal(format!("{target} could not be understood: change it yourselves and note it")))
    }
}

/// Whether the object is the one that was picked, or was picked by its name alone.
fn is_of(target: &Target, holder: &Holder) -> bool {
    target.uid.as_ref().is_none_or(|uid| *uid.as_str() == holder.meta.uid)
}

/// The workload that an autoscaler scales.
fn workload_of(near: &Target, holder: &Holder) -> Result<Target, Refusal> {
    let kind = Kind::parse(&holder.of.kind)
        .filter(|kind| matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::Rollout));
    match kind {
        Some(kind) if resource(kind).is_some() && is_name(&holder.of.name) => Ok(Target {
            origin: near.origin.clone(),
            kind,
            path: ObjectPath::new(near.path.namespace.clone(), holder.of.name.as_str()),
            uid: None,
        }),
        _ => Err(refusal(said(&format!(
            "{} scales a {} {}, which this version cannot follow: change it yourselves and note it",
            holder.name(),
            holder.of.kind,
            holder.of.name
        )))),
    }
}
