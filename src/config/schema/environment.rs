//! The schema of one environment and its systems.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::environment::FIXED_SOURCES;
use crate::config::layers::{Node, Value};
use crate::config::section::Section;
use crate::config::{
    Auth, AwsAccess, AwsCredentials, Environment, HttpAccess, KubeAccess, LogAccess, Secret, WritePolicy,
};
use crate::model::name::EnvId;
use crate::text::Safe;

use super::{Around, path};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The services whose endpoints can be set, in the words of the SDKs.
const ENDPOINTS: [&str; 9] = [
    "cloudwatch",
    "cloudwatch_logs",
    "sts",
    "ecs",
    "application_auto_scaling",
    "elastic_load_balancing_v2",
    "route_53",
    "arc_zonal_shift",
    "ec2",
];

pub(super) fn read(name: &str, section: Section<'_>, around: &Around<'_>) -> Environment {
    let policy = [("deny", WritePolicy::Deny), ("ask", WritePolicy::Ask)];
    let write = section.word("write", &policy).unwrap_or(WritePolicy::Deny);
    let kubernetes = section.section("kubernetes").map(|section| kubernetes(section, write, around));
    let alertmanager = section.sections("alertmanager");
    let prometheus = section.sections("prometheus");
    if let Some(second) = prometheus.get(1) {
        let first = prometheus.first().and_then(|first| first.line("name")).unwrap_or("prometheus");
        let why = "only the first Prometheus of an environment is asked: two would tell the same signals twice";
        second.wrong("url", &format!("{why}; keep {first}, or move this one to an environment of its own"));
    }
    // An HTTP source takes another name than those of a cluster and an account.
    let mut taken: Vec<String> = FIXED_SOURCES.map(|(name, _)| name.to_owned()).into();
    let environment = Environment {
        name: EnvId::from(name),
        // One that does not say otherwise is production.
        production: section.boolean("production").unwrap_or(true),
        color: section.line("color").map(Safe::from),
        write,
        write_window: section.duration("write_window", Duration::from_secs(60), 4 * HOUR).unwrap_or(HOUR / 4),
        drill: false,
        kubernetes,
        aws: section.section("aws").map(aws),
        alertmanager: http_sources(alertmanager, "alertmanager", &mut taken, around),
        prometheus: http_sources(prometheus, "prometheus", &mut taken, around),
    };
    section.finish();
    environment
}

fn kubernetes(section: Section<'_>, write: WritePolicy, around: &Around<'_>) -> KubeAccess {
    let kubeconfig = section
        .line("kubeconfig")
        .zip(section.entry("kubeconfig"))
        .map(|(text, entry)| path(text, &entry.node.at, around));
    let context = section.line("context").map(str::to_owned);
    if write == WritePolicy::Ask && context.is_none() {
        section.missing(
            "context",
            "an environment with write = \"ask\" names its context, because the current one may be another tomorrow",
        );
    }
    let access = KubeAccess {
        kubeconfig,
        context,
        namespaces: section.texts("namespaces").into_iter().map(|(name, _)| name.to_owned()).collect(),
        usage_every: section.duration("usage_every", SECOND, HOUR).unwrap_or(15 * SECOND),
    };
    section.finish();
    access
}

fn aws(section: Section<'_>) -> AwsAccess {
    let defaults = LogAccess { groups: Vec::new(), every: 10 * SECOND, live_tail: Vec::new(), calls_per_second: 2.0 };
    let access = AwsAccess {
        credentials: AwsCredentials::Ambient { profile: section.line("profile").map(str::to_owned) },
        region: section.line("region").map(str::to_owned),
        endpoints: section.section("endpoints").map(endpoints).unwrap_or_default(),
        alarm_prefixes: section.texts("alarm_prefixes").into_iter().map(|(prefix, _)| prefix.to_owned()).collect(),
        alarms_every: section.duration("alarms_every", SECOND, HOUR).unwrap_or(30 * SECOND),
        logs: section.section("logs").map_or(defaults, logs),
    };
    section.finish();
    access
}

fn endpoints(section: Section<'_>) -> BTreeMap<String, String> {
    let read =
        ENDPOINTS.into_iter().filter_map(|service| Some((service.to_owned(), url(&section, service)?))).collect();
    section.finish();
    read
}

fn logs(section: Section<'_>) -> LogAccess {
    let rate = section.number("calls_per_second");
    if rate.is_some_and(|rate| !(0.01..=100.0).contains(&rate)) {
        section.wrong("calls_per_second", "calls_per_second lies between 0.01 and 100");
    }
    let access = LogAccess {
        groups: section.texts("groups").into_iter().map(|(name, _)| name.to_owned()).collect(),
        every: section.duration("every", SECOND, HOUR).unwrap_or(10 * SECOND),
        live_tail: section.texts("live_tail").into_iter().map(|(name, _)| name.to_owned()).collect(),
        calls_per_second: rate.unwrap_or(2.0),
    };
    section.finish();
    access
}

fn http_sources(
    sections: Vec<Section<'_>>,
    kind: &str,
    taken: &mut Vec<String>,
    around: &Around<'_>,
) -> Vec<HttpAccess> {
    sections.into_iter().filter_map(|section| http_source(section, kind, taken, around)).collect()
}

