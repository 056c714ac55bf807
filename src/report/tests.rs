//! The postmortem of a rehearsed incident, as a tired person reads it the morning after.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Body, Draft, EntryKind, EntryOrigin, Evidence, Phase, Severity};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::plan::{Ends, Outcome, Plan, PlanId, Tier};
use crate::model::service::Unit;
use crate::model::track::TrackSample;
use crate::record::testing::{MemoryDisk, at, by, draft, entry, plan, read_on, wait};
use crate::record::{Durability, Journal, StartInfo};

const DIR: &str = "/records/2026-11-21-checkout";

fn ana() -> Actor {
    Actor {
        kind: ActorKind::Human,
        name: Safe::fixed("ana@example.com"),
        known_by: Some(Safe::fixed("kubernetes self-review")),
    }
}

struct Story(Journal);

impl Story {
    fn tell(&self, minute: u32, second: u32, told: Draft) {
        let when: World = at(minute, second);
        wait(self.0.append(told, when, when, Durability::Now)).expect("it is kept");
    }

    fn noticed(&self, minute: u32, kind: EntryKind, service: &str, subject: &str, title: &str) {
        let told =
            Draft { service: Some(ServiceName::from(service)), subject: Safe::from(subject), ..draft(kind, title) };
        self.tell(minute, 0, told);
    }

    fn said(&self, minute: u32, kind: EntryKind, subject: &str, title: &str, body: Option<Body>) {
        let told = Draft {
            source: Safe::fixed("warroom"),
            subject: Safe::from(subject),
            actor: ana(),
            origin: EntryOrigin::Manual,
            body,
            ..draft(kind, title)
        };
        self.tell(minute, 30, told);
    }
}

