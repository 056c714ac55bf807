//! The loop with a front that plays a script: nothing that was asked for is lost at the end, and
//! nobody is starved.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::config::testing::environment;
use crate::config::{Catalogue, WritePolicy};
use crate::connect::Follow;
use crate::model::entry::{Actor, EntryKind};
use crate::model::plan::Refusal;
use crate::record::Archive;
use crate::session::commands::parse;
use crate::session::{Bearings, Input, Ledger, Means, Wanted};

/// How long the slowest machine may take.
const DEADLINE: Duration = Duration::from_secs(20);

fn setup(root: &Path) -> Setup {
    on(Archive::new(root))
}

fn on(archive: Archive) -> Setup {
    let env = environment(WritePolicy::Deny);
    let clock = Clock::real();
    let core = Core::new(&env, Arc::new(Catalogue::default()), Actor::system(), clock.now(), 0);
    let bearings = Bearings {
        env: "prod-eu".into(),
        titles: Default::default(),
        drill: false,
        actor: Actor::system(),
        at: clock.now(),
    };
    let (runner, answers) = Runner::new(Means {
        clock: clock.clone(),
        ledger: Ledger::open(archive, bearings),
        engine: Err(Refusal { why: "read-only".into() }),
        ask: None,
        follow: watch::channel(Follow::default()).0,
    });
    Setup { core, clock, inbox: Inbox::new(), runner, answers, signals: Signals::listen() }
}

