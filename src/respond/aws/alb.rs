//! The weighted target groups of a rule, or of a listener's default action.
//!
//! There is no compare-and-swap: the whole action list is sent, as it was read a moment before,
//! with other weights in it.

mod owners;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::model::name::{Kind, Target};
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Plan, Refusal, Request, Room, Share, Tier};
use crate::respond::guard::refusal;
use crate::respond::weights::{Unit, load, narrows, words};
use crate::respond::{Cluster, Seen};
use crate::text::Safe;

use super::Unread;
use super::behind::{members, name, ways};
use super::call::{Call, Service, parameter};
use super::client::{Api, ApiError, said};
use super::draft::{Draft, fact, warning};
use super::weights::{self, Split, Way, given};
use super::xml::Element;
use super::zonalshift::{Away, shifted_away};

/// What carries traffic here.
pub(super) const TARGET: Unit = Unit { short: "target", long: "healthy target" };
/// How long until other weights are in force: ELB says nothing of it; seconds are usual.
const PATIENCE: u32 = 120;

/// A rule or a listener, as read.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    rule: bool,
    arn: String,
    /// The action list as a whole.
    actions: Vec<Element>,
    /// Why its weights are not ours to change, if so.
    odd: Option<String>,
}

impl Forward {
    pub(super) async fn read(api: &Api, target: &Target) -> Result<Self, Unread> {
        let rule = target.kind == Kind::ListenerRule;
        let arn = target.path.name.as_str();
        let part = if rule { ":listener-rule/" } else { ":listener/" };
        if !arn.starts_with("arn:") || !arn.contains(part) || arn.len() > 400 {
            let why = format!("{target}: this is not the ARN of a {}: nothing was done", target.kind);
            return Err(Unread::Failed(ApiError::NotSent(Safe::from(why))));
        }
        let call = if rule {
            Call::balancing("DescribeRules", vec![parameter("RuleArns.member.1", arn)])
        } else {
            Call::balancing("DescribeListeners", vec![parameter("ListenerArns.member.1", arn)])
        };
        let answer = match api.xml(&call).await {
            Err(error)
                if error.is(&[
                    "RuleNotFound",
                    "ListenerNotFound",
                    "RuleNotFoundException",
                    "ListenerNotFoundException",
                ]) =>
            {
                return Err(Unread::Gone(Safe::from(format!("{target} is not there ({error})"))));
            }
            answer => answer.map_err(Unread::Failed)?,
        };
        let (all, list) = if rule {
            ("DescribeRulesResult/Rules", "Actions")
        } else {
            ("DescribeListenersResult/Listeners", "DefaultActions")
        };
        let id = if rule { "RuleArn" } else { "ListenerArn" };
        let found = answer.list(all).iter().find(|one| one.text(id) == arn);
        let found = found.ok_or_else(|| Unread::Gone(Safe::from(format!("{target} is not there (any more)"))))?;
        let actions = found.list(list).to_vec();
        let forwards = actions.iter().filter(|action| action.text("Type") == "forward").count();
        let odd = if found.text("IsDefault") == "true" {
            Some("it is the default rule, which is its listener's: name the Listener instead".to_owned())
        } else if forwards != 1 {
            Some(format!("it has {forwards} forward actions, and weights stand in one"))
        } else {
            None
        };
        Ok(Self { rule, arn: arn.to_owned(), actions, odd })
    }

