use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

use warroom::config::Catalogue;
use warroom::model::entry::EntryKind;
use warroom::model::log::{Level, LogBatch, LogStream};
use warroom::model::signal::{Delta, Gap, Signal, Stamped};
use warroom::observe::Picture;
use warroom::observe::logs::{LineId, LogFilter, LogPattern};

use crate::kit::*;

/// A night in signals, in the order of their times: a breach, alerts, a crash loop, a kill, a
/// burst, a source lost, and the end of it all.
fn night() -> Vec<Stamped<Signal>> {
    let mut crashed = pod("payments", "a");
    crashed.status = "CrashLoopBackOff".into();
    crashed.restarts = 3;
    crashed.is_ready = false;
    crashed.last_end = Some(("OOMKilled".into(), at("03:15:30")));
    let gap = Gap { from: at("03:18"), to: at("03:19"), what: "throttled".into() };
    let mut script = vec![
        rollout("payments", "03:04", "2.9.0"),
        pods("03:05", Delta::All(vec![pod("payments", "a"), pod("payments", "b")])),
        alerts("alertmanager", "03:13", vec![firing("PaymentsCPUHigh", "03:12")]),
        pods("03:16", Delta::Upsert(vec![crashed])),
        link("cw-logs", "03:10", live()),
        link("cw-logs", "03:18", retrying("throttled")),
        link("cw-logs", "03:19", live()),
        stamped("cw-logs", at("03:19"), Signal::Gap(gap)),
        alerts("alertmanager", "03:40", vec![]),
        pods("03:41", Delta::All(vec![pod("payments", "b")])),
    ];
    script.extend(series("checkout", "03:13:00", &[[0.002; 4].as_slice(), &[0.07; 40], &[0.003; 20]].concat()));
    script.extend((0..30).map(|minute| {
        errors_in("payments", &format!("03:{minute:02}"), if (14..20).contains(&minute) { 200 } else { 2 })
    }));
    script.sort_by_key(|signal| signal.occurred);
    script
}

fn keys(findings: &[warroom::model::finding::Finding]) -> Vec<(EntryKind, String, String)> {
    findings.iter().map(|finding| (finding.kind, finding.dedupe.to_string(), finding.occurred.to_rfc3339())).collect()
}

#[test]
fn the_night_is_told_whole_and_the_same_each_time() {
    let first = play(&mut picture(), night());
    assert_eq!(first, play(&mut picture(), night()));
    let kinds: HashSet<_> = first.iter().map(|finding| finding.kind).collect();
    for kind in [
        EntryKind::Rollout,
        EntryKind::AlertFiring,
        EntryKind::AlertResolved,
        EntryKind::Breach,
        EntryKind::Recovered,
        EntryKind::CrashLoop,
        EntryKind::OomKilled,
        EntryKind::ErrorBurst,
        EntryKind::ErrorBurstEnded,
        EntryKind::SourceLost,
        EntryKind::SourceFound,
        EntryKind::Gap,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is missing");
    }
    let unique: HashSet<_> = keys(&first).into_iter().collect();
    assert_eq!(unique.len(), first.len(), "nothing is told twice");
}

/// A session that joins at 03:22 reads what the systems remember, in order of time, and then what
/// is. The Alertmanager remembers nothing but since when it fires.
#[test]
fn who_joins_late_is_told_the_same_story() {
    let milestones = |findings: &[warroom::model::finding::Finding]| {
        let kinds = [EntryKind::Rollout, EntryKind::AlertFiring, EntryKind::Breach, EntryKind::ErrorBurst];
        let told = keys(findings).into_iter().filter(|(kind, ..)| kinds.contains(kind));
        told.collect::<std::collections::BTreeSet<_>>()
    };
    let mut there = play(&mut picture(), night().into_iter().filter(|signal| signal.occurred < at("03:22")));
    let mut joined = picture();
    let remembers = |signal: &Stamped<Signal>| {
        matches!(signal.body, Signal::Change(_) | Signal::Samples(_) | Signal::Logs(_)) && signal.occurred < at("03:22")
    };
    let history = night().into_iter().filter(remembers).map(|signal| Stamped { observed: at("03:22"), ..signal });
    let mut late = play(&mut joined, history);
    late.extend(play(&mut joined, [alerts("alertmanager", "03:22", vec![firing("PaymentsCPUHigh", "03:12")])]));
    late.extend(joined.tick(at("03:22")));
    assert_eq!(milestones(&there).len(), 4);
    assert_eq!(milestones(&there), milestones(&late));
    // What both see from now on is the same, too.
    let rest: Vec<_> = night().into_iter().filter(|signal| signal.occurred >= at("03:30")).collect();
    there = play(&mut joined, rest);
    assert!(there.iter().all(|finding| finding.kind != EntryKind::AlertFiring));
}

