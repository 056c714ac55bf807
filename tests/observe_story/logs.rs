use warroom::config::Catalogue;
use warroom::model::entry::EntryKind::*;
use warroom::model::log::Level;
use warroom::model::signal::{Signal, Stamped};
use warroom::observe::Picture;
use warroom::observe::logs::{LineId, LogFilter, LogPattern};

use crate::kit::*;

fn texts<'a>(lines: &[warroom::observe::logs::Line<'a>]) -> Vec<&'a str> {
    lines.iter().map(|line| line.text).collect()
}

#[test]
fn lines_are_found_by_service_level_and_pattern_newest_first_and_shown_in_order() {
    let mut picture = picture();
    play(
        &mut picture,
        [
            lines("cw-logs", "payments", &[(at("03:14"), "INFO one"), (at("03:14:01"), "ERROR two")]),
            lines("pods", "checkout", &[(at("03:14:02"), "WARN three"), (at("03:14:03"), "no level four")]),
            lines("cw-logs", "payments", &[(at("03:14:04"), "ERROR five timed out")]),
        ],
    );
    let logs = &picture.logs;
    let all = logs.before(&LogFilter::default(), None, 10);
    assert_eq!(texts(&all), ["INFO one", "ERROR two", "WARN three", "no level four", "ERROR five timed out"]);
    assert_eq!(all[2].service, Some(&name("checkout")));
    assert_eq!(texts(&logs.before(&LogFilter::default(), None, 2)), ["no level four", "ERROR five timed out"]);
    assert_eq!(texts(&logs.before(&LogFilter::default(), Some(all[1].id), 1)), ["ERROR two"]);
    assert_eq!(texts(&logs.after(&LogFilter::default(), all[1].id, 2)), ["WARN three", "no level four"]);
    let payments = LogFilter { service: Some(name("payments")), ..LogFilter::default() };
    assert_eq!(logs.before(&payments, None, 10).len(), 3);
    let warnings = LogFilter { level: Some(Level::Warn), ..LogFilter::default() };
    assert_eq!(texts(&logs.before(&warnings, None, 10)), ["ERROR two", "WARN three", "ERROR five timed out"]);
    let pattern = |inverted| LogFilter {
        pattern: LogPattern::new("time[ds]", true).map(|it| (it, inverted)),
        ..LogFilter::default()
    };
    assert_eq!(texts(&logs.before(&pattern(false), None, 10)), ["ERROR five timed out"]);
    assert_eq!(logs.before(&pattern(true), None, 10).len(), 4);
    assert_eq!(logs.line(all[3].id).unwrap().text, "no level four");
    assert!(logs.line(LineId(99)).is_none());
    assert_eq!(texts(&logs.excerpt(Some(&name("payments")), at("03:14:30"), 1)), ["ERROR two"]);
    assert!(logs.excerpt(Some(&name("payments")), at("03:15"), 1).is_empty());
}

#[test]
fn a_scan_finds_the_newest_first_and_holds_what_the_store_lets_go_of() {
    let catalogue = std::sync::Arc::new(Catalogue::new(vec![service("payments", Vec::new())]));
    let mut picture = Picture::with_log_cap(catalogue, 200_000);
    let wide = "x".repeat(4000);
    let say =
        |picture: &mut Picture, text: &str| drop(play(picture, [lines("pods", "payments", &[(at("03:14"), text)])]));
    for n in 0..40 {
        say(&mut picture, &if n % 30 == 3 { format!("needle {n}") } else { format!("{wide} {n}") });
    }
    let filter = LogFilter { pattern: LogPattern::new("needle", true).map(|it| (it, false)), ..LogFilter::default() };
    let logs = &picture.logs;
    let scan = logs.scan(filter.clone(), logs.oldest(), logs.next());
    assert!(scan.parts() > 5, "{} parts", scan.parts());
    for n in 40..80 {
        say(&mut picture, &format!("{wide} {n}"));
    }
    let (mut found, hand) = (scan.start(), scan.hand());
    assert!((0..scan.parts()).all(|part| found.join(scan.part(part, &hand))));
    assert_eq!((found.from(), found.to(), found.count()), (LineId(0), LineId(40), 2));
    assert_eq!((found.before(LineId(99)), found.after(LineId(0))), (Some(LineId(33)), Some(LineId(3))));
    // What the store no longer has is not shown, whatever was found.
    assert!(picture.logs.oldest() > LineId(33));
    assert!(picture.logs.found_before(&filter, &[&found], None, 9).is_empty());
    found.forget_before(picture.logs.oldest());
    assert_eq!((found.from(), found.count()), (picture.logs.oldest(), 0));
}

