//! The situation as one sentence of facts. Each clause is backed by something that was seen;
//! no clause guesses a cause.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::command::Pane;
use crate::model::name::ServiceName;
use crate::text::Safe;

use super::changes::{self, ChangeRow};
use super::services::{Health, ServiceRow, SignalRow};
use super::sources::SourceRow;
use super::workloads::{PodRow, WorkloadRow};
use super::{Picture, words};

/// Changes within this time before the trouble are worth naming.
const JUST_BEFORE: TimeDelta = TimeDelta::minutes(60);
/// So many failing services are told one by one; the others are counted.
const NAMED: usize = 2;

/// How much of what tells of something was read by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No source of it.
    Nothing,
    /// Some sources, and others not.
    Some,
    /// All of them.
    All,
}

/// One clause, with where to look for what backs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// Such as `checkout: 7.2 % errors since 03:14`.
    pub text: Safe,
    /// The pane that shows it.
    pub pane: Pane,
    /// The service to select there.
    pub service: Option<ServiceName>,
    /// Whether it goes on with the sentence of the clause before.
    pub goes_on: bool,
}

impl Clause {
    fn new(pane: Pane, service: Option<&ServiceName>, text: impl Into<Safe>) -> Self {
        Self { text: text.into(), pane, service: service.cloned(), goes_on: false }
    }

    fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// What stands behind each clause when they are read as sentences: `;` or `.`.
    pub fn stops(clauses: &[Self]) -> impl Iterator<Item = char> {
        (1..=clauses.len()).map(|next| if clauses.get(next).is_some_and(|clause| clause.goes_on) { ';' } else { '.' })
    }
}

/// What users feel, since when, what changed just before, what the failing things share; or that
/// nothing of it is known. Never empty. `alerts`: how much of what tells of alerts was read by now.
pub fn situation(picture: &Picture, now: World, alerts: Heard) -> Vec<Clause> {
    let mut clauses = felt(picture, now);
    if clauses.is_empty() {
        clauses.extend(calm(picture, alerts));
    } else {
        let affected = affected(picture);
        let since = since(picture).unwrap_or(now);
        let change = change(picture, &affected, since);
        let shared = shared(picture, &affected, change);
        let known = change.is_some() || shared.is_some() || picture.is_recalling();
        clauses.push(match change {
            Some(row) => {
                let (at, before) = (words::time(row.change.at), words::long(since - row.change.at));
                let text = format!("{} at {at}, {before} before", row.words());
                Clause::new(Pane::Changes, row.change.service.as_ref(), text)
            }
            None => Clause::new(Pane::Changes, None, no_change(picture)),
        });
        // `payments 2.9.0 rolled out …; all payments pods run it.`
        clauses.extend(shared.map(|clause| if change.is_some() { clause.going_on() } else { clause }));
        if !known {
            clauses.push(Clause::new(Pane::Timeline, None, "cause unknown").going_on());
        }
    }
    clauses.extend(unseen(picture, now));
    clauses
}

/// The sources that are lost: the one that has been for longest, and for how long.
fn unseen(picture: &Picture, now: World) -> Option<Clause> {
    let mut lost: Vec<_> = picture.sources.lost().collect();
    lost.sort_by_key(|(_, since)| *since);
    let name = |(row, _): &(&SourceRow, World)| row.origin.source.as_str().to_owned();
    let (first, others) = lost.split_first()?;
    let others = match others {
        [] => String::new(),
        [one] => format!(", nor {}", name(one)),
        [one, other] => format!(", nor {} and {}", name(one), name(other)),
        [one, more @ ..] => format!(", nor {} and {} more", name(one), more.len()),
    };
    let text = format!("cannot see {} for {}{others}", name(first), words::long(now - first.1));
    Some(Clause::new(Pane::Timeline, None, text))
}

