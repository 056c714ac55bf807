//! Silences, runbooks and what was run elsewhere, as far as the core has a say in them.

use crate::config::HttpAccess;
use crate::model::entry::EntryKind;
use crate::model::matcher::braced;
use crate::model::name::{Kind, ObjectPath, ServiceName, Target};
use crate::model::plan::{PlanId, Request};
use crate::model::runbook::{Block, Runbook, Shell, Step};
use crate::model::service::Service;
use crate::session::{Action, RunbookState, RunbookView};

use super::*;

fn service(name: &str, runbook: Option<&str>) -> Service {
    Service {
        name: name.into(),
        owner: None,
        title: None,
        workloads: Vec::new(),
        routes: Vec::new(),
        log_groups: Vec::new(),
        alarms: Vec::new(),
        signals: Vec::new(),
        dashboards: Vec::new(),
        runbook: runbook.map(Safe::from),
        depends_on: Vec::new(),
    }
}

/// A session that faces Alertmanagers of these names, with the window open.
fn facing(names: &[&str]) -> Story {
    let access = |name: &&str| HttpAccess {
        name: (*name).into(),
        url: "http://127.0.0.1:1".into(),
        auth: None,
        ca_file: None,
        proxy: false,
        every: Duration::from_secs(15),
    };
    let env = Environment { alertmanager: names.iter().map(access).collect(), ..environment() };
    let services = vec![
        service("payments", Some("/books/payments.md")),
        service("cart", Some("https://wiki/cart")),
        service("mail", None),
    ];
    let core = Core::new(&env, Arc::new(Catalogue::new(services)), Actor::system(), at(0), 0);
    let mut story = Story { core, effects: Vec::new(), beside: Beside::default() };
    story.command("write prod-eu storm");
    story
}

fn labelled(name: &str, labels: &[(&str, &str)]) -> Alert {
    let labels = labels.iter().map(|(name, value)| (Safe::from(*name), Safe::from(*value))).collect();
    Alert { labels, ..alert(name, name, at(0)) }
}

impl Story {
    /// The request of the last plan that was asked for, with what the picture knows.
    fn wanted(&self) -> Option<(&Request, &crate::respond::Cluster)> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Plan { request, cluster, .. } => Some((request, cluster)),
            _ => None,
        })
    }
}

