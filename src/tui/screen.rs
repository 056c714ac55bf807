//! The front that is a screen.
//!
//! Owns: the terminal's events, its lifecycle while a session runs, and when a frame is sent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;
use ratatui::buffer::Buffer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::clock::wall;
use crate::model::command::Command;
use crate::model::entry::EntryId;
use crate::record::{Row, timeline};
use crate::session::{Core, Front, FrontError, Input, NoticeKind, Wanted};

use super::ScreenError;
use super::chrome::{self, Brush};
use super::editor::{Edited, Editing};
use super::keymap::Keymap;
use super::pacing::Pacing;
use super::saving::{Saved, Saving};
use super::scene::Scene;
use super::state::{State, Wish};
use super::term::{Depth, Device, Terminal, heard};
use super::theme::{Theme, Themes};
use super::words::Zone;

/// A stop that is going to happen has happened by then.
const STOPS_WITHIN: Duration = Duration::from_millis(50);
/// For so long after the editor ended, what its keys signalled is still its own: the system tells us
/// of the signal and of the end in either order, and a busy machine some time apart.
const STILL_AWAY: Duration = Duration::from_secs(2);
/// `SIGCONT` on Linux.
const SIGCONT: i32 = 18;

/// How a screen is set up. Everything is decided before the terminal is touched.
#[derive(Clone, Debug)]
pub struct Options {
    /// All themes that can be chosen.
    pub themes: Themes,
    /// The theme to begin with.
    pub theme: String,
    /// What keys do.
    pub keymap: Keymap,
    /// How many colours are shown.
    pub depth: Depth,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// How times are written; the first to begin with, the others by a key.
    pub zones: Vec<Zone>,
    /// Whether the mouse is taken.
    pub mouse: bool,
    /// Whether the terminal is behind SSH: frames come slower.
    pub ssh: bool,
    /// Whether the terminal is inside tmux: the clipboard sequence is wrapped.
    pub tmux: bool,
    /// The person's editor, a line for the shell; `None`: none is set.
    pub editor: Option<String>,
    /// Where `save-view` writes to; `None` turns it off.
    pub save_dir: Option<PathBuf>,
    /// Keys sooner than this after the first frame of a plan do nothing: they were typed before
    /// the plan was read.
    pub arm: Duration,
}

impl Options {
    /// The shipped theme and keys, 16 colours, UTC.
    pub fn shipped() -> Result<Self, super::KeymapError> {
        Ok(Self {
            themes: Themes::shipped(),
            theme: "default".into(),
            keymap: Keymap::shipped()?,
            depth: Depth::Ansi16,
            ascii: false,
            zones: vec![Zone::Utc, Zone::Relative],
            mouse: false,
            ssh: false,
            tmux: false,
            editor: None,
            save_dir: None,
            arm: Duration::from_millis(250),
        })
    }
}

/// A session on a screen. Dropping it restores the terminal.
pub struct Screen {
    options: Options,
    theme: Theme,
    state: State,
    terminal: Terminal,
    /// The editor that has the terminal, and what came of it.
    editing: Option<Editing>,
    edited: Option<Edited>,
    /// When the editor ended.
    back: Option<Instant>,
    /// The view that is being saved, and what became of it.
    saving: Option<Saving>,
    saved: Option<Saved>,
    continued: Option<Signal>,
    dirty: bool,
    pub(super) pacing: Pacing,
    rows: Vec<Row>,
    /// Of which entries the rows are made: how many, and the last.
    rows_of: (usize, Option<EntryId>),
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("area", &self.terminal.area()).finish_non_exhaustive()
    }
}

impl Screen {
    /// Loads the theme, then enters the terminal. From here on a panic restores it.
    pub fn new(options: Options, device: Arc<dyn Device>) -> Result<Self, ScreenError> {
        let theme = options.themes.load(&options.theme, options.depth)?;
        let mut terminal = Terminal::enter(device)?;
        if options.mouse {
            terminal.mouse(true);
        }
        let mut state = State::new(options.keymap.clone(), options.zones.clone(), options.arm);
        if let Some(problem) = state.keymap.conflicts.first() {
            let text = problem.to_string();
            state.say(NoticeKind::Error, text, wall());
        }
        let pacing = Pacing::new(options.ssh);
        Ok(Self {
            options,
            theme,
            state,
            terminal,
            editing: None,
            edited: None,
            back: None,
            saving: None,
            saved: None,
            continued: None,
            dirty: true,
            pacing,
            rows: Vec::new(),
            rows_of: (0, None),
        })
    }

    /// From now on a panic of the thread that shows the screen restores the terminal.
    pub fn restore_on_panic(&self) {
        self.terminal.restore_on_panic();
    }