    /// The ARN, and a digest of all that the actions say but the weights: they are sent as a whole,
    /// and a plan that showed others would write them over.
    pub(super) fn uid(&self) -> String {
        let mut text = String::new();
        for action in &self.actions {
            bare(action).write(&mut text);
        }
        let mut uid = format!("{} ", self.arn);
        for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
            // Writing to a String cannot fail.
            let _ = write!(uid, "{byte:02x}");
        }
        uid
    }

    fn forward(&self) -> Option<&Element> {
        self.actions.iter().find(|action| action.text("Type") == "forward")
    }

    /// Target groups with their weights, in their order.
    fn groups(&self) -> Vec<Way> {
        self.forward().map(ways).unwrap_or_default()
    }

    /// The ARN of its load balancer.
    pub(super) fn balancer(&self) -> String {
        let whole =
            self.arn.replacen(":listener-rule/", ":loadbalancer/", 1).replacen(":listener/", ":loadbalancer/", 1);
        whole.split('/').take(4).collect::<Vec<_>>().join("/")
    }

    pub(super) fn fields(&self) -> Value {
        weights::fields(&self.groups())
    }

    /// `blue 60 %, green 40 %`.
    pub(super) fn shown(&self) -> String {
        weights::shown(&self.groups())
    }

    pub(super) fn wish(&self, target: &Target, shares: &[Share]) -> Result<Vec<FieldChange>, Refusal> {
        if let Some(odd) = &self.odd {
            return Err(refusal(format!("{target}: {odd}; nothing was planned")));
        }
        let groups = self.groups();
        if groups.len() < 2 {
            return Err(refusal(format!("{target} forwards to one target group alone: there is nothing to divide")));
        }
        let shares: Vec<_> = shares
            .iter()
            .map(|share| Share { destination: Safe::from(name(&share.destination)), weight: share.weight })
            .collect();
        weights::wish(&groups, &shares).map_err(|why| refusal(said(&format!("cannot divert {target}: {why}"))))
    }

    /// The action list with the weights of `changes`.
    fn written(&self, changes: &[FieldChange]) -> Vec<Element> {
        let mut actions = self.actions.clone();
        for action in &mut actions {
            match action.text("Type") {
                "forward" => {
                    // Beside more than one group, ELB refuses the short form of a single one.
                    action.children.retain(|child| child.name != "TargetGroupArn");
                    let config = action.children.iter_mut().find(|child| child.name == "ForwardConfig");
                    let groups =
                        config.and_then(|config| config.children.iter_mut().find(|c| c.name == "TargetGroups"));
                    for group in groups.into_iter().flat_map(|groups| &mut groups.children) {
                        if let Some(weight) = given(changes, group.text("TargetGroupArn")) {
                            group.set("Weight", weight.to_string());
                        }
                    }
                }
                // The secret is not told, and would be lost.
                "authenticate-oidc" => {
                    if let Some(config) =
                        action.children.iter_mut().find(|child| child.name == "AuthenticateOidcConfig")
                    {
                        config.set("UseExistingClientSecret", "true".to_owned());
                    }
                }
                _ => {}
            }
        }
        actions
    }

    pub(super) fn call(&self, plan: &Plan) -> Option<Call> {
        if self.odd.is_some() || Split::new(self.groups(), &plan.changes).is_nothing() {
            return None;
        }
        let (operation, id, list) = self.operation();
        let mut parameters = vec![parameter(id, &self.arn)];
        Element::branch(list, self.written(&plan.changes)).parameters(list, &mut parameters);
        Some(Call::balancing(operation, parameters))
    }

    fn operation(&self) -> (&'static str, &'static str, &'static str) {
        if self.rule {
            ("ModifyRule", "RuleArn", "Actions")
        } else {
            ("ModifyListener", "ListenerArn", "DefaultActions")
        }
    }

    /// The weights are read back; from then on new requests go by them.
    pub(super) fn live(&self) -> Seen {
        Seen::Live { words: said(&self.shown()) }
    }

    pub(super) async fn draft(
        &self,
        api: &Api,
        want: &Request,
        changes: Vec<FieldChange>,
        cluster: &Cluster,
    ) -> Result<Draft, Refusal> {
        let split = Split::new(self.groups(), &changes);
        if split.is_nothing() {
            return Err(refusal("no target group would have any weight: nothing was planned"));
        }
        let whole = self.balancer();
        let (looked, away) =
            futures::join!(self.deployments(api, want.target(), &cluster.ecs), shifted_away(api, &whole));
        let looked = looked?;
        let left = away.as_ref().ok().and_then(Option::as_ref);
        let health = futures::future::join_all(split.ways.iter().map(|way| Standing::read(api, &way.key, left))).await;
        let targets: Vec<Option<u32>> = health.iter().map(|one| one.as_ref().ok().map(Standing::up)).collect();
        let (before, after) = (split.before_percent(), split.after_percent());
        let mut facts: Vec<Fact> = vec![split.fact()];
        match &away {
            Ok(None) => {}
            Ok(Some(away)) => facts.push(warning("zones", away.words.clone())),
            Err(error) => facts.push(warning(
                "zones",
                said(&format!("whether a zonal shift is on could not be asked ({error}): all zones count as served")),
            )),
        }
        for at in split.gaining() {
            let name = &split.ways[at].name;
            facts.push(match (&health[at], load(&TARGET, &targets, &before, &after, at)) {
                (Ok(standing), _) if standing.up() == 0 => {
                    return Err(refusal(said(&format!(
                        "{name} has no healthy target{}, of {}: {} of the requests would fail; bring up targets first",
                        if standing.away > 0 { " in a zone that is served" } else { "" },
                        standing.all,
                        words(after[at])
                    ))));
                }
                (Ok(standing), Some((text, more))) => {
                    let others =
                        split.ways.iter().enumerate().filter(|(other, _)| *other != at && split.after[*other] > 0);
                    let others = others.filter_map(|(other, _)| health[other].as_ref().ok());
                    let both = others.flat_map(|other| &other.healthy).filter(|id| standing.healthy.contains(*id));
                    let both = both.collect::<BTreeSet<_>>().len();
                    let rest = standing.rest(both);
                    Fact { warns: more || both > 0, ..fact("capacity", said(&format!("{name}: {text}{rest}"))) }
                }
                (Err(error), _) => warning(
                    "capacity",
                    said(&format!("{name}: what it can take of {} is not known ({error})", words(after[at]))),
                ),
                (Ok(_), None) => continue,
            });
        }
        let stickiness = self.forward().and_then(|forward| forward.at("ForwardConfig/TargetGroupStickinessConfig"));
        if let Some(sticky) = stickiness.filter(|sticky| sticky.text("Enabled") == "true") {
            let seconds = sticky.text("DurationSeconds");
            facts.push(warning("sticky", said(&format!("clients stay with their target group for {seconds} s"))));
        }
        facts.push(warning("no guard", "ELB has no compare-and-swap: a change within the same second could be lost"));
        facts.push(looked);
        let undo = want.is_undo();
        let (carries, will) = (together(&health, &split.now()), together(&health, &split.after));
        let carried = match want {
            Request::Undo { plan } => Some(plan.blast.ready_before),
            _ => carries,
        };
        let counts = match (carries, will) {
            (Some(now), Some(then)) => format!("; {now} healthy targets carry them now, {then} will"),
            _ => String::new(),
        };
        let changes = split.worded(changes);
        Ok(Draft {
            title: format!(
                "divert {} of {}{}",
                if self.rule { "a rule" } else { "a listener" },
                balancer(&self.arn),
                if undo { " back" } else { "" }
            ),
            guards: split.guards()?,
            undo: Some(split.undo(&changes)),
            blast: Blast {
                ready_before: carries.unwrap_or(0),
                wanted_before: None,
                wanted_after: will.unwrap_or(0),
                fewest_ready: will,
                words: Safe::from(format!("{} of its requests go elsewhere{counts}", split.moved())),
            },
            room: Room::NotNeeded,
            owners: self.owners(api).await,
            tier: if narrows(&targets, &split.after, carried) { Tier::Grave } else { Tier::Lowers },
            command: self.command(api, &changes),
            facts,
            instead: None,
            ends: if undo { Ends::Stays } else { Ends::Reminder },
            patience: PATIENCE,
            changes,
        })
    }

    fn command(&self, api: &Api, changes: &[FieldChange]) -> Vec<String> {
        let actions: Vec<_> = self.written(changes).iter().map(plain).collect();
        let mut words = api.cli(Service::Balancing);
        let (verb, id, list) = if self.rule {
            ("modify-rule", "--rule-arn", "--actions")
        } else {
            ("modify-listener", "--listener-arn", "--default-actions")
        };
        words.extend(["elbv2", verb, id, &self.arn, list].map(str::to_owned));
        words.push(Value::Array(actions).to_string());
        words
    }
}

