//! One child process: a session of its own, no terminal, no input, a limit, its output bounded.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::clock::{Wall, wall};
use crate::model::runbook::{STOP_GRACE, Step};
use crate::text::{Safe, clean_block, redact_safe};

use super::pinned::{Current, Pinned};

/// Of longer output the beginning and the end are kept, in bytes.
const HEAD: usize = 16 * 1024;
/// See [`HEAD`].
const TAIL: usize = 32 * 1024;
/// How often it is looked whether the child has ended while something still holds its output.
const LOOK: Duration = Duration::from_millis(50);
/// How long output may still come after the child's end.
const DRAIN: Duration = Duration::from_millis(500);

/// How long a child that is asked to end may take, and all that it started, before it is killed.
const GRACE: Duration = if cfg!(test) { Duration::from_secs(2) } else { STOP_GRACE };

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Code(i32),
    /// By somebody's signal.
    Signal(i32),
    /// Its time was over.
    Late(Duration),
    /// Somebody had it stopped.
    Stopped {
        /// Who.
        by: Safe,
        /// Whether it took more than being asked.
        killed: bool,
    },
    /// Nobody could tell.
    Lost,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Late(limit) => write!(f, "killed after {} s, which was its limit", limit.as_secs()),
            Self::Stopped { by, killed: false } => write!(f, "stopped by {by} (SIGTERM)"),
            Self::Stopped { by, killed: true } => {
                write!(f, "stopped by {by} (SIGTERM, and SIGKILL {} s later)", STOP_GRACE.as_secs())
            }
            Self::Lost => f.write_str("how it ended could not be read"),
        }
    }
}

/// What is known of a run.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) end: Option<End>,
    /// Who wants it stopped, as long as it still runs.
    pub(super) stopping: Option<Safe>,
    took: Duration,
    lines: usize,
}

impl Told {
    /// `after 3 s, 12 lines of output`.
    pub(super) fn words(&self) -> String {
        let lines = match self.lines {
            0 => "no output".to_owned(),
            1 => "1 line of output".to_owned(),
            lines => format!("{lines} lines of output"),
        };
        format!("{} {} s, {lines}", if self.end.is_some() { "after" } else { "for" }, self.took.as_secs())
    }
}

/// One run of a step.
#[derive(Debug)]
pub(super) struct Run {
    pid: u32,
    began: Wall,
    state: Mutex<State>,
    over: watch::Sender<bool>,
    /// Who wants it stopped.
    stop: watch::Sender<Option<Safe>>,
}

#[derive(Debug, Default)]
struct State {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
    lines: usize,
    /// Whether the last byte ended a line.
    open_line: bool,
    end: Option<(End, Duration)>,
}

impl State {
    fn push(&mut self, bytes: &[u8]) {
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.open_line = bytes.last().is_some_and(|byte| *byte != b'\n');
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
        self.left_out += over;
    }

    fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.left_out == 0 {
            return String::from_utf8_lossy(&[self.head.as_slice(), &tail].concat()).into_owned();
        }
        // Whole lines on both sides: half a secret is not known for one.
        let head = String::from_utf8_lossy(&self.head).into_owned();
        let tail = String::from_utf8_lossy(&tail).into_owned();
        let head = head.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let tail = tail.split_once('\n').map_or("", |(_, whole)| whole);
        format!("{head}\n… [at least {} bytes are left out]\n{tail}", self.left_out)
    }
}

impl Run {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn told(&self) -> Told {
        let state = self.state();
        let (end, took) = state.end.clone().unzip();
        let took = took.unwrap_or_else(|| wall().duration_since(self.began));
        let stopping = self.stop.borrow().clone().filter(|_| end.is_none());
        Told { end, stopping, took, lines: state.lines + usize::from(state.open_line) }
    }

    /// What it printed: clean, and with secrets taken out.
    pub(super) fn output(&self) -> Safe {
        let text = self.state().text();
        redact_safe(clean_block(text.trim_end()))
    }

