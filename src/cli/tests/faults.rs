//! What does not answer, refuses, or is full: a clear sentence, and the rest goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use chrono::TimeDelta;

use super::proxy::{Behind, Rule, behind};
use super::{Opening, Rehearsal, ana, due, environment, run};
use crate::clock::Clock;
use crate::config::{Catalogue, Environment};
use crate::drill::{Endpoints, Scenario};
use crate::model::command::Command;
use crate::model::entry::EntryKind;
use crate::model::signal::SourceState;
use crate::record::Archive;
use crate::record::testing::MemoryDisk;
use crate::session::{Core, NoticeKind, commands};
use crate::text::Safe;

/// A session that reads nothing, on the calendar's time.
pub(super) fn bare(archive: &Archive) -> Opening {
    let scenario = Scenario::shipped("rate-limit-storm").unwrap();
    Opening {
        env: Environment { drill: false, ..environment(&scenario, None) },
        policies: Vec::new(),
        catalogue: Arc::new(Catalogue::new(Vec::new())),
        archive: archive.clone(),
        actor: ana(),
        clock: Clock::real(),
        since: TimeDelta::hours(1),
        ask: None,
        identify: true,
        tz: None,
        incident: None,
    }
}

fn memory() -> Archive {
    Archive::on("/records", Arc::new(MemoryDisk::default()))
}

/// The sources that ask something by themselves; the others wait for what these tell.
const ASKED: [&str; 8] =
    ["alertmanager", "prometheus", "pods", "workloads", "nodes", "events", "cloudwatch", "cloudwatch-logs"];

/// What each source says is wrong, by its name.
fn troubles(core: &Core) -> BTreeMap<String, String> {
    let rows = core.picture.sources.rows().iter();
    rows.filter_map(|row| Some((row.origin.source.to_string(), row.why()?.to_string()))).collect()
}

