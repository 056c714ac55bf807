//! What no pane lists is found by what the catalogue names.

use super::*;
use crate::model::name::{Kind, ObjectPath};
use crate::model::plan::{Replicas, Request, Revision};
use crate::model::service::{Route, Service, WorkloadPattern};

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
    let mut story = story();
    story.command("evacuate shop eu-central-1b 2h");
    let also = story.effects.into_iter().find_map(|effect| match effect {
        Effect::Plan { cluster, .. } => Some(cluster.also),
        _ => None,
    });
    assert_eq!(also, Some(vec!["old-invoices".into()]), "both services go through it");
    assert!(planned("evacuate cart eu-central-1b 2h").unwrap_err().contains("name it among the routes"));
    let mut closed = self::story();
    closed.command("close-write").command("evacuate shop eu-central-1b 2h");
    assert!(closed.notice().contains("this session is read-only"));
}
