//! The kubelets: containers start, become ready, end, are restarted and are stopped.
//!
//! Owns: a pod's life and its published status. Must not: decide how many pods there are or
//! where they run.

use serde_json::{Value, json};

use crate::clock::World;

use super::Kill;
use super::kinds::Kind;
use super::logs::Log;
use super::state::State;
use super::store::Key;
use super::value::{list, put, seconds, stamp, text};

/// From the request to stop a pod to its end, in seconds of world time.
const STOPS_AFTER: u64 = 2;
/// The first and the longest wait before a container that keeps ending is started again.
const BACK_OFF: (u64, u64) = (10, 300);
/// A container that ran this long is forgiven what it did before: twice the longest wait.
const FORGIVEN: u64 = 600;
/// How often a failing probe says so, in seconds.
const PROBE_REPEAT: u64 = 10;

/// Where a pod's container is in its life.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Life {
    /// No node yet.
    Unscheduled,
    /// Its image is being fetched.
    Creating {
        since: World,
    },
    Running {
        since: World,
    },
    /// Ended; started again at `restart`. `wait` is the back-off in seconds, 0 for none.
    Ended {
        restart: World,
        wait: u64,
    },
}

/// How a container's last run went.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) why: Kill,
    pub(super) started: World,
    pub(super) finished: World,
}

/// What the controllers and the kubelet know of a pod beyond its object.
#[derive(Clone, Debug)]
pub(super) struct PodRun {
    pub(super) uid: String,
    /// The workload that people know it by: a Deployment's name, not its ReplicaSet's.
    pub(super) workload: (Kind, String),
    /// The ReplicaSet that made it; empty if none did.
    pub(super) replica_set: String,
    /// Its `controller-revision-hash`; empty if it has none.
    pub(super) revision: String,
    /// The one node that it may run on.
    pub(super) pinned: Option<String>,
    pub(super) container: String,
    pub(super) image: String,
    pub(super) created: World,
    /// Requests: thousandths of a core, bytes.
    pub(super) cpu: u64,
    pub(super) memory: u64,
    /// From being scheduled to running, and from running to ready, in seconds.
    pub(super) delays: (u64, u64),
    pub(super) node: Option<String>,
    pub(super) scheduled: Option<World>,
    /// What the scheduler last said, and when.
    pub(super) unfit: Option<(String, World)>,
    pub(super) life: Life,
    pub(super) restarts: u32,
    /// The wait after the next end, in seconds.
    pub(super) back_off: u64,
    pub(super) last: Option<Ended>,
    /// What the readiness probe says.
    pub(super) probe: bool,
    /// When a failing probe was last told of.
    pub(super) probe_told: Option<World>,
    pub(super) kill: Option<Kill>,
    pub(super) usage: Option<(u64, u64)>,
    pub(super) ready: bool,
    pub(super) ready_changed: World,
    pub(super) deleted: Option<World>,
    pub(super) log: Log,
    pub(super) previous: Option<Log>,
}

impl Kill {
    fn reason(self) -> &'static str {
        match self {
            Self::OutOfMemory => "OOMKilled",
            Self::Crash => "Error",
        }
    }

    fn code(self) -> i32 {
        match self {
            Self::OutOfMemory => 137,
            Self::Crash => 1,
        }
    }
}

/// Something that happened to a container, told as an event.
struct Told {
    warning: bool,
    reason: &'static str,
    message: String,
}

