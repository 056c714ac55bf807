use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::Catalogue;
use crate::model::log::{LogBatch, LogStream};
use crate::model::name::Origin;
use crate::model::signal::{Signal, Stamped};
use crate::observe::Picture;
use crate::observe::logs::{LineId, Scan};

fn write(picture: &mut Picture, from: u64, lines: u64) {
    let at: crate::clock::World = "2026-11-21T03:14:07Z".parse().unwrap();
    let stream = LogStream { group: "g".into(), name: "s".into() };
    let mut batch = LogBatch::default();
    for line in from..from + lines {
        batch.push(&stream, at, &format!("line {line} {}", "x".repeat(line as usize % 60)));
    }
    let origin = Origin { env: "prod".into(), source: "pods".into() };
    picture.apply(Stamped { origin, occurred: at, observed: at, body: Signal::Logs(batch) });
}

fn look(text: &str) -> Wanted {
    let pattern = LogPattern::new(text, true).map(|pattern| (pattern, false));
    Wanted { filter: Some(LogFilter { pattern, ..LogFilter::default() }), search: None }
}

/// Scans that are under way: part by part, as a thread does them.
#[derive(Default)]
struct Beside(VecDeque<(Errand, Scan, usize)>);

impl Beside {
    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // A scan of another ticket ends; the answers it gave already may still come.
                Effect::Scan { errand, scan } => self.0.push_back((errand, scan, 0)),
                other => assert_eq!(other, Effect::StopScan(Purpose::Filter)),
            }
        }
    }

    /// One part of one scan.
    fn answer(&mut self, which: usize) -> Option<Scanned> {
        let at = which.checked_rem(self.0.len())?;
        let (errand, scan, part) = &mut self.0[at];
        let mut found = scan.start();
        if scan.parts() > 0 {
            found = scan.part(*part, &scan.hand());
        }
        *part += 1;
        let (errand, done) = (*errand, *part >= scan.parts());
        if done {
            self.0.remove(at);
        }
        Some(Scanned { errand, found, done })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However lines come and go and answers are late, of one pattern or of another: in the end
    /// exactly the lines that are kept have been looked at.
    #[test]
    fn in_the_end_every_line_was_looked_at_once(
        cap in 4_000usize..60_000,
        steps in proptest::collection::vec((0u8..8, 0usize..60), 0..120),
    ) {
        let mut picture = Picture::with_log_cap(Arc::new(Catalogue::default()), cap);
        let (mut scans, mut beside) = (Scans::default(), Beside::default());
        let mut written = 0;
        let mut text = "1";
        write(&mut picture, 0, 50);
        written += 50;
        beside.perform(scans.look(look(text), &picture.logs));
        for (what, how) in steps {
            match what {
                0..=2 => {
                    write(&mut picture, written, how as u64);
                    written += how as u64;
                    beside.perform(scans.keep_up(&picture.logs));
                }
                3 => {
                    text = ["1", "7 x", "3"][how % 3];
                    beside.perform(scans.look(look(text), &picture.logs));
                }
                _ => {
                    if let Some(scanned) = beside.answer(how) {
                        beside.perform(scans.scanned(scanned, &picture.logs));
                    }
                }
            }
        }
        while let Some(scanned) = beside.answer(0) {
            beside.perform(scans.scanned(scanned, &picture.logs));
        }
        let logs = &picture.logs;
        let wanted = look(text).filter.unwrap();
        let found = scans.filtered(&wanted).unwrap();
        prop_assert_eq!((found.from(), found.to()), (logs.oldest(), logs.next()));
        prop_assert_eq!(scans.progress(Purpose::Filter, logs), None, "nothing is under way");
        for id in logs.oldest().0..logs.next().0 {
            let line = logs.line(LineId(id)).unwrap();
            prop_assert_eq!(found.contains(LineId(id)), line.text.contains(text), "{}", line.text);
        }
    }
}

#[test]
fn a_filter_is_told_how_far_it_got_and_forgotten_when_it_goes() {
    let mut picture = Picture::with_log_cap(Arc::new(Catalogue::default()), 400_000);
    (0..4).for_each(|n| write(&mut picture, 1000 * n, 1000));
    let (mut scans, mut beside) = (Scans::default(), Beside::default());
    beside.perform(scans.look(look("1"), &picture.logs));
    assert!(scans.awaited());
    assert_eq!(scans.progress(Purpose::Filter, &picture.logs), Some((0, 4000)));
    let first = beside.answer(0).unwrap();
    assert!(!first.done, "there are several chunks");
    beside.perform(scans.scanned(first, &picture.logs));
    assert!(!scans.awaited());
    let (done, all) = scans.progress(Purpose::Filter, &picture.logs).unwrap();
    assert!(0 < done && done < all);
    // A filter that lets fewer of the same lines pass is served by the same scan.
    let mut stricter = look("1").filter.unwrap();
    stricter.level = Some(crate::model::log::Level::Error);
    assert!(scans.filtered(&stricter).is_some());
    assert_eq!(scans.look(Wanted::default(), &picture.logs), [Effect::StopScan(Purpose::Filter)]);
    assert!(scans.filtered(&stricter).is_none() && !scans.awaited());
    let late = beside.answer(0).unwrap();
    assert_eq!(scans.scanned(late, &picture.logs), []);
}
