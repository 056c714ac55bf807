//! Every action on every kind of target, each once: what the promises of `promises` are held
//! against.
//!
//! To add an action: a line in [`ACTIONS`], and what its kind knows in `known`.

mod known;
mod staging;

use super::*;
use crate::model::plan::Revision;
use crate::respond::alertmanager::fake::{self as alertmanager, alert};
use crate::respond::aws::fake::{self as aws, LISTENER, RULE};
use crate::respond::kubernetes::fake;
use crate::respond::kubernetes::fake::argo::{
    ROLLOUT, checkout, settle_rollout, shop, stage_application, stage_pods, stage_rollout,
};
use crate::respond::kubernetes::fake::mesh::{self, HTTP_ROUTE, SERVICE, VIRTUAL_SERVICE};
use crate::respond::kubernetes::fake::rollout::{restarted, stage, target};
use staging::*;

/// One action on one kind of target.
pub(super) struct Action {
    pub(super) name: &'static str,
    on: On,
    want: fn() -> Request,
    /// What its one write names.
    pub(super) wire: &'static [&'static str],
    pub(super) undo: Undo,
    /// Whether it makes something: then there is nothing before it that somebody could have edited.
    pub(super) makes: bool,
}

/// How the server is before the action, and how somebody else sets a field of those that it
/// writes, to a third value.
enum On {
    Kubernetes { put: fn(&mut fake::State), edit: fn(&mut fake::State) },
    Aws { put: fn(&mut aws::State), edit: fn(&mut aws::State) },
    Alertmanager { edit: fn(&mut alertmanager::State) },
}

/// What becomes of an undo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Undo {
    /// It is verified.
    Back,
    /// The fields are as before, and the controller waits for somebody, as it did before.
    Waits,
    /// There is none.
    Never,
}

/// The server of an action.
pub(super) enum Server {
    Kubernetes(Fake),
    Aws(aws::Fake),
    Alertmanager(alertmanager::Fake),
}

impl std::ops::Deref for Server {
    type Target = dyn Served;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Kubernetes(fake) => fake,
            Self::Aws(fake) => fake,
            Self::Alertmanager(fake) => fake,
        }
    }
}

impl Action {
    pub(super) async fn start(&self) -> Server {
        match self.on {
            On::Kubernetes { put, .. } => {
                let fake = Fake::start().await;
                put(&mut fake.state());
                Server::Kubernetes(fake)
            }
            On::Aws { put, .. } => {
                let fake = aws::Fake::start().await;
                put(&mut fake.state());
                Server::Aws(fake)
            }
            On::Alertmanager { .. } => {
                let alerts = vec![alert("PaymentsCPUHigh", "payments", "warning")];
                Server::Alertmanager(alertmanager::Fake::start(alerts).await)
            }
        }
    }

    pub(super) fn want(&self) -> Request {
        (self.want)()
    }

    /// Somebody else sets a field that it writes.
    pub(super) fn edit(&self, server: &Server) {
        match (&self.on, server) {
            (On::Kubernetes { edit, .. }, Server::Kubernetes(fake)) => edit(&mut fake.state()),
            (On::Aws { edit, .. }, Server::Aws(fake)) => edit(&mut fake.state()),
            (On::Alertmanager { edit }, Server::Alertmanager(fake)) => edit(&mut fake.state()),
            _ => panic!("{} has another server", self.name),
        }
    }

    /// The same as soon as the next write was answered.
    pub(super) fn edit_then(&self, server: &Server) {
        match (&self.on, server) {
            (On::Kubernetes { edit, .. }, Server::Kubernetes(fake)) => fake.state().then = Some(*edit),
            (On::Aws { edit, .. }, Server::Aws(fake)) => fake.state().then = Some(*edit),
            (On::Alertmanager { edit }, Server::Alertmanager(fake)) => fake.state().then = Some(*edit),
            _ => panic!("{} has another server", self.name),
        }
    }
}

const fn on_kubernetes(
    name: &'static str,
    want: fn() -> Request,
    put: fn(&mut fake::State),
    edit: fn(&mut fake::State),
    wire: &'static [&'static str],
) -> Action {
    Action { name, on: On::Kubernetes { put, edit }, want, wire, undo: Undo::Back, makes: false }
}

const fn on_aws(
    name: &'static str,
    want: fn() -> Request,
    put: fn(&mut aws::State),
    edit: fn(&mut aws::State),
    wire: &'static [&'static str],
) -> Action {
    Action { name, on: On::Aws { put, edit }, want, wire, undo: Undo::Back, makes: false }
}

