use warroom::model::cluster::{Autoscaler, ClusterEvent, NamedPod};
use warroom::model::entry::EntryKind::*;
use warroom::model::name::ObjectPath;
use warroom::model::signal::{Delta, Signal};
use warroom::observe::Picture;
use warroom::observe::workloads::{Fit, PodCounts};

use crate::kit::*;

#[test]
fn a_pod_that_finds_no_node_is_told_after_half_a_minute() {
    let mut picture = picture();
    let mut waiting = pod("payments", "p9d");
    waiting.status = "Pending".into();
    waiting.node = None;
    waiting.is_ready = false;
    waiting.created = at("03:20");
    waiting.message = Some("0/3 nodes are available: 3 Insufficient cpu. preemption: not helpful".into());
    play(&mut picture, [pods("03:20:01", Delta::All(vec![pod("payments", "x2k"), waiting]))]);
    assert!(picture.tick(at("03:20:20")).is_empty());
    let findings = picture.tick(at("03:23:10"));
    assert_eq!(
        told(&findings),
        [(Unschedulable, "03:20:00".into(), "payments-7f9c-p9d finds no node: no node fits 500m cpu")]
    );
    assert!(picture.tick(at("03:24:10")).is_empty(), "it is told once");
    let row = picture.workloads.row(&deployment("payments")).unwrap();
    assert_eq!(row.pods[0].trouble.as_deref(), Some("pending 4m: no node fits 500m cpu"));
    assert_eq!(row.trouble.as_deref(), Some("1 of 2 pods: pending 4m: no node fits 500m cpu"));
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 2, hurt: 1, ..PodCounts::default() });
}

#[test]
fn eight_pods_in_a_crash_loop_fold_into_one_row() {
    let mut picture = picture();
    let all: Vec<_> = (0..8).map(|n| pod("payments", &n.to_string())).collect();
    play(&mut picture, [pods("03:10", Delta::All(all.clone()))]);
    let crashed = |restarts| {
        let crash = |pod: &warroom::model::cluster::Pod| {
            let mut pod = pod.clone();
            pod.status = "CrashLoopBackOff".into();
            pod.is_ready = false;
            pod.restarts = restarts;
            pod.last_end = Some(("Error".into(), at("03:14:30")));
            pod
        };
        all.iter().map(crash).collect::<Vec<_>>()
    };
    let findings = play(&mut picture, [pods("03:15", Delta::Upsert(crashed(4)))]);
    assert_eq!(findings.len(), 8);
    assert!(findings.iter().all(|finding| finding.kind == CrashLoop && finding.dedupe == findings[0].dedupe));
    assert_eq!(findings[0].title, "payments-7f9c-0 crashes again and again: 4 restarts, last end Error");
    assert_eq!(findings[0].occurred, at("03:14:30"));
    // Up for a moment and down again: the same loop.
    play(&mut picture, [pods("03:16", Delta::Upsert(all.clone()))]);
    assert!(play(&mut picture, [pods("03:17", Delta::Upsert(crashed(5)))]).is_empty());
}

#[test]
fn a_thousand_crashing_pods_do_not_flood_the_record() {
    let mut picture = picture();
    let crash = |n: usize| {
        let mut pod = pod("payments", &n.to_string());
        pod.status = "CrashLoopBackOff".into();
        pod
    };
    let findings = play(&mut picture, [pods("03:15", Delta::All((0..1000).map(crash).collect()))]);
    assert_eq!(findings.len(), 20);
    assert_eq!(findings[19].detail.as_deref(), Some("more of the same are not told for 10 min"));
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 1000, hurt: 1000, ..PodCounts::default() });
}

#[test]
fn pods_that_ended_for_good_are_not_meant_to_run() {
    let mut picture = picture();
    let mut evicted = pod("payments", "evicted");
    evicted.status = "Evicted".into();
    let mut tried = pod("nightly", "try");
    tried.status = "Error".into();
    tried.owner =
        tried.owner.map(|owner| warroom::model::name::WorkloadKey { kind: warroom::model::name::Kind::Job, ..owner });
    for pod in [&mut evicted, &mut tried] {
        pod.is_ready = false;
        pod.node = None;
    }
    play(&mut picture, [pods("03:15", Delta::All(vec![evicted, tried, pod("payments", "a")]))]);
    picture.tick(at("03:20"));
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 1, hurt: 0, ..PodCounts::default() });
    assert_eq!(picture.workloads.hurt().count(), 0);
}