impl PodRun {
    /// One second of a container's life. Returns whether its status changed.
    fn step(&mut self, key: &Key, now: World, node_ready: bool, told: &mut Vec<Told>) -> bool {
        let before = (self.life.clone(), self.ready, self.restarts);
        let mut tell = |warning, reason, message| told.push(Told { warning, reason, message });
        match self.life.clone() {
            Life::Unscheduled => {}
            Life::Creating { since } => {
                self.kill = None;
                if now >= since + seconds(self.delays.0) {
                    tell(false, "Pulled", format!("Container image {:?} already present on machine", self.image));
                    tell(false, "Created", format!("Created container: {}", self.container));
                    tell(false, "Started", format!("Started container {}", self.container));
                    self.life = Life::Running { since: now };
                }
            }
            Life::Running { since } => {
                if let Some(why) = self.kill.take() {
                    self.end(why, since, now);
                }
            }
            Life::Ended { restart, wait } => {
                self.kill = None;
                if now >= restart {
                    self.restarts = self.restarts.saturating_add(1);
                    self.previous = Some(std::mem::take(&mut self.log));
                    tell(false, "Pulled", format!("Container image {:?} already present on machine", self.image));
                    tell(false, "Created", format!("Created container: {}", self.container));
                    tell(false, "Started", format!("Started container {}", self.container));
                    self.life = Life::Running { since: now };
                } else if wait > 0 {
                    // Told at once and then counted up while it waits.
                    let waited = self.last.as_ref().map_or(0, |last| (now - last.finished).num_seconds());
                    if waited % 10 == 1 {
                        let message = format!(
                            "Back-off restarting failed container {} in pod {}_{}({})",
                            self.container, key.name, key.namespace, self.uid
                        );
                        tell(true, "BackOff", message);
                    }
                }
            }
        }
        let mut ready = false;
        if let Life::Running { since } = self.life
            && now >= since + seconds(self.delays.1)
        {
            ready = self.probe && node_ready;
            let due = self.probe_told.is_none_or(|when| now - when >= seconds(PROBE_REPEAT));
            if !self.probe && due {
                self.probe_told = Some(now);
                tell(true, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned());
            }
        }
        if ready != self.ready {
            (self.ready, self.ready_changed) = (ready, now);
        }
        before != (self.life.clone(), self.ready, self.restarts)
    }

    fn end(&mut self, why: Kill, started: World, now: World) {
        if now - started >= seconds(FORGIVEN) {
            self.back_off = 0;
        }
        let wait = self.back_off;
        self.back_off = if wait == 0 { BACK_OFF.0 } else { (wait * 2).min(BACK_OFF.1) };
        self.last = Some(Ended { why, started, finished: now });
        self.usage = None;
        // The first restart comes at once, which is the next second.
        self.life = Life::Ended { restart: now + seconds(wait.max(1)), wait };
    }

    /// `status`, as the API shows it.
    fn status(&self, key: &Key, host: &str) -> Value {
        let scheduled = self.scheduled.unwrap_or(self.created);
        let condition = |kind: &str, fine: bool, since: World, reason: &str, message: &str| {
            let mut out = json!({"type": kind, "status": if fine { "True" } else { "False" },
                "lastProbeTime": null, "lastTransitionTime": stamp(since)});
            if !reason.is_empty() {
                put(&mut out, &["reason"], json!(reason));
                put(&mut out, &["message"], json!(message));
            }
            out
        };
        if self.node.is_none() {
            let mut status = json!({"phase": "Pending", "qosClass": "Burstable"});
            if let Some((message, _)) = &self.unfit {
                let unfit = condition("PodScheduled", false, self.created, "Unschedulable", message);
                put(&mut status, &["conditions"], json!([unfit]));
            }
            return status;
        }
        let unready = format!("containers with unready status: [{}]", self.container);
        let (reason, message) = if self.ready { ("", "") } else { ("ContainersNotReady", unready.as_str()) };
        let started = matches!(self.life, Life::Running { .. });
        let mut container = json!({
            "name": self.container, "image": self.image, "ready": self.ready, "started": started,
            "restartCount": self.restarts, "state": self.state(key), "lastState": {},
        });
        let shows_last = !matches!(self.life, Life::Ended { wait: 0, .. });
        if let Some(last) = self.last.as_ref().filter(|_| shows_last) {
            put(
                &mut container,
                &["lastState", "terminated"],
                last.show(&self.container_id(self.restarts.saturating_sub(1))),
            );
        }
        let creating = matches!(self.life, Life::Creating { .. });
        if !creating {
            put(&mut container, &["imageID"], json!(format!("{}@sha256:{}", self.image, self.digest())));
            put(&mut container, &["containerID"], json!(self.container_id(self.restarts)));
        }
        let mut status = json!({
            "phase": if creating { "Pending" } else { "Running" },
            "conditions": [
                condition("PodReadyToStartContainers", !creating, scheduled, "", ""),
                condition("Initialized", true, scheduled, "", ""),
                condition("Ready", self.ready, self.ready_changed, reason, message),
                condition("ContainersReady", self.ready, self.ready_changed, reason, message),
                condition("PodScheduled", true, scheduled, "", ""),
            ],
            "containerStatuses": [container], "startTime": stamp(scheduled), "qosClass": "Burstable",
        });
        put(&mut status, &["hostIP"], json!(host));
        put(&mut status, &["hostIPs"], json!([{"ip": host}]));
        if !creating {
            put(&mut status, &["podIP"], json!(self.ip()));
            put(&mut status, &["podIPs"], json!([{"ip": self.ip()}]));
        }
        status
    }

