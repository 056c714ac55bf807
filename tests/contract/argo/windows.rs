//! Sync windows of an AppProject: Argo CD keeps to them, and a plan says so before.

use std::time::Duration;

use chrono::Timelike as _;
use serde_json::{Value, json};
use warroom::clock::Clock;
use warroom::drill::kube::ApplicationSpec;
use warroom::model::name::Kind;
use warroom::model::plan::{Request, Revision};

use super::cd::{Follower, image};
use super::{Gateway, PATIENCE, target};
use crate::kit::unique;
use crate::kubernetes::Shop;
use crate::kubernetes::side::{MERGE, Side};

/// An Application of one Deployment that heals itself, in a project that nobody else is in.
struct Kept {
    behind: Behind,
    project: String,
    app: String,
}

enum Behind {
    Drill(Side),
    Real(Follower),
}

impl Kept {
    async fn drill() -> Self {
        let app = ApplicationSpec {
            name: "shop".into(),
            workloads: vec![("shop".into(), "payments".into())],
            repository: "https://git.example/shop.git".into(),
            self_heal: true,
        };
        let behind = Behind::Drill(Side::drill_of(vec![app]).await);
        Self { behind, project: "default".into(), app: "shop".into() }
    }

    async fn real() -> Self {
        let project = unique("project");
        let any = json!([{ "group": "*", "kind": "*" }]);
        let object = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": { "name": project, "namespace": "argocd" },
            "spec": { "sourceRepos": ["*"], "destinations": [{ "namespace": "*", "server": "*" }],
                "clusterResourceWhitelist": any } });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), object.to_string()).unwrap();
        Shop::open().await.kubectl(&["create", "--namespace=argocd", "--filename", file.path().to_str().unwrap()]);
        let follower = Follower::open_in(&project, &json!({ "selfHeal": true })).await;
        Self { app: follower.app.clone(), behind: Behind::Real(follower), project }
    }

    fn gateway(&self) -> Gateway {
        match &self.behind {
            Behind::Drill(side) => Gateway::on(&side.config()),
            Behind::Real(follower) => Gateway::open(&follower.shop),
        }
    }

    fn release(&self, version: &str) {
        match &self.behind {
            Behind::Drill(side) => side.release("payments", version),
            Behind::Real(follower) => drop(follower.commit(version)),
        }
    }

    /// Has the project these windows and no others.
    async fn windows(&self, windows: Value) {
        let (project, patch) = (&self.project, json!({ "spec": { "syncWindows": windows } }));
        match &self.behind {
            Behind::Drill(side) => {
                let path = format!("/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/{project}");
                assert_eq!(side.send("PATCH", &path, MERGE, patch).await.code, 200);
            }
            Behind::Real(Follower { shop, .. }) => {
                let patch = patch.to_string();
                shop.kubectl(&["patch", "appproject", "--namespace=argocd", project, "--type=merge", "-p", &patch]);
            }
        }
    }

    /// The Application and its Deployment.
    async fn now(&self) -> (Value, Value) {
        match &self.behind {
            Behind::Drill(side) => {
                let app = format!("/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/{}", self.app);
                (side.get(&app).await, side.get(&side.apps("deployments/payments")).await)
            }
            Behind::Real(Follower { shop, .. }) => {
                let get = |what: &[&str]| {
                    let told = shop.kubectl(&[&["get", "--ignore-not-found", "--output=json"], what].concat());
                    // Nothing is printed of what is not there yet.
                    serde_json::from_str(&told).unwrap_or_default()
                };
                (get(&["application", "--namespace=argocd", &self.app]), get(&["deployment", "payments"]))
            }
        }
    }

    async fn until(&self, what: &str, fits: impl Fn(&Value, &Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            let (app, deployment) = self.now().await;
            if fits(&app, &deployment) {
                return app;
            }
            assert!(tokio::time::Instant::now() < deadline, "not seen within {PATIENCE:?}: {what}\n{app:#}");
        }
    }

    async fn follows(&self, version: &str) {
        self.until(version, |app, deployment| {
            let status = &app["status"];
            !deployment.is_null()
                && image(deployment).ends_with(version)
                && (&status["sync"]["status"], &status["health"]["status"]) == (&json!("Synced"), &json!("Healthy"))
                && status["operationState"]["phase"] != "Running"
        })
        .await;
    }

    /// These are committed, and Argo CD knows of each and leaves what runs at `version`.
    async fn leaves(&self, version: &str, commits: [&str; 2]) {
        for commit in commits {
            let before = self.now().await.0["status"]["sync"]["revision"].clone();
            self.release(commit);
            // What it does about one is decided by the time it says so.
            let app = self.until(commit, |app, _| app["status"]["sync"]["revision"] != before).await;
            assert_eq!(app["status"]["sync"]["status"], "OutOfSync");
        }
        assert!(image(&self.now().await.1).ends_with(version));
    }

    fn back(&self) -> Request {
        Request::RollBack { target: target(Kind::Application, "argocd", &self.app), to: Revision::Previous }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Behind::Real(Follower { shop, .. }) = &self.behind {
            let _ = std::process::Command::new("kubectl")
                .args(["--kubeconfig", &shop.kubeconfig, "--namespace=argocd", "delete", "appproject", &self.project])
                .arg("--wait=false")
                .output();
        }
    }
}

