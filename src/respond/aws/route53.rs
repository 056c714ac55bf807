//! Weighted records of one name and type in Route 53.
//!
//! A batch that deletes each record as it was read and creates it with another weight is applied
//! whole or not at all, and not at all if a record is not as it was read: a compare-and-swap.

mod beside;
mod leads;

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::World;
use crate::model::name::Target;
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Plan, Refusal, Request, Room, Share, Tier};
use crate::respond::Seen;
use crate::respond::guard::refusal;
use crate::respond::weights::{load, narrows, words};
use crate::text::Safe;

use super::Unread;
use super::alb::TARGET;
use super::call::{Body, Call, DNS, Service, encoded};
use super::client::{Api, ApiError, said};
use super::draft::{Draft, fact, warning};
use super::weights::{self, Split, Way, given};
use super::xml::Element;
use beside::{Health, health, owners};
use leads::{Leads, leads, together};

/// What resolvers keep an alias for, in seconds: Route 53 answers with its target's own.
const ALIAS_TTL: u32 = 60;
/// How long a change may take to reach all name servers; a minute is usual. Seconds.
const SPREAD: u32 = 300;

/// A change that was sent, as long as this process lives.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Submitted {
    /// The change's id.
    pub(super) id: String,
    /// When all name servers were seen to have it.
    pub(super) in_sync: Option<World>,
}

/// The records of one name and type.
#[derive(Clone, Debug)]
pub(super) struct Records {
    zone: String,
    /// With its dot at the end.
    name: String,
    kind: String,
    sets: Vec<Element>,
}

impl Records {
    pub(super) async fn read(api: &Api, target: &Target) -> Result<Self, Unread> {
        let zone = target.path.namespace.as_str();
        let odd = || {
            let why = format!("{target} is not ZONEID/NAME/TYPE: nothing was done");
            Unread::Failed(ApiError::NotSent(Safe::from(why)))
        };
        let (name, kind) = target.path.name.rsplit_once('/').ok_or_else(odd)?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let of_name = |byte: u8| byte.is_ascii_graphic() && !b"/?#%".contains(&byte);
        if !plain(zone) || !plain(kind) || zone.len() > 32 || name.len() > 255 || !name.bytes().all(of_name) {
            return Err(odd());
        }
        let name = format!("{}.", name.trim_end_matches('.').to_ascii_lowercase());
        let answer = match api.xml(&listed(zone, &name, kind)).await {
            Err(error) if error.is(&["NoSuchHostedZone"]) => {
                return Err(Unread::Gone(Safe::from(format!("the zone of {target} is not there ({error})"))));
            }
            answer => answer.map_err(Unread::Failed)?,
        };
        let ours = |set: &&Element| set.text("Name").eq_ignore_ascii_case(&name) && set.text("Type") == kind;
        let mut sets: Vec<_> = answer.list("ResourceRecordSets").iter().filter(ours).cloned().collect();
        sets.sort_by(|a, b| a.text("SetIdentifier").cmp(b.text("SetIdentifier")));
        if sets.is_empty() {
            return Err(Unread::Gone(Safe::from(format!("{target} is not there (any more)"))));
        }
        Ok(Self { zone: zone.to_owned(), name, kind: kind.to_owned(), sets })
    }

    /// The place, and a digest of all that the records say but their weights: the same name with
    /// other values is another thing to send traffic to.
    pub(super) fn uid(&self) -> String {
        let mut text = String::new();
        for set in &self.sets {
            let mut set = set.clone();
            set.children.retain(|child| child.name != "Weight");
            set.write(&mut text);
        }
        let digest = Sha256::digest(text.as_bytes());
        let mut uid = format!("{}/{}/{} ", self.zone, self.name, self.kind);
        for byte in digest.iter().take(8) {
            // Writing to a String cannot fail.
            let _ = write!(uid, "{byte:02x}");
        }
        uid
    }

    /// The weighted ones.
    fn weighted(&self) -> Vec<Way> {
        let way = |set: &Element| {
            let id = set.text("SetIdentifier").to_owned();
            Some(Way { key: id.clone(), name: id, weight: set.text("Weight").parse().ok()? })
        };
        self.sets.iter().filter_map(way).collect()
    }

    pub(super) fn fields(&self) -> Value {
        weights::fields(&self.weighted())
    }

    /// `a 75 %, b 25 %`.
    pub(super) fn shown(&self) -> String {
        weights::shown(&self.weighted())
    }

    pub(super) fn wish(&self, target: &Target, shares: &[Share]) -> Result<Vec<FieldChange>, Refusal> {
        let records = self.weighted();
        if records.len() < 2 || records.len() != self.sets.len() {
            return Err(refusal(format!(
                "{target} has {} weighted records: there is nothing to divide between",
                records.len()
            )));
        }
        weights::wish(&records, shares).map_err(|why| refusal(said(&format!("cannot divert {target}: {why}"))))
    }

