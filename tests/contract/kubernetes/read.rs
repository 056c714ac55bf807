//! What an API server answers to who reads: lists, pages, forms, and what it refuses.

use prost::Message;
use serde_json::{Value, json};

use super::side::{JSON, JSON_PATCH, MERGE, PROTOBUF, Side, TABLE, alone, cases};

fn names(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn a_list_says_what_it_is_and_selects(side: &Side) {
    let all = side.get(&side.core("pods")).await;
    assert_eq!((&all["kind"], &all["apiVersion"]), (&json!("PodList"), &json!("v1")));
    let version: u64 = all["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert!(version > 0);
    assert_eq!(names(&all).len(), 6);
    let first = &all["items"][0];
    assert!(first["kind"].is_null() && first["apiVersion"].is_null(), "items leave out what the list says");
    let mut sorted = names(&all);
    sorted.sort();
    assert_eq!(names(&all), sorted, "in the order of their names");
    let of = async |query: &str| names(&side.get(&format!("{}?{query}", side.core("pods"))).await).len();
    assert_eq!(of("labelSelector=app%3Dpayments").await, 4);
    assert_eq!(of("labelSelector=app%21%3Dpayments").await, 2);
    assert_eq!(of("labelSelector=app%20in%20(payments,catalog)").await, 6);
    assert_eq!(of("labelSelector=%21app").await, 0);
    assert_eq!(of("fieldSelector=status.phase%3DRunning").await, 6);
    assert_eq!(of("fieldSelector=status.phase%21%3DRunning").await, 0);
    assert_eq!(of(&format!("fieldSelector=metadata.name%3D{}", names(&all)[0])).await, 1);
    let deployments = side.get(&side.apps("deployments")).await;
    assert_eq!((&deployments["kind"], &deployments["apiVersion"]), (&json!("DeploymentList"), &json!("apps/v1")));
    let one = side.get(&side.apps("deployments/payments")).await;
    assert_eq!((&one["kind"], &one["apiVersion"]), (&json!("Deployment"), &json!("apps/v1")));
    let conditions = one["status"]["conditions"].as_array().unwrap();
    let available = conditions.iter().find(|it| it["type"] == "Available").unwrap();
    assert_eq!((&available["status"], &available["reason"]), (&json!("True"), &json!("MinimumReplicasAvailable")));
    // After a restart of the API server a real controller may take nodes for silent, for a moment.
    side.until("nodes are ready", async || {
        let nodes = side.get("/api/v1/nodes").await;
        let conditions = nodes["items"][0]["status"]["conditions"].as_array().unwrap().clone();
        conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
    })
    .await;
}

async fn a_list_is_paged_over_one_moment(side: &Side) {
    let path = side.core("pods");
    let whole = side.get(&path).await;
    let first = side.get(&format!("{path}?limit=4")).await;
    assert_eq!((names(&first).len(), &first["metadata"]["remainingItemCount"]), (4, &json!(2)));
    let token = first["metadata"]["continue"].as_str().unwrap();
    side.scale("catalog", 1).await;
    side.until("a pod is gone", async || side.pods("catalog").await.len() == 1).await;
    let second = side.get(&format!("{path}?limit=4&continue={token}")).await;
    assert_eq!([names(&first), names(&second)].concat(), names(&whole), "what was deleted since is there");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert!(second["metadata"]["continue"].is_null() && second["metadata"]["remainingItemCount"].is_null());
    let selected = side.get(&format!("{path}?limit=3&labelSelector=app%3Dpayments")).await;
    assert!(selected["metadata"]["continue"].is_string());
    assert!(selected["metadata"]["remainingItemCount"].is_null(), "not counted where something is selected");
}

async fn a_page_whose_moment_is_forgotten_is_expired(side: &Side) {
    let path = side.core("pods");
    let whole = side.get(&path).await;
    let first = side.get(&format!("{path}?limit=4")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    side.forget().await;
    let expired = side.call("GET", &format!("{path}?limit=4&continue={token}"), &[("accept", JSON)], "").await;
    let status = expired.json();
    assert_eq!((expired.code, &status["reason"], &status["code"]), (410, &json!("Expired"), &json!(410)), "{status}");
    assert!(status["message"].as_str().unwrap().starts_with("The provided continue parameter is too old"), "{status}");
    // The rest as of now can be had, for those who can live with two moments.
    let token = status["metadata"]["continue"].as_str().unwrap();
    let rest = side.get(&format!("{path}?limit=4&continue={token}")).await;
    assert!(names(&rest).iter().all(|name| !names(&first).contains(name)), "goes on after the first page");
    let version = whole["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = format!("{path}?resourceVersion={version}&resourceVersionMatch=Exact");
    let status = side.call("GET", &exact, &[("accept", JSON)], "").await;
    assert_eq!((status.code, &status.json()["reason"]), (410, &json!("Expired")), "{}", status.text());
}

async fn a_table_holds_what_kubectl_prints(side: &Side) {
    let table = async |query: &str| {
        let answer = side.call("GET", &format!("{}{query}", side.core("pods")), &[("accept", TABLE)], "").await;
        assert_eq!((answer.code, answer.media.as_str()), (200, JSON));
        answer.json()
    };
    let pods = table("?limit=5").await;
    assert_eq!((&pods["kind"], &pods["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(pods["metadata"]["remainingItemCount"], 1);
    let columns = pods["columnDefinitions"].as_array().unwrap();
    let of = |field: &str| columns.iter().map(|column| column[field].clone()).collect::<Vec<_>>();
    let expected = ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node", "Nominated Node", "Readiness Gates"];
    assert_eq!(json!(of("name")), json!(expected));
    assert_eq!(json!(of("priority")), json!([0, 0, 0, 0, 0, 1, 1, 1, 1]));
    assert_eq!(json!(of("type")), json!(vec!["string"; 9]));
    assert_eq!(columns[0]["format"], "name");
    let row = &pods["rows"][0];
    assert_eq!(json!(row["cells"].as_array().unwrap()[1..4]), json!(["1/1", "Running", "0"]));
    assert_eq!(row["cells"].as_array().unwrap()[7..9], [json!("<none>"), json!("<none>")]);
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], row["cells"][0]);
    assert!(row["object"]["spec"].is_null());
    assert!(table("?includeObject=None").await["rows"][0]["object"].is_null());
    assert_eq!(table("?includeObject=Object").await["rows"][0]["object"]["kind"], "Pod");
    let deployments = side.call("GET", &side.apps("deployments"), &[("accept", TABLE)], "").await.json();
    let cells = deployments["rows"][1]["cells"].as_array().unwrap();
    assert_eq!(json!(cells[..4]), json!(["payments", "4/4", 4, 4]));
}

// Trimmed shapes, written from k8s.io/apimachinery's and k8s.io/api's generated.proto.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Unknown {
    #[prost(message, optional, tag = "1")]
    pub(super) of: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TypeMeta {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(string, tag = "2")]
    pub(super) kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, optional, tag = "1")]
    meta: Option<ListMeta>,
    #[prost(message, repeated, tag = "2")]
    items: Vec<Object>,
}

#[derive(Clone, PartialEq, Message)]
struct ListMeta {
    #[prost(string, tag = "2")]
    version: String,
    #[prost(string, tag = "3")]
    next: String,
    #[prost(int64, optional, tag = "4")]
    remaining: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Object {
    #[prost(message, optional, tag = "1")]
    pub(super) meta: Option<Meta>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Meta {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "5")]
    pub(super) uid: String,
    #[prost(string, tag = "6")]
    pub(super) version: String,
    #[prost(map = "string, string", tag = "12")]
    pub(super) annotations: std::collections::HashMap<String, String>,
}

/// The kind in an envelope, and the message.
pub(super) fn opened<M: Message + Default>(bytes: &[u8]) -> (String, M) {
    let unknown = Unknown::decode(bytes.strip_prefix(b"k8s\0").expect("the magic number")).unwrap();
    (unknown.of.unwrap().kind, M::decode(&*unknown.raw).unwrap())
}

async fn protobuf_lists_the_same_pods(side: &Side) {
    let path = format!("{}?limit=4", side.core("pods"));
    let accept = format!("{PROTOBUF}, {JSON}");
    let answer = side.call("GET", &path, &[("accept", &accept)], "").await;
    assert_eq!((answer.code, answer.media.as_str()), (200, PROTOBUF));
    let (kind, list) = opened::<List>(&answer.bytes);
    let plain = side.get(&path).await;
    assert_eq!(kind, "PodList");
    let of = |field: &str| {
        let items = plain["items"].as_array().unwrap().iter();
        items.map(|pod| pod["metadata"][field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let metas: Vec<Meta> = list.items.into_iter().map(|pod| pod.meta.unwrap()).collect();
    assert_eq!(metas.iter().map(|meta| meta.name.clone()).collect::<Vec<_>>(), of("name"));
    assert_eq!(metas.iter().map(|meta| meta.uid.clone()).collect::<Vec<_>>(), of("uid"));
    let meta = list.meta.unwrap();
    assert_eq!((meta.remaining, meta.next.is_empty(), meta.version.is_empty()), (Some(2), false, false));
}

async fn usage_is_measured(side: &Side) {
    let list = side.get(&side.usage()).await;
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("PodMetricsList"), &json!("metrics.k8s.io/v1beta1")));
    let item = &list["items"][0];
    assert_eq!(item["metadata"]["namespace"], side.namespace.as_str());
    assert!(item["metadata"]["labels"]["app"].is_string());
    assert_eq!(item["window"], "15s");
    let at: chrono::DateTime<chrono::Utc> = item["timestamp"].as_str().unwrap().parse().unwrap();
    assert_eq!(at.timestamp() % 15, 0);
    let usage = &item["containers"][0]["usage"];
    let (cpu, memory) = (usage["cpu"].as_str().unwrap(), usage["memory"].as_str().unwrap());
    assert!(cpu.ends_with('n') && memory.ends_with("Ki"), "{usage}: the units of metrics-server");
    let name = item["metadata"]["name"].as_str().unwrap();
    let one = side.get(&format!("{}/{name}", side.usage())).await;
    assert_eq!((&one["kind"], &one["metadata"]["name"]), (&json!("PodMetrics"), &json!(name)));
    let none = side.call("GET", &format!("{}/none", side.usage()), &[], "").await;
    assert_eq!((none.code, &none.json()["reason"]), (404, &json!("NotFound")));
    let nodes = side.get("/apis/metrics.k8s.io/v1beta1/nodes").await;
    assert_eq!(nodes["items"].as_array().unwrap().len(), 3);
}

/// A `Status` of failure; `details` of null are none.
pub(super) fn status(code: u16, reason: &str, message: &str, details: Value) -> Value {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    if !details.is_null() {
        status["details"] = details;
    }
    status
}

async fn what_cannot_be_done_is_told_in_a_status(side: &Side) {
    let pod = &side.pods("payments").await[0];
    let (pods, scale) = (side.core("pods"), side.apps("deployments/payments/scale"));
    let bad = |message: &str| status(400, "BadRequest", message, Value::Null);
    let cause = |field: &str, message: &str| json!([{"reason": "FieldValueInvalid", "message": format!("Invalid value: {message}"), "field": field}]);
    let log = |query: &str| format!("{pods}/{pod}/log?{query}");
    let options = |field: &str, message: &str| {
        let whole = format!("PodLogOptions \"{pod}\" is invalid: {field}: Invalid value: {message}");
        status(422, "Invalid", &whole, json!({"name": pod, "kind": "PodLogOptions", "causes": cause(field, message)}))
    };
    let negative = "-1: must be greater than or equal to 0";
    let list_options =
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    let cases = [
        (
            "GET",
            format!("{pods}/none"),
            "",
            "",
            status(404, "NotFound", "pods \"none\" not found", json!({"name": "none", "kind": "pods"})),
        ),
        (
            "GET",
            side.apps("deployments/none"),
            "",
            "",
            status(
                404,
                "NotFound",
                "deployments.apps \"none\" not found",
                json!({"name": "none", "group": "apps", "kind": "deployments"}),
            ),
        ),
        (
            "GET",
            "/api/v1/nothings".into(),
            "",
            "",
            status(404, "NotFound", "the server could not find the requested resource", json!({})),
        ),
        (
            "PUT",
            pods.clone(),
            JSON,
            "{}",
            status(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                json!({}),
            ),
        ),
        (
            "GET",
            format!("{pods}?fieldSelector=spec.colour%3Dred"),
            "",
            "",
            bad("field label not supported: spec.colour"),
        ),
        ("GET", format!("{pods}?limit=x"), "", "", bad("strconv.ParseInt: parsing \"x\": invalid syntax")),
        ("GET", format!("{pods}?resourceVersion=99999999"), "", "", Value::Null),
        (
            "GET",
            format!("{pods}?watch=1&sendInitialEvents=true"),
            "",
            "",
            status(
                422,
                "Invalid",
                &format!("ListOptions.meta.k8s.io \"\" is invalid: {list_options}"),
                json!({"group": "meta.k8s.io", "kind": "ListOptions", "causes": [{"reason": "FieldValueForbidden",
                    "message": "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                    "field": "resourceVersionMatch"}]}),
            ),
        ),
        ("GET", log("container=other"), "", "", bad(&format!("container other is not valid for pod {pod}"))),
        (
            "GET",
            log("previous=true"),
            "",
            "",
            bad(&format!("previous terminated container \"payments\" in pod \"{pod}\" not found")),
        ),
        ("GET", log("tailLines=-1"), "", "", options("tailLines", negative)),
        ("GET", log("sinceSeconds=0"), "", "", options("sinceSeconds", "0: must be greater than 0")),
        (
            "GET",
            log("sinceTime=x"),
            "",
            "",
            bad("parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""),
        ),
        (
            "GET",
            format!("{pods}/none/log"),
            "",
            "",
            status(404, "NotFound", "pods \"none\" not found", json!({"name": "none", "kind": "pods"})),
        ),
        (
            "PATCH",
            scale.clone(),
            "text/plain",
            "{}",
            status(415, "UnsupportedMediaType", "415: Unsupported Media Type", json!({})),
        ),
        (
            "PATCH",
            scale.clone(),
            JSON_PATCH,
            "[{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":9}]",
            status(422, "Invalid", "the server rejected our request due to an error in our request", json!({})),
        ),
        ("PATCH", scale.clone(), MERGE, "{\"spec\":", bad("error decoding patch: unexpected end of JSON input")),
        (
            "PATCH",
            scale.clone(),
            MERGE,
            "{\"spec\":{\"replicas\":-1}}",
            status(
                422,
                "Invalid",
                &format!("Scale.autoscaling \"payments\" is invalid: spec.replicas: Invalid value: {negative}"),
                json!({"name": "payments", "group": "autoscaling", "kind": "Scale", "causes": cause("spec.replicas", negative)}),
            ),
        ),
        (
            "PATCH",
            format!("{scale}?dryRun=Some"),
            MERGE,
            "{}",
            status(
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
                json!({"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [{"reason": "FieldValueNotSupported",
                    "message": "Unsupported value: [\"Some\"]: supported values: \"All\"", "field": "dryRun"}]}),
            ),
        ),
    ];
    for (method, path, media, body, expected) in cases {
        let headers = [("accept", JSON), ("content-type", media)];
        let answer = side.call(method, &path, &headers[..if media.is_empty() { 1 } else { 2 }], body).await;
        let got = answer.json();
        if expected.is_null() {
            // Its message holds the newest version.
            assert_eq!((answer.code, &got["reason"]), (504, &json!("Timeout")));
            assert_eq!(got["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
            assert_eq!(got["details"]["retryAfterSeconds"], 1);
            continue;
        }
        assert_eq!(got, expected, "{method} {path} {body}");
        assert_eq!(u64::from(answer.code), expected["code"].as_u64().unwrap());
    }
    for path in ["/nothing", "/apis/nothing.example/v1/things"] {
        let answer = side.call("GET", path, &[("accept", JSON)], "").await;
        assert_eq!((answer.code, answer.text().trim_end()), (404, "404 page not found"), "{path}: no Status here");
        assert!(answer.media.starts_with("text/plain"));
    }
    for (query, words) in [("continue=%21", "invalid continue token"), ("labelSelector=a%3D%3D%3D", "")] {
        let answer = side.call("GET", &format!("{pods}?{query}"), &[("accept", JSON)], "").await;
        let got = answer.json();
        assert_eq!((answer.code, &got["reason"]), (400, &json!("BadRequest")), "{got}");
        assert!(got["message"].as_str().unwrap().starts_with(words), "{got}");
    }
    let answer = side.call("GET", &pods, &[("accept", "text/csv")], "").await;
    assert_eq!((answer.code, &answer.json()["reason"]), (406, &json!("NotAcceptable")));
    assert!(answer.json()["message"].as_str().unwrap().contains("application/vnd.kubernetes.protobuf"));
    for words in ["\"many\"", "1.5"] {
        let answer = side
            .call("PATCH", &scale, &[("content-type", MERGE)], &format!("{{\"spec\":{{\"replicas\":{words}}}}}"))
            .await;
        assert_eq!((answer.code, &answer.json()["reason"]), (422, &json!("Invalid")), "{words}");
    }
}

cases!(
    a_list_says_what_it_is_and_selects,
    a_list_is_paged_over_one_moment,
    a_table_holds_what_kubectl_prints,
    protobuf_lists_the_same_pods,
    usage_is_measured,
    what_cannot_be_done_is_told_in_a_status,
);
alone!(a_page_whose_moment_is_forgotten_is_expired);