/// Types its lines as fast as they are taken.
struct Script(VecDeque<&'static str>);

impl Front for Script {
    async fn input(&mut self) -> Input {
        match self.0.pop_front() {
            Some(line) => Input::Command(parse(line).unwrap()),
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, input: Input, _core: &Core) -> Vec<Command> {
        if let Input::Command(command) = input { vec![command] } else { Vec::new() }
    }

    fn show(&mut self, _core: &Core) -> Result<(), FrontError> {
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(33)
    }
}

#[tokio::test]
async fn whoever_declares_an_incident_and_leaves_at_once_finds_it_again() {
    let root = tempfile::tempdir().unwrap();
    let mut front = Script(["note early", "open Checkout fails", "quit"].into());
    let (done, core) = tokio::time::timeout(DEADLINE, run(setup(root.path()), &mut front)).await.unwrap();
    assert_eq!(done, Done::Left);
    assert_eq!(core.journal_failed, None);
    let left = Archive::new(root.path()).unfinished("prod-eu", false).unwrap().expect("it is offered to be resumed");
    assert_eq!(left.title, "Checkout fails");
    assert!(!left.being_written, "its file is sealed");
    assert!(left.record.entries.iter().any(|entry| entry.draft.title == "early"), "{:?}", left.record.entries);
}

#[tokio::test]
async fn a_postmortem_that_was_asked_for_right_before_leaving_is_written_whole() {
    let root = tempfile::tempdir().unwrap();
    let mut setup = setup(root.path());
    let mut opening = Script(["open Checkout fails", "quit"].into());
    // The incident stands before the lines come that are typed ahead.
    let (_, core) = {
        let Setup { core, clock, inbox, runner, answers, signals } = setup;
        let first = Setup { core, clock, inbox, runner, answers, signals };
        tokio::time::timeout(DEADLINE, run(first, &mut opening)).await.unwrap()
    };
    let id = core.incident.unwrap().id;
    setup = self::setup(root.path());
    setup.core.resume = Some(crate::session::ResumeOffer {
        id: id.clone(),
        title: "t".into(),
        last: setup.core.now,
        open_intents: 0,
        being_written: false,
    });
    let mut front = Resumes { said: false, then: Script(["note the last word", "export", "close", "quit"].into()) };
    let (_, core) = tokio::time::timeout(DEADLINE, run(setup, &mut front)).await.unwrap();
    assert_eq!(core.closed, Some(id.clone()));
    let text = std::fs::read_to_string(root.path().join(format!("{id}.postmortem.md"))).unwrap();
    assert!(text.contains("the last word"));
}

/// Resumes the incident, and plays the rest once that is done.
struct Resumes {
    said: bool,
    then: Script,
}

impl Front for Resumes {
    async fn input(&mut self) -> Input {
        if self.said {
            return self.then.input().await;
        }
        tokio::task::yield_now().await;
        Input::Continued
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        self.said = core.incident.is_some();
        match input {
            Input::Continued if core.resume.is_some() => vec![Command::Resume],
            input => self.then.handle(input, core),
        }
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.said = core.incident.is_some();
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// Types without end, until one of its notes is shown.
struct Flood(crate::clock::Wall);

impl Front for Flood {
    async fn input(&mut self) -> Input {
        Input::Command(parse("note x").unwrap())
    }

    fn handle(&mut self, _input: Input, core: &Core) -> Vec<Command> {
        let shown = core.entries.iter().any(|entry| entry.draft.kind == EntryKind::Note);
        // Given up: the test sees that nothing was shown by then.
        if shown || clock::wall() > self.0 { vec![Command::Quit] } else { vec![Command::DeclineResume] }
    }

    fn show(&mut self, _core: &Core) -> Result<(), FrontError> {
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(33)
    }
}

#[tokio::test]
async fn input_without_end_does_not_keep_the_record_from_being_shown() {
    let root = tempfile::tempdir().unwrap();
    let mut setup = setup(root.path());
    for effect in update(&mut setup.core, Message::Command(parse("note x").unwrap())) {
        setup.runner.perform(effect);
    }
    let mut core = {
        let mut front = Flood(clock::wall() + Duration::from_secs(5));
        let done = tokio::time::timeout(DEADLINE, turn(&mut setup, &mut front)).await.unwrap();
        assert_eq!(done, Done::Left);
        setup.core
    };
    assert_eq!(core.entries.len(), 1, "the answer of the journal had its turn");
    setup.runner.finish(&mut setup.answers, &mut core).await;
}

/// Looks for something in the log once it was told to, and leaves when all was found.
struct Looks {
    lines: VecDeque<&'static str>,
    wanted: Wanted,
    seen: Vec<u64>,
}

impl Front for Looks {
    async fn input(&mut self) -> Input {
        match self.lines.pop_front() {
            Some(line) => Input::Command(parse(line).unwrap()),
            None if self.seen.last() == Some(&500) => Input::Ended,
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, input: Input, _core: &Core) -> Vec<Command> {
        match input {
            Input::Command(command) => {
                let pattern = crate::observe::logs::LogPattern::new("needle", true).map(|it| (it, false));
                self.wanted.filter = Some(crate::observe::logs::LogFilter { pattern, ..Default::default() });
                vec![command]
            }
            _ => vec![Command::Quit],
        }
    }

    fn wanted(&self) -> Wanted {
        self.wanted.clone()
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        let found = self.wanted.filter.as_ref().and_then(|filter| core.scans.filtered(filter));
        self.seen.extend(found.map(|found| found.count()));
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_filter_is_answered_beside_the_loop() {
    use crate::model::log::{LogBatch, LogStream};
    use crate::model::signal::{Signal, Stamped};
    let folder = tempfile::tempdir().unwrap();
    let mut setup = setup(folder.path());
    let at = setup.clock.now();
    for _ in 0..500 {
        let mut batch = LogBatch::default();
        let stream = LogStream { group: "g".into(), name: "s".into() };
        for text in ["a needle", &"hay ".repeat(500)] {
            batch.push(&stream, at, text);
        }
        let origin = crate::model::name::Origin { env: "prod-eu".into(), source: "pods".into() };
        setup.core.picture.apply(Stamped { origin, occurred: at, observed: at, body: Signal::Logs(batch) });
    }
    let mut front = Looks { lines: ["note looking"].into(), wanted: Wanted::default(), seen: Vec::new() };
    let (done, _) = tokio::time::timeout(DEADLINE, run(setup, &mut front)).await.unwrap();
    assert_eq!((done, front.seen.last()), (Done::Left, Some(&500)));
    assert!(front.seen.is_sorted());
}

/// Leaves, and keeps what it was shown last.
struct Leaves(Option<crate::session::Notice>);

impl Front for Leaves {
    async fn input(&mut self) -> Input {
        Input::Ended
    }

    fn handle(&mut self, _input: Input, _core: &Core) -> Vec<Command> {
        vec![Command::Quit]
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.0.clone_from(&core.notice);
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_record_that_could_not_be_closed_is_told_at_the_end() {
    let disk = crate::record::testing::MemoryDisk::default();
    let setup = on(Archive::on("/records", Arc::new(disk.clone())));
    // The disk fills up after the last entry: only the seal is lost.
    disk.fill_up(0);
    let mut front = Leaves(None);
    let (done, core) = tokio::time::timeout(DEADLINE, run(setup, &mut front)).await.unwrap();
    assert_eq!(done, Done::Left);
    assert!(core.journal_failed.is_some() && !core.may_act());
    let notice = front.0.expect("the last picture says it");
    assert_eq!(notice.kind, crate::session::NoticeKind::Error);
    assert!(notice.text.starts_with("not recorded: "), "{}", notice.text);
}