/// What users or machines feel: failing services, else alerts, else hurt services and workloads.
fn felt(picture: &Picture, now: World) -> Vec<Clause> {
    let with = |health| picture.services.rows().iter().filter(move |row| row.health == health);
    let failing: Vec<_> = with(Health::Failing).collect();
    if !failing.is_empty() {
        let mut clauses: Vec<_> = failing.iter().take(NAMED).map(|row| breach(row, now)).collect();
        if let Some(more) = failing.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let text = format!("{} more {}", more, if more == 1 { "service fails" } else { "services fail" });
            clauses.push(Clause::new(Pane::Services, None, text));
        }
        return clauses;
    }
    let firing = picture.alerts.counts().firing;
    let mut clauses = Vec::new();
    if let (1.., Some(since)) = (firing, first_alert(picture)) {
        let verb = if firing == 1 { "fires" } else { "fire" };
        let text = format!("{} {verb} since {}", words::many(firing, "alert"), words::time(since));
        clauses.push(Clause::new(Pane::Alerts, None, text));
    }
    let hurt: Vec<_> = picture.workloads.hurt().collect();
    if let Some(worst) = hurt.first() {
        let trouble = worst.trouble.as_ref().map_or("hurt", |trouble| trouble.as_str());
        let mut text = format!("{}: {trouble}", worst.key.path.name);
        if hurt.len() > 1 {
            text = format!("{text}, and {} hurt", words::many(hurt.len() - 1, "more workload"));
        }
        clauses.push(Clause::new(Pane::Workloads, worst.service.as_ref(), text));
    }
    clauses
}

fn breach(row: &ServiceRow, now: World) -> Clause {
    let breached = || row.signals.iter().filter_map(|signal| Some((signal, signal.breached_since?, signal.latest()?)));
    let over = |signal: &SignalRow, value| signal.threshold.is_none_or(|threshold| threshold.breached(value));
    // A breach lasts until the signal has been well for a while: one that is over its limit now
    // is told before one that is on its way back.
    let worst = breached().find(|(signal, _, (_, value))| over(signal, *value)).or_else(|| breached().next());
    let text = match worst {
        Some((signal, since, (_, value))) if !over(signal, value) => format!(
            "{}: {value} {}, within the limit again, in breach since {}",
            row.name,
            signal.name,
            words::time(since),
            value = signal.unit.write(value)
        ),
        Some((signal, since, (at, value))) => {
            let value = signal.unit.write(value);
            let age =
                if signal.stale(now) { format!(", last read {} ago", words::long(now - at)) } else { String::new() };
            format!("{}: {value} {} since {}{age}", row.name, signal.name, words::time(since))
        }
        None => format!("{}: {}", row.name, row.why),
    };
    Clause::new(Pane::Services, Some(&row.name), text)
}

/// Nothing is wrong as far as can be seen.
fn calm(picture: &Picture, alerts: Heard) -> Vec<Clause> {
    let counts = picture.services.counts();
    let fires = match alerts {
        Heard::All => "nothing fires",
        Heard::Some => "nothing fires in what was read",
        Heard::Nothing => "what fires is not known: no source of alerts was read",
    };
    let mut clauses = vec![Clause::new(Pane::Alerts, None, fires)];
    if counts.fine > 0 {
        clauses.push(Clause::new(Pane::Services, None, format!("{} fine", words::many(counts.fine, "service"))));
    }
    if counts.unknown > 0 {
        let noun = if counts.fine > 0 { counts.unknown.to_string() } else { words::many(counts.unknown, "service") };
        let clause = Clause::new(Pane::Services, None, format!("{noun} unknown"));
        clauses.push(if counts.fine > 0 { clause.going_on() } else { clause });
    }
    if !picture.sources.rows().iter().any(SourceRow::is_live) {
        clauses = vec![Clause::new(Pane::Timeline, None, "nothing is known yet: no source answers")];
    }
    clauses
}

/// The services that fail or are hurt.
fn affected(picture: &Picture) -> Vec<&ServiceName> {
    let rows = picture.services.rows().iter();
    rows.filter(|row| matches!(row.health, Health::Failing | Health::Hurt)).map(|row| &row.name).collect()
}