/// The name of the load balancer in an ARN of one of its parts.
pub(super) fn balancer(arn: &str) -> String {
    let name = arn.split('/').nth(2).unwrap_or(arn);
    crate::text::clean_capped(name, 64).to_string()
}

/// The targets of a group, as far as they take traffic.
struct Standing {
    /// The ids of those that are healthy, in zones that get traffic.
    healthy: BTreeSet<String>,
    /// Healthy ones in zones that get none.
    away: usize,
    ill: usize,
    all: usize,
}

impl Standing {
    async fn read(api: &Api, group: &str, left: Option<&Away>) -> Result<Self, ApiError> {
        let members = members(api, group).await?;
        let (up, ill): (Vec<_>, Vec<_>) = members.iter().partition(|member| member.healthy);
        let (away, up): (Vec<_>, Vec<_>) =
            up.into_iter().partition(|member| left.is_some_and(|left| left.holds(&member.zone)));
        let healthy = up.iter().map(|member| member.id.clone()).collect();
        Ok(Self { healthy, away: away.len(), ill: ill.len(), all: members.len() })
    }

    fn up(&self) -> u32 {
        u32::try_from(self.healthy.len()).unwrap_or(u32::MAX)
    }

    /// What else is to be said of them; `both` are in another of the groups, too.
    fn rest(&self, both: usize) -> String {
        let parts = [
            (self.ill, "more are not healthy"),
            (self.away, "more are in a zone that gets no traffic"),
            (both, "of them are in another of these groups, too, and carry its share besides"),
        ];
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("; {count} {words}")).collect()
    }
}

