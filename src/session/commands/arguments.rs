//! Reading the arguments of commands. Each error names what is missing or wrong; the table adds
//! the usage.

use std::path::PathBuf;

use chrono::{DateTime, NaiveTime, Utc};

use crate::model::command::{AlertChoice, Command, Due, MilestoneTime, Pane, SilenceChoice, View, WorkloadChoice};
use crate::model::entry::{MilestoneName, Phase, Severity};
use crate::model::name::{Kind, ServiceName, SourceId};
use crate::model::plan::{Matcher, Replicas, Revision, Share};
use crate::text::{Safe, clean_block};

pub(super) fn none(given: &str) -> Result<(), String> {
    if given.is_empty() { Ok(()) } else { Err(format!("`{given}` is not expected")) }
}

pub(super) fn claim(given: &str) -> Result<Command, String> {
    text(given, "the alert's name").map(|name| Command::Claim(AlertChoice::Named(name)))
}

pub(super) fn take_over(given: &str) -> Result<Command, String> {
    text(given, "the alert's name").map(|name| Command::TakeOver { alert: AlertChoice::Named(name), from: None })
}

pub(super) fn open(given: &str) -> Result<Command, String> {
    text(given, "the title").map(|title| Command::Open { title })
}

pub(super) fn note(given: &str) -> Result<Command, String> {
    text(given, "the note").map(|_| Command::Note { text: clean_block(given.trim()) })
}

/// The text, then `--next` and a time, in this order: a text may hold anything else.
pub(super) fn update(given: &str) -> Result<Command, String> {
    let (said, next) = match given.rsplit_once("--next") {
        Some((said, time)) => (said, Some(due(time.trim().trim_start_matches('=').trim())?)),
        None => (given, None),
    };
    Ok(Command::Update { text: text(said, "what to tell")?, next })
}

/// A time to come: `20m`, a time of day in UTC, or a full RFC 3339 time.
fn due(text: &str) -> Result<Due, String> {
    let length = humantime::parse_duration(text.trim_start_matches('+')).ok();
    if let Some(length) = length.and_then(|length| chrono::TimeDelta::from_std(length).ok()) {
        return Ok(Due::In(length));
    }
    milestone_time(text).map(|time| match time {
        MilestoneTime::At(at) => Due::At(at),
        MilestoneTime::OfDay(time) => Due::OfDay(time),
    })
}

pub(super) fn ask(given: &str) -> Result<Command, String> {
    text(given, "whom to ask, such as `developers`,").map(|whom| Command::Ask { whom })
}

pub(super) fn copy(given: &str) -> Result<Command, String> {
    text(given, "the text").map(|text| Command::Copy { text })
}

pub(super) fn phase(given: &str) -> Result<Command, String> {
    Phase::parse(given).map(Command::Phase).ok_or_else(|| format!("`{given}` is not a phase"))
}

pub(super) fn severity(given: &str) -> Result<Command, String> {
    Severity::parse(given).map(Command::Severity).ok_or_else(|| format!("`{given}` is not a severity"))
}

pub(super) fn milestone(given: &str) -> Result<Command, String> {
    let (name, time) = given.split_once(char::is_whitespace).unwrap_or((given, ""));
    let name = MilestoneName::parse(name).ok_or_else(|| format!("`{name}` is not a milestone"))?;
    let at = match time.trim() {
        "" => None,
        time => Some(milestone_time(time)?),
    };
    Ok(Command::Milestone { name, at })
}

/// A full RFC 3339 time, or a time of day in UTC.
fn milestone_time(text: &str) -> Result<MilestoneTime, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(MilestoneTime::At(at.with_timezone(&Utc)));
    }
    let day_time = text.trim_end_matches('Z');
    ["%H:%M:%S", "%H:%M"]
        .into_iter()
        .find_map(|format| NaiveTime::parse_from_str(day_time, format).ok())
        .map(MilestoneTime::OfDay)
        .ok_or_else(|| format!("`{text}` is not a time"))
}