#[test]
fn rates_are_of_the_last_minute_by_the_lines_own_times() {
    let mut picture = picture();
    play(&mut picture, [errors_in("payments", "03:14", 119)]);
    picture.tick(at("03:14:59"));
    let counts = picture.logs.counts();
    assert_eq!((counts.lines, counts.per_second, counts.errors_per_minute), (120, 2.0, 119.0));
    picture.tick(at("03:16:30"));
    assert_eq!(picture.logs.counts().per_second, 0.0);
    assert_eq!(picture.logs.minute(Some(&name("payments")), at("03:14:10")).errors(), 119);
}

fn usual(picture: &mut warroom::observe::Picture) {
    for minute in 0..10 {
        play(picture, [errors_in("payments", &format!("03:0{minute}"), 3)]);
    }
}

#[test]
fn errors_far_above_the_usual_are_a_burst() {
    let mut picture = picture();
    usual(&mut picture);
    let findings = play(&mut picture, [errors_in("payments", "03:10", 412)]);
    assert!(findings.is_empty(), "the minute is not complete");
    let findings = picture.tick(at("03:11:30"));
    assert_eq!(told(&findings), [(ErrorBurst, "03:10:00".into(), "payments logs 412 errors a minute, usually 3")]);
    let burst = &findings[0];
    assert_eq!(burst.detail.as_deref(), Some("412 of 412 like: ERROR POST partner/charge timed out after 0 ms"));
    assert_eq!(burst.origin, origin("cw-logs"));
    let shows = "errors of payments in the minute from 2026-11-21T03:10:00Z, in /prod/payments of prod-eu/cw-logs";
    assert_eq!(burst.evidence.as_deref(), Some(shows));
    for minute in 11..14 {
        play(&mut picture, [errors_in("payments", &format!("03:{minute}"), 300)]);
    }
    let mut findings = Vec::new();
    for minute in 14..18 {
        findings.extend(play(&mut picture, [errors_in("payments", &format!("03:{minute}"), 2)]));
    }
    findings.extend(picture.tick(at("03:20")));
    assert_eq!(
        told(&findings),
        [(ErrorBurstEnded, "03:14:00".into(), "payments logs 2 errors a minute again, 412 at the peak")]
    );
}

#[test]
fn a_burst_shows_some_lines_of_every_shape_and_keeps_more_without_secrets() {
    let mut picture = picture();
    usual(&mut picture);
    let rare = lines("cw-logs", "payments", &[(at("03:10:40"), "ERROR partner answers 429, token=abcdef-123456")]);
    play(&mut picture, [errors_in("payments", "03:10", 412), rare]);
    let findings = picture.tick(at("03:11:30"));
    let excerpt = findings[0].excerpt.as_ref().unwrap();
    let shown: Vec<_> = excerpt.shown.lines().collect();
    assert!((5..=10).contains(&shown.len()) && excerpt.lines == 413, "{excerpt:?}");
    assert_eq!(shown[0], "03:10:00.000Z pod-1 ERROR POST partner/charge timed out after 0 ms");
    assert_eq!(*shown.last().unwrap(), "03:10:40.000Z pod-1 ERROR partner answers 429, token=[redacted secret]");
    let all = excerpt.all.as_ref().unwrap();
    assert!(all.lines().count() > 100 && all.len() <= 64 * 1024 && !all.contains("abcdef"), "{}", all.len());
}