    /// The batch: each changed record taken away as it is and put back with its weight.
    fn batch(&self, changes: &[FieldChange]) -> Vec<(&'static str, Element)> {
        let mut batch = Vec::new();
        for set in &self.sets {
            let Some(weight) = given(changes, set.text("SetIdentifier")) else { continue };
            let mut new = set.clone();
            new.set("Weight", weight.to_string());
            batch.extend([("DELETE", set.clone()), ("CREATE", new)]);
        }
        batch
    }

    pub(super) fn call(&self, plan: &Plan) -> Option<Call> {
        if Split::new(self.weighted(), &plan.changes).is_nothing() {
            return None;
        }
        let changes = self
            .batch(&plan.changes)
            .into_iter()
            .map(|(action, set)| Element::branch("Change", vec![Element::leaf("Action", action), set]))
            .collect();
        let comment = Element::leaf("Comment", format!("warroom {}", plan.id.0));
        let batch = Element::branch("ChangeBatch", vec![comment, Element::branch("Changes", changes)]);
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">",
        );
        batch.write(&mut text);
        text.push_str("</ChangeResourceRecordSetsRequest>");
        let start = format!("{DNS}/hostedzone");
        let mut call = Call::rest(Service::Dns, Method::POST, &start, &[&self.zone], Body::Xml(text));
        call.path.push_str("/rrset/");
        Some(call)
    }

    /// The id of the change in the answer to the write: `/change/C123`.
    pub(super) fn submitted(answer: &[u8]) -> Option<Submitted> {
        let answer = Element::parse(answer)?;
        let id = answer.text("ChangeInfo/Id").rsplit('/').next().filter(|id| !id.is_empty())?.to_owned();
        Some(Submitted { id, in_sync: None })
    }

    /// How long resolvers may keep what they were told, in seconds.
    fn ttl(&self) -> u32 {
        let of = |set: &Element| match set.at("AliasTarget") {
            Some(_) => ALIAS_TTL,
            None => set.text("TTL").parse().unwrap_or(0),
        };
        self.sets.iter().map(of).max().unwrap_or(0)
    }

    /// All name servers have it, and no resolver may still tell what was before.
    ///
    /// Of a change whose id is not known (the answer to the write was lost, or this process came
    /// after it), the usual minute is granted from when the plan could be confirmed at the latest.
    pub(super) async fn live(&self, api: &Api, plan: &Plan, now: World, sent: &mut Option<Submitted>) -> Seen {
        let in_sync = match sent {
            None => plan.expires_at + chrono::TimeDelta::seconds(60),
            Some(Submitted { in_sync: Some(at), .. }) => *at,
            Some(submitted) => {
                let start = format!("{DNS}/change");
                let call = Call::rest(Service::Dns, Method::GET, &start, &[&submitted.id], Body::None);
                match api.xml(&call).await {
                    Err(error) => return Seen::Unread { why: said(&format!("the change could not be read: {error}")) },
                    Ok(answer) if answer.text("ChangeInfo/Status") == "INSYNC" => {
                        submitted.in_sync = Some(now);
                        now
                    }
                    Ok(_) => return Seen::Under { words: Safe::fixed("not all name servers have it yet") },
                }
            }
        };
        let settled = in_sync + chrono::TimeDelta::seconds(i64::from(self.ttl()));
        if now < settled {
            let left = (settled - now).num_seconds().max(1);
            return Seen::Under {
                words: Safe::from(format!(
                    "resolvers may tell the old answer for {left} s more (TTL {} s)",
                    self.ttl()
                )),
            };
        }
        Seen::Live { words: said(&self.shown()) }
    }

    pub(super) async fn draft(&self, api: &Api, want: &Request, changes: Vec<FieldChange>) -> Result<Draft, Refusal> {
        let split = Split::new(self.weighted(), &changes);
        if split.is_nothing() {
            return Err(refusal("no record would have any weight, which Route 53 takes as equal shares"));
        }
        let set = |at: usize| self.sets.iter().find(|set| set.text("SetIdentifier") == split.ways[at].key);
        let mut facts = vec![split.fact()];
        for at in 0..split.ways.len() {
            let Some(set) = set(at) else { continue };
            let name = &split.ways[at].name;
            facts.push(fact("answers", said(&format!("{name}: {}", answers(set)))));
        }
        let sets: Vec<_> = (0..split.ways.len()).map(set).collect();
        let (states, owners, leads) = futures::join!(
            futures::future::join_all(sets.iter().map(|set| health(api, *set))),
            owners(api, self),
            leads(api, &sets)
        );
        let (before, after) = (split.before_percent(), split.after_percent());
        for (at, state) in states.iter().enumerate().filter(|(at, _)| split.after[*at] > 0) {
            let name = &split.ways[at].name;
            let gains = split.gaining().contains(&at);
            match state {
                Health::Failing(why) if gains => {
                    return Err(refusal(said(&format!(
                        "{name} fails its health check ({why}): Route 53 would not answer with it, or would send {} \
                         there to fail; nothing was planned",
                        words(after[at])
                    ))));
                }
                Health::Failing(why) => {
                    facts.push(warning("health", said(&format!("{name} fails its health check ({why})"))));
                }
                Health::Passing => facts.push(fact("health", said(&format!("{name} passes its health check")))),
                Health::Unchecked => {
                    let words = format!("{name} has no health check: it is answered with in any state");
                    facts.push(warning("health", said(&words)));
                }
                Health::Evaluated => {
                    facts.push(fact("health", said(&format!("{name} is answered with while its target is healthy"))));
                }
                Health::Unknown(why) => {
                    facts.push(warning("health", said(&format!("{name}: its health check could not be read ({why})"))));
                }
            }
        }
        let targets: Vec<_> = leads.iter().map(Leads::healthy).collect();
        for at in split.gaining() {
            let (name, share) = (&split.ways[at].name, words(after[at]));
            facts.push(match (&leads[at], load(&TARGET, &targets, &before, &after, at)) {
                (Leads::Balancer { name: balancer, healthy: 0, all }, _) => {
                    return Err(refusal(said(&format!(
                        "{name} leads to {balancer}, which has no healthy target that gets traffic, of {all}: {share} \
                         would fail there; bring up targets first"
                    ))));
                }
                (Leads::Balancer { name: balancer, .. }, Some((text, more))) => {
                    Fact { warns: more, ..fact("capacity", said(&format!("{name}, {balancer}: {text}"))) }
                }
                (Leads::Unread(why), _) => {
                    warning("capacity", said(&format!("{name}: what it can take of {share} is not known ({why})")))
                }
                _ => warning(
                    "capacity",
                    said(&format!("{name}: what stands behind it is not known here: see that it can take {share}")),
                ),
            });
        }
        let (carries, will) = (together(&leads, &split.now()), together(&leads, &split.after));
        let carried = match want {
            Request::Undo { plan } => Some(plan.blast.ready_before),
            _ => carries,
        };
        let counts = match (carries, will) {
            (Some(now), Some(then)) => format!("; {now} healthy targets carry them now, {then} will"),
            _ => String::new(),
        };
        let ttl = self.ttl();
        facts.push(fact("takes", format!("about a minute to all name servers, then up to {ttl} s in resolvers (TTL)")));
        facts.push(fact("guard", "one batch of deletes and creates: nothing changes if a record is not as shown"));
        let undo = want.is_undo();
        let changes = split.worded(changes);
        Ok(Draft {
            title: format!(
                "divert {} {}{}",
                self.name.trim_end_matches('.'),
                self.kind,
                if undo { " back" } else { "" }
            ),
            guards: split.guards()?,
            undo: Some(Safe::from(format!("{}; the TTL again", split.undo(&changes)))),
            blast: Blast {
                ready_before: carries.unwrap_or(0),
                wanted_before: None,
                wanted_after: will.unwrap_or(0),
                fewest_ready: carries.and(will),
                words: Safe::from(format!("{} of its answers lead elsewhere{counts}", split.moved())),
            },
            room: Room::NotNeeded,
            owners,
            tier: if narrows(&targets, &split.after, carried) { Tier::Grave } else { Tier::Lowers },
            command: self.command(api, &changes),
            facts,
            instead: None,
            ends: if undo { Ends::Stays } else { Ends::Reminder },
            patience: SPREAD + ttl + 150,
            changes,
        })
    }

    fn command(&self, api: &Api, changes: &[FieldChange]) -> Vec<String> {
        let batch: Vec<_> = self
            .batch(changes)
            .iter()
            .map(|(action, set)| json!({ "Action": action, "ResourceRecordSet": plain(set) }))
            .collect();
        let mut words = api.cli(Service::Dns);
        words.extend(
            ["route53", "change-resource-record-sets", "--hosted-zone-id", &self.zone, "--change-batch"]
                .map(str::to_owned),
        );
        words.push(json!({ "Changes": batch }).to_string());
        words
    }
}

