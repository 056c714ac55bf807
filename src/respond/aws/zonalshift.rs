//! Moving the traffic of a load balancer away from a zone for a time: ARC zonal shift. It ends by
//! itself.

mod away;
mod capacity;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use http::Method;
use serde_json::{Map, Value, json};

use crate::clock::World;
use crate::model::name::Target;
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Owner, OwnerEffect, Plan, Refusal, Request, Room, Tier};
use crate::respond::Seen;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::Unread;
use super::alb::balancer;
use super::behind::Behind;
use super::call::{Body, Call, Service};
use super::client::{Api, ApiError, said};
use super::draft::{Draft, after, change, fact, last_step, list, step, text, warning};
pub(super) use away::{Away, shifted_away};
use capacity::{Capacity, Stands};

/// The longest shift, in minutes: 72 hours.
const LONGEST: u32 = 72 * 60;
/// How long new connections may take to follow: clients look the name up anew within its TTL of a
/// minute.
const PATIENCE: u32 = 300;

/// What zonal shift says of what it does not manage.
const UNMANAGED: &str = "ResourceNotFoundException";
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

/// What leaving a zone puts at stake.
struct Stake {
    facts: Vec<Fact>,
    /// Its healthy targets by zone, in words; empty if that is not known.
    zones: String,
    blast: Blast,
    tier: Tier,
}

impl Balancer {
    /// As `GetManagedResource` tells of an ARN.
    async fn managed(api: &Api, arn: &str) -> Result<Self, ApiError> {
        let call = Call::rest(Service::Shift, Method::GET, "/managedresources", &[arn], Body::None);
        Ok(Self { arn: arn.to_owned(), raw: api.json(&call).await? })
    }

