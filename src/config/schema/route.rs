//! What divides a service's traffic: a kind and, as its system writes it, which one.
//!
//! To add a kind: a line in [`KINDS`].

use crate::config::layers::At;
use crate::config::problem::nearest;
use crate::config::section::{Problems, Section};
use crate::model::name::{Kind, ObjectPath};
use crate::model::service::Route;

/// How the rest of a route is written, by its kind.
struct Form {
    kind: Kind,
    /// For people: `NAMESPACE/NAME`.
    usage: &'static str,
    read: fn(&str) -> Option<ObjectPath>,
}

/// The kinds that divide traffic.
const KINDS: &[Form] = &[
    Form { kind: Kind::VirtualService, usage: "NAMESPACE/NAME", read: in_namespace },
    Form { kind: Kind::HttpRoute, usage: "NAMESPACE/NAME", read: in_namespace },
    Form { kind: Kind::Service, usage: "NAMESPACE/NAME", read: in_namespace },
    Form { kind: Kind::ListenerRule, usage: "ARN", read: |text| arn(text, ":listener-rule/") },
    Form { kind: Kind::Listener, usage: "ARN", read: |text| arn(text, ":listener/") },
    Form { kind: Kind::LoadBalancer, usage: "ARN", read: |text| arn(text, ":loadbalancer/") },
    Form { kind: Kind::RecordSet, usage: "ZONEID/NAME/TYPE", read: records },
];

pub(super) fn all(section: &Section<'_>) -> Vec<Route> {
    let mut read: Vec<Route> = Vec::new();
    for (text, at) in section.texts("routes") {
        let Some(route) = one(text, at, section.problems) else { continue };
        if read.contains(&route) {
            section.problems.add(at, &format!("\"{text}\" stands here twice"));
        } else {
            read.push(route);
        }
    }
    read
}

fn one(text: &str, at: &At, problems: &Problems) -> Option<Route> {
    let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let Some(form) = KINDS.iter().find(|form| form.kind.as_str() == word) else {
        let hint = nearest(word, KINDS.iter().map(|form| form.kind.as_str())).map_or_else(
            || {
                let all: Vec<_> = KINDS.iter().map(|form| format!("\"{} {}\"", form.kind, form.usage)).collect();
                format!("a route is one of {}", all.join(", "))
            },
            |near| format!("did you mean \"{near}\"?"),
        );
        problems.add(at, &format!("nothing of the kind \"{word}\" divides traffic: {hint}"));
        return None;
    };
    let path = (form.read)(rest.trim());
    if path.is_none() {
        problems.add(at, &format!("this route is \"{} {}\"", form.kind, form.usage));
    }
    path.map(|path| Route { kind: form.kind, path })
}

/// `namespace/name`.
fn in_namespace(text: &str) -> Option<ObjectPath> {
    let (namespace, name) = text.split_once('/')?;
    let good = |word: &str| !word.is_empty() && !word.contains(['/', ' ']) && !word.contains(char::is_control);
    (good(namespace) && good(name)).then(|| ObjectPath::new(namespace, name))
}

/// The ARN of a part of a load balancer.
fn arn(text: &str, part: &str) -> Option<ObjectPath> {
    let good = text.starts_with("arn:") && text.contains(part) && text.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| ObjectPath::new("", text))
}

/// `Z0123456789/api.example.com/A`: all records of one name and type.
fn records(text: &str) -> Option<ObjectPath> {
    let (zone, rest) = text.split_once('/')?;
    let (name, kind) = rest.split_once('/')?;
    let plain =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let good = plain(zone) && plain(kind) && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| ObjectPath::new(zone, rest))
}
