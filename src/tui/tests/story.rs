//! What keys do.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use crate::config::Catalogue;
use crate::model::alert::AlertSeverity;
use crate::model::command::{AlertChoice, Command, Pane, WorkloadChoice};
use crate::model::log::Level;
use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Fact, FieldChange, Instead, Plan, Request, Revision, Tier};
use crate::model::service::{Route, Service};
use crate::session::{Action, ActionState, Core, Notice, NoticeKind, PlanView, WriteWindow};
use crate::tui::fixture::{Fixture, alert, at, plan};
use crate::tui::state::Wish;

use super::person::Person;

fn planned(tier: Tier) -> Fixture {
    let mut fixture = Fixture::burning();
    let to = if tier == Tier::Reversible { 12 } else { 2 };
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan(to, tier)), blocked: None });
    fixture
}

#[test]
fn a_claims_the_selected_alert_even_when_a_worse_one_came_first() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('j'));
    ana.fixture.alerts.insert(0, alert("EverythingBurns", AlertSeverity::Critical, 20, "web", None, ""));
    assert!(ana.sees().contains("EverythingBurns"), "what is new and worse is seen");
    let claimed = ana.presses(KeyCode::Char('a'));
    let [Command::Claim(AlertChoice::Exactly { key, .. })] = claimed.as_slice() else { panic!("{claimed:?}") };
    assert_eq!(key.0, "CheckoutErrorRate");
}

#[test]
fn one_service_limits_all_panes_and_one_key_shows_all_again() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('2'));
    assert_eq!(ana.presses(KeyCode::Char(' ')), [Command::FollowLogs { service: Some("checkout".into()) }]);
    let seen = ana.sees();
    assert!(seen.contains("only checkout") && seen.contains("CheckoutErrorRate"));
    assert!(!seen.contains("PaymentsCPUHigh  "), "{seen}");
    assert!(seen.contains("1 firing") && seen.contains("0 in 24 h"), "titles count what is shown: {seen}");
    assert_eq!(ana.presses(KeyCode::Char('u')), [Command::FollowLogs { service: None }]);
    assert!(ana.sees().contains("PaymentsCPUHigh  "));
}

#[test]
fn a_title_says_how_many_rows_are_below_the_last_that_is_seen() {
    let mut ana = Person::at(Fixture::burning());
    assert!(!ana.sees().contains(" below"), "{}", ana.sees());
    for n in 0..20 {
        ana.fixture.alerts.push(alert(&format!("More{n}"), AlertSeverity::Warning, 16, "web", None, ""));
    }
    let title = |seen: &str| seen.lines().find(|line| line.contains("1 Alerts")).unwrap().to_owned();
    let all = ana.fixture.alerts.len();
    let shown = ana.sees().lines().filter(|line| line.contains("unclaimed") || line.contains("claimed by")).count();
    assert!(title(&ana.sees()).contains(&format!("+{} below", all - shown)), "{}", ana.sees());
    ana.presses(KeyCode::Char('G'));
    assert!(!title(&ana.sees()).contains(" below"), "{}", ana.sees());
}

#[test]
fn a_filter_hides_rows_and_a_search_does_not() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('/'));
    ana.types("service:checkout");
    ana.presses(KeyCode::Enter);
    let seen = ana.sees();
    assert!(seen.contains("/service:checkout") && !seen.contains("PartnerRefusals429"));
    ana.presses(KeyCode::Esc);
    assert!(ana.sees().contains("PartnerRefusals429"));
    ana.hears(Event::Key(KeyEvent::new(KeyCode::Char('f'), KeyModifiers::CONTROL)));
    ana.types("429");
    ana.presses(KeyCode::Enter);
    assert!(ana.sees().contains("PaymentsCPUHigh"));
    let claimed = ana.presses(KeyCode::Char('a'));
    assert!(
        matches!(claimed.as_slice(), [Command::Claim(AlertChoice::Exactly { key, .. })] if key.0 == "PartnerRefusals429")
    );
}

#[test]
fn looking_up_in_the_log_pauses_it_and_new_lines_are_counted() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('3'));
    ana.sees();
    ana.presses(KeyCode::Char('k'));
    let before = ana.sees();
    assert!(before.contains("paused +0 new"), "{before}");
    for n in 0..7 {
        ana.fixture.logs.push(at(29, 52), Level::Error, &format!("brand new line {n}"));
    }
    let after = ana.sees();
    assert!(after.contains("paused +7 new") && !after.contains("brand new line"), "{after}");
    ana.presses(KeyCode::Char('G'));
    let following = ana.sees();
    assert!(following.contains("brand new line 6") && !following.contains("paused"));
}