#[test]
fn three_restarts_in_ten_minutes_are_a_crash_loop_whatever_the_status_says() {
    let mut picture = picture();
    let restarted = |restarts, when: &str| {
        let mut pod = pod("payments", "x2k");
        pod.restarts = restarts;
        pod.last_end = Some(("Error".into(), at(when)));
        pods(when, Delta::Upsert(vec![pod]))
    };
    let script = [restarted(7, "03:00"), restarted(8, "03:05"), restarted(9, "03:08"), restarted(10, "03:11")];
    let findings = play(&mut picture, script);
    assert_eq!(told(&findings).len(), 1);
    assert_eq!((findings[0].kind, findings[0].occurred), (CrashLoop, at("03:11")));
    // Once calm for ten minutes, the next loop is another.
    assert!(picture.tick(at("03:22")).is_empty());
    let script = [restarted(11, "03:30"), restarted(12, "03:31"), restarted(13, "03:32")];
    assert_eq!(play(&mut picture, script).len(), 1);
}

#[test]
fn a_kill_for_memory_is_told_once_also_after_a_new_list() {
    let mut picture = picture();
    let mut killed = pod("payments", "x2k");
    killed.restarts = 1;
    killed.last_end = Some(("OOMKilled".into(), at("03:14:30")));
    let mut long_ago = pod("checkout", "old");
    long_ago.last_end = Some(("OOMKilled".into(), at("00:10")));
    let list = Delta::All(vec![killed, long_ago]);
    let findings = play(&mut picture, [pods("03:15", list.clone())]);
    assert_eq!(
        told(&findings),
        [(OomKilled, "03:14:30".into(), "payments-7f9c-x2k killed for its memory (limit 512 MiB)")]
    );
    let findings = play(&mut picture, [pods("03:16", Delta::All(vec![])), pods("03:17", list)]);
    assert!(findings.is_empty());
    assert_eq!(picture.workloads.row(&deployment("payments")).unwrap().trouble.as_deref(), Some("OOM"));
}

#[test]
fn cpu_near_the_limit_hurts_and_the_share_is_remembered_once_a_read() {
    let mut picture = picture();
    let (a, b) = (pod("payments", "a"), pod("payments", "b"));
    play(&mut picture, [pods("03:10", Delta::All(vec![a.clone(), b.clone()]))]);
    let read = |when: &str, cpu_a, cpu_b| {
        stamped("usage", at(when), Signal::Usage(vec![usage(&a, when, cpu_a), usage(&b, when, cpu_b)]))
    };
    play(&mut picture, [read("03:11", 400, 400), read("03:11:15", 1000, 940), read("03:11:15", 1000, 940)]);
    let row = picture.workloads.row(&deployment("payments")).unwrap();
    assert_eq!(row.cpu_share, Some(0.97));
    assert_eq!(row.recent_cpu, [(at("03:11"), 0.4), (at("03:11:15"), 0.97)]);
    assert_eq!(row.pods[0].trouble.as_deref(), Some("cpu 100 % of limit"));
    assert!(row.hurt);
    assert_eq!(picture.services.rows()[0].name, name("payments"), "its service is hurt with it");
}

#[test]
fn replicas_that_stay_missing_hurt_without_any_pod_to_blame() {
    let mut picture = picture();
    let told =
        |when: &str| stamped("workloads", at(when), Signal::Workloads(Delta::All(vec![workload("payments", 12, 9)])));
    play(&mut picture, [told("03:10")]);
    assert!(!picture.workloads.rows()[0].hurt, "they may be on their way");
    picture.tick(at("03:10:40"));
    assert_eq!(picture.workloads.rows()[0].trouble.as_deref(), Some("9 of 12 ready"));
}

#[test]
fn nodes_are_told_when_they_fall_ill_and_when_they_are_well_again() {
    let mut picture = picture();
    let nodes = |when: &str, ready| {
        let mut ill = node("ip-10-0-3-7", "b");
        ill.ready = ready;
        stamped("nodes", at(when), Signal::Nodes(Delta::All(vec![node("ip-10-0-1-1", "a"), ill])))
    };
    let findings =
        play(&mut picture, [nodes("03:00", true), nodes("03:10", false), nodes("03:11", false), nodes("03:20", true)]);
    assert_eq!(
        told(&findings),
        [
            (NodeTrouble, "03:10:00".into(), "node ip-10-0-3-7 (zone b): NotReady"),
            (NodeRecovered, "03:20:00".into(), "node ip-10-0-3-7 (zone b) is well again: NotReady is over"),
        ]
    );
}

