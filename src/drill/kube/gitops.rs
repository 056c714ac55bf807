//! Argo CD: what is in git is applied to the cluster, and what drifts from it is healed.
//!
//! Owns: the commits of each Application, its syncs, its history and what it says of itself. The
//! rules are Argo CD's (`controller/appcontroller.go`), the times those measured on 3.5: a commit
//! is synced in the second after it, a drift is healed in the second after it was noticed, and
//! later when it comes again. Must not: change anything that no manifest names.

mod schedule;
mod windows;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::World;

use super::kinds::Kind;
use super::state::State;
use super::store::Key;
use super::value::{at, cut, int, list, put, seconds, stamp, text};

/// Where Argo CD lives.
pub(super) const NAMESPACE: &str = "argocd";
/// The project of Applications that name no other.
pub(super) const PROJECT: &str = "default";
/// By which annotation it finds what is its own.
pub(super) const TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// What was applied last, as `kubectl apply` keeps it.
pub(super) const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Entries of the history that are kept unless `spec.revisionHistoryLimit` says otherwise.
const HISTORY: usize = 10;
/// Healing the same again waits this long first (seconds), then three times as long each time, up
/// to the cap: `--self-heal-backoff-*`.
const BACKOFF: (u64, u64, u64) = (2, 3, 300);
/// From one comparison with git to the next, if nothing happens before: `timeout.reconciliation`.
const RESYNC: u64 = 120;
/// After so many quiet seconds the next heal is at once again: `--self-heal-backoff-cooldown`.
const COOLDOWN: u64 = 330;

/// What is in git at one commit.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) revision: String,
    pub(super) at: World,
    pub(super) manifests: BTreeMap<Key, Value>,
}

/// What the controller knows of one Application.
#[derive(Clone, Debug, Default)]
pub(super) struct AppRun {
    /// Oldest first; the last one is the head of the branch.
    pub(super) commits: Vec<Commit>,
    /// The commit that was synced last.
    pub(super) synced: String,
    under: Option<Sync>,
    finished: Option<World>,
    heals: u32,
    drifted: bool,
    /// When it is compared with git again if nothing happens before.
    due: Option<World>,
    /// The generation that was compared last.
    seen: i64,
}

/// A sync that was begun.
#[derive(Clone, Debug)]
struct Sync {
    revision: String,
    started: World,
    by: Value,
    operation: Value,
    /// Only what drifted: that is no new entry of the history.
    heals: bool,
}

impl AppRun {
    fn head(&self) -> Option<&Commit> {
        self.commits.last()
    }

    /// The commit that `revision` names: in full, by its beginning, or the head.
    fn find(&self, revision: &str) -> Option<&Commit> {
        if matches!(revision, "" | "HEAD" | "main") {
            return self.head();
        }
        let long = revision.len() >= 7;
        self.commits
            .iter()
            .rev()
            .find(|commit| commit.revision == revision || long && commit.revision.starts_with(revision))
    }

    /// When a drift may be healed: at once, and later each time that it comes again.
    fn may_heal(&self, now: World) -> bool {
        let Some(finished) = self.finished else { return true };
        let (first, factor, most) = BACKOFF;
        let wait = match self.heals.checked_sub(1) {
            None => 0,
            Some(more) => first.saturating_mul(factor.saturating_pow(more)).min(most),
        };
        now >= finished + seconds(wait)
    }
}

impl State {
    /// A pipeline's release of a workload that an Application manages: a commit, and no more.
    /// `false` if none does.
    pub(super) fn commit(&mut self, workload: &Key, image: &str, by: &str) -> bool {
        let (now, seed) = (self.now, self.seed);
        for (app, run) in &mut self.apps {
            let Some(head) = run.head().filter(|head| head.manifests.contains_key(workload)).cloned() else { continue };
            let mut manifests = head.manifests;
            if let Some(manifest) = manifests.get_mut(workload) {
                super::found::set_image(manifest, image);
                put(manifest, &["metadata", "annotations", "kubernetes.io/change-cause"], json!(by));
            }
            let revision = revision(seed, &app.name, run.commits.len(), image);
            run.commits.push(Commit { revision, at: now, manifests });
            return true;
        }
        false
    }