/// A deployment loses its rate limit; it is scaled, then mended.
fn incident() -> crate::record::IncidentRecord {
    let disk = MemoryDisk::default();
    let info = StartInfo {
        titles: Default::default(),
        incident: Some(IncidentId::from("2026-11-21-checkout")),
        version: Safe::fixed("0.1.0"),
        drill: true,
        env: Safe::fixed("drill"),
        actor: ana(),
        at: at(9, 0),
    };
    let story = Story(Journal::create(Path::new(DIR), info, Arc::new(disk.clone())).expect("the disk works"));
    let rollout = Draft {
        source: Safe::fixed("drill/kubernetes"),
        service: Some(ServiceName::from("payments")),
        before: Some(Safe::fixed("payments:2.8.0")),
        after: Some(Safe::fixed("payments:2.9.0")),
        actor: Actor { kind: ActorKind::Automation, name: Safe::fixed("deploy-bot"), known_by: None },
        ..draft(EntryKind::Rollout, "Deployment payments rolled out revision 42")
    };
    wait(story.0.append(rollout, at(4, 0), at(9, 10), Durability::Now)).expect("it is kept");
    story.noticed(11, EntryKind::Breach, "payments", "payments errors", "payments errors at 8.4 %, limit 2 %");
    story.noticed(
        12,
        EntryKind::AlertFiring,
        "payments",
        "PaymentsCPUHigh",
        "PaymentsCPUHigh fires: CPU | 97 % of its limit",
    );
    story.noticed(14, EntryKind::Breach, "checkout", "checkout errors", "checkout errors at 7.2 %, limit 2 %");
    story.noticed(14, EntryKind::AlertFiring, "checkout", "CheckoutErrorRate", "CheckoutErrorRate fires");
    let lines = "03:14:01 ERROR POST partner/charge timed out\n03:14:02 ERROR token=abcdef";
    let burst = Draft {
        service: Some(ServiceName::from("payments")),
        evidence: vec![Evidence {
            query: Some(Safe::fixed("logs payments level>=error")),
            excerpt: Some(crate::text::clean_block(
                "03:14:01 ERROR POST partner/charge timed out\n03:14:02 ERROR ```token=abcdef",
            )),
            lines: Some(412),
            kept: Some(crate::text::clean_block(lines)),
            ..Evidence::default()
        }],
        ..draft(EntryKind::ErrorBurst, "errors of payments: 412 a minute, usually 3")
    };
    story.tell(14, 20, burst);
    story.said(16, EntryKind::Claimed, "PaymentsCPUHigh", "ana claims PaymentsCPUHigh", None);
    let opened = Body::Opened {
        incident: IncidentId::from("2026-11-21-checkout"),
        title: Safe::fixed("Checkout fails: \"payments\" <b>slow</b>"),
    };
    story.said(17, EntryKind::Opened, "incident", "incident declared", Some(opened));
    story.said(17, EntryKind::Severity, "incident", "severity SEV2", Severity::parse("2").map(Body::Severity));
    story.noticed(20, EntryKind::SourceLost, "payments", "cw-logs", "CloudWatch Logs throttles: no lines since 03:19Z");
    story.noticed(23, EntryKind::SourceFound, "payments", "cw-logs", "CloudWatch Logs answers again");
    let command = "kubectl --context drill -n payments scale deploy/payments --replicas=12";
    let intent = plan("p1", command);
    story.said(
        24,
        EntryKind::Intent,
        "Deployment payments",
        "about to scale Deployment payments",
        Some(Body::Intent(Box::new(intent))),
    );
    let outcome = Outcome::Verified { after_seconds: Some(71), words: Safe::fixed("12 of 12 ready") };
    story.said(
        25,
        EntryKind::Outcome,
        "Deployment payments",
        "scale Deployment payments: replicas 6 → 12, 12 of 12 ready after 71 s",
        Some(Body::Outcome { plan: PlanId(Safe::fixed("p1")), outcome }),
    );
    story.said(25, EntryKind::Phase, "incident", "phase mitigating", Some(Body::Phase(Phase::Mitigating)));
    story.said(28, EntryKind::Asked, "developers", "developers were asked for the fixed release", None);
    story.said(29, EntryKind::Note, "note", "partner says: 429 for <everyone> `now`", None);
    story.noticed(30, EntryKind::Recovered, "checkout", "checkout errors", "checkout errors back under 2 %");
    story.noticed(43, EntryKind::Recovered, "payments", "payments errors", "payments errors back under 2 %");
    story.noticed(44, EntryKind::AlertResolved, "payments", "PaymentsCPUHigh", "PaymentsCPUHigh is clear");
    story.noticed(45, EntryKind::AlertResolved, "checkout", "CheckoutErrorRate", "CheckoutErrorRate is clear");
    story.said(50, EntryKind::Phase, "incident", "phase resolved", Some(Body::Phase(Phase::Resolved)));
    for minute in 0..50 {
        let bad = (14..30).contains(&minute);
        story.0.track(vec![TrackSample {
            at: at(minute, 0),
            track: Safe::fixed("checkout errors"),
            service: Some(ServiceName::from("checkout")),
            unit: Unit::Ratio,
            limit: Some(0.02),
            values: [(Safe::fixed("value"), Some(if bad { 0.072 + f64::from(minute) / 1000.0 } else { 0.003 }))].into(),
        }]);
    }
    for minute in 20..30 {
        let scaled = if minute < 25 { 6.0 } else { 12.0 };
        for (track, service, key, value) in [
            ("logs payments", "payments", "error", 412.0),
            ("logs mail", "mail", "error", 1.0),
            ("checkout requests", "checkout", "value", 96.0),
            ("replicas Deployment payments/payments", "payments", "ready", scaled),
            ("replicas Deployment shop/checkout", "checkout", "ready", 6.0),
        ] {
            story.0.track(vec![TrackSample {
                at: at(minute, 0),
                track: Safe::fixed(track),
                service: Some(ServiceName::from(service)),
                unit: Unit::Count,
                limit: None,
                values: [(Safe::fixed(key), Some(value))].into(),
            }]);
        }
    }
    wait(story.0.close(at(51, 0))).expect("it is sealed");
    read_on(&disk, Path::new(DIR))
}

fn written(options: &Options) -> String {
    let record = incident();
    let text = postmortem(&record, options).expect("the shipped template works");
    text.replace(record.writers[0].file.as_str(), "WRITER.jsonl")
}

#[test]
fn the_postmortem_reads_as_it_should() {
    insta::assert_snapshot!(written(&Options::default()));
}