    /// Ends the editor that still has the terminal, and takes the terminal back. Where what was
    /// saved by then is, if something was.
    pub fn end_editor(&mut self) -> Option<PathBuf> {
        let kept = self.editing.take()?.end();
        // An editor that had to be killed restored nothing.
        self.terminal.mend();
        if let Err(error) = self.terminal.enter_again() {
            tracing::error!(%error, "the terminal cannot be taken again");
        }
        kept
    }

    /// Waits until a view that is being saved is written and the terminal took the last frame, at
    /// most `patience` each.
    pub fn settle(&self, patience: Duration) -> bool {
        if let Some(saving) = &self.saving {
            saving.settle(patience);
        }
        self.terminal.settle(patience)
    }

    fn refresh_rows(&mut self, core: &Core) {
        let last = core.entries.last().map(|entry| &entry.id);
        if (self.rows_of.0, self.rows_of.1.as_ref()) != (core.entries.len(), last) {
            self.rows = timeline(&core.entries);
            self.rows_of = (core.entries.len(), last.cloned());
        }
    }

    pub(super) fn handle_in(&mut self, input: Input, scene: &Scene<'_>) -> Vec<Command> {
        let now = wall();
        self.dirty = true;
        self.note_written();
        let commands = match input {
            Input::Terminal(Event::Resize(columns, rows)) => {
                self.terminal.resize(columns, rows);
                Vec::new()
            }
            Input::Terminal(event) => self.state.event(&event, scene, now),
            Input::Command(command) => self.state.command(command, scene, now),
            Input::Ended => vec![Command::Quit],
            Input::Continued if self.saved.is_some() => {
                match self.saved.take() {
                    Some(Ok(path)) => self.state.say(NoticeKind::Done, format!("saved to {path}"), now),
                    Some(Err(why)) => self.state.say(NoticeKind::Error, why, now),
                    None => {}
                }
                Vec::new()
            }
            Input::Continued => {
                // Whoever stopped us may have left the terminal in any state.
                let edited = self.edited.take();
                if edited.is_some() {
                    self.terminal.mend();
                }
                if let Err(error) = self.terminal.enter_again() {
                    tracing::error!(%error, "the terminal cannot be taken again");
                }
                edited.map(|edited| self.state.edited(edited, now)).unwrap_or_default()
            }
        };
        for wish in std::mem::take(&mut self.state.wishes) {
            self.grant(wish, scene);
        }
        commands
    }

    fn grant(&mut self, wish: Wish, scene: &Scene<'_>) {
        let now = wall();
        match wish {
            Wish::Redraw => self.terminal.redraw(),
            Wish::Suspend => self.suspend(),
            Wish::ToggleMouse => {
                self.options.mouse = !self.options.mouse;
                self.terminal.mouse(self.options.mouse);
                let text = if self.options.mouse { "the mouse is the screen's" } else { "the mouse is the terminal's" };
                self.state.say(NoticeKind::Info, text, now);
            }
            Wish::CycleTheme => {
                let names: Vec<&str> = self.options.themes.names().collect();
                let at = names.iter().position(|name| *name == self.options.theme).map_or(0, |at| at + 1);
                let Some(next) = names.get(at % names.len().max(1)).map(|name| (*name).to_owned()) else { return };
                match self.options.themes.load(&next, self.options.depth) {
                    Ok(theme) => {
                        self.state.say(NoticeKind::Info, format!("theme {next}"), now);
                        self.theme = theme;
                        self.options.theme = next;
                    }
                    Err(error) => self.state.say(NoticeKind::Error, error.to_string(), now),
                }
            }
            Wish::Edit(text) => self.edit(&text),
            Wish::Copy(text) => {
                let sent = self.terminal.copy(&text, self.options.tmux);
                let cut = if sent.cut { ", the rest was left out" } else { "" };
                let text = format!(
                    "sent {} bytes to the terminal's clipboard{cut}; it does not answer: S saves to a file",
                    sent.bytes
                );
                self.state.say(NoticeKind::Info, text, now);
            }
            Wish::Save(pane) => {
                let text = self.state.text_of(pane, scene);
                let name = format!("{}-{}.txt", pane.title().to_lowercase(), scene.now.format("%Y%m%dT%H%M%SZ"));
                let started = match (&self.options.save_dir, &self.saving) {
                    (None, _) => Err("there is no folder to save to".to_owned()),
                    (_, Some(_)) => Err("not saved: the disk has not taken the last view yet".to_owned()),
                    (Some(folder), None) => {
                        let folder = folder.clone();
                        Saving::start(move || save(&folder, &name, &text))
                    }
                };
                match started {
                    Ok(saving) => self.saving = Some(saving),
                    Err(why) => self.state.say(NoticeKind::Error, why, now),
                }
            }
        }
    }

    /// Gives the terminal over to the person's editor. Nobody reads keys here until it has ended.
    fn edit(&mut self, text: &str) {
        match self.options.editor.clone() {
            Some(editor) => {
                self.lend();
                self.editing = Some(Editing::start(&editor, text));
            }
            None => {
                let why = "no editor is set: set $VISUAL or $EDITOR, or type the note here".to_owned();
                self.state.edited(Edited::Failed { why, text: text.into() }, wall());
            }
        }
    }

