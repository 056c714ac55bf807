//! Argo CD: what heals itself undoes a change by hand; a rollback of its Application stays, and its
//! undo follows git again.

use std::path::Path;

use serde_json::{Value, json};
use warroom::model::name::{Kind, Target};
use warroom::model::plan::{Ends, OwnerEffect, Replicas, Request, Revision};
use warroom::respond::Engine;

use super::{Gateway, target, until};
use crate::kit::{command, unique};
use crate::kubernetes::Shop;

const AUTOMATED: &str = "/spec/syncPolicy/automated";

/// An Application of one Deployment, and the git folder that it follows.
pub(super) struct Follower {
    pub(super) shop: Shop,
    pub(super) app: String,
    git: tempfile::TempDir,
}

impl Follower {
    async fn open(automated: &Value) -> Self {
        Self::open_in("default", automated).await
    }

    /// One of version 1.0.0, in a project that is there.
    pub(super) async fn open_in(project: &str, automated: &Value) -> Self {
        let (shop, app) = (Shop::open().await, unique("app"));
        let git = tempfile::tempdir().unwrap();
        let it = Self { shop, app, git };
        it.git(&["init", "--quiet", "--initial-branch=main"]);
        it.commit("1.0.0");
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": it.app, "namespace": "argocd" },
            "spec": { "project": project,
                "source": { "repoURL": format!("file://{}", it.git.path().display()), "path": "app", "targetRevision": "main" },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": it.shop.namespace },
                "syncPolicy": { "automated": automated } },
        });
        let file = it.git.path().join("application.json");
        std::fs::write(&file, application.to_string()).unwrap();
        it.shop.kubectl(&["create", "--namespace=argocd", "--filename", file.to_str().unwrap()]);
        it
    }

    fn git(&self, arguments: &[&str]) -> String {
        let path = self.git.path().to_str().unwrap();
        let who = ["-C", path, "-c", "user.name=ana", "-c", "user.email=ana@shop.example"];
        command("git", &[&who, arguments].concat()).trim().to_owned()
    }

    /// A commit with another version; its revision.
    pub(super) fn commit(&self, version: &str) -> String {
        let labels = json!({ "app": "payments" });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "payments" },
            "spec": { "replicas": 3, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": format!("registry.example/payments:{version}") }] } } },
        });
        let folder: &Path = &self.git.path().join("app");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("payments.json"), deployment.to_string()).unwrap();
        self.git(&["add", "app"]);
        self.git(&["commit", "--quiet", "--message", version]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn application(&self) -> Target {
        target(Kind::Application, "argocd", &self.app)
    }

    fn deployment(&self) -> Target {
        target(Kind::Deployment, &self.shop.namespace, "payments")
    }

    async fn until_app(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(&self.shop, what, &["application", "--namespace=argocd", &self.app], fits).await
    }

    async fn until_deployed(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(&self.shop, what, &["deployment", "payments"], fits).await
    }

    async fn follows(&self, revision: &str) -> Value {
        self.until_app("it is synced and healthy", |app| {
            app["status"]["sync"]["revision"] == revision
                && app["status"]["sync"]["status"] == "Synced"
                && app["status"]["health"]["status"] == "Healthy"
        })
        .await
    }

    /// Argo CD has looked at it twice more.
    async fn looked_at(&self) -> Value {
        let mut last = Value::Null;
        for _ in 0..3 {
            let before = last.clone();
            let app = self.until_app("a look", |app| app["status"]["reconciledAt"] != before).await;
            last = app["status"]["reconciledAt"].clone();
        }
        self.until_app("it", |_| true).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It has no finalizer: what it made goes with the namespace.
        let _ = std::process::Command::new("kubectl")
            .args(["--kubeconfig", &self.shop.kubeconfig, "--namespace=argocd", "delete", "application", &self.app])
            .output();
    }
}

