//! What no pane lists is found by what the catalogue names.

use super::*;
use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Ends, Replicas, Request, Revision};
use crate::model::service::{Route, Service, WorkloadPattern};
use crate::record::{Holder, Leftover, OpenIntent};
use crate::respond::Cluster;
use crate::session::Action;

const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/50dc6c";

fn story() -> Story {
    let service = |name: &str, cluster: &str| Service {
        name: name.into(),
        owner: None,
        title: None,
        workloads: vec![WorkloadPattern { kind: Kind::EcsService, namespace: cluster.into(), name: "invoices".into() }],
        routes: vec![Route { kind: Kind::LoadBalancer, path: ObjectPath::new("", BALANCER) }],
        log_groups: Vec::new(),
        alarms: Vec::new(),
        signals: Vec::new(),
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    };
    let catalogue = Catalogue::new(vec![service("invoices", "prod"), service("old-invoices", "legacy")]);
    let core = Core::new(&environment(), Arc::new(catalogue), Actor::system(), at(0), 0);
    let mut story = Story { core, effects: Vec::new(), beside: Beside::default() };
    story.command("write prod-eu storm");
    story
}

/// The request that a plan is made of, and the service that it is said to be of.
fn planned(line: &str) -> Result<(Request, Option<Safe>), String> {
    let mut story = story();
    story.command(line);
    let request = story.effects.into_iter().find_map(|effect| match effect {
        Effect::Plan { request, cluster, .. } => Some((request, cluster.service.map(|service| service.0))),
        _ => None,
    });
    request.ok_or_else(|| story.core.notice.unwrap().text.to_string())
}

#[test]
fn a_service_of_ecs_is_scaled_and_rolled_back_by_its_name() {
    let (request, service) = planned("scale prod/invoices 4").unwrap();
    let Request::Scale { target, to: Replicas::Exactly(4) } = &request else { panic!("{request:?}") };
    assert_eq!(target.to_string(), "EcsService prod/invoices in prod-eu");
    assert_eq!((target.origin.source.as_str(), service.as_deref()), ("aws", Some("invoices")));
    let (request, _) = planned("bound prod/invoices 4..8").unwrap();
    assert!(
        matches!(&request, Request::Bound { floor: Some(4), cap: Some(8), target } if target.kind == Kind::EcsService)
    );
    let (request, _) = planned("rollback legacy/invoices 41").unwrap();
    assert!(matches!(&request, Request::RollBack { to: Revision::Named(to), .. } if *to == "41"), "{request:?}");
    let several = planned("scale invoices 4").unwrap_err();
    assert_eq!(
        several,
        "`invoices` is not one workload but 2: EcsService prod/invoices, EcsService legacy/invoices; give its namespace"
    );
}

#[test]
fn a_zone_is_left_by_the_name_of_a_service_or_of_its_load_balancer() {
    let written = format!("LoadBalancer {BALANCER}");
    for name in ["invoices", "old-invoices", "shop", BALANCER, &written] {
        let (request, _) = planned(&format!("evacuate {name} eu-central-1b 2h")).unwrap();
        let Request::Evacuate { target, zone, minutes: 120 } = &request else { panic!("{request:?}") };
        assert_eq!((target.path.name.as_str(), zone.as_str(), target.typed()), (BALANCER, "eu-central-1b", "shop"));
    }
    let cluster = cluster(story(), "evacuate shop eu-central-1b 2h");
    assert_eq!(cluster.also, ["old-invoices".into()], "both services go through it");
    let ecs = ["prod", "legacy"].map(|cluster| ObjectPath::new(cluster, "invoices"));
    assert_eq!(cluster.ecs, ecs, "deployments of both may divide it");
    assert!(planned("evacuate cart eu-central-1b 2h").unwrap_err().contains("name it among the routes"));
    let mut closed = self::story();
    closed.command("close-write").command("evacuate shop eu-central-1b 2h");
    assert!(closed.notice().contains("this session is read-only"));
}

/// What the session knows for the plan that a line asks for.
fn cluster(mut story: Story, line: &str) -> Cluster {
    story.command(line);
    let cluster = story.effects.into_iter().find_map(|effect| match effect {
        Effect::Plan { cluster, .. } => Some(cluster),
        _ => None,
    });
    cluster.unwrap()
}

/// A change of the load balancer, or of what an ARN names of it.
fn change(id: &str, kind: Kind, arn: &str) -> Plan {
    let plan = plan(id, at(0));
    let target = Target { kind, path: ObjectPath::new("", arn), uid: None, ..plan.target.clone() };
    let origin = crate::model::name::Origin { env: "prod-eu".into(), source: "aws".into() };
    Plan { target: Target { origin, ..target }, title: format!("divert {id}").into(), ends: Ends::Reminder, ..plan }
}

#[test]
fn whoever_leaves_a_zone_is_told_what_else_goes_on_at_its_load_balancer() {
    let listener = BALANCER.replace(":loadbalancer/", ":listener/") + "/f2f7";
    let other = BALANCER.replace("app/shop/", "app/docs/");
    let mut story = story();
    let action = |plan| Action { plan, at: at(0), state: ActionState::Under("writing".into()), undone_by: None };
    story.core.actions = vec![
        action(change("a", Kind::Listener, &listener)),
        action(change("docs", Kind::LoadBalancer, &other)),
        action(change("itself", Kind::LoadBalancer, BALANCER)),
    ];
    let rule = listener.replace(":listener/", ":listener-rule/") + "/9683";
    let open = change("b", Kind::ListenerRule, &rule);
    story.core.open_intents =
        vec![OpenIntent { plan: open, at: at(0), held: Holder::Rolling("r".into()), begun: None }];
    let left = |id: &str| Leftover { plan: change(id, Kind::ListenerRule, &rule), at: at(-60), incident: None };
    story.core.left_over = vec![left("c"), left("d")];
    let told = cluster(story, "evacuate shop eu-central-1b 2h").beside;
    assert_eq!(
        told,
        [
            "under way: divert a: replicas 6 → 12",
            "whether it was made is not known: divert b: replicas 6 → 12",
            "on since 2026-11-18 11:05Z: divert c: replicas 6 → 12, ends by nobody",
            "and 1 more of this load balancer",
        ]
    );
}