fn http_source(section: Section<'_>, kind: &str, taken: &mut Vec<String>, around: &Around<'_>) -> Option<HttpAccess> {
    let name = section.line("name").unwrap_or(kind).to_owned();
    if !super::is_name(&name) {
        section.wrong("name", super::NAMES);
    } else if taken.contains(&name) {
        section.wrong("name", &format!("this environment has a source {name} already: give this one another name"));
    }
    taken.push(name.clone());
    let url = url(&section, "url");
    if url.is_none() && section.entry("url").is_none() {
        section.missing("url", "say where it is, such as url = \"https://alerts.example.com\"");
    }
    let ca_file =
        section.line("ca_file").zip(section.entry("ca_file")).map(|(text, entry)| path(text, &entry.node.at, around));
    let access = HttpAccess {
        name,
        url: url.clone().unwrap_or_default(),
        auth: auth(&section, around),
        ca_file,
        proxy: section.boolean("proxy").unwrap_or(true),
        every: section.duration("every", SECOND, HOUR).unwrap_or(15 * SECOND),
    };
    section.finish();
    url.is_some().then_some(access)
}

fn auth(section: &Section<'_>, around: &Around<'_>) -> Option<Auth> {
    let bearer = section.entry("bearer").and_then(|entry| secret(section, &entry.node, "bearer", around));
    let basic = section.section("basic").and_then(|basic| {
        let user = basic.line("user").map(str::to_owned);
        if user.is_none() {
            basic.missing("user", "name it");
        }
        let password = match basic.entry("password") {
            Some(entry) => secret(&basic, &entry.node, "password", around),
            None => {
                basic.missing("password", "say where it is kept, such as password = { file = \"/path\" }");
                None
            }
        };
        basic.finish();
        Some(Auth::Basic { user: user?, password: password? })
    });
    if bearer.is_some() && basic.is_some() {
        section.wrong("basic", "a source takes either bearer or basic, not both");
    }
    bearer.map(Auth::Bearer).or(basic)
}

/// Where a secret is kept. Never the secret: what looks like one is not repeated.
fn secret(outer: &Section<'_>, node: &Node, name: &str, around: &Around<'_>) -> Option<Secret> {
    if !matches!(node.value, Value::Table(_)) {
        outer.in_clear(&node.at);
        return None;
    }
    let section = Section::of(node, name, outer.problems)?;
    let env = section.entry("env").map(|entry| (section.line("env"), &entry.node.at));
    let file = section.line("file").zip(section.entry("file")).map(|(text, entry)| path(text, &entry.node.at, around));
    let command: Vec<String> = section.texts("command").into_iter().map(|(word, _)| word.to_owned()).collect();
    let mut kept = Vec::new();
    if let Some((variable, at)) = env {
        // The likeliest slip is the secret itself.
        if !variable.is_some_and(is_variable) {
            section.problems.add(at, "env is the name of a variable, such as env = \"ALERTS_TOKEN\"");
        }
        kept.push(Secret::Env(variable.unwrap_or_default().to_owned()));
    }
    kept.extend(file.map(Secret::File));
    if !command.is_empty() {
        kept.push(Secret::Command(command));
    }
    let one = if kept.len() == 1 { kept.pop() } else { None };
    if one.is_none() {
        section.problems.add(&node.at, "a secret is kept in one place: { env = \"VARIABLE\" }, { file = \"/path\" } or { command = [\"program\"] }");
    }
    section.finish();
    one
}

fn is_variable(name: &str) -> bool {
    // Names of variables in capitals by custom: a token hardly ever is.
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A base URL. It is not repeated in messages: people put passwords in URLs.
fn url(section: &Section<'_>, key: &'static str) -> Option<String> {
    let text = section.text(key)?;
    match checked_url(text) {
        Ok(url) => Some(url),
        Err(what) => {
            section.wrong(key, &format!("{key} {what}"));
            None
        }
    }
}

fn checked_url(text: &str) -> Result<String, &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or("starts with https:// or http://")?;
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) || !text.is_ascii() {
        return Err("is a URL, without spaces and in ASCII");
    }
    if text.contains(['?', '#']) {
        return Err("is a base URL, without ? and #");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err("holds a user or password: take them out and use basic = { user = …, password = { file = … } }");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("names a host, and a port only as a number up to 65535");
    }
    let url = text.trim_end_matches('/');
    if ["/api/v1", "/api/v2"].iter().any(|api| url.ends_with(api)) {
        return Err("is the base URL, without the API's own path: drop /api/…");
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base_urls_are_told_from_the_rest() {
        for (text, url) in [
            ("https://alerts.example.com", "https://alerts.example.com"),
            ("http://127.0.0.1:9093/", "http://127.0.0.1:9093"),
            ("https://[::1]:9090/prometheus/", "https://[::1]:9090/prometheus"),
        ] {
            assert_eq!(checked_url(text).as_deref(), Ok(url));
        }
        for text in [
            "alerts.example.com",
            "https://",
            "https://a b",
            "https://h:x",
            "https://h:70000",
            "https://u:p@h",
            "https://h/api/v2/",
            "https://h?x",
        ] {
            assert!(checked_url(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_takes_the_reader_down(text in "(https?://)?[ -~é]{0,40}") {
            let _ = checked_url(&text);
        }
    }
}