#[test]
fn e_goes_to_the_error_before_and_enter_shows_the_line_in_full() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('3'));
    ana.sees();
    ana.presses(KeyCode::Char('E'));
    ana.sees();
    ana.presses(KeyCode::Enter);
    let seen = ana.sees();
    assert!(seen.contains("ERROR 2026-11-21 03:29:5") && seen.contains("429 Too Many Requests"), "{seen}");
    ana.presses(KeyCode::Esc);
    ana.presses(KeyCode::Char('e'));
    assert!(ana.sees().contains("no further error"), "the newest error is the last");
}

#[test]
fn the_situation_leads_to_its_evidence() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('0'));
    ana.presses(KeyCode::Char('0'));
    ana.presses(KeyCode::Enter);
    assert_eq!(ana.state.focus, Pane::Changes);
}

#[test]
fn a_key_typed_ahead_of_a_plan_does_not_confirm_it() {
    let mut ana = Person::at(Fixture::burning());
    ana.fixture = planned(Tier::Reversible);
    assert_eq!(ana.presses(KeyCode::Char('y')), [], "the plan was not drawn yet");
    ana.sees();
    assert_eq!(ana.presses(KeyCode::Char('y')), [], "the plan was drawn this very moment");
    ana.waits();
    assert_eq!(
        ana.presses(KeyCode::Char('y')),
        [Command::Confirm { plan: Some(plan(12, Tier::Reversible).id), typed: None }]
    );
}

#[test]
fn a_plan_that_was_renewed_has_to_be_read_again() {
    let mut ana = Person::at(planned(Tier::Reversible));
    ana.waits();
    let mut renewed = plan(12, Tier::Reversible);
    renewed.id = crate::model::plan::PlanId("p2".into());
    ana.fixture.plan = Some(PlanView::Shown { plan: Box::new(renewed), blocked: None });
    assert_eq!(ana.presses(KeyCode::Char('y')), []);
}

#[test]
fn neither_enter_nor_the_trigger_key_nor_a_paste_confirms_a_plan() {
    let mut ana = Person::at(planned(Tier::Reversible));
    ana.waits();
    for code in [KeyCode::Enter, KeyCode::Char('x'), KeyCode::Char(' '), KeyCode::Char('Y')] {
        assert_eq!(ana.presses(code), [], "{code:?}");
    }
    assert_eq!(ana.hears(Event::Paste("y\ny".into())), []);
    assert_eq!(ana.presses(KeyCode::Esc), [Command::DiscardPlan]);
}

#[test]
fn lowering_capacity_takes_the_targets_name_typed_not_pasted() {
    let mut ana = Person::at(planned(Tier::Lowers));
    ana.waits();
    assert_eq!(ana.presses(KeyCode::Enter), []);
    assert_eq!(ana.types("y"), []);
    ana.presses(KeyCode::Backspace);
    ana.hears(Event::Paste("payments".into()));
    assert_eq!(ana.presses(KeyCode::Enter), []);
    ana.types("payments");
    assert_eq!(
        ana.presses(KeyCode::Enter),
        [Command::Confirm { plan: Some(plan(2, Tier::Lowers).id), typed: Some("payments".into()) }]
    );
}

#[test]
fn another_revision_is_typed_below_the_plan_that_lists_them_and_confirms_nothing() {
    let mut fixture = planned(Tier::Reversible);
    let Some(PlanView::Shown { plan: shown, .. }) = &mut fixture.plan else { panic!("a plan is shown") };
    shown.request = Request::RollBack { target: shown.target.clone(), to: Revision::Previous };
    shown.facts =
        vec![Fact { label: "revisions".into(), words: "4 payments:2.9.0; 1 payments:2.7.4".into(), warns: false }];
    let mut ana = Person::at(fixture);
    ana.waits();
    assert!(ana.sees().contains("v another revision"));
    assert_eq!(ana.presses(KeyCode::Char('v')), []);
    let seen = ana.sees();
    assert!(seen.contains("rollback Deployment payments/payments") && seen.contains("1 payments:2.7.4"), "{seen}");
    assert_eq!(ana.types("y"), [], "it is a letter now");
    ana.presses(KeyCode::Backspace);
    assert_eq!(ana.types("1"), []);
    let workload = WorkloadChoice::Named("Deployment payments/payments".into());
    assert_eq!(ana.presses(KeyCode::Enter), [Command::RollBack { workload, to: Revision::Named("1".into()) }]);
    // Leaving the line leaves the plan.
    ana.presses(KeyCode::Char('v'));
    assert_eq!(ana.presses(KeyCode::Esc), []);
    assert_eq!(ana.presses(KeyCode::Esc), [Command::DiscardPlan]);
    // A plan of another sort has none.
    let mut ana = Person::at(planned(Tier::Reversible));
    ana.waits();
    ana.presses(KeyCode::Char('v'));
    assert!(ana.sees().contains("goes to no revision"));
}