#[test]
fn two_alerts_of_one_name_are_two_lines_and_their_times_are_summed() {
    let disk = MemoryDisk::default();
    let info = StartInfo {
        titles: Default::default(),
        incident: Some(IncidentId::from("2026-11-21-checkout")),
        version: Safe::fixed("0.1.0"),
        drill: true,
        env: Safe::fixed("drill"),
        actor: ana(),
        at: at(9, 0),
    };
    let story = Story(Journal::create(Path::new(DIR), info, Arc::new(disk.clone())).expect("the disk works"));
    let told = |minute, second, kind, node: &str| {
        let told = Draft {
            subject: Safe::fixed("NodeCPUHigh"),
            detail: Some(Safe::from(format!("alertname=NodeCPUHigh, node={node}, severity=warning"))),
            body: Some(Body::Alert { keys: vec![Safe::from(node)] }),
            ..draft(kind, "NodeCPUHigh fires")
        };
        story.tell(minute, second, told);
    };
    told(10, 0, EntryKind::AlertFiring, "a");
    told(12, 0, EntryKind::AlertFiring, "b");
    told(13, 30, EntryKind::AlertResolved, "a");
    let keys = vec![Safe::fixed("b")];
    story.said(15, EntryKind::Claimed, "NodeCPUHigh", "NodeCPUHigh claimed", Some(Body::Alert { keys }));
    told(18, 45, EntryKind::AlertFiring, "a");
    told(22, 0, EntryKind::AlertResolved, "a");
    story.said(30, EntryKind::Note, "note", "the end", None);
    wait(story.0.close(at(31, 0))).expect("it is sealed");
    let text = postmortem(&read_on(&disk, Path::new(DIR)), &Options::default()).expect("the template works");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("| NodeCPUHigh")).collect();
    assert_eq!(
        lines,
        [
            "| NodeCPUHigh (node=a) |  | drill/prometheus | 03:10Z | 03:18Z | 2 | 03:22Z after 6 min 45 s in all | nobody here |  |",
            "| NodeCPUHigh (node=b) |  | drill/prometheus | 03:12Z |  | 1 | not seen | ana after 3 min 30 s |  |",
        ],
        "{text}"
    );
    assert!(text.contains("Does NodeCPUHigh (node=b) still fire?") && !text.contains("Does NodeCPUHigh (node=a)"));
    assert!(!text.contains("without being claimed here"), "6 min 45 s are not long: {text}");
}

#[test]
fn what_shows_the_incident_stands_first_and_what_else_was_recorded_is_folded() {
    let text = written(&Options::default());
    let evidence = text.split("\n## ").find(|section| section.starts_with("Evidence")).expect("there is one");
    let (first, folded) = evidence.split_once("<details>").expect("something is folded");
    for track in ["checkout errors", "logs payments, error", "replicas Deployment payments/payments, ready"] {
        assert!(first.contains(&format!("| {track} |")) && !folded.contains(track), "{track}: {evidence}");
    }
    for track in ["logs mail, error", "checkout requests", "replicas Deployment shop/checkout, ready"] {
        assert!(folded.contains(&format!("| {track} |")) && !first.contains(track), "{track}: {evidence}");
    }
    assert!(folded.contains(", by `logs payments level>=error`, 2 of 412 lines, kept in `evidence/"), "{folded}");
    let plain = written(&Options { flavor: Flavor::Plain, ..Options::default() });
    assert!(plain.contains("What else was recorded") && plain.contains("logs mail, error"), "{plain}");
}

#[test]
fn no_secret_and_no_markup_of_foreign_text_gets_in() {
    for flavor in [Flavor::Github, Flavor::Confluence, Flavor::Plain] {
        let text = written(&Options { flavor, ..Options::default() });
        assert!(!text.contains("abcdef") && !text.contains("example.com"), "{text}");
        assert!(!text.contains("\u{1b}"));
        if flavor == Flavor::Github {
            let body = text.split_once("\n---\n").expect("there is front matter").1;
            assert!(!body.contains("<b>") && !text.contains("<everyone>"), "{text}");
            assert!(text.contains("CPU \\| 97 %"), "{text}");
        }
    }
}

