//! Sessions under a storm of keys, behind proxies that hear every request: read-only ones change
//! nothing whatever is pressed, and with the write window open nothing is changed but what is on
//! the record, once.

use std::sync::{Arc, Mutex};

use crossterm::event::KeyCode;

use super::proxy::heard;
use super::wire::{Nature, nature};
use super::{Opening, Rehearsal, environment};
use crate::config::WritePolicy;
use crate::model::command::Command;
use crate::model::entry::{Body, Entry};
use crate::model::name::Kind;
use crate::model::plan::{FieldChange, Outcome, Plan, Tier};
use crate::record::Archive;
use crate::record::testing::MemoryDisk;
use crate::session::{Action, ActionState, Core, Grant, Input, PlanView, Signals, WriteWindow, commands};
use crate::text::Safe;
use crate::tui::tests::fingers::{Fingers, ctrl, key, typed};

/// Keys that are pressed while the write window is closed.
const KEYS: usize = 100_000;
/// And where the configuration allows no window: no gateway is there at all.
const FEWER: usize = 10_000;

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Any key: half of them are bound to something.
fn any_key(dice: &mut Dice) -> Input {
    const SPECIAL: [KeyCode; 13] = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
    ];
    const BOUND: &[u8] = b"123456 0XTzfjkhlgGd/nNuwaxcS:?tzqyrbeEps";
    match dice.below(10) {
        0..5 => key(KeyCode::Char(char::from(*dice.of(BOUND)))),
        5..7 => key(*dice.of(&SPECIAL)),
        7 => ctrl(char::from(*dice.of(b"fdulecz"))),
        _ => key(KeyCode::Char(char::from(b' ' + u8::try_from(dice.below(95)).unwrap()))),
    }
}

/// What there is to type after a command, for any command.
const ARGUMENTS: [&str; 18] = [
    "",
    "payments/payments 12",
    "payments/payments +1",
    "payments/payments",
    "payments second-gateway=20",
    "shop/checkout color=green",
    "storefront eu-central-1b 2h",
    "payments 1h because alertname=PaymentsCPUHigh",
    "payments/payments 2..8",
    "1",
    "checkout",
    "developers",
    "storm because",
    "rate-limit-storm because",
    "resolved",
    "SEV2",
    "mitigated",
    "3",
];

/// A drill's world, what there is to be planned in it, and how many plans are applied: together
/// every system that can be acted on, each by every action that the world knows. The one place:
/// whoever adds a system or an action adds its lines here.
struct Stage {
    scenario: &'static str,
    plans: usize,
    /// What a plan of a line changes, and the line, in which `#` stands for a small number.
    wishes: &'static [(&'static str, &'static str)],
    /// The actions that have to be among what was applied.
    actions: &'static [&'static str],
    /// And the tiers.
    tiers: &'static [Tier],
}

const STAGES: [Stage; 3] = [
    Stage {
        scenario: "rate-limit-storm",
        plans: 170,
        wishes: &[
            ("", "undo"),
            ("payments/payments", "scale payments/payments +#"),
            ("payments/payments", "scale payments/payments -#"),
            ("payments/payments", "rollback payments/payments"),
            ("payments/partner-gateway", "scale payments/partner-gateway 0"),
            ("payments/partner-gateway", "scale payments/partner-gateway +#"),
            ("payments/partner-gateway", "divert payments second-gateway=#0"),
            ("", "silence {alertname=\"PaymentsCPUHigh\"} 1#m noise"),
            ("shop/checkout", "scale shop/checkout +#"),
            ("shop/checkout", "scale shop/checkout -#"),
            ("shop/cart", "restart shop/cart"),
            ("shop/cart", "bound shop/cart #..9"),
            ("shop/cart", "bound shop/cart 3..1#"),
            ("shop/cart", "scale shop/cart +#"),
            ("shop/storefront", "scale shop/storefront +#"),
            ("shop/storefront", "scale shop/storefront -#"),
            ("shop/search", "rollback shop/search"),
            ("shop/search", "scale shop/search +#"),
            ("identity/login", "restart identity/login"),
            ("identity/login", "scale identity/login +#"),
            ("identity/login", "scale identity/login 0"),
            ("shop/mail", "scale shop/mail +#"),
            ("shop/mail", "scale shop/mail -#"),
            ("shop/mail", "scale shop/mail 0"),
            ("platform/reports", "scale platform/reports +#"),
            ("platform/reports", "scale platform/reports -#"),
            ("platform/notifier", "scale platform/notifier +#"),
            ("platform/notifier", "scale platform/notifier -#"),
        ],
        actions: &["Scale", "Bound", "RollBack", "Restart", "Divert", "Silence", "Undo"],
        tiers: &[Tier::Reversible, Tier::Lowers, Tier::Grave],
    },
    Stage {
        scenario: "zone-outage",
        plans: 30,
        wishes: &[
            ("", "undo"),
            ("", "evacuate storefront eu-central-1b 2h"),
            ("", "evacuate storefront eu-central-1a 1h"),
            ("shop/storefront", "scale shop/storefront +#"),
            ("shop/storefront", "scale shop/storefront -#"),
            ("shop/checkout", "scale shop/checkout +#"),
            ("shop/checkout", "scale shop/checkout -#"),
        ],
        actions: &["Scale", "Evacuate", "Undo"],
        tiers: &[Tier::Reversible, Tier::Lowers],
    },
    Stage {
        scenario: "bad-deploy",
        plans: 20,
        wishes: &[
            ("", "undo"),
            ("shop/cart-store", "restart shop/cart-store"),
            ("shop/cart-store", "rollback shop/cart-store"),
            ("shop/cart-store", "scale shop/cart-store +#"),
            ("platform/log-agent", "restart platform/log-agent"),
            ("platform/log-agent", "rollback platform/log-agent"),
            ("shop/recommendations", "abort shop/recommendations"),
            ("shop/recommendations", "abort shop/recommendations"),
            ("shop/recommendations", "rollback shop/recommendations"),
            ("shop/recommendations", "scale shop/recommendations +#"),
        ],
        actions: &["Scale", "RollBack", "Restart", "Abort", "Undo"],
        tiers: &[Tier::Reversible, Tier::Lowers],
    },
];

