//! Which kinds know which actions: each of them stands in the table, and nothing else is planned.

use super::*;
use crate::model::name::Target;
use crate::model::plan::Share;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Scale,
    Bound,
    RollBack,
    Restart,
    Abort,
    Divert,
    Switch,
    Evacuate,
    Silence,
    RunStep,
}

const ALL: &[Act] = &[
    Act::Scale,
    Act::Bound,
    Act::RollBack,
    Act::Restart,
    Act::Abort,
    Act::Divert,
    Act::Switch,
    Act::Evacuate,
    Act::Silence,
    Act::RunStep,
];

fn act(request: &Request) -> Act {
    match request {
        Request::Scale { .. } => Act::Scale,
        Request::Bound { .. } => Act::Bound,
        Request::RollBack { .. } => Act::RollBack,
        Request::Restart { .. } => Act::Restart,
        Request::Abort { .. } => Act::Abort,
        Request::Divert { .. } => Act::Divert,
        Request::Switch { .. } => Act::Switch,
        Request::Evacuate { .. } => Act::Evacuate,
        Request::Silence { .. } => Act::Silence,
        Request::RunStep { .. } => Act::RunStep,
        Request::Undo { plan } => act(plan.request.origin()),
    }
}

/// What a kind knows.
fn acts(kind: Kind) -> &'static [Act] {
    match kind {
        Kind::Deployment | Kind::StatefulSet => &[Act::Scale, Act::RollBack, Act::Restart],
        Kind::DaemonSet => &[Act::RollBack, Act::Restart],
        Kind::Rollout => &[Act::Scale, Act::RollBack, Act::Restart, Act::Abort],
        Kind::HorizontalPodAutoscaler | Kind::ScaledObject => &[Act::Bound],
        Kind::Application => &[Act::RollBack],
        Kind::VirtualService | Kind::HttpRoute => &[Act::Divert],
        Kind::Service => &[Act::Switch],
        Kind::EcsService => &[Act::Scale, Act::Bound, Act::RollBack, Act::Abort],
        Kind::Listener | Kind::ListenerRule | Kind::RecordSet => &[Act::Divert],
        Kind::LoadBalancer => &[Act::Evacuate],
        Kind::Silence => &[Act::Silence],
        // A process of this machine's, no system behind a network: `respond/steps/tests.rs` runs,
        // kills and refuses it.
        Kind::RunbookStep => &[],
        Kind::ReplicaSet | Kind::Job | Kind::Pod | Kind::Node => &[],
    }
}

/// An action of any kind on something that is there, sensible or not.
fn request(act: Act, target: Target) -> Request {
    let shares = vec![Share { destination: "partner-b".into(), weight: 40 }];
    match act {
        Act::Scale => scaled(target, 3),
        Act::Bound => Request::Bound { target, floor: Some(3), cap: None },
        Act::RollBack => back(target, Revision::Previous),
        Act::Restart => Request::Restart { target },
        Act::Abort => Request::Abort { target },
        Act::Divert => Request::Divert { target, shares },
        Act::Switch => Request::Switch { target, key: "color".into(), to: "green".into() },
        Act::Evacuate => Request::Evacuate { target, zone: "eu-central-1a".into(), minutes: 60 },
        Act::Silence => silenced(target),
        Act::RunStep => Request::RunStep { target, runbook: "/runbook.md".into(), step: 1, command: "true".into() },
    }
}

#[test]
fn every_action_of_every_kind_stands_here() {
    for kind in Kind::ALL {
        for known in acts(*kind) {
            let stands = |action: &Action| (action.want().target().kind, act(&action.want())) == (*kind, *known);
            assert!(ACTIONS.iter().any(stands), "no line for {known:?} of a {kind}: add it to ACTIONS");
        }
    }
    for action in ACTIONS {
        let (kind, known) = (action.want().target().kind, act(&action.want()));
        assert!(acts(kind).contains(&known), "{}: {known:?} is not among what a {kind} knows", action.name);
    }
}

/// What has no line here cannot be planned: otherwise nobody would know what it does.
#[tokio::test]
async fn nothing_else_is_planned() {
    for action in ACTIONS {
        let server = action.start().await;
        let room = room(&*server);
        let target = action.want().target().clone();
        for other in ALL.iter().filter(|other| !acts(target.kind).contains(other)) {
            let planned = room.try_plan(&request(*other, target.clone())).await;
            assert!(planned.is_err(), "{other:?} of a {} was planned: {planned:?}", target.kind);
        }
        for kind in Kind::ALL.iter().filter(|kind| acts(**kind).is_empty()) {
            for any in ALL {
                let planned = room.try_plan(&request(*any, Target { kind: *kind, ..target.clone() })).await;
                assert!(planned.is_err(), "{any:?} of a {kind} was planned: {planned:?}");
            }
        }
        assert!(server.writes().is_empty());
    }
}