#[test]
fn confluence_gets_no_html_and_plain_text_no_tables() {
    let confluence = written(&Options { flavor: Flavor::Confluence, ..Options::default() });
    assert!(!confluence.contains("<details>") && !confluence.contains("<!--"), "{confluence}");
    assert!(confluence.contains("| --- |"));
    let plain = written(&Options { flavor: Flavor::Plain, ..Options::default() });
    assert!(!plain.contains("<!--") && !plain.contains("| --- |"), "{plain}");
    assert!(plain.contains("- 03:16Z · T+5 · ana · ana claims PaymentsCPUHigh · warroom"), "{plain}");
}

#[test]
fn a_zone_stands_beside_utc_and_never_alone() {
    let tz = Some(chrono_tz::Europe::Berlin);
    let text = written(&Options { tz, ..Options::default() });
    assert!(text.contains("| 03:16Z | 04:16 CET | T+5 | ana |"), "{text}");
}

#[test]
fn the_front_matter_is_yaml_that_says_what_is_known() {
    let text = written(&Options::default());
    let front = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).expect("it comes first").0;
    for line in [
        "schema: incident-postmortem/v1",
        "id: \"2026-11-21-checkout\"",
        "title: \"Checkout fails: \\\"payments\\\" <b>slow</b>\"",
        "severity: SEV2",
        "drill: true",
        "impact_start: 2026-11-21T03:11:00Z",
        "detected_at: 2026-11-21T03:12:00Z",
        "acknowledged_at: 2026-11-21T03:16:30Z",
        "mitigated_at: 2026-11-21T03:43:00Z",
        "resolved_at: 2026-11-21T03:50:30Z",
        "timestamps_confirmed: []",
        "services: [\"payments\", \"checkout\"]",
    ] {
        assert!(front.lines().any(|found| found == line), "{line} is not in\n{front}");
    }
}

#[test]
fn a_second_export_keeps_what_people_wrote() {
    let first = written(&Options::default());
    let edited = first
        .replace("status: draft", "status: in_review")
        .replace("- Trigger:\n", "- Trigger: the release dropped `MAX_RPS`.\n")
        .replace("<!-- warroom:begin summary -->", "<!-- warroom:begin summary -->\nstale");
    let second = renew(&edited, &first);
    assert!(second.contains("status: in_review") && second.contains("dropped `MAX_RPS`"));
    assert!(!second.contains("stale"));
    assert_eq!(renew(&first, &first), first);
}

#[test]
fn an_incident_of_which_nothing_is_known_says_so() {
    let disk = MemoryDisk::default();
    let info = StartInfo {
        titles: Default::default(),
        incident: None,
        version: Safe::fixed("0.1.0"),
        drill: false,
        env: Safe::fixed("prod-eu"),
        actor: Actor::system(),
        at: at(0, 0),
    };
    let journal = Journal::create(Path::new(DIR), info, Arc::new(disk.clone())).expect("the disk works");
    wait(journal.close(at(1, 0))).expect("it is sealed");
    let text = postmortem(&read_on(&disk, Path::new(DIR)), &Options::default()).expect("the template works");
    assert!(text.contains("When the impact began is not known."), "{text}");
    assert!(text.contains("| Time to detect | unknown | impact start → detected |"), "{text}");
    assert!(text.contains("impact_start: null"));
    assert!(text.contains("No alert fired."));
}

