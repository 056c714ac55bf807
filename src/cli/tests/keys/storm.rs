//! Keys with the write window open, weighted toward what changes things.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use crossterm::event::KeyCode;
use serde_json::json;

use super::super::proxy::heard;
use super::super::wire::{Nature, nature, place};
use super::super::{Opening, Rehearsal, environment};
use super::stages::{ALL, BAD_DEPLOY, OTHER_ROUTES, RATE_LIMIT_STORM, Stage, ZONE_OUTAGE};
use super::{Dice, any_key, session};
use crate::model::command::Command;
use crate::model::entry::{Body, Entry};
use crate::model::name::Kind;
use crate::model::plan::{FieldChange, Outcome, Plan, PlanId, Tier};
use crate::record::Archive;
use crate::record::testing::MemoryDisk;
use crate::session::{Action, ActionState, Core, Grant, Input, PlanView, WriteWindow, commands};
use crate::tui::tests::fingers::{Fingers, key, typed};

/// Seconds of the world in one by the wall, at most.
const SPEED: f64 = 240.0;

/// Somebody else who deploys, past whoever listens.
struct Pipeline {
    url: String,
    client: reqwest::Client,
}

impl Pipeline {
    fn deploys(&self, service: &str, revision: usize) {
        let body = json!({ "cluster": "prod", "service": service, "taskDefinition": format!("{service}:{revision}") });
        let request = self
            .client
            .post(&self.url)
            .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.UpdateService")
            .body(body.to_string());
        tokio::spawn(async move { request.send().await.unwrap().error_for_status().unwrap() });
    }
}

/// Every plan whose intent is on the disk, and no outcome: those that are under way.
fn open(disk: &MemoryDisk) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut ended: HashSet<PlanId> = HashSet::new();
    // What a power cut leaves is what is durable.
    for (path, bytes) in disk.after_power_cut(0).files() {
        if !path.to_string_lossy().ends_with(".jsonl") || !path.to_string_lossy().contains("/journal/") {
            continue;
        }
        let told = |line: &&str| line.contains("\"intent\"") || line.contains("\"outcome\"");
        for line in String::from_utf8_lossy(&bytes).lines().filter(told) {
            match serde_json::from_str(line).ok().and_then(|Entry { draft, .. }| draft.body) {
                Some(Body::Intent(plan)) if !plans.iter().any(|known| known.id == plan.id) => plans.push(*plan),
                Some(Body::Outcome { plan, .. }) => {
                    ended.insert(plan);
                }
                _ => {}
            }
        }
    }
    plans.retain(|plan| !ended.contains(&plan.id));
    plans
}

/// Whether a request can be the write of a plan: it names its target, and holds the numbers that it
/// writes. No other action goes on at a target meanwhile, so that there is no other that it could be.
fn writes(plan: &Plan, system: &str, uri: &str, body: &str) -> bool {
    let name = match plan.target.kind {
        // The type of a record stands elsewhere.
        Kind::RecordSet => plan.target.path.name.split('/').next().unwrap(),
        // The end of a shift names the shift alone, and there is one load balancer.
        Kind::LoadBalancer => "/zonalshifts",
        _ => plan.target.path.name.as_str(),
    };
    let number = |change: &&FieldChange| change.words.is_none() && change.after.parse::<u32>().is_ok();
    let holds = |change: &FieldChange| body.contains(change.after.as_str());
    // Silences name no object: there is one Alertmanager.
    let alertmanager = system == "alertmanager" && plan.target.kind == Kind::Silence;
    (alertmanager || uri.contains(name) || body.contains(name))
        && (system != "kubernetes" || plan.changes.iter().filter(number).all(holds))
}

/// What forms and paths hide.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let code = match (first, others) {
            (b'%', [a, b, ..]) => u8::from_str_radix(&String::from_utf8_lossy(&[*a, *b]), 16).ok(),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &others[2..] } else { others };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What was heard of writes, held against the record at the moment of each.
#[derive(Default)]
struct Heard {
    /// Plans that a request was the write of.
    spent: Vec<Plan>,
    /// What was written to, as `wire` calls it.
    written: BTreeSet<String>,
    wrong: Vec<String>,
}

