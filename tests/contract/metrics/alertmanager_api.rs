//! Alertmanager's API v2, as the connector and people's `curl` use it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use warroom::clock::World;

use super::side::{Server, Side, json as answered, plain_client};

const ALERTS: &str = "/api/v2/alerts";
const SILENCES: &str = "/api/v2/silences";

pub(super) async fn post(side: &impl Side, silence: &Value) -> (u16, Value) {
    let url = format!("{}{SILENCES}", side.url(Server::Alertmanager));
    answered(plain_client().post(url).json(silence).send().await.unwrap()).await
}

pub(super) async fn delete(side: &impl Side, id: &str) -> u16 {
    let url = format!("{}/api/v2/silence/{id}", side.url(Server::Alertmanager));
    plain_client().delete(url).send().await.unwrap().status().as_u16()
}

fn wanted(matchers: &Value, now: World) -> Value {
    // In a drill hours go by in no time.
    json!({
        "matchers": matchers, "startsAt": now.to_rfc3339(), "endsAt": (now + TimeDelta::days(2)).to_rfc3339(),
        "createdBy": "ana", "comment": "known",
    })
}

/// Silences from now on; gives the silence's id.
pub(super) async fn silence(side: &impl Side, matchers: &Value, now: World) -> String {
    let (status, made) = post(side, &wanted(matchers, now)).await;
    assert_eq!(status, 200, "{made}");
    made["silenceID"].as_str().unwrap().to_owned()
}

pub(super) async fn end_silence(side: &impl Side, id: &str) {
    assert_eq!(delete(side, id).await, 200);
}

async fn listed(side: &impl Side, query: &[(&str, &str)]) -> Vec<Value> {
    let (status, list) = side.get(Server::Alertmanager, ALERTS, query).await;
    assert_eq!(status, 200, "{query:?}: {list}");
    list.as_array().unwrap().clone()
}

/// Waits until the alert `CheckoutErrors` is listed, and gives it.
pub(super) async fn failing(side: &mut impl Side) -> Value {
    side.fail(true).await;
    until(side, &[("filter", "alertname=\"CheckoutErrors\"")], |list| list.len() == 1).await.remove(0)
}