    pub(super) async fn read(api: &Api, target: &Target) -> Result<Self, Unread> {
        let arn = target.path.name.as_str();
        if !arn.starts_with("arn:") || !arn.contains(":loadbalancer/") || arn.len() > 400 {
            let why = format!("{target}: this is not the ARN of a load balancer: nothing was done");
            return Err(Unread::Failed(ApiError::NotSent(Safe::from(why))));
        }
        Self::managed(api, arn).await.map_err(|error| match error.is(&[UNMANAGED]) {
            true => Unread::Gone(Safe::from(format!(
                "zonal shift does not know {target} ({error}): its attribute zonal_shift.config.enabled has to be true"
            ))),
            false => Unread::Failed(error),
        })
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
        let until = shift.map(until).unwrap_or_default();
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
        let (zones, behind) = futures::join!(zones(api), Behind::read(api, &self.arn));
        let zones = zones.ok();
        let short = zones.as_ref().and_then(|zones| zones.get(&zone).cloned()).unwrap_or_else(|| zone.clone());
        let shown = if short == zone { zone.clone() } else { format!("{short} ({zone})") };
        let others = self.weights().iter().filter(|(id, weight)| **id != zone && weight.as_f64() != Some(0.0)).count();
        if others == 0 {
            return Err(refusal(format!("{name} has no other zone with traffic than {shown}: nothing was planned")));
        }
        let stake = self.stake(&zone, &short, zones.as_ref(), behind);
        let blast = match stake.blast.words.is_empty() {
            true => {
                let words = format!("1 of {} zones gets no new connections", others + 1);
                Blast { words: Safe::from(words), ..stake.blast }
            }
            false => stake.blast,
        };
        let mut facts = vec![fact("zone", said(&format!("{shown}, one of {}{}", others + 1, stake.zones)))];
        facts.extend(stake.facts);
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
            blast,
            room: Room::NotNeeded,
            owners,
            tier: stake.tier,
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

    /// What leaving `zone`, by name `short`, puts at stake of what stands behind the load balancer.
    fn stake(&self, zone: &str, short: &str, zones: Option<&Zones>, behind: Result<Behind, ApiError>) -> Stake {
        let unknown = |why: String| Stake {
            facts: vec![warning("capacity", said(&why))],
            zones: String::new(),
            blast: Blast::default(),
            tier: Tier::Lowers,
        };
        let behind = match behind {
            Ok(behind) => behind,
            Err(error) => {
                return unknown(format!("its targets could not be read ({error}): see that the others can take it"));
            }
        };
        let weights = self.weights();
        let is = |at: &str, id: &str| at == id || zones.and_then(|zones| zones.get(id)).is_some_and(|name| name == at);
        let found = Capacity::of(&behind.groups, |at| match at {
            "" => Stands::Untold,
            at if is(at, zone) => Stands::There,
            at if weights.iter().any(|(id, weight)| is(at, id) && weight.as_f64() == Some(0.0)) => Stands::Away,
            _ => Stands::Elsewhere,
        });
        if found.untold > 0 && found.zones.keys().all(|zone| zone == "all") {
            return unknown("the zones of its targets are not told: see that the others can take it".to_owned());
        }
        // Targets tell the name of their zone, and which one this is could not be asked.
        if zones.is_none() && !found.zones.contains_key(zone) {
            return unknown(format!("which targets are in {zone} is not known: see that the others can take it"));
        }
        let count = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
        let all = found.lost + found.left;
        let untold = match found.untold {
            0 => String::new(),
            more => format!("; the zone of {more} more is not told"),
        };
        let mut facts = Vec::new();
        let mut tier = Tier::Lowers;
        let ended: Vec<_> = found.ended().map(|part| part.name.as_str()).collect();
        match (found.lost, found.left, found.more()) {
            (0, 0, _) if found.untold == 0 => {
                tier = Tier::Grave;
                facts.push(warning(
                    "capacity",
                    "no healthy target gets traffic in any zone: leaving one changes nothing",
                ));
            }
            (_, _, None) => {
                tier = Tier::Grave;
                facts.push(warning("capacity", "no healthy target is left in the other zones"));
            }
            (0, left, _) => {
                facts.push(fact(
                    "capacity",
                    said(&format!("no healthy target is in {short}: all {left} go on{untold}")),
                ));
            }
            (_, left, Some(more)) => {
                let left = if left == 1 {
                    format!("1 healthy target is left, with {more} % more to do")
                } else {
                    format!("{left} healthy targets are left, each with {more} % more to do")
                };
                facts.push(warning("capacity", said(&format!("{left}: scale up first{untold}"))));
            }
        }
        if found.left > 0 && !ended.is_empty() {
            tier = Tier::Grave;
            let words = format!("no healthy target of {} is left in the other zones", ended.join(", "));
            facts.push(warning("capacity", said(&words)));
        } else if let Some((part, more)) = found.worst() {
            let (name, left, all) = (&part.name, part.left, part.lost + part.left);
            let words = format!("most in {name}: {left} of its {all} are left, with {more} % more to do");
            facts.push(warning("capacity", said(&words)));
        }
        if behind.cut {
            let words =
                "it has more listeners, rules or target groups than were read: what stands in those is not counted";
            facts.push(warning("capacity", words));
        }
        Stake {
            facts,
            zones: self.by_zone(&found.zones, zones),
            blast: Blast {
                ready_before: count(all),
                wanted_before: None,
                wanted_after: count(found.left),
                fewest_ready: Some(count(found.left)),
                words: said(&format!("{} of {all} healthy targets get no new connections{untold}", found.lost)),
            },
            tier,
        }
    }

    /// `; healthy targets: eu-central-1a 2, eu-central-1b 0`: of each zone of the load balancer, and
    /// of any other that targets stand in.
    fn by_zone(&self, healthy: &BTreeMap<String, usize>, zones: Option<&Zones>) -> String {
        let mut by_zone: BTreeMap<&str, usize> = BTreeMap::new();
        let weights = self.weights();
        for id in weights.keys() {
            by_zone.insert(zones.and_then(|zones| zones.get(id)).unwrap_or(id), 0);
        }
        for (zone, count) in healthy {
            let name = zones.and_then(|zones| zones.get(zone)).map_or(zone.as_str(), String::as_str);
            let name = if name == "all" { "outside of its network" } else { name };
            *by_zone.entry(name).or_default() += count;
        }
        let words: Vec<_> = by_zone.iter().map(|(zone, count)| format!("{zone} {count}")).collect();
        format!("; healthy targets: {}", words.join(", "))
    }
}

/// `, until 12:06Z`, of a shift; empty if it does not say.
fn until(shift: &Value) -> String {
    let at =
        shift.get("expiryTime").and_then(Value::as_f64).and_then(|at| World::from_timestamp(at.max(0.0) as i64, 0));
    at.map_or(String::new(), |at| format!(", until {}", at.format("%H:%MZ")))
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
