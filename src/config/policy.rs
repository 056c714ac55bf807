//! Policies: what a team's configuration says of plans, over the guard rails that hold everywhere.
//!
//! Owns: which plans a policy is about, and what it says of one. Pure: what `config check` tries
//! is what the engine goes by. Must not: decide what becomes of a plan.

use chrono::{Datelike as _, Days, NaiveTime, Weekday};
use chrono_tz::Tz;

use crate::clock::World;
use crate::model::name::{Kind, ServiceName, Target};
use crate::model::plan::{Plan, Request, Tier};
use crate::text::Safe;

use super::catalogue::matches;

/// What people call the things that a plan does: for [`Policy::actions`].
pub const ACTIONS: [&str; 10] =
    ["scale", "bound", "roll-back", "restart", "abort", "divert", "switch", "evacuate", "silence", "run-step"];

/// The actions that set a number of replicas: what [`Rule::MostTimes`] is about.
pub(super) const COUNTS: [&str; 2] = ["scale", "bound"];

/// One policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: Safe,
    /// What it says, as a sentence for the person whose plan it is about.
    pub say: Safe,
    /// Environments, `*` for any run; all if empty. So are the others.
    pub environments: Vec<Safe>,
    /// Kinds of target.
    pub kinds: Vec<Kind>,
    /// Targets as `NAMESPACE/NAME`, with `*`.
    pub targets: Vec<Safe>,
    /// What a plan does: of [`ACTIONS`]. An undo does what it takes back.
    pub actions: Vec<Safe>,
    /// Tiers.
    pub tiers: Vec<Tier>,
    /// Services, with `*`.
    pub services: Vec<Safe>,
    /// What it demands.
    pub rule: Rule,
    /// What it is to say of some plans.
    pub tests: Vec<PolicyTest>,
}

/// What a policy demands of the plans that it is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// None of them.
    Deny,
    /// A second person.
    SecondPerson,
    /// None at these times; during an incident it warns.
    Freeze(Freeze),
    /// No plan that takes replicas lets fewer than so many be ready, on its way or later. Where
    /// that is not known of a plan that takes capacity or moves traffic, it warns.
    LeastReady(u32),
    /// At most so many times the replicas that are ready, or that were wanted before if those are
    /// more. About what sets their number alone: what replaces them makes no more of them.
    MostTimes(f64),
}

/// When nothing is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Freeze {
    /// Once.
    Once {
        /// From then.
        from: World,
        /// Until then.
        to: World,
    },
    /// Each week.
    Weekly {
        /// The days on which it begins.
        days: Vec<Weekday>,
        /// When.
        from: NaiveTime,
        /// When it ends: on the next day, if that is not later.
        to: NaiveTime,
        /// By the clocks of this zone.
        zone: Tz,
    },
}

/// A plan, as far as policies look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The environment.
    pub environment: Safe,
    /// The kind of target.
    pub kind: Kind,
    /// `NAMESPACE/NAME`.
    pub target: Safe,
    /// What it does: of [`ACTIONS`].
    pub action: Safe,
    /// Whether it takes something back.
    pub undo: bool,
    /// The tier that it has by itself, before any policy.
    pub tier: Tier,
    /// The services that it touches; none if none is known.
    pub services: Vec<ServiceName>,
    /// Ready replicas before.
    pub ready: u32,
    /// Replicas that were wanted before.
    pub before: u32,
    /// Replicas after.
    pub wanted: u32,
    /// The fewest that it allows to be ready; `None` if that is not known.
    pub fewest: Option<u32>,
    /// When.
    pub at: World,
    /// Whether an incident is open.
    pub incident: bool,
}

/// What a policy says of a plan that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is told.
    Warned,
    /// It takes a second person.
    SecondPerson,
    /// It cannot be confirmed.
    Denied,
}

/// A plan, and what the policy is to say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTest {
    /// The plan.
    pub case: Case,
    /// The verdict; `None` if it says nothing.
    pub expect: Option<Verdict>,
}

impl Case {
    /// The cases of a plan: of what it writes, of what was asked for (a workload whose autoscaler is
    /// written), and of what it comes to change beside.
    pub fn all(plan: &Plan, at: World, incident: bool) -> Vec<Self> {
        let asked = plan.request.origin().target();
        let mut targets = vec![&plan.target];
        for target in std::iter::once(asked).chain(&plan.affects) {
            if !targets.iter().any(|known| (known.kind, &known.path) == (target.kind, &target.path)) {
                targets.push(target);
            }
        }
        targets.into_iter().map(|target| Self::of(plan, target, at, incident)).collect()
    }

