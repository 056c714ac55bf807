//! Scenario files of one's own: what is wrong in them is said with its place.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use warroom::drill::{SHIPPED, Scenario};

fn shipped() -> &'static str {
    SHIPPED[0].text
}

fn error(text: &str) -> String {
    Scenario::parse("mine.toml", text).unwrap_err().to_string()
}

fn line_of(text: &str, part: &str) -> usize {
    text[..text.find(part).unwrap()].matches('\n').count() + 1
}

#[test]
fn every_shipped_scenario_is_sound_and_carries_its_id() {
    for shipped in SHIPPED {
        let scenario = Scenario::shipped(shipped.id).unwrap();
        assert_eq!(scenario.id(), shipped.id);
        assert!(!scenario.title().is_empty() && !scenario.summary().is_empty());
        for seed in 0..50 {
            let (opens, ends) = (scenario.opens(seed), scenario.ends(seed));
            assert!(scenario.epoch() < opens && opens < ends);
            let history = (opens - scenario.epoch()).num_minutes();
            // Of the first drill the README says half an hour.
            let enough = if shipped.id == "rate-limit-storm" { 25..=35 } else { 20..=60 };
            assert!(enough.contains(&history), "{}: a history of {history} min", shipped.id);
            let steps = warroom::drill::Times::new(&scenario, seed).responder;
            assert!(steps.is_sorted_by_key(|step| step.at), "a responder does one thing after the other");
            assert_eq!(steps.last().unwrap().line, "quit");
        }
    }
}

#[test]
fn another_seed_moves_the_events_and_the_responder() {
    let scenario = Scenario::shipped("rate-limit-storm").unwrap();
    let releases: std::collections::BTreeSet<_> =
        (0..20).map(|seed| warroom::drill::Times::new(&scenario, seed).named("release").unwrap()).collect();
    assert!(releases.len() > 10);
}

#[test]
fn a_copy_of_a_shipped_scenario_can_be_read_from_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    std::fs::write(&path, shipped()).unwrap();
    assert_eq!(Scenario::find(path.to_str().unwrap()).unwrap().id(), "rate-limit-storm");
    let why = Scenario::find("./no-such.toml").unwrap_err().to_string();
    assert!(why.contains("no-such.toml"), "{why}");
    let why = Scenario::find("no-such").unwrap_err().to_string();
    assert!(why.contains("there are: rate-limit-storm"), "{why}");
}

#[test]
fn mistakes_are_named_with_file_line_and_column() {
    for (from, to, says) in [
        ("title = ", "titel = ", "titel"),
        (
            "to = \"payments/payments\"",
            "to = \"payments/payment\"",
            "there is no workload or external `payments/payment`",
        ),
        ("at = \"epoch + 24m\"", "at = \"later + 24m\"", "`later` is not known here"),
        ("at = \"epoch + 24m\"", "at = \"epoch + soon\"", "not a duration"),
        ("cpu = \"3920m\"", "cpu = \"many\"", "not an amount of CPU"),
        ("depends_on = [\"payments\"", "depends_on = [\"paiments\"", "did you mean `payments`?"),
        (
            "rule = 'ALARM(\"checkout-failures\")",
            "rule = 'ALARM(\"checkout-failure\")",
            "there is no alarm `checkout-failure`",
        ),
        ("expr = 'node_cpu_utilisation > 0.93'", "expr = 'node_cpu_utilisation > '", "parse error"),
        ("event = \"fix\"", "event = \"fixx\"", "did you mean `fix`?"),
    ] {
        assert!(shipped().contains(from), "{from}");
        let text = shipped().replacen(from, to, 1);
        let why = error(&text);
        let place = format!("mine.toml:{}:", line_of(&text, to));
        assert!(why.starts_with(&place) && why.contains(says), "{why}: not {place} with {says}");
    }
}

#[test]
fn a_workload_has_what_its_kind_has() {
    let text = SHIPPED.iter().find(|shipped| shipped.id == "bad-deploy").unwrap().text;
    for (from, to, at, says) in [
        (
            "kind = \"StatefulSet\"\nreplicas = 3",
            "kind = \"StatefulSet\"",
            "path = \"shop/cart-store\"",
            "has `replicas`",
        ),
        (
            "kind = \"DaemonSet\"",
            "kind = \"DaemonSet\"\nreplicas = 5",
            "path = \"platform/log-agent\"",
            "no `replicas`",
        ),
        ("kind = \"DaemonSet\"", "kind = \"CronJob\"", "kind = \"CronJob\"", "unknown variant `CronJob`"),
        ("kind = \"Rollout\"", "kind = \"Deployment\"", "path = \"shop/recommendations\"", "alone has `steps`"),
        ("{ weight = 25 }", "{ weight = 250 }", "path = \"shop/recommendations\"", "at most 100"),
        (
            "path = \"shop/checkout\"",
            "path = \"shop/checkout\"\nkind = \"StatefulSet\"",
            "path = \"shop/checkout\"\nkind",
            "scales a Deployment",
        ),
        (
            "workloads = [\"shop/checkout\"]\nrepository",
            "workloads = [\"shop/cart-store\"]\nrepository",
            "\"shop/cart-store\"]",
            "are Deployments",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let why = error(&text);
        let place = format!("mine.toml:{}:", line_of(&text, at));
        assert!(why.starts_with(&place) && why.contains(says), "{why}: not {place} with {says}");
    }
}

#[test]
fn nobody_calls_himself_by_a_detour() {
    let text = format!(
        "{}\n[[workload.calls]]\nto = \"shop/checkout\"\nshare = 1.0\ncpu = \"1ms\"\ntimeout = \"1s\"\n",
        shipped().split("# What happens.").next().unwrap()
    )
    .replace("path = \"platform/reports\"", "path = \"platform/reports\"");
    let text = text.replacen("to = \"shop/mail\"\nshare = 0.9", "to = \"platform/reports\"\nshare = 0.9", 1);
    let why = error(&text);
    assert!(why.contains("calls itself"), "{why}");
}

#[test]
fn the_truth_is_for_tests_alone() {
    let without = shipped().split("# What tests compare with").next().unwrap();
    let scenario = Scenario::parse("mine.toml", without).unwrap();
    assert_eq!(scenario.truth(1), None);
    let whole = Scenario::shipped("rate-limit-storm").unwrap();
    let times = |scenario: &Scenario| warroom::drill::Times::new(scenario, 1).responder;
    assert_eq!(times(&scenario), times(&whole));
    assert_eq!((scenario.opens(1), scenario.ends(1)), (whole.opens(1), whole.ends(1)));
}