/// All there is.
pub(super) static ACTIONS: &[Action] = &[
    on_kubernetes(
        "more of a Deployment",
        || scale(15),
        |_| (),
        by_hand,
        &["PATCH", "deployments/payments/scale?", r#""value":15"#],
    ),
    on_kubernetes("fewer of a Deployment", || scale(2), |_| (), by_hand, &["deployments/payments/scale?"]),
    on_kubernetes("none of a Deployment", || scale(0), |_| (), by_hand, &["deployments/payments/scale?"]),
    on_kubernetes(
        "scale a StatefulSet",
        || scaled(target(Kind::StatefulSet), 11),
        |state| stage(state, Kind::StatefulSet),
        by_hand,
        &["statefulsets/payments/scale?"],
    ),
    on_kubernetes(
        "scale a Rollout",
        || scaled(checkout(), 11),
        |state| {
            stage_rollout(state);
            settle_rollout(state);
        },
        |state| state.argo.get_mut(ROLLOUT).unwrap()["spec"]["replicas"] = json!(9),
        &["rollouts/checkout/scale?"],
    ),
    on_kubernetes(
        "more under an HPA",
        || scale(15),
        under_hpa,
        other_cap,
        &["horizontalpodautoscalers/payments?", "/spec/minReplicas", "/spec/maxReplicas"],
    ),
    on_kubernetes("fewer under an HPA", || scale(3), under_hpa, other_cap, &["horizontalpodautoscalers/payments?"]),
    on_kubernetes(
        "bound an HPA",
        || bound(Kind::HorizontalPodAutoscaler, "payments", 7, Some(9)),
        under_hpa,
        other_cap,
        &["horizontalpodautoscalers/payments?"],
    ),
    on_kubernetes(
        "more under KEDA",
        || scale(15),
        under_keda,
        |state| state.scaled[0]["spec"]["maxReplicaCount"] = json!(20),
        &["scaledobjects/pay?", "/spec/minReplicaCount"],
    ),
    on_kubernetes(
        "fewer under KEDA",
        || scale(3),
        under_keda,
        |state| state.scaled[0]["spec"]["maxReplicaCount"] = json!(20),
        &["scaledobjects/pay?"],
    ),
    on_kubernetes(
        "bound a ScaledObject",
        || bound(Kind::ScaledObject, "pay", 4, None),
        under_keda,
        |state| state.scaled[0]["spec"]["minReplicaCount"] = json!(5),
        &["scaledobjects/pay?"],
    ),
    on_kubernetes("more where KEDA pins", || scale(15), pinned, other_pin, &["scaledobjects/pay?", "paused-replicas"]),
    on_kubernetes("fewer where KEDA pins", || scale(3), pinned, other_pin, &["scaledobjects/pay?", "paused-replicas"]),
    on_kubernetes(
        "roll back a Deployment",
        || back(target(Kind::Deployment), Revision::Previous),
        |state| stage(state, Kind::Deployment),
        other_image,
        &["deployments/payments?", "/spec/template"],
    ),
    on_kubernetes(
        "roll back a StatefulSet",
        || back(target(Kind::StatefulSet), Revision::Previous),
        |state| stage(state, Kind::StatefulSet),
        other_image,
        &["statefulsets/payments?", "/spec/template"],
    ),
    on_kubernetes(
        "roll back a DaemonSet",
        || back(target(Kind::DaemonSet), Revision::Previous),
        |state| stage(state, Kind::DaemonSet),
        other_image,
        &["daemonsets/payments?", "/spec/template"],
    ),
    Action {
        undo: Undo::Waits,
        ..on_kubernetes(
            "roll back a Rollout",
            || back(checkout(), Revision::Previous),
            stage_rollout,
            other_template,
            &["rollouts/checkout?", "/spec/template"],
        )
    },
    on_kubernetes(
        "roll back an Application",
        || back(shop(), Revision::Previous),
        stage_application,
        other_sync,
        &["applications/shop?", "/spec/syncPolicy/automated", "/operation"],
    ),
    on_kubernetes(
        "hold an Application",
        || back(shop(), Revision::Named("current".into())),
        stage_application,
        other_sync,
        &["applications/shop?", "/spec/syncPolicy/automated"],
    ),
    on_kubernetes(
        "roll back an Application without auto-sync",
        || back(shop(), Revision::Previous),
        without_sync,
        other_operation,
        &["applications/shop?", "/operation"],
    ),
    Action {
        undo: Undo::Never,
        ..on_kubernetes(
            "restart a Deployment",
            || restart(Kind::Deployment),
            |state| stage(state, Kind::Deployment),
            restarted,
            &["deployments/payments?", "restartedAt"],
        )
    },
    Action {
        undo: Undo::Never,
        ..on_kubernetes(
            "restart a StatefulSet",
            || restart(Kind::StatefulSet),
            |state| stage(state, Kind::StatefulSet),
            restarted,
            &["statefulsets/payments?", "restartedAt"],
        )
    },
    Action {
        undo: Undo::Never,
        ..on_kubernetes(
            "restart a DaemonSet",
            || restart(Kind::DaemonSet),
            |state| stage(state, Kind::DaemonSet),
            restarted,
            &["daemonsets/payments?", "restartedAt"],
        )
    },
    Action {
        undo: Undo::Never,
        ..on_kubernetes(
            "restart a Rollout",
            || Request::Restart { target: checkout() },
            |state| {
                stage_rollout(state);
                stage_pods(state);
            },
            restarted_otherwise,
            &["rollouts/checkout?", "/spec/restartAt"],
        )
    },
    on_kubernetes(
        "abort a Rollout",
        || Request::Abort { target: checkout() },
        stage_rollout,
        |state| state.argo.get_mut(ROLLOUT).unwrap()["status"]["abort"] = json!(false),
        &["rollouts/checkout/status?", "/status/abort"],
    ),
    on_kubernetes(
        "divert a VirtualService",
        || mesh::wish(Kind::VirtualService),
        mesh::put,
        |state| state.objects.at(VIRTUAL_SERVICE)["spec"]["http"][0]["route"][0]["weight"] = json!(90),
        &["virtualservices/partner?"],
    ),
    on_kubernetes(
        "divert an HTTPRoute",
        || mesh::wish(Kind::HttpRoute),
        mesh::put,
        |state| state.objects.at(HTTP_ROUTE)["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(7),
        &["httproutes/partner?"],
    ),
    on_kubernetes(
        "switch a Service",
        || mesh::switch("green"),
        mesh::put,
        |state| state.objects.at(SERVICE)["spec"]["selector"]["color"] = json!("red"),
        &["services/checkout?", "/spec/selector/color"],
    ),
    on_aws(
        "scale a service of ECS",
        || scaled(aws::payments(), 12),
        |_| (),
        |state| state.ecs.service["desiredCount"] = json!(9),
        &["UpdateService", r#"{"cluster":"prod","desiredCount":12,"service":"payments"}"#],
    ),
    on_aws(
        "bound a service of ECS",
        || Request::Bound { target: aws::payments(), floor: Some(7), cap: None },
        |state| state.ecs.limits = Some((2, 8)),
        |state| state.ecs.limits = Some((4, 8)),
        &["RegisterScalableTarget", r#""MinCapacity":7,"#],
    ),
    on_aws(
        "roll back a service of ECS",
        || back(aws::payments(), Revision::Previous),
        |_| (),
        |state| state.ecs.roll(43, "SUCCESSFUL"),
        &["UpdateService", r#"task-definition/payments:41""#],
    ),
    Action {
        undo: Undo::Never,
        ..on_aws(
            "roll back a deployment of ECS that is under way",
            || back(aws::payments(), Revision::Previous),
            deploying,
            deployed,
            &["StopServiceDeployment", r#"payments/d3","stopType":"ROLLBACK""#],
        )
    },
    Action {
        undo: Undo::Never,
        ..on_aws(
            "abort a deployment of ECS",
            || Request::Abort { target: aws::payments() },
            deploying,
            deployed,
            &["StopServiceDeployment", r#"payments/d3","stopType":"ROLLBACK""#],
        )
    },
    on_aws(
        "divert a rule",
        || divert(Kind::ListenerRule, "", RULE, "green", 40),
        |state| state.traffic.before = OIDC,
        |state| state.traffic.groups = [5, 5],
        &["ModifyRule", "TargetGroupStickinessConfig.DurationSeconds=600"],
    ),
    on_aws(
        "divert a listener",
        || divert(Kind::Listener, "", LISTENER, "blue", 20),
        |state| state.traffic.groups = [1, 1],
        |state| state.traffic.groups = [5, 5],
        &["ModifyListener", "DefaultActions.member.1.Type=forward"],
    ),
    on_aws(
        "divert records",
        || divert(Kind::RecordSet, "Z0EXAMPLE", "api.example.com/A", "b", 25),
        |_| (),
        |state| state.traffic.records = [5, 5],
        &["ChangeResourceRecordSets", "<Action>DELETE</Action><ResourceRecordSet><Name>api.example.com.</Name>"],
    ),
    on_aws(
        "evacuate a zone",
        evacuate,
        |_| (),
        |state| state.traffic.shifts = vec![("x".into(), "euc1-az2".into(), "somebody else's".into())],
        &["StartZonalShift", r#""expiresIn":"60m""#],
    ),
    Action {
        name: "silence alerts",
        on: On::Alertmanager { edit: other_matchers },
        want: silence,
        wire: &["POST", "/api/v2/silences", "PaymentsCPUHigh"],
        undo: Undo::Back,
        makes: true,
    },
];
