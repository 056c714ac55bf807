//! Somebody at the screen who presses keys as a test says, thousands a second: the screen's own
//! meaning of keys, without a terminal. A frame is drawn now and then.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::clock::wall;
use crate::model::command::Command;
use crate::model::entry::EntryId;
use crate::record::{Row, timeline};
use crate::session::{ActionState, Core, Front, FrontError, Input};
use crate::tui::chrome::{self, Brush};
use crate::tui::keymap::Keymap;
use crate::tui::scene::Scene;
use crate::tui::state::State;
use crate::tui::term::Depth;
use crate::tui::theme::{Theme, Themes};
use crate::tui::words::Zone;

/// Frames of which one is drawn; the others only count as seen.
const DRAWN: usize = 50;

/// Presses what `play` says when it has pressed everything that it said before.
pub(crate) struct Fingers<P> {
    state: State,
    theme: Theme,
    play: P,
    queue: VecDeque<Input>,
    rows: Vec<Row>,
    rows_of: (usize, Option<EntryId>),
    frames: usize,
    /// What there was to see last, for a test that waited in vain.
    pub(crate) last: String,
    pub(crate) pressed: usize,
}

impl<P: FnMut(&Core) -> Vec<Input>> Fingers<P> {
    pub(crate) fn new(play: P) -> Self {
        Self {
            // A plan counts as read as soon as it was on the screen.
            state: State::new(Keymap::shipped().unwrap(), vec![Zone::Utc], Duration::ZERO),
            theme: Themes::shipped().load("default", Depth::Ansi16).unwrap(),
            play,
            queue: VecDeque::new(),
            rows: Vec::new(),
            rows_of: (0, None),
            frames: 0,
            last: String::new(),
            pressed: 0,
        }
    }

    /// Makes the rows of the timeline, when there are other entries.
    fn tell(&mut self, core: &Core) {
        let of = (core.entries.len(), core.entries.last().map(|entry| entry.id.clone()));
        if of != self.rows_of {
            (self.rows, self.rows_of) = (timeline(&core.entries), of);
        }
    }

    fn think(&mut self, core: &Core) {
        if self.queue.is_empty() {
            self.queue.extend((self.play)(core));
        }
    }
}

impl<P: FnMut(&Core) -> Vec<Input>> Front for Fingers<P> {
    async fn input(&mut self) -> Input {
        match self.queue.pop_front() {
            Some(input) => input,
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        self.tell(core);
        let scene = Scene::untold(core, &self.rows);
        let commands = match input {
            Input::Terminal(event) => {
                self.pressed += 1;
                self.state.event(&event, &scene, wall())
            }
            Input::Command(command) => self.state.command(command, &scene, wall()),
            Input::Ended => return vec![Command::Quit],
            Input::Continued => Vec::new(),
        };
        self.state.wishes.clear();
        self.think(core);
        // When it ends is the test's; a file of any name is nobody's.
        commands
            .into_iter()
            .filter(|command| !matches!(command, Command::Quit | Command::Export { path: Some(_) }))
            .collect()
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.tell(core);
        let scene = Scene::untold(core, &self.rows);
        self.frames += 1;
        if self.frames % DRAWN == 1 {
            let scene = Scene::of(core, &self.rows);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
            let brush = Brush { theme: &self.theme, ascii: false, wall: wall() };
            chrome::draw(&mut self.state, &scene, &brush, &mut buffer);
        }
        self.state.note_drawn(&scene, wall());
        let ended = core.actions.iter().filter(|action| matches!(action.state, ActionState::Ended(_))).count();
        self.last = format!("{}: {} of {} actions ended, {:?}", core.now, ended, core.actions.len(), core.notice);
        self.think(core);
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// One key.
pub(crate) fn key(code: KeyCode) -> Input {
    let modifiers = match code {
        KeyCode::Char(c) if c.is_uppercase() => KeyModifiers::SHIFT,
        _ => KeyModifiers::NONE,
    };
    Input::Terminal(Event::Key(KeyEvent::new(code, modifiers)))
}

/// One key with Ctrl.
pub(crate) fn ctrl(c: char) -> Input {
    Input::Terminal(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

/// A text, key by key.
pub(crate) fn typed(text: &str) -> Vec<Input> {
    text.chars().map(|c| key(KeyCode::Char(c))).collect()
}