    fn of(plan: &Plan, target: &Target, at: World, incident: bool) -> Self {
        Self {
            environment: plan.target.origin.env.0.clone(),
            kind: target.kind,
            target: Safe::from(target.path.to_string()),
            action: Safe::fixed(action(plan.request.origin())),
            undo: plan.request.is_undo(),
            tier: plan.raised_from.unwrap_or(plan.tier),
            services: plan.service.iter().chain(&plan.services).cloned().collect(),
            ready: plan.blast.ready_before,
            before: plan.blast.wanted_before.unwrap_or(plan.blast.ready_before),
            wanted: plan.blast.wanted_after,
            fewest: plan.blast.fewest_ready,
            at,
            incident,
        }
    }
}

fn action(request: &Request) -> &'static str {
    match request {
        Request::Scale { .. } => "scale",
        Request::Bound { .. } => "bound",
        Request::RollBack { .. } => "roll-back",
        Request::Restart { .. } => "restart",
        Request::Abort { .. } => "abort",
        Request::Divert { .. } => "divert",
        Request::Switch { .. } => "switch",
        Request::Evacuate { .. } => "evacuate",
        Request::Silence { .. } => "silence",
        Request::RunStep { .. } => "run-step",
        // What it takes back is what it does.
        Request::Undo { .. } => "undo",
    }
}

impl Policy {
    /// What it says of a plan, if it says anything: the strictest for all that the plan is about.
    pub fn judge_plan(&self, plan: &Plan, at: World, incident: bool) -> Option<Verdict> {
        Case::all(plan, at, incident).iter().filter_map(|case| self.judge(case)).max()
    }

    /// What it says of a case, if it says anything.
    pub fn judge(&self, case: &Case) -> Option<Verdict> {
        if !self.is_about(case) {
            return None;
        }
        match &self.rule {
            Rule::Deny => Some(Verdict::Denied),
            Rule::SecondPerson => Some(Verdict::SecondPerson),
            // Taking a change back is what a freeze is for.
            Rule::Freeze(_) if case.undo => None,
            Rule::Freeze(freeze) => {
                let verdict = if case.incident { Verdict::Warned } else { Verdict::Denied };
                freeze.covers(case.at).then_some(verdict)
            }
            Rule::LeastReady(least) => match case.fewest {
                Some(fewest) => (fewest < *least && fewest < case.ready).then_some(Verdict::Denied),
                // What ends alerts or runs a command takes no replicas.
                None if ["silence", "run-step"].contains(&case.action.as_str()) => None,
                None => (case.tier > Tier::Reversible).then_some(Verdict::Warned),
            },
            Rule::MostTimes(_) if !COUNTS.contains(&case.action.as_str()) => None,
            Rule::MostTimes(times) => {
                let most = f64::from(case.ready.max(case.before).max(1)) * times;
                (f64::from(case.wanted) > most).then_some(Verdict::Denied)
            }
        }
    }

    fn is_about(&self, case: &Case) -> bool {
        let any = |patterns: &[Safe], text: &str| patterns.is_empty() || patterns.iter().any(|one| matches(one, text));
        let services = case.services.iter().map(ServiceName::as_str);
        let mut services = services.chain(case.services.is_empty().then_some(""));
        any(&self.environments, &case.environment)
            && (self.kinds.is_empty() || self.kinds.contains(&case.kind))
            && any(&self.targets, &case.target)
            && (self.actions.is_empty() || self.actions.contains(&case.action))
            && (self.tiers.is_empty() || self.tiers.contains(&case.tier))
            && services.any(|service| any(&self.services, service))
    }
}

impl Freeze {
    fn covers(&self, at: World) -> bool {
        match self {
            Self::Once { from, to } => (*from..*to).contains(&at),
            Self::Weekly { days, from, to, zone } => {
                let here = at.with_timezone(zone).naive_local();
                // It may have begun the day before.
                [0, 1].into_iter().any(|back| {
                    let Some(day) = here.date().checked_sub_days(Days::new(back)) else { return false };
                    let last = if to <= from { day.checked_add_days(Days::new(1)) } else { Some(day) };
                    days.contains(&day.weekday())
                        && last.is_some_and(|last| (day.and_time(*from)..last.and_time(*to)).contains(&here))
                })
            }
        }
    }
}

