//! What the screen costs: from a key to its frame while log lines pour in, an idle screen, a drill.
//!
//! `tests/bench/run --only screen` runs it: it prints a row a measurement and ends with 1 if a bar
//! was missed. It starts itself in a pseudo-terminal of 120×40: a session of this
//! library, with a source in its own process that hands over so many lines a second at the outlet,
//! where all sources do. The drill is the program's own. Times are the wall's: measure on a quiet
//! machine.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a benchmark that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "what is measured is the wall's time")]

#[path = "../support/terminal.rs"]
mod terminal;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rustix::process::Signal as Posix;
use tokio::sync::watch;
use warroom::clock::Clock;
use warroom::config::{Catalogue, Environment, WritePolicy};
use warroom::connect::{Follow, Inbox, Outlet};
use warroom::model::entry::Actor;
use warroom::model::log::{LogBatch, LogStream};
use warroom::model::name::{EnvId, Origin, SourceId};
use warroom::model::plan::Refusal;
use warroom::model::signal::{Signal, SourceState};
use warroom::record::Archive;
use warroom::session::{Bearings, Core, Ledger, Means, Runner, Setup, Signals, run};
use warroom::text::Safe;
use warroom::tui::term::Tty;
use warroom::tui::{Options, Screen};

use terminal::Terminal;

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
const LINES_A_SECOND: usize = 20_000;
const KEYS: usize = 500;
/// Steady before it is measured.
const WARM: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(30);
const DRILL: Duration = Duration::from_secs(60);
/// Everything that a clock tick changes has come by then.
const TICK: Duration = Duration::from_millis(250);

const KEY_P99: Duration = Duration::from_millis(16);
const IDLE_CPU: f64 = 0.3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--feed") {
        feed(arguments[at + 1].parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let met = [keys(), idle(), drill()];
    if met.iter().all(|met| *met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(work: &str, measured: &str, bar: &str, met: bool) -> bool {
    let judged = if bar == "-" {
        "-"
    } else if met {
        "met"
    } else {
        "missed"
    };
    println!("row\t{work}\t{measured}\t{bar}\t{judged}");
    met
}

/// This program again, as a session into which so many lines a second come.
fn session(rate: usize) -> Terminal {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--feed", &rate.to_string()]);
    command.env("TMPDIR", home.path());
    let terminal = Terminal::start(command, COLUMNS, ROWS);
    terminal.draws("PRODUCTION bench");
    // Kept until the benchmark ends: the session writes there.
    std::mem::forget(home);
    terminal
}

fn keys() -> bool {
    let mut terminal = session(LINES_A_SECOND);
    std::thread::sleep(WARM);
    let mut took: Vec<Duration> = Vec::with_capacity(KEYS);
    for n in 0..KEYS {
        // Out of step with the frames of the log.
        std::thread::sleep(Duration::from_millis(20 + (n as u64 * 37) % 61));
        // The focus is a heavy frame: alerts and services in turn.
        let (key, column) = if n % 2 == 0 { ("2", 1) } else { ("1", 0) };
        let start = Instant::now();
        terminal.press(key);
        terminal.sees("the focus", |screen| {
            let corner = |at: u16| screen.cell(3, at).is_some_and(|cell| cell.contents() == "┏");
            if column == 0 { corner(0) } else { !corner(0) }
        });
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let title = terminal.contents().lines().find(|line| line.contains("3 Logs")).unwrap_or_default().to_owned();
    let rate = title.split_whitespace().find(|word| word.ends_with("/s")).unwrap_or("?").to_owned();
    let cpu = cpu_during(&terminal, Duration::from_secs(5));
    terminal.signal(Posix::TERM);
    terminal.ends();
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    let measured = format!(
        "p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms of {KEYS} keys; {rate} shown, {cpu:.0} % CPU",
        at(0.5).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3,
        at(1.0).as_secs_f64() * 1e3,
    );
    row("key to frame while 20,000 lines/s come in", &measured, "p99 16 ms", at(0.99) <= KEY_P99)
}

fn idle() -> bool {
    let terminal = session(0);
    std::thread::sleep(WARM);
    let start = Instant::now();
    let cpu = cpu_during(&terminal, IDLE);
    let arrivals = terminal.arrivals(start);
    terminal.signal(Posix::TERM);
    terminal.ends();
    let bytes: usize = arrivals.iter().map(|(_, bytes)| bytes).sum();
    // Ticks come once a second: what comes elsewhere is between them.
    let first = arrivals.first().map_or(start, |(at, _)| *at);
    let between: usize = arrivals
        .iter()
        .filter(|(at, _)| {
            let phase = Duration::from_nanos((at.duration_since(first).as_nanos() % 1_000_000_000) as u64);
            phase > TICK && phase < Duration::from_secs(1) - TICK
        })
        .map(|(_, bytes)| bytes)
        .sum();
    let seconds = IDLE.as_secs_f64();
    let measured = format!("{between} bytes between, {:.0} bytes/s with them, {cpu:.2} % CPU", bytes as f64 / seconds);
    row("idle", &measured, "0 bytes between clock ticks, 0.3 % CPU", between == 0 && cpu < IDLE_CPU)
}

fn drill() -> bool {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_warroom"));
    command.args(["drill", "rate-limit-storm", "--speed", "1", "--join-after", "12m"]);
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "TMPDIR"] {
        command.env(name, home.path());
    }
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let terminal = Terminal::start(command, COLUMNS, ROWS);
    terminal.draws("DRILL");
    std::thread::sleep(WARM);
    let start = Instant::now();
    let cpu = cpu_during(&terminal, DRILL);
    let bytes: usize = terminal.arrivals(start).iter().map(|(_, bytes)| bytes).sum();
    terminal.signal(Posix::TERM);
    terminal.ends();
    let measured =
        format!("{:.0} bytes/s, {cpu:.1} % CPU, its world's servers included", bytes as f64 / DRILL.as_secs_f64());
    row("a drill at its own speed, 120×40", &measured, "-", true)
}

/// Per cent of one core that the program used while `time` passed, also in threads that have ended.
fn cpu_during(terminal: &Terminal, time: Duration) -> f64 {
    let id = terminal.id().as_raw_nonzero();
    // proc(5): `PID (NAME) STATE …`, and utime and stime are fields 14 and 15, in hundredths of a second.
    let used = || -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
        fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    };
    let (before, start) = (used(), Instant::now());
    std::thread::sleep(time);
    (used() - before) / start.elapsed().as_secs_f64() * 100.0
}

/// The session that is measured, until it is told to end.
fn feed(rate: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::real();
        let env = Environment {
            name: EnvId::from("bench"),
            production: true,
            color: None,
            write: WritePolicy::Deny,
            write_window: Duration::from_secs(60),
            drill: false,
            kubernetes: None,
            aws: None,
            alertmanager: Vec::new(),
            prometheus: Vec::new(),
        };
        let signals = Signals::listen();
        let core = Core::new(&env, Arc::new(Catalogue::default()), Actor::system(), clock.now(), 0);
        let mut screen = Screen::new(Options::shipped().unwrap(), Arc::new(Tty::open().unwrap())).unwrap();
        screen.restore_on_panic();
        let bearings = Bearings {
            env: env.name.0.clone(),
            drill: false,
            actor: Actor::system(),
            at: clock.now(),
            titles: std::collections::BTreeMap::new(),
        };
        let ledger = Ledger::open(Archive::new(std::env::temp_dir().join("archive")), bearings);
        let (follow, _followed) = watch::channel(Follow::default());
        let engine = Err(Refusal { why: Safe::fixed("a benchmark changes nothing") });
        let (runner, answers) = Runner::new(Means { clock: clock.clone(), ledger, engine, ask: None, follow });
        let inbox = Inbox::new();
        let origin = Origin { env: env.name.clone(), source: SourceId::from("pod-logs") };
        let outlet = inbox.outlet(origin, clock.clone());
        tokio::spawn(pour(outlet, clock.clone(), rate));
        run(Setup { core, clock, inbox, runner, answers, signals }, &mut screen).await;
    });
    runtime.shutdown_background();
}

