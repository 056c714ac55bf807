//! From matchers to a plan that says what they would hide, and the one request that makes it so.

use std::collections::BTreeSet;

use chrono::{SubsecRound as _, TimeDelta};
use http::Method;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::clock::World;
use crate::model::alert::{AlertKey, AlertSeverity};
use crate::model::name::{ServiceName, Target, Uid};
use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Matcher, Permission, Plan, PlanId, Preview, Refusal, Request, Room, Tier,
};
use crate::respond::guard::{LIFETIME, refusal};
use crate::respond::http::{HttpError, parsed};
use crate::respond::kubernetes::quoted;
use crate::respond::{Ack, Cluster, WriteError};
use crate::text::Safe;

use super::matching::Matching;
use super::objects::{Alert, Made};
use super::{SILENCES, Server, mark, matchers_of, shown, write_error};

/// A silence that is longer than a week outlives whoever made it.
const LONGEST: u32 = 7 * 24 * 60;
/// How long the Alertmanager has to show its alerts as silenced, in seconds.
const PATIENCE: u32 = 120;
/// Names that a sentence holds.
const NAMES: usize = 3;

/// What is to be silenced.
pub(super) struct Wish<'a> {
    pub(super) target: &'a Target,
    pub(super) matchers: &'a [Matcher],
    pub(super) minutes: u32,
    /// Exactly then, however much of it is left: for one that is made again.
    pub(super) until: Option<World>,
    pub(super) comment: &'a Safe,
}

pub(super) async fn plan(
    server: &Server,
    want: &Request,
    wish: &Wish<'_>,
    cluster: &Cluster,
    read_at: World,
) -> Result<Plan, Refusal> {
    let matching = check(wish)?;
    let hidden = server.alerts(wish.matchers).await.map_err(|error| {
        refusal(format!("could not ask {} which alerts that would hide: {error}; nothing was changed", server.name))
    })?;
    let doubted = hidden.iter().filter(|alert| !matching.covers(&alert.labels)).count();
    let hidden = Hidden::of(&hidden, doubted, cluster);
    // Servers tell times to the millisecond.
    let ends = (read_at + TimeDelta::minutes(i64::from(wish.minutes))).trunc_subsecs(0);
    let ends = wish.until.unwrap_or(ends);
    // What is left of its time is another with each minute: reading it again must not change the plan.
    let (matchers, comment) = (raw(wish.matchers), wish.comment);
    let (after, told) = match wish.until {
        Some(until) => (
            json!({ "matchers": matchers, "until": until, "comment": comment }),
            format!("until {}", until.format("%Y-%m-%d %H:%M:%SZ")),
        ),
        None => (json!({ "matchers": matchers, "minutes": wish.minutes, "comment": comment }), length(wish.minutes)),
    };
    let not_asked = Safe::fixed("not asked yet");
    let address = server.http.address();
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(format!("silence {}", wish.target.path.name)),
        changes: vec![FieldChange {
            pointer: Safe::fixed("/silence"),
            label: Safe::fixed("silence"),
            before: Safe::fixed("null"),
            after: Safe::from(after.to_string()),
            words: Some(Safe::from(format!("none → {told} of {}", shown(wish.matchers)))),
        }],
        undo: Some(Safe::fixed("ends exactly this silence before its time, while nobody has changed it")),
        blast: Blast { words: hidden.words(), ..Blast::default() },
        room: Room::NotNeeded,
        owners: Vec::new(),
        load: None,
        tier: hidden.tier(),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: hidden.own.clone(),
        services: hidden.services(),
        command: Safe::from(command(&address, wish)),
        facts: hidden.facts(wish.comment),
        instead: None,
        ends: Ends::BySystem { at: ends },
        read_at,
        expires_at: read_at + LIFETIME,
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: PATIENCE,
        raised_from: None,
        // There is no silence yet: what has to stay the same is whose it will be.
        target: Target { uid: Some(Uid(address)), ..wish.target.clone() },
    })
}

