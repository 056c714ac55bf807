//! Rollouts: a canary that is aborted, retried and rolled back, and pods that are made anew.

use std::time::Duration;

use serde_json::Value;
use warroom::drill::kube::{CanaryStep, WorkloadKind};
use warroom::model::name::{Kind, ObjectPath, WorkloadKey};
use warroom::model::plan::{Replicas, Request, Revision, Tier};
use warroom::respond::Engine;

use super::{Gateway, PATIENCE, target};
use crate::kit::{Session, configured};
use crate::kubernetes::side::{JSON_PATCH, MERGE, Side};

pub(super) const NAME: &str = "checkout";

/// Half of the pods, and then a pause that somebody has to end.
const HALVES: [CanaryStep; 2] = [CanaryStep::SetWeight(50), CanaryStep::Pause(None)];

/// A Rollout of four pods that has come up, with these steps.
async fn rolled_out(side: &Side, steps: &[CanaryStep]) {
    side.add(WorkloadKind::Rollout(steps.to_vec()), NAME, 4).await;
    settled(side, "it is healthy", |it| healthy(it) && it["status"]["availableReplicas"] == 4).await;
}

pub(super) fn path(side: &Side) -> String {
    side.of(&WorkloadKind::Rollout(Vec::new()), NAME)
}

/// Looks at the Rollout until it is as it is meant to be and its controller has been quiet for a
/// second. A change that comes while the controller writes the status may be lost on Argo Rollouts
/// 1.9: it puts what it wrote over what its cache has learnt meanwhile ("persisted to informer"),
/// and looks again with the next event or its resync of 15 minutes.
pub(super) async fn settled(side: &Side, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    const QUIET: usize = 5;
    let path = path(side);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let (mut version, mut same) = (Value::Null, 0);
    loop {
        tick.tick().await;
        let now = side.get(&path).await;
        let seen = &now["metadata"]["resourceVersion"];
        same = if *seen == version { same + 1 } else { 0 };
        version = seen.clone();
        if same >= QUIET && fits(&now) {
            return now;
        }
        assert!(tokio::time::Instant::now() < deadline, "not seen within {PATIENCE:?}: {what}\n{now:#}");
    }
}

pub(super) fn healthy(it: &Value) -> bool {
    // Argo Rollouts writes it as text.
    let generation = it["metadata"]["generation"].to_string();
    it["status"]["phase"] == "Healthy" && it["status"]["observedGeneration"].as_str() == Some(&*generation)
}

async fn set_image(side: &Side, version: &str) {
    let patch = serde_json::json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": format!("registry.example/checkout:{version}") }]);
    assert_eq!(side.send("PATCH", &path(side), JSON_PATCH, patch).await.code, 200);
}