#[test]
fn a_secret_that_the_line_of_a_burst_is_cut_in_is_known_for_one() {
    let mut picture = picture();
    usual(&mut picture);
    let line = format!("ERROR {} cannot reach postgres://app:hunter2-and-more@db.internal/shop", "x".repeat(255));
    assert!(line.find("hunter2").unwrap() < 300 && line.find('@').unwrap() > 300);
    let all: Vec<_> =
        (0..200).map(|n| (at("03:10") + chrono::TimeDelta::milliseconds(250 * n), line.as_str())).collect();
    play(&mut picture, [lines("cw-logs", "payments", &all)]);
    let findings = picture.tick(at("03:11:30"));
    let detail = findings[0].detail.as_ref().unwrap();
    assert!(detail.contains("200 of 200 like") && !detail.contains("hunter2"), "{detail}");
}

/// So many errors, one every `every` milliseconds from a time on.
fn errors_from(from: &str, count: i64, every: i64) -> Stamped<Signal> {
    let text = |n: i64| (at(from) + chrono::TimeDelta::milliseconds(n * every), "ERROR timed out");
    lines("cw-logs", "payments", &(0..count).map(text).collect::<Vec<_>>())
}

#[test]
fn a_burst_begins_with_its_first_error_and_ends_with_its_last_and_not_with_a_minute() {
    let told_of = |bad: Vec<Stamped<Signal>>| {
        let mut picture = picture();
        usual(&mut picture);
        let mut findings = play(&mut picture, bad);
        for minute in 10..20 {
            findings.extend(play(&mut picture, [errors_in("checkout", &format!("03:{minute}"), 1)]));
        }
        findings.extend(picture.tick(at("03:20")));
        findings.retain(|finding| finding.service == Some(name("payments")));
        findings
            .iter()
            .map(|finding| (finding.kind, finding.occurred.format("%H:%M:%S").to_string()))
            .collect::<Vec<_>>()
    };
    let one = |from: &str| errors_from(from, 1, 0);
    // An error as usual in the same minute is none of the burst.
    let within = told_of(vec![one("03:10:03"), errors_from("03:10:41", 180, 400), one("03:12:20")]);
    assert_eq!(within, [(ErrorBurst, "03:10:41".into()), (ErrorBurstEnded, "03:11:52".into())]);
    // Its first seconds make no burst of their minute; they are its beginning all the same.
    let over = told_of(vec![one("03:10:20"), errors_from("03:10:56", 300, 400)]);
    assert_eq!(over, [(ErrorBurst, "03:10:56".into()), (ErrorBurstEnded, "03:12:55".into())]);
}

#[test]
fn lines_that_come_late_make_the_same_burst() {
    let mut picture = picture();
    usual(&mut picture);
    // Another service's lines prove that the minute is over before the burst's lines are read.
    play(&mut picture, [errors_in("checkout", "03:10", 1), errors_in("checkout", "03:13", 1)]);
    let mut late = errors_in("payments", "03:10", 100);
    late.observed = at("03:14");
    assert!(play(&mut picture, [late]).is_empty(), "more may come of that minute");
    assert_eq!(
        told(&picture.tick(at("03:14"))),
        [(ErrorBurst, "03:10:00".into(), "payments logs 100 errors a minute, usually 3")]
    );
}

#[test]
fn without_minutes_to_compare_with_there_is_no_burst() {
    let mut picture = picture();
    let mut findings = play(&mut picture, [errors_in("payments", "03:10", 30), errors_in("payments", "03:11", 400)]);
    findings.extend(picture.tick(at("03:13")));
    assert!(findings.is_empty(), "what is usual is not known: {findings:?}");
}