/// Every command by its name, with whatever can be read as its arguments.
fn every_command(env: &str) -> Vec<Input> {
    let own = format!("{env} because");
    let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([own.as_str()]).collect();
    let mut all = Vec::new();
    for command in commands::COMMANDS {
        let parsed: Vec<_> = arguments.iter().filter_map(|given| command.parse(given).ok()).collect();
        assert!(!parsed.is_empty(), "no arguments for {}: add some", command.id);
        all.extend(parsed.into_iter().map(Input::Command));
    }
    all
}

async fn session<P: FnMut(&Core) -> Vec<Input>>(opening: Opening, fingers: &mut Fingers<P>) -> Core {
    let core = Opening::core(&opening.env, &opening.catalogue, &opening.actor, &opening.clock);
    let session = opening.run(core, fingers, Signals::listen());
    match tokio::time::timeout(3 * super::PATIENCE, session).await {
        Ok((_, core)) => core,
        Err(_) => panic!("after {} keys the session goes on: {}", fingers.pressed, fingers.last),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_pressed_in_a_read_only_session_changes_nothing() {
    let world = Rehearsal::start(None, 60.0).await;
    let dir = tempfile::tempdir().unwrap();
    for (write, many) in [(WritePolicy::Deny, FEWER), (WritePolicy::Ask, KEYS)] {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let ear = {
            let told = Arc::clone(&told);
            move |system: &str, parts: &http::request::Parts, body: &[u8]| {
                // Not even a dry run: that is a request to write.
                if nature(system, parts, body) != Nature::Reads {
                    told.lock().unwrap().push(format!("{system}: {} {}", parts.method, parts.uri));
                }
            }
        };
        let behind = heard(&world.drill.endpoints, dir.path(), ear).await;
        let mut env = environment(&world.scenario, Some(&behind.endpoints));
        env.write = write;
        let name = env.name.to_string();
        let disk = MemoryDisk::default();
        let archive = Archive::on(dir.path().join("records"), Arc::new(disk));
        let opening = Opening { env, ..world.opening(&archive) };
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut left = many;
        // The write window is opened by its own question alone, which needs the name: where it
        // may be opened, nobody types that.
        let mut direct: Vec<Input> = every_command(&name)
            .into_iter()
            .filter(|input| {
                let opens = matches!(input, Input::Command(Command::OpenWrite { env, .. }) if *env == *name);
                write == WritePolicy::Deny || !opens
            })
            .collect();
        let mut fingers = Fingers::new(|core: &Core| {
            assert_eq!(core.window, WriteWindow::Closed);
            if left == 0 {
                return vec![Input::Ended];
            }
            let next = left.min(100);
            left -= next;
            let mut keys: Vec<Input> = (0..next).map(|_| any_key(&mut dice)).collect();
            // Between the keys every command by its name.
            for _ in 0..10 {
                if let Some(command) = direct.pop() {
                    keys.extend([key(KeyCode::Esc), key(KeyCode::Esc), command]);
                }
            }
            keys
        });
        let core = session(opening, &mut fingers).await;
        assert!(fingers.pressed >= many, "{}", fingers.pressed);
        drop(fingers);
        assert!(direct.is_empty(), "every command was given");
        assert!(core.actions.is_empty() && core.plan.is_none());
        assert!(core.picture.sources.rows().iter().any(|row| row.is_live()), "it was connected all the time");
        assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
    }
}

/// Every plan whose intent is on the disk.
fn intents(disk: &MemoryDisk) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    // What a power cut leaves is what is durable.
    for (path, bytes) in disk.after_power_cut(0).files() {
        if !path.to_string_lossy().ends_with(".jsonl") || !path.to_string_lossy().contains("/journal/") {
            continue;
        }
        for line in String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains("\"intent\"")) {
            if let Ok(Entry { draft, .. }) = serde_json::from_str(line)
                && let Some(Body::Intent(plan)) = draft.body
                && !plans.iter().any(|known| known.id == plan.id)
            {
                plans.push(*plan);
            }
        }
    }
    plans
}

