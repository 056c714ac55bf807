//! What a session asks for of a workload that an autoscaler scales.

use super::*;
use crate::model::cluster::{Autoscaler, Node, Workload};
use crate::model::name::{Kind, ObjectPath, Target, WorkloadKey};
use crate::model::plan::{FieldChange, Replicas, Request};
use crate::respond::Cluster;

fn cluster_origin() -> Origin {
    Origin { env: EnvId::from("prod-eu"), source: SourceId::from("kubernetes") }
}

fn key() -> WorkloadKey {
    WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new("shop", "payments") }
}

/// Six replicas of 500m each, and room for four more.
fn known(autoscaler: bool) -> Story {
    let mut story = Story::begin();
    let workload = Workload {
        key: key(),
        uid: "uid-1".into(),
        desired: 6,
        updated: 6,
        ready: 6,
        total: 6,
        revision: None,
        images: [].into(),
        generation: 1,
        observed_generation: 1,
        paused: false,
        trouble: None,
        selector: [].into(),
        managed_by: None,
        cpu_request: 500,
        memory_request: 1 << 20,
    };
    let node = Node {
        name: "n1".into(),
        ready: true,
        pressures: Vec::new(),
        unschedulable: false,
        zone: None,
        cpu: 2000,
        memory: 1 << 30,
        pods: 50,
    };
    let path = ObjectPath::new("shop", "payments-hpa");
    let scaler = Autoscaler { path, target: key(), min: 2, max: 8, desired: 6 };
    let mut bodies = vec![Signal::Workloads(Delta::All(vec![workload])), Signal::Nodes(Delta::All(vec![node]))];
    bodies.extend(autoscaler.then(|| Signal::Autoscalers(Delta::All(vec![scaler]))));
    let stamped = |body| Stamped { origin: cluster_origin(), occurred: at(0), observed: at(0), body };
    story.send(Message::Signals(bodies.into_iter().map(stamped).collect()));
    story.command("write prod-eu storm");
    story
}

fn asked(story: &Story) -> (&Request, &Cluster) {
    let Some(Effect::Plan { request, cluster, .. }) = story.effects.last() else {
        panic!("{:?}", story.effects.last())
    };
    (request, cluster)
}

#[test]
fn a_scale_asks_for_the_workload_with_the_room_for_what_is_added() {
    let mut story = known(true);
    story.command("scale payments 12");
    let (request, cluster) = asked(&story);
    assert!(matches!(request, Request::Scale { target, to: Replicas::Exactly(12) } if target.kind == Kind::Deployment));
    assert_eq!(cluster.fits, Some(4));
    assert!(cluster.full.as_ref().is_some_and(|why| why.contains("500m cpu each")));
}

#[test]
fn bounds_ask_for_the_autoscaler_that_the_workload_has() {
    let mut story = known(true);
    story.command("bound payments 9..12");
    let (request, cluster) = asked(&story);
    let Request::Bound { target, floor: Some(9), cap: Some(12) } = request else { panic!("{request:?}") };
    assert_eq!(
        (target.kind, target.path.name.as_str(), &target.uid),
        (Kind::HorizontalPodAutoscaler, "payments-hpa", &None)
    );
    assert_eq!(cluster.fits, Some(3), "three are added to come to the floor");
}

#[test]
fn without_an_autoscaler_there_are_no_bounds_to_set() {
    let mut story = known(false);
    let before = story.effects.len();
    story.command("bound payments 9..12");
    assert!(story.notice().contains("has no autoscaler that is known"), "{}", story.notice());
    assert_eq!(story.effects.len(), before);
    story.command("bound nobody 2..3");
    assert!(story.notice().contains("no workload `nobody` is known"), "{}", story.notice());
}

#[test]
fn an_undo_at_the_autoscaler_is_asked_with_the_room_of_its_workload() {
    let mut story = known(true);
    let workload =
        Target { origin: cluster_origin(), kind: Kind::Deployment, path: key().path, uid: Some("uid-1".into()) };
    // The cap was lowered, which took the floor along: back at 8, two are added.
    let mut applied = plan("p", at(0));
    applied.request = Request::Scale { target: workload.clone(), to: Replicas::Exactly(3) };
    applied.target =
        Target { kind: Kind::HorizontalPodAutoscaler, path: ObjectPath::new("shop", "payments-hpa"), ..workload };
    applied.changes = vec![FieldChange {
        pointer: "/spec/minReplicas".into(),
        label: "floor".into(),
        before: "8".into(),
        after: "3".into(),
        words: None,
    }];
    story.planned(applied.clone()).command("confirm");
    let outcome = Outcome::Verified { after_seconds: Some(20), words: "3 of 3 ready".into() };
    story.send(Message::Ended { plan: applied.id.clone(), result: Ok(outcome) });
    story.command("undo");
    let (request, cluster) = asked(&story);
    assert!(matches!(request, Request::Undo { plan } if plan.target == applied.target));
    assert_eq!(cluster.fits, Some(2));
}
