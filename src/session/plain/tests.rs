//! What a pipe, a screen reader or a dumb terminal is told.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;

use super::*;
use crate::clock::World;
use crate::config::testing::environment;
use crate::config::{Catalogue, WritePolicy};
use crate::model::entry::Actor;
use crate::model::plan::{Ends, Fact, Owner, OwnerEffect, Plan, Tier};
use crate::record::testing;
use crate::session::{NoticeKind, PlanView, WriteWindow};

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

fn core(write: WritePolicy) -> Core {
    Core::new(&environment(write), Arc::new(Catalogue::default()), Actor::system(), at(0), 0)
}

/// What is printed once all of it was taken.
fn printed(plain: &Plain<&[u8]>, pipe: &Pipe) -> String {
    let begun = crate::clock::wall();
    while !plain.ready() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap()
}

fn front() -> (Plain<&'static [u8]>, Pipe) {
    let pipe = Pipe::default();
    (Plain::new(&b""[..], pipe.clone()), pipe)
}

fn risky(now: World) -> Plan {
    Plan {
        facts: vec![Fact { label: "policy".into(), words: "against no-friday".into(), warns: true }],
        owners: vec![Owner {
            name: "Argo CD app shop".into(),
            effect: OwnerEffect::MayRevert,
            words: "may set it back; a commit to its repository lasts".into(),
        }],
        load: Some("cpu 97 % on 6 pods".into()),
        ends: Ends::Reminder,
        tier: Tier::Lowers,
        read_at: now,
        expires_at: now + TimeDelta::seconds(90),
        ..testing::plan("p", "kubectl scale deployment/payments --replicas=12")
    }
}

#[test]
fn a_plan_is_told_whole_before_it_can_be_confirmed() {
    let (mut plain, pipe) = front();
    let mut core = core(WritePolicy::Ask);
    core.plan = Some(PlanView::Shown { plan: Box::new(risky(at(0))), blocked: None });
    plain.show(&core).unwrap();
    let text = printed(&plain, &pipe);
    for told in [
        "where     PRODUCTION drill",
        "target    Deployment payments/payments",
        "change    replicas 6 -> 12",
        "policy    against no-friday",
        "at stake  +6 of 6 (100 % more)",
        "room      all 6 fit now (6 of 6 fit now)",
        "owner     Argo CD app shop may set it back; a commit to its repository lasts",
        "load      cpu 97 % on 6 pods",
        "undo      12 -> 6, while nobody else has changed it",
        "ends      by nobody: it is listed as left over until it is undone or owned",
        "checked   allowed; dry-run accepted",
        "same as   kubectl scale deployment/payments --replicas=12",
        "expires   90 s after it was read",
        "confirm   `confirm payments`",
    ] {
        assert!(text.contains(told), "`{told}` is not told:\n{text}");
    }
    // Read again with the same result, it is not told again, and it is that which is confirmed.
    core.plan = Some(PlanView::Shown {
        plan: Box::new(Plan { id: crate::model::plan::PlanId("p2".into()), ..risky(at(60)) }),
        blocked: None,
    });
    core.now = at(60);
    plain.show(&core).unwrap();
    assert_eq!(printed(&plain, &pipe), text);
    let confirmed = plain.handle(Input::Command(Command::Confirm { plan: None, typed: None }), &core);
    assert!(matches!(&confirmed[..], [Command::Confirm { plan: Some(id), .. }] if id.0 == "p2"), "{confirmed:?}");
}

#[test]
fn the_help_of_a_read_only_session_lists_nothing_that_acts() {
    let helped = |core: &Core| {
        let (mut plain, pipe) = front();
        plain.handle(Input::Command(Command::View(View::Help)), core);
        plain.show(core).unwrap();
        printed(&plain, &pipe)
    };
    let mut core = core(WritePolicy::Deny);
    let text = helped(&core);
    for acts in ["scale ", "confirm ", "undo", "write "] {
        assert!(!text.split(" | ").any(|one| one.starts_with(acts)), "{acts}: {text}");
    }
    assert!(text.contains("note "), "{text}");
    core.facing.write = WritePolicy::Ask;
    let text = helped(&core);
    assert!(text.contains("write ENVIRONMENT REASON") && !text.contains("scale "), "{text}");
    core.window = WriteWindow::Open { until: at(900), reason: "storm".into() };
    assert!(helped(&core).contains("scale "));
}

#[test]
fn what_was_left_in_flight_is_told_with_its_words() {
    let (mut plain, pipe) = front();
    let mut core = core(WritePolicy::Deny);
    core.open_intents.push(crate::record::OpenIntent {
        plan: testing::plan("p", "kubectl"),
        at: testing::at(0, 0),
        held: crate::record::Holder::Rolling("01".into()),
        begun: None,
    });
    plain.show(&core).unwrap();
    plain.show(&core).unwrap();
    let text = printed(&plain, &pipe);
    let told = text.matches("no outcome is recorded of scale Deployment payments in drill: replicas 6 → 12").count();
    assert_eq!(told, 1, "{text}");
}

#[test]
fn who_asks_twice_in_one_moment_is_answered_twice() {
    let (mut plain, pipe) = front();
    let mut core = core(WritePolicy::Deny);
    for told in 1..=2 {
        core.say(NoticeKind::Error, "no workload `shop/mail` is known: nothing was planned");
        plain.show(&core).unwrap();
        assert_eq!(printed(&plain, &pipe).matches("no workload `shop/mail`").count(), told);
    }
}