pub(super) fn export(given: &str) -> Result<Command, String> {
    Ok(Command::Export { path: (!given.is_empty()).then(|| PathBuf::from(given)) })
}

pub(super) fn write(given: &str) -> Result<Command, String> {
    let (env, reason) = given.split_once(char::is_whitespace).unwrap_or((given, ""));
    let env = text(env, "the environment's name")?;
    let reason = text(reason, "the reason")?;
    Ok(Command::OpenWrite { env, reason })
}

pub(super) fn scale(given: &str) -> Result<Command, String> {
    let (workload, count) = given.rsplit_once(char::is_whitespace).unwrap_or((given, ""));
    let workload = WorkloadChoice::Named(text(workload, "the workload's name")?);
    let to = match count {
        "" => return Err("the number of replicas is missing".into()),
        relative if relative.starts_with(['+', '-']) => relative.parse().map(Replicas::By),
        exact => exact.parse().map(Replicas::Exactly),
    };
    let to = to.map_err(|_| format!("`{count}` is not a number of replicas"))?;
    Ok(Command::Scale { workload, to })
}

/// Which alerts, for how long, and why: of one alert, whose name may hold spaces, or of matchers.
pub(super) fn silence(given: &str) -> Result<Command, String> {
    let (on, given) = match given.strip_prefix("--on ") {
        Some(rest) => {
            let (name, rest) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
            (Some(SourceId::from(name)), rest.trim_start())
        }
        None => (None, given),
    };
    if given.starts_with('{') {
        let (matchers, rest) = Matcher::group(given)?;
        let (length, comment) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        let minutes = minutes(length).ok_or("how long is missing, such as 30m or 2h")?;
        let comment = Some(text(comment, "the comment: why this is silenced")?);
        return Ok(Command::Silence { what: SilenceChoice::Matching { matchers, on }, minutes, comment });
    }
    if on.is_some() {
        return Err("--on goes with matchers in braces: an alert is silenced where it comes from".into());
    }
    let words: Vec<&str> = given.split_whitespace().collect();
    let found = words.iter().enumerate().skip(1).find_map(|(at, word)| Some((at, minutes(word)?)));
    let (at, minutes) = found.ok_or("the alert's name and how long are missing, such as `PaymentsCPUHigh 2h`")?;
    let (name, rest) = words.split_at(at);
    let comment = rest.get(1..).unwrap_or_default().join(" ");
    let comment = (!comment.is_empty()).then(|| Safe::from(comment.as_str()));
    let alert = AlertChoice::Named(Safe::from(name.join(" ")));
    Ok(Command::Silence { what: SilenceChoice::Alert(alert), minutes, comment })
}

/// A length of time in whole minutes, rounded up.
fn minutes(word: &str) -> Option<u32> {
    let length = humantime::parse_duration(word).ok().filter(|length| !length.is_zero())?;
    u32::try_from(length.as_secs().div_ceil(60)).ok()
}

pub(super) fn runbook(given: &str) -> Result<Command, String> {
    Ok(Command::Runbook { service: (!given.is_empty()).then(|| ServiceName::from(given)) })
}

pub(super) fn stop_step(given: &str) -> Result<Command, String> {
    match given {
        "" => Ok(Command::StopStep { step: None }),
        given => {
            let step = given.parse().ok().filter(|step| *step > 0);
            let step = step.ok_or_else(|| format!("`{given}` is not the number of a step"))?;
            Ok(Command::StopStep { step: Some(step) })
        }
    }
}

pub(super) fn run_step(given: &str) -> Result<Command, String> {
    let step = given.parse().ok().filter(|step| *step > 0);
    step.map(|step| Command::RunStep { step }).ok_or_else(|| format!("`{given}` is not the number of a step"))
}