/// What no Alertmanager should be asked for.
fn check<'a>(wish: &Wish<'a>) -> Result<Matching<'a>, Refusal> {
    if wish.matchers.is_empty() {
        return Err(refusal("a silence without matchers is none: say which alerts, such as {alertname=\"NAME\"}"));
    }
    let matching = Matching::new(wish.matchers).map_err(|why| refusal(format!("{why}; nothing was planned")))?;
    if matching.take_everything() {
        return Err(refusal(format!(
            "{} takes every alert, now and to come: name at least one label with a value of its own, such as \
             alertname=\"NAME\"",
            shown(wish.matchers)
        )));
    }
    if !(1..=LONGEST).contains(&wish.minutes) {
        return Err(refusal("a silence lasts from one minute to seven days: for longer, mend the rule or its route"));
    }
    Ok(matching)
}

/// The alerts that the matchers hold of now.
struct Hidden {
    /// Name, severity and service of each; those first that other people wait for.
    alerts: Vec<(Safe, AlertSeverity, Option<ServiceName>)>,
    /// The service that the silence is about.
    own: Option<ServiceName>,
    /// How many are silenced already.
    silenced: usize,
    /// How many this program would not have counted.
    doubted: usize,
}

impl Hidden {
    fn of(alerts: &[Alert], doubted: usize, cluster: &Cluster) -> Self {
        let service = |alert: &Alert| {
            cluster.alerts.get(&AlertKey(Safe::from(alert.fingerprint.as_str()))).cloned().or_else(|| {
                ["service", "app", "job"].into_iter().find_map(|label| Some(alert.labels.get(label)?.as_str().into()))
            })
        };
        let mut all: Vec<_> = alerts
            .iter()
            .map(|alert| {
                let severity =
                    alert.labels.get("severity").map_or(AlertSeverity::Unknown, |text| AlertSeverity::parse(text));
                (alert.name(), severity, service(alert))
            })
            .collect();
        let own = cluster.service.clone().or_else(|| {
            let first = all.first()?.2.clone()?;
            all.iter().all(|(_, _, service)| service.as_ref() == Some(&first)).then_some(first)
        });
        all.sort_by(|a, b| (a.2 == own, a.1, &a.0).cmp(&(b.2 == own, b.1, &b.0)));
        let silenced = alerts.iter().filter(|alert| !alert.status.silenced_by.is_empty()).count();
        Self { alerts: all, own, silenced, doubted }
    }

    /// Those whose alerts it hides, each once.
    fn services(&self) -> Vec<ServiceName> {
        let of: BTreeSet<&ServiceName> = self.alerts.iter().filter_map(|(_, _, service)| service.as_ref()).collect();
        of.into_iter().filter(|service| Some(*service) != self.own.as_ref()).cloned().collect()
    }

    fn others(&self) -> usize {
        if self.own.is_none() && self.alerts.len() == 1 {
            return 0;
        }
        self.alerts.iter().filter(|(_, _, service)| *service != self.own || service.is_none()).count()
    }

    fn critical(&self) -> usize {
        self.alerts.iter().filter(|(_, severity, _)| *severity == AlertSeverity::Critical).count()
    }

    fn tier(&self) -> Tier {
        let of: BTreeSet<&ServiceName> = self.alerts.iter().filter_map(|(_, _, service)| service.as_ref()).collect();
        if of.len() > 1 {
            return Tier::Grave;
        }
        if self.others() + self.critical() + self.doubted > 0 { Tier::Lowers } else { Tier::Reversible }
    }

