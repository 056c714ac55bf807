//! From a wish to a confirmed plan: the window, blocked and voided plans, expiry.

use super::*;
use crate::model::name::{Kind, ObjectPath};
use crate::model::plan::Request;
use crate::model::service::{Route, Service};

#[test]
fn the_write_window_opens_only_for_the_right_name_and_closes_by_itself() {
    let mut story = Story::begin();
    story.command("write prod-us scale");
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert_eq!(story.core.notice.as_ref().unwrap().kind, NoticeKind::Error);
    story.command("write prod-eu scale");
    assert!(matches!(story.core.window, WriteWindow::Open { until, .. } if until == at(900)));
    story.send(Message::Tick(at(899)));
    assert!(matches!(story.core.window, WriteWindow::Open { .. }));
    story.send(Message::Tick(at(900)));
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert_eq!(story.kinds(), [EntryKind::WriteWindow, EntryKind::WriteWindow]);
}

#[test]
fn a_plan_needs_an_open_window_and_a_known_workload() {
    let mut story = Story::begin();
    story.command("scale payments 12");
    assert!(story.notice().contains(":write prod-eu REASON"));
    story.command("write prod-eu storm").command("scale payments 12");
    assert!(story.notice().contains("no workload `payments` is known"));
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Plan { .. } | Effect::Apply { .. })));
}

#[test]
fn what_the_picture_does_not_show_is_named_by_its_kind_and_place() {
    let mut story = Story::begin();
    story.command("write prod-eu storm");
    let mut asked = |line: &str| {
        story.core.notice = None;
        let before = story.effects.len();
        story.command(line);
        match story.effects.get(before..) {
            Some([Effect::Plan { request, .. }]) => Ok(request.clone()),
            _ => Err(story.notice().to_owned()),
        }
    };
    let application = asked("rollback Application shop").unwrap();
    let Request::RollBack { target, to: Revision::Previous } = &application else { panic!("{application:?}") };
    assert_eq!((target.kind, target.path.to_string().as_str(), &target.uid), (Kind::Application, "argocd/shop", &None));
    assert_eq!(target.origin.to_string(), "prod-eu/kubernetes");
    let named = asked("rollback \"Application team/shop\" current").unwrap();
    assert_eq!(named.target().path.to_string(), "team/shop");
    assert!(matches!(named, Request::RollBack { to: Revision::Named(name), .. } if name == "current"));
    let rollout = asked("abort Rollout shop/checkout").unwrap();
    assert!(matches!(&rollout, Request::Abort { target } if target.kind == Kind::Rollout));
    assert!(
        asked("abort Rollout checkout").unwrap_err().contains("the namespace of the Rollout `checkout` is missing")
    );
    assert!(
        asked("rollback Deployment shop/cart").unwrap_err().contains("no workload `Deployment shop/cart` is known")
    );
    assert!(asked("rollback \"Deploy cart\"").unwrap_err().contains("`Deploy` is not a kind"));
}

#[test]
fn what_a_plan_offers_instead_is_planned_by_one_command() {
    let mut story = Story::begin();
    let shown = plan("p", at(0));
    let other = Request::Scale { target: shown.target.clone(), to: Replicas::Exactly(7) };
    story.planned(shown.clone()).command("plan-instead");
    assert!(story.notice().contains("no plan is shown that offers another"), "{}", story.notice());
    let instead = Some(Instead { words: "seven".into(), request: Box::new(other.clone()) });
    story.planned(Plan { instead, ..shown }).command("plan-instead");
    let Some(Effect::Plan { request, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
    assert_eq!(*request, other);
    assert!(matches!(story.core.plan, Some(PlanView::Planning { .. })), "the plan before cannot be confirmed any more");
    assert!(story.core.actions.is_empty());
}

#[test]
fn closing_the_window_also_stops_one_that_is_about_to_open() {
    let mut story = Story::begin();
    let write = Command::OpenWrite { env: "prod-eu".into(), reason: "storm".into() };
    let opening = update(&mut story.core, Message::Command(write));
    story.command("close-write");
    let (ticket, entry) = durable("E1", &opening[0]);
    story.send(Message::Recorded { ticket, result: Ok(entry) });
    assert_eq!(story.core.window, WriteWindow::Closed);
}

#[test]
fn a_plan_that_is_shown_when_the_window_runs_out_is_neither_confirmed_nor_read_again() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0)));
    assert!(matches!(story.core.plan, Some(PlanView::Shown { blocked: None, .. })));
    story.send(Message::Tick(at(900)));
    let reads = |story: &Story| story.effects.iter().filter(|effect| matches!(effect, Effect::Plan { .. })).count();
    let before = reads(&story);
    story.send(Message::Tick(at(1000))).command("refresh-plan").command("confirm");
    assert_eq!(reads(&story), before, "a dry run is a request to write");
    assert!(story.core.actions.is_empty());
    let Some(PlanView::Shown { blocked: Some(why), .. }) = &story.core.plan else { panic!("{:?}", story.core.plan) };
    assert!(why.contains(":write prod-eu REASON"));
    story.command("write prod-eu again");
    assert_eq!(reads(&story), before + 1, "read again once the window is open");
}

