//! Ready pods: how many stand behind a selector, or behind a Service.
//!
//! Names and labels come from objects that others wrote: they are checked before a path or a
//! selector is made of them.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;

use super::client::{Api, ApiError, encoded};
use super::objects::{List, Pod};
use super::place::is_name;

/// Pods on one page of a list: 20 KB each.
const PAGE: usize = 250;
/// Pages that are read.
const PAGES: usize = 40;

/// Labels that a selector wants.
pub(super) type Labels = BTreeMap<String, String>;

/// What stands behind a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// So many ready pods.
    Pods(u32),
    /// That cannot be told, and why.
    Unknown(String),
}

/// Names of the ready pods that `labels` select.
pub(super) async fn pods(api: &Api, namespace: &str, labels: &Labels) -> Result<Vec<String>, String> {
    if labels.is_empty() {
        return Err("it selects no pods by label".into());
    }
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    if !is_name(namespace) || !labels.iter().all(|(key, value)| plain(key) && plain(value)) {
        return Err("its labels are none that a pod could have".into());
    }
    let selector: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let path =
        format!("/api/v1/namespaces/{namespace}/pods?labelSelector={}&limit={PAGE}", encoded(&selector.join(",")));
    let pods: Vec<Pod> = all(api, &path).await.map_err(|error| format!("its pods could not be read ({error})"))?;
    Ok(pods.into_iter().filter(is_ready).map(|pod| pod.metadata.name).collect())
}

fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
}

/// All pages of a list. `path` has a query already.
pub(super) async fn all<T: serde::de::DeserializeOwned>(api: &Api, path: &str) -> Result<Vec<T>, ApiError> {
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let page: List<T> = api.get(&format!("{path}{next}")).await?;
        all.extend(page.items);
        match page.metadata.next {
            Some(token) if !token.is_empty() => next = format!("&continue={}", encoded(&token)),
            _ => return Ok(all),
        }
    }
    Err(ApiError::Strange(crate::text::Safe::fixed("the list does not end")))
}

/// The ready pods behind a Service, of those that have `more` labels beside what it selects.
pub(super) async fn behind(api: &Api, namespace: &str, name: &str, more: &Labels) -> Ready {
    if !is_name(namespace) || !is_name(name) {
        return Ready::Unknown("its name is not one of a Service".into());
    }
    let service: Value = match api.get(&format!("/api/v1/namespaces/{namespace}/services/{name}")).await {
        Ok(service) => service,
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return Ready::Unknown(format!("there is no Service {namespace}/{name}"));
        }
        Err(error) => return Ready::Unknown(format!("its Service could not be read ({error})")),
    };
    let mut labels = selector(&service);
    if labels.is_empty() {
        return Ready::Unknown("its Service selects no pods".into());
    }
    // Both have to hold: a pod has one value for a label.
    if more.iter().any(|(key, value)| labels.get(key).is_some_and(|other| other != value)) {
        return Ready::Pods(0);
    }
    labels.extend(more.clone());
    match pods(api, namespace, &labels).await {
        Ok(pods) => Ready::Pods(u32::try_from(pods.len()).unwrap_or(u32::MAX)),
        Err(why) => Ready::Unknown(why),
    }
}

/// What a Service selects.
pub(super) fn selector(service: &Value) -> Labels {
    labels(service.pointer("/spec/selector"))
}

/// A map of labels.
pub(super) fn labels(map: Option<&Value>) -> Labels {
    map.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