    pub(super) fn run_gitops(&mut self) {
        for key in self.apps.keys().cloned().collect::<Vec<_>>() {
            let Some(object) = self.store.get(Kind::Application, &key).cloned() else { continue };
            let Some(mut run) = self.apps.remove(&key) else { continue };
            self.run_application(Value::clone(&object), &mut run);
            self.apps.insert(key, run);
        }
    }

    fn run_application(&mut self, mut app: Value, run: &mut AppRun) {
        let auto = at(&app, &["spec", "syncPolicy", "automated"]).clone();
        let is_auto = auto.is_object() && at(&auto, &["enabled"]).as_bool() != Some(false);
        let heals = is_auto && at(&auto, &["selfHeal"]).as_bool() == Some(true);
        let asked = at(&app, &["operation"]).clone();
        let by_hand = at(&asked, &["initiatedBy", "automated"]).as_bool() != Some(true);
        let head = run.head().map(|head| head.revision.clone()).unwrap_or_default();
        if run.finished.is_some_and(|finished| self.now >= finished + seconds(COOLDOWN)) {
            run.heals = 0;
        }
        if let Some(sync) = run.under.take() {
            self.finish(&mut app, run, &sync);
        } else if asked.is_object() {
            match self.project_of(&app) {
                Err(why) => fail(&mut app, &asked, &stamp(self.now), &why),
                Ok(project) => match windows::hold_up(&project, &app, by_hand, self.now) {
                    Some(why) => hold(&mut app, &asked, &stamp(self.now), &why),
                    None => {
                        let wanted = text(&asked, &["sync", "revision"]).to_owned();
                        let by = at(&asked, &["initiatedBy"]).clone();
                        self.begin(&mut app, run, (&wanted, false), by, asked);
                    }
                },
            }
        } else if !self.may_sync_itself(&app) {
            // It goes on when a window lets it.
        } else if is_auto && head != run.synced {
            run.heals = 0;
            self.begin(&mut app, run, (&head, false), json!({"automated": true}), Value::Null);
        } else if heals && run.drifted && run.may_heal(self.now) {
            run.heals += 1;
            self.begin(&mut app, run, (&head, true), json!({"automated": true}), Value::Null);
        }
        self.compare(&mut app, run);
        self.store.put(Kind::Application, app);
    }

    /// The project that an Application is in, or that it is not there.
    fn project_of(&self, app: &Value) -> Result<Value, String> {
        let named = text(app, &["spec", "project"]);
        let name = if named.is_empty() { PROJECT } else { named };
        let found = self.store.get(Kind::AppProject, &Key::new(NAMESPACE, name));
        found
            .map(|project| Value::clone(project))
            .ok_or_else(|| format!("application references project {name} which does not exist"))
    }

    /// Whether nothing of its project keeps an Application from following git by itself now.
    fn may_sync_itself(&self, app: &Value) -> bool {
        self.project_of(app).is_ok_and(|project| windows::hold_up(&project, app, false, self.now).is_none())
    }

    /// Applies a commit, or says that there is none of that name.
    fn begin(&mut self, app: &mut Value, run: &mut AppRun, (wanted, heals): (&str, bool), by: Value, operation: Value) {
        let now = stamp(self.now);
        let operation = match operation {
            Value::Null => json!({"initiatedBy": by, "sync": {"revision": wanted}}),
            operation => operation,
        };
        let Some(commit) = run.find(wanted).cloned() else {
            fail(app, &operation, &now, &format!("unable to resolve '{wanted}' to a commit SHA"));
            return;
        };
        if at(&operation, &["sync", "dryRun"]).as_bool() != Some(true) {
            for (key, manifest) in &commit.manifests {
                self.apply(key, manifest);
            }
        }
        put(
            app,
            &["status", "operationState"],
            json!({"phase": "Running", "message": "waiting for completion of sync", "startedAt": now,
                "operation": operation, "syncResult": {"revision": commit.revision}}),
        );
        run.under = Some(Sync { revision: commit.revision, started: self.now, by, operation, heals });
    }