#[test]
fn a_blocked_plan_cannot_be_confirmed() {
    let mut fixture = planned(Tier::Reversible);
    fixture.plan = Some(PlanView::Shown {
        plan: Box::new(plan(12, Tier::Reversible)),
        blocked: Some("the HPA sets it back".into()),
    });
    let mut ana = Person::at(fixture);
    ana.waits();
    assert_eq!(ana.presses(KeyCode::Char('y')), []);
    assert!(ana.sees().contains("Cannot be confirmed as it is: the HPA sets it back"));
}

#[test]
fn a_paste_outside_a_field_triggers_no_key() {
    let mut ana = Person::at(Fixture::burning());
    assert_eq!(ana.hears(Event::Paste("q\n:quit\n".into())), []);
    assert!(ana.state.overlay.is_none());
    ana.presses(KeyCode::Char(':'));
    assert_eq!(ana.hears(Event::Paste("quit\n".into())), [], "a paste fills the line and does not run it");
    assert_eq!(ana.presses(KeyCode::Enter), [], "an incident is open");
    assert_eq!(ana.presses(KeyCode::Char('y')), [Command::Quit]);
}

#[test]
fn a_write_window_takes_the_environments_name_and_a_reason() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('x'));
    assert!(ana.sees().contains("open a write window"));
    ana.presses(KeyCode::Char('1'));
    ana.types("prod-us");
    ana.presses(KeyCode::Tab);
    ana.types("scale payments");
    assert_eq!(ana.presses(KeyCode::Enter), []);
    assert!(ana.sees().contains("type the environment's name: prod-eu"));
    ana.presses(KeyCode::Backspace);
    ana.presses(KeyCode::Backspace);
    ana.types("eu");
    ana.presses(KeyCode::Enter);
    let opened = Command::OpenWrite { env: "prod-eu".into(), reason: "scale payments".into() };
    assert_eq!(ana.presses(KeyCode::Enter), [opened]);
}

#[test]
fn where_nothing_may_be_changed_nothing_is_offered_that_would() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    fixture.facing.write = crate::config::WritePolicy::Deny;
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('x'));
    let seen = ana.sees();
    assert!(!seen.contains("scale") || !seen.contains("write window"), "{seen}");
    assert!(seen.contains("Read-only: the configuration allows no changes"));
    ana.presses(KeyCode::Esc);
    ana.presses(KeyCode::Char(':'));
    ana.types("scale");
    assert!(!ana.sees().contains("plan to scale a workload"));
}

#[test]
fn leaving_asks_only_while_an_incident_is_open_or_an_action_under_way() {
    assert_eq!(Person::at(Fixture::quiet()).presses(KeyCode::Char('q')), [Command::Quit]);
    let mut ana = Person::at(Fixture::burning());
    assert_eq!(ana.presses(KeyCode::Char('q')), []);
    assert!(ana.sees().contains("The incident is open"), "two keys too many do not end the record");
    assert_eq!(ana.presses(KeyCode::Char('q')), []);
    ana.fixture.actions.push(Action {
        plan: plan(12, Tier::Reversible),
        at: at(29, 0),
        state: ActionState::Under("9 of 12 ready".into()),
        undone_by: None,
    });
    assert_eq!(ana.presses(KeyCode::Char('q')), []);
    assert!(ana.sees().contains("9 of 12 ready"));
    assert_eq!(ana.presses(KeyCode::Char('n')), []);
    ana.presses(KeyCode::Char('q'));
    assert_eq!(ana.presses(KeyCode::Char('y')), [Command::Quit]);
}

