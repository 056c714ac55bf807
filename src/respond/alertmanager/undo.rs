//! Ending exactly the silence that a plan made, while nobody has changed it.
//!
//! Alertmanager has no compare-and-swap: the silence is read right before it is ended, by an id
//! that a change of its matchers would have left behind.

use chrono::TimeDelta;
use http::Method;
use ulid::Ulid;

use crate::clock::World;
use crate::model::name::{Target, Uid};
use crate::model::plan::{Blast, Ends, FieldChange, Permission, Plan, PlanId, Preview, Refusal, Request, Room, Tier};
use crate::respond::guard::{LIFETIME, refusal};
use crate::respond::http::{HttpError, said};
use crate::respond::kubernetes::quoted;
use crate::respond::{Ack, Cluster, WriteError};
use crate::text::Safe;

use super::objects::Silence;
use super::{Server, mark, matchers_of, one, shown, silence, write_error};

/// How long the Alertmanager has to let the alerts go, in seconds.
const PATIENCE: u32 = 60;

/// Why `silence` is not, or is no longer, the one that `of` made.
pub(super) fn changed(silence: &Silence, of: &Plan) -> Option<String> {
    if !silence.has(matchers_of(of)) {
        return Some("somebody gave it other matchers".to_owned());
    }
    match (of.ends, silence.ends()) {
        (Ends::BySystem { at }, Some(now)) if (now - at).abs() >= TimeDelta::seconds(1) => {
            Some(format!("it ends at {} and not at {}: somebody changed that", clock(now), clock(at)))
        }
        (Ends::BySystem { .. }, Some(_)) => None,
        _ => Some("when it ends is not known".to_owned()),
    }
}

fn clock(at: World) -> String {
    at.format("%Y-%m-%d %H:%MZ").to_string()
}

/// The silence that `of` made and that still stands as it was made; else why there is none.
fn ours<'s>(silences: &'s [Silence], of: &Plan) -> Result<&'s Silence, String> {
    let mark = mark(of);
    let marked: Vec<_> = silences.iter().filter(|silence| silence.bears(&mark)).collect();
    if let Some(same) = marked.iter().find(|silence| silence.stands() && changed(silence, of).is_none()) {
        return Ok(same);
    }
    if let Some(other) = marked.iter().find(|silence| silence.stands()) {
        let why = changed(other, of).unwrap_or_default();
        return Err(format!(
            "silence {}, which {} made, is not as it was made here: {why}; look at it and end it there",
            other.id,
            said(&other.created_by)
        ));
    }
    Err(if marked.is_empty() {
        "it is not there (any more), or somebody changed its comment".to_owned()
    } else {
        "it has ended already: there is nothing to undo".to_owned()
    })
}

pub(super) async fn plan(
    server: &Server,
    want: &Request,
    of: &Plan,
    cluster: &Cluster,
    read_at: World,
) -> Result<Plan, Refusal> {
    let asked = futures::join!(server.silences(), server.alerts(matchers_of(of)));
    let cannot = |error: HttpError| {
        refusal(format!("could not read the silences of {}: {error}; nothing was changed", server.name))
    };
    let (silences, alerts) = (asked.0.map_err(cannot)?, asked.1.map_err(cannot)?);
    let silence = ours(&silences, of).map_err(|why| refusal(format!("{} cannot be undone: {why}", of.title)))?;
    let held = alerts.iter().filter(|alert| alert.is_held_by(&silence.id)).count();
    let ends = silence.ends().map_or_else(|| "its end".to_owned(), clock);
    let not_asked = Safe::fixed("not asked yet");
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(format!("end the silence of {}", of.target.path.name)),
        changes: vec![FieldChange {
            pointer: Safe::fixed("/status/state"),
            label: Safe::fixed("silence"),
            before: Safe::fixed("\"active\""),
            after: Safe::fixed("\"expired\""),
            words: Some(Safe::from(format!("of {} until {ends} → ended now", shown(matchers_of(of))))),
        }],
        undo: Some(Safe::fixed("silences the same again, until the same end")),
        blast: Blast {
            ready_before: 0,
            wanted_before: None,
            wanted_after: 0,
            fewest_ready: None,
            words: Safe::from(match held {
                0 => "it holds no alert now".to_owned(),
                1 => "1 alert that fires is told again".to_owned(),
                some => format!("{some} alerts that fire are told again"),
            }),
        },
        room: Room::NotNeeded,
        owners: Vec::new(),
        load: None,
        tier: Tier::Reversible,
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: of.service.clone().or_else(|| cluster.service.clone()),
        services: of.services.clone(),
        command: Safe::from(format!(
            "amtool silence expire {} {}",
            quoted(&format!("--alertmanager.url={}", server.http.address())),
            quoted(&silence.id)
        )),
        facts: Vec::new(),
        instead: None,
        ends: Ends::Stays,
        read_at,
        expires_at: read_at + LIFETIME,
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: PATIENCE,
        raised_from: None,
        target: Target { uid: Some(Uid(Safe::from(silence.id.as_str()))), ..of.target.clone() },
    })
}

/// The undo of an undo: the same is silenced again, until the same end.
pub(super) async fn again(
    server: &Server,
    want: &Request,
    of: &Plan,
    cluster: &Cluster,
    read_at: World,
) -> Result<Plan, Refusal> {
    let mut first = of;
    while let Request::Undo { plan } = &first.request {
        first = plan;
    }
    let (Request::Silence { target, matchers, comment, .. }, Ends::BySystem { at }) = (&first.request, first.ends)
    else {
        return Err(refusal(format!("{} has no inverse that this version knows", of.title)));
    };
    let left = (at - read_at).num_seconds();
    let Some(minutes) = u32::try_from((left + 59) / 60).ok().filter(|_| left > 0) else {
        return Err(refusal(format!("{} would be over by now: there is nothing to do again", first.title)));
    };
    let wish = silence::Wish { target, matchers, minutes, until: Some(at), comment };
    silence::plan(server, want, &wish, cluster, read_at).await
}

/// Ends the silence, with exactly one request that could change something.
pub(super) async fn write(server: &Server, plan: &Plan, of: &Plan) -> Result<Ack, WriteError> {
    let nothing = |why: &str| WriteError::Refused(Safe::from(format!("{}: nothing was changed, {why}", plan.title)));
    let Some(id) = plan.target.uid.as_ref().map(Uid::as_str) else {
        return Err(nothing("the plan names no silence: make a new one"));
    };
    let path = one(id).map_err(|error| write_error(plan, &error))?;
    let now = server.silence(id).await.map_err(|error| nothing(&format!("it could not be read again: {error}")))?;
    if !now.stands() {
        return Err(nothing("it has ended meanwhile, or somebody changed it, which makes another one of it"));
    }
    if let Some(why) = changed(&now, of) {
        return Err(nothing(&format!("{why}; look at it and end it there")));
    }
    match server.http.send(Method::DELETE, &path, &[], None).await {
        Ok(_) => Ok(Ack { identity: Safe::from(format!("silence {id} ended")) }),
        Err(error) => Err(write_error(plan, &error)),
    }
}