#[test]
fn room_is_counted_node_by_node_by_requests() {
    let mut picture = picture();
    let kubernetes = origin("kubernetes");
    assert_eq!(picture.workloads.fit(&kubernetes, 500, 1 << 20, 6), None);
    let mut cordoned = node("node-c", "b");
    cordoned.unschedulable = true;
    let mut full = node("node-b", "b");
    full.pods = 1;
    let mut there = pod("payments", "there");
    there.node = Some("node-b".into());
    let mut done = pod("payments", "done");
    done.status = "Completed".into();
    // 4 cores on node-a, of which three pods ask for half a core each.
    let all = vec![pod("payments", "a"), pod("payments", "b"), pod("checkout", "c"), there, done];
    play(
        &mut picture,
        [
            stamped("nodes", at("03:00"), Signal::Nodes(Delta::All(vec![node("node-a", "a"), full, cordoned]))),
            pods("03:00", Delta::All(all)),
        ],
    );
    assert_eq!(picture.workloads.fit(&kubernetes, 500, 1 << 20, 6), Some(Fit { fit: 5, nodes: 2 }));
    assert_eq!(picture.workloads.fit(&kubernetes, 0, 0, 500), Some(Fit { fit: 107, nodes: 2 }));
    assert_eq!(picture.workloads.fit(&kubernetes, 500, 15 << 30, 6), Some(Fit { fit: 1, nodes: 2 }));
}

#[test]
fn an_autoscaler_joins_its_workload_whichever_comes_first() {
    let mut picture = picture();
    let scaler = |target: &str| Autoscaler {
        path: ObjectPath::new(target, target),
        target: deployment(target),
        min: 2,
        max: 8,
        desired: 6,
    };
    play(
        &mut picture,
        [
            stamped("workloads", at("03:00"), Signal::Autoscalers(Delta::All(vec![scaler("payments")]))),
            pods("03:00", Delta::All(vec![pod("payments", "a"), pod("checkout", "b")])),
            stamped("workloads", at("03:01"), Signal::Autoscalers(Delta::Upsert(vec![scaler("checkout")]))),
        ],
    );
    assert!(picture.workloads.rows().iter().all(|row| row.autoscaler.as_ref().is_some_and(|it| it.max == 8)));
    assert_eq!(picture.workloads.named("payments/payments").len(), 1);
    assert_eq!(picture.workloads.named("checkout").len(), 1);
    assert!(picture.workloads.named("other/checkout").is_empty());
}

#[test]
fn warning_events_of_one_reason_fold_and_what_is_told_elsewhere_is_left_out() {
    let mut picture = picture();
    play(&mut picture, [pods("03:00", Delta::All(vec![pod("payments", "a"), pod("payments", "b")]))]);
    let event = |pod: &str, reason: &str, count, last: &str| {
        let event = ClusterEvent {
            uid: format!("{pod}-{reason}").as_str().into(),
            kind: "Pod".into(),
            about: ObjectPath::new("payments", format!("payments-7f9c-{pod}")),
            reason: reason.into(),
            message: "Readiness probe failed: 503".into(),
            count,
            first: at("03:14"),
            last: at(last),
        };
        stamped("events", at(last), Signal::Event(event))
    };
    let findings = play(
        &mut picture,
        [
            event("a", "Unhealthy", 1, "03:14"),
            event("b", "Unhealthy", 1, "03:14:20"),
            event("a", "Unhealthy", 9, "03:25"),
            event("a", "BackOff", 1, "03:25"),
            event("gone", "FailedMount", 1, "03:25"),
        ],
    );
    assert_eq!(
        told(&findings),
        [
            (WarningEvent, "03:14:00".into(), "payments-7f9c-a Unhealthy: Readiness probe failed: 503"),
            (WarningEvent, "03:14:00".into(), "payments-7f9c-gone FailedMount: Readiness probe failed: 503"),
        ]
    );
    assert_eq!(findings[1].subject, "payments", "the pod is gone, its Deployment is known");
}

#[test]
fn a_secret_that_a_warning_is_cut_in_is_known_for_one() {
    let mut picture = picture();
    let message = format!("{} cannot reach postgres://app:hunter2-and-more@db.internal/shop", "x".repeat(360));
    assert!(message.find("hunter2").unwrap() < 400 && message.find('@').unwrap() > 400);
    let event = ClusterEvent {
        uid: "u".into(),
        kind: "Pod".into(),
        about: ObjectPath::new("payments", "payments-7f9c-a"),
        reason: "Unhealthy".into(),
        message: message.as_str().into(),
        count: 1,
        first: at("03:14"),
        last: at("03:14"),
    };
    let findings = play(&mut picture, [stamped("events", at("03:14"), Signal::Event(event))]);
    let detail = findings[0].detail.as_ref().unwrap();
    assert!(detail.contains("postgres://app") || detail.contains("[redacted"), "{detail}");
    assert!(!detail.contains("hunter2"), "{detail}");
}