    fn state(&self, key: &Key) -> Value {
        match &self.life {
            Life::Unscheduled | Life::Creating { .. } => json!({"waiting": {"reason": "ContainerCreating"}}),
            Life::Running { since } => json!({"running": {"startedAt": stamp(*since)}}),
            Life::Ended { wait: 0, .. } => {
                let id = self.container_id(self.restarts);
                self.last.as_ref().map_or(json!({}), |last| json!({"terminated": last.show(&id)}))
            }
            Life::Ended { wait, .. } => {
                let wait = if *wait < 60 { format!("{wait}s") } else { format!("{}m{}s", wait / 60, wait % 60) };
                let message = format!(
                    "back-off {wait} restarting failed container={} pod={}_{}({})",
                    self.container, key.name, key.namespace, self.uid
                );
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
            }
        }
    }

    fn digest(&self) -> String {
        super::seed::Seed(0).uid(&["image", &self.image]).replace('-', "").repeat(2)
    }

    fn container_id(&self, run: u32) -> String {
        let id = super::seed::Seed(0).uid(&["container", &self.uid, &run.to_string()]).replace('-', "");
        format!("containerd://{}", id.repeat(2))
    }

    fn ip(&self) -> String {
        let place = super::seed::Seed(0).below(250 * 250, &["ip", &self.uid]);
        format!("10.244.{}.{}", place / 250, 2 + place % 250)
    }
}

impl Ended {
    fn show(&self, container: &str) -> Value {
        json!({"exitCode": self.why.code(), "reason": self.why.reason(), "startedAt": stamp(self.started),
            "finishedAt": stamp(self.finished), "containerID": container})
    }
}

impl State {
    pub(super) fn run_kubelets(&mut self) {
        let now = self.now;
        let (mut changed, mut stopped, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for (key, run) in &mut self.pods {
            if let Some(since) = run.deleted
                && (run.node.is_none() || now >= since + seconds(STOPS_AFTER))
            {
                stopped.push(key.clone());
                continue;
            }
            let node_ready = run.node.as_ref().and_then(|node| self.nodes.get(node)).is_some_and(|node| node.ready);
            let mut lines = Vec::new();
            if run.step(key, now, node_ready, &mut lines) {
                changed.push(key.clone());
            }
            told.extend(lines.into_iter().map(|line| (key.clone(), line)));
        }
        for key in changed {
            self.show(&key);
        }
        for (key, line) in told {
            self.note_container(&key, line.warning, line.reason, &line.message);
        }
        for key in stopped {
            self.remove_pod(&key);
        }
    }

    /// Publishes a pod's status.
    pub(super) fn show(&mut self, key: &Key) {
        let Some(run) = self.pods.get(key) else { return };
        let node = run.node.as_ref().and_then(|node| self.store.get(Kind::Node, &Key::new("", node.clone())));
        let host =
            node.and_then(|node| list(node, &["status", "addresses"]).first()).map_or("", |it| text(it, &["address"]));
        let status = run.status(key, host);
        self.store.edit(Kind::Pod, key, |pod| put(pod, &["status"], status));
    }

    /// Publishes that a pod has a node.
    pub(super) fn bind(&mut self, key: &Key) {
        let Some(node) = self.pods.get(key).and_then(|run| run.node.clone()) else { return };
        self.store.edit(Kind::Pod, key, |pod| put(pod, &["spec", "nodeName"], json!(node)));
        self.show(key);
    }

    /// Asks a pod to stop; its kubelet removes it a little later.
    pub(super) fn terminate(&mut self, key: &Key) {
        let Some(run) = self.pods.get_mut(key) else { return };
        if run.deleted.is_some() {
            return;
        }
        run.deleted = Some(self.now);
        let container = run.container.clone();
        let running = matches!(run.life, Life::Running { .. });
        // The API shows when the grace period ends, not when it began.
        let until = stamp(self.now + seconds(30));
        self.store.edit(Kind::Pod, key, |pod| {
            put(pod, &["metadata", "deletionTimestamp"], json!(until));
            put(pod, &["metadata", "deletionGracePeriodSeconds"], json!(30));
        });
        if running {
            self.note_container(key, false, "Killing", &format!("Stopping container {container}"));
        }
    }

    /// Takes a pod away, with its log.
    pub(super) fn remove_pod(&mut self, key: &Key) {
        self.pods.remove(key);
        self.store.remove(Kind::Pod, key);
    }
}
