//! Moving the traffic of a load balancer away from a zone for a time: ARC zonal shift. It ends by
//! itself.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use http::Method;
use serde_json::{Map, Value, json};

use crate::clock::World;
use crate::model::name::Target;
use crate::model::plan::{Blast, Ends, FieldChange, Owner, OwnerEffect, Plan, Refusal, Request, Room, Tier};
use crate::respond::Seen;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::Unread;
use super::alb::{balancer, targets};
use super::call::{Body, Call, Service, parameter};
use super::client::{Api, ApiError, said};
use super::draft::{Draft, after, change, fact, last_step, list, step, text, warning};

/// The longest shift, in minutes: 72 hours.
const LONGEST: u32 = 72 * 60;
/// How long new connections may take to follow: clients look the name up anew within its TTL of a
/// minute.
const PATIENCE: u32 = 300;

const SERVED: &str = "served";
const AWAY: &str = "shifted away";

/// A load balancer as zonal shift knows it.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    arn: String,
    raw: Value,
}

/// Zones by id, with the names that this account has for them.
type Zones = BTreeMap<String, String>;

impl Balancer {
    pub(super) async fn read(api: &Api, target: &Target) -> Result<Self, Unread> {
        let arn = target.path.name.as_str();
        if !arn.starts_with("arn:") || !arn.contains(":loadbalancer/") || arn.len() > 400 {
            let why = format!("{target}: this is not the ARN of a load balancer: nothing was done");
            return Err(Unread::Failed(ApiError::NotSent(Safe::from(why))));
        }
        let call = Call::rest(Service::Shift, Method::GET, "/managedresources", &[arn], Body::None);
        match api.json(&call).await {
            Err(error) if error.is(&["ResourceNotFoundException"]) => Err(Unread::Gone(Safe::from(format!(
                "zonal shift does not know {target} ({error}): its attribute zonal_shift.config.enabled has to be true"
            )))),
            answer => Ok(Self { arn: arn.to_owned(), raw: answer.map_err(Unread::Failed)? }),
        }
    }

    pub(super) fn uid(&self) -> String {
        self.arn.clone()
    }

