//! `StartLiveTail`, a stream of events in frames: cut in one of them, and away for half a minute.

use std::time::Duration;

use chrono::TimeDelta;

use crate::proxy::{Asked, Fault, Rule};
use crate::session::{Session, Told};
use crate::site::Site;

const SECONDS: i64 = 150;

fn is_tail(asked: &Asked) -> bool {
    asked.header("x-amz-target").ends_with("StartLiveTail")
}

async fn play(fault: Option<Fault>) -> (Told, std::ops::Range<i64>) {
    let mut site = Site::open().await;
    if let Some(aws) = site.env.aws.as_mut() {
        aws.logs.live_tail = vec!["*".into()];
    }
    let mut session = Session::start(&site);
    session.until("first contact", Duration::from_secs(60), |session| session.is_live("cloudwatch-logs")).await;
    session.run_to(site.opens() + TimeDelta::seconds(50)).await;
    if let Some(fault) = fault {
        let proxy = site.proxy("cloudwatch-logs");
        proxy.rule(Rule::new("pulled", fault).on(|asked| asked.header("x-amz-target").starts_with("Logs_")));
        proxy.cut(is_tail);
        session.run_for(30).await;
        site.give_back();
    }
    session.run_to(site.opens() + TimeDelta::seconds(SECONDS)).await;
    assert!(session.is_live("cloudwatch-logs"), "{}", session.why("cloudwatch-logs"));
    assert!(site.proxy("cloudwatch-logs").count(is_tail) > 0, "it was not tailed");
    let from = (site.opens() + TimeDelta::seconds(20)).timestamp_millis();
    let to = (site.opens() + TimeDelta::seconds(SECONDS - 30)).timestamp_millis();
    (session.end().await.1, from..to)
}

#[tokio::test(start_paused = true)]
async fn a_live_tail_that_is_cut_or_away_loses_nothing_in_silence_and_doubles_nothing() {
    let (quiet, span) = play(None).await;
    for fault in [Fault::Reset, Fault::Cut(700)] {
        let (faulty, _) = play(Some(fault.clone())).await;
        let of = |told: &Told| {
            let lines = told.lines.keys().filter(|key| key.0 == "cloudwatch-logs" && span.contains(&key.2));
            lines.cloned().collect::<std::collections::BTreeSet<_>>()
        };
        assert!(of(&quiet).len() > 500, "{}", of(&quiet).len());
        let gaps: Vec<_> = faulty.gaps.iter().filter(|(source, _)| source == "cloudwatch-logs").collect();
        let told = |at: i64| {
            gaps.iter().any(|(_, gap)| (gap.from.timestamp_millis() - 1..=gap.to.timestamp_millis()).contains(&at))
        };
        let lost: Vec<_> = of(&quiet).difference(&of(&faulty)).filter(|line| !told(line.2)).take(5).cloned().collect();
        assert!(lost.is_empty(), "{fault:?}: lost in silence: {lost:#?}; told: {gaps:?}");
        let twice: Vec<_> = faulty.lines.iter().filter(|(_, count)| **count > 1).take(5).collect();
        assert!(twice.is_empty(), "{fault:?}: told twice: {twice:#?}");
    }
}
