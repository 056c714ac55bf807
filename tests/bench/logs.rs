//! The log store at size: memory, ingest, and filters beside ripgrep on the same bytes.
//!
//! usage: cargo bench --bench logs   (`tests/bench/run` calls it and prints its rows)
//!
//! Every row is a line `row<TAB>work<TAB>measured<TAB>bar<TAB>verdict`. Times of ours and of
//! ripgrep's are medians of runs that take turns; ingest is counted in the time that its thread
//! was on a processor, so that a busy machine changes little.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints, and ends when something is wrong"
)]

#[path = "lines.rs"]
mod lines;

use std::alloc::System;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use warroom::clock::{self, World};
use warroom::config::Catalogue;
use warroom::model::log::{LogBatch, LogStream};
use warroom::model::name::Origin;
use warroom::model::signal::{Signal, Stamped};
use warroom::observe::Picture;
use warroom::observe::logs::{LogFilter, LogPattern};
use warroom::session::{Errand, Purpose, Scanner};
use warroom::text::Lines;

#[global_allocator]
static HEAP: cap::Cap<System> = cap::Cap::new(System, usize::MAX);

/// What one read of a socket brings.
const PIECE: usize = 64 * 1024;
/// Runs of which the median counts.
const RUNS: usize = 9;
const FIRST: Duration = Duration::from_millis(16);

/// A pattern as it is typed, what ripgrep is told to do the same, and what it is an example of.
const PATTERNS: [(&str, bool, &str, &[&str]); 6] = [
    ("PARTNER_TIMEOUT", false, "a literal", &["--fixed-strings"]),
    ("timed out after [0-9]{4} ms", false, "a regex", &[]),
    ("timed out after", false, "a literal in lower case (smart case)", &["--fixed-strings"]),
    (r"POST /v1/checkout/[0-9]+ HTTP/1\.1. 200 29[0-9]{2}", false, "a regex with capitals", &[]),
    ("o-[0-9]+|cart:[0-9]+", false, "a regex that every second line matches", &[]),
    ("PARTNER_TIMEOUT", true, "a literal, inverted", &["--fixed-strings", "--invert-match"]),
];

fn main() {
    // `cargo bench` passes arguments of its own.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("million.log");
    let bytes = write(&path);
    eprintln!("{} lines, {:.1} MB", lines::LINES, bytes as f64 / 1e6);
    ingest(&path);
    let picture = memory(&path, bytes);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let _within = runtime.enter();
    for (pattern, inverted, what, flags) in PATTERNS {
        filter(&picture, &path, pattern, inverted, what, flags);
    }
    lnav(&path);
}

fn row(work: &str, measured: &str, bar: &str, met: Option<bool>) {
    let verdict = met.map_or("-", |met| if met { "met" } else { "missed" });
    println!("row\t{work}\t{measured}\t{bar}\t{verdict}");
}

fn write(path: &Path) -> u64 {
    let mut file = BufWriter::new(File::create(path).expect("the temporary folder takes a file"));
    let mut line = Vec::new();
    for n in 0..lines::LINES {
        line.clear();
        lines::line(n, &mut line);
        file.write_all(&line).expect("room for 136 MB");
    }
    file.into_inner().expect("room for 136 MB").metadata().expect("its size").len()
}

/// Everything between a socket and the store.
struct Intake {
    lines: Lines,
    batch: LogBatch,
    stream: LogStream,
    at: World,
    picture: Picture,
}

impl Intake {
    fn new() -> Self {
        Self {
            lines: Lines::default(),
            batch: LogBatch::default(),
            stream: LogStream { group: "shop/payments".into(), name: "payments-7c9f/app".into() },
            at: "2026-11-21T03:14:07Z".parse().expect("a time"),
            picture: Picture::new(Arc::new(Catalogue::default())),
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let Self { lines, batch, stream, at, picture } = self;
        lines.push(piece, |line| {
            if !batch.push(stream, *at, line) {
                let body = Signal::Logs(std::mem::take(batch));
                let origin = Origin { env: "prod".into(), source: "pod-logs".into() };
                picture.apply(Stamped { origin, occurred: *at, observed: *at, body });
            }
        });
    }

    fn finish(mut self) -> Picture {
        let body = Signal::Logs(std::mem::take(&mut self.batch));
        let origin = Origin { env: "prod".into(), source: "pod-logs".into() };
        self.picture.apply(Stamped { origin, occurred: self.at, observed: self.at, body });
        self.picture
    }
}

fn ingest(path: &Path) {
    let data = std::fs::read(path).expect("the lines");
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut intake = Intake::new();
        let start = on_processor();
        data.chunks(PIECE).for_each(|piece| intake.take(piece));
        let picture = intake.finish();
        best = best.min(on_processor() - start);
        assert_eq!(picture.logs.counts().lines, lines::LINES);
    }
    let rate = lines::LINES as f64 / best.as_secs_f64();
    let measured =
        format!("{:.2} million lines/s ({:.0} MB/s)", rate / 1e6, data.len() as f64 / best.as_secs_f64() / 1e6);
    row(
        "ingest on one core: cut, sanitised, indexed, counted, sealed",
        &measured,
        "1 million lines/s",
        Some(rate >= 1e6),
    );
}