#[test]
fn closing_the_window_voids_what_was_confirmed_in_it_and_not_what_is_confirmed_in_the_next() {
    let passes = |story: &Story| -> Vec<bool> {
        let applied = story.effects.iter().filter_map(|effect| match effect {
            Effect::Apply { pass, .. } => Some(pass.is_withdrawn()),
            _ => None,
        });
        applied.collect()
    };
    let mut story = Story::begin();
    story.planned(plan("p", at(0))).command("confirm").command("write prod-eu for longer");
    assert_eq!(passes(&story), [false], "the same window still");
    story.command("close-write");
    assert_eq!(passes(&story), [true]);
    story.planned(plan("p2", at(0))).command("confirm");
    assert_eq!(passes(&story), [true, false]);
    // So does a disk that takes nothing more.
    let note = update(&mut story.core, Message::Command(Command::Note { text: "x".into() }));
    let (ticket, _) = durable("E", &note[0]);
    story.send(Message::Recorded { ticket, result: Err(JournalError::Failed("full".into())) });
    assert_eq!(passes(&story), [true, true]);
}

#[test]
fn a_plan_that_grew_old_is_read_again_in_place_and_not_confirmed() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0)));
    story.core.now = at(90);
    story.command("confirm");
    assert!(story.core.actions.is_empty());
    assert!(story.notice().starts_with("not confirmed: the plan is too old"));
    let Some(Effect::Plan { ticket, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
    let ticket = *ticket;
    story.command("confirm");
    assert!(story.core.actions.is_empty(), "not while it is being read");
    // The same again: nothing is said, it can be confirmed.
    story.core.notice = None;
    story.send(Message::Planned { ticket, result: Ok(plan("p2", at(90))) });
    assert_eq!(story.notice(), "");
    story.command("confirm");
    assert_eq!(story.core.actions.len(), 1);
    assert_eq!(story.core.actions[0].plan.id.0, "p2");
}

#[test]
fn a_plan_that_is_another_when_it_is_read_again_says_so() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0))).command("refresh-plan");
    let Some(Effect::Plan { ticket, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
    let ticket = *ticket;
    let mut other = plan("p2", at(5));
    other.changes[0].before = "9".into();
    story.send(Message::Planned { ticket, result: Ok(other) });
    assert!(story.notice().contains("replicas 6 → 12 is replicas 9 → 12 now"), "{}", story.notice());
}

#[test]
fn what_is_confirmed_is_the_plan_that_was_seen_and_no_other() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0)));
    for seen in [None, Some(plan("p0", at(0)).id)] {
        story.send(Message::Command(Command::Confirm { plan: seen, typed: None }));
        assert!(
            story.core.actions.is_empty() && story.notice().contains("another plan is shown"),
            "{}",
            story.notice()
        );
    }
    story.command("confirm");
    assert_eq!(story.core.actions.len(), 1);
}

#[test]
fn what_the_engine_would_refuse_is_blocked_before() {
    let mut story = Story::begin();
    let mut unknown = plan("p", at(0));
    unknown.target.uid = None;
    story.planned(unknown).command("confirm");
    assert!(story.core.actions.is_empty());
    assert!(story.notice().contains("names no change of an identified object"), "{}", story.notice());
}

