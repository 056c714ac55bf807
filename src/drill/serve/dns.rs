//! Route 53, REST with XML: records of one zone, and changes of weighted ones.
//!
//! Shapes: the service model `route53-2013-04-01`. A batch is taken whole or not at all; `DELETE`
//! has to name a record as it is.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::clock;
use crate::drill::World;
use crate::drill::cloud::Records;

use super::Shared;
use super::balancing::{escaped, xml};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

fn refused(status: StatusCode, code: &str, why: &str) -> Response {
    xml(
        status,
        format!(
            "{HEAD}<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
             <Message>{}</Message></Error></ErrorResponse>",
            escaped(why)
        ),
    )
}

/// A batch that cannot be taken.
fn invalid(why: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, "InvalidChangeBatch", &format!("[{why}]"))
}

fn record(records: &Records, at: usize) -> String {
    let (id, weight, value) = &records.sets[at];
    format!(
        "<ResourceRecordSet><Name>{}</Name><Type>{}</Type><SetIdentifier>{id}</SetIdentifier><Weight>{weight}</Weight>\
         <TTL>{}</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
         </ResourceRecordSet>",
        records.name, records.kind, records.ttl
    )
}

/// Where a list of records begins: at this name and type, in order.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
}

pub(super) async fn list(State(world): State<Shared>, Path(zone): Path<String>, Query(from): Query<Start>) -> Response {
    let world = world.lock();
    let mut all: Vec<_> = world.cloud().records.iter().filter(|records| records.zone == zone).collect();
    if all.is_empty() {
        return refused(StatusCode::NOT_FOUND, "NoSuchHostedZone", &format!("No hosted zone found with ID: {zone}"));
    }
    all.sort_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
    let from = (from.name.to_ascii_lowercase(), from.kind);
    let sets: String = all
        .into_iter()
        .filter(|records| (&records.name, &records.kind) >= (&from.0, &from.1))
        .flat_map(|records| (0..records.sets.len()).map(|at| record(records, at)))
        .collect();
    xml(
        StatusCode::OK,
        format!(
            "{HEAD}<ListResourceRecordSetsResponse xmlns=\"{NAMESPACE}\"><ResourceRecordSets>{sets}</ResourceRecordSets>\
             <IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>"
        ),
    )
}

/// The text of the first element of this name.
fn inner<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

/// One change of a batch.
struct Change {
    action: String,
    id: String,
    weight: u32,
    value: String,
    ttl: u32,
    name: String,
    kind: String,
}

fn read(text: &str) -> Option<Change> {
    let name = inner(text, "Name")?.trim_end_matches('.').to_ascii_lowercase();
    Some(Change {
        action: inner(text, "Action")?.to_owned(),
        id: inner(text, "SetIdentifier")?.to_owned(),
        weight: inner(text, "Weight")?.parse().ok().filter(|weight| *weight <= 255)?,
        value: inner(text, "Value")?.to_owned(),
        ttl: inner(text, "TTL")?.parse().ok()?,
        name: format!("{name}."),
        kind: inner(text, "Type")?.to_owned(),
    })
}

pub(super) async fn change(State(world): State<Shared>, Path(zone): Path<String>, body: Bytes) -> Response {
    let text = String::from_utf8_lossy(&body);
    let changes: Option<Vec<_>> = text.split("<Change>").skip(1).map(read).collect();
    let Some(changes) = changes.filter(|changes| !changes.is_empty()) else {
        return invalid("this drill knows weighted records with one value, and weights up to 255");
    };
    let mut world = world.lock();
    match applied(&world, &zone, &changes) {
        Ok(records) => {
            let now = world.now();
            world.cloud_mut().records = records;
            world.cloud_mut().changes.push(now);
            let id = world.cloud().changes.len();
            xml(StatusCode::OK, told("ChangeResourceRecordSetsResponse", id, "PENDING", now))
        }
        Err(why) => invalid(&why),
    }
}

fn applied(world: &World, zone: &str, changes: &[Change]) -> Result<Vec<Records>, String> {
    let mut all = world.cloud().records.clone();
    for change in changes {
        let found = all.iter_mut().find(|records| {
            (records.zone.as_str(), &records.name, &records.kind) == (zone, &change.name, &change.kind)
        });
        let shown = format!("[name='{}', type='{}', set identifier='{}']", change.name, change.kind, change.id);
        let records =
            found.ok_or_else(|| format!("Tried to change resource record set {shown} but it was not found"))?;
        let at = records.sets.iter().position(|(id, ..)| *id == change.id);
        match (change.action.as_str(), at) {
            ("DELETE", Some(at)) => {
                if records.sets[at] != (change.id.clone(), change.weight, change.value.clone())
                    || records.ttl != change.ttl
                {
                    return Err(format!(
                        "Tried to delete resource record set {shown} but the values provided do not match the current values"
                    ));
                }
                records.sets.remove(at);
            }
            ("DELETE", None) => {
                return Err(format!("Tried to delete resource record set {shown} but it was not found"));
            }
            ("CREATE", Some(_)) => {
                return Err(format!("Tried to create resource record set {shown} but it already exists"));
            }
            ("CREATE" | "UPSERT", _) => {
                records.sets.retain(|(id, ..)| *id != change.id);
                records.sets.push((change.id.clone(), change.weight, change.value.clone()));
                records.sets.sort();
            }
            (other, _) => return Err(format!("{other} is not an action")),
        }
    }
    Ok(all)
}

fn told(root: &str, id: usize, status: &str, at: clock::World) -> String {
    format!(
        "{HEAD}<{root} xmlns=\"{NAMESPACE}\"><ChangeInfo><Id>/change/C{id:013}</Id><Status>{status}</Status>\
         <SubmittedAt>{}</SubmittedAt></ChangeInfo></{root}>",
        at.format("%Y-%m-%dT%H:%M:%SZ")
    )
}

pub(super) async fn status(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let world = world.lock();
    let number = id.trim_start_matches('C').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let known = number.and_then(|at| Some((at, world.cloud().in_sync(at, world.now())?)));
    let Some((at, in_sync)) = known else {
        return refused(StatusCode::NOT_FOUND, "NoSuchChange", "The specified change does not exist");
    };
    let made = world.cloud().changes[at];
    xml(StatusCode::OK, told("GetChangeResponse", at + 1, if in_sync { "INSYNC" } else { "PENDING" }, made))
}
