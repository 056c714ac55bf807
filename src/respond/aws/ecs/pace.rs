//! How long a service's tasks and deployments took of late: an estimate, with what it is taken from.
//! Where that is not told there is none.

use serde_json::{Value, json};

use crate::model::plan::Fact;
use crate::respond::aws::call::Call;
use crate::respond::aws::client::Api;
use crate::respond::aws::draft::{fact, list, text};

use super::{EcsService, rollout};

/// Tasks that are looked at, the newest of them.
const TASKS: usize = 10;
/// Deployments that are looked at, the newest that succeeded.
const DEPLOYMENTS: usize = 5;

/// From being asked for to running, of the newest tasks.
pub(super) async fn of_tasks(service: &EcsService, api: &Api) -> Option<Fact> {
    let (cluster, name) = (&service.cluster, &service.name);
    let input = json!({ "cluster": cluster, "serviceName": name, "desiredStatus": "RUNNING", "maxResults": 100 });
    let told = api.json(&Call::ecs("ListTasks", input)).await.ok()?;
    let arns = list(&told, "/taskArns");
    if arns.is_empty() {
        return None;
    }
    let told = api.json(&Call::ecs("DescribeTasks", json!({ "cluster": cluster, "tasks": arns }))).await.ok()?;
    let mut spans: Vec<_> =
        list(&told, "/tasks").iter().filter_map(|one| span(one, "createdAt", "startedAt")).collect();
    newest(&mut spans, TASKS);
    let words = range(&spans)?;
    let count = spans.len();
    let which = if count == 1 { "its newest task".to_owned() } else { format!("its newest {count} tasks") };
    Some(fact("takes", format!("{words} as {which} did, from being asked for to running")))
}

/// From start to finish, of the newest deployments that succeeded.
pub(super) async fn of_deployments(service: &EcsService, api: &Api) -> Option<Fact> {
    let all = rollout::newest(service, api).await.ok()?;
    let done = all.iter().filter(|one| text(one, "/status") == "SUCCESSFUL");
    let mut spans: Vec<_> = done.filter_map(|one| span(one, "startedAt", "finishedAt")).collect();
    newest(&mut spans, DEPLOYMENTS);
    let words = range(&spans)?;
    let count = spans.len();
    let which = if count == 1 { "its last deployment".to_owned() } else { format!("its last {count} deployments") };
    Some(fact("takes", format!("{words} as {which} did, from start to finish")))
}

/// When something ended, and how many seconds it took.
fn span(one: &Value, from: &str, to: &str) -> Option<(f64, f64)> {
    let at = |name: &str| one.get(name).and_then(Value::as_f64);
    let (from, to) = (at(from)?, at(to)?);
    (to >= from).then_some((to, to - from))
}

fn newest(spans: &mut Vec<(f64, f64)>, most: usize) {
    spans.sort_by(|a, b| b.0.total_cmp(&a.0));
    spans.truncate(most);
}

/// `25 s`, `25 s to 3 min`.
fn range(spans: &[(f64, f64)]) -> Option<String> {
    let took = || spans.iter().map(|(_, took)| *took);
    let (least, most) = (took().reduce(f64::min)?, took().reduce(f64::max)?);
    let (least, most) = (length(least), length(most));
    Some(if least == most { least } else { format!("{least} to {most}") })
}

/// Rounded up: nobody is told less than it took.
fn length(seconds: f64) -> String {
    let seconds = seconds.ceil().max(1.0);
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", (seconds / 60.0).ceil()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_of_the_newest_and_rounded_up() {
        let told = |all: &[(f64, f64)]| {
            let mut spans = all.to_vec();
            newest(&mut spans, 3);
            range(&spans)
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[(5.0, 24.2)]).unwrap(), "25 s");
        let all = [(1.0, 900.0), (4.0, 119.1), (3.0, 185.0), (2.0, 31.0)];
        assert_eq!(told(&all).unwrap(), "31 s to 4 min", "the oldest is left out");
        assert_eq!(span(&json!({ "a": 5.0, "b": 3.0 }), "a", "b"), None, "clocks differ");
    }
}