#[test]
fn a_wrong_template_is_told_with_its_line() {
    let template = Some("a\n{{ no_such_name }}".to_owned());
    let error = postmortem(&incident(), &Options { template, ..Options::default() }).expect_err("it is wrong");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn the_same_record_gives_the_same_text() {
    let record = incident();
    let twice = [0, 1].map(|_| postmortem(&record, &Options::default()).expect("the template works"));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn an_action_tells_what_users_felt_who_let_it_and_what_is_left_over() {
    let mut record = incident();
    let grave = Plan { tier: Tier::Grave, ends: Ends::Reminder, ..plan("p9", "kubectl scale --replicas=0") };
    let hash = crate::record::consent_hash(&record.id, &grave.id, &grave);
    let mut add = |minute, kind, title: &str, detail: Option<&str>, body| {
        let mut one = by("bob", entry(&format!("09{minute}"), kind, at(minute, 0), title));
        (one.draft.detail, one.draft.body) = (detail.map(Safe::from), Some(body));
        record.entries.push(one);
    };
    let asked = Body::ConsentAsked { plan: Box::new(grave.clone()), hash: hash.clone() };
    add(31, EntryKind::ConsentAsked, "a second person is asked", None, asked);
    add(32, EntryKind::Consented, "consents", None, Body::Consented { hash });
    // Read again meanwhile: the same plan under another name.
    let applied = Plan { id: PlanId(Safe::fixed("p9b")), ..grave };
    add(33, EntryKind::Intent, "about to", Some("checkout errors 9.1 %"), Body::Intent(Box::new(applied.clone())));
    let outcome = Outcome::Verified { after_seconds: Some(5), words: Safe::fixed("0 of 0 ready") };
    let ended = Body::Outcome { plan: applied.id.clone(), outcome };
    add(34, EntryKind::Outcome, "ended", Some("checkout errors 9.1 % → 0.4 %"), ended);
    let text = postmortem(&record, &Options::default()).expect("the shipped template works");
    assert!(text.contains("checkout errors 9.1 % → 0.4 % | no: left over |"), "{text}");
    assert!(text.contains("took a second person: consent of bob"), "{text}");
    let mut owned = by("ana", entry("0935", EntryKind::Owned, at(35, 0), "team-money owns it"));
    owned.draft.body = Some(Body::Owned { plan: applied.id, owner: Safe::fixed("team-money") });
    record.entries.push(owned);
    let text = postmortem(&record, &Options::default()).expect("the shipped template works");
    assert!(text.contains("| no, owned by team-money |"), "{text}");
}

fn told(tell: impl FnOnce(&Story)) -> String {
    let disk = MemoryDisk::default();
    let info = StartInfo {
        titles: Default::default(),
        incident: Some(IncidentId::from("2026-11-21-checkout")),
        version: Safe::fixed("0.1.0"),
        drill: false,
        env: Safe::fixed("prod-eu"),
        actor: ana(),
        at: at(9, 0),
    };
    let story = Story(Journal::create(Path::new(DIR), info, Arc::new(disk.clone())).expect("the disk works"));
    tell(&story);
    wait(story.0.close(at(59, 0))).expect("it is sealed");
    postmortem(&read_on(&disk, Path::new(DIR)), &Options::default()).expect("the template works")
}

#[test]
fn a_confirmed_milestone_is_a_responders_word_and_no_alert_and_no_signal() {
    use crate::model::entry::MilestoneName;
    let text = told(|story| {
        story.noticed(11, EntryKind::Breach, "shop", "shop errors", "shop errors 8.4 % (limit 2 %)");
        story.noticed(12, EntryKind::AlertFiring, "shop", "ShopErrors", "ShopErrors fires");
        for (name, minute) in
            [(MilestoneName::ImpactStart, 10), (MilestoneName::Detected, 11), (MilestoneName::Mitigated, 30)]
        {
            let body = Body::Milestone { name, at: Some(at(minute, 0)) };
            story.said(40, EntryKind::Milestone, "2026-11-21-checkout", "a milestone is confirmed", Some(body));
        }
    });
    let summary = text.split("\n## ").find(|section| section.starts_with("Summary")).expect("there is one");
    assert!(summary.contains("The impact began on 2026-11-21 at 03:10 UTC."), "{summary}");
    assert!(summary.contains("It was noticed at 03:11 UTC"), "{summary}");
    assert!(
        summary.contains("A responder says the impact was over at 03:30 UTC; nobody has declared it resolved yet."),
        "{summary}"
    );
    for wrong in ["alert 2026-11-21-checkout", "was back within its limit", "a milestone is confirmed."] {
        assert!(!summary.contains(wrong), "{wrong}: {summary}");
    }
    assert!(!text.contains("2026-11-21-checkout (warroom)"), "an incident does not notice itself: {text}");
}

#[test]
fn the_worst_of_a_breach_is_a_value_of_it() {
    let text = told(|story| {
        // Between two marks of the tracks.
        story.tell(
            20,
            10,
            Draft { subject: "shop errors".into(), ..draft(EntryKind::Breach, "shop errors 5 % (limit 2 %)") },
        );
        story.tell(20, 50, Draft { subject: "shop errors".into(), ..draft(EntryKind::Recovered, "shop errors back") });
        // A signal that has to stay above its limit, and was well a minute before.
        story.noticed(30, EntryKind::Breach, "shop", "shop orders", "shop orders 40 (limit 100)");
        story.noticed(33, EntryKind::Recovered, "shop", "shop orders", "shop orders back at 120");
        for minute in 10..40 {
            let sample = |track: &'static str, unit, limit, value| TrackSample {
                at: at(minute, 0),
                track: Safe::fixed(track),
                service: Some(ServiceName::from("shop")),
                unit,
                limit: Some(limit),
                values: [(Safe::fixed("value"), Some(value))].into(),
            };
            story.0.track(vec![sample("shop errors", Unit::Ratio, 0.02, 0.003)]);
            let orders = match minute {
                30 => 40.0,
                31 => 30.0,
                32 => 60.0,
                _ => 120.0,
            };
            story.0.track(vec![sample("shop orders", Unit::Count, 100.0, orders)]);
        }
    });
    let line = |signal: &str| {
        let found = text.lines().find(|line| line.starts_with(&format!("| {signal} | 03:")));
        found.unwrap_or_default().to_owned()
    };
    assert!(line("shop errors").contains("| shop errors 5 % (limit 2 %) |"), "{}", line("shop errors"));
    assert!(line("shop orders").contains("| 30 (limit 100) |"), "{}", line("shop orders"));
}

#[test]
fn sentences_tell_a_value_once_and_what_happened_in_one_minute_together() {
    let text = told(|story| {
        let values = |kind, title: &str, before: &'static str, after: &'static str| Draft {
            before: Some(Safe::fixed(before)),
            after: Some(Safe::fixed(after)),
            ..draft(kind, title)
        };
        let image = "payments 2.9.0 rolled out: image 2.8.0→2.9.0, by ci/payments";
        story.tell(9, 0, values(EntryKind::Rollout, image, "registry/payments:2.8.0", "registry/payments:2.9.0"));
        story.noticed(11, EntryKind::Breach, "shop", "shop errors", "shop errors 8.4 % (limit 2 %)");
        for subject in ["shop p99", "cart p99"] {
            story.noticed(12, EntryKind::Breach, "shop", subject, &format!("{subject} 3 s (limit 1 s)"));
        }
        story.noticed(13, EntryKind::Breach, "cart", "cart errors", "cart errors 9 % (limit 2 %)");
        let burst = "payments logs 232 errors a minute, usually 0";
        story.tell(14, 0, values(EntryKind::ErrorBurst, burst, "0/min", "232/min"));
        let worse = "payments p99 7.1 s (limit 1 s)";
        story.tell(15, 0, values(EntryKind::Breach, worse, "486 ms", "7.1 s"));
        // What was there before is no part of what is there now.
        story.tell(16, 0, values(EntryKind::Breach, "cart errors 10.4 % (limit 2 %)", "0.4 %", "10.4 %"));
        let titled = "incident titled: checkout is down in eu";
        story.tell(17, 0, values(EntryKind::Opened, titled, "checkout is down", "checkout is down in eu"));
        let window = "write window opened until 03:34Z: more pods";
        story.tell(18, 0, values(EntryKind::WriteWindow, window, "read-only", "open"));
        story.tell(19, 0, values(EntryKind::WriteWindow, "write window opened until 03:40Z: more", "open", "open"));
    });
    for part in [
        "; then shop p99 and cart p99 at 03:12 UTC, then cart errors at 03:13 UTC",
        "payments 2.9.0 rolled out: image 2.8.0→2.9.0, by ci/payments.",
        "| payments logs 232 errors a minute, usually 0 |",
        "| payments p99 7.1 s (limit 1 s), before: 486 ms |",
        "| cart errors 10.4 % (limit 2 %), before: 0.4 % |",
        "| incident titled: checkout is down in eu, before: checkout is down |",
        "| write window opened until 03:34Z: more pods |",
        "| write window opened until 03:40Z: more, before: open |",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
