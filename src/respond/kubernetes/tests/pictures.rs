//! The plan of each action at 80×24, with all that it tells found in it.

use super::super::fake::rollout::{self, stage};
use super::super::fake::{Fake, mesh, payments};
use crate::clock::Clock;
use crate::model::name::Kind;
use crate::model::plan::{Replicas, Request, Revision};
use crate::respond::{Cluster, Engine};
use crate::tui::tests::plans::picture;

/// Without what is another in every run: where the kubeconfig is, and the port.
async fn shown(fake: &Fake, want: Request) -> String {
    let (clock, _driver) = Clock::driven(chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap());
    let env = fake.environment();
    let file = env.kubernetes.as_ref().and_then(|access| access.kubeconfig.as_ref()).unwrap().display().to_string();
    let cluster = Cluster { fits: Some(1), service: Some("payments".into()), ..Cluster::default() };
    let mut plan = Engine::new(&env, clock).unwrap().plan(&want, &cluster).await.unwrap();
    plan.command = plan.command.replace(&file, "/home/ana/.kube/config").as_str().into();
    picture(&plan)
}

#[tokio::test]
async fn plans_at_80_by_24() {
    let fake = Fake::start().await;
    let scale = |to| Request::Scale { target: payments(), to: Replicas::Exactly(to) };
    insta::assert_snapshot!("scale", shown(&fake, scale(12)).await);
    insta::assert_snapshot!("scale_to_nothing", shown(&fake, scale(0)).await);
    for (kind, name) in
        [(Kind::Deployment, "deployment"), (Kind::StatefulSet, "statefulset"), (Kind::DaemonSet, "daemonset")]
    {
        let fake = Fake::start().await;
        stage(&mut fake.state(), kind);
        let back = Request::RollBack { target: rollout::target(kind), to: Revision::Previous };
        insta::assert_snapshot!(format!("roll_back_a_{name}"), shown(&fake, back).await);
    }
    let fake = Fake::start().await;
    stage(&mut fake.state(), Kind::Deployment);
    insta::assert_snapshot!(
        "restart",
        shown(&fake, Request::Restart { target: rollout::target(Kind::Deployment) }).await
    );
    let fake = Fake::start().await;
    mesh::put(&mut fake.state());
    for (kind, name) in [(Kind::VirtualService, "virtualservice"), (Kind::HttpRoute, "httproute")] {
        insta::assert_snapshot!(format!("divert_a_{name}"), shown(&fake, mesh::wish(kind)).await);
    }
    insta::assert_snapshot!("switch", shown(&fake, mesh::wish(Kind::Service)).await);
}