/// Whether a request can be the write of a plan: it names its target, and holds the numbers that it
/// writes. No other action goes on at a target meanwhile, so that there is no other that it could be.
fn writes(plan: &Plan, system: &str, uri: &str, body: &str) -> bool {
    let name = plan.target.path.name.as_str();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_without_a_durable_intent_and_once_for_each() {
    let mut plans = 0;
    for stage in &STAGES {
        plans += pressed_on(stage).await;
    }
    assert!(plans >= 200, "{plans}");
}

/// Presses keys in a world until enough plans were applied, and says how many.
async fn pressed_on(stage: &Stage) -> usize {
    let world = Rehearsal::of(stage.scenario, None, 120.0).await;
    let dir = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::default();
    let heard_of: Arc<Mutex<Heard>> = Arc::default();
    let ear = {
        let (heard, disk) = (Arc::clone(&heard_of), disk.clone());
        move |system: &str, parts: &http::request::Parts, body: &[u8]| {
            if nature(system, parts, body) != Nature::Changes {
                return;
            }
            let (uri, body) = (decoded(&parts.uri.to_string()), decoded(&String::from_utf8_lossy(body)));
            let mut heard = heard.lock().unwrap();
            let fits = intents(&disk)
                .into_iter()
                .find(|plan| writes(plan, system, &uri, &body) && !heard.spent.iter().any(|spent| spent.id == plan.id));
            match fits {
                Some(plan) => heard.spent.push(plan),
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
        if core.actions.iter().filter(|action| was_applied(action)).count() >= stage.plans {
            // What is under way comes to its end, and the session with it.
            let under = core.actions.iter().any(|action| matches!(action.state, ActionState::Under(_)));
            return if under { Vec::new() } else { vec![Input::Ended] };
        }
        if core.incident.is_none() {
            return vec![Input::Command(commands::parse("open a storm of keys").unwrap())];
        }
        if core.window == WriteWindow::Closed {
            let reason = Safe::fixed("the test");
            return vec![Input::Command(Command::OpenWrite { env: Safe::from(name.as_str()), reason })];
        }
        // A third of what is pressed is anything; it leads into dialogs and out of them.
        if dice.below(3) == 0 {
            return (0..1 + dice.below(6)).map(|_| any_key(&mut dice)).collect();
        }
        match &core.plan {
            Some(PlanView::Shown { plan, blocked: None }) => confirms(core, plan),
            Some(PlanView::Shown { .. } | PlanView::Refused { .. }) => vec![key(KeyCode::Esc)],
            Some(PlanView::Planning { .. }) => Vec::new(),
            None => {
                let (target, line) = *dice.of(stage.wishes);
                let line = line.replace('#', &(1 + dice.below(2)).to_string());
                let busy = |action: &Action| {
                    matches!(action.state, ActionState::Under(_)) && action.plan.target.path.to_string() == target
                };
                // Now and then at one that is busy: the engine says no to that.
                if core.actions.iter().any(busy) && dice.below(20) > 0 {
                    return Vec::new();
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
    // The name of the request, as it stands before its fields.
    let name = |action: &Action| -> String {
        format!("{:?}", action.plan.request).chars().take_while(|c| c.is_alphabetic()).collect()
    };
    let missing: Vec<_> =
        stage.actions.iter().filter(|wanted| !applied.iter().any(|action| name(action) == **wanted)).collect();
    assert!(missing.is_empty(), "never applied: {missing:?}");
    let heard = heard_of.lock().unwrap();
    assert_eq!(heard.wrong, Vec::<String>::new(), "without an intent, or a second time");
    assert!(heard.spent.len() >= verified.len());
    for action in &verified {
        assert!(heard.spent.iter().any(|plan| plan.id == action.plan.id), "{} was never written", action.plan.title);
    }
    applied.len()
}
