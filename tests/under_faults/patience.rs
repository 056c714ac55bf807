//! Outside a drill: how often a server that is away is asked, and that it is left alone for as long
//! as it says. And what of the past cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::time::Instant;
use warroom::clock::{Clock, Span};
use warroom::config::Environment;
use warroom::connect::{Follow, Inbox, begin, registry};
use warroom::model::signal::{Signal, SourceState};

use crate::proxy::{Canned, Fault};
use crate::session::Session;
use crate::site::{SOURCES, Site, is_of};

const LIVE: Duration = Duration::from_secs(60);
/// Those that read again whatever time it is: Prometheus asks for a sample every 15 s of the
/// calendar, and the calendar does not hurry.
const READERS: [&str; 9] =
    ["alertmanager", "pods", "workloads", "nodes", "events", "usage", "pod-logs", "cloudwatch", "cloudwatch-logs"];

/// The same systems as if they were no drill's: by the calendar, with the patience of every day.
async fn everyday(site: &Site) -> Session {
    let env = Environment { drill: false, ..site.env.clone() };
    let mut session = Session::open(&env, &site.catalogue, &Clock::real());
    session.until("first contact", LIVE, |session| SOURCES.iter().all(|name| session.is_live(name))).await;
    session
}

async fn pass(session: &mut Session, time: Duration) {
    let until = Instant::now() + time;
    session.until("time", time * 2, |_| Instant::now() >= until).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_is_asked_ever_less_often() {
    let site = Site::open().await;
    let mut session = everyday(&site).await;
    READERS.iter().for_each(|source| site.pull(source, Fault::Answer(Canned::new(503, "text/plain", "away"))));
    pass(&mut session, Duration::from_secs(600)).await;
    for source in READERS {
        assert!(!session.is_live(source), "{source}");
        let times: Vec<Instant> = {
            let asked = site.proxy(source).asked().into_iter();
            asked.filter(|asked| asked.met.is_some() && is_of(asked, source)).map(|asked| asked.at).collect()
        };
        // In ten minutes by 1, 2, 4 … 60 s some 16 attempts: of five kinds, of three tries each, or of
        // a container's log each before it is clear that it is all of them.
        let each = if source == "pod-logs" { 120 } else { 16 * 5 };
        assert!((5..=each).contains(&times.len()), "{source} asked {} times in ten minutes", times.len());
        let last: Vec<_> = times.iter().filter(|at| at.elapsed() < Duration::from_secs(120)).collect();
        assert!(last.len() <= 15, "{source} asked {} times in the last two minutes", last.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_to_come_back_is_left_alone_until_then() {
    let site = Site::open().await;
    let mut session = everyday(&site).await;
    let date =
        |seconds| (Clock::real().now() + TimeDelta::seconds(seconds)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    // CloudWatch has no such word; its clients go by their own budget.
    let sources = ["alertmanager", "pods", "nodes", "usage", "events"];
    for after in ["200".to_owned(), date(200)] {
        for source in sources {
            let canned = Canned::new(429, "text/plain", "slow down").with("retry-after", after.clone());
            site.pull(source, Fault::Answer(canned));
        }
        let mut first = BTreeMap::new();
        session
            .until("a refusal of each", LIVE, |session| {
                for source in sources.iter().filter(|source| session.why(source).contains("429")) {
                    first.entry(*source).or_insert_with(|| site.asked(source));
                }
                first.len() == sources.len()
            })
            .await;
        pass(&mut session, Duration::from_secs(120)).await;
        for (source, asked) in &first {
            assert_eq!(site.asked(source), *asked, "{source} asked again before its time ({after})");
            let Some(SourceState::Retrying { .. }) = session.row(source).map(|row| &row.state) else {
                panic!("{source}")
            };
        }
        site.give_back();
        session
            .until("all live", Duration::from_secs(200), |session| sources.iter().all(|source| session.is_live(source)))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_past_that_cannot_be_read_is_a_gap_for_each_system() {
    let site = Site::open().await;
    for (how, fault) in [("503", Fault::Answer(Canned::new(503, "text/plain", "away"))), ("silent", Fault::Silent)] {
        SOURCES.iter().for_each(|source| site.pull(source, fault.clone()));
        let (_sender, follow) = watch::channel(Follow::default());
        let connectors = registry(&site.env, Arc::clone(&site.catalogue));
        // Of the present nothing is wanted.
        let (past, _) = begin(connectors, &site.clock, follow, &Inbox::new());
        let span = Span::before(past.start(), TimeDelta::hours(1));
        let past = past.read(TimeDelta::hours(1)).await;
        let mut gaps: Vec<String> = Vec::new();
        for failure in past.failures.iter().chain(&past.signals) {
            let Signal::Gap(gap) = &failure.body else { panic!("{how}: {failure:?}") };
            assert!(gap.from >= span.from && gap.to <= span.to && gap.from < gap.to, "{how}: {gap:?}");
            gaps.push(failure.origin.source.to_string());
        }
        gaps.sort();
        gaps.dedup();
        let all = ["cloudwatch", "cloudwatch-logs", "events", "pod-logs", "prometheus", "workloads"];
        assert_eq!(gaps, all, "{how}");
        site.give_back();
    }
}