#[test]
fn a_line_with_a_clock_of_its_own_does_not_push_true_minutes_out() {
    let mut picture = picture();
    usual(&mut picture);
    let mut wrong = errors_in("payments", "03:10", 5);
    wrong.observed = at("03:10");
    if let warroom::model::signal::Signal::Logs(batch) = &mut wrong.body {
        batch.push(&stream("payments"), at("03:10") + chrono::TimeDelta::days(4000), "ERROR from the future");
    }
    play(&mut picture, [wrong]);
    assert_eq!(picture.logs.minute(Some(&name("payments")), at("03:05")).errors(), 3);
    assert_eq!(picture.logs.minute(Some(&name("payments")), at("03:10")).errors(), 5);
}

/// The shipped copy: the same lines at the same times, from another source.
fn copied(signal: &Stamped<Signal>, source: &str) -> Stamped<Signal> {
    Stamped { origin: origin(source), ..signal.clone() }
}

#[test]
fn a_line_that_two_sources_tell_is_kept_and_counted_once() {
    let mut picture = picture();
    let direct = errors_in("payments", "03:14", 30);
    play(&mut picture, [direct.clone(), copied(&direct, "cloudwatch-logs")]);
    assert_eq!(picture.logs.counts().lines, 31);
    assert_eq!(picture.logs.minute(Some(&name("payments")), at("03:14")).errors(), 30);
    assert_eq!(picture.twins.told_twice(), Some((&origin("cloudwatch-logs"), 31)));
    // Whoever is first is believed, line by line.
    let other = errors_in("payments", "03:15", 10);
    play(&mut picture, [copied(&other, "cloudwatch-logs"), other]);
    assert_eq!(picture.logs.minute(Some(&name("payments")), at("03:15")).errors(), 10);
}

#[test]
fn a_burst_is_told_with_the_errors_that_were_written() {
    let mut picture = picture();
    let mut findings = Vec::new();
    for (minute, errors) in [("03:10", 1), ("03:11", 1), ("03:12", 1), ("03:13", 30), ("03:14", 1), ("03:15", 1)] {
        let direct = errors_in("payments", minute, errors);
        findings.extend(play(&mut picture, [direct.clone(), copied(&direct, "cloudwatch-logs")]));
    }
    let burst = findings.iter().find(|finding| finding.kind == ErrorBurst).unwrap();
    assert!(burst.title.contains("30 errors a minute"), "{}", burst.title);
}

#[test]
fn only_what_another_source_has_told_is_left_out() {
    let mut picture = picture();
    let of = |source: &str, texts: &[(&str, &str)]| {
        let texts: Vec<_> = texts.iter().map(|(when, text)| (at(when), *text)).collect();
        lines(source, "payments", &texts)
    };
    let all = |picture: &Picture| {
        texts(&picture.logs.before(&LogFilter::default(), None, 100)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    play(
        &mut picture,
        [
            // One writes the same twice: that is two lines.
            of("pod-logs", &[("03:14:00", "ERROR same"), ("03:14:01", "ERROR same")]),
            of(
                "cloudwatch-logs",
                &[("03:14:00", "ERROR same"), ("03:14:01", "ERROR same"), ("03:14:02", "ERROR same")],
            ),
            // A log group of something else.
            of("cloudwatch-logs", &[("03:14:03", "INFO a lambda's")]),
            // Long apart: not the same line.
            of("pod-logs", &[("03:14:40", "INFO tick")]),
            of("cloudwatch-logs", &[("03:15:10", "INFO tick")]),
            // In the shipper's envelope.
            of("pod-logs", &[("03:16:00", "WARN \"quoted\"")]),
            of("cloudwatch-logs", &[("03:16:00", r#"{"log":"WARN \"quoted\"\n","stream":"stdout"}"#)]),
        ],
    );
    let kept =
        ["ERROR same", "ERROR same", "ERROR same", "INFO a lambda's", "INFO tick", "INFO tick", "WARN \"quoted\""];
    assert_eq!(all(&picture), kept);
    // The cluster does not answer any more: what comes shipped is shown.
    play(&mut picture, [of("cloudwatch-logs", &[("03:17:00", "INFO shipped alone")])]);
    assert_eq!(all(&picture).last().unwrap(), "INFO shipped alone");
}
