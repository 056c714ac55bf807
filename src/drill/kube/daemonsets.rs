//! The DaemonSet controller: a pod on every node that its selector takes, replaced a few at a time.
//!
//! Owns: which node has which pod, and a DaemonSet's status. Must not: place pods itself: each is
//! made for one node, and the scheduler binds it. The rules are those of `daemon/daemon_controller.go`
//! and `daemon/update.go`, without a surge.

use serde_json::{Value, json};

use super::deployments::share;
use super::events::Note;
use super::kinds::Kind;
use super::pods::{Mould, REVISION_HASH};
use super::state::State;
use super::store::Key;
use super::value::{at, cut, int, put, text};

/// Counts a DaemonSet's templates; the API server's.
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// Counts a new template: what the API server does when a client writes one. What clients write of
/// the count themselves does not matter.
pub(super) fn count_template(old: &Value, new: &mut Value) {
    let was = text(old, &["metadata", "annotations", GENERATION]).parse::<i64>().unwrap_or(1);
    let moved = at(old, &["spec", "template"]) != at(new, &["spec", "template"]);
    let count = was.saturating_add(i64::from(moved));
    put(new, &["metadata", "annotations", GENERATION], json!(count.to_string()));
}

/// The pod of a node.
struct Member {
    key: Key,
    node: String,
    ready: bool,
    leaving: bool,
    revision: String,
}

impl State {
    pub(super) fn run_daemon_sets(&mut self) {
        let changed = |kind| self.store.changed(kind);
        let of = [Kind::DaemonSet, Kind::Pod, Kind::ControllerRevision, Kind::Node];
        let seen = of.map(changed);
        if self.daemon_sets_seen == seen {
            return;
        }
        self.daemon_sets_seen = seen;
        for key in self.store.keys(Kind::DaemonSet) {
            self.run_daemon_set(&key);
        }
    }

    fn run_daemon_set(&mut self, key: &Key) {
        let Some(set) = self.store.get(Kind::DaemonSet, key).cloned() else { return };
        let (revision, hash) = self.revision_now(Kind::DaemonSet, &set);
        let (there, nodes) = (self.daemons(key), self.daemon_nodes(&set));
        for node in &nodes {
            // One that is on its way out has to be gone first.
            if !there.iter().any(|member| member.node == *node) {
                let name = self.add_daemon(&set, node, &hash);
                self.note_daemon(&set, "SuccessfulCreate", &format!("Created pod: {name}"));
            }
        }
        for member in there.iter().filter(|member| !member.leaving && !nodes.contains(&member.node)) {
            self.remove_daemon(&set, member);
        }
        if text(&set, &["spec", "updateStrategy", "type"]) != "OnDelete" {
            let members = self.daemons(key);
            self.replace_daemons(&set, &nodes, &members, &hash);
        }
        let members = self.daemons(key);
        self.report_daemon_set(key, &nodes, &members, &hash);
        let kept: Vec<String> = members.iter().map(|member| format!("{}-{}", key.name, member.revision)).collect();
        let live: Vec<&str> = kept.iter().map(String::as_str).chain([revision.as_str()]).collect();
        self.drop_old_revisions(&set, &live);
    }

    /// The nodes that are to have a pod of it, in order.
    pub(super) fn daemon_nodes(&self, set: &Value) -> Vec<String> {
        let selector = at(set, &["spec", "template", "spec", "nodeSelector"]);
        self.nodes.keys().filter(|node| self.is_selected(node, selector)).cloned().collect()
    }

    fn daemons(&self, set: &Key) -> Vec<Member> {
        self.all_pods_of(Kind::DaemonSet, set)
            .filter_map(|(key, run)| {
                Some(Member {
                    key: key.clone(),
                    node: run.pinned.clone()?,
                    ready: run.ready,
                    leaving: run.deleted.is_some(),
                    revision: run.revision.clone(),
                })
            })
            .collect()
    }

    /// Makes the pod of a node; its name.
    pub(super) fn add_daemon(&mut self, set: &Value, node: &str, hash: &str) -> String {
        let owner = Key::of(set);
        let mut template = at(set, &["spec", "template"]).clone();
        put(&mut template, &["metadata", "labels", REVISION_HASH], json!(hash));
        let generation = text(set, &["metadata", "annotations", GENERATION]);
        put(&mut template, &["metadata", "labels", "pod-template-generation"], json!(generation));
        let uid = text(set, &["metadata", "uid"]).to_owned();
        self.make_pod(Mould {
            workload: (Kind::DaemonSet, owner.name.clone()),
            owner: (Kind::DaemonSet, owner, uid),
            template,
            name: None,
            node: Some(node.to_owned()),
        })
    }

    /// `rollingUpdate`: old pods that are of no use go at once, the others while few enough are away.
    fn replace_daemons(&mut self, set: &Value, nodes: &[String], members: &[Member], hash: &str) {
        let wanted = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
        let most = match at(set, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]) {
            Value::Null => 1,
            value => share(value, wanted, true).max(1),
        };
        let (mut away, mut useless, mut old) = (0_i64, Vec::new(), Vec::new());
        for node in nodes {
            match members.iter().find(|member| member.node == *node && !member.leaving) {
                None => away += 1,
                Some(member) if member.revision == hash => away += i64::from(!member.ready),
                Some(member) if !member.ready => useless.push(member),
                Some(_) if away >= most => {}
                Some(member) => old.push(member),
            }
        }
        let few = usize::try_from((most - away).max(0)).unwrap_or(0);
        for member in useless.into_iter().chain(old.into_iter().take(few)) {
            self.remove_daemon(set, member);
        }
    }

    fn remove_daemon(&mut self, set: &Value, member: &Member) {
        self.terminate(&member.key);
        self.note_daemon(set, "SuccessfulDelete", &format!("Deleted pod: {}", member.key.name));
    }

    fn note_daemon(&mut self, set: &Value, reason: &str, message: &str) {
        self.note(Note {
            kind: Kind::DaemonSet,
            key: &Key::of(set),
            source: "daemonset-controller",
            host: "",
            warning: false,
            reason,
            message,
            container: "",
        });
    }

    fn report_daemon_set(&mut self, key: &Key, nodes: &[String], members: &[Member], hash: &str) {
        let wanted = nodes.len();
        let (members, strays): (Vec<_>, Vec<_>) = members.iter().partition(|member| nodes.contains(&member.node));
        let count = |fits: &dyn Fn(&Member) -> bool| members.iter().filter(|member| fits(member)).count();
        let ready = count(&|member| member.ready);
        let always = [
            ("currentNumberScheduled", members.len()),
            ("desiredNumberScheduled", wanted),
            ("numberMisscheduled", strays.len()),
            ("numberReady", ready),
        ];
        let updated = count(&|member| member.revision == hash);
        let if_any = [
            ("numberAvailable", ready),
            ("numberUnavailable", wanted.saturating_sub(ready)),
            ("updatedNumberScheduled", updated),
        ];
        self.store.edit(Kind::DaemonSet, key, |it| {
            let generation = int(it, &["metadata", "generation"]);
            put(it, &["status", "observedGeneration"], json!(generation));
            for (name, number) in always {
                put(it, &["status", name], json!(number));
            }
            for (name, number) in if_any {
                match number {
                    0 => cut(it, &["status", name]),
                    _ => put(it, &["status", name], json!(number)),
                }
            }
        });
    }
}