#[test]
fn an_alert_is_silenced_by_what_it_is_about_and_not_by_where_it_was_seen() {
    let mut story = facing(&["alertmanager"]);
    story.hears(vec![
        labelled(
            "PaymentsCPUHigh",
            &[
                ("alertname", "PaymentsCPUHigh"),
                ("service", "payments"),
                ("namespace", "pay"),
                ("pod", "p-1"),
                ("severity", "warning"),
            ],
        ),
        labelled("Node CPU high", &[("alertname", "Node CPU high"), ("node", "ip-10-0-3-7"), ("severity", "critical")]),
    ]);
    story.command("silence PaymentsCPUHigh 90s partner knows");
    let (request, cluster) = story.wanted().unwrap();
    let Request::Silence { target, matchers, minutes, comment } = request else { panic!("{request:?}") };
    assert_eq!(
        braced(matchers),
        r#"{alertname="PaymentsCPUHigh", severity="warning", namespace="pay", service="payments"}"#
    );
    assert_eq!((*minutes, comment.as_str()), (2, "partner knows"));
    assert_eq!((target.kind, target.path.to_string().as_str()), (Kind::Silence, "alertmanager/PaymentsCPUHigh"));
    assert_eq!(cluster.service, Some("payments".into()));
    assert_eq!(cluster.alerts.get(&AlertKey("PaymentsCPUHigh".into())), Some(&ServiceName::from("payments")));

    story.command("silence Node CPU high 1h");
    let Some((Request::Silence { matchers, minutes: 60, comment, .. }, _)) = story.wanted() else { panic!() };
    assert_eq!(braced(matchers), r#"{alertname="Node CPU high", severity="critical", node="ip-10-0-3-7"}"#);
    assert!(comment.starts_with("known"), "{comment}");
}

#[test]
fn matchers_go_to_the_alertmanager_that_is_meant_and_secrets_do_not_go_along() {
    let mut story = facing(&["alertmanager"]);
    story.command(r#"silence {service=~"pay.*", alertname!="X"} 2h token=abcdefghijklmnop1234 rotated"#);
    let Some((Request::Silence { target, comment, .. }, _)) = story.wanted() else { panic!("{}", story.notice()) };
    assert_eq!(target.path.to_string(), "alertmanager/alerts");
    assert!(comment.contains("[redacted") && !comment.contains("abcdefghijklmnop1234"), "{comment}");

    let mut story = facing(&["eu", "us"]);
    story.command(r#"silence {service="payments"} 2h known"#);
    assert!(story.wanted().is_none() && story.notice().contains("there are eu, us: say where"), "{}", story.notice());
    story.command(r#"silence --on mars {service="payments"} 2h known"#);
    assert!(story.notice().contains("no Alertmanager `mars`"), "{}", story.notice());
    story.command(r#"silence --on us {service="payments"} 2h known"#);
    let Some((Request::Silence { target, .. }, cluster)) = story.wanted() else { panic!("{}", story.notice()) };
    assert_eq!(target.path.to_string(), "us/payments");
    assert_eq!(cluster.service, Some("payments".into()));

    let mut none = facing(&[]);
    none.command(r#"silence {service="payments"} 2h known"#);
    assert!(none.wanted().is_none() && none.notice().contains("has no Alertmanager"));
}

#[test]
fn what_no_alertmanager_tells_or_what_is_over_is_not_silenced() {
    let mut story = facing(&["other"]);
    story.hears(vec![labelled("PaymentsCPUHigh", &[])]);
    story.command("silence PaymentsCPUHigh 1h");
    assert!(story.notice().contains("told by alertmanager, which is no Alertmanager"), "{}", story.notice());
    story.command("silence Nobody 1h");
    assert!(story.notice().contains("no alert `Nobody` is known"), "{}", story.notice());
    let mut story = facing(&["alertmanager"]);
    story.hears(vec![labelled("Gone", &[])]);
    story.hears(vec![Alert { state: AlertState::Resolved, ..labelled("Gone", &[]) }]);
    story.command("silence Gone 1h");
    assert!(story.notice().contains("does not fire any more") && story.wanted().is_none(), "{}", story.notice());
    story.command("close-write").command("silence Gone 1h");
    assert!(story.notice().contains(":write prod-eu REASON"), "{}", story.notice());
}

#[test]
fn the_lines_of_a_silence_are_read_and_wrong_ones_told() {
    let parse = crate::session::commands::parse;
    for (line, why) in [
        ("silence", "how long are missing"),
        ("silence PaymentsCPUHigh", "how long are missing"),
        ("silence 2h", "how long are missing"),
        (r#"silence {a="b"}"#, "how long is missing"),
        (r#"silence {a="b"} soon known"#, "how long is missing"),
        (r#"silence {a="b"} 2h"#, "why this is silenced is missing"),
        (r#"silence {a="b} 2h known"#, "quote is not closed"),
        ("silence --on eu PaymentsCPUHigh 2h", "--on goes with matchers"),
        ("run-step", "not the number of a step"),
        ("run-step 0", "not the number of a step"),
        ("ran", "the command that was run is missing"),
    ] {
        let found = parse(line);
        assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{line}: {found:?}");
    }
}

fn book() -> Arc<Runbook> {
    let step = |number, refused: Option<&str>| {
        Block::Step(Step {
            number,
            shell: Shell::Sh,
            command: "kubectl get pods".into(),
            limit: Duration::from_secs(60),
            refused: refused.map(Safe::from),
        })
    };
    Arc::new(Runbook { blocks: vec![step(1, None), step(2, Some("it has a place"))], ..Runbook::default() })
}

#[test]
fn a_runbook_is_read_beside_the_loop_and_its_steps_become_plans() {
    let mut story = facing(&[]);
    story.command("run-step 1");
    assert!(story.notice().contains("no runbook with commands is open"), "{}", story.notice());
    story.command("runbook");
    assert!(story.core.runbook.is_none() && story.notice().contains("of which service?"), "{}", story.notice());
    story.command("runbook mail");
    assert!(story.notice().contains("mail has no runbook: set `runbook` in [services.mail]"), "{}", story.notice());
    story.command("runbook cart");
    assert!(
        matches!(&story.core.runbook, Some(RunbookView { state: RunbookState::Page, source, .. }) if *source == "https://wiki/cart")
    );
    story.command("runbook payments");
    let read = Effect::ReadRunbook { service: "payments".into(), path: "/books/payments.md".into() };
    assert_eq!(story.effects.last(), Some(&read));
    story.send(Message::RunbookRead { service: "cart".into(), result: Err("late".into()) });
    assert!(
        matches!(&story.core.runbook, Some(RunbookView { state: RunbookState::Reading, .. })),
        "another one's answer"
    );
    story.send(Message::RunbookRead { service: "payments".into(), result: Ok(book()) });

    story.command("run-step 1");
    let Some((Request::RunStep { target, runbook, step: 1, command }, _)) = story.wanted() else {
        panic!("{}", story.notice())
    };
    assert_eq!((runbook.as_str(), command.as_str()), ("/books/payments.md", "kubectl get pods"));
    assert_eq!((target.kind, target.path.to_string().as_str()), (Kind::RunbookStep, "payments/step-1"));
    let plans = |story: &Story| story.effects.iter().filter(|effect| matches!(effect, Effect::Plan { .. })).count();
    let before = plans(&story);
    for (line, why) in [("run-step 2", "it has a place"), ("run-step 3", "has 2 commands, and no number 3")] {
        story.command(line);
        assert!(story.notice().contains(why), "{}", story.notice());
    }
    story.command("close-write").command("run-step 1");
    assert!(story.notice().contains(":write prod-eu REASON"), "{}", story.notice());
    assert_eq!(plans(&story), before);
}

#[test]
fn a_step_that_runs_is_stopped_in_the_name_of_who_sits_here_whatever_the_window() {
    let mut story = facing(&[]);
    story.command("stop-step");
    assert!(story.notice().contains("there is nothing to stop"), "{}", story.notice());
    let under = |id: &str, step| {
        let target = Target {
            origin: Origin { env: "prod-eu".into(), source: "runbook".into() },
            kind: Kind::RunbookStep,
            path: ObjectPath::new("payments", format!("step-{step}").as_str()),
            uid: None,
        };
        let request = Request::RunStep { target, runbook: "/b.md".into(), step, command: "sleep 9".into() };
        let plan = Plan { request, ..plan(id, at(0)) };
        Action { plan, at: at(0), state: ActionState::Under("it runs".into()), undone_by: None }
    };
    story.core.actions = vec![under("p1", 1), under("p2", 2)];
    story.command("stop-step");
    assert!(story.notice().contains("2 steps run: name one"), "{}", story.notice());
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Stop { .. })));
    story.command("stop-step 3");
    assert!(story.notice().contains("step 3 of no runbook runs"), "{}", story.notice());
    story.command("stop-step 2");
    let by = story.core.actor.name.clone();
    assert_eq!(story.effects.last(), Some(&Effect::Stop { plan: PlanId("p2".into()), by }));
    // Another session's, which is looked into here.
    story.effects.clear();
    story.core.actions = vec![under("p3", 3)];
    let plan = story.core.actions[0].plan.clone();
    let held = crate::record::Holder::Rolling("01KB3T5V8QWZX2R9F7G4ABCD1E".into());
    story.core.open_intents = vec![crate::record::OpenIntent { plan, at: at(0), held, begun: None }];
    story.command("stop-step 3");
    assert!(story.notice().contains("was begun by another session"), "{}", story.notice());
    assert!(story.effects.is_empty(), "{:?}", story.effects);
}

#[test]
fn a_command_run_elsewhere_is_noted_at_its_time_without_its_secrets() {
    let mut story = Story::begin();
    story.send(Message::Tick(at(3600)));
    let time = at(1800).format("%H:%M:%S").to_string();
    for line in [
        format!("ran {time} kubectl -n pay delete pod p-1 --token=abcdefghijklmnop1234"),
        format!("ran kubectl -n pay delete pod p-1 --token=abcdefghijklmnop1234 --at {time}"),
    ] {
        story.command(&line);
        let entry = story.core.entries.last().unwrap();
        assert_eq!((entry.draft.kind, entry.occurred_at, entry.observed_at), (EntryKind::Ran, at(1800), at(3600)));
        assert!(
            entry.draft.title.starts_with("run elsewhere: kubectl -n pay delete pod p-1 --token="),
            "{:?}",
            entry.draft
        );
        assert!(!format!("{:?}", entry.draft).contains("abcdefghijklmnop1234"), "{:?}", entry.draft);
        assert!(entry.draft.evidence[0].query.is_some());
    }
    story.command("ran echo now");
    assert_eq!(story.core.entries.last().unwrap().occurred_at, at(3600));
    let noted = story.core.entries.len();
    story.command("ran 2099-01-01T00:00:00Z echo later");
    assert!(story.core.entries.len() == noted && story.notice().contains("still to come"), "{}", story.notice());
}