/// The command with its time before it, or after it as `--at TIME`.
pub(super) fn ran(given: &str) -> Result<Command, String> {
    let behind = given.rsplit_once("--at ").and_then(|(command, time)| Some((command, past(time.trim())?)));
    let before = || given.split_once(char::is_whitespace).and_then(|(time, command)| Some((command, past(time)?)));
    let (command, at) = match behind.or_else(before) {
        Some((command, at)) => (command, Some(at)),
        None => (given, None),
    };
    Ok(Command::Ran { at, command: text(command, "the command that was run")? })
}

fn past(word: &str) -> Option<MilestoneTime> {
    milestone_time(word).ok()
}

/// The last action, or what is left over under a handle or a target's name.
pub(super) fn undo(given: &str) -> Result<Command, String> {
    Ok(if given.is_empty() { Command::Undo } else { Command::UndoLeftover { which: Safe::from(given) } })
}

pub(super) fn own(given: &str) -> Result<Command, String> {
    let (which, owner) = given.split_once(char::is_whitespace).unwrap_or((given, ""));
    Ok(Command::Own { which: text(which, "which change")?, owner: text(owner, "the name of who sees to it")? })
}

pub(super) fn break_glass(given: &str) -> Result<Command, String> {
    text(given, "the reason").map(|reason| Command::BreakGlass { reason })
}

/// The workload, then `MIN..MAX`, of which one may be missing.
pub(super) fn bound(given: &str) -> Result<Command, String> {
    let (workload, bounds) = given.rsplit_once(char::is_whitespace).unwrap_or((given, ""));
    let workload = WorkloadChoice::Named(text(workload, "the workload's name")?);
    if bounds.is_empty() {
        return Err("the bounds are missing".into());
    }
    let wrong = || format!("`{bounds}` is no MIN..MAX");
    let (floor, cap) = bounds.split_once("..").ok_or_else(wrong)?;
    let end = |text: &str| match text {
        "" => Ok(None),
        text => text.parse::<u32>().map(Some).map_err(|_| wrong()),
    };
    match (end(floor)?, end(cap)?) {
        (None, None) => Err(wrong()),
        (Some(floor), Some(cap)) if floor > cap => Err(format!("{floor} is more than {cap}")),
        (floor, cap) => Ok(Command::Bound { workload, floor, cap }),
    }
}

/// The workload, then the revision as its system calls it.
pub(super) fn rollback(given: &str) -> Result<Command, String> {
    let (workload, rest) = workload(given)?;
    let to = rest.first().map_or(Revision::Previous, |name| Revision::Named(Safe::from(*name)));
    match rest.get(1) {
        Some(more) => Err(format!("`{more}` is not expected")),
        None => Ok(Command::RollBack { workload, to }),
    }
}

pub(super) fn restart(given: &str) -> Result<Command, String> {
    let (workload, rest) = workload(given)?;
    match rest.first() {
        Some(more) => Err(format!("`{more}` is not expected")),
        None => Ok(Command::Restart { workload }),
    }
}

pub(super) fn abort(given: &str) -> Result<Command, String> {
    let (workload, rest) = workload(given)?;
    match rest.first() {
        Some(more) => Err(format!("`{more}` is not expected")),
        None => Ok(Command::Abort { workload }),
    }
}

/// A workload, with its kind in front or not, in quotes or not; and the words after it.
fn workload(given: &str) -> Result<(WorkloadChoice, Vec<&str>), String> {
    let (name, rest) = match given.trim().strip_prefix('"') {
        Some(quoted) => {
            let (name, rest) = quoted.split_once('"').ok_or("the closing quote is missing")?;
            (name.to_owned(), rest.split_whitespace().collect())
        }
        None => {
            let words: Vec<_> = given.split_whitespace().collect();
            let kind = words.first().is_some_and(|first| Kind::parse(first).is_some());
            let (name, rest) = words.split_at(words.len().min(if kind { 2 } else { 1 }));
            (name.join(" "), rest.to_vec())
        }
    };
    text(&name, "the workload's name").map(|name| (WorkloadChoice::Named(name), rest))
}

