//! AWS: ten operations of its services, each change one write of fields that were shown.
//!
//! Owns: a signed client of its own, with retries off and an allow-list by operation below it.
//! Must not: know the journal, or decide what an outcome is.
//!
//! None of these services has a dry run or a precondition: a plan says so, what it shows is read
//! again right before the write, and what came of the write is read back by identity.
//!
//! To add a system: its operations in `gate.rs`, and a file that reads one of its things, says
//! what its fields hold, what is written for a wish, and when that is live.

mod alb;
mod behind;
mod call;
mod client;
mod draft;
mod ecs;
#[cfg(test)]
pub(in crate::respond) mod fake;
mod gate;
mod route53;
#[cfg(test)]
mod tests;
mod weights;
mod xml;
mod zonalshift;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::clock::Clock;
use crate::config::{AwsAccess, Environment};
use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{FieldChange, Permission, Plan, PlanId, Preview, Refusal, Request};
use crate::text::Safe;

use super::guard::refusal;
use super::kubernetes::fields::{Held, held, moved, strayed};
use super::{Ack, Actuator, Cluster, Intent, Seen, WriteError};
use alb::Forward;
use client::{Api, ApiError, said};
use ecs::EcsService;
use route53::{Records, Submitted};
use zonalshift::Balancer;

/// Its services are eventually consistent and promise no time: a read after a write may be served
/// by what has not heard of it. A minute is what Route 53 names as usual, the slowest of them.
const LAG: TimeDelta = TimeDelta::seconds(60);

/// The actuator of one account in one region.
pub(super) struct Aws {
    api: Api,
    clock: Clock,
    /// Changes of Route 53 that were sent and are not known to have arrived everywhere.
    submitted: Mutex<HashMap<PlanId, Submitted>>,
}

/// Why a thing was not read.
enum Unread {
    /// It is not there.
    Gone(Safe),
    /// It could not be read.
    Failed(ApiError),
}

/// Something of AWS that can be acted on, as it was read.
enum Thing {
    Ecs(Box<EcsService>),
    Forward(Forward),
    Records(Records),
    Balancer(Balancer),
}

impl Thing {
    async fn read(api: &Api, target: &Target, changes: &[FieldChange]) -> Result<Self, Unread> {
        match target.kind {
            Kind::EcsService => Ok(Self::Ecs(Box::new(EcsService::read(api, target, changes).await?))),
            Kind::Listener | Kind::ListenerRule => Ok(Self::Forward(Forward::read(api, target).await?)),
            Kind::RecordSet => Ok(Self::Records(Records::read(api, target).await?)),
            Kind::LoadBalancer => Ok(Self::Balancer(Balancer::read(api, target).await?)),
            kind => Err(Unread::Failed(ApiError::NotSent(Safe::from(format!("a {kind} is nothing that AWS has"))))),
        }
    }

    /// Changes when it is another one.
    fn uid(&self) -> String {
        match self {
            Self::Ecs(service) => service.uid(),
            Self::Forward(forward) => forward.uid(),
            Self::Records(records) => records.uid(),
            Self::Balancer(balancer) => balancer.uid(),
        }
    }

    /// What is changed with it: a load balancer, whose zones and weights share its capacity. One
    /// action at a time goes on at that.
    fn affects(&self, target: &Target) -> Vec<Target> {
        let Self::Forward(forward) = self else { return Vec::new() };
        let path = ObjectPath::new("", forward.balancer());
        vec![Target { kind: Kind::LoadBalancer, path, uid: None, ..target.clone() }]
    }

    /// What its fields hold.
    fn fields(&self) -> Value {
        match self {
            Self::Ecs(service) => service.fields(),
            Self::Forward(forward) => forward.fields(),
            Self::Records(records) => records.fields(),
            Self::Balancer(balancer) => balancer.fields(),
        }
    }
}

impl Aws {
    /// An actuator of the account that `access` names. No request is made.
    pub(super) fn new(env: &Environment, access: &AwsAccess, clock: Clock) -> Self {
        Self { api: Api::new(access, env.drill), clock, submitted: Mutex::default() }
    }

    /// For tests of servers that do not answer.
    #[cfg(test)]
    pub(super) fn write_limit(mut self, limit: std::time::Duration) -> Self {
        self.api.limits.write = limit;
        self
    }

