use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::config::Catalogue;
use crate::model::log::{LogBatch, LogStream};
use crate::model::name::Origin;
use crate::model::signal::{Signal, Stamped};
use crate::observe::Picture;
use crate::observe::logs::{LineId, LogFilter, LogPattern};

/// A store of so many chunks, of which one line in each holds `needle`.
fn store(chunks: usize) -> Picture {
    let mut picture = Picture::new(Arc::new(Catalogue::default()));
    let at: crate::clock::World = "2026-11-21T03:14:07Z".parse().unwrap();
    let stream = LogStream { group: "g".into(), name: "s".into() };
    for chunk in 0..chunks {
        let mut batch = LogBatch::default();
        assert!(batch.push(&stream, at, &format!("needle {chunk}")));
        while batch.push(&stream, at, &"hay ".repeat(100)) {}
        let origin = Origin { env: "prod".into(), source: "pods".into() };
        picture.apply(Stamped { origin, occurred: at, observed: at, body: Signal::Logs(batch) });
    }
    picture
}

fn needle(picture: &Picture) -> Scan {
    let pattern = LogPattern::new("needle", true).map(|pattern| (pattern, false));
    let filter = LogFilter { pattern, ..LogFilter::default() };
    picture.logs.scan(filter, picture.logs.oldest(), picture.logs.next())
}

fn begin(scanner: &Scanner, ticket: u64, scan: Scan) -> Receiver<Scanned> {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    scanner.start(Errand { purpose: Purpose::Filter, ticket, new: false }, scan, move |scanned| {
        let _ = tell.lock().unwrap().send(scanned);
    });
    told
}

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn answers_are_adjacent_from_the_newest_on_and_the_last_says_so() {
    let picture = store(40);
    let scan = needle(&picture);
    assert_eq!(scan.parts(), 40);
    let mut all = scan.start();
    let scanner = Scanner::default();
    let told = begin(&scanner, 1, scan);
    tokio::task::spawn_blocking(move || {
        loop {
            let scanned = told.recv_timeout(SOON).unwrap();
            assert!(all.join(scanned.found), "a gap");
            if scanned.done {
                break;
            }
        }
        assert_eq!((all.from(), all.count()), (LineId(0), 40));
        assert!(told.recv_timeout(SOON).is_err(), "nothing comes after the last");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_empty_store_is_scanned_at_once() {
    let picture = store(0);
    let told = begin(&Scanner::default(), 1, needle(&picture));
    assert!(told.recv_timeout(SOON).unwrap().done);
}

/// The threads of a scan that is no longer wanted let go of the store.
#[tokio::test]
async fn a_scan_that_is_stopped_ends() {
    let picture = store(40);
    let scanner = Scanner::default();
    let first = begin(&scanner, 1, needle(&picture));
    let second = begin(&scanner, 2, needle(&picture));
    scanner.stop(Purpose::Filter);
    tokio::task::spawn_blocking(move || {
        for told in [first, second] {
            // Whatever was told before the end: the channel closes when the last thread is done.
            while told.recv_timeout(SOON).is_ok() {}
            assert_eq!(told.recv_timeout(SOON).unwrap_err(), std::sync::mpsc::RecvTimeoutError::Disconnected);
        }
    })
    .await
    .unwrap();
}