impl Verdict {
    /// The words of the configuration.
    pub(super) const WORDS: [(&'static str, Option<Self>); 4] = [
        ("allowed", None),
        ("warned", Some(Self::Warned)),
        ("second-person", Some(Self::SecondPerson)),
        ("denied", Some(Self::Denied)),
    ];

    /// The word for what a policy says of a plan.
    pub(super) fn word(verdict: Option<Self>) -> &'static str {
        Self::WORDS.iter().find(|(_, meant)| *meant == verdict).map_or("allowed", |(word, _)| word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{Blast, Replicas, Revision};
    use crate::record::testing::plan;

    fn at(text: &str) -> World {
        text.parse().unwrap()
    }

    fn policy(rule: Rule) -> Policy {
        Policy {
            name: "p".into(),
            say: "because".into(),
            environments: Vec::new(),
            kinds: Vec::new(),
            targets: Vec::new(),
            actions: Vec::new(),
            tiers: Vec::new(),
            services: Vec::new(),
            rule,
            tests: Vec::new(),
        }
    }

    fn case(ready: u32, wanted: u32) -> Case {
        let mut plan = plan("p1", "kubectl");
        (plan.blast.ready_before, plan.blast.wanted_before, plan.blast.wanted_after) = (ready, None, wanted);
        plan.blast.fewest_ready = Some(ready.min(wanted));
        Case::all(&plan, at("2026-11-27T17:00:00Z"), false).remove(0)
    }

    #[test]
    fn a_policy_is_about_a_workload_by_whatever_it_is_changed() {
        let mut plan = plan("p1", "kubectl");
        let mut workload = plan.target.clone();
        plan.target.kind = Kind::HorizontalPodAutoscaler;
        plan.request = Request::Bound { target: plan.target.clone(), floor: Some(1), cap: None };
        let mut deny = policy(Rule::Deny);
        deny.kinds = vec![workload.kind];
        let now = at("2026-11-27T17:00:00Z");
        assert_eq!(deny.judge_plan(&plan, now, false), None);
        plan.affects = vec![workload.clone()];
        assert_eq!(deny.judge_plan(&plan, now, false), Some(Verdict::Denied));
        workload.kind = Kind::Rollout;
        (plan.affects, plan.request) = (Vec::new(), Request::Restart { target: workload });
        deny.kinds = vec![Kind::Rollout];
        assert_eq!(deny.judge_plan(&plan, now, false), Some(Verdict::Denied), "what was asked for");
    }

    #[test]
    fn a_policy_of_one_service_is_about_whatever_touches_it() {
        let mut plan = plan("p1", "kubectl");
        let mut deny = policy(Rule::Deny);
        deny.services = vec!["check*".into()];
        let now = at("2026-11-27T17:00:00Z");
        assert_eq!(deny.judge_plan(&plan, now, false), None, "payments alone");
        plan.touches(&["payments".into(), "checkout".into(), "checkout".into()]);
        assert_eq!(plan.services, [ServiceName::from("checkout")], "each once");
        assert_eq!(deny.judge_plan(&plan, now, false), Some(Verdict::Denied));
        deny.services = vec!["payments".into()];
        assert_eq!(deny.judge_plan(&plan, now, false), Some(Verdict::Denied), "and of its own as before");
        (plan.service, plan.services) = (None, Vec::new());
        assert_eq!(deny.judge_plan(&plan, now, false), None);
        deny.services = vec!["*".into()];
        assert_eq!(deny.judge_plan(&plan, now, false), Some(Verdict::Denied), "of no known service");
    }

    #[test]
    fn a_jump_is_one_of_the_number_of_replicas_and_never_the_cure() {
        let four = policy(Rule::MostTimes(4.0));
        let mut plan = plan("p1", "kubectl");
        let target = plan.target.clone();
        let now = at("2026-11-27T17:00:00Z");
        let mut said = |request: Request, ready, before, wanted| {
            plan.request = request;
            plan.blast = Blast { ready_before: ready, wanted_before: before, wanted_after: wanted, ..Blast::default() };
            four.judge_plan(&plan, now, false)
        };
        let scale = |to| Request::Scale { target: target.clone(), to: Replicas::Exactly(to) };
        // Six that crash: all of them are to come back.
        let back = Request::RollBack { target: target.clone(), to: Revision::Previous };
        assert_eq!(said(back, 0, None, 6), None);
        assert_eq!(said(Request::Restart { target: target.clone() }, 0, None, 6), None);
        assert_eq!(said(Request::Divert { target: target.clone(), shares: Vec::new() }, 2, None, 10), None);
        assert_eq!(said(scale(8), 1, Some(12), 8), None, "it goes down");
        assert_eq!(said(scale(48), 1, Some(12), 48), None);
        assert_eq!(said(scale(49), 1, Some(12), 49), Some(Verdict::Denied));
        assert_eq!(said(scale(25), 6, None, 25), Some(Verdict::Denied), "what a plan of old tells");
        let bound = Request::Bound { target: target.clone(), floor: Some(25), cap: None };
        assert_eq!(said(bound, 6, Some(6), 25), Some(Verdict::Denied));
    }

    #[test]
    fn a_policy_is_about_what_fits_all_that_it_names() {
        let mut deny = policy(Rule::Deny);
        assert_eq!(deny.judge(&case(6, 12)), Some(Verdict::Denied));
        deny.environments = vec!["dr*".into()];
        deny.targets = vec!["shop/*".into(), "payments/pay*".into()];
        deny.actions = vec!["scale".into()];
        deny.services = vec!["payments".into()];
        assert_eq!(deny.judge(&case(6, 12)), Some(Verdict::Denied));
        deny.kinds = vec![Kind::StatefulSet];
        assert_eq!(deny.judge(&case(6, 12)), None);
    }

    #[test]
    fn a_floor_keeps_what_is_ready_and_lets_grow_what_is_below() {
        let floor = policy(Rule::LeastReady(3));
        assert_eq!(floor.judge(&case(6, 2)), Some(Verdict::Denied));
        assert_eq!(floor.judge(&case(6, 3)), None);
        assert_eq!(floor.judge(&case(1, 2)), None, "it grows");
        let later = |fewest, tier| floor.judge(&Case { fewest, tier, ..case(6, 6) });
        assert_eq!(later(Some(1), Tier::Lowers), Some(Verdict::Denied), "not now, but it lets it come to that");
        assert_eq!(later(None, Tier::Lowers), Some(Verdict::Warned), "nobody knows what is left");
        assert_eq!(later(None, Tier::Reversible), None);
        assert_eq!(policy(Rule::MostTimes(2.0)).judge(&case(6, 13)), Some(Verdict::Denied));
        assert_eq!(policy(Rule::MostTimes(2.0)).judge(&case(6, 12)), None);
    }

    #[test]
    fn a_freeze_blocks_warns_during_an_incident_and_lets_take_back() {
        let friday = Freeze::Weekly {
            days: vec![Weekday::Fri],
            from: NaiveTime::from_hms_opt(16, 0, 0).unwrap(),
            to: NaiveTime::from_hms_opt(8, 0, 0).unwrap(),
            zone: Tz::Europe__Berlin,
        };
        let freeze = policy(Rule::Freeze(friday));
        // 18:00 in Berlin, a Friday.
        let friday = case(6, 12);
        assert_eq!(freeze.judge(&friday), Some(Verdict::Denied));
        assert_eq!(freeze.judge(&Case { incident: true, ..friday.clone() }), Some(Verdict::Warned));
        assert_eq!(freeze.judge(&Case { undo: true, ..friday.clone() }), None);
        for (text, verdict) in [
            ("2026-11-27T14:59:00Z", None),
            ("2026-11-27T15:00:00Z", Some(Verdict::Denied)),
            ("2026-11-28T06:59:00Z", Some(Verdict::Denied)),
            ("2026-11-28T07:00:00Z", None),
            ("2026-11-28T16:00:00Z", None),
        ] {
            assert_eq!(freeze.judge(&Case { at: at(text), ..friday.clone() }), verdict, "{text}");
        }
        let once =
            policy(Rule::Freeze(Freeze::Once { from: at("2026-12-20T00:00:00Z"), to: at("2027-01-03T00:00:00Z") }));
        assert_eq!(once.judge(&friday), None);
        assert_eq!(once.judge(&Case { at: at("2026-12-31T00:00:00Z"), ..friday }), Some(Verdict::Denied));
    }
}