fn image(it: &Value) -> &str {
    it["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

/// The pods that are not on their way out, by what is looked at of them, in order.
async fn pods(side: &Side, of: fn(&Value) -> &Value) -> Vec<String> {
    let pods = side.get(&format!("{}?labelSelector=app%3D{NAME}", side.core("pods"))).await;
    let alive = pods["items"].as_array().unwrap().iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let mut told: Vec<_> = alive.map(|pod| of(pod).as_str().unwrap().to_owned()).collect();
    told.sort();
    told
}

/// Their versions.
pub(super) async fn images(side: &Side) -> Vec<String> {
    let images = pods(side, |pod| &pod["spec"]["containers"][0]["image"]).await;
    images.iter().map(|image| image.rsplit(':').next().unwrap().to_owned()).collect()
}

async fn uids(side: &Side) -> Vec<String> {
    pods(side, |pod| &pod["metadata"]["uid"]).await
}

pub(super) fn rollout(side: &Side) -> warroom::model::name::Target {
    target(Kind::Rollout, &side.namespace, NAME)
}

async fn a_canary_is_aborted_retried_and_rolled_back(side: &Side) {
    rolled_out(side, &HALVES).await;
    let gateway = Gateway::on(&side.config());
    let abort = Request::Abort { target: rollout(side) };
    let nothing = gateway.try_plan(&abort).await.unwrap_err();
    assert!(nothing.why.contains("no rollout of Rollout"), "{nothing}");

    set_image(side, "2.0.0").await;
    let paused = |it: &Value| it["status"]["phase"] == "Paused" && it["status"]["updatedReplicas"] == 2;
    settled(side, "the canary's pause", |it| paused(it) && it["status"]["availableReplicas"] == 4).await;
    let plan = gateway.plan(&abort).await;
    assert_eq!((plan.changes[0].pointer.as_str(), plan.tier), ("/status/abort", Tier::Lowers));
    assert!(plan.facts[1].words.starts_with("revision 1 (checkout:1.0.0)"), "{:?}", plan.facts);
    assert_eq!(Engine::blocked(&plan), None);
    let (aborted, words) = gateway.apply(plan).await;
    assert!(
        words.contains("4 of 4 ready, the new one 0; RolloutAborted: Rollout aborted update to revision 2"),
        "{words}"
    );
    assert_eq!(images(side).await, ["1.0.0"; 4]);
    let now = settled(side, "it is degraded", |it| it["status"]["phase"] == "Degraded").await;
    assert_eq!(image(&now), "registry.example/checkout:2.0.0", "the specification still holds the new version");
    assert!(gateway.try_plan(&abort).await.unwrap_err().why.contains("aborted already"));

    // Undone: it starts at its first step again.
    let (retried, words) = gateway.undo(aborted).await;
    assert!(words.starts_with("Progressing") || words.starts_with("Paused"), "{words}");
    settled(side, "the canary's pause again", |it| paused(it) && it["status"]["abort"].is_null()).await;
    // And the undo of that aborts it again.
    let (_, words) = gateway.undo(retried).await;
    assert!(words.contains("RolloutAborted"), "{words}");

    // The version that is stable is written back: its steps are skipped, and the abort is over.
    let back = Request::RollBack { target: rollout(side), to: Revision::Previous };
    settled(side, "it is degraded", |it| it["status"]["phase"] == "Degraded").await;
    let plan = gateway.plan(&back).await;
    assert_eq!(plan.changed(), "template checkout:2.0.0 → checkout:1.0.0");
    let told = plan.facts.iter().find(|fact| fact.label == "to").unwrap();
    assert_eq!(told.words, "revision 1 (checkout:1.0.0), which is stable: its steps are skipped");
    // The command that is offered does the same. Beside the drill there may be no kubectl.
    if !side.is_drill() {
        let command = format!("{} --dry-run=server", plan.command);
        let ran = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    let (_, words) = gateway.apply(plan).await;
    assert_eq!(words, "4 of 4 ready");
    let now = settled(side, "it is healthy", healthy).await;
    assert_eq!((image(&now), now["status"]["abort"].is_null()), ("registry.example/checkout:1.0.0", true));
    assert_eq!(images(side).await, ["1.0.0"; 4]);
}

async fn an_earlier_revision_is_rolled_out_and_undone_to_the_very_template(side: &Side) {
    rolled_out(side, &[]).await;
    for version in ["2.0.0", "3.0.0"] {
        set_image(side, version).await;
        settled(side, "the new version is stable", |it| {
            healthy(it) && it["status"]["stableRS"] == it["status"]["currentPodHash"]
        })
        .await;
    }
    let gateway = Gateway::on(&side.config());
    let before = settled(side, "it", healthy).await;
    let to = |to: &str| Request::RollBack { target: rollout(side), to: Revision::Named(to.into()) };
    assert!(gateway.try_plan(&to("7")).await.unwrap_err().why.contains("those it keeps: 1, 2, 3"));
    assert!(gateway.try_plan(&to("3")).await.unwrap_err().why.contains("already"));
    let stale = gateway.plan(&to("2")).await;
    let (done, words) = gateway.act(&to("1")).await;
    assert_eq!((words.as_str(), images(side).await), ("4 of 4 ready", vec!["1.0.0".to_owned(); 4]));
    let refused = gateway.0.apply(stale).await.outcome;
    assert!(refused.words().contains("template was changed since the plan was made"), "{refused:?}");
    settled(side, "it is healthy", healthy).await;
    let (_, words) = gateway.undo(done).await;
    assert_eq!((words.as_str(), images(side).await), ("4 of 4 ready", vec!["3.0.0".to_owned(); 4]));
    let after = settled(side, "it", healthy).await;
    assert_eq!(after["spec"], before["spec"]);
}

async fn a_rollout_is_seen_by_its_pods_and_scaled(side: &Side) {
    rolled_out(side, &HALVES).await;
    let mut session = Session::start(&configured(&side.config()));
    let key = WorkloadKey { kind: Kind::Rollout, path: ObjectPath::new(side.namespace.as_str(), NAME) };
    session.until("its pods", |s| s.picture.workloads.row(&key).is_some_and(|row| row.pods.len() == 4)).await;
    session.end().await;

    let gateway = Gateway::on(&side.config());
    let scale = |to| Request::Scale { target: rollout(side), to: Replicas::Exactly(to) };
    let (done, words) = gateway.act(&scale(6)).await;
    assert_eq!(words, "6 of 6 ready");
    settled(side, "it is healthy", healthy).await;
    set_image(side, "2.0.0").await;
    settled(side, "the canary's pause", |it| it["status"]["phase"] == "Paused").await;
    let (_, words) = gateway.undo(done).await;
    // A canary whose traffic follows its pods may have one more than were asked for.
    assert!(words == "4 of 4 ready" || words == "5 of 4 ready", "also in the middle of a rollout: {words}");
}

async fn all_pods_are_made_anew_some_at_a_time_also_in_a_pause_or_while_it_is_paused(side: &Side) {
    rolled_out(side, &HALVES).await;
    let gateway = Gateway::on(&side.config());
    let restart = Request::Restart { target: rollout(side) };
    let anew = async |images_then: [&str; 4]| {
        let before = uids(side).await;
        let plan = gateway.plan(&restart).await;
        assert_eq!(plan.blast.words, "4 of 4 ready now; 1 at a time end before others take their place");
        let (done, words) = gateway.apply(plan).await;
        assert_eq!(
            (words.as_str(), images(side).await),
            ("4 of 4 pods are new, 4 of 4 ready", images_then.map(str::to_owned).to_vec())
        );
        assert!(uids(side).await.iter().all(|pod| !before.contains(pod)), "none is as old");
        done
    };
    let done = anew(["1.0.0"; 4]).await;
    let restarted = |it: &Value| it["status"]["restartedAt"] == it["spec"]["restartAt"];
    settled(side, "the restart is over", |it| healthy(it) && restarted(it)).await;
    let undo = gateway.try_plan(&Request::Undo { plan: Box::new(done) }).await.unwrap_err();
    assert!(undo.why.contains("cannot be undone"), "{undo}");

    set_image(side, "2.0.0").await;
    let paused = |it: &Value| it["status"]["phase"] == "Paused" && it["status"]["availableReplicas"] == 4;
    settled(side, "the canary's pause", |it| paused(it) && it["status"]["updatedReplicas"] == 2).await;
    anew(["1.0.0", "1.0.0", "2.0.0", "2.0.0"]).await;
    let now = settled(side, "the restart is over", |it| paused(it) && restarted(it)).await;
    assert_eq!(now["status"]["currentStepIndex"], 1, "the rollout under way stays where it was");

    let hold = serde_json::json!({ "spec": { "paused": true } });
    assert_eq!(side.send("PATCH", &path(side), MERGE, hold).await.code, 200);
    settled(side, "it is paused by hand", |it| it["status"]["message"] == "manually paused").await;
    anew(["1.0.0", "1.0.0", "2.0.0", "2.0.0"]).await;
}

super::cases! {
    a_canary_is_aborted_retried_and_rolled_back,
    an_earlier_revision_is_rolled_out_and_undone_to_the_very_template,
    a_rollout_is_seen_by_its_pods_and_scaled,
    all_pods_are_made_anew_some_at_a_time_also_in_a_pause_or_while_it_is_paused,
}