pub(super) async fn until(side: &impl Side, query: &[(&str, &str)], done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let wait = async {
        loop {
            let list = listed(side, query).await;
            if done(&list) {
                return list;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("{query:?}"))
}

/// Prometheus' fingerprint of labels: FNV-1a, 64 bits, over sorted names and values, 0xff after each.
fn fingerprint(labels: &Value) -> String {
    let bytes = labels.as_object().unwrap().iter().flat_map(|(name, value)| {
        name.bytes().chain([0xff]).chain(value.as_str().unwrap().bytes()).chain([0xff]).collect::<Vec<_>>()
    });
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

fn time(value: &Value) -> World {
    value.as_str().unwrap().parse().unwrap()
}

pub(super) async fn alerts_are_listed_and_filtered(mut side: impl Side) {
    assert_eq!(listed(&side, &[]).await, Vec::<Value>::new(), "an empty list is a list");
    let alert = failing(&mut side).await;
    assert_eq!(alert["labels"]["severity"], "critical");
    assert_eq!(alert["annotations"]["summary"], "checkout fails");
    assert_eq!(alert["fingerprint"], json!(fingerprint(&alert["labels"])));
    assert_eq!((&alert["status"]["state"], &alert["status"]["silencedBy"]), (&json!("active"), &json!([])));
    assert_eq!(alert["status"]["inhibitedBy"], json!([]));
    assert!(alert["generatorURL"].as_str().unwrap().starts_with("http://"), "{alert}");
    assert!(alert["receivers"][0]["name"].is_string(), "{alert}");
    assert!(time(&alert["startsAt"]) <= time(&alert["updatedAt"]), "{alert}");
    assert!(time(&alert["endsAt"]) > time(&alert["updatedAt"]), "{alert}");

    let name = ("filter", "alertname=\"CheckoutErrors\"");
    for (query, count) in [
        (vec![name], 1),
        (vec![("filter", "alertname=CheckoutErrors")], 1),
        (vec![name, ("filter", "severity=~\"crit.*\"")], 1),
        (vec![name, ("filter", "severity=~\"crit\"")], 0),
        (vec![name, ("filter", "service!=\"checkout\"")], 0),
        (vec![name, ("filter", "team=\"\"")], 1),
        (vec![name, ("active", "false")], 0),
        (vec![name, ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "false")], 1),
        (vec![name, ("receiver", "no-such-receiver")], 0),
    ] {
        assert_eq!(listed(&side, &query).await.len(), count, "{query:?}");
    }
    let (status, why) = side.get(Server::Alertmanager, ALERTS, &[("filter", "{")]).await;
    assert_eq!((status, why.is_string()), (400, true), "{why}");

    let (_, groups) = side.get(Server::Alertmanager, "/api/v2/alerts/groups", &[name]).await;
    assert_eq!(groups[0]["alerts"][0]["fingerprint"], alert["fingerprint"]);
    assert!(groups[0]["receiver"]["name"].is_string() && groups[0]["labels"].is_object(), "{groups}");
    let (_, status) = side.get(Server::Alertmanager, "/api/v2/status", &[]).await;
    assert!(time(&status["uptime"]) < time(&alert["startsAt"]), "{status}");

    side.fail(false).await;
    until(&side, &[name], <[Value]>::is_empty).await;
}

pub(super) async fn silences_are_made_changed_and_ended(mut side: impl Side) {
    failing(&mut side).await;
    let name = ("filter", "alertname=\"CheckoutErrors\"");
    let equal = |name: &str, value: &str| json!([{"name": name, "value": value, "isRegex": false, "isEqual": true}]);
    let now = side.clock().now();
    let id = silence(&side, &equal("alertname", "CheckoutErrors"), now).await;
    // Which silences cover an alert is found out beside the list.
    let list = until(&side, &[name], |list| list[0]["status"]["state"] == "suppressed").await;
    assert_eq!(list[0]["status"]["silencedBy"], json!([id]));
    assert_eq!(listed(&side, &[name, ("silenced", "false")]).await.len(), 0);
    assert_eq!(listed(&side, &[name, ("active", "false")]).await.len(), 1);
    let path = format!("/api/v2/silence/{id}");
    let (_, one) = side.get(Server::Alertmanager, &path, &[]).await;
    assert_eq!((&one["status"]["state"], &one["createdBy"]), (&json!("active"), &json!("ana")));
    assert_eq!(one["matchers"], equal("alertname", "CheckoutErrors"));

    // With the same matchers and start it stays the same silence; with others it ends and there is a
    // new one. A start that had passed when the server heard of it became the moment it did.
    let mut same = wanted(&equal("alertname", "CheckoutErrors"), now);
    same["id"] = json!(id);
    same["startsAt"] = one["startsAt"].clone();
    same["comment"] = json!("still known");
    assert_eq!(post(&side, &same).await.1["silenceID"], json!(id));
    let mut changed = wanted(&equal("alertname", "Other"), now);
    changed["id"] = json!(id);
    let other = post(&side, &changed).await.1["silenceID"].as_str().unwrap().to_owned();
    assert_ne!(other, id);
    assert_eq!(side.get(Server::Alertmanager, &path, &[]).await.1["status"]["state"], "expired");
    until(&side, &[name], |list| list[0]["status"]["state"] == "active").await;
    end_silence(&side, &other).await;

    let not = json!([{"name": "service", "value": "ch.*", "isRegex": true, "isEqual": true},
                     {"name": "alertname", "value": "Other", "isRegex": false, "isEqual": false}]);
    let id = silence(&side, &not, now).await;
    until(&side, &[name], |list| list[0]["status"]["silencedBy"] == json!([id])).await;
    let (_, silences) = side.get(Server::Alertmanager, SILENCES, &[]).await;
    let states: Vec<_> = silences.as_array().unwrap().iter().map(|one| &one["status"]["state"]).collect();
    assert_eq!(states.iter().filter(|state| **state == "active").count(), 1, "{silences}");
    end_silence(&side, &id).await;

    for bad in [
        wanted(&json!([]), now),
        wanted(&json!([{"name": "a", "value": "(", "isRegex": true, "isEqual": true}]), now),
        wanted(&json!([{"name": "a", "value": "", "isRegex": false, "isEqual": true}]), now),
        wanted(&equal("a", "b"), now - TimeDelta::days(30)),
    ] {
        let (status, why) = post(&side, &bad).await;
        assert!(matches!(status, 400 | 422), "{bad}: {status} {why}");
    }
    assert_eq!(
        side.get(Server::Alertmanager, "/api/v2/silence/00000000-0000-4000-a000-000000000000", &[]).await.0,
        404
    );
    assert!(delete(&side, "00000000-0000-4000-a000-000000000000").await >= 400);
}
