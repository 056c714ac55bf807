//! Two processes that act on one target, and a window that runs out at the worst moment: what
//! stands between a confirmation and the write.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Barrier;

use super::{Opening, Rehearsal, ana};
use crate::config::Environment;
use crate::model::command::{Command, WorkloadChoice};
use crate::model::entry::{Entry, EntryId};
use crate::model::name::{Kind, ObjectPath, Origin, Target};
use crate::model::plan::{Outcome, Plan, Progress, Replicas, Request};
use crate::record::testing::MemoryDisk;
use crate::record::{Archive, Journal, StartInfo};
use crate::respond::{Cluster, Engine};
use crate::session::{Core, Effect, Message, WriteWindow, update};
use crate::text::Safe;

/// Plans live ninety seconds of world time: slow enough to be read.
const SPEED: f64 = 20.0;

fn mail(env: &Environment) -> Target {
    Target {
        origin: Origin { env: env.name.clone(), source: "kubernetes".into() },
        kind: Kind::Deployment,
        path: ObjectPath::new("shop", "mail"),
        uid: None,
    }
}

fn journal(world: &Rehearsal, archive: &Archive) -> Journal {
    let info = StartInfo {
        incident: None,
        version: Safe::fixed("0"),
        drill: true,
        env: Safe::fixed("drill"),
        titles: Default::default(),
        actor: ana(),
        at: world.clock.now(),
    };
    archive.rolling(info).unwrap()
}

async fn replicas(world: &Rehearsal) -> u64 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/apis/apps/v1/namespaces/shop/deployments/mail", world.drill.endpoints.kubernetes);
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["spec"]["replicas"].as_u64().unwrap()
}

async fn planned(engine: &Engine, env: &Environment, to: u32) -> Plan {
    let want = Request::Scale { target: mail(env), to: Replicas::Exactly(to) };
    engine.plan(&want, &Cluster::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_act_on_one_target_at_once_one_is_refused_and_says_what_moved() {
    let world = Rehearsal::start(None, SPEED).await;
    let env = world.environment();
    let archive = Archive::on("/records", Arc::new(MemoryDisk::default()));
    let before = u32::try_from(replicas(&world).await).unwrap();
    // Each has an engine of its own, as two programs have: neither knows that the other is there.
    let engine = || Engine::new(&env, world.clock.clone()).unwrap();
    let (ana_s, ben_s) = (engine(), engine());
    let mine = planned(&ana_s, &env, before + 1).await;
    let theirs = planned(&ben_s, &env, before + 2).await;
    let (first, second) = (journal(&world, &archive), journal(&world, &archive));
    // Both are confirmed before either is written.
    let together = Barrier::new(2);
    let (actor, quiet) = (ana(), |_: Progress| ());
    let apply = async |engine: &Engine, plan: Plan, journal: &Journal| {
        together.wait().await;
        engine.apply(plan, &actor, journal, &quiet).await.unwrap().outcome
    };
    let (one, other) = tokio::join!(apply(&ana_s, mine, &first), apply(&ben_s, theirs, &second));
    let (to, lost) = match (&one, &other) {
        (Outcome::Verified { .. }, lost) => (before + 1, lost),
        (lost, Outcome::Verified { .. }) => (before + 2, lost),
        both => panic!("one of them has it: {both:?}"),
    };
    let Outcome::Refused { why } = lost else { panic!("{one:?}, {other:?}") };
    assert!(why.contains("replicas") && why.contains(&to.to_string()), "it says what moved: {why}");
    assert_eq!(replicas(&world).await, u64::from(to), "it was written once");
}

/// Hands each entry back as durable.
fn send(core: &mut Core, message: Message) -> Vec<Effect> {
    let mut rest = Vec::new();
    let mut todo = update(core, message);
    while !todo.is_empty() {
        match todo.remove(0) {
            Effect::Record { ticket, dated, .. } => {
                let id = EntryId(format!("E{ticket}").into());
                let (occurred_at, observed_at) = (dated.occurred_at, dated.observed_at);
                let entry = Entry { id, occurred_at, observed_at, draft: dated.draft };
                todo.extend(update(core, Message::Recorded { ticket, result: Ok(entry) }));
            }
            effect => rest.push(effect),
        }
    }
    rest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_runs_out_between_the_confirmation_and_the_write_voids_the_write() {
    let world = Rehearsal::start(None, SPEED).await;
    let env = Environment { write_window: Duration::from_secs(30), ..world.environment() };
    let archive = Archive::on("/records", Arc::new(MemoryDisk::default()));
    let opening = Opening { env: env.clone(), ..world.opening(&archive) };
    let engine = Engine::new(&env, world.clock.clone()).unwrap();
    let before = replicas(&world).await;
    let mut core = Opening::core(&env, &opening.catalogue, &opening.actor, &world.clock);

    let reason = Safe::fixed("storm");
    send(&mut core, Message::Command(Command::OpenWrite { env: env.name.0.clone(), reason }));
    let WriteWindow::Open { until, .. } = core.window else { panic!("{:?}", core.notice) };
    // What the picture does not show is named by its kind; what comes back is what the engine made.
    let workload = WorkloadChoice::Named("Rollout shop/mail".into());
    let asked = send(&mut core, Message::Command(Command::Abort { workload }));
    let [Effect::Plan { ticket, .. }] = asked[..] else { panic!("{asked:?}") };
    let plan = planned(&engine, &env, u32::try_from(before).unwrap() + 1).await;
    assert!(plan.expires_at > until, "the plan itself would live longer");
    let seen = Some(plan.id.clone());
    send(&mut core, Message::Planned { ticket, result: Ok(plan) });
    let confirmed = send(&mut core, Message::Command(Command::Confirm { plan: seen, typed: None }));
    let [Effect::Apply { plan, actor, .. }] = &confirmed[..] else { panic!("{confirmed:?}: {:?}", core.notice) };

    drop(world.clock.due(until + TimeDelta::seconds(1)).await);
    let journal = journal(&world, &archive);
    let refused = engine.apply(plan.clone(), actor, &journal, &|_| ()).await;
    let why = refused.expect_err("nothing is written").why;
    assert!(why.contains("refresh the plan"), "{why}");
    assert_eq!(replicas(&world).await, before);
}