    fn finish(&mut self, app: &mut Value, run: &mut AppRun, sync: &Sync) {
        run.finished = Some(self.now);
        let (started, finished) = (stamp(sync.started), stamp(self.now));
        let source = at(app, &["spec", "source"]).clone();
        // Another one may have been asked for meanwhile.
        if *at(app, &["operation"]) == sync.operation {
            cut(app, &["operation"]);
        }
        put(
            app,
            &["status", "operationState"],
            json!({"phase": "Succeeded", "message": "successfully synced (all tasks run)", "startedAt": started,
                "finishedAt": finished, "operation": sync.operation,
                "syncResult": {"revision": sync.revision, "source": source}}),
        );
        if at(&sync.operation, &["sync", "dryRun"]).as_bool() == Some(true) {
            return;
        }
        run.synced = sync.revision.clone();
        if sync.heals {
            return;
        }
        let entry = json!({"revision": sync.revision, "deployStartedAt": started, "deployedAt": finished,
            "initiatedBy": sync.by, "source": source});
        remember(app, entry);
    }

    /// `kubectl apply` of one manifest.
    fn apply(&mut self, key: &Key, manifest: &Value) {
        let applied = manifest.to_string();
        self.store.edit(Kind::Deployment, key, |live| {
            let before = at(live, &["spec"]).clone();
            // What was applied before and is not any more goes.
            let last: Value =
                serde_json::from_str(text(live, &["metadata", "annotations", APPLIED])).unwrap_or_default();
            for name in at(&last, &["metadata", "annotations"]).as_object().into_iter().flat_map(|map| map.keys()) {
                if at(manifest, &["metadata", "annotations", name]).is_null() {
                    cut(live, &["metadata", "annotations", name]);
                }
            }
            lay(live, manifest);
            put(live, &["metadata", "annotations", APPLIED], json!(applied));
            if *at(live, &["spec"]) != before {
                let generation = int(live, &["metadata", "generation"]).saturating_add(1);
                put(live, &["metadata", "generation"], json!(generation));
            }
        });
    }

    /// What the Application says of itself: how the cluster compares with the head, and how well
    /// its workloads are.
    fn compare(&mut self, app: &mut Value, run: &mut AppRun) {
        let Some(head) = run.head().cloned() else { return };
        let (mut resources, mut images) = (Vec::new(), Vec::new());
        let (mut drifted, mut worst) = (false, "Healthy");
        for (key, manifest) in &head.manifests {
            let live = self.store.get(Kind::Deployment, key);
            let same = live.is_some_and(|live| covers(live, manifest));
            let health = live.map_or("Missing", |live| health(live));
            drifted |= !same;
            worst = if rank(health) > rank(worst) { health } else { worst };
            let status = if same { "Synced" } else { "OutOfSync" };
            resources.push(json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": key.namespace,
                "name": key.name, "status": status, "health": {"status": health}}));
            let containers = live.map(|live| list(live, &["spec", "template", "spec", "containers"]).to_vec());
            images.extend(containers.into_iter().flatten().map(|it| text(&it, &["image"]).to_owned()));
        }
        run.drifted = drifted;
        let before = at(app, &["status"]).clone();
        let compared =
            json!({"source": at(app, &["spec", "source"]), "destination": at(app, &["spec", "destination"])});
        let status = if drifted { "OutOfSync" } else { "Synced" };
        put(app, &["status", "sync"], json!({"status": status, "revision": head.revision, "comparedTo": compared}));
        put(app, &["status", "health", "status"], json!(worst));
        put(app, &["status", "resources"], Value::Array(resources));
        images.sort();
        put(app, &["status", "summary", "images"], json!(images));
        let generation = int(app, &["metadata", "generation"]);
        let is_due = run.due.is_none_or(|due| self.now >= due) || run.seen != generation;
        if is_due || *at(app, &["status"]) != before {
            put(app, &["status", "reconciledAt"], json!(stamp(self.now)));
            // What a sync has come to is looked at once more.
            let pause = if run.finished == Some(self.now) { 1 } else { RESYNC };
            (run.due, run.seen) = (Some(self.now + seconds(pause)), generation);
        }
    }
}

