//! Kubernetes: every change is one JSON Patch of one object, guarded by its UID and by the values
//! that were shown.
//!
//! Owns: a client of its own, with retries off and an allow-list below it, so that nothing but
//! the one guarded write can leave. Must not: know the journal, or decide what an outcome is.
//!
//! To add an action: its kind in `place.rs`, its requests in `gate.rs`, a file that makes the
//! plan, a case in `look.rs` that says when it is live. Write and undo follow from the plan.

mod argo_rollouts;
mod argocd;
mod autoscaler;
mod client;
mod difference;
mod draft;
mod duration;
#[cfg(test)]
pub(in crate::respond) mod fake;
pub(in crate::respond) mod fields;
mod gate;
mod httproute;
mod keepers;
mod look;
mod objects;
mod owners;
mod pace;
mod place;
mod ready;
mod restart;
mod revisions;
mod rollback;
mod rolled;
mod rollout;
#[cfg(test)]
mod rollout_tests;
mod scale;
mod selector;
mod shares;
#[cfg(test)]
mod tests;
mod traffic;
mod virtualservice;
mod write;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::clock::Clock;
use crate::config::{Environment, KubeAccess};
use crate::model::name::Kind;
use crate::model::plan::{Permission, Plan, Preview, Refusal, Replicas, Request};
use crate::text::Safe;

use super::guard::refusal;
use super::{Ack, Actuator, Cluster, Intent, Seen, WriteError};
use argo_rollouts::Referring;
use client::Api;
pub(super) use client::Context;
use place::{Place, resource};
pub(in crate::respond) use scale::quoted;

/// Who we are in `managedFields`.
const FIELD_MANAGER: &str = "warroom";

/// The actuator of one cluster.
pub(super) struct Kubernetes {
    api: Api,
    clock: Clock,
}

impl Kubernetes {
    /// Reads the kubeconfig and pins the context: what becomes the current one later is of no
    /// interest. No request is made.
    pub(super) fn new(env: &Environment, access: &KubeAccess, clock: Clock) -> Result<Self, Refusal> {
        Ok(Self { api: Api::new(env, access)?, clock })
    }

    /// How the cluster is reached, for who else has to be pointed at the same.
    pub(super) fn context(&self) -> &Context {
        self.api.context()
    }

    /// For tests of servers that do not answer.
    #[cfg(test)]
    pub(super) fn write_limit(mut self, limit: std::time::Duration) -> Self {
        self.api.limits.write = limit;
        self
    }

    async fn make(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let by_autoscaler = matches!(want.target().kind, Kind::HorizontalPodAutoscaler | Kind::ScaledObject);
        match want.origin() {
            Request::Scale { .. } | Request::Bound { .. } if by_autoscaler => self.bound(want, cluster).await,
            Request::RollBack { target, .. } if target.kind == Kind::Application => {
                argocd::make(&self.api, self.clock.now(), want, cluster).await
            }
            Request::RollBack { target, .. } | Request::Abort { target } | Request::Restart { target }
                if target.kind == Kind::Rollout =>
            {
                argo_rollouts::make(&self.api, self.clock.now(), want, cluster).await
            }
            Request::Scale { target, .. } if target.kind == Kind::Application => {
                Err(refusal(format!("{target} has no replicas of its own: scale one of its workloads")))
            }
            Request::Scale { .. } => self.scale(want, cluster).await,
            Request::RollBack { target, .. } if revisions::has(target.kind) => self.roll_back(want, cluster).await,
            Request::Restart { target } if revisions::has(target.kind) => self.restart(want, cluster).await,
            Request::Divert { .. } => traffic::plan(&self.api, &self.clock, want, cluster).await,
            Request::Switch { .. } => selector::plan(&self.api, &self.clock, want, cluster).await,
            other => Err(refusal(format!("cannot {}: this version does not know how", other.words()))),
        }
    }

    async fn scale(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let (target, to, undoes) = match want {
            Request::Undo { plan } => {
                let (before, after) = scale::replicas_of(plan)
                    .ok_or_else(|| refusal(format!("{} has no inverse that this version knows", plan.title)))?;
                (&plan.target, Replicas::Exactly(before), Some(after))
            }
            Request::Scale { target, to } => (target, *to, None),
            other => return Err(refusal(format!("{} is not about replicas", other.words()))),
        };
        let place = Place::of(target)?;
        // Before the first read: a plan is never younger than what it shows.
        let read_at = self.clock.now();
        let (object, scale, autoscalers, referring) = futures::join!(
            self.api.object(&place),
            self.api.scale(&place),
            self.api.autoscalers(&place.namespace),
            Referring::read(&self.api, target)
        );
        let facts = scale::Facts {
            target,
            object: object.map_err(|error| error.refusal("read", target))?,
            scale: scale.map_err(|error| error.refusal("read the scale of", target))?,
            read_at,
            context: self.api.context(),
        };
        scale::check_identity(&facts)?;
        if undoes.is_none() && facts.scale.replicas() == 0 {
            // Its first pods would stand beside those of the Rollout.
            referring.check(target, "scale")?;
        }
        if let Some(ours) = undoes {
            scale::check_ours(&facts, ours, to)?;
        } else if let Some(made) = self.scale_by_holder(want, &facts, to, &autoscalers, cluster).await {
            return made;
        }
        let wanted = scale::wanted(&facts, to)?;
        let gitops = self.api.application(&facts.object.metadata, target.kind.as_str()).await;
        let application = gitops.as_ref().map(|(name, _)| name.clone());
        let owners = owners::of(&facts, wanted, autoscalers, gitops);
        let paused = self.paused(&facts).await;
        let owners = owners::sorted(owners.into_iter().chain(paused).chain(referring.owner()).collect());
        let instead = argocd::hold_instead(target, application.as_deref(), &owners);
        Ok(Plan { instead, ..scale::plan(&facts, want, wanted, owners, cluster)? })
    }
}

impl Actuator for Kubernetes {
    fn serves(&self, kind: Kind) -> bool {
        resource(kind).is_some()
    }

    fn plan<'a>(&'a self, want: &'a Request, cluster: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>> {
        Box::pin(async {
            let plan = self.make(want, cluster).await?;
            Ok(Plan { patience_seconds: plan.patience_seconds.min(LONGEST), ..plan })
        })
    }

    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Permission> {
        Box::pin(write::permitted(&self.api, plan))
    }

    fn preview<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Preview> {
        Box::pin(write::preview(&self.api, plan))
    }

    fn write(&self, intent: Intent) -> BoxFuture<'_, Result<Ack, WriteError>> {
        Box::pin(async move { write::write(&self.api, intent.plan()).await })
    }

    fn lag(&self) -> TimeDelta {
        // A read without a resourceVersion is served by a quorum.
        TimeDelta::zero()
    }

    fn progress<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Seen> {
        Box::pin(look::look(&self.api, plan))
    }
}

/// Text of the server's, cleaned and with secrets taken out.
fn said(text: &str) -> Safe {
    crate::text::redact_safe(crate::text::clean_capped(text, 400))
}

/// How long the controllers have, by world time, when the object does not say:
/// the default of `progressDeadlineSeconds`.
const PATIENCE: TimeDelta = TimeDelta::seconds(600);

/// What takes longer than this many seconds is looked at by a person. A deadline of `i32::MAX` is
/// none.
const LONGEST: u32 = 3600;