    fn weights(&self) -> Map<String, Value> {
        self.raw.get("appliedWeights").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Shifts that people or practice runs have started and that have not ended.
    fn shifts(&self) -> impl Iterator<Item = &Value> {
        list(&self.raw, "/zonalShifts").iter()
    }

    pub(super) fn fields(&self) -> Value {
        let zone = |id: &String| {
            let away = self.shifts().any(|shift| text(shift, "/awayFrom") == id);
            (id.clone(), json!(if away { AWAY } else { SERVED }))
        };
        json!({ "zones": self.weights().keys().map(zone).collect::<Map<_, _>>() })
    }

    pub(super) async fn wish(
        &self,
        api: &Api,
        target: &Target,
        zone: &str,
        minutes: u32,
    ) -> Result<Vec<FieldChange>, Refusal> {
        if !(1..=LONGEST).contains(&minutes) {
            return Err(refusal("a zonal shift lasts between one minute and 72 hours: nothing was planned"));
        }
        if let Some(shift) = self.shifts().next() {
            return Err(refusal(said(&format!(
                "traffic of {target} is shifted away from {} already ({}): cancel that first",
                text(shift, "/awayFrom"),
                text(shift, "/comment")
            ))));
        }
        let weights = self.weights();
        let id = if weights.contains_key(zone) {
            zone.to_owned()
        } else {
            let zones = zones(api).await.map_err(|error| {
                refusal(said(&format!(
                    "which zone {zone} is could not be asked ({error}): give its id, one of {}",
                    weights.keys().cloned().collect::<Vec<_>>().join(", ")
                )))
            })?;
            let found = zones.iter().find(|(id, name)| *name == zone && weights.contains_key(*id));
            found.map(|(id, _)| id.clone()).ok_or_else(|| {
                let all: Vec<_> = weights.keys().map(|id| format!("{} ({id})", zones.get(id).unwrap_or(id))).collect();
                refusal(said(&format!("{target} is not in a zone {zone}; it is in {}", all.join(", "))))
            })?
        };
        let pointer = format!("/zones/{}", step(&id));
        Ok(vec![change(pointer, said(&format!("zone {zone}")), &json!(SERVED), &json!(AWAY))])
    }

    /// The shift that the undone plan started: it names that plan in its comment.
    fn ours(&self, want: &Request, zone: &str) -> Option<&Value> {
        let Request::Undo { plan } = want else { return None };
        self.shifts()
            .find(|shift| text(shift, "/awayFrom") == zone && text(shift, "/comment").contains(plan.id.0.as_str()))
    }

    pub(super) fn call(&self, plan: &Plan) -> Option<Call> {
        let field = plan.changes.first()?;
        let zone = last_step(&field.pointer);
        if after(&plan.changes, &field.pointer)? == json!(SERVED) {
            let id = text(self.ours(&plan.request, &zone)?, "/zonalShiftId");
            return Some(Call::rest(Service::Shift, Method::DELETE, "/zonalshifts", &[id], Body::None));
        }
        let Request::Evacuate { minutes, .. } = plan.request.origin() else { return None };
        let input = json!({
            "resourceIdentifier": self.arn, "awayFrom": zone, "expiresIn": format!("{minutes}m"),
            "comment": format!("warroom {}", plan.id.0),
        });
        Some(Call::rest(Service::Shift, Method::POST, "/zonalshifts", &[], Body::Json(input)))
    }

    /// The weights that are in force say so, not the shift that was asked for.
    pub(super) fn live(&self, plan: &Plan) -> Seen {
        let Some(field) = plan.changes.first() else {
            return Seen::Unread { why: Safe::fixed("the plan names no zone") };
        };
        let zone = last_step(&field.pointer);
        let weight = self.weights().get(&zone).and_then(Value::as_f64).unwrap_or(1.0);
        if after(&plan.changes, &field.pointer) == Some(json!(SERVED)) {
            return match weight > 0.0 {
                true => Seen::Live { words: said(&format!("{zone} gets traffic again")) },
                false => Seen::Under { words: said(&format!("{zone} gets no traffic yet")) },
            };
        }
        let shift = self.shifts().find(|shift| text(shift, "/awayFrom") == zone);
        // A zone that somebody else left is not what this plan did, and its undo leaves it alone.
        if let Some(other) = shift.filter(|shift| !text(shift, "/comment").contains(plan.id.0.as_str())) {
            return Seen::Other { words: said(&format!("another shift leaves {zone} ({})", text(other, "/comment"))) };
        }
        let until =
            shift.and_then(|shift| World::from_timestamp(shift.get("expiryTime")?.as_f64()?.max(0.0) as i64, 0));
        let until = until.map_or(String::new(), |until| format!(", until {}", until.format("%H:%MZ")));
        match weight > 0.0 {
            true => Seen::Under { words: said(&format!("the shift is not applied to {zone} yet")) },
            false => Seen::Live { words: said(&format!("no new connections to {zone}{until}")) },
        }
    }

    pub(super) async fn draft(
        &self,
        api: &Api,
        want: &Request,
        mut changes: Vec<FieldChange>,
        now: World,
    ) -> Result<Draft, Refusal> {
        for field in &mut changes {
            let forth = after(std::slice::from_ref(field), &field.pointer) == Some(json!(AWAY));
            field.words =
                Some(Safe::from(if forth { format!("{SERVED} → {AWAY}") } else { format!("{AWAY} → {SERVED}") }));
        }
        let field = changes.first().ok_or_else(|| refusal("the plan names no zone"))?;
        let zone = last_step(&field.pointer);
        let name = balancer(&self.arn);
        if after(&changes, &field.pointer) == Some(json!(SERVED)) {
            return self.back(api, want, changes, &zone, &name);
        }
        let Request::Evacuate { minutes, .. } = want.origin() else {
            return Err(refusal("the plan names no length of time"));
        };
        let (zones, counted) = futures::join!(zones(api), self.capacity(api));
        let named = zones.is_ok();
        let zones = zones.unwrap_or_default();
        let short = zones.get(&zone).cloned().unwrap_or_else(|| zone.clone());
        let shown = if short == zone { zone.clone() } else { format!("{short} ({zone})") };
        let others = self.weights().iter().filter(|(id, weight)| **id != zone && weight.as_f64() != Some(0.0)).count();
        if others == 0 {
            return Err(refusal(format!("{name} has no other zone with traffic than {shown}: nothing was planned")));
        }
        let mut facts = vec![fact("zone", said(&format!("{shown}, one of {}", others + 1)))];
        let mut tier = Tier::Lowers;
        let mut blast = Blast::default();
        let mut words = format!("1 of {} zones gets no new connections", others + 1);
        match &counted {
            Ok(counted) if counted.iter().all(|(zone, _)| zone.is_empty() || zone == "all") => {
                facts.push(warning(
                    "capacity",
                    "the zones of its targets are not told: see that the others can take it",
                ));
            }
            // Targets tell the name of their zone, and which one this is could not be asked.
            Ok(counted) if !named && !counted.iter().any(|(at, _)| *at == zone) => {
                facts.push(warning(
                    "capacity",
                    said(&format!("which targets are in {zone} is not known: see that the others can take it")),
                ));
            }
            Ok(counted) => {
                let there = |at: &str| at == short || at == zone;
                let healthy = |inside: bool| counted.iter().filter(|(at, up)| *up && there(at) == inside).count();
                let (lost, left) = (healthy(true), healthy(false));
                words = format!("{lost} of {} healthy targets get no new connections", lost + left);
                let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
                blast = Blast {
                    ready_before: count(lost + left),
                    wanted_before: None,
                    wanted_after: count(left),
                    fewest_ready: Some(count(left)),
                    ..blast
                };
                match (lost * 100).checked_div(left) {
                    None => {
                        tier = Tier::Grave;
                        facts.push(warning("capacity", "no healthy target is left in the other zones"));
                    }
                    Some(more) => facts.push(warning(
                        "capacity",
                        format!("{left} healthy targets are left, each with {more} % more to do: scale up first"),
                    )),
                }
            }
            Err(error) => {
                facts.push(warning(
                    "capacity",
                    said(&format!("its targets could not be read ({error}): see that the others can take it")),
                ));
            }
        }
        facts.push(fact("open", "connections that are open stay until they end"));
        facts.push(fact("no effect", "while the balancer is fail-open: no healthy target in any zone"));
        let mut owners = Vec::new();
        if text(&self.raw, "/zonalAutoshiftStatus") == "ENABLED" {
            owners.push(Owner {
                name: Safe::fixed("zonal autoshift"),
                effect: OwnerEffect::Informs,
                words: Safe::fixed("is on: a shift that a person starts goes before its own"),
            });
        }
        let mut command = api.cli(Service::Shift);
        command.extend(
            [
                "arc-zonal-shift",
                "start-zonal-shift",
                "--resource-identifier",
                &self.arn,
                "--away-from",
                &zone,
                "--expires-in",
                &format!("{minutes}m"),
                "--comment",
                "incident",
            ]
            .map(str::to_owned),
        );
        Ok(Draft {
            title: format!("move {name} away from {short}"),
            undo: Some(Safe::from(format!("cancel the shift; it ends by itself after {}", length(*minutes)))),
            guards: Vec::new(),
            blast: Blast { words: said(&words), ..blast },
            room: Room::NotNeeded,
            owners,
            tier,
            command,
            facts,
            instead: None,
            ends: Ends::BySystem { at: now + TimeDelta::minutes(i64::from(*minutes)) },
            patience: PATIENCE,
            changes,
        })
    }

    fn back(
        &self,
        api: &Api,
        want: &Request,
        changes: Vec<FieldChange>,
        zone: &str,
        name: &str,
    ) -> Result<Draft, Refusal> {
        let shift = self.ours(want, zone).ok_or_else(|| {
            refusal(format!("traffic of {name} is shifted away from {zone}, but not by that plan: it is left as it is"))
        })?;
        let mut command = api.cli(Service::Shift);
        let id = text(shift, "/zonalShiftId");
        command.extend(["arc-zonal-shift", "cancel-zonal-shift", "--zonal-shift-id", id].map(str::to_owned));
        Ok(Draft {
            title: format!("let traffic of {name} into {zone} again"),
            undo: Some(Safe::fixed("shift it away again, for the same time")),
            guards: Vec::new(),
            blast: Blast {
                words: said(&format!("{zone} gets its share of new connections again")),
                ..Blast::default()
            },
            room: Room::NotNeeded,
            owners: Vec::new(),
            tier: Tier::Lowers,
            command,
            facts: vec![warning("zone", "its targets get full traffic at once: see that they are well")],
            instead: None,
            ends: Ends::Stays,
            patience: PATIENCE,
            changes,
        })
    }

    /// The targets of all its groups: zone, and whether healthy. Of a target that is in two groups
    /// each counts.
    async fn capacity(&self, api: &Api) -> Result<Vec<(String, bool)>, ApiError> {
        let call = Call::balancing("DescribeTargetGroups", vec![parameter("LoadBalancerArn", &self.arn)]);
        let answer = api.xml(&call).await?;
        let groups = answer.list("DescribeTargetGroupsResult/TargetGroups");
        let asked = groups.iter().map(|group| targets(api, group.text("TargetGroupArn")));
        let mut all = Vec::new();
        for found in futures::future::join_all(asked).await {
            all.extend(found?);
        }
        Ok(all)
    }
}

/// The account's zones: id and name. The same id is the same place in all accounts, and the same
/// name is not.
async fn zones(api: &Api) -> Result<Zones, ApiError> {
    let answer = api.xml(&Call::compute("DescribeAvailabilityZones", Vec::new())).await?;
    Ok(answer
        .list("availabilityZoneInfo")
        .iter()
        .map(|zone| (zone.text("zoneId").to_owned(), zone.text("zoneName").to_owned()))
        .collect())
}

/// `90 minutes`, `2 hours`.
fn length(minutes: u32) -> String {
    match minutes {
        1 => "1 minute".to_owned(),
        60 => "1 hour".to_owned(),
        hours if hours % 60 == 0 => format!("{} hours", hours / 60),
        minutes => format!("{minutes} minutes"),
    }
}