/// Ends an operation that came to nothing.
fn fail(app: &mut Value, operation: &Value, now: &str, message: &str) {
    cut(app, &["operation"]);
    put(
        app,
        &["status", "operationState"],
        json!({"phase": "Error", "message": message, "startedAt": now, "finishedAt": now, "operation": operation}),
    );
}

/// Leaves an operation waiting, and says why. It began when it was first seen.
fn hold(app: &mut Value, operation: &Value, now: &str, message: &str) {
    let state = at(app, &["status", "operationState"]);
    let same = text(state, &["phase"]) == "Running" && at(state, &["operation"]) == operation;
    let since = if same { text(state, &["startedAt"]).to_owned() } else { now.to_owned() };
    put(
        app,
        &["status", "operationState"],
        json!({"phase": "Running", "message": message, "startedAt": since, "operation": operation}),
    );
}

/// Adds an entry to the history, with the next number, and forgets what is too old.
pub(super) fn remember(app: &mut Value, mut entry: Value) {
    let mut history = list(app, &["status", "history"]).to_vec();
    let next = history.last().map_or(0, |last| int(last, &["id"]) + 1);
    put(&mut entry, &["id"], json!(next));
    history.push(entry);
    let limit = at(app, &["spec", "revisionHistoryLimit"]).as_u64().and_then(|limit| usize::try_from(limit).ok());
    let surplus = history.len().saturating_sub(limit.unwrap_or(HISTORY));
    history.drain(..surplus);
    put(app, &["status", "history"], Value::Array(history));
}

/// A commit's SHA: as if git had made it.
pub(super) fn revision(seed: super::seed::Seed, app: &str, number: usize, image: &str) -> String {
    let number = number.to_string();
    let half = |part: &str| seed.uid(&["commit", app, &number, image, part]).replace('-', "");
    let mut whole = half("one") + &half("two");
    whole.truncate(40);
    whole
}

/// Whether everything that `manifest` names is so in `live`. What it does not name is not looked
/// at: an annotation of `kubectl rollout restart` is no drift.
fn covers(live: &Value, manifest: &Value) -> bool {
    match (live, manifest) {
        (Value::Object(live), Value::Object(manifest)) => manifest
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind"))
            .all(|(key, value)| live.get(key).is_some_and(|live| covers(live, value))),
        (Value::Array(live), Value::Array(manifest)) => {
            live.len() == manifest.len() && live.iter().zip(manifest).all(|(live, value)| covers(live, value))
        }
        (live, manifest) => live == manifest,
    }
}

/// Lays a manifest over an object: its fields win, the others stay.
fn lay(live: &mut Value, manifest: &Value) {
    let Value::Object(fields) = manifest else {
        if !covers(live, manifest) {
            *live = manifest.clone();
        }
        return;
    };
    let map = super::value::object(live);
    for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind")) {
        lay(map.entry(key.clone()).or_insert(Value::Null), value);
    }
}

/// How Argo CD judges a Deployment (`gitops-engine/pkg/health/health_deployment.go`).
fn health(live: &Value) -> &'static str {
    let number = |path: &[&str]| int(live, path);
    let wanted = at(live, &["spec", "replicas"]).as_i64().unwrap_or(1);
    let (updated, total) = (number(&["status", "updatedReplicas"]), number(&["status", "replicas"]));
    let late = list(live, &["status", "conditions"])
        .iter()
        .any(|it| text(it, &["type"]) == "Progressing" && text(it, &["reason"]) == "ProgressDeadlineExceeded");
    if at(live, &["spec", "paused"]).as_bool() == Some(true) {
        "Suspended"
    } else if number(&["metadata", "generation"]) > number(&["status", "observedGeneration"]) {
        "Progressing"
    } else if late {
        "Degraded"
    } else if updated < wanted || total > updated || number(&["status", "availableReplicas"]) < updated {
        "Progressing"
    } else {
        "Healthy"
    }
}

fn rank(health: &str) -> usize {
    ["Healthy", "Suspended", "Progressing", "Missing", "Degraded"].iter().position(|it| *it == health).unwrap_or(0)
}