/// All targets that carry traffic by `weights`, each once; `None` if those of one group are not
/// known.
fn together(health: &[Result<Standing, ApiError>], weights: &[u32]) -> Option<u32> {
    let mut all: BTreeSet<&String> = BTreeSet::new();
    for (standing, _) in health.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
        all.extend(&standing.as_ref().ok()?.healthy);
    }
    u32::try_from(all.len()).ok()
}

/// An action without its weights, and without what a write of it says otherwise than a read.
fn bare(element: &Element) -> Element {
    let short = element.name == "member" && element.at("ForwardConfig").is_some();
    let skipped = |child: &&Element| {
        let name = child.name.as_str();
        let ours = matches!(name, "Weight" | "ClientSecret" | "UseExistingClientSecret");
        !(ours || short && name == "TargetGroupArn")
    };
    Element { children: element.children.iter().filter(skipped).map(bare).collect(), ..element.clone() }
}

/// An element as the AWS CLI takes it.
fn plain(element: &Element) -> Value {
    if element.children.is_empty() {
        let number = matches!(element.name.as_str(), "Weight" | "Order" | "DurationSeconds" | "SessionTimeout");
        return match element.text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text if number => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
            text => json!(text),
        };
    }
    if element.children.iter().all(|child| child.name == "member") {
        return element.children.iter().map(plain).collect();
    }
    if element.children.iter().all(|child| child.name == "entry") {
        let pairs = element.children.iter().map(|entry| (entry.text("key").to_owned(), json!(entry.text("value"))));
        return Value::Object(pairs.collect());
    }
    Value::Object(element.children.iter().map(|child| (child.name.clone(), plain(child))).collect())
}
