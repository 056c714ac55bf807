//! The past, put together.

use futures::future::BoxFuture;

use super::*;
use crate::clock::World;
use crate::connect::SourceError;
use crate::model::log::LogStream;

enum Memory {
    Tells(Vec<i64>),
    Fails,
    Panics,
    Hangs,
}

impl History for Memory {
    fn between<'a>(&'a self, cx: &'a Ctx, _: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            match self {
                Self::Tells(times) => Ok(times
                    .iter()
                    .map(|&seconds| Stamped {
                        origin: cx.origin.clone(),
                        occurred: at(seconds),
                        observed: at(100),
                        body: Signal::Gap(Gap { from: at(0), to: at(0), what: Safe::fixed("x") }),
                    })
                    .collect()),
                Self::Fails => Err(SourceError::Denied(Safe::fixed("403"))),
                Self::Panics => panic!("a fault"),
                Self::Hangs => std::future::pending().await,
            }
        })
    }
}

fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

#[test]
fn a_busy_machine_does_not_shorten_the_past_of_a_drill() {
    let (driven, _driver) = Clock::driven(at(100));
    assert_eq!((patience(&driven), patience(&Clock::real())), (DRILL_LIMIT, LIMIT));
}

#[tokio::test(start_paused = true)]
async fn the_pasts_of_all_systems_come_in_order_and_what_is_missing_is_said() {
    let pasts = [
        ("b", Memory::Tells(vec![3, 1])),
        ("a", Memory::Tells(vec![1, 2])),
        ("denied", Memory::Fails),
        ("broken", Memory::Panics),
        ("slow", Memory::Hangs),
    ];
    let of = |(name, memory): (&str, Memory)| {
        let history: Box<dyn History> = Box::new(memory);
        (Origin { env: "test".into(), source: name.into() }, history)
    };
    let (_, follow) = watch::channel(Follow::default());
    let past = Past { histories: pasts.into_iter().map(of).collect(), clock: Clock::real(), start: at(100), follow };
    let before = tokio::time::Instant::now();
    let filled = past.read(TimeDelta::seconds(100)).await;
    assert_eq!(before.elapsed(), LIMIT, "all are read together, and none for longer");
    let order: Vec<_> =
        filled.signals.iter().map(|signal| (signal.occurred, signal.origin.source.to_string())).collect();
    assert_eq!(order, [(at(1), "a".into()), (at(1), "b".into()), (at(2), "a".into()), (at(3), "b".into())]);
    let gaps: Vec<_> = filled
        .failures
        .iter()
        .map(|failure| match &failure.body {
            Signal::Gap(gap) => (gap.from, gap.to, gap.what.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(gaps.len(), 3);
    assert!(gaps.iter().all(|(from, to, _)| (*from, *to) == (at(0), at(100))));
    assert_eq!(gaps[0].2, "what test/denied knows from before was not read: 403");
    assert!(gaps[1].2.contains("fault of this program"), "{gaps:?}");
    assert!(gaps[2].2.contains("no answer in 10 s"), "{gaps:?}");
}

#[test]
fn lines_are_told_in_their_own_order_however_the_answer_was_cut() {
    let stream = LogStream { group: Safe::fixed("g"), name: Safe::fixed("s") };
    let mut batch = LogBatch::default();
    for second in [61, 2, 3, 31] {
        assert!(batch.push(&stream, at(second), &format!("line {second}")));
    }
    let origin = Origin { env: "test".into(), source: "logs".into() };
    let signal = Stamped { origin, occurred: at(61), observed: at(100), body: Signal::Logs(batch) };
    let parts: Vec<_> = in_steps(signal)
        .into_iter()
        .map(|part| {
            let Signal::Logs(batch) = &part.body else { panic!("it was lines") };
            (part.occurred, batch.iter().map(|(_, _, text)| text.to_owned()).collect::<Vec<_>>())
        })
        .collect();
    let line = |second: i64| format!("line {second}");
    assert_eq!(parts, [(at(3), vec![line(2), line(3)]), (at(31), vec![line(31)]), (at(61), vec![line(61)])]);
}
