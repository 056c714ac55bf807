//! What a request means: whether it reads, asks for a dry run, or changes a system. The one place
//! that a new system's requests are told in. What is not known to read changes something.

use http::Method;
use http::request::Parts;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Reads,
    /// It would change something, but for `dryRun`.
    Tries,
    Changes,
}

/// Kubernetes' questions that are posted and change nothing.
const REVIEWS: [&str; 2] =
    ["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "/apis/authentication.k8s.io/v1/selfsubjectreviews"];
/// Below these a GET runs something.
const DOORS: [&str; 4] = ["/exec", "/attach", "/portforward", "/proxy"];
/// How the names of AWS' operations begin that read.
const READING: [&str; 5] = ["Describe", "Get", "List", "Filter", "StartLiveTail"];

/// What a request to a system does.
pub(super) fn nature(system: &str, parts: &Parts, body: &[u8]) -> Nature {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    match system {
        "kubernetes" => match parts.method {
            Method::GET if !DOORS.iter().any(|door| path.contains(door)) => Nature::Reads,
            Method::POST if REVIEWS.contains(&path) => Nature::Reads,
            _ if query.contains("dryRun=All") => Nature::Tries,
            _ => Nature::Changes,
        },
        "aws" => match operation(parts, body) {
            Some(name) if READING.iter().any(|begins| name.starts_with(begins)) => Nature::Reads,
            None if parts.method == Method::GET => Nature::Reads,
            _ => Nature::Changes,
        },
        _ if parts.method == Method::GET => Nature::Reads,
        _ if path.ends_with("/query") || path.ends_with("/query_range") => Nature::Reads,
        _ => Nature::Changes,
    }
}

/// What a request to a system is about: `kubernetes deployments/scale`, `aws UpdateService`,
/// `alertmanager silences`.
pub(super) fn place(system: &str, parts: &Parts, body: &[u8]) -> String {
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let of = match (system, path.as_slice()) {
        ("kubernetes", [.., "namespaces", _, plural, _]) => (*plural).to_owned(),
        ("kubernetes", [.., "namespaces", _, plural, _, subresource]) => format!("{plural}/{subresource}"),
        ("aws", _) => operation(parts, body).unwrap_or_default(),
        ("alertmanager", ["api", "v2", "silences" | "silence", ..]) => "silences".to_owned(),
        (_, path) => path.join("/"),
    };
    format!("{system} {of}")
}

/// The operation of a request to AWS, in whichever protocol.
pub(super) fn operation(parts: &Parts, body: &[u8]) -> Option<String> {
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let by_path = match (parts.method.as_str(), path.as_slice()) {
        ("GET", ["2013-04-01", "hostedzone", _, "rrset"]) => Some("ListResourceRecordSets"),
        ("GET", ["2013-04-01", "change", _]) => Some("GetChange"),
        ("POST", ["2013-04-01", "hostedzone", _, "rrset"]) => Some("ChangeResourceRecordSets"),
        ("GET", ["managedresources", _]) => Some("GetManagedResource"),
        ("POST", ["zonalshifts"]) => Some("StartZonalShift"),
        ("DELETE", ["zonalshifts", _]) => Some("CancelZonalShift"),
        _ => None,
    };
    if let Some(name) = by_path {
        return Some(name.to_owned());
    }
    if let Some((_, name)) = parts.uri.path().rsplit_once("/operation/") {
        return Some(name.to_owned());
    }
    if let Some(target) = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        return target.rsplit_once('.').map(|(_, name)| name.to_owned());
    }
    let form = String::from_utf8_lossy(body);
    form.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned)
}

#[test]
fn what_is_not_known_to_read_changes_something() {
    let of = |system: &str, method: &str, uri: &str, body: &str| {
        let (parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        nature(system, &parts, body.as_bytes())
    };
    let scale = "/apis/apps/v1/namespaces/a/deployments/b/scale";
    assert_eq!(of("kubernetes", "GET", "/api/v1/pods?watch=true", ""), Nature::Reads);
    assert_eq!(of("kubernetes", "POST", REVIEWS[0], ""), Nature::Reads);
    assert_eq!(of("kubernetes", "PATCH", &format!("{scale}?dryRun=All"), ""), Nature::Tries);
    assert_eq!(of("kubernetes", "PATCH", scale, ""), Nature::Changes);
    assert_eq!(of("kubernetes", "GET", "/api/v1/namespaces/a/pods/b/exec?command=sh", ""), Nature::Changes);
    assert_eq!(of("alertmanager", "POST", "/api/v2/silences", ""), Nature::Changes);
    assert_eq!(of("prometheus", "POST", "/api/v1/query_range", ""), Nature::Reads);
    let alarms = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
    assert_eq!(of("aws", "POST", alarms, ""), Nature::Reads);
    assert_eq!(of("aws", "POST", "/", "Action=DescribeRules&Version=1"), Nature::Reads);
    assert_eq!(of("aws", "POST", "/", "Action=ModifyRule&Version=1"), Nature::Changes);
    assert_eq!(of("aws", "POST", "/", ""), Nature::Changes);
    assert_eq!(of("aws", "GET", "/2013-04-01/hostedzone/Z1/rrset?name=a", ""), Nature::Reads);
    assert_eq!(of("aws", "POST", "/2013-04-01/hostedzone/Z1/rrset/", "<x/>"), Nature::Changes);
    assert_eq!(of("aws", "DELETE", "/zonalshifts/s1", ""), Nature::Changes);
    assert_eq!(of("anything", "DELETE", "/", ""), Nature::Changes);
}

#[test]
fn a_request_says_what_it_is_about() {
    for (system, method, uri, expected) in [
        (
            "kubernetes",
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/b/scale?fieldManager=c",
            "kubernetes deployments/scale",
        ),
        ("kubernetes", "PATCH", "/api/v1/namespaces/a/services/b", "kubernetes services"),
        ("alertmanager", "DELETE", "/api/v2/silence/1", "alertmanager silences"),
        ("aws", "POST", "/zonalshifts", "aws StartZonalShift"),
    ] {
        let (parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        assert_eq!(place(system, &parts, b""), expected);
    }
}