/// A service or a route, then `DESTINATION=PERCENT` for each destination that gets another share.
pub(super) fn divert(given: &str) -> Result<Command, String> {
    let (name, pairs) = named_pairs(given)?;
    let mut shares: Vec<Share> = Vec::new();
    for (destination, weight) in pairs {
        let number = weight.strip_suffix('%').unwrap_or(weight);
        let weight = number.parse().map_err(|_| format!("`{weight}` is not a share in percent"))?;
        if shares.iter().any(|share| *share.destination == *destination) {
            return Err(format!("`{destination}` is named twice"));
        }
        shares.push(Share { destination: Safe::from(destination), weight });
    }
    Ok(Command::Divert { of: name, shares })
}

pub(super) fn switch(given: &str) -> Result<Command, String> {
    let (of, pairs) = named_pairs(given)?;
    match pairs.as_slice() {
        [(key, to)] => Ok(Command::Switch { of, key: Safe::from(*key), to: Safe::from(*to) }),
        [] => Err("the key and its value are missing, such as version=green,".into()),
        _ => Err("one key is switched at a time".into()),
    }
}

/// A name, and pairs of what it is about and a value.
type Named<'a> = (Safe, Vec<(&'a str, &'a str)>);

/// A name, which may have spaces in it, then words with a `=`.
fn named_pairs(given: &str) -> Result<Named<'_>, String> {
    let words: Vec<&str> = given.split_whitespace().collect();
    let first = words.iter().position(|word| word.contains('=')).unwrap_or(words.len());
    let name = text(&words[..first].join(" "), "the service's name")?;
    let pairs = words[first..].iter().map(|word| match word.rsplit_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => Ok((key, value)),
        _ => Err(format!("`{word}` is not NAME=VALUE")),
    });
    Ok((name, pairs.collect::<Result<_, _>>()?))
}

pub(super) fn evacuate(given: &str) -> Result<Command, String> {
    // As a route is written, or by its name alone.
    let mut words = given.strip_prefix("LoadBalancer ").unwrap_or(given).split_whitespace();
    let of = text(words.next().unwrap_or_default(), "the service or load balancer")?;
    let zone = text(words.next().unwrap_or_default(), "the zone")?;
    let length = text(words.next().unwrap_or_default(), "for how long")?;
    if let Some(more) = words.next() {
        return Err(format!("`{more}` is not expected"));
    }
    let minutes = humantime::parse_duration(&length).ok().map(|length| length.as_secs() / 60);
    let minutes =
        minutes.filter(|minutes| (1..=72 * 60).contains(minutes)).and_then(|minutes| u32::try_from(minutes).ok());
    let minutes = minutes.ok_or_else(|| format!("`{length}` is not a time between 1m and 72h"))?;
    Ok(Command::Evacuate { of, zone, minutes })
}

pub(super) fn confirm(given: &str) -> Result<Command, String> {
    Ok(Command::Confirm { plan: None, typed: (!given.is_empty()).then(|| Safe::from(given)) })
}

pub(super) fn follow_logs(given: &str) -> Result<Command, String> {
    Ok(Command::FollowLogs { service: (!given.is_empty()).then(|| ServiceName::from(given)) })
}

pub(super) fn pane(given: &str) -> Result<Command, String> {
    let found = given.parse::<usize>().ok().and_then(|number| Pane::ALL.get(number.checked_sub(1)?));
    let found = found.or_else(|| Pane::ALL.iter().find(|pane| pane.title().eq_ignore_ascii_case(given)));
    found.map(|pane| Command::View(View::FocusPane(*pane))).ok_or_else(|| format!("`{given}` is not a pane"))
}

fn text(given: &str, what: &str) -> Result<Safe, String> {
    let given = given.trim();
    if given.is_empty() { Err(format!("{what} is missing")) } else { Ok(Safe::from(given)) }
}