    fn words(&self) -> Safe {
        if self.alerts.is_empty() {
            return Safe::fixed("hides no alert that fires now, and those to come that the matchers hold of");
        }
        let mut counts: Vec<(String, usize)> = Vec::new();
        for (name, _, service) in &self.alerts {
            let of = service.as_ref().map_or_else(String::new, |service| format!(" of {service}"));
            let named = format!("{name}{of}");
            match counts.iter_mut().find(|(known, _)| *known == named) {
                Some((_, count)) => *count += 1,
                None => counts.push((named, 1)),
            }
        }
        let rest = counts.len().saturating_sub(NAMES);
        let named: Vec<_> = counts
            .into_iter()
            .take(NAMES)
            .map(|(name, count)| if count > 1 { format!("{name} ({count} times)") } else { name })
            .collect();
        let more = if rest > 0 { format!(" and {rest} more names") } else { String::new() };
        let already = match self.silenced {
            0 => String::new(),
            all if all == self.alerts.len() => "; silenced already".to_owned(),
            some => format!("; {some} silenced already"),
        };
        Safe::from(format!(
            "hides {} now: {}{more}{already}",
            match self.alerts.len() {
                1 => "1 alert that fires".to_owned(),
                some => format!("{some} alerts that fire"),
            },
            named.join(", ")
        ))
    }

    fn facts(&self, comment: &Safe) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut warn = |words: String| {
            facts.push(Fact { label: Safe::fixed("careful"), words: Safe::from(words), warns: true });
        };
        let critical = self.critical();
        if critical > 0 {
            warn(format!(
                "{} of them critical: nobody is paged for {}",
                critical,
                if critical == 1 { "it" } else { "them" }
            ));
        }
        let others = self.others();
        if others > 0 {
            warn(match &self.own {
                Some(own) => format!("{others} of them not of {own}: their people are not told either"),
                None => format!("{others} of them of several services, or of none that is known"),
            });
        }
        if self.doubted > 0 {
            warn(format!("the Alertmanager counts {} that this program would not: look at the matchers", self.doubted));
        }
        facts.push(Fact { label: Safe::fixed("because"), words: comment.clone(), warns: false });
        facts
    }
}

/// `2h`, `1h 30m`.
fn length(minutes: u32) -> String {
    humantime::format_duration(std::time::Duration::from_secs(u64::from(minutes) * 60)).to_string()
}

fn raw(matchers: &[Matcher]) -> Value {
    matchers
        .iter()
        .map(|one| json!({ "name": one.name, "value": one.value, "isRegex": one.is_regex, "isEqual": one.is_equal }))
        .collect()
}

/// The same for `amtool`, safe to paste into a shell.
fn command(address: &Safe, wish: &Wish<'_>) -> String {
    let mut words = vec!["amtool".to_owned(), "silence".to_owned(), "add".to_owned()];
    words.push(quoted(&format!("--alertmanager.url={address}")));
    words.push(match wish.until {
        Some(until) => format!("--end={}", until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        None => format!("--duration={}m", wish.minutes),
    });
    words.push(quoted(&format!("--comment={}", wish.comment)));
    words.extend(wish.matchers.iter().map(|one| quoted(&one.to_string())));
    words.join(" ")
}

/// Makes the silence, with exactly one request.
pub(super) async fn write(server: &Server, plan: &Plan, actor: &Safe) -> Result<Ack, WriteError> {
    let (Ends::BySystem { at }, Request::Silence { comment, .. }) = (plan.ends, plan.request.origin()) else {
        return Err(WriteError::Refused(Safe::fixed("the plan does not say when its silence ends: make a new one")));
    };
    if plan.target.uid.as_ref().is_none_or(|uid| uid.0 != server.http.address()) {
        return Err(WriteError::Refused(Safe::fixed("the plan is about another Alertmanager: make a new one")));
    }
    let time = |at: World| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let body = json!({
        "matchers": raw(matchers_of(plan)),
        // In the past, where a server sets it to now: ahead of its clock it would have to wait.
        "startsAt": time(plan.read_at),
        "endsAt": time(at),
        "createdBy": actor,
        "comment": format!("{comment} {}", mark(plan)),
    });
    let answer = server.http.send(Method::POST, SILENCES, &[], Some(&body)).await;
    match answer.and_then(|body| parsed::<Made>(&body)) {
        Ok(made) if !made.id.is_empty() => Ok(Ack { identity: Safe::from(format!("silence {}", made.id)) }),
        Ok(_) => Err(write_error(plan, &HttpError::Strange(Safe::fixed("the answer names no silence")))),
        Err(error) => Err(write_error(plan, &error)),
    }
}