    /// Has it end, in the name of whoever asks first. Whether it was still running.
    pub(super) fn stop(&self, by: &Safe) -> bool {
        if self.state().end.is_some() {
            return false;
        }
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert_with(|| by.clone());
            first
        });
        true
    }

    /// Returns when somebody wants it stopped: who.
    async fn asked_to_stop(&self) -> Safe {
        let mut asked = self.stop.subscribe();
        match asked.wait_for(Option::is_some).await.map(|by| by.clone()) {
            Ok(Some(by)) => by,
            // The sender is here, and it is waited for somebody.
            _ => std::future::pending().await,
        }
    }

    /// Returns when it is over.
    pub(super) async fn ended(&self) {
        // The sender is here.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

/// A child and what it started: its session and its process group bear its number. Killed when
/// this is dropped, as when the program ends.
struct Group(Child);

impl Group {
    fn pid(&self) -> Option<Pid> {
        self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // No number: it was waited for, and its number may be another's by now.
        if let Some(pid) = self.pid()
            && rustix::process::kill_process_group(pid, signal).is_err()
        {
            // Just begun, it has no group of its own yet: it has started nothing either.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Returns when nothing of the group runs any more. It is looked for the group as the system
    /// keeps it: the child itself may end long before what it started.
    async fn empty(&self) {
        let Some(pid) = self.pid() else { return };
        // One that was just begun may have no group of its own yet.
        while !self.has_ended() || tokio::task::spawn_blocking(move || has_members(pid)).await.unwrap_or(true) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the child itself has ended; it is not waited for yet, so that its number stays its.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.pid().is_none_or(|pid| !matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None)))
    }
}

/// Whether a process of this group runs. One that has ended and was not waited for does not. Where
/// there is no `/proc` nobody can tell: then something may.
fn has_members(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let group = group.as_raw_nonzero().to_string();
    let belongs = |stat: String| {
        // `PID (NAME) STATE PARENT GROUP …`; a name may hold anything.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let state = fields.next().unwrap_or_default();
        !matches!(state, "Z" | "X") && fields.nth(1) == Some(group.as_str())
    };
    let mut found = false;
    let any =
        processes.flatten().filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    for process in any {
        found = true;
        if std::fs::read_to_string(process.path().join("stat")).is_ok_and(belongs) {
            return true;
        }
    }
    !found
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the step. The error says why nothing was run.
pub(super) fn start(step: &Step, folder: &Path, pinned: &Pinned) -> Result<Arc<Run>, Safe> {
    let shell = step.shell.as_str();
    let failed = |why: std::io::Error| Safe::from(format!("`{shell}` could not be started ({why})"));
    let (variables, current) = pinned.variables().map_err(failed)?;
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let spawn = |session: bool| {
        let mut command = Command::new(if session { "setsid" } else { shell });
        if session {
            command.arg(shell);
        } else {
            command.process_group(0);
        }
        command
            .args(["-c", step.command.as_str()])
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            // One pipe for both: what was printed stays in its order.
            .stdout(writer.try_clone()?)
            .stderr(writer.try_clone()?)
            .kill_on_drop(true);
        command.spawn()
    };
    let child = match spawn(true) {
        // Without `setsid` a process group in the background has to do: it cannot read from the
        // terminal either.
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => spawn(false),
        other => other,
    };
    let group = Group(child.map_err(failed)?);
    drop(writer);
    let reader = Receiver::from_owned_fd(reader.into()).map_err(failed)?;
    let run = Arc::new(Run {
        pid: group.0.id().unwrap_or_default(),
        began: wall(),
        state: Mutex::default(),
        over: watch::Sender::new(false),
        stop: watch::Sender::new(None),
    });
    tokio::spawn(watched(Arc::clone(&run), group, reader, step.limit, current));
    Ok(run)
}

/// Reads what it prints until it is over.
async fn watched(run: Arc<Run>, mut group: Group, mut reader: Receiver, limit: Duration, current: Option<Current>) {
    let reading = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            run.state().push(buffer.get(..read).unwrap_or_default());
        }
    };
    tokio::pin!(reading);
    // Whether all of its output is there.
    let mut read = false;
    let other = {
        let over = async {
            while !group.has_ended() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let both = async {
            tokio::pin!(over);
            tokio::select! {
                // All of its output is there: its end is near, or it closed what it had.
                () = reading.as_mut() => {
                    read = true;
                    over.await;
                }
                // Something that it started may hold its output for ever.
                () = &mut over => read = tokio::time::timeout(DRAIN, reading.as_mut()).await.is_ok(),
            }
        };
        tokio::select! {
            biased;
            () = both => None,
            by = run.asked_to_stop() => Some(End::Stopped { by, killed: false }),
            () = tokio::time::sleep(limit) => Some(End::Late(limit)),
        }
    };
    // By itself, unless something else is told.
    let other = match other {
        Some(End::Stopped { by, .. }) => {
            group.signal(Signal::TERM);
            let ended = async {
                let empty = group.empty();
                tokio::pin!(empty);
                loop {
                    tokio::select! {
                        () = &mut empty => return,
                        () = reading.as_mut(), if !read => read = true,
                    }
                }
            };
            let killed = tokio::time::timeout(GRACE, ended).await.is_err();
            Some(End::Stopped { by, killed })
        }
        other => other,
    };
    // What it left running ends with it.
    group.kill();
    if other.is_some() && !read {
        let _ = tokio::time::timeout(DRAIN, reading).await;
    }
    let status = group.0.wait().await;
    drop(current);
    let end = other.unwrap_or_else(|| end_of(status));
    run.state().end = Some((end, wall().duration_since(run.began)));
    run.over.send_replace(true);
}

fn end_of(status: std::io::Result<ExitStatus>) -> End {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Err(_) => End::Lost,
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code),
            (None, Some(signal)) => End::Signal(signal),
            (None, None) => End::Lost,
        },
    }
}
