//! The schema of policies, and their tests.

use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;

use crate::clock::World;
use crate::config::policy::{ACTIONS, COUNTS, Case, Freeze, Policy, PolicyTest, Rule, Verdict};
use crate::config::problem::{Problem, nearest};
use crate::config::section::Section;
use crate::model::name::{Kind, ServiceName};
use crate::model::plan::Tier;
use crate::text::Safe;

/// The words for tiers.
pub(in crate::config) const TIERS: [(&str, Tier); 3] =
    [("reversible", Tier::Reversible), ("lowers", Tier::Lowers), ("grave", Tier::Grave)];

/// The words for days.
pub(in crate::config) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

#[derive(Clone, Copy)]
enum Effect {
    Deny,
    SecondPerson,
    Freeze,
    LeastReady,
    MostTimes,
}

const EFFECTS: [(&str, Effect); 5] = [
    ("deny", Effect::Deny),
    ("second-person", Effect::SecondPerson),
    ("freeze", Effect::Freeze),
    ("least-ready", Effect::LeastReady),
    ("most-times", Effect::MostTimes),
];

/// All policies, and those of their tests that fail.
pub(super) fn all(section: &Section<'_>) -> (Vec<Policy>, Vec<Problem>) {
    let (mut policies, mut failed) = (Vec::new(), Vec::new());
    for (name, key, node) in section.members() {
        if !super::is_name(name) {
            section.problems.add(key, super::NAMES);
        }
        let Some(one) = Section::of(node, format!("policies.{name}"), section.problems) else { continue };
        policies.extend(read(name, one, &mut failed));
    }
    (policies, failed)
}

fn read(name: &str, section: Section<'_>, failed: &mut Vec<Problem>) -> Option<Policy> {
    let safe = |key| section.texts(key).into_iter().map(|(text, _)| Safe::from(text)).collect::<Vec<_>>();
    let say = section.line("say").map(Safe::from);
    if say.is_none() && section.entry("say").is_none() {
        section.missing("say", "a sentence for whoever it stops");
    }
    let mut policy = Policy {
        name: Safe::from(name),
        say: say.unwrap_or_default(),
        environments: safe("environments"),
        kinds: words(&section, "kinds", Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect()),
        targets: safe("targets"),
        actions: words(&section, "actions", ACTIONS.iter().map(|word| (*word, Safe::fixed(word))).collect()),
        tiers: words(&section, "tiers", TIERS.to_vec()),
        services: safe("services"),
        rule: Rule::Deny,
        tests: Vec::new(),
    };
    let rule = rule(&section);
    if matches!(rule, Some(Rule::MostTimes(_)))
        && !policy.actions.is_empty()
        && !policy.actions.iter().any(|action| COUNTS.contains(&action.as_str()))
    {
        section.wrong(
            "actions",
            &format!("most-times is about {} alone: name one of them, or none", COUNTS.join(" and ")),
        );
    }
    let tests = section.sections("tests");
    section.finish();
    policy.rule = rule?;
    for one in tests {
        let Some(test) = test(&one) else {
            one.finish();
            continue;
        };
        let said = policy.judge(&test.case);
        if said != test.expect
            && let Some(entry) = one.entry("expect")
        {
            let (said, expected) = (Verdict::word(said), Verdict::word(test.expect));
            let what = format!("the policy {name} is to say \"{expected}\" of this plan, and says \"{said}\"");
            failed.push(entry.node.at.problem(&what));
        }
        one.finish();
        policy.tests.push(test);
    }
    Some(policy)
}

/// A list of words that have a meaning each.
fn words<T: Clone>(section: &Section<'_>, key: &'static str, known: Vec<(&'static str, T)>) -> Vec<T> {
    let mut read = Vec::new();
    for (text, at) in section.texts(key) {
        match known.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => read.push(meaning.clone()),
            None => {
                let hint = nearest(text, known.iter().map(|(word, _)| *word)).map_or_else(
                    || format!("it is one of {}", known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean \"{near}\"?"),
                );
                section.problems.add(at, &format!("{key} has no \"{text}\": {hint}"));
            }
        }
    }
    read
}