/// How long this thread was on a processor: the first number of `/proc/thread-self/schedstat`.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).expect("nanoseconds"))
}

fn memory(path: &Path, bytes: u64) -> Picture {
    let before = HEAP.allocated();
    let mut file = File::open(path).expect("the lines");
    let mut intake = Intake::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).expect("the lines") {
            0 => break,
            read => intake.take(&piece[..read]),
        }
    }
    drop(piece);
    let picture = intake.finish();
    let held = HEAP.allocated() - before;
    assert_eq!(picture.logs.counts().evicted, 0);
    let ratio = held as f64 / bytes as f64;
    let measured = format!("{:.1} MB of heap, {ratio:.3} × their bytes", held as f64 / 1e6);
    row("1,000,000 log lines (136 MB) in the store", &measured, "1.25 × their bytes", Some(ratio <= 1.25));
    picture
}

fn filter(picture: &Picture, path: &Path, pattern: &str, inverted: bool, what: &str, flags: &[&str]) {
    let (mut firsts, mut alls, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = (0, None);
    let mut ticket = 0;
    for _ in 0..RUNS {
        ticket += 1;
        let (first, all, count) = scan(picture, pattern, inverted, ticket);
        counts.0 = count;
        firsts.push(first);
        alls.push(all);
        if let Some((took, count)) = ripgrep(path, pattern, flags) {
            theirs.push(took);
            counts.1 = Some(count);
        }
    }
    let (first, all) = (median(&mut firsts), median(&mut alls));
    let work = format!("filter by {what}: {}{pattern}", if inverted { "!" } else { "" });
    row(&format!("{work}: first matches"), &milliseconds(first), "16 ms", Some(first <= FIRST));
    if theirs.is_empty() {
        row(&work, &format!("{}, {} lines; ripgrep is absent", milliseconds(all), counts.0), "2 × ripgrep", None);
        return;
    }
    assert_eq!(Some(counts.0), counts.1, "as many lines as ripgrep finds");
    let rg = median(&mut theirs);
    let ratio = all.as_secs_f64() / rg.as_secs_f64();
    let measured = format!("{}, {ratio:.2} × ripgrep's {}; {} lines", milliseconds(all), milliseconds(rg), counts.0);
    row(&work, &measured, "2 × ripgrep", Some(ratio <= 2.0));
}

/// Time to the first lines, to the last, and how many there are.
fn scan(picture: &Picture, pattern: &str, inverted: bool, ticket: u64) -> (Duration, Duration, u64) {
    let scanner = Scanner::default();
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let start = clock::wall();
    let sensitive = pattern.chars().any(char::is_uppercase);
    let pattern = LogPattern::new(pattern, sensitive).expect("a pattern");
    let filter = LogFilter { pattern: Some((pattern, inverted)), ..LogFilter::default() };
    let scan = picture.logs.scan(filter, picture.logs.oldest(), picture.logs.next());
    let mut found = scan.start();
    scanner.start(Errand { purpose: Purpose::Filter, ticket, new: false }, scan, move |scanned| {
        let _ = tell.lock().expect("no panic").send(scanned);
    });
    let mut first = None;
    loop {
        let scanned = told.recv().expect("an answer");
        assert!(found.join(scanned.found));
        if found.count() > 0 {
            first.get_or_insert_with(|| start.elapsed());
        }
        if scanned.done {
            let all = start.elapsed();
            return (first.unwrap_or(all), all, found.count());
        }
    }
}

fn ripgrep(path: &Path, pattern: &str, flags: &[&str]) -> Option<(Duration, u64)> {
    let start = clock::wall();
    let out = Command::new("rg")
        .args(["--count", "--smart-case", "--no-config"])
        .args(flags)
        .args(["--regexp", pattern])
        .arg(path)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    let took = start.elapsed();
    Some((took, String::from_utf8(out.stdout).ok()?.trim().parse().ok()?))
}

/// For comparison: lnav's index and filter of the same file, without a screen.
fn lnav(path: &Path) {
    let start = clock::wall();
    let ran = Command::new("lnav")
        .args(["-n", "-c", ":filter-in PARTNER_TIMEOUT"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let measured = match ran {
        Ok(status) if status.success() => format!("{:.2} s", start.elapsed().as_secs_f64()),
        Ok(status) => format!("it failed: {status}"),
        Err(_) => "absent".into(),
    };
    row("the same in lnav: read, indexed, filtered and printed", &measured, "-", None);
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