#[allow(clippy::unwrap_used, reason = "the pattern is a literal")]
fn filter() -> impl Strategy<Value = LogFilter> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(service, level, pattern)| LogFilter {
        service: service.then(|| name("payments")),
        level: level.then_some(warroom::model::log::Level::Warn),
        pattern: pattern.then(|| (LogPattern::new("[13579]", true).unwrap(), false)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// State that is read again, at once or later, is not told again. Lines of logs are not
    /// state: each is one.
    #[test]
    fn signals_told_again_are_not_found_again(again in proptest::collection::vec((0usize..200, 0usize..200), 0..40)) {
        let script = night();
        let mut expected = keys(&play(&mut picture(), script.clone()));
        let mut doubled: Vec<Vec<Stamped<Signal>>> = script.iter().map(|signal| vec![signal.clone()]).collect();
        for (at, later) in again {
            let at = at % script.len();
            let place = (at + later).min(script.len() - 1);
            // A whole list of pods or a link told out of order tells another state, not the same.
            let later_is_news = matches!(script[at].body, Signal::Logs(_) | Signal::Link(_) | Signal::Pods(_));
            if !matches!(script[at].body, Signal::Logs(_)) {
                doubled[if later_is_news { at } else { place }].push(script[at].clone());
            }
        }
        // Of a state that is told again at once, the telling comes right after the first.
        let mut found = keys(&play(&mut picture(), doubled.into_iter().flatten()));
        expected.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        prop_assert_eq!(found, expected);
    }

    /// Ticks between the signals change when something is told, never what.
    #[test]
    fn ticks_change_no_finding(every in 1i64..120) {
        let expected: HashSet<_> = keys(&play(&mut picture(), night())).into_iter().collect();
        let mut picture = picture();
        let mut found = HashSet::new();
        let mut now = at("03:00");
        for signal in night() {
            while now <= signal.occurred {
                found.extend(keys(&picture.tick(now)));
                now += chrono::TimeDelta::seconds(every);
            }
            found.extend(keys(&picture.apply(signal)));
        }
        prop_assert_eq!(found, expected);
    }

    /// Whatever comes and goes, each pod stands once, with its owner, hurt ones first.
    #[test]
    fn pods_stand_where_they_belong(
        steps in proptest::collection::vec((0u8..8, 0usize..12, 0usize..4, any::<bool>()), 1..120),
    ) {
        let mut picture = picture();
        let mut model = std::collections::BTreeMap::new();
        for (what, which, workload, hurt) in steps {
            let mut pod = pod(&format!("w{workload}"), "x");
            pod.path = warroom::model::name::ObjectPath::new("ns", format!("pod-{which}"));
            if hurt {
                pod.status = "ImagePullBackOff".into();
                pod.is_ready = false;
            }
            let delta = match what {
                0 => {
                    model.retain(|_, known: &mut warroom::model::cluster::Pod| known.is_ready == hurt);
                    Delta::All(model.values().cloned().collect())
                }
                1 | 2 => {
                    model.remove(&pod.path);
                    Delta::Remove(vec![pod.path])
                }
                _ => {
                    model.insert(pod.path.clone(), pod.clone());
                    Delta::Upsert(vec![pod])
                }
            };
            picture.apply(pods("03:14", delta));
            let rows = picture.workloads.rows();
            let shown: Vec<_> = rows.iter().flat_map(|row| row.pods.iter().map(move |pod| (row, &pod.pod))).collect();
            prop_assert_eq!(shown.len(), model.len());
            for (row, pod) in shown {
                prop_assert_eq!(model.get(&pod.path), Some(pod));
                prop_assert_eq!(Some(&row.key), pod.owner.as_ref());
                prop_assert_eq!(picture.workloads.owner(&origin("pods"), &pod.path).map(|row| &row.key), Some(&row.key));
                prop_assert_eq!(picture.workloads.row(&row.key).map(|row| &row.key), Some(&row.key));
            }
            let hurt = model.values().filter(|pod| !pod.is_ready).count();
            prop_assert_eq!(picture.workloads.pod_counts().hurt, hurt);
            prop_assert_eq!(picture.workloads.pod_counts().all, model.len());
            prop_assert!(rows.is_sorted_by_key(|row| !row.hurt));
            prop_assert!(rows.iter().all(|row| row.pods.is_sorted_by_key(|pod| pod.trouble.is_none())));
            prop_assert!(rows.iter().all(|row| row.hurt == row.pods.iter().any(|pod| pod.trouble.is_some())));
        }
    }

    /// The store holds the newest lines that fit its cap, whole and in order, and finds those
    /// that a filter lets pass.
    #[test]
    fn the_store_keeps_its_cap_and_its_lines(
        batches in proptest::collection::vec(proptest::collection::vec((any::<bool>(), 0usize..300), 1..40), 1..60),
        cap in 1_000usize..40_000,
        filter in filter(),
        count in 1usize..50,
    ) {
        let catalogue = Arc::new(Catalogue::new(vec![service("payments", Vec::new())]));
        let mut picture = Picture::with_log_cap(catalogue, cap);
        let mut all = Vec::new();
        for batch in batches {
            let mut lines = LogBatch::default();
            for (payments, width) in batch {
                let group = if payments { "/prod/payments" } else { "/prod/other" };
                let text = format!("{} {} {}", ["INFO", "ERROR", "-"][width % 3], all.len(), "x".repeat(width));
                lines.push(&LogStream { group: group.into(), name: "s".into() }, at("03:14"), &text);
                all.push((payments, width % 3, text));
            }
            picture.apply(stamped("pods", at("03:14"), Signal::Logs(lines)));
            prop_assert!(picture.logs.cost() <= cap);
        }
        let counts = picture.logs.counts();
        prop_assert_eq!(counts.lines + counts.evicted, all.len() as u64);
        let kept = &all[counts.evicted as usize..];
        prop_assert_eq!(counts.bytes, kept.iter().map(|(.., text)| text.len() as u64).sum::<u64>());
        let passes = |(payments, level, text): &&(bool, usize, String)| {
            (filter.service.is_none() || *payments)
                && (filter.level.is_none() || *level == 1)
                && filter.pattern.as_ref().is_none_or(|(pattern, _)| pattern.is_match(text))
        };
        let passing: Vec<_> = kept.iter().filter(passes).map(|(.., text)| text.as_str()).collect();
        let newest: Vec<_> = picture.logs.before(&filter, None, count).iter().map(|line| line.text).collect();
        prop_assert_eq!(&newest[..], &passing[passing.len().saturating_sub(count)..]);
        if let Some((oldest, _)) = picture.logs.ends() {
            let first = picture.logs.line(oldest).map(|line| line.text);
            prop_assert_eq!(first, kept.first().map(|(.., text)| text.as_str()));
            if let Some(before) = oldest.0.checked_sub(1) {
                let after: Vec<_> = picture.logs.after(&filter, LineId(before), count).iter().map(|line| line.text).collect();
                prop_assert_eq!(&after[..], &passing[..passing.len().min(count)]);
            }
        }
    }

    /// A scan passes what looking at each line passes: across chunks, from any place to any
    /// other, whichever thread does which part first, of lines of any length and language.
    #[test]
    fn a_scan_passes_what_each_line_passes(
        batches in proptest::collection::vec(proptest::collection::vec((any::<bool>(), "(ERROR |warn |INFO )?[ab \n\té]{0,9}", 0usize..400), 1..30), 1..40),
        cap in 1_500usize..30_000,
        (of_service, level) in (any::<bool>(), proptest::sample::select(&[None, Some(Level::Warn), Some(Level::Error)][..])),
        pattern in proptest::option::of(proptest::sample::select(&["a", "^", "b$", r"[^a]b", r"a\sb", "(?s)b.*a", "É", "a b|ba", r"\n", "x{50}b?$", ""][..])),
        (inverted, sensitive) in (any::<bool>(), any::<bool>()),
        (low, high) in (0.0f64..1.2, 0.0f64..1.2),
        backwards in any::<bool>(),
        count in 1usize..30,
    ) {
        let catalogue = Arc::new(Catalogue::new(vec![service("payments", Vec::new())]));
        let mut picture = Picture::with_log_cap(catalogue, cap);
        let mut all = 0;
        for batch in batches {
            let mut lines = LogBatch::default();
            for (payments, text, width) in batch {
                let group = if payments { "/prod/payments" } else { "/prod/other" };
                let text = format!("{text}{}", "x".repeat(if width > 390 { 40 * width } else { width % 9 }));
                lines.push(&LogStream { group: group.into(), name: "s".into() }, at("03:14"), &text);
                all += 1;
            }
            picture.apply(stamped("pods", at("03:14"), Signal::Logs(lines)));
        }
        let logs = &picture.logs;
        let filter = LogFilter {
            service: of_service.then(|| name("payments")),
            level,
            pattern: pattern.map(|text| (LogPattern::new(text, sensitive).unwrap(), inverted)),
        };
        let simple = pattern.map(|text| regex::RegexBuilder::new(text).case_insensitive(!sensitive).build().unwrap());
        let passes = |id: u64| {
            logs.line(LineId(id)).is_some_and(|line| {
                (!of_service || line.service.is_some())
                    && level.is_none_or(|level| line.level >= level)
                    && simple.as_ref().is_none_or(|simple| simple.is_match(line.text) != inverted)
            })
        };
        let place = |share: f64| LineId((share * all as f64) as u64);
        let scan = logs.scan(filter.clone(), place(low), place(high));
        let hand = scan.hand();
        let mut parts: Vec<_> = (0..scan.parts()).collect();
        if backwards {
            parts.reverse();
        }
        let mut done: Vec<_> = parts.into_iter().map(|part| (part, scan.part(part, &hand))).collect();
        done.sort_by_key(|(part, _)| *part);
        let mut found = scan.start();
        for (_, part) in done {
            prop_assert!(found.join(part), "parts are adjacent");
        }
        let (from, to) = (found.from().0, found.to().0);
        let within = |share: f64| place(share).0.clamp(logs.oldest().0, logs.next().0);
        prop_assert_eq!((from, to), (within(low).min(to), within(high).max(within(low))));
        let expected: Vec<_> = (from..to).filter(|id| passes(*id)).collect();
        let bits: Vec<_> = (from..to).filter(|id| found.contains(LineId(*id))).collect();
        prop_assert_eq!(&bits, &expected);
        // And reading by what was found is reading what passes.
        let last = LineId(to.saturating_sub(1));
        let ids = |lines: Vec<warroom::observe::logs::Line<'_>>| lines.iter().map(|line| line.id.0).collect::<Vec<_>>();
        let newest = ids(logs.found_before(&filter, &[&found], Some(last), count));
        prop_assert_eq!(&newest[..], &expected[expected.len().saturating_sub(count)..]);
        let oldest = ids(logs.found_after(&filter, &[&found, &found], LineId(from), count));
        let after: Vec<_> = expected.iter().copied().filter(|id| *id > from).take(count).collect();
        prop_assert_eq!(oldest, after);
        let both = logs.scan(filter.clone(), logs.oldest(), logs.next());
        let hand = both.hand();
        let mut whole = both.start();
        prop_assert!((0..both.parts()).all(|part| whole.join(both.part(part, &hand))));
        prop_assert_eq!(ids(logs.found_before(&filter, &[&whole], None, count)), ids(logs.before(&filter, None, count)));
    }
}
