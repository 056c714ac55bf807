//! All pods anew, as `kubectl rollout restart` does it: a time in the template's annotations.

use serde_json::{Value, json};

use crate::model::plan::{FieldChange, Plan, RESTARTED, Refusal, Request, Tier};
use crate::respond::Cluster;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::Kubernetes;
use super::fields::kept;
use super::owners::{Field, of_field};
use super::rollout;

/// What holds the time.
const ANNOTATIONS: &str = "/spec/template/metadata/annotations";
/// Its name, the same as kubectl's, so that either knows a restart of the other.
const KEY: &str = "kubectl.kubernetes.io/restartedAt";

impl Kubernetes {
    /// A plan to restart a workload.
    pub(super) async fn restart(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let Request::Restart { target } = want else {
            return Err(refusal(format!(
                "{} cannot be undone: the old pods are gone, and the new ones run the same template",
                want.origin().words()
            )));
        };
        let read = self.read_rollout(target, "restart").await?;
        let at = read.read_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let there = read.object.pointer(ANNOTATIONS).filter(|value| !value.is_null());
        let now = there.and_then(|annotations| annotations.get(KEY)).cloned().unwrap_or(Value::Null);
        let told = now.as_str().map_or_else(|| "never".to_owned(), str::to_owned);
        let (pointer, before, after) = match there {
            Some(_) => (format!("{ANNOTATIONS}/{}", KEY.replace('/', "~1")), now, json!(at)),
            None => (ANNOTATIONS.to_owned(), Value::Null, json!({ KEY: at })),
        };
        let text = |value: &Value| {
            kept(value).ok_or_else(|| refusal(format!("what {target} notes of its last restart is too long to be one")))
        };
        let change = FieldChange {
            pointer: Safe::from(pointer),
            label: Safe::fixed(RESTARTED),
            before: text(&before)?,
            after: text(&after)?,
            words: Some(super::said(&format!("{told} → now"))),
        };
        let application = self.api.application(&read.meta, target.kind.as_str()).await;
        let owners = of_field(Field::Restart, &read.meta, target.kind.as_str(), application);
        let command = read.kubectl(&["rollout", "restart", &read.short()]);
        let plan = rollout::plan(
            &read,
            want,
            cluster,
            rollout::Made {
                title: format!("restart {} {}", target.kind, target.path.name),
                changes: vec![change],
                undo: None,
                facts: rollout::ways(&read),
                owners,
                command,
            },
        );
        // Nothing takes it back.
        Ok(Plan { tier: plan.tier.max(Tier::Lowers), ..plan })
    }
}