fn rule(section: &Section<'_>) -> Option<Rule> {
    let effect = section.word("effect", &EFFECTS);
    if effect.is_none() && section.entry("effect").is_none() {
        let all: Vec<_> = EFFECTS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        section.missing("effect", &format!("one of {}", all.join(", ")));
    }
    let number = |key: &'static str, least: f64| {
        let number = section.number(key);
        if number.is_none() && section.entry(key).is_none() {
            section.missing(key, "its effect goes by that number");
        }
        if number.is_some_and(|number| number < least) {
            section.wrong(key, &format!("{key} is {least} or more"));
            return None;
        }
        number
    };
    // What an effect goes by is no further mistake while that is not known, nor where a layer over it
    // has another effect.
    let here = section.entry("effect").map(|entry| &entry.key.source.path);
    for key in ["ready", "times", "from", "to", "days", "zone"] {
        let below = section.members().any(|(name, at, _)| name == key && Some(&at.source.path) != here);
        if effect.is_none() || below {
            section.entry(key);
        }
    }
    match effect? {
        Effect::Deny => Some(Rule::Deny),
        Effect::SecondPerson => Some(Rule::SecondPerson),
        Effect::Freeze => freeze(section).map(Rule::Freeze),
        Effect::LeastReady => {
            let ready = number("ready", 1.0)?;
            if ready.fract() != 0.0 || ready > 1e6 {
                section.wrong("ready", "ready is a whole number of replicas");
                return None;
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
            Some(Rule::LeastReady(ready as u32))
        }
        Effect::MostTimes => number("times", 1.0).map(Rule::MostTimes),
    }
}

fn freeze(section: &Section<'_>) -> Option<Freeze> {
    const TIMES: &str = "a freeze is from and to a time of day such as \"16:00\" on days such as [\"fri\"], or from and to \
                         a time such as \"2026-12-20T00:00:00Z\"";
    let (from, to) = (section.text("from"), section.text("to"));
    let days: Vec<Weekday> = words(section, "days", DAYS.to_vec());
    let zone = match section.text("zone").map(|zone| (zone, zone.parse::<Tz>())) {
        Some((_, Ok(zone))) => zone,
        Some((zone, Err(_))) => {
            section.wrong("zone", &format!("\"{zone}\" is no zone of the IANA database, such as \"Europe/Berlin\""));
            return None;
        }
        None => Tz::UTC,
    };
    let once = |text: &str| text.parse::<World>().ok();
    let daily = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
    let weekly = |from, to| {
        let all = || DAYS.iter().map(|(_, day)| *day).collect();
        Freeze::Weekly { days: if days.is_empty() { all() } else { days.clone() }, from, to, zone }
    };
    let freeze = match (from, to) {
        (None, None) if !days.is_empty() => Some(weekly(NaiveTime::MIN, NaiveTime::MIN)),
        (Some(from), Some(to)) => match (once(from), once(to), daily(from), daily(to)) {
            (Some(from), Some(to), ..) if from < to && days.is_empty() => Some(Freeze::Once { from, to }),
            (.., Some(from), Some(to)) => Some(weekly(from, to)),
            _ => None,
        },
        _ => None,
    };
    if freeze.is_none() {
        section.wrong("from", TIMES);
    }
    freeze
}

fn test(one: &Section<'_>) -> Option<PolicyTest> {
    let count = |key: &'static str| {
        let number = one.number(key).unwrap_or(0.0);
        if number < 0.0 || number.fract() != 0.0 || number > 1e6 {
            one.wrong(key, &format!("{key} is a whole number of replicas"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is not in range is a problem")]
        {
            number as u32
        }
    };
    let known: Vec<_> = ACTIONS.iter().map(|word| (*word, Safe::fixed(word))).collect();
    let action = one.text("action").and_then(|text| known.iter().find(|(word, _)| *word == text));
    if action.is_none() {
        one.wrong("action", &format!("a test says what is planned, action = one of {}", ACTIONS.join(", ")));
    }
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let at = match one.text("at").map(str::parse::<World>) {
        Some(Ok(at)) => at,
        Some(Err(_)) => {
            one.wrong("at", "at is a time such as \"2026-11-27T17:00:00Z\"");
            World::UNIX_EPOCH
        }
        None => World::UNIX_EPOCH,
    };
    let case = Case {
        environment: Safe::from(one.text("environment").unwrap_or("prod")),
        kind: one.word("kind", &kinds).unwrap_or(Kind::Deployment),
        target: Safe::from(one.text("target").unwrap_or_default()),
        action: action.map(|(_, action)| action.clone()).unwrap_or_default(),
        undo: one.boolean("undo").unwrap_or(false),
        tier: one.word("tier", &TIERS).unwrap_or(Tier::Reversible),
        services: one.text("service").map(ServiceName::from).into_iter().collect(),
        ready: count("ready"),
        before: count(if one.entry("before").is_some() { "before" } else { "ready" }),
        wanted: count("wanted"),
        fewest: Some(if one.entry("fewest").is_some() { count("fewest") } else { count("ready").min(count("wanted")) }),
        at,
        incident: one.boolean("incident").unwrap_or(false),
    };
    let expect = one.word("expect", &Verdict::WORDS);
    if expect.is_none() && one.entry("expect").is_none() {
        let all: Vec<_> = Verdict::WORDS.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        one.missing("expect", &format!("one of {}", all.join(", ")));
    }
    action.is_some().then_some(())?;
    Some(PolicyTest { case, expect: expect? })
}