#[test]
fn an_action_that_was_not_recorded_is_told_as_it_ended() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0))).command("confirm");
    assert!(story.core.unsettled(), "leaving waits a little for its outcome");
    let why = "the outcome could not be recorded".into();
    story.send(Message::Ended { plan: testing::plan("p", "").id, result: Err(crate::model::plan::Refusal { why }) });
    assert!(matches!(story.core.actions[0].state, ActionState::Ended(Outcome::Refused { .. })));
    assert!(story.notice().contains("could not be recorded"));
}

/// A story whose services have routes.
fn routed() -> Story {
    let service = |name: &str, routes: &[(Kind, &str)]| Service {
        name: name.into(),
        owner: None,
        title: None,
        workloads: Vec::new(),
        routes: routes.iter().map(|(kind, name)| Route { kind: *kind, path: ObjectPath::new("shop", *name) }).collect(),
        log_groups: Vec::new(),
        alarms: Vec::new(),
        signals: Vec::new(),
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    };
    let catalogue = Catalogue::new(vec![
        service("payments", &[(Kind::VirtualService, "partner"), (Kind::Service, "payments")]),
        service("checkout", &[(Kind::VirtualService, "checkout"), (Kind::HttpRoute, "checkout")]),
        service("mail", &[]),
    ]);
    let core = Core::new(&environment(), Arc::new(catalogue), Actor::system(), at(0), 0);
    let mut story = Story { core, effects: Vec::new(), beside: Beside::default() };
    story.command("write prod-eu storm");
    story
}

#[test]
fn a_service_stands_for_the_one_route_that_fits() {
    let mut story = routed();
    story.command("divert payments partner-b=40");
    let Some(Effect::Plan { request, cluster, .. }) = story.effects.last() else {
        panic!("{:?}", story.effects.last())
    };
    assert!(matches!(request, Request::Divert { shares, .. } if shares[0].weight == 40), "{request:?}");
    assert_eq!(request.target().to_string(), "VirtualService shop/partner in prod-eu");
    assert_eq!(cluster.service, Some("payments".into()));
    story.command("switch payments color=green");
    let Some(Effect::Plan { request, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
    assert_eq!(request.target().to_string(), "Service shop/payments in prod-eu");
    for named in ["HTTPRoute shop/checkout", "VirtualService shop/checkout"] {
        story.command(&format!("divert {named} a=10"));
        let Some(Effect::Plan { request, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
        assert_eq!(request.target().to_string(), format!("{named} in prod-eu"));
    }
}

#[test]
fn several_routes_are_listed_and_an_unknown_one_says_which_there_are() {
    let mut story = routed();
    for (line, said) in [
        (
            "divert checkout a=10",
            "`checkout` has 2 that divide by weights: VirtualService shop/checkout, HTTPRoute shop/checkout",
        ),
        ("divert shop/checkout a=10", "`shop/checkout` has 2 that divide by weights"),
        ("switch checkout color=green", "nothing of `checkout` divides traffic by a selector, but there is"),
        ("divert mail a=10", "`mail` has no routes that are known; these services have: payments, checkout"),
        ("divert search a=10", "`search` has no routes that are known"),
    ] {
        let before = story.effects.len();
        story.command(line);
        assert!(story.notice().contains(said), "{line}: {}", story.notice());
        assert_eq!(story.effects.len(), before);
    }
    story.command("close-write").command("divert payments partner-b=40");
    assert!(story.notice().contains(":write prod-eu REASON"), "{}", story.notice());
}

#[test]
fn an_undo_is_of_the_action_under_way_and_not_of_the_one_before_it() {
    let mut story = Story::begin();
    story.command("write prod-eu storm");
    let (first, second) = (plan("p1", at(0)), plan("p2", at(0)));
    story.planned(first.clone()).command("confirm");
    let outcome = Outcome::Verified { after_seconds: Some(20), words: "9 of 9 ready".into() };
    story.send(Message::Ended { plan: first.id, result: Ok(outcome) });
    story.planned(second.clone()).command("confirm").command("undo");
    let Some(Effect::Plan { request: Request::Undo { plan }, .. }) = story.effects.last() else {
        panic!("{:?}: {}", story.effects.last(), story.notice())
    };
    assert_eq!(plan.id, second.id);
}
