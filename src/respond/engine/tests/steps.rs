//! What has to hold for every action of every system, as checks that take the system's own test
//! server: killed at any step, and done and undone.
//!
//! A new actuator implements [`Served`] for its server and calls these with its requests.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{Pad, Room, ana};
use crate::clock::Clock;
use crate::model::entry::EntryKind;
use crate::model::name::EnvId;
use crate::model::plan::{Plan, Request, Tier};
use crate::record::consent_hash;
use crate::respond::{Actuator, By, Warrant};

/// A system's server for tests.
pub(in crate::respond) trait Served {
    /// The environment that its targets are in.
    fn env(&self) -> EnvId;
    /// A new actuator of it, as a new process has one.
    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator>;
    /// What counts intents as they become durable.
    fn intents(&self) -> Arc<AtomicUsize>;
    /// For each request that could have changed something, how many intents were durable when it
    /// came in.
    fn writes(&self) -> Vec<usize>;
    /// All that actions change in it.
    fn holds(&self) -> Value;
}

/// What lets a plan of any tier be applied.
pub(in crate::respond) fn warrant(plan: &Plan) -> Option<Warrant> {
    let incident = "2026-11-21-checkout".into();
    (plan.tier == Tier::Grave).then(|| Warrant {
        hash: consent_hash(&incident, &plan.id, plan),
        asked: plan.id.clone(),
        incident,
        by: By::Second { name: "bob".into(), uid: 1002 },
    })
}

async fn done(room: &Room, pad: &Pad, want: &Request) -> Plan {
    let plan = room.plan(want).await;
    let ended = room.engine.apply_with(plan.clone(), warrant(&plan).as_ref(), &ana(), pad, &|_| ()).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "verified", "{}: {:?}", plan.title, ended.outcome);
    plan
}

/// Kills the process at every step that an action tells of. The next process finds the open
/// intent, reads the system and says what happened: nothing is written without a durable intent,
/// nothing twice, and "verified" is said of what is there.
pub(in crate::respond) async fn killed_at_each_step<S: Served>(start: impl AsyncFn() -> S, want: &Request) {
    let whole = start().await;
    done(&Room::of(&whole), &Pad::at(&whole), want).await;
    let after = whole.holds();
    let mut killed = 0;
    for step in 1.. {
        let served = start().await;
        let before = served.holds();
        let (room, pad) = (Room::of(&served), Pad::at(&served));
        let plan = room.plan(want).await;
        let (told, let_by, actor) = (Arc::new(Semaphore::new(0)), warrant(&plan), ana());
        let ended = {
            let tell = |_| told.add_permits(1);
            let kill = async { drop(told.acquire_many(step).await.unwrap()) };
            let action = room.engine.apply_with(plan.clone(), let_by.as_ref(), &actor, &pad, &tell);
            // Dropping the action is what a kill does to it.
            tokio::select! { biased; () = kill => false, _ = action => true }
        };
        assert!(served.writes().iter().all(|intents| *intents == 1) && served.writes().len() <= 1, "step {step}");
        if ended {
            break;
        }
        killed += 1;
        if pad.kinds() == [EntryKind::Intent] {
            // The next process.
            let settled = Room::of(&served).engine.settle(plan.clone(), &actor, &pad).await.unwrap();
            match settled.outcome.as_str() {
                "verified" => assert_eq!(served.holds(), after, "step {step} of {}", plan.title),
                // A write still on its way may land after the last look: unknown is what it is.
                other => assert_eq!(other, "unknown", "step {step} of {}: {:?}", plan.title, settled.outcome),
            }
            assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
        } else {
            assert_eq!((pad.kinds().len(), served.holds()), (0, before), "without an intent nothing was touched");
        }
        assert!(served.writes().len() <= 1, "settling writes nothing");
    }
    assert!(killed >= 2, "an action has more steps than {killed}");
}

/// Done and undone leaves all as it was.
pub(in crate::respond) async fn do_and_undo_is_the_identity<S: Served>(start: impl AsyncFn() -> S, want: &Request) {
    let served = start().await;
    let (room, pad) = (Room::of(&served), Pad::at(&served));
    let before = served.holds();
    let plan = done(&room, &pad, want).await;
    assert_ne!(served.holds(), before, "{} did nothing", plan.title);
    let undo = done(&room, &pad, &Request::Undo { plan: Box::new(plan) }).await;
    assert_eq!(served.holds(), before, "{}", undo.title);
    assert_eq!(served.writes().len(), 2, "one write each");
}
