use warroom::model::signal::{Delta, Signal};
use warroom::observe::Picture;
use warroom::observe::situation::{Clause, Heard, situation};

use crate::kit::*;

fn sentence(picture: &Picture, now: &str) -> String {
    let clauses = situation(picture, at(now), Heard::All);
    let said: Vec<_> =
        clauses.iter().zip(Clause::stops(&clauses)).map(|(clause, stop)| format!("{}{stop}", clause.text)).collect();
    said.join(" ")
}

#[test]
fn an_empty_picture_does_not_claim_that_all_is_well() {
    assert_eq!(sentence(&picture(), "03:00"), "nothing is known yet: no source answers.");
}

#[test]
fn a_calm_night() {
    let mut picture = picture();
    play(&mut picture, [link("prometheus", "03:01", live())]);
    play(&mut picture, series("checkout", "03:00:00", &[0.002; 8]));
    play(&mut picture, series("payments", "03:00:00", &[0.002; 8]));
    picture.tick(at("03:02"));
    assert_eq!(sentence(&picture, "03:02"), "nothing fires. 2 services fine; 1 unknown.");
}

#[test]
fn a_night_of_which_no_source_of_alerts_was_read_is_not_calm() {
    let mut picture = picture();
    play(&mut picture, [link("prometheus", "03:01", live())]);
    play(&mut picture, series("checkout", "03:00:00", &[0.002; 8]));
    for (heard, said) in [
        (Heard::Nothing, "what fires is not known: no source of alerts was read"),
        (Heard::Some, "nothing fires in what was read"),
    ] {
        assert_eq!(situation(&picture, at("03:02"), heard)[0].text, said);
    }
}

#[test]
fn the_change_just_before_and_what_the_hurt_pods_share() {
    let mut picture = picture();
    let mut all: Vec<_> = ["a", "b", "c"].map(|suffix| pod("payments", suffix)).into();
    for pod in &mut all[..2] {
        pod.status = "CrashLoopBackOff".into();
        pod.is_ready = false;
    }
    all[2].image = "2.8.0".into();
    play(&mut picture, [rollout("payments", "03:04", "2.9.0"), pods("03:14", Delta::All(all.clone()))]);
    play(&mut picture, series("checkout", "03:14:00", &[0.072; 6]));
    assert_eq!(
        sentence(&picture, "03:29"),
        "checkout: 7.2 % errors since 03:14, last read 13 min ago. payments 2.9.0 rolled out at 03:04, 10 min before; \
         all 2 hurt payments pods run 2.9.0."
    );
    all[2].image = "2.9.0".into();
    play(&mut picture, [pods("03:15", Delta::All(all))]);
    assert!(sentence(&picture, "03:15:20").ends_with("; all payments pods run it."));
}

#[test]
fn nothing_is_guessed_when_nothing_is_known() {
    let mut picture = picture();
    let all = ["A", "B", "C"].map(|name| firing(name, "03:12"));
    play(&mut picture, [alerts("alertmanager", "03:15", all.into())]);
    assert_eq!(
        sentence(&picture, "03:20"),
        "3 alerts fire since 03:12. no change seen in the hour before; cause unknown.",
        "nobody reads workloads"
    );
    let read = Signal::Workloads(Delta::All(vec![workload("payments", 6, 6)]));
    play(&mut picture, [stamped("workloads", at("03:15"), read)]);
    assert_eq!(sentence(&picture, "03:20"), "3 alerts fire since 03:12. no change in the hour before; cause unknown.");
}

#[test]
fn a_shared_node_is_a_fact_and_a_lost_source_is_said() {
    let mut picture = picture();
    let mut all: Vec<_> = ["a", "b", "c"].map(|suffix| pod("payments", suffix)).into();
    for pod in &mut all[..2] {
        pod.node = Some("node-b".into());
        pod.is_ready = false;
        pod.ready = 0;
    }
    play(
        &mut picture,
        [
            link("cw-logs", "03:10", live()),
            link("cw-logs", "03:11", retrying("throttled")),
            stamped("nodes", at("03:14"), Signal::Nodes(Delta::All(vec![node("node-a", "a"), node("node-b", "b")]))),
            pods("03:14", Delta::All(all)),
        ],
    );
    picture.tick(at("03:15"));
    assert_eq!(
        sentence(&picture, "03:15"),
        "payments: 2 of 3 pods: not ready 0/1. no change seen in the hour before. \
         all 2 hurt payments pods are on node node-b. cannot see cw-logs for 4 min."
    );
    play(&mut picture, ["cloudwatch", "pods", "usage"].map(|source| link(source, "03:15", retrying("throttled"))));
    picture.tick(at("03:17"));
    let said = sentence(&picture, "03:17");
    assert!(said.ends_with("cannot see cw-logs for 6 min, nor pods and 2 more."), "{said}");
}

#[test]
fn a_value_that_is_well_again_is_not_told_as_a_breach_of_its_own() {
    let mut picture = picture();
    play(&mut picture, [link("prometheus", "03:01", live())]);
    play(&mut picture, series("checkout", "03:14:00", &[0.072, 0.072, 0.072, 0.072, 0.072, 0.072, 0.002]));
    let told = sentence(&picture, "03:15:30");
    assert!(told.starts_with("checkout: 0.2 % errors, within the limit again, in breach since 03:14."), "{told}");
}
