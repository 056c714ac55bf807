//! What the credentials could do to a cluster, as the cluster itself says: the self-test at a
//! session's start.
//!
//! Owns: which rights are worth telling, and the words for them. Must not: try any of them. One
//! `SelfSubjectRulesReview` a namespace is all that is sent.

use serde::Deserialize;

use crate::config::KubeAccess;
use crate::connect::SourceError;
use crate::text::Safe;

use super::access::Cluster;

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
/// More namespaces than this are not asked about.
const AT_MOST: usize = 20;

/// Verb, group, resource, and the words for it. What this program could be made to do, and what
/// whoever gets hold of these credentials could besides.
const TOLD: [(&str, &str, &str, &str); 15] = [
    ("patch", "apps", "deployments/scale", "scale deployments"),
    ("patch", "apps", "statefulsets/scale", "scale stateful sets"),
    ("patch", "apps", "deployments", "roll back and restart deployments"),
    ("patch", "apps", "statefulsets", "roll back and restart stateful sets"),
    ("patch", "apps", "daemonsets", "roll back and restart daemon sets"),
    ("patch", "autoscaling", "horizontalpodautoscalers", "bound autoscalers"),
    ("patch", "keda.sh", "scaledobjects", "bound scaled objects"),
    ("patch", "argoproj.io", "rollouts", "change rollouts"),
    ("patch", "argoproj.io", "applications", "change applications"),
    ("patch", "networking.istio.io", "virtualservices", "divert virtual services"),
    ("patch", "gateway.networking.k8s.io", "httproutes", "divert HTTP routes"),
    ("patch", "", "services", "switch services"),
    ("delete", "", "pods", "delete pods"),
    ("create", "", "pods/exec", "run commands in pods"),
    ("get", "", "secrets", "read secrets"),
];

#[derive(Deserialize)]
struct Review {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    resource_rules: Vec<Rule>,
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
}

impl Rule {
    /// Whether it lets the verb, on some object of the kind at least.
    fn lets(&self, verb: &str, group: &str, resource: &str) -> bool {
        let any = |all: &[String], one: &str| all.iter().any(|given| given == "*" || given == one);
        // `*/scale` is that subresource of everything.
        let sub = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
        any(&self.verbs, verb)
            && any(&self.api_groups, group)
            && (any(&self.resources, resource) || sub.is_some_and(|sub| self.resources.contains(&sub)))
    }
}

/// What could be done in one namespace, or why that is not known.
async fn of(cluster: &Cluster, namespace: &str) -> Result<String, Safe> {
    let body = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": { "namespace": namespace },
    });
    let doing = "ask the cluster what these credentials could do";
    let answer =
        cluster.review(PATH, &body, doing).await.map_err(|fault| Safe::from(SourceError::from(fault).to_string()))?;
    let review: Review =
        serde_json::from_slice(&answer).map_err(|_| Safe::fixed("its answer to a rules review makes no sense"))?;
    let could: Vec<&str> = TOLD
        .iter()
        .filter(|(verb, group, resource, _)| {
            review.status.resource_rules.iter().any(|rule| rule.lets(verb, group, resource))
        })
        .map(|(.., words)| *words)
        .collect();
    let could = if could.is_empty() { "change nothing".to_owned() } else { could.join(", ") };
    Ok(if review.status.incomplete { format!("{could}, and more that the cluster does not list") } else { could })
}

/// What the credentials could do in each of `namespaces`, in sentences; namespaces of which the
/// same is true are told together.
pub async fn powers(access: &KubeAccess, namespaces: &[Safe]) -> Vec<Safe> {
    let cluster = Cluster::new(access.clone(), false);
    let mut alike: Vec<(Result<String, Safe>, Vec<&str>)> = Vec::new();
    for namespace in namespaces.iter().take(AT_MOST) {
        let could = of(&cluster, namespace).await;
        match alike.iter_mut().find(|(known, _)| *known == could) {
            Some((_, places)) => places.push(namespace),
            None => alike.push((could, vec![namespace])),
        }
    }
    let mut told: Vec<Safe> = alike
        .into_iter()
        .map(|(could, places)| {
            let places = places.join(", ");
            Safe::from(match could {
                Ok(could) => format!("in {places} these credentials could {could}"),
                Err(why) => format!("what these credentials could do in {places} is not known: {why}"),
            })
        })
        .collect();
    if let Some(more) = namespaces.len().checked_sub(AT_MOST).filter(|more| *more > 0) {
        told.push(Safe::from(format!("{more} more namespaces were not asked about")));
    }
    told
}