/// A sentence for somebody who is tired: what was attempted on what, and what to do.
fn is_clear(why: &str, on: &str) {
    assert!(why.contains(on), "on what? {why}");
    assert!(why.contains("; "), "what to do? {why}");
    assert!(why.len() < 500, "too long to read: {why}");
    assert!(!why.contains("Error(") && !why.contains("Some(") && !why.contains("hyper"), "a programmer's words: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systems_that_do_not_answer_are_told_with_their_address_and_the_rest_goes_on() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let nobody = crate::port_under_test::Port::new();
    let url = nobody.url();
    let kubeconfig = dir.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: prod\ncontexts:\n- name: prod\n  context: {{cluster: c, user: u}}\n\
         clusters:\n- name: c\n  cluster: {{server: '{url}'}}\nusers:\n- name: u\n  user: {{token: t}}\n"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let scenario = Scenario::shipped("rate-limit-storm").unwrap();
    let at = Endpoints {
        kubeconfig,
        kubernetes: url.clone(),
        cloudwatch: url.clone(),
        cloudwatch_logs: url.clone(),
        sts: url.clone(),
        aws: url.clone(),
        alertmanager: url.clone(),
        prometheus: url.clone(),
        region: "eu-central-1".into(),
    };
    let opening = Opening {
        env: environment(&scenario, Some(&at)),
        catalogue: Arc::new(Catalogue::new(scenario.services().to_vec())),
        ..bare(&memory())
    };
    let mut noted = false;
    let core = run(opening, |core| {
        let told = troubles(core);
        if ASKED.iter().all(|source| told.contains_key(*source)) && has(core, EntryKind::Note) {
            return vec![Command::Quit];
        }
        let say = !std::mem::replace(&mut noted, true);
        if say { vec![Command::Note { text: Safe::fixed("still here") }] } else { Vec::new() }
    })
    .await;
    let told = troubles(&core);
    for (source, why) in &told {
        eprintln!("{source}: {why}");
        is_clear(why, &nobody.address().to_string());
    }
    assert!(core.journal_failed.is_none());
}

fn has(core: &Core, kind: EntryKind) -> bool {
    core.entries.iter().any(|entry| entry.draft.kind == kind)
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// A session behind proxies until `enough`.
async fn until(world: &Rehearsal, behind: &Behind, mut enough: impl FnMut(&Core) -> bool) -> Core {
    let opening = Opening { env: environment(&world.scenario, Some(&behind.endpoints)), ..world.opening(&memory()) };
    run(opening, |core| if enough(core) { vec![Command::Quit] } else { Vec::new() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_credentials_are_told_with_what_to_renew_and_the_other_systems_are_read() {
    let world = Rehearsal::start(None, 60.0).await;
    let dir = tempfile::tempdir().unwrap();
    let refusing = behind(&world.drill.endpoints, dir.path(), None, |system| -> Box<Rule> {
        match system {
            "kubernetes" => Box::new(|_| Some(status(401, "Unauthorized", "Unauthorized"))),
            "aws" => Box::new(|parts| {
                let message = "The security token included in the request is expired";
                let cbor = parts.headers.get("smithy-protocol").is_some();
                let body = serde_json::json!({ "__type": "ExpiredTokenException", "message": message });
                let answer = Response::builder().status(403);
                Some(if cbor {
                    let mut bytes = Vec::new();
                    ciborium::into_writer(&body, &mut bytes).unwrap();
                    let answer =
                        answer.header("content-type", "application/cbor").header("smithy-protocol", "rpc-v2-cbor");
                    answer.body(Body::from(bytes)).unwrap()
                } else {
                    let answer = answer.header("content-type", "application/x-amz-json-1.1");
                    answer.body(Body::from(body.to_string())).unwrap()
                })
            }),
            _ => Box::new(|_| None),
        }
    })
    .await;
    let denied = |core: &Core, name: &str| {
        let mut rows = core.picture.sources.rows().iter();
        rows.any(|row| row.origin.source.as_str() == name && matches!(row.state, SourceState::Denied { .. }))
    };
    let core = until(&world, &refusing, |core| {
        ["pods", "workloads", "nodes", "events", "cloudwatch", "cloudwatch-logs"].iter().all(|name| denied(core, name))
            && core.picture.services.rows().iter().any(|row| row.signals.iter().any(|signal| signal.latest().is_some()))
    })
    .await;
    for (source, why) in troubles(&core) {
        eprintln!("{source}: {why}");
        assert!(why.contains("expired") || why.contains("not accepted"), "{source}: {why}");
        is_clear(&why, if source.starts_with("cloudwatch") { "CloudWatch" } else { "kubeconfig" });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_list_pods_everywhere_sees_those_of_the_namespaces() {
    let world = Rehearsal::start(None, 60.0).await;
    let dir = tempfile::tempdir().unwrap();
    let refusing = behind(&world.drill.endpoints, dir.path(), None, |system| -> Box<Rule> {
        let kubernetes = system == "kubernetes";
        Box::new(move |parts| {
            let everywhere = kubernetes && parts.uri.path() == "/api/v1/pods";
            let message = "pods is forbidden: User \"ana@example.com\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
            everywhere.then(|| status(403, "Forbidden", message))
        })
    })
    .await;
    let limited = |core: &Core| {
        core.picture.sources.rows().iter().find_map(|row| match &row.state {
            SourceState::Live { limited: Some(why) } => Some(why.clone()),
            _ => None,
        })
    };
    let core = until(&world, &refusing, |core| {
        limited(core).is_some() && core.picture.workloads.rows().iter().any(|row| !row.pods.is_empty())
    })
    .await;
    let why = limited(&core).unwrap();
    eprintln!("{why}");
    is_clear(&why, "namespaces");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_stops_actions_and_nothing_else() {
    let world = Rehearsal::start(None, 300.0).await;
    let disk = MemoryDisk::default();
    let archive = Archive::on("/records", Arc::new(disk.clone()));
    let (mut steps, mut full, mut asked) = (world.responder(), None, false);
    let core = run(world.opening(&archive), |core| {
        if full.is_none() && core.incident.is_some() && core.unrecorded == 0 {
            disk.fill_up(300);
            full = Some(core.now);
        }
        let Some(since) = full else { return due(&mut steps, core.now) };
        if core.journal_failed.is_some() && !std::mem::replace(&mut asked, true) {
            return vec![commands::parse("scale payments/payments 12").unwrap()];
        }
        let goes_on =
            core.picture.sources.rows().iter().filter(|row| row.is_live()).all(|row| row.last_read > Some(since));
        let late = core.now > since + TimeDelta::minutes(3);
        if asked && late && goes_on { vec![Command::Quit] } else { Vec::new() }
    })
    .await;
    let why = core.journal_failed.clone().unwrap();
    eprintln!("{why}");
    assert!(why.contains("the disk is full") && why.contains("/records/") && why.contains("free some space"), "{why}");
    let notice = core.notice.clone().unwrap();
    assert_eq!(notice.kind, NoticeKind::Error);
    eprintln!("{}", notice.text);
    assert!(core.plan.is_none() && core.actions.is_empty() && !core.may_act());
    assert!(core.picture.sources.rows().iter().any(|row| row.is_live()));
}