#[test]
fn ten_thousand_pods_come_change_and_go() {
    let mut picture = picture();
    let all: Vec<_> = (0..10_000).map(|n| pod(&format!("w{}", n % 500), &n.to_string())).collect();
    play(&mut picture, [pods("03:00", Delta::All(all.clone()))]);
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 10_000, hurt: 0, ..PodCounts::default() });
    assert_eq!(picture.workloads.rows().len(), 500);
    for pod in all.iter().step_by(7) {
        let mut pod = pod.clone();
        pod.status = "ImagePullBackOff".into();
        pod.is_ready = false;
        play(&mut picture, [pods("03:01", Delta::Upsert(vec![pod]))]);
    }
    assert_eq!(picture.workloads.pod_counts().hurt, all.len().div_ceil(7));
    assert!(picture.workloads.rows().is_sorted_by_key(|row| !row.hurt));
    play(&mut picture, [pods("03:02", Delta::All(all[..100].to_vec()))]);
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 100, hurt: 0, ..PodCounts::default() });
    assert_eq!(picture.workloads.rows().len(), 100);
}

#[test]
fn pods_are_named_before_they_are_read() {
    let mut picture = picture();
    let named = |namespace: Option<&str>, name: &str, status: &str| NamedPod {
        namespace: namespace.map(Into::into),
        name: format!("payments-7f9c-{name}").as_str().into(),
        ready: Some((1, 1)),
        status: status.into(),
        restarts: Some(0),
        age: "5d".into(),
        node: None,
    };
    let names = |names: Vec<NamedPod>| stamped("pods", at("03:15"), Signal::PodNames(names));
    let left = |picture: &Picture| -> Vec<String> {
        picture.workloads.named_pods().map(|(_, pod)| pod.name.to_string()).collect()
    };
    let told = play(
        &mut picture,
        [names(vec![
            named(None, "a", "Running"),
            named(None, "b", "CrashLoopBackOff"),
            named(None, "gone", "Running"),
            // Two of one name, in two namespaces that a table does not tell.
            named(None, "a", "Running"),
        ])],
    );
    assert!(told.is_empty(), "nothing is concluded from a name: {told:?}");
    assert_eq!(left(&picture), ["payments-7f9c-b", "payments-7f9c-a", "payments-7f9c-a", "payments-7f9c-gone"]);
    assert_eq!(picture.workloads.pod_counts(), PodCounts { named: 4, reading: true, ..PodCounts::default() });
    assert!(picture.workloads.rows().is_empty(), "a name does not tell its workload");

    // Page by page pods take the place of their names; one came in between.
    play(&mut picture, [pods("03:15", Delta::Upsert(vec![pod("payments", "a"), pod("payments", "new")]))]);
    assert_eq!(left(&picture), ["payments-7f9c-b", "payments-7f9c-a", "payments-7f9c-gone"]);
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 2, hurt: 0, named: 3, reading: true });
    play(&mut picture, [pods("03:15", Delta::Upsert(vec![pod("payments", "a")]))]);
    assert_eq!(left(&picture).len(), 3, "the same pod again takes no second name");

    // The list is whole: what was named and is not in it has gone in between.
    let all = vec![pod("payments", "a"), pod("payments", "b"), pod("payments", "new")];
    play(&mut picture, [pods("03:15", Delta::All(all))]);
    assert!(left(&picture).is_empty());
    assert_eq!(picture.workloads.pod_counts(), PodCounts { all: 3, ..PodCounts::default() });
    // Names that come after the list say nothing that is not known better.
    play(&mut picture, [names(vec![named(None, "late", "Running")])]);
    assert!(left(&picture).is_empty() && !picture.workloads.pod_counts().reading);
}

#[test]
fn names_come_after_pages_too() {
    let mut picture = picture();
    play(&mut picture, [pods("03:15", Delta::Upsert(vec![pod("payments", "a")]))]);
    assert!(picture.workloads.pod_counts().reading, "a page is not the list");
    let named = |namespace: &str| NamedPod {
        namespace: Some(namespace.into()),
        name: "payments-7f9c-a".into(),
        ready: None,
        status: "Running".into(),
        restarts: None,
        age: "5d".into(),
        node: None,
    };
    play(&mut picture, [stamped("pods", at("03:15"), Signal::PodNames(vec![named("payments"), named("other")]))]);
    let left: Vec<_> = picture.workloads.named_pods().filter_map(|(_, pod)| pod.namespace.as_deref()).collect();
    assert_eq!(left, ["other"], "a namespace that is told counts");
}
