//! Sources that fail in every way, and a program that goes on.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::future::BoxFuture;

use super::*;
use crate::clock::Span;
use crate::connect::{History, Source};
use crate::model::name::Origin;
use crate::model::signal::Stamped;

/// What a scripted source does when it is run.
enum Step {
    Fail(SourceError),
    /// It reads, and fails so much later.
    ReadThenFail(Duration, SourceError),
    Panic,
    Ended,
    Forever,
    /// Keeps its thread from doing anything else, as a fault would.
    Stubborn,
}

struct Script(VecDeque<Step>);

impl Source for Script {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            match self.0.pop_front().unwrap_or(Step::Forever) {
                Step::Fail(error) => Err(error),
                Step::ReadThenFail(lasts, error) => {
                    out.tell(Signal::Link(SourceState::Live { limited: None })).await;
                    tokio::time::sleep(lasts).await;
                    Err(error)
                }
                Step::Panic => panic!("a fault"),
                Step::Ended => Ok(Ended),
                Step::Forever => {
                    out.tell(Signal::Link(SourceState::Live { limited: None })).await;
                    cx.cancel.cancelled().await;
                    Ok(Ended)
                }
                Step::Stubborn => {
                    std::thread::sleep(Duration::from_secs(3));
                    Ok(Ended)
                }
            }
        })
    }
}

fn source(name: &str, steps: impl IntoIterator<Item = Step>) -> Connector {
    let origin = Origin { env: "test".into(), source: name.into() };
    Connector { origin, source: Box::new(Script(steps.into_iter().collect())), history: None }
}

fn retry(after: Option<Duration>) -> SourceError {
    SourceError::Retry { why: "no answer".into(), after }
}

fn start(connectors: Vec<Connector>, clock: &Clock) -> (Supervisor, Inbox) {
    let inbox = Inbox::new();
    let (_, follow) = watch::channel(Follow::default());
    (supervise(connectors, clock.clone(), clock.now(), follow, &inbox), inbox)
}

/// Notes the moments between which it was asked for what it remembers.
struct Memory(Arc<Mutex<Vec<(Ctx, Span)>>>);

impl History for Memory {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        self.0.lock().unwrap().push((cx.clone(), span));
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Notes from when it was asked to tell what is.
struct Present(Arc<Mutex<Vec<World>>>);

impl Source for Present {
    fn run<'a>(&'a mut self, cx: &'a Ctx, _: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        self.0.lock().unwrap().push(cx.start);
        Box::pin(async { Ok(Ended) })
    }
}

#[tokio::test]
async fn the_past_ends_for_all_at_the_moment_at_which_the_present_begins() {
    let (clock, mut driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
    let (asked, present) = (Arc::default(), Arc::default());
    let connectors = ["a", "b"].map(|name| Connector {
        origin: Origin { env: "test".into(), source: name.into() },
        source: Box::new(Present(Arc::clone(&present))),
        history: Some(Box::new(Memory(Arc::clone(&asked)))),
    });
    let mut inbox = Inbox::new();
    let (_sender, follow) = watch::channel(Follow::default());
    let start = clock.now();
    let (past, supervisor) = begin(connectors.into(), &clock, follow, &inbox);
    assert_eq!(past.start(), start);
    // Neither comes to run at once: the world goes on before it does.
    driver.advance(start + TimeDelta::seconds(7));
    let mut pending = VecDeque::new();
    while present.lock().unwrap().len() < 2 {
        let _ = next_state(&mut inbox, &mut pending).await;
    }
    assert!(clock.now() > start);
    let _ = past.read(TimeDelta::minutes(3)).await;
    supervisor.shutdown().await;
    assert_eq!(*present.lock().unwrap(), [start; 2]);
    let asked: Vec<_> = asked.lock().unwrap().iter().map(|(cx, span): &(Ctx, Span)| (cx.start, *span)).collect();
    assert_eq!(asked, [(start, Span { from: start - TimeDelta::minutes(3), to: start }); 2]);
}

async fn next_state(inbox: &mut Inbox, pending: &mut VecDeque<SourceState>) -> SourceState {
    loop {
        if let Some(state) = pending.pop_front() {
            return state;
        }
        let states = inbox.next().await.signals.into_iter().filter_map(|signal| match signal.body {
            Signal::Link(state) => Some(state),
            _ => None,
        });
        pending.extend(states);
    }
}

async fn states(inbox: &mut Inbox, count: usize) -> Vec<SourceState> {
    let mut pending = VecDeque::new();
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(next_state(inbox, &mut pending).await);
    }
    seen
}