    async fn make(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let target = want.target();
        // Before the first read: a plan is never younger than what it shows.
        let read_at = self.clock.now();
        let inverse: Vec<FieldChange> = match want {
            Request::Undo { plan } => plan.changes.iter().map(FieldChange::inverse).collect(),
            _ => Vec::new(),
        };
        let mut thing = match Thing::read(&self.api, target, &inverse).await {
            Ok(thing) => thing,
            Err(Unread::Gone(why)) => return Err(refusal(format!("{why}: nothing was changed"))),
            Err(Unread::Failed(error)) => return Err(error.refusal("read", target)),
        };
        if target.uid.as_ref().is_some_and(|uid| *uid.as_str() != thing.uid()) {
            return Err(refusal(format!(
                "{target} is another object than the one picked, of the same name: pick it again"
            )));
        }
        let changes = match want {
            Request::Undo { plan } => {
                check_ours(&thing, plan)?;
                inverse
            }
            _ => match (&mut thing, want) {
                (Thing::Ecs(service), _) => ecs::wish(service, &self.api, target, want).await?,
                (Thing::Forward(forward), Request::Divert { shares, .. }) => forward.wish(target, shares)?,
                (Thing::Records(records), Request::Divert { shares, .. }) => records.wish(target, shares)?,
                (Thing::Balancer(balancer), Request::Evacuate { zone, minutes, .. }) => {
                    balancer.wish(&self.api, target, zone, *minutes).await?
                }
                (_, other) => return Err(refusal(format!("cannot {}: there is no such thing", other.words()))),
            },
        };
        let (uid, affects) = (thing.uid(), thing.affects(target));
        let draft = match &mut thing {
            Thing::Ecs(service) => ecs::draft(service, &self.api, want, changes).await?,
            Thing::Forward(forward) => forward.draft(&self.api, want, changes, cluster).await?,
            Thing::Records(records) => records.draft(&self.api, want, changes).await?,
            Thing::Balancer(balancer) => balancer.draft(&self.api, want, changes, read_at).await?,
        };
        Ok(Plan { affects, ..draft.plan(want, target, &uid, read_at, cluster) })
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, HashMap<PlanId, Submitted>> {
        self.submitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, plan: &Plan) -> Result<Ack, WriteError> {
        let nothing = |why: &dyn std::fmt::Display| {
            WriteError::Refused(said(&format!("{}: nothing was changed, {why}", plan.title)))
        };
        let thing = match Thing::read(&self.api, &plan.target, &plan.changes).await {
            Ok(thing) => thing,
            Err(Unread::Gone(why)) => return Err(nothing(&why)),
            Err(Unread::Failed(error)) => return Err(nothing(&format!("it could not be read again: {error}"))),
        };
        if plan.target.uid.as_ref().is_none_or(|uid| *uid.as_str() != thing.uid()) {
            return Err(match &thing {
                Thing::Forward(_) => nothing(&format!("the actions of {} are others than were shown", plan.target)),
                _ => nothing(&format!("{} is another object now", plan.target)),
            });
        }
        match held(&thing.fields(), plan) {
            Held::Before => {}
            Held::After => return Err(nothing(&"somebody else did the same since the plan was made; look again")),
            Held::Beside(guard) => {
                return Err(nothing(&format!("{} since the plan was made; look again", strayed(guard))));
            }
            Held::Other(field, now) => {
                return Err(nothing(&format!("{} since the plan was made; look again", moved(field, &now))));
            }
        }
        let call = match &thing {
            Thing::Ecs(service) => service.call(plan),
            Thing::Forward(forward) => forward.call(plan),
            Thing::Records(records) => records.call(plan),
            Thing::Balancer(balancer) => balancer.call(plan),
        };
        let call = call.ok_or_else(|| nothing(&"this version does not know how to write it"))?;
        match self.api.send(&call).await {
            Ok(answer) => {
                if let (Thing::Records(_), Some(sent)) = (&thing, Records::submitted(&answer)) {
                    self.sent().insert(plan.id.clone(), sent);
                }
                Ok(Ack { identity: said(&thing.uid()) })
            }
            Err(ApiError::NotSent(why)) => Err(nothing(&why)),
            // An error of the request in the service's own words comes before any change. One that
            // something on the way delivered twice may be refused the second time.
            Err(ApiError::Status { status: 400..=499, code, said: why }) if !code.is_empty() => {
                match Thing::read(&self.api, &plan.target, &plan.changes).await {
                    Ok(thing) if matches!(held(&thing.fields(), plan), Held::After) => {
                        Err(WriteError::Unknown(said(&format!("AWS refused it ({why}), but it is as planned"))))
                    }
                    _ => Err(nothing(&format!("AWS refused it ({why})"))),
                }
            }
            Err(error) => Err(WriteError::Unknown(said(&format!("whether it was written is not known: {error}")))),
        }
    }

    async fn look(&self, plan: &Plan) -> Seen {
        let thing = match Thing::read(&self.api, &plan.target, &plan.changes).await {
            Ok(thing) => thing,
            Err(Unread::Gone(why)) => return Seen::Gone { why },
            Err(Unread::Failed(error)) => {
                return Seen::Unread { why: said(&format!("could not read {}: {error}", plan.target)) };
            }
        };
        if plan.target.uid.as_ref().is_none_or(|uid| *uid.as_str() != thing.uid()) {
            return Seen::Gone {
                why: Safe::from(format!("{} was replaced by another object of its name", plan.target)),
            };
        }
        let fields = thing.fields();
        let words = || holds(&thing, plan, &fields);
        match held(&fields, plan) {
            Held::After => {}
            Held::Before => return Seen::AsBefore { words: words() },
            Held::Other(..) | Held::Beside(_) => return Seen::Other { words: words() },
        }
        match &thing {
            Thing::Ecs(service) => service.live(&self.api, plan).await,
            Thing::Forward(forward) => forward.live(),
            Thing::Balancer(balancer) => balancer.live(plan),
            Thing::Records(records) => {
                let mut sent = self.sent().get(&plan.id).cloned();
                let seen = records.live(&self.api, plan, self.clock.now(), &mut sent).await;
                match (&seen, sent) {
                    (Seen::Live { .. }, _) => drop(self.sent().remove(&plan.id)),
                    (_, Some(sent)) => drop(self.sent().insert(plan.id.clone(), sent)),
                    (_, None) => {}
                }
                seen
            }
        }
    }
}

/// `tasks is 9`: what the fields hold. AWS does not tell who set them.
fn holds(thing: &Thing, plan: &Plan, fields: &Value) -> Safe {
    match thing {
        Thing::Forward(forward) => return said(&format!("it sends {}", forward.shown())),
        Thing::Records(records) => return said(&format!("it sends {}", records.shown())),
        Thing::Ecs(_) | Thing::Balancer(_) => {}
    }
    let words: Vec<_> = plan
        .changes
        .iter()
        .map(|field| {
            let now = fields.pointer(&field.pointer).cloned().unwrap_or(Value::Null);
            format!("{} is {}", field.label, now.as_str().map_or_else(|| now.to_string(), str::to_owned))
        })
        .collect();
    said(&words.join("; "))
}

/// The fields still hold what the plan to be undone wrote.
fn check_ours(thing: &Thing, plan: &Plan) -> Result<(), Refusal> {
    let fields = thing.fields();
    match held(&fields, plan) {
        Held::After => Ok(()),
        Held::Before => Err(refusal(format!("there is nothing to undo: {}", holds(thing, plan, &fields)))),
        Held::Other(..) | Held::Beside(_) => Err(refusal(format!(
            "{}, not what was set here: the undo would overwrite that; set it to what it should be instead",
            holds(thing, plan, &fields)
        ))),
    }
}

impl Actuator for Aws {
    fn serves(&self, kind: Kind) -> bool {
        matches!(kind, Kind::EcsService | Kind::Listener | Kind::ListenerRule | Kind::RecordSet | Kind::LoadBalancer)
    }

    fn plan<'a>(&'a self, want: &'a Request, cluster: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>> {
        Box::pin(self.make(want, cluster))
    }

    fn permitted<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Permission> {
        // Simulating policies knows nothing of the organisation's, of conditions and of boundaries.
        Box::pin(async { Permission::Unknown { why: Safe::fixed("AWS cannot be asked reliably") } })
    }

    fn preview<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Preview> {
        let why = Safe::fixed(match plan.target.kind {
            Kind::RecordSet => "Route 53 has no dry run",
            _ => "this service has no dry run; it is read again right before the write",
        });
        Box::pin(async { Preview::Unavailable { why } })
    }

    fn write(&self, intent: Intent) -> BoxFuture<'_, Result<Ack, WriteError>> {
        Box::pin(async move { self.put(intent.plan()).await })
    }

    fn lag(&self) -> TimeDelta {
        LAG
    }

    fn progress<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Seen> {
        Box::pin(self.look(plan))
    }
}