/// Hands lines over, a hundredth of a second's worth at a time, cleaned and indexed as a source
/// does.
async fn pour(outlet: Outlet, clock: Clock, rate: usize) {
    let live = || Signal::Link(SourceState::Live { limited: None });
    let streams: Vec<LogStream> = (0..40)
        .map(|pod| LogStream {
            group: "shop/checkout".into(),
            name: Safe::from(format!("checkout-7f9c6d-x{pod:02}/app")),
        })
        .collect();
    // A source without lines is polled, as real ones are: its own wake-ups are not the screen's.
    let beat = if rate == 0 { Duration::from_secs(5) } else { Duration::from_millis(10) };
    let mut every = tokio::time::interval(beat);
    let (start, mut sent, mut told) = (Instant::now(), 0, 0);
    loop {
        every.tick().await;
        let now = clock.now();
        let seconds = start.elapsed().as_secs();
        let mut signals = Vec::new();
        if told <= seconds {
            told = seconds + 5;
            signals.push((now, live()));
        }
        let due = (start.elapsed().as_secs_f64() * rate as f64) as usize;
        if due > sent {
            let mut batch = LogBatch::default();
            while sent < due {
                let stream = &streams[sent % streams.len()];
                batch.push(stream, now, &line(sent, now));
                sent += 1;
            }
            signals.push((now, Signal::Logs(batch)));
        }
        outlet.send(signals, clock.hold()).await;
    }
}

fn line(n: usize, now: warroom::clock::World) -> String {
    let at = now.format("%Y-%m-%dT%H:%M:%S%.3fZ");
    match n % 20 {
        0 => format!("{at} ERROR POST /charge timed out after 2000 ms (attempt {}) order=o-{n} zone=eu-1b", n % 3 + 1),
        1 | 2 => format!("{at} WARN retry {} of 5 in {} ms order=o-{n} partner=acquirer zone=eu-1b", n % 5, n % 977),
        _ => format!("{at} INFO GET /cart/{n} 200 in {} ms user=u-{} bytes={} zone=eu-1b", n % 313, n % 7919, n % 4096),
    }
}