const LIVE: SourceState = SourceState::Live { limited: None };

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_run_again_ever_later_until_it_succeeds() {
    let clock = Clock::real();
    let fails = (0..10).map(|_| Step::Fail(retry(None)));
    let (supervisor, mut inbox) = start(vec![source("a", fails)], &clock);
    let mut pending = VecDeque::new();
    assert_eq!(next_state(&mut inbox, &mut pending).await, SourceState::Connecting);
    let mut waits = Vec::new();
    let mut last = tokio::time::Instant::now();
    for _ in 0..10 {
        let state = next_state(&mut inbox, &mut pending).await;
        assert!(matches!(state, SourceState::Retrying { .. }), "{state:?}");
        waits.push(last.elapsed());
        last = tokio::time::Instant::now();
    }
    assert_eq!(next_state(&mut inbox, &mut pending).await, LIVE);
    waits.push(last.elapsed());
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[1] >= FIRST_WAIT && waits[1] <= 3 * FIRST_WAIT, "{waits:?}");
    assert!(waits[5] > waits[1], "{waits:?}");
    assert!(waits[10] >= LONGEST_WAIT && waits[10] <= LONGEST_WAIT + Duration::from_millis(10), "{waits:?}");
    supervisor.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn success_starts_the_back_off_anew_and_the_system_may_ask_for_more() {
    let clock = Clock::real();
    let mut steps: Vec<_> = (0..8).map(|_| Step::Fail(retry(None))).collect();
    steps.push(Step::ReadThenFail(Duration::from_secs(61), retry(None)));
    steps.push(Step::Fail(retry(Some(Duration::from_secs(100)))));
    let (_supervisor, mut inbox) = start(vec![source("a", steps)], &clock);
    let mut pending = VecDeque::new();
    while next_state(&mut inbox, &mut pending).await != LIVE {}
    assert!(matches!(next_state(&mut inbox, &mut pending).await, SourceState::Retrying { .. }));
    let after_success = tokio::time::Instant::now();
    let state = next_state(&mut inbox, &mut pending).await;
    assert!(after_success.elapsed() <= 3 * FIRST_WAIT, "{:?}", after_success.elapsed());
    let SourceState::Retrying { until, why } = state else { panic!("{state:?}") };
    assert_eq!(why, "no answer");
    let ahead = (until - clock.now()).num_seconds();
    assert!((95..=100).contains(&ahead), "Retry-After is heeded and told: {ahead}");
    let asked = tokio::time::Instant::now();
    assert_eq!(next_state(&mut inbox, &mut pending).await, LIVE);
    assert!(asked.elapsed() >= Duration::from_secs(100));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_once_and_hangs_up_is_asked_ever_less_often() {
    let clock = Clock::real();
    let steps = (0..12).map(|_| Step::ReadThenFail(Duration::from_millis(10), retry(None)));
    let (_supervisor, mut inbox) = start(vec![source("a", steps)], &clock);
    let before = tokio::time::Instant::now();
    // Connecting, and then live and retrying in turn.
    states(&mut inbox, 1 + 2 * 12).await;
    assert!(before.elapsed() >= Duration::from_secs(180), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_system_that_refuses_us_is_asked_again_every_minute_or_when_somebody_logged_in() {
    let clock = Clock::real();
    let steps = (0..2).map(|_| Step::Fail(SourceError::Denied("who are you".into())));
    let (supervisor, mut inbox) = start(vec![source("a", steps)], &clock);
    let seen = states(&mut inbox, 2).await;
    assert_eq!(seen[1], SourceState::Denied { why: "who are you".into() });
    let refused = tokio::time::Instant::now();
    states(&mut inbox, 1).await;
    assert_eq!(refused.elapsed().as_secs(), 60);
    let refused = tokio::time::Instant::now();
    // The source must be asleep before it can be woken.
    tokio::task::yield_now().await;
    supervisor.retry_now();
    assert_eq!(states(&mut inbox, 1).await, [LIVE]);
    assert!(refused.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_source_that_panics_or_gives_up_is_told_and_the_others_go_on() {
    let clock = Clock::real();
    let (supervisor, mut inbox) = start(
        vec![
            source("panics", [Step::Panic]),
            source("fatal", [Step::Fail(SourceError::Fatal("no such file".into()))]),
            source("ends", [Step::Ended]),
            source("lives", []),
        ],
        &clock,
    );
    let mut ended = Vec::new();
    let mut live = false;
    while ended.len() < 3 || !live {
        for signal in inbox.next().await.signals {
            match signal.body {
                Signal::Link(SourceState::Ended { why }) => ended.push((signal.origin.source.to_string(), why)),
                Signal::Link(SourceState::Live { .. }) => live = true,
                _ => {}
            }
        }
    }
    ended.sort();
    assert_eq!(ended[0].0, "ends");
    assert_eq!(ended[1], ("fatal".into(), "no such file".into()));
    assert!(ended[2].1.contains("a fault"), "{ended:?}");
    supervisor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_does_not_wait_for_a_source_that_will_not_end() {
    let clock = Clock::real();
    let (supervisor, mut inbox) = start(vec![source("stubborn", [Step::Stubborn]), source("good", [])], &clock);
    states(&mut inbox, 3).await;
    let before = wall();
    supervisor.shutdown().await;
    let took = wall().duration_since(before);
    assert!(took < FAREWELL + Duration::from_millis(800), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_drill_no_source_sleeps_through_the_story() {
    let epoch = World::from_timestamp(1_795_000_000, 0).unwrap();
    let (clock, _driver) = Clock::driven(epoch);
    let steps = (0..6).map(|_| Step::Fail(retry(Some(Duration::from_secs(600)))));
    let (_supervisor, mut inbox) = start(vec![source("a", steps)], &clock);
    let before = tokio::time::Instant::now();
    let seen = states(&mut inbox, 8).await;
    assert_eq!(seen[7], LIVE);
    assert!(before.elapsed() <= 6 * DRILL_WAIT + Duration::from_millis(100), "{:?}", before.elapsed());
    let SourceState::Retrying { until, .. } = seen[1] else { panic!("{seen:?}") };
    assert!(until > epoch);
}