/// A window that is active now.
fn open(kind: &str, by_hand: bool) -> Value {
    json!({ "kind": kind, "schedule": "* * * * *", "duration": "2h", "applications": ["*"], "manualSync": by_hand })
}

/// One that began half a day ago and was short.
fn closed(kind: &str) -> Value {
    let schedule = format!("0 {} * * *", (Clock::real().now().hour() + 12) % 24);
    json!({ "kind": kind, "schedule": schedule, "duration": "1m", "namespaces": ["*"] })
}

async fn nothing_is_synced_outside_its_windows_and_a_plan_that_would_be_held_up_is_refused(it: &Kept) {
    it.follows("1.0.0").await;
    it.release("2.0.0");
    it.follows("2.0.0").await;
    let gateway = it.gateway();
    let told = gateway.plan(&it.back()).await.facts;
    assert!(told.iter().all(|fact| fact.label != "windows"), "{told:?}");

    it.windows(json!([open("allow", false), open("deny", false)])).await;
    let why = gateway.try_plan(&it.back()).await.unwrap_err().why;
    let named = format!("the sync window deny “* * * * *” for 2h of AppProject {} is active until", it.project);
    assert!(why.contains(&named), "{why}");
    it.leaves("2.0.0", ["3.0.0", "4.0.0"]).await;

    it.windows(json!([closed("allow")])).await;
    let why = gateway.try_plan(&it.back()).await.unwrap_err().why;
    assert!(why.contains("allows it only in its sync windows, and none is active"), "{why}");
    it.leaves("2.0.0", ["5.0.0", "6.0.0"]).await;

    it.windows(json!([closed("allow"), open("allow", false), closed("deny")])).await;
    it.follows("6.0.0").await;
    gateway.plan(&it.back()).await;
}

async fn a_window_that_lets_a_sync_by_hand_through_lets_a_rollback_through(it: &Kept) {
    it.follows("1.0.0").await;
    it.release("2.0.0");
    it.follows("2.0.0").await;
    it.windows(json!([open("deny", true)])).await;
    let gateway = it.gateway();
    let plan = gateway.plan(&it.back()).await;
    let told = plan.facts.iter().find(|fact| fact.label == "windows").unwrap();
    assert!(told.words.contains("lets a sync by hand through"), "{told:?}");
    let (done, words) = gateway.apply(plan).await;
    assert!(words.ends_with("is synced and Healthy"), "{words}");
    // To follow git again is no sync by hand: it waits for the end of the window.
    let undo = gateway.plan(&Request::Undo { plan: Box::new(done) }).await;
    let held_up = async {
        it.until("auto-sync is on", |app, _| app["spec"]["syncPolicy"]["automated"].is_object()).await;
        it.leaves("1.0.0", ["3.0.0", "4.0.0"]).await;
        it.windows(json!([])).await;
    };
    let ((_, words), ()) = tokio::join!(gateway.apply(undo), held_up);
    assert!(words.starts_with("auto-sync is on") && words.ends_with("Healthy"), "{words}");
    it.follows("4.0.0").await;
}

async fn a_window_that_begins_after_the_plan_holds_it_up_until_its_end(it: &Kept) {
    it.follows("1.0.0").await;
    it.release("2.0.0");
    it.follows("2.0.0").await;
    let gateway = it.gateway();
    let plan = gateway.plan(&it.back()).await;
    it.windows(json!([open("deny", false)])).await;
    let held_up = async {
        it.until("the sync waits", |app, deployment| {
            let state = &app["status"]["operationState"];
            let waits =
                state["message"].as_str().unwrap_or_default().starts_with("Sync operation blocked by sync window");
            waits && state["phase"] == "Running" && image(deployment).ends_with("2.0.0")
        })
        .await;
        it.windows(json!([])).await;
    };
    let ((_, words), ()) = tokio::join!(gateway.apply(plan), held_up);
    assert!(words.ends_with("is synced and Healthy"), "{words}");
    assert!(image(&it.now().await.1).ends_with("1.0.0"));
}

/// Registers cases against both Argo CDs.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod drill {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Kept::drill().await).await;
            })+
        }
        mod real {
            mod argo {
                $(#[tokio::test]
                #[ignore = "needs argo: tests/run starts it"]
                async fn $name() {
                    super::super::$name(&super::super::Kept::real().await).await;
                })+
            }
        }
    };
}

both! {
    nothing_is_synced_outside_its_windows_and_a_plan_that_would_be_held_up_is_refused,
    a_window_that_lets_a_sync_by_hand_through_lets_a_rollback_through,
    a_window_that_begins_after_the_plan_holds_it_up_until_its_end,
}