fn first_alert(picture: &Picture) -> Option<World> {
    picture.alerts.rows().iter().filter(|row| row.fires()).map(|row| row.alert.since).min()
}

/// When the trouble began: the first breach, else the first alert.
fn since(picture: &Picture) -> Option<World> {
    let failing = picture.services.rows().iter().filter(|row| row.health == Health::Failing);
    failing.filter_map(|row| row.since).min().or_else(|| first_alert(picture))
}

/// The newest change just before: of what is affected, else of what that depends on, else any.
fn change<'a>(picture: &'a Picture, affected: &[&ServiceName], since: World) -> Option<&'a ChangeRow> {
    let newest = |services: &[&ServiceName]| {
        let mut before = picture.changes.before(since, JUST_BEFORE);
        before.find(|row| services.iter().any(|service| changes::of(row, service)))
    };
    let depended: Vec<_> = affected
        .iter()
        .filter_map(|name| picture.catalogue.service(name))
        .flat_map(|service| &service.depends_on)
        .collect();
    newest(affected).or_else(|| newest(&depended)).or_else(|| picture.changes.before(since, JUST_BEFORE).next())
}

fn no_change(picture: &Picture) -> &'static str {
    if picture.is_recalling() {
        return "what changed before is still being read";
    }
    // With a source lost, or none that reads workloads, a change may have gone unseen.
    let lost = picture.sources.lost().next().is_some();
    let read = picture.workloads.rows().iter().any(|row| row.workload.is_some()) || !picture.changes.rows().is_empty();
    if lost || !read { "no change seen in the hour before" } else { "no change in the hour before" }
}

/// What the hurt pods of one affected workload have in common and its fine pods have not.
fn shared(picture: &Picture, affected: &[&ServiceName], change: Option<&ChangeRow>) -> Option<Clause> {
    let of_affected = |row: &&WorkloadRow| row.service.as_ref().is_some_and(|service| affected.contains(&service));
    let some = picture.workloads.hurt().filter(of_affected);
    let any = picture.workloads.hurt().filter(|_| affected.is_empty());
    some.chain(any).find_map(|row| {
        let text = common(picture, row, change)?;
        Some(Clause::new(Pane::Workloads, row.service.as_ref(), text))
    })
}

fn common(picture: &Picture, row: &WorkloadRow, change: Option<&ChangeRow>) -> Option<String> {
    let name = &row.key.path.name;
    let hurt: Vec<_> = row.hurt_pods().collect();
    let fine: Vec<_> = row.pods.iter().filter(|pod| pod.trouble.is_none() && pod.pod.is_ready).collect();
    if hurt.len() < 2 {
        return None;
    }
    // What every hurt pod has, and at least one fine pod has not.
    let tells = |of: &dyn Fn(&PodRow) -> Option<Safe>| {
        let value = of(hurt.first()?)?;
        let all = hurt.iter().all(|pod| of(pod).as_ref() == Some(&value));
        let not_fine = fine.iter().any(|pod| of(pod).as_ref() != Some(&value));
        (all && not_fine).then_some(value)
    };
    let image = |pod: &PodRow| Some(pod.pod.image.clone()).filter(|image| !image.is_empty());
    let node = |pod: &PodRow| pod.pod.node.clone();
    let zone = |pod: &PodRow| picture.workloads.zone(&row.origin, pod.pod.node.as_ref()?).cloned();
    let all = format!("all {} hurt {name} pods", hurt.len());
    if let Some(image) = tells(&image) {
        return Some(format!("{all} run {image}"));
    }
    if let Some(change) = change
        && change.change.workload.as_ref() == Some(&row.key)
        && let Some(version) = change.version()
        && row.pods.iter().all(|pod| pod.pod.image == version)
    {
        return Some(format!("all {name} pods run it"));
    }
    if let Some(node) = tells(&node) {
        return Some(format!("{all} are on node {node}"));
    }
    tells(&zone).map(|zone| format!("{all} are in zone {zone}"))
}
