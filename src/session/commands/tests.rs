//! What is typed becomes a command, or says what is wrong.

use super::*;
use crate::model::command::{View, WorkloadChoice};
use crate::model::plan::{Replicas, Revision};

#[test]
fn every_command_is_declared_once_and_explains_itself() {
    let mut ids: Vec<_> = COMMANDS.iter().map(|command| command.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "two commands share an id");
    for command in COMMANDS {
        assert!(command.help.ends_with('.'), "{}", command.id);
        assert!(!command.title.is_empty());
    }
}

#[test]
fn a_command_line_becomes_a_command() {
    assert_eq!(
        parse("scale payments +2"),
        Ok(Command::Scale {
            workload: crate::model::command::WorkloadChoice::Named("payments".into()),
            to: Replicas::By(2)
        })
    );
    assert_eq!(
        parse("evacuate checkout eu-central-1b 2h"),
        Ok(Command::Evacuate { of: "checkout".into(), zone: "eu-central-1b".into(), minutes: 120 })
    );
    assert!(parse("evacuate checkout eu-central-1b").is_err_and(|why| why.contains("for how long is missing")));
    assert!(parse("evacuate a b 80h").is_err_and(|why| why.contains("between 1m and 72h")));
    assert!(parse("evacuate a b 30s").is_err_and(|why| why.contains("between 1m and 72h")));
    let back = |name: &str, to| Ok(Command::RollBack { workload: WorkloadChoice::Named(name.into()), to });
    assert_eq!(parse("rollback payments"), back("payments", Revision::Previous));
    assert_eq!(parse("rollback payments 3"), back("payments", Revision::Named("3".into())));
    assert_eq!(parse("restart payments"), Ok(Command::Restart { workload: WorkloadChoice::Named("payments".into()) }));
    assert_eq!(parse("rollback Application shop"), back("Application shop", Revision::Previous));
    assert_eq!(parse("rollback Application  shop  3"), back("Application shop", Revision::Named("3".into())));
    assert_eq!(parse("rollback Rollout shop/checkout 4"), back("Rollout shop/checkout", Revision::Named("4".into())));
    assert_eq!(
        parse("rollback \"Application shop\" current"),
        back("Application shop", Revision::Named("current".into()))
    );
    assert_eq!(
        parse("abort Rollout shop/checkout"),
        Ok(Command::Abort { workload: WorkloadChoice::Named("Rollout shop/checkout".into()) })
    );
    assert_eq!(parse(" pane 3 "), Ok(Command::View(View::FocusPane(Pane::Logs))));
    assert_eq!(parse("quit"), Ok(Command::Quit));
}

#[test]
fn shares_are_percents_of_destinations() {
    let share = |destination: &str, weight| crate::model::plan::Share { destination: destination.into(), weight };
    assert_eq!(
        parse("divert payments partner-a=20 canary:partner-b=80%"),
        Ok(Command::Divert {
            of: "payments".into(),
            shares: vec![share("partner-a", 20), share("canary:partner-b", 80)]
        })
    );
    assert_eq!(
        parse("divert VirtualService shop/checkout"),
        Ok(Command::Divert { of: "VirtualService shop/checkout".into(), shares: Vec::new() })
    );
    assert_eq!(
        parse("switch checkout app.kubernetes.io/version=green"),
        Ok(Command::Switch { of: "checkout".into(), key: "app.kubernetes.io/version".into(), to: "green".into() })
    );
    for (line, why) in [
        ("divert", "the service's name is missing"),
        ("divert a=20", "the service's name is missing"),
        ("divert payments a=-1", "`-1` is not a share"),
        ("divert payments a=20 b", "`b` is not NAME=VALUE"),
        ("divert payments a=20 a=30", "`a` is named twice"),
        ("switch payments", "the key and its value are missing"),
        ("switch payments a=b c=d", "one key"),
    ] {
        assert!(parse(line).is_err_and(|said| said.starts_with(why)), "{line}: {:?}", parse(line));
    }
}

#[test]
fn a_wrong_line_says_what_is_wrong() {
    assert_eq!(parse("scael x 2"), Err("there is no command `scael`; did you mean `scale`?".into()));
    assert_eq!(parse("scale payments"), Err("the number of replicas is missing; usage: scale WORKLOAD N|+N|-N".into()));
    assert!(parse("quit now").is_err_and(|why| why.starts_with("`quit` takes nothing") || why.contains("usage: quit")));
    assert!(parse("rollback").is_err_and(|why| why.contains("the workload's name is missing")));
    assert!(parse("rollback payments 3 now").is_err_and(|why| why.contains("`now` is not expected")));
    let named = || crate::model::command::WorkloadChoice::Named("payments".into());
    let bound = |floor, cap| Ok(Command::Bound { workload: named(), floor, cap });
    assert_eq!(parse("bound payments 4..12"), bound(Some(4), Some(12)));
    assert_eq!(parse("bound payments 4.."), bound(Some(4), None));
    assert_eq!(parse("bound payments ..12"), bound(None, Some(12)));
    for (line, why) in [
        ("bound payments", "the bounds are missing"),
        ("bound payments 12", "`12` is no MIN..MAX"),
        ("bound payments ..", "is no MIN..MAX"),
        ("bound payments 12..4", "12 is more than 4"),
    ] {
        assert!(parse(line).is_err_and(|said| said.contains(why)), "{line}: {:?}", parse(line));
    }
    assert!(parse("rollback \"Application shop").is_err_and(|why| why.contains("closing quote")));
    assert!(parse("abort checkout now").is_err_and(|why| why.contains("`now` is not expected")));
    assert!(parse("phase done").is_err_and(|why| why.contains("`done` is not a phase")));
}

#[test]
fn a_long_note_is_taken_whole() {
    let long = "word ".repeat(2_000);
    let Ok(Command::Note { text }) = parse(&format!("note {long}")) else { panic!("it is a note") };
    assert_eq!(&*text, long.trim());
}
