//! Every kind of fault, at every source: it is told in a sentence, it is not asked without rest,
//! it comes back by itself, and in the end no line and no sample is missing or there twice.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use warroom::clock::World;

use crate::proxy::{Asked, Canned, Fault, Rule};
use crate::session::Session;
use crate::site::{SOURCES, Site, is_of};

/// By the wall of the test, which is fast: the longest time-out of a source and some more.
const NOTICED: Duration = Duration::from_secs(130);
const BACK: Duration = Duration::from_secs(60);
/// Requests of one source within ten seconds of it: `workloads` has five kinds, and a client of
/// AWS asks three times.
const MOST: usize = 40;
/// Logs of 35 containers, each with a back-off of its own: 0.5 s, 1 s, 2 s … 30 s.
const LOGS: usize = 35 * 7;

/// Those that ask again and again; the others hold a stream, whose next piece may be a while.
const POLLED: [&str; 5] = ["alertmanager", "prometheus", "usage", "cloudwatch", "cloudwatch-logs"];

/// What one fault should do.
struct Kind {
    name: &'static str,
    fault: fn(&str) -> Fault,
    /// What its sentence says, in one of these words; none: it does not hurt.
    says: &'static [&'static str],
}

const fn hurts(name: &'static str, fault: fn(&str) -> Fault, says: &'static [&'static str]) -> Kind {
    Kind { name, fault, says }
}

fn status(code: u16) -> Fault {
    Fault::Answer(Canned::new(code, "text/plain", "the test says so"))
}

/// As each system says it.
fn expired(source: &str) -> Fault {
    let (media, body) = match source {
        "cloudwatch" | "cloudwatch-logs" => {
            let body = json!({"__type": "ExpiredTokenException", "message": "The security token has expired"});
            if source == "cloudwatch" {
                let mut bytes = Vec::new();
                ciborium::into_writer(&body, &mut bytes).unwrap();
                let canned = Canned::new(403, "application/cbor", bytes).with("smithy-protocol", "rpc-v2-cbor");
                return Fault::Answer(canned);
            }
            ("application/x-amz-json-1.1", body)
        }
        _ => ("application/json", json!({"kind": "Status", "code": 401, "message": "Unauthorized: token has expired"})),
    };
    let code = if source.starts_with("cloudwatch") { 403 } else { 401 };
    Fault::Answer(Canned::new(code, media, body.to_string()))
}

/// Refusals and failures that a server gives itself.
const ANSWERS: [Kind; 8] = [
    hurts("429 in seconds", |_| too_many("2".into()), &["429"]),
    hurts("429 by a date", |_| too_many("Sat, 21 Nov 2099 03:00:00 GMT".into()), &["429"]),
    hurts("500", |_| status(500), &["500"]),
    hurts("502", |_| status(502), &["502"]),
    hurts("504", |_| status(504), &["504"]),
    hurts("expired", expired, &["expired"]),
    hurts("403", |_| status(403), &["403"]),
    hurts(
        "a login page",
        |_| Fault::Answer(Canned::login_page()),
        &["web page", "login page", "not what its API promises"],
    ),
];

/// Answers that are not whole, not right, or not there.
const BODIES: [Kind; 7] = [
    hurts("cut in the head", |_| Fault::CutHead(20), CUT),
    hurts("cut in the body", |_| Fault::Cut(7), CUT),
    hurts(
        "truncated",
        |_| Fault::Truncate(7),
        &["promises", "EOF", "decod", "broke off", "ended", "buffer", "shorter", "malformed"],
    ),
    hurts("frozen", |_| Fault::Freeze(7), &["no answer", "no complete answer", "in time", "silent"]),
    hurts("more promised", |_| Fault::Length(10), CUT),
    hurts(
        "less promised",
        |_| Fault::Length(-3),
        &["promises", "EOF", "decod", "broke off", "ended", "buffer", "malformed"],
    ),
    hurts("bad gzip", |_| Fault::Gzip, &["gzip", "promises", "broke off", "decod", "expected value", "malformed"]),
];
const CUT: &[&str] = &["broke off", "closed", "connection", "reset", "EOF", "incomplete", "not what its API promises"];

/// What slows down or repeats.
const HARMLESS: [Kind; 5] = [
    hurts("late", |_| Fault::Late(Duration::from_secs(2)), &[]),
    hurts("answered late", |_| Fault::LateAnswer(Duration::from_secs(2)), &[]),
    hurts("delivered twice", |_| Fault::Twice, &[]),
    hurts("dripping", |_| Fault::Drip(Duration::ZERO), &[]),
    hurts("another media type", |_| Fault::Media("application/octet-stream"), &[]),
];

fn too_many(after: String) -> Fault {
    Fault::Answer(Canned::new(429, "text/plain", "slow down").with("retry-after", after))
}

/// A sentence for somebody who is tired.
fn is_clear(kind: &str, source: &str, why: &str) {
    let told = format!("{kind}, {source}: {why}");
    assert!(why.contains(": ") && why.contains("; "), "what was attempted, what came back, what to do? {told}");
    assert!(why.len() < 500, "too long to read: {told}");
    for word in ["Error(", "Some(", "hyper", "ServiceError", "client error (", "Elapsed", "\n"] {
        assert!(!why.contains(word), "a programmer's words: {told}");
    }
}

/// Puts every source that reads through these faults; those that `must` do tell of them.
async fn go_through(kinds: &[Kind], must: impl Fn(&str) -> bool) {
    let site = Site::open().await;
    let mut session = Session::start(&site);
    session.until("first contact", BACK, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    for kind in kinds {
        let began = session.core.now;
        eprintln!("-- {} at {began}", kind.name);
        for source in SOURCES {
            site.pull(source, (kind.fault)(source));
        }
        let before: Vec<usize> = SOURCES.iter().map(|source| site.asked(source)).collect();
        if kind.says.is_empty() {
            session.run_for(40).await;
        } else {
            let mut told = std::collections::BTreeMap::new();
            session
                .until(kind.name, NOTICED, |session| {
                    // What was on its way when the rule came is cut once it stands.
                    site.proxies().into_iter().for_each(|proxy| proxy.cut(|asked| asked.met.is_none()));
                    for source in SOURCES.iter().filter(|source| !session.is_live(source)) {
                        let why = session.why(source);
                        if kind.says.iter().any(|word| why.contains(word)) {
                            told.entry(*source).or_insert(why);
                        }
                    }
                    SOURCES.iter().all(|source| told.contains_key(source) || !must(source))
                })
                .await;
            for (source, why) in &told {
                eprintln!("   {source}: {why}");
                is_clear(kind.name, source, why);
            }
        }
        let took = usize::try_from((session.core.now - began).num_seconds()).unwrap();
        for (source, before) in SOURCES.iter().zip(before) {
            let asked = site.asked(source) - before;
            let most = MOST * (1 + took / 10) + if *source == "pod-logs" { LOGS } else { 0 };
            assert!(asked <= most, "{}: {source} asked {asked} times in {took} s", kind.name);
        }
        site.give_back();
        session.all_live(BACK).await;
    }
    session.run_for(30).await;
    let (opens, end) = (site.opens(), session.core.now - TimeDelta::seconds(30));
    let (_, told) = session.end().await;
    everything(&site, &told, opens, end);
}

/// What the world wrote is what was told, once.
fn everything(_site: &Site, told: &crate::session::Told, opens: World, end: World) {
    let twice: Vec<_> = told.lines.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(twice.is_empty(), "told twice: {twice:#?}");
    // A sample every 15 s for each signal, each once.
    let mut signals: Vec<_> =
        told.samples.keys().map(|(service, signal, _)| (service.clone(), signal.clone())).collect();
    signals.dedup();
    assert!(signals.len() > 10, "{signals:?}");
    let first = opens.timestamp().div_euclid(15) + 1;
    for (service, signal) in signals {
        for step in first..=end.timestamp().div_euclid(15) {
            let at = World::from_timestamp(step * 15, 0).unwrap();
            let values = told.samples.get(&(service.clone(), signal.clone(), at));
            assert_eq!(values.map(Vec::len), Some(1), "{service} {signal} at {at}: {values:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_and_failures_of_every_source_are_told_and_got_over() {
    go_through(&ANSWERS, |_| true).await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_whole_are_told_and_got_over() {
    go_through(&BODIES, |source| POLLED.contains(&source)).await;
}

#[tokio::test(start_paused = true)]
async fn what_slows_down_or_repeats_hurts_no_source() {
    go_through(&HARMLESS, |_| true).await;
}

#[tokio::test(start_paused = true)]
async fn pieces_that_come_twice_and_answers_from_before_are_not_told_again() {
    let site = Site::open().await;
    let mut session = Session::start(&site);
    session.until("first contact", BACK, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    for proxy in site.proxies() {
        proxy.rule(Rule::new("doubled", Fault::Double).on(Asked::streams));
        proxy.cut(Asked::streams);
    }
    session.run_for(60).await;
    for source in ["alertmanager", "prometheus", "usage", "cloudwatch", "cloudwatch-logs"] {
        let replay = Rule::new("replayed", Fault::Replay).on(move |asked| is_of(asked, source));
        site.proxy(source).rule(replay);
    }
    session.run_for(60).await;
    site.give_back();
    session.all_live(BACK).await;
    session.run_for(30).await;
    let (opens, end) = (site.opens(), session.core.now - TimeDelta::seconds(30));
    let (_, told) = session.end().await;
    assert!(told.lines.len() > 1_000, "{}", told.lines.len());
    everything(&site, &told, opens, end);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_fills_no_memory() {
    let site = Site::open().await;
    let mut session = Session::start(&site);
    session.until("first contact", BACK, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    for source in POLLED {
        // One at a time, and once: it is a flood.
        let flood = Fault::Endless("application/json", b"[1, 2, 3, 4, 5, 6, 7],\n");
        site.proxy(source).rule(Rule::new("flood", flood).on(move |asked| is_of(asked, source)).times(1));
        session.until("the flood", NOTICED, |_| site.proxy(source).count(|asked| asked.given > 0) > 0).await;
        session
            .until("its end", NOTICED, |_| site.proxy(source).standing(|asked| asked.met == Some("flood")) == 0)
            .await;
        let given = site.proxy(source).asked().iter().map(|asked| asked.given).max().unwrap();
        // What the program keeps, and what the system's buffers take on top.
        let most = if source == "usage" { 64 } else { 16 };
        assert!(given < (most + 16) << 20, "{source} took in {given} bytes");
        site.give_back();
    }
    session.all_live(BACK).await;
}

/// What each source is told of at its very first contact, and that it gets over it.
#[tokio::test(start_paused = true)]
async fn whoever_is_away_when_the_session_opens_is_told_and_read_once_it_is_back() {
    let site = Site::open().await;
    for (name, fault) in [
        ("reset", Fault::Reset),
        ("silent", Fault::Silent),
        ("cut", Fault::Cut(40)),
        ("truncated", Fault::Truncate(40)),
        ("500", status(500)),
        ("sign-in page", Fault::Answer(Canned::login_page())),
    ] {
        for source in SOURCES {
            site.pull(source, fault.clone());
        }
        let cut = matches!(fault, Fault::Cut(_) | Fault::Truncate(_));
        let mut session = Session::start(&site);
        let mut told = std::collections::BTreeMap::new();
        session
            .until(name, NOTICED, |session| {
                for source in SOURCES {
                    let why = session.why(source);
                    if !why.is_empty() {
                        told.entry(source).or_insert(why);
                    }
                }
                // Without pods there is no log to read, and a head is all it takes to see a server.
                SOURCES.iter().all(|source| told.contains_key(source) || (cut && *source == "pod-logs"))
            })
            .await;
        told.iter().for_each(|(source, why)| is_clear(name, source, why));
        site.give_back();
        session.all_live(BACK).await;
        session
            .until("pods and their logs", BACK, |session| session.told.pods.len() > 30 && session.told.lines.len() > 50)
            .await;
        session.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_and_a_log_whose_other_end_vanished_are_opened_again() {
    let site = Site::open().await;
    let mut session = Session::start(&site);
    session.until("first contact", BACK, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    session.run_for(20).await;
    site.kubernetes.freeze(Asked::streams);
    let frozen = session.core.now;
    let scale = json!({"spec": {"replicas": 6}});
    site.patch("/apis/apps/v1/namespaces/platform/deployments/reports/scale", scale).await;
    session
        .until("the change behind the silence", Duration::from_secs(120), |session| {
            session.told.changes.keys().any(|(_, title)| title == "replicas 2→6")
        })
        .await;
    assert!((session.core.now - frozen).num_seconds() <= 100);
    // No bookmark tells that a log is still there: it is given up when it was silent for long.
    let login = |session: &Session| session.told.lines.keys().filter(|key| key.1.starts_with("identity/login")).count();
    let before = login(&session);
    session
        .until("the lines behind the silence", Duration::from_secs(400), |session| login(session) > before + 50)
        .await;
    let (_, told) = session.end().await;
    assert!(told.lines.values().all(|count| *count == 1), "a line was told twice");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_and_was_renewed_is_taken_up() {
    let site = Site::with_plugin().await;
    site.only_token("first");
    let mut session = Session::start(&site);
    session.until("first contact", BACK, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    site.give_back();
    site.only_token("second");
    site.kubernetes.cut(Asked::streams);
    session.until("a refusal", BACK, |session| session.why("pods").contains("sign in again")).await;
    site.sign_in("second");
    session.all_live(BACK).await;
}