    /// Restores the terminal for another program. No key is read while one of ours is handled,
    /// and what was typed after it is that program's.
    fn lend(&mut self) {
        self.terminal.forget_keys();
        self.terminal.leave();
    }

    /// Hands the terminal back to the shell and stops the process group. A group that no shell
    /// looks after is not stopped by the system (POSIX, orphaned process groups), so the screen
    /// is taken again here and not only when `SIGCONT` comes.
    fn suspend(&mut self) {
        self.lend();
        if let Err(error) = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP) {
            self.state.say(NoticeKind::Error, format!("cannot stop the process: {error}"), wall());
        }
        // The stop reaches some thread of ours, not this one at once.
        std::thread::sleep(STOPS_WITHIN);
        if let Err(error) = self.terminal.enter_again() {
            tracing::error!(%error, "the terminal cannot be taken again");
        }
    }

    pub(super) fn show_scene(&mut self, scene: &Scene<'_>) -> Result<(), FrontError> {
        if let Some(why) = self.terminal.gone() {
            return Err(FrontError::Gone(why));
        }
        if self.editing.is_some() {
            return Ok(());
        }
        if !self.terminal.ready() {
            self.dirty = true;
            return Ok(());
        }
        self.terminal.drawn_here();
        let mut buffer = Buffer::empty(self.terminal.area());
        let now = wall();
        let brush = Brush { theme: &self.theme, ascii: self.options.ascii, wall: now };
        let cursor = chrome::draw(&mut self.state, scene, &brush, &mut buffer);
        self.dirty = !self.terminal.frame(buffer, cursor);
        // On a screen that is too small nobody has read a plan.
        let area = self.terminal.area();
        if !self.dirty && area.width >= chrome::SMALLEST.0 && area.height >= chrome::SMALLEST.1 {
            // The frame before was taken, or this one would not have been.
            self.note_written();
            if self.state.note_drawn(scene, now) {
                self.state.on_its_way = Some(self.terminal.sent());
            }
        }
        Ok(())
    }

    fn note_written(&mut self) {
        let (frame, at) = self.terminal.written();
        self.state.note_written(frame, at);
    }
}

fn save(folder: &std::path::Path, name: &str, text: &str) -> Result<String, String> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(name);
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(path.display().to_string()),
        Err(error) => Err(format!("cannot save the view to {}: {error}", path.display())),
    }
}

/// What became of a view that is being saved; for ever if none is.
async fn ended(saving: &mut Option<Saving>) -> Saved {
    match saving {
        Some(saving) => saving.ended().await,
        None => std::future::pending().await,
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(kept) = self.end_editor() {
            tracing::warn!(file = %kept.display(), "a note was being written when the session ended");
        }
    }
}

impl Front for Screen {
    async fn input(&mut self) -> Input {
        if let Some(editing) = &mut self.editing {
            self.edited = Some(editing.ended().await);
            (self.editing, self.back) = (None, Some(Instant::now()));
            // That the editor was stopped and went on is no news any more.
            self.continued = None;
            return Input::Continued;
        }
        if self.continued.is_none() {
            self.continued = signal(SignalKind::from_raw(SIGCONT)).ok();
        }
        tokio::select! {
            biased;
            () = heard(&mut self.continued) => Input::Continued,
            saved = ended(&mut self.saving) => {
                (self.saving, self.saved) = (None, Some(saved));
                Input::Continued
            }
            event = self.terminal.event() => match event {
                Ok(event) => Input::Terminal(event),
                Err(error) => {
                    tracing::error!(%error, "the terminal cannot be read");
                    Input::Ended
                }
            },
        }
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        self.refresh_rows(core);
        let rows = std::mem::take(&mut self.rows);
        let commands = self.handle_in(input, &Scene::of(core, &rows));
        self.rows = rows;
        commands
    }

    fn wanted(&self) -> Wanted {
        self.state.wanted()
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        let (begun, sent) = (wall(), self.terminal.sent());
        self.refresh_rows(core);
        let rows = std::mem::take(&mut self.rows);
        let shown = self.show_scene(&Scene::of(core, &rows));
        self.rows = rows;
        if !self.dirty {
            self.pacing.drawn(begun.elapsed(), self.terminal.sent() != sent);
        }
        shown
    }

    fn pace(&self) -> Duration {
        self.pacing.next()
    }

    fn ready(&self) -> bool {
        self.terminal.ready()
    }

    fn wants_frame(&self) -> bool {
        self.dirty && self.editing.is_none()
    }

    fn is_away(&self) -> bool {
        self.editing.is_some() || self.back.is_some_and(|back| back.elapsed() < STILL_AWAY)
    }
}
