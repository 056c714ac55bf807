//! Thirty seconds without a source: counted against the same story without the fault.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use warroom::clock::World;
use warroom::drill::{Scenario, Times};
use warroom::model::entry::EntryKind;

use crate::proxy::{Canned, Fault};
use crate::session::{Session, Told};
use crate::site::{SOURCES, Site};

const FIRST_CONTACT: Duration = Duration::from_secs(60);
/// What detectors told, but for those that tell of the sources themselves.
const NEWS: [EntryKind; 15] = [
    EntryKind::AlertFiring,
    EntryKind::AlertResolved,
    EntryKind::AlertSuppressed,
    EntryKind::Breach,
    EntryKind::Recovered,
    EntryKind::CrashLoop,
    EntryKind::OomKilled,
    EntryKind::Unschedulable,
    EntryKind::NodeTrouble,
    EntryKind::NodeRecovered,
    EntryKind::Rollout,
    EntryKind::Rescaled,
    EntryKind::WarningEvent,
    EntryKind::ErrorBurst,
    EntryKind::ErrorBurstEnded,
];

/// A story as it was seen.
struct Seen {
    told: Told,
    news: BTreeMap<String, usize>,
    pods: Vec<String>,
}

/// Plays the same part of the story, with something done to the sources in between.
async fn play(
    seconds: i64,
    meddle: impl AsyncFnOnce(&Site, &mut Session),
    after: impl AsyncFnOnce(&Site, &mut Session),
) -> Seen {
    let site = Site::open().await;
    let mut session = Session::start(&site);
    session.until("first contact", FIRST_CONTACT, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    meddle(&site, &mut session).await;
    // What happens while nobody can see it.
    let hold = session.hold_at(site.opens() + TimeDelta::seconds(70)).await;
    let scale = json!({"spec": {"replicas": 30}});
    site.patch("/apis/apps/v1/namespaces/platform/deployments/reports/scale", scale).await;
    let containers = json!([{"name": "mail", "image": "registry.example/mail:9.9.9"}]);
    let image = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    site.patch("/apis/apps/v1/namespaces/shop/deployments/mail", image).await;
    drop(hold);
    after(&site, &mut session).await;
    session.run_to(site.opens() + TimeDelta::seconds(seconds)).await;
    let news = session.entries(&NEWS);
    let lost = session.entries(&[EntryKind::SourceLost]).len();
    assert_eq!(session.entries(&[EntryKind::SourceFound]).len(), lost, "whoever was lost was found");
    let pods = session.core.picture.workloads.rows().iter().flat_map(|row| &row.pods);
    let mut pods: Vec<String> = pods.map(|pod| format!("{pod:?}").chars().take(120).collect()).collect();
    pods.sort();
    let (_, told) = session.end().await;
    Seen { told, news, pods }
}

/// The same keys and values in both, up to a time.
fn same<K: Ord + Debug + Clone, V: PartialEq + Debug>(
    what: &str,
    with: &BTreeMap<K, V>,
    without: &BTreeMap<K, V>,
    counts: impl Fn(&K) -> bool,
) {
    let lost: Vec<_> = without.iter().filter(|(key, _)| counts(key) && !with.contains_key(key)).take(10).collect();
    assert!(lost.is_empty(), "{what} lost: {lost:#?}");
    let more: Vec<_> = with.iter().filter(|(key, _)| counts(key) && !without.contains_key(key)).take(10).collect();
    assert!(more.is_empty(), "{what} that nobody wrote: {more:#?}");
    let other = with.iter().filter(|(key, value)| counts(key) && without.get(key) != Some(value));
    let other: Vec<_> = other.map(|(key, value)| (key, value, without.get(key))).take(10).collect();
    assert!(other.is_empty(), "{what} doubled or changed: {other:#?}");
}

fn compare(with: &Seen, without: &Seen, opens: World, seconds: i64) {
    let (from, to) = (opens + TimeDelta::seconds(20), opens + TimeDelta::seconds(seconds - 40));
    let span = from.timestamp_millis()..to.timestamp_millis();
    let lines = without.told.lines.keys().filter(|key| span.contains(&key.2)).count();
    eprintln!(
        "{lines} lines, {} samples, {} changes, {} events, {:?}",
        without.told.samples.len(),
        without.told.changes.len(),
        without.told.events.len(),
        without.news
    );
    assert!(lines > 1_000, "only {lines} lines: nothing is proven");
    same("lines", &with.told.lines, &without.told.lines, |key| span.contains(&key.2));
    same("samples", &with.told.samples, &without.told.samples, |key| key.2 < to);
    same("changes", &with.told.changes, &without.told.changes, |_| true);
    assert!(without.told.changes.len() >= 2 && !without.told.events.is_empty(), "nothing happened");
    let last = |told: &Told| {
        let mut last = BTreeMap::new();
        told.events.keys().for_each(|(event, count)| _ = last.insert(event.clone(), *count));
        last
    };
    same("warnings", &last(&with.told), &last(&without.told), |_| true);
    assert!(with.told.events.values().all(|count| *count == 1), "a warning was told twice");
    assert_eq!(with.pods, without.pods, "the pods at the end");
    assert!(with.told.lines.values().all(|count| *count == 1), "a line was told twice");
    same("entries", &with.news, &without.news, |_| true);
}

/// After half a minute without any source: what the board and the screen say.
fn is_stale(how: &str, session: &Session) {
    let screen = session.screen();
    eprintln!("{how}\n{}", screen.lines().filter(|line| line.contains(" ago")).collect::<Vec<_>>().join("\n"));
    let title = |pane: &str| screen.lines().find(|line| line.contains(pane)).unwrap_or_default().to_owned();
    for (pane, source) in [(" 1 Alerts ", "alertmanager"), (" 3 Logs ", "cloudwatch-logs"), (" 4 Workloads ", "pods")] {
        let title = title(pane);
        // Where there is no room for each, how many are late and how old the oldest is: a watch was
        // heard a minute before at most, when its last bookmark came.
        let oldest = title.split_once(" late, oldest ").and_then(|(_, age)| age.split_once("s ago")?.0.parse().ok());
        let named = title.contains(&format!("{source} 3")) || oldest.is_some_and(|age: u32| (30..=100).contains(&age));
        assert!(named && title.contains("s ago"), "{how}: {title}");
    }
    if how == "silent" {
        // A time-out has not passed for all of them yet: they are old, and not lost.
        return;
    }
    assert!(screen.contains("0 of 10 sources live"), "{how}: {screen}");
    for source in SOURCES {
        let row = session.row(source).unwrap();
        let age = row.age(session.core.now).unwrap().num_seconds();
        // And before that a watch without news may have been heard a minute earlier.
        assert!(!row.is_live() && (28..110).contains(&age), "{how}: {row:?}");
    }
    let lost = session.entries(&[EntryKind::SourceLost]);
    assert_eq!(lost.len(), SOURCES.len(), "{how}: {lost:?}");
    assert!(lost.values().all(|count| *count == 1), "{how}: {lost:?}");
}

#[tokio::test(start_paused = true)]
async fn every_source_gone_for_thirty_seconds_loses_and_doubles_nothing() {
    const SECONDS: i64 = 210;
    let quiet = play(SECONDS, async |_, _| {}, async |_, _| {}).await;
    for (how, fault) in [
        ("reset", Fault::Reset),
        ("silent", Fault::Silent),
        ("503", Fault::Answer(Canned::new(503, "text/plain", "no"))),
    ] {
        let mut opens = World::UNIX_EPOCH;
        let pull = async |site: &Site, session: &mut Session| {
            opens = site.opens();
            session.run_to(opens + TimeDelta::seconds(60)).await;
            SOURCES.iter().for_each(|source| site.pull(source, fault.clone()));
        };
        let give_back = async |site: &Site, session: &mut Session| {
            session.run_to(site.opens() + TimeDelta::seconds(90)).await;
            is_stale(how, session);
            site.give_back();
            session.all_live(Duration::from_secs(60)).await;
        };
        let faulty = play(SECONDS, pull, give_back).await;
        compare(&faulty, &quiet, opens, SECONDS);
    }
}

/// The bursts of errors that a session sees begin, with when; without any source for half a minute
/// after the first of them began, if there is a fault.
async fn bursts(fault: Option<Fault>) -> BTreeMap<(EntryKind, String), Vec<World>> {
    let scenario = Scenario::shipped("rate-limit-storm").unwrap();
    let release = Times::new(&scenario, 1).named("release").unwrap();
    let site = Site::open_at(release - TimeDelta::minutes(4)).await;
    let mut session = Session::start(&site);
    session.until("first contact", FIRST_CONTACT, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    session.run_to(release + TimeDelta::seconds(80)).await;
    if let Some(fault) = fault {
        SOURCES.iter().for_each(|source| site.pull(source, fault.clone()));
        session.run_to(release + TimeDelta::seconds(110)).await;
        site.give_back();
        session.all_live(Duration::from_secs(60)).await;
    }
    session.run_to(release + TimeDelta::minutes(5)).await;
    let mut bursts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let entries = session.core.entries.iter();
    for entry in entries.filter(|entry| matches!(entry.draft.kind, EntryKind::ErrorBurst | EntryKind::ErrorBurstEnded))
    {
        // Whichever source told the line first, that it is one is told once.
        bursts.entry((entry.draft.kind, entry.draft.subject.to_string())).or_default().push(entry.occurred_at);
    }
    session.end().await;
    bursts
}

#[tokio::test(start_paused = true)]
async fn half_a_minute_without_logs_is_neither_the_end_of_a_burst_nor_the_start_of_another() {
    let whole = bursts(None).await;
    assert!(whole.keys().any(|(kind, _)| *kind == EntryKind::ErrorBurst), "nothing is proven: {whole:?}");
    let gone = bursts(Some(Fault::Reset)).await;
    assert_eq!(whole, gone);
}
