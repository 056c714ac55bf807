//! The loop: one task owns the core; signals of the system, keys, time, frames, answers and
//! batches reach it in this order of urgency.

use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock::{self, Clock, Wall};
use crate::connect::{Batch, Inbox};
use crate::model::command::Command;
use crate::text::Safe;

use super::message::Envelope;
use super::{Core, Front, FrontError, Message, Runner, update};

/// Detectors that go by time are asked this often, in world time.
const TICK: Duration = Duration::from_secs(1);
/// So long may input, answers or batches keep the loop before it looks at the others again, by
/// the wall.
const TURN: Duration = Duration::from_millis(4);
/// A key that begins a scan of the log is answered with what that finds, if it finds something
/// within this time, by the wall.
const FIRST: Duration = Duration::from_millis(8);
/// How soon a front that is still busy with the last frame is asked again, at first; then more and
/// more seldom, since a link may stall for minutes; and at the most.
const BUSY: Duration = Duration::from_millis(1);
const BUSY_LONG: Duration = Duration::from_millis(40);

/// Everything that a session runs on.
pub struct Setup {
    /// Its state.
    pub core: Core,
    /// Its time.
    pub clock: Clock,
    /// What sources say.
    pub inbox: Inbox,
    /// What performs its effects.
    pub runner: Runner,
    /// What the runner answers.
    pub answers: UnboundedReceiver<Envelope>,
    /// What ends it from outside.
    pub signals: Signals,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Somebody asked it to.
    Left,
    /// The system told it to: `SIGTERM`, `SIGINT`, `SIGQUIT`.
    Told(&'static str),
    /// Its front is gone: the terminal hung up. Nothing more can be shown.
    FrontGone(Safe),
}

/// Runs a session until it ends; then makes the record durable and closes it. Gives the core
/// back as it was at the end.
pub async fn run<F: Front>(mut setup: Setup, front: &mut F) -> (Done, Core) {
    let done = turn(&mut setup, front).await;
    // What was asked for and not answered yet still reaches the record.
    setup.runner.finish(&mut setup.answers, &mut setup.core).await;
    if !matches!(done, Done::FrontGone(_)) {
        // The front may be gone by now as well; the record is safe either way.
        let _ = front.show(&setup.core);
    }
    (done, setup.core)
}

async fn turn<F: Front>(setup: &mut Setup, front: &mut F) -> Done {
    let Setup { core, clock, inbox, runner, answers, signals } = setup;
    let mut frames = Frames { dirty: true, last: None, after: None };
    let tick = clock.due(clock.next_multiple(TICK));
    tokio::pin!(tick);
    // Input came faster than it could be taken in: everything else has its turn first.
    let mut crowded = false;
    let mut busy = BUSY;
    loop {
        if !core.scans.awaited() {
            frames.after = None;
        }
        if frames.due(front).is_some_and(|due| due <= clock::wall()) && front.ready() {
            match front.show(core) {
                Ok(()) => {
                    (frames, busy) = (Frames { dirty: false, last: Some(clock::wall()), after: None }, BUSY);
                }
                Err(FrontError::Gone(why)) => return Done::FrontGone(why),
            }
        }
        if core.leaving {
            return Done::Left;
        }
        let frame = frames.due(front).map(|due| if front.ready() { due } else { due.max(clock::wall() + busy) });
        tokio::select! {
            biased;
            name = signals.next() => match name {
                "SIGHUP" => return Done::FrontGone(Safe::fixed("SIGHUP")),
                // The terminal sends them to everybody: Ctrl-C in an editor is the editor's.
                "SIGINT" | "SIGQUIT" if front.is_away() => {}
                name => return Done::Told(name),
            },
            input = front.input(), if !crowded => {
                // A key's answer is drawn at once.
                frames = Frames { dirty: true, last: None, after: None };
                let stop = clock::wall() + TURN;
                let mut next = Some(input);
                while let Some(input) = next {
                    for command in front.handle(input, core) {
                        // What a person does is stamped with its own time, not with the last
                        // tick's.
                        if core.now < clock.now() {
                            take(core, runner, Message::Tick(clock.now()));
                        }
                        take(core, runner, Message::Command(command));
                    }
                    let wanted = front.wanted();
                    if wanted != *core.scans.wanted() {
                        take(core, runner, Message::Look(wanted));
                        frames.after = Some(clock::wall() + FIRST);
                    }
                    crowded = clock::wall() >= stop;
                    next = if crowded || core.leaving { None } else { front.input().now_or_never() };
                }
            }
            hold = &mut tick => {
                take(core, runner, Message::Tick(clock.now()));
                runner.note_vitals(&core.picture, core.now);
                frames.dirty = true;
                tick.set(clock.due(clock.next_multiple(TICK)));
                drop(hold);
            }
            () = wait(frame), if frame.is_some() => busy = (busy * 2).min(BUSY_LONG),
            Some(answer) = answers.recv() => {
                frames.dirty = true;
                let stop = clock::wall() + TURN;
                let mut next = Some(answer);
                while let Some(Envelope { message, hold }) = next {
                    take(core, runner, message);
                    drop(hold);
                    next = if clock::wall() < stop { answers.try_recv().ok() } else { None };
                }
                crowded = false;
            }
            batch = inbox.next() => {
                frames.dirty = true;
                let stop = clock::wall() + TURN;
                let mut next = Some(batch);
                while let Some(Batch { signals, hold }) = next {
                    take(core, runner, Message::Signals(signals));
                    drop(hold);
                    next = if clock::wall() < stop { inbox.next().now_or_never() } else { None };
                }
                crowded = false;
            }
            () = tokio::task::yield_now(), if crowded => crowded = false,
        }
    }
}

fn take(core: &mut Core, runner: &mut Runner, message: Message) {
    if let Message::Command(Command::Quit) = &message {
        tracing::info!("asked to leave");
    }
    for effect in update(core, message) {
        runner.perform(effect);
    }
}

async fn wait(until: Option<Wall>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until.into()).await;
    }
}

/// When the next frame is due.
struct Frames {
    dirty: bool,
    last: Option<Wall>,
    /// Not before this, unless what is awaited has come.
    after: Option<Wall>,
}

impl Frames {
    fn due(&self, front: &impl Front) -> Option<Wall> {
        let paced = || self.last.map_or_else(clock::wall, |last| last + front.pace());
        (self.dirty || front.wants_frame()).then(|| self.after.map_or_else(paced, |after| after.max(paced())))
    }
}

/// The signals of the system that end a session. Listened to before the terminal is taken: one
/// that comes before the loop turns must not end the process with the terminal as it is.
#[derive(Debug)]
pub struct Signals(Vec<(&'static str, Signal)>);

impl Signals {
    /// From here on they do not end the process by themselves. Needs a runtime.
    pub fn listen() -> Self {
        let kinds = [
            ("SIGHUP", SignalKind::hangup()),
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGQUIT", SignalKind::quit()),
        ];
        Self(kinds.into_iter().filter_map(|(name, kind)| Some((name, signal(kind).ok()?))).collect())
    }

    /// The name of the next signal that asks the program to end.
    pub async fn next(&mut self) -> &'static str {
        let waits = self.0.iter_mut().map(|(name, signal)| {
            async move {
                match signal.recv().await {
                    Some(()) => *name,
                    None => std::future::pending().await,
                }
            }
            .boxed()
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        futures::future::select_all(waits).await.0
    }
}

#[cfg(test)]
mod tests;
