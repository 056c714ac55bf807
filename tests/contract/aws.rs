//! Servers that speak AWS: ministack for CloudWatch, moto for the pages of CloudWatch Logs.

use std::time::Duration;

use chrono::TimeDelta;
use warroom::model::entry::EntryKind;

use crate::kit::{Session, command, configured, said, unique};

/// boto3 against both servers, in the same environment as the servers.
fn boto(script: &str, arguments: &[&str]) -> String {
    let prelude = "import boto3, os, sys, time, json\n\
        def client(name, url): return boto3.client(name, endpoint_url=os.environ[url], region_name='eu-west-1')\n\
        cw = client('cloudwatch', 'WARROOM_REAL_MINISTACK')\n\
        logs = client('logs', 'WARROOM_REAL_MOTO')\n\
        minilogs = client('logs', 'WARROOM_REAL_MINISTACK')\n";
    let python = said("WARROOM_REAL_PYTHON");
    command(&python, &[&["-c", &format!("{prelude}{script}")], arguments].concat())
}

/// Credentials come from the environment that `tests/run` sets.
fn config(prefix: &str, group: &str, logs: &str) -> warroom::config::Config {
    let ministack = said("WARROOM_REAL_MINISTACK");
    configured(&format!(
        "[environments.real]\nproduction = false\n[environments.real.aws]\nregion = \"eu-west-1\"\n\
         alarm_prefixes = [\"{prefix}\"]\nalarms_every = \"1s\"\n\
         [environments.real.aws.logs]\nevery = \"1s\"\ncalls_per_second = 20.0\ngroups = [\"{group}\"]\n\
         [environments.real.aws.endpoints]\ncloudwatch = \"{ministack}\"\nsts = \"{ministack}\"\n\
         cloudwatch_logs = \"{logs}\"\n",
    ))
}

async fn metric_and_composite_alarms_are_followed_and_their_past_is_filled_in() {
    let prefix = unique("shop");
    let make = "p = sys.argv[1]\n\
        for n in range(120):\n\
        \x20   cw.put_metric_alarm(AlarmName=f'{p}-{n:03}', MetricName='m', Namespace='n', Statistic='Sum', Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator='GreaterThanThreshold', AlarmDescription='too many')\n\
        \x20   cw.set_alarm_state(AlarmName=f'{p}-{n:03}', StateValue='OK', StateReason='fine')\n\
        cw.put_composite_alarm(AlarmName=f'{p}-all', AlarmRule=f'ALARM(\"{p}-000\")')\n\
        cw.set_alarm_state(AlarmName=f'{p}-all', StateValue='OK', StateReason='fine')\n\
        assert len([a for page in cw.get_paginator('describe_alarms').paginate(AlarmNamePrefix=p) for a in page['MetricAlarms']]) == 120\n";
    boto(make, &[&prefix]);
    let set = |name: &str, state: &str| {
        boto(
            "cw.set_alarm_state(AlarmName=sys.argv[1], StateValue=sys.argv[2], StateReason='because of ' + sys.argv[2])",
            &[&format!("{prefix}-{name}"), state],
        )
    };
    let config = config(&prefix, "/none", &said("WARROOM_REAL_MINISTACK"));
    let mut session = Session::start(&config);
    session.until("all pages", |s| s.alerts == 121).await;
    // It stands on the second page.
    set("119", "ALARM");
    session.until("a metric alarm", |s| s.count(EntryKind::AlertFiring, &format!("{prefix}-119")) == 1).await;
    set("all", "ALARM");
    session.until("a composite alarm", |s| s.count(EntryKind::AlertFiring, &format!("{prefix}-all")) == 1).await;
    set("119", "OK");
    session.until("its end", |s| s.count(EntryKind::AlertResolved, &format!("{prefix}-119")) == 1).await;
    assert_eq!(session.count(EntryKind::AlertFiring, &prefix), 2);
    let known = warroom::connect::identity(session.env.aws.as_ref().unwrap()).await.unwrap();
    assert!(known.starts_with("arn:aws:"), "{known}");
    session.end().await;

    let late = Session::after_its_past(&config, TimeDelta::minutes(10)).await;
    assert_eq!(late.count(EntryKind::AlertFiring, &format!("{prefix}-119")), 1, "{:?}", late.gaps);
    assert_eq!(late.count(EntryKind::AlertResolved, &format!("{prefix}-119")), 1);
    late.end().await;
}

/// Lines are put while they are read; every one arrives once.
async fn lines_are_counted(put: &str, logs: &str) {
    let group = format!("/{}", unique("tail"));
    let past = format!(
        "logs = {put}\n\
         g = sys.argv[1]\n\
         logs.create_log_group(logGroupName=g); logs.create_log_stream(logGroupName=g, logStreamName='a'); logs.create_log_stream(logGroupName=g, logStreamName='b')\n\
         now = int(time.time() * 1000)\n\
         for part in range(12):\n\
         \x20   logs.put_log_events(logGroupName=g, logStreamName='ab'[part % 2], logEvents=[{{'timestamp': now - 60000 + part * 1000 + n, 'message': f'past {{part * 1000 + n}}'}} for n in range(1000)])\n"
    );
    boto(&past, &[&group]);
    let config = config("none", &group, logs);
    let mut session = Session::after_its_past(&config, TimeDelta::minutes(10)).await;
    session.until("it is live", |s| s.live("cloudwatch-logs")).await;
    let script = format!(
        "logs = {put}\n\
         g = sys.argv[1]\n\
         for n in range(300):\n\
         \x20   logs.put_log_events(logGroupName=g, logStreamName='ab'[n % 2], logEvents=[{{'timestamp': int(time.time() * 1000) - (3000 if n % 50 == 49 else 0), 'message': f'live {{n}}'}}]); time.sleep(0.02)\n"
    );
    let writer = tokio::task::spawn_blocking({
        let group = group.clone();
        move || boto(&script, &[&group])
    });
    session.until("the last line", |s| s.lines.iter().any(|(_, text)| text == "live 299")).await;
    writer.await.unwrap();
    session.meanwhile(Duration::from_secs(4)).await;
    for (word, count) in [("past ", 12_000), ("live ", 300)] {
        let mut numbers: Vec<u32> = session
            .lines
            .iter()
            .filter_map(|(from, text)| from.contains(&group).then(|| text.strip_prefix(word)).flatten())
            .map(|number| number.parse().unwrap())
            .collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((all, numbers.len()), (count, count), "{word}: {:?}", session.gaps);
    }
    session.end().await;
}

async fn log_lines_arrive_once_each_over_pages() {
    lines_are_counted("logs", &said("WARROOM_REAL_MOTO")).await;
}

async fn log_lines_arrive_once_each_from_another_server() {
    lines_are_counted("minilogs", &said("WARROOM_REAL_MINISTACK")).await;
}

mod real {
    mod ministack {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs aws: tests/run starts it"]
        async fn metric_and_composite_alarms_are_followed_and_their_past_is_filled_in() {
            super::super::metric_and_composite_alarms_are_followed_and_their_past_is_filled_in().await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs aws: tests/run starts it"]
        async fn log_lines_arrive_once_each_from_another_server() {
            super::super::log_lines_arrive_once_each_from_another_server().await;
        }
    }

    mod moto {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "needs aws: tests/run starts it"]
        async fn log_lines_arrive_once_each_over_pages() {
            super::super::log_lines_arrive_once_each_over_pages().await;
        }
    }
}
