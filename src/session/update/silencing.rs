//! From an alert, or from matchers, to the request for a silence.

use crate::model::alert::AlertState;
use crate::model::command::{AlertChoice, SilenceChoice};
use crate::model::name::{Kind, ObjectPath, Origin, ServiceName, SourceId, Target};
use crate::model::plan::{Matcher, Request};
use crate::observe::alerts::AlertRow;
use crate::respond::Cluster;
use crate::session::core::Core;
use crate::session::{Effect, NoticeKind};
use crate::text::{Safe, redact_safe};

use super::acting;

/// Labels that say what an alert is about. Not those that say where it was seen, such as `pod`
/// and `instance`: what takes the place of a pod that is gone is the same trouble.
const ABOUT: [&str; 14] = [
    "severity",
    "cluster",
    "region",
    "environment",
    "env",
    "namespace",
    "service",
    "app",
    "job",
    "deployment",
    "statefulset",
    "daemonset",
    "queue",
    "topic",
];
/// Labels that name a thing of a service.
const THING: [&str; 8] = ["service", "app", "job", "deployment", "statefulset", "daemonset", "queue", "topic"];
/// For alerts about none of these: the machine.
const MACHINE: [&str; 3] = ["node", "instance", "host"];

pub(super) fn silence(core: &mut Core, what: &SilenceChoice, minutes: u32, comment: Option<Safe>) -> Vec<Effect> {
    let request = match acting::why_not_now(core) {
        Some(why) => Err(why),
        None => request(core, what, minutes, comment),
    };
    match request {
        Ok(request) => acting::want(core, request),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

fn request(core: &Core, what: &SilenceChoice, minutes: u32, comment: Option<Safe>) -> Result<Request, String> {
    let (source, name, matchers) = match what {
        SilenceChoice::Alert(choice) => {
            let row = find(core, choice)?;
            (teller(core, row)?, row.alert.name.clone(), identity(row))
        }
        SilenceChoice::Matching { matchers, on } => (server(core, on.as_ref())?, label(matchers), matchers.clone()),
    };
    let comment = comment.unwrap_or_else(|| match &core.incident {
        Some(incident) => Safe::from(format!("known: incident {}", incident.id)),
        None => Safe::fixed("known: silenced by who is on call"),
    });
    let target = Target {
        origin: Origin { env: core.facing.env.clone(), source: source.clone() },
        kind: Kind::Silence,
        path: ObjectPath::new(source.0, name),
        uid: None,
    };
    // Others read it in their Alertmanager.
    Ok(Request::Silence { target, matchers, minutes, comment: redact_safe(comment) })
}

fn find<'a>(core: &'a Core, choice: &AlertChoice) -> Result<&'a AlertRow, String> {
    let row = match choice {
        AlertChoice::Exactly { origin, key } => core.picture.alerts.find(origin, key),
        AlertChoice::Named(name) => core.picture.alerts.named(name),
    };
    match (row, choice) {
        (Some(row), _) if row.alert.state == AlertState::Resolved => Err(format!(
            "{} does not fire any more: to silence what may come, give matchers, as in {{alertname=\"{}\"}}",
            row.alert.name, row.alert.name
        )),
        (Some(row), _) => Ok(row),
        (None, AlertChoice::Named(name)) => Err(format!("no alert `{name}` is known: nothing was planned")),
        (None, AlertChoice::Exactly { key, .. }) => Err(format!("the alert {} is gone: nothing was planned", key.0)),
    }
}

/// The Alertmanager that tells of the alert.
fn teller(core: &Core, row: &AlertRow) -> Result<SourceId, String> {
    let told = std::iter::once(&row.origin).chain(row.also.iter().map(|(origin, _)| origin));
    told.map(|origin| &origin.source).find(|source| core.alertmanagers.contains(source)).cloned().ok_or_else(|| {
        format!("{} is told by {}, which is no Alertmanager: it has no silences", row.alert.name, row.origin.source)
    })
}

/// What an alert is recognised by when it comes again.
fn identity(row: &AlertRow) -> Vec<Matcher> {
    let labels = &row.alert.labels;
    let mut matchers = vec![Matcher::equal("alertname", row.alert.name.clone())];
    let thing = THING.iter().any(|label| labels.contains_key(*label));
    let machine = MACHINE.iter().find(|label| !thing && labels.contains_key(**label));
    for label in ABOUT.iter().chain(machine) {
        if let Some(value) = labels.get(*label).filter(|value| !value.is_empty()) {
            matchers.push(Matcher::equal(*label, value.clone()));
        }
    }
    matchers
}

fn server(core: &Core, named: Option<&SourceId>) -> Result<SourceId, String> {
    let names: Vec<_> = core.alertmanagers.iter().map(SourceId::as_str).collect();
    match (named, core.alertmanagers.as_slice()) {
        (_, []) => Err(format!("{} has no Alertmanager: there is nothing to silence", core.facing.env)),
        (Some(named), all) if all.contains(named) => Ok(named.clone()),
        (Some(named), _) => Err(format!("there is no Alertmanager `{named}`: there is {}", names.join(", "))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(format!("there are {}: say where, as in `silence --on {} {{…}}`", names.join(", "), names[0])),
    }
}

/// What people call a silence: what it is about first of all.
fn label(matchers: &[Matcher]) -> Safe {
    let plain = |matcher: &&Matcher| matcher.is_equal && !matcher.is_regex && !matcher.value.trim().is_empty();
    let named = matchers.iter().filter(plain).find(|matcher| matcher.name == "alertname");
    let about = ["service", "app", "job", "namespace"]
        .iter()
        .find_map(|label| matchers.iter().filter(plain).find(|matcher| matcher.name == *label));
    named
        .or(about)
        .or_else(|| matchers.iter().find(plain))
        .map_or_else(|| Safe::fixed("alerts"), |one| one.value.clone())
}

/// What the picture knows of what a silence would hide.
pub(super) fn cluster(core: &Core, target: &Target, request: &Request) -> Cluster {
    let mut cluster = Cluster::default();
    for row in core.picture.alerts.rows() {
        let Some(service) = &row.service else { continue };
        let lead = std::iter::once((&row.origin, &row.alert.key));
        let of_source = lead.chain(row.also.iter().map(|(origin, key)| (origin, key)));
        for (_, key) in of_source.filter(|(origin, _)| origin.source == target.origin.source) {
            cluster.alerts.insert(key.clone(), service.clone());
        }
    }
    cluster.service = own(core, request);
    cluster
}

/// The service that the matchers are about, as far as one is named.
fn own(core: &Core, request: &Request) -> Option<ServiceName> {
    let Request::Silence { matchers, .. } = request.origin() else { return None };
    let value = |label: &str| {
        let equal = matchers.iter().find(|one| one.name == label && one.is_equal && !one.is_regex)?;
        Some(&equal.value)
    };
    let declared = |name: &Safe| {
        let name = ServiceName(name.clone());
        core.picture.catalogue.service(&name).map(|service| service.name.clone())
    };
    value("service").and_then(declared).or_else(|| {
        let name = value("alertname")?;
        core.picture.alerts.rows().iter().find(|row| row.alert.name == *name)?.service.clone()
    })
}