#[test]
fn what_argo_keeps_is_acted_on_where_it_stays() {
    let mut fixture = Fixture::burning();
    fixture.workloads[0].workload.as_mut().unwrap().managed_by = Some("Argo CD team_shop".into());
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('4'));
    ana.presses(KeyCode::Char('x'));
    assert!(ana.sees().contains("roll back Argo CD app team/shop …"), "{}", ana.sees());
    assert!(!ana.sees().contains("abort the rollout"));
    ana.presses(KeyCode::Esc);
    let row = &mut ana.fixture.workloads[0];
    (row.key.kind, row.workload) = (Kind::Rollout, None);
    let key = row.key.clone();
    ana.presses(KeyCode::Char('x'));
    assert!(ana.sees().contains(&format!("abort the rollout of {key}")), "{}", ana.sees());
    assert!(ana.sees().contains(&format!("restart {key}")), "{}", ana.sees());
    ana.presses(KeyCode::Esc);

    let mut undone = plan(12, Tier::Reversible);
    undone.instead = Some(Instead { words: "the Application".into(), request: Box::new(undone.request.clone()) });
    ana.fixture.plan = Some(PlanView::Shown { plan: Box::new(undone), blocked: Some("it would be undone".into()) });
    ana.sees();
    assert_eq!(ana.presses(KeyCode::Char('f')), [Command::PlanInstead]);
}

#[test]
fn the_command_line_remembers_and_completes() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char(':'));
    ana.types("scale pay");
    ana.presses(KeyCode::Tab);
    ana.types("+2");
    let run = ana.presses(KeyCode::Enter);
    assert!(matches!(run.as_slice(), [Command::Scale { .. }]), "{run:?}");
    ana.presses(KeyCode::Char(':'));
    ana.presses(KeyCode::Up);
    assert!(ana.sees().contains(":scale payments/payments +2"));
    ana.presses(KeyCode::Esc);
    ana.presses(KeyCode::Char(':'));
    ana.types("scale payments");
    assert_eq!(ana.presses(KeyCode::Enter), []);
    assert!(ana.sees().contains("usage: scale WORKLOAD"), "what is missing is said, and the line stays");
}

#[test]
fn the_help_lists_every_key_and_scrolls() {
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('?'));
    assert!(ana.sees().contains("keys and commands"));
    ana.presses(KeyCode::Char('G'));
    assert!(ana.sees().contains(":log-times"));
    ana.presses(KeyCode::Char('q'));
    assert!(!ana.sees().contains("keys and commands"));
}

#[test]
fn what_is_copied_is_handed_over_and_times_change_their_zone() {
    let mut ana = Person::at(planned(Tier::Reversible));
    ana.waits();
    ana.presses(KeyCode::Char('c'));
    assert!(matches!(ana.state.wishes.as_slice(), [Wish::Copy(text)] if text.starts_with("kubectl --context prod-eu")));
    ana.fixture.plan = None;
    ana.types("tz");
    assert!(ana.sees().contains("-17m"));
}

#[test]
fn the_header_tells_how_writing_is_opened_and_one_key_asks_for_it() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    let mut ana = Person::at(fixture);
    assert!(ana.sees().contains("READ-ONLY  w opens"), "{}", ana.sees());
    ana.presses(KeyCode::Char('w'));
    assert!(ana.sees().contains("Open a write window"));

    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    fixture.facing.write = crate::config::WritePolicy::Deny;
    let mut ana = Person::at(fixture);
    assert!(!ana.sees().contains("w opens"));
    ana.presses(KeyCode::Char('w'));
    let seen = ana.sees();
    assert!(seen.contains("read-only for good") && !seen.contains("Open a write window"), "{seen}");
}

#[test]
fn an_incident_that_nobody_declared_burns_all_the_same() {
    let mut fixture = Fixture::burning();
    fixture.incident = None;
    let mut ana = Person::at(fixture);
    let seen = ana.sees();
    assert!(seen.contains("burning 15m52s, no incident declared"), "{seen}");
}

#[test]
fn a_long_error_is_read_whole_and_goes_when_it_is_put_away() {
    let mut fixture = Fixture::burning();
    let why = "the record cannot be written to /var/lib/warroom/incidents/2026-11-21-checkout/journal: no space is \
               left on the device; actions are off until it can be written again; free some space, then restart";
    fixture.notice = Some(Notice { kind: NoticeKind::Error, text: why.into(), at: fixture.now, number: 1 });
    let mut ana = Person::at(fixture);
    assert!(ana.sees().contains("then restart"), "{}", ana.sees());
    ana.presses(KeyCode::Esc);
    assert!(!ana.sees().contains("cannot be written to"), "{}", ana.sees());
}