/// The records from those of a name and type on.
fn listed(zone: &str, name: &str, kind: &str) -> Call {
    let mut call = Call::rest(Service::Dns, Method::GET, &format!("{DNS}/hostedzone"), &[zone], Body::None);
    call.path.push_str("/rrset");
    call.query = format!("maxitems=300&name={}&type={kind}", encoded(name));
    call
}

/// Where a record leads.
fn answers(set: &Element) -> String {
    let alias = set.text("AliasTarget/DNSName");
    if !alias.is_empty() {
        return format!("alias of {}", alias.trim_end_matches('.'));
    }
    let values: Vec<_> = set.list("ResourceRecords").iter().map(|record| record.text("Value")).collect();
    values.join(", ")
}

/// A record as the AWS CLI takes it.
fn plain(element: &Element) -> Value {
    if element.children.is_empty() {
        return match (element.name.as_str(), element.text.as_str()) {
            ("Weight" | "TTL" | "Bias", text) => {
                text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number))
            }
            ("EvaluateTargetHealth" | "MultiValueAnswer", text) => json!(text == "true"),
            (_, text) => json!(text),
        };
    }
    if element.children.iter().all(|child| child.name == "ResourceRecord") {
        return element.children.iter().map(plain).collect();
    }
    Value::Object(element.children.iter().map(|child| (child.name.clone(), plain(child))).collect())
}