pub(super) fn image(deployment: &Value) -> &str {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

async fn what_heals_itself_undoes_a_change_and_a_plan_says_so_and_offers_what_stays() {
    let heals = json!({ "prune": true, "selfHeal": true });
    let it = Follower::open(&heals).await;
    let first = it.git(&["rev-parse", "HEAD"]);
    it.follows(&first).await;
    let gateway = Gateway::open(&it.shop);

    it.shop.kubectl(&["scale", "deployment/payments", "--replicas=5"]);
    it.until_deployed("it is set back", |now| now["spec"]["replicas"] == 3).await;
    it.follows(&first).await;
    let scale = Request::Scale { target: it.deployment(), to: Replicas::Exactly(5) };
    let plan = gateway.plan(&scale).await;
    assert_eq!(
        (plan.owners[0].name.as_str(), plan.owners[0].effect),
        (&*format!("Argo CD app {}", it.app), OwnerEffect::Reverts)
    );
    assert!(Engine::blocked(&plan).unwrap().contains("would be undone"));

    // What it offers instead holds the Application still, and then the same plan is offered.
    let (held, words) = gateway.act(&plan.instead.unwrap().request).await;
    assert_eq!(held.title.as_str(), format!("turn auto-sync of Application {} off", it.app));
    assert!(words.starts_with("auto-sync is off"), "{words}");
    let plan = gateway.plan(&scale).await;
    assert_eq!((Engine::blocked(&plan), &plan.instead), (None, &None));
    assert_eq!(gateway.apply(plan).await.1, "5 of 5 ready");
    assert_eq!(it.looked_at().await["status"]["sync"]["status"], "OutOfSync");
    it.until_deployed("it stays", |now| now["spec"]["replicas"] == 5).await;

    let (_, words) = gateway.undo(held).await;
    assert!(words.starts_with("auto-sync is on"), "{words}");
    let app = it.follows(&first).await;
    assert_eq!(app.pointer(AUTOMATED), Some(&heals));
    it.until_deployed("it is set back", |now| now["spec"]["replicas"] == 3).await;
}

async fn a_rollback_of_an_application_stays_and_its_undo_follows_git_again() {
    let heals = json!({ "selfHeal": true });
    let it = Follower::open(&heals).await;
    let first = it.git(&["rev-parse", "HEAD"]);
    it.follows(&first).await;
    let second = it.commit("2.0.0");
    it.follows(&second).await;
    let gateway = Gateway::open(&it.shop);

    let back = Request::RollBack { target: it.application(), to: Revision::Previous };
    let plan = gateway.plan(&back).await;
    let short = |revision: &str| revision.get(..7).unwrap().to_owned();
    assert_eq!(
        plan.changed(),
        format!(
            "auto-sync on (heals itself) → off, version {} (entry 1) → {} (entry 0)",
            short(&second),
            short(&first)
        )
    );
    assert_eq!((plan.ends, Engine::blocked(&plan)), (Ends::Reminder, None));
    assert_eq!(plan.blast.words, "Deployment payments: made anew where the versions differ");
    let (done, words) = gateway.apply(plan).await;
    assert_eq!(words, format!("{} is synced and Healthy", short(&first)));
    let app = it.looked_at().await;
    assert_eq!((&app["status"]["sync"]["status"], app.pointer(AUTOMATED)), (&json!("OutOfSync"), None));
    assert!(app["operation"].is_null(), "{app:#}");
    let now = it.until_deployed("it", |_| true).await;
    assert_eq!(image(&now), "registry.example/payments:1.0.0", "it stays");
    let again = Request::RollBack { target: it.application(), to: Revision::Named(first.as_str().into()) };
    assert!(gateway.try_plan(&again).await.unwrap_err().why.contains("already"));

    let (undone, words) = gateway.undo(done).await;
    assert!(words.starts_with("auto-sync is on") && words.ends_with("Healthy"), "{words}");
    let app = it.follows(&second).await;
    assert_eq!(app.pointer(AUTOMATED), Some(&heals), "the very block");
    let now = it.until_deployed("it rolls forward", |now| image(now).ends_with(":2.0.0")).await;
    assert_eq!(now["status"]["readyReplicas"], 3);
    assert_eq!(undone.ends, Ends::Stays);
}

async fn an_application_that_is_synced_by_hand_goes_back_and_forth() {
    let it = Follower::open(&Value::Null).await;
    let gateway = Gateway::open(&it.shop);
    let sync = |revision: &str| {
        let patch = json!({ "operation": { "initiatedBy": { "username": "bo" }, "sync": { "revision": revision } } });
        it.shop.kubectl(&[
            "patch",
            "application",
            "--namespace=argocd",
            &it.app,
            "--type=merge",
            "-p",
            &patch.to_string(),
        ]);
    };
    let first = it.git(&["rev-parse", "HEAD"]);
    it.until_app("it was compared", |app| app["status"]["sync"]["revision"] == first.as_str()).await;
    sync(&first);
    it.follows(&first).await;
    let second = it.commit("2.0.0");
    it.until_app("it was compared", |app| app["status"]["sync"]["revision"] == second.as_str()).await;
    sync(&second);
    it.follows(&second).await;

    let (done, _) = gateway.act(&Request::RollBack { target: it.application(), to: Revision::Previous }).await;
    assert_eq!((done.changes.len(), done.ends), (1, Ends::Stays));
    it.until_deployed("the first", |now| image(now).ends_with(":1.0.0")).await;
    let stale = done.clone();
    let (_, _) = gateway.undo(done).await;
    it.until_deployed("the second", |now| image(now).ends_with(":2.0.0")).await;
    let refusal = gateway.try_plan(&Request::Undo { plan: Box::new(stale) }).await.unwrap_err();
    assert!(refusal.why.contains("synced by somebody else"), "{refusal}");
}

async fn a_sync_that_fails_is_told_as_it_failed() {
    let it = Follower::open(&json!({ "selfHeal": true })).await;
    let first = it.git(&["rev-parse", "HEAD"]);
    it.follows(&first).await;
    let second = it.commit("2.0.0");
    it.follows(&second).await;
    let gateway = Gateway::open(&it.shop);
    let plan = gateway.plan(&Request::RollBack { target: it.application(), to: Revision::Previous }).await;
    // Meanwhile it is put into a project that is not there.
    let patch = json!({ "spec": { "project": "gone" } }).to_string();
    it.shop.kubectl(&["patch", "application", "--namespace=argocd", &it.app, "--type=merge", "-p", &patch]);
    let ended = gateway.0.apply(plan).await;
    assert_eq!(ended.outcome.as_str(), "failed", "{:?}", ended.outcome);
    assert!(ended.outcome.words().contains("project"), "{:?}", ended.outcome);
}

mod real {
    mod argo {
        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn what_heals_itself_undoes_a_change_and_a_plan_says_so_and_offers_what_stays() {
            super::super::what_heals_itself_undoes_a_change_and_a_plan_says_so_and_offers_what_stays().await;
        }

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn a_rollback_of_an_application_stays_and_its_undo_follows_git_again() {
            super::super::a_rollback_of_an_application_stays_and_its_undo_follows_git_again().await;
        }

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn an_application_that_is_synced_by_hand_goes_back_and_forth() {
            super::super::an_application_that_is_synced_by_hand_goes_back_and_forth().await;
        }

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn a_sync_that_fails_is_told_as_it_failed() {
            super::super::a_sync_that_fails_is_told_as_it_failed().await;
        }
    }
}
