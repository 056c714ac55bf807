//! Logs of pods: their ends, since when, following them, and the run before.

use chrono::{DateTime, Utc};
use serde_json::json;
use warroom::drill::kube::Kill;

use super::side::{Side, cases};

/// The number in a line of the shop's.
pub(super) fn number(line: &str) -> u64 {
    let digits = line.split("line ").nth(1).unwrap_or_else(|| panic!("no number in {line:?}"));
    digits.split(' ').next().unwrap().parse().unwrap()
}

fn numbers(text: &str) -> Vec<u64> {
    text.lines().map(number).collect()
}

fn contiguous(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

async fn a_log_is_cut_to_what_is_asked_for(side: &Side) {
    let pod = side.pods("payments").await.remove(0);
    let log = |query: &str| side.core(&format!("pods/{pod}/log?{query}"));
    let read = async |query: &str| {
        let answer = side.call("GET", &log(query), &[], "").await;
        assert_eq!((answer.code, answer.media.as_str()), (200, "text/plain"), "{query}: {}", answer.text());
        answer.text()
    };
    side.until("forty lines", async || read("").await.lines().count() > 40).await;
    let whole = numbers(&read("").await);
    assert!(whole[0] == 0 && contiguous(&whole), "{whole:?}");
    let tail = numbers(&read("tailLines=3").await);
    assert!(tail.len() == 3 && contiguous(&tail) && tail[2] + 1 >= whole.len() as u64, "{tail:?}");
    assert_eq!(read("tailLines=0").await, "");
    assert_eq!(read("limitBytes=10").await.len(), 10);
    let stamped = read("timestamps=true&tailLines=20").await;
    let times: Vec<DateTime<Utc>> =
        stamped.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted() && stamped.lines().all(|line| line.find(' ') == Some(30)), "nanoseconds: {stamped}");
    let same = |pair: &[DateTime<Utc>]| pair[0].timestamp() == pair[1].timestamp();
    let later = 1 + times.windows(2).position(same).expect("two lines of one second");
    let since = times[later].to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    // An API server asks its kubelet in whole seconds.
    let from = read(&format!("sinceTime={since}&timestamps=true")).await;
    let first = from.lines().next().unwrap();
    let at: DateTime<Utc> = first.split(' ').next().unwrap().parse().unwrap();
    assert!(at.timestamp() == times[later].timestamp() && at < times[later], "{first}");
    assert!(number(first) < number(stamped.lines().nth(later).unwrap()));
    assert!(contiguous(&numbers(&from)));
    // Two at once: the tail is cut first, and then what is older goes.
    let recent = numbers(&read("sinceSeconds=1&tailLines=100000").await);
    assert!(contiguous(&recent) && recent.len() < 60, "{recent:?}");
    let named = numbers(&read("container=payments&tailLines=1").await);
    assert_eq!(named.len(), 1);
}

async fn a_followed_log_goes_on_without_a_gap(side: &Side) {
    let pod = side.pods("payments").await.remove(0);
    let path = side.core(&format!("pods/{pod}/log?follow=true&tailLines=5&timestamps=true"));
    let mut stream = side.stream(&path, "*/*").await;
    let mut lines = Vec::new();
    while lines.len() < 60 {
        lines.push(number(&stream.line().await.expect("it goes on")));
    }
    assert!(contiguous(&lines), "{lines:?}");
    side.fail(&pod, Kill::Crash).await;
    // It ends with its container, or with the words in which that died.
    while let Some(line) = stream.line().await {
        if line.contains("line ") {
            lines.push(number(&line));
        }
    }
    assert!(contiguous(&lines), "{lines:?}");
}

async fn the_log_of_the_run_before_can_be_read(side: &Side) {
    let pod = side.pods("payments").await.remove(0);
    let path = side.core(&format!("pods/{pod}"));
    let refused = side.call("GET", &format!("{path}/log?previous=true"), &[], "").await;
    assert_eq!((refused.code, &refused.json()["reason"]), (400, &json!("BadRequest")));
    side.fail(&pod, Kill::Crash).await;
    side.until("a restart", async || {
        let status = side.get(&path).await["status"]["containerStatuses"][0].clone();
        status["restartCount"].as_i64().unwrap() > 0 && status["lastState"]["terminated"]["exitCode"] == 1
    })
    .await;
    let status = side.get(&path).await["status"]["containerStatuses"][0].clone();
    assert_eq!(status["lastState"]["terminated"]["reason"], "Error");
    let before = side.call("GET", &format!("{path}/log?previous=true"), &[], "").await;
    assert_eq!(before.code, 200, "{}", before.text());
    side.until("the back-off", async || {
        let waiting = side.get(&path).await["status"]["containerStatuses"][0]["state"]["waiting"].clone();
        waiting["reason"] == "CrashLoopBackOff" && waiting["message"].as_str().unwrap().starts_with("back-off ")
    })
    .await;
}

cases!(a_log_is_cut_to_what_is_asked_for, a_followed_log_goes_on_without_a_gap, the_log_of_the_run_before_can_be_read,);