/// Whether a plan was written, as far as its outcome tells.
fn was_applied(action: &Action) -> bool {
    matches!(&action.state, ActionState::Ended(outcome) if !matches!(outcome, Outcome::Refused { .. }))
}

/// What a person does who wants to change things: reads the plan and confirms it as it asks to be.
fn confirms(core: &Core, plan: &Plan) -> Vec<Input> {
    // Whatever was typed there before goes.
    let clear = || [vec![key(KeyCode::Right); 12], vec![key(KeyCode::Backspace); 12]].concat();
    let name = || [clear(), typed(plan.name_to_type()), vec![key(KeyCode::Enter)]].concat();
    match (plan.tier, core.consent.as_ref().map(|consent| &consent.grant)) {
        (Tier::Reversible, _) => vec![key(KeyCode::Char('y'))],
        (Tier::Lowers, _) | (Tier::Grave, Some(Grant::Given(_))) => name(),
        (Tier::Grave, Some(Grant::Awaited)) => {
            [vec![key(KeyCode::Char('b'))], typed("alone tonight"), vec![key(KeyCode::Enter)]].concat()
        }
        (Tier::Grave, _) => Vec::new(),
    }
}

#[test]
fn the_worlds_of_the_storm_take_two_hundred_plans_together() {
    assert!(ALL.iter().map(|stage| stage.plans).sum::<usize>() >= 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_durable_intent_and_once_for_each() {
    pressed_on(&RATE_LIMIT_STORM).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_durable_intent_and_once_for_each_under_self_heal() {
    pressed_on(&BAD_DEPLOY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_durable_intent_and_once_for_each_on_aws() {
    pressed_on(&ZONE_OUTAGE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_durable_intent_and_once_for_each_by_other_routes() {
    pressed_on(&OTHER_ROUTES).await;
}

/// Actions that were not applied yet, and what was not written to.
fn missing(stage: &Stage, core: &Core, heard: &Mutex<Heard>) -> Vec<&'static str> {
    // The name of the request, as it stands before its fields.
    let name = |action: &Action| -> String {
        format!("{:?}", action.plan.request).chars().take_while(|c| c.is_alphabetic()).collect()
    };
    let applied: BTreeSet<String> = core.actions.iter().filter(|action| was_applied(action)).map(name).collect();
    let written = &heard.lock().unwrap().written;
    let actions = stage.actions.iter().filter(|wanted| !applied.contains(**wanted));
    actions.chain(stage.written.iter().filter(|wanted| !written.contains(**wanted))).copied().collect()
}

/// Presses keys in a world until enough plans were applied, and of every sort.
async fn pressed_on(stage: &'static Stage) {
    let world = Rehearsal::in_scenario(stage.scenario(), None, SPEED).await;
    let pipeline = Pipeline {
        url: world.drill.endpoints.aws.clone(),
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
    };
    let dir = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::default();
    let heard_of: Arc<Mutex<Heard>> = Arc::default();
    let ear = {
        let (heard, disk) = (Arc::clone(&heard_of), disk.clone());
        move |system: &str, parts: &http::request::Parts, body: &[u8]| {
            if nature(system, parts, body) != Nature::Changes {
                return;
            }
            let place = place(system, parts, body);
            let (uri, body) = (decoded(&parts.uri.to_string()), decoded(&String::from_utf8_lossy(body)));
            let mut heard = heard.lock().unwrap();
            let fits = open(&disk)
                .into_iter()
                .find(|plan| writes(plan, system, &uri, &body) && !heard.spent.iter().any(|spent| spent.id == plan.id));
            match fits {
                Some(plan) => {
                    heard.spent.push(plan);
                    heard.written.insert(place);
                }
                None => heard.wrong.push(format!("{system}: {} {uri} {body}", parts.method)),
            }
        }
    };
    let behind = heard(&world.drill.endpoints, dir.path(), ear).await;
    let env = environment(&world.scenario, Some(&behind.endpoints));
    let name = env.name.to_string();
    let archive = Archive::on(dir.path().join("records"), Arc::new(disk.clone()));
    let opening = Opening { env, ..world.opening(&archive) };
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut last = None;
    let mut fingers = Fingers::new(|core: &Core| {
        // A burst of keys when a second has passed in the world, or something has come of the last
        // one: a storm without a pause would keep the world from going on, since keys come first.
        let seen = Some((core.now, core.shown_plan().map(|plan| plan.id.clone()), core.plan.is_some()));
        if std::mem::replace(&mut last, seen.clone()) == seen {
            return Vec::new();
        }
        let applied = core.actions.iter().filter(|action| was_applied(action)).count();
        // Chance may take longer to come to everything; not for ever.
        if applied >= stage.plans && missing(stage, core, &heard_of).is_empty() || applied >= 3 * stage.plans {
            // What is under way comes to its end, and the session with it.
            let under = core.actions.iter().any(|action| matches!(action.state, ActionState::Under(_)));
            return if under { Vec::new() } else { vec![Input::Ended] };
        }
        if core.incident.is_none() {
            return vec![Input::Command(commands::parse("open a storm of keys").unwrap())];
        }
        if core.window == WriteWindow::Closed {
            // The name is typed by hand: nothing else opens it.
            let asks = [vec![key(KeyCode::Esc), key(KeyCode::Esc), key(KeyCode::Char(':'))], typed("write")];
            let lines = [typed(&name), typed("the test")].map(|line| [line, vec![key(KeyCode::Enter)]].concat());
            return [asks.concat(), vec![key(KeyCode::Enter)], lines.concat()].concat();
        }
        // A third of what is pressed is anything; it leads into dialogs and out of them.
        if dice.below(3) == 0 {
            return (0..1 + dice.below(6)).map(|_| any_key(&mut dice)).collect();
        }
        match &core.plan {
            Some(PlanView::Shown { plan, blocked: None }) => confirms(core, plan),
            // What would be undone is planned at whoever would undo it, or left.
            Some(PlanView::Shown { plan, .. }) if plan.instead.is_some() && dice.below(2) == 0 => {
                vec![Input::Command(Command::PlanInstead)]
            }
            Some(PlanView::Shown { .. } | PlanView::Refused { .. }) => vec![key(KeyCode::Esc)],
            Some(PlanView::Planning { .. }) => Vec::new(),
            None => {
                let (target, line) = *dice.of(stage.wishes);
                let deployed = line.strip_prefix("abort prod/");
                let line = line.replace('#', &(1 + dice.below(2)).to_string());
                let busy = |action: &Action| {
                    matches!(action.state, ActionState::Under(_)) && action.plan.target.path.to_string() == target
                };
                // Now and then at one that is busy: the engine says no to that.
                if core.actions.iter().any(busy) && dice.below(20) > 0 {
                    return Vec::new();
                }
                if let Some(service) = deployed {
                    pipeline.deploys(service, 1 + dice.below(2));
                }
                let line = [vec![key(KeyCode::Esc), key(KeyCode::Esc), key(KeyCode::Char(':'))], typed(&line)];
                [line.concat(), vec![key(KeyCode::Enter)]].concat()
            }
        }
    });
    let core = session(opening, &mut fingers).await;
    drop(fingers);
    let applied: Vec<_> = core.actions.iter().filter(|action| was_applied(action)).collect();
    let verified: Vec<_> =
        applied.iter().filter(|action| matches!(action.state, ActionState::Ended(Outcome::Verified { .. }))).collect();
    assert!(verified.len() >= stage.plans / 2, "{} verified of {}", verified.len(), applied.len());
    let tiers = |tier| applied.iter().any(|action| action.plan.tier == tier);
    assert!(stage.tiers.iter().all(|tier| tiers(*tier)), "every tier was met");
    let missing = missing(stage, &core, &heard_of);
    assert!(missing.is_empty(), "never applied or written to in {}: {missing:?}", stage.scenario);
    let heard = heard_of.lock().unwrap();
    assert_eq!(heard.wrong, Vec::<String>::new(), "without an intent, or a second time");
    assert!(heard.spent.len() >= verified.len());
    for action in &verified {
        assert!(heard.spent.iter().any(|plan| plan.id == action.plan.id), "{} was never written", action.plan.title);
    }
}