/// So many lines, of which every fifth holds `needle`.
fn core_with_lines(lines: usize) -> Core {
    use crate::model::log::{LogBatch, LogStream};
    use crate::model::signal::{Signal, Stamped};
    let env = crate::config::testing::environment(crate::config::WritePolicy::Deny);
    let mut core = Core::new(&env, Default::default(), crate::model::entry::Actor::system(), at(29, 0), 0);
    let stream = LogStream { group: "g".into(), name: "s".into() };
    for from in (0..lines).step_by(500) {
        let mut batch = LogBatch::default();
        for n in from..from + 500 {
            let text = if n % 5 == 0 { format!("needle {n}") } else { "hay ".repeat(80) };
            batch.push(&stream, at(29, 0), &text);
        }
        let origin = crate::tui::fixture::origin("pod-logs");
        core.picture.apply(Stamped { origin, occurred: at(29, 0), observed: at(29, 0), body: Signal::Logs(batch) });
    }
    core
}

#[test]
fn a_pattern_shows_what_its_scan_has_found_so_far_and_how_far_it_got() {
    use crate::session::{Effect, Message, Scanned, update};
    let mut core = core_with_lines(3000);
    let mut ana = Person::at(Fixture::burning());
    ana.presses(KeyCode::Char('3'));
    ana.presses(KeyCode::Char('/'));
    ana.types("needle");
    ana.presses(KeyCode::Enter);
    let mut effects = update(&mut core, Message::Look(ana.state.wanted()));
    let Some(Effect::Scan { errand, scan }) = effects.pop() else { panic!("{effects:?}") };
    assert!(scan.parts() > 2);
    let seen = ana.sees_logs_of(&core);
    assert!(seen.contains("nothing passes the filter yet: scanned 0 of 3,000"), "{seen}");
    for part in 0..scan.parts() {
        let done = part + 1 == scan.parts();
        let found = scan.part(part, &scan.hand());
        update(&mut core, Message::Scanned(Scanned { errand, found, done }));
        let seen = ana.sees_logs_of(&core);
        assert!(seen.contains("needle 2995") && !seen.contains("hay"), "the newest is found first: {seen}");
        assert_eq!(seen.contains(" of 3,000"), !done, "{seen}");
    }
}

#[test]
fn the_traffic_of_a_service_is_diverted_from_its_menu_and_tab_knows_the_destinations() {
    let mut fixture = Fixture::burning();
    let route_path = || ObjectPath::new("payments", "partner");
    let route = Route { kind: Kind::VirtualService, path: route_path() };
    let service = Service {
        name: "payments".into(),
        owner: None,
        title: None,
        workloads: Vec::new(),
        routes: vec![route],
        log_groups: Vec::new(),
        alarms: Vec::new(),
        signals: Vec::new(),
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    };
    fixture.catalogue = Catalogue::new(vec![service]);
    fixture.window = WriteWindow::Open { until: at(45, 0), reason: "storm".into() };
    // What an earlier plan of it named.
    let target = Target { kind: Kind::VirtualService, path: route_path(), ..plan(12, Tier::Lowers).target };
    let change = |label: &str| FieldChange { label: label.into(), ..plan(12, Tier::Lowers).changes.remove(0) };
    let earlier = Plan { target, changes: vec![change("partner-a"), change("partner-b")], ..plan(12, Tier::Lowers) };
    fixture.actions.push(Action {
        plan: earlier,
        at: at(29, 0),
        state: ActionState::Under("…".into()),
        undone_by: None,
    });
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('2'));
    ana.presses(KeyCode::Char('j'));
    ana.presses(KeyCode::Char('x'));
    let sees = ana.sees();
    assert!(sees.contains("divert traffic of VirtualService payments/partner …"), "{sees}");
    ana.presses(KeyCode::Esc);
    ana.presses(KeyCode::Char(':'));
    ana.types("divert pay");
    ana.presses(KeyCode::Tab);
    ana.types("partner-b");
    ana.presses(KeyCode::Tab);
    ana.types("40");
    assert!(ana.sees().contains(":divert payments partner-b=40"));
    let run = ana.presses(KeyCode::Enter);
    let [Command::Divert { of, shares }] = run.as_slice() else { panic!("{run:?}") };
    assert_eq!((of.as_str(), shares[0].destination.as_str(), shares[0].weight), ("payments", "partner-b", 40));
}
