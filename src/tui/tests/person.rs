//! Somebody at a screen, whose eyes and fingers are calls.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::clock::{Wall, wall};
use crate::model::command::Command;
use crate::session::Core;
use crate::tui::chrome::{self, Brush};
use crate::tui::fixture::Fixture;
use crate::tui::keymap::Keymap;
use crate::tui::snapshot;
use crate::tui::state::State;
use crate::tui::term::Depth;
use crate::tui::theme::Themes;
use crate::tui::words::Zone;

/// A person at a screen of 120×40.
pub(super) struct Person {
    pub(super) fixture: Fixture,
    pub(super) state: State,
    now: Wall,
}

impl Person {
    pub(super) fn at(fixture: Fixture) -> Self {
        let state = State::new(Keymap::shipped().unwrap(), vec![Zone::Utc, Zone::Relative], Duration::from_millis(250));
        let mut person = Self { fixture, state, now: wall() };
        person.sees();
        person
    }

    /// Draws, as after every event.
    pub(super) fn sees(&mut self) -> String {
        let theme = Themes::shipped().load("default", Depth::Ansi16).unwrap();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        let scene = self.fixture.scene();
        chrome::draw(&mut self.state, &scene, &Brush { theme: &theme, ascii: false, wall: self.now }, &mut buffer);
        self.state.note_drawn(&scene, self.now);
        snapshot::text(&buffer)
    }

    /// The same, with the log of a core in the place of the fixture's.
    pub(super) fn sees_logs_of(&mut self, core: &Core) -> String {
        let theme = Themes::shipped().load("default", Depth::Ansi16).unwrap();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        let mut scene = self.fixture.scene();
        scene.logs = core;
        chrome::draw(&mut self.state, &scene, &Brush { theme: &theme, ascii: false, wall: self.now }, &mut buffer);
        snapshot::text(&buffer)
    }

    pub(super) fn waits(&mut self) {
        self.now += Duration::from_secs(1);
    }

    pub(super) fn hears(&mut self, event: Event) -> Vec<Command> {
        let scene = self.fixture.scene();
        self.state.event(&event, &scene, self.now)
    }

    pub(super) fn presses(&mut self, code: KeyCode) -> Vec<Command> {
        let modifiers = match code {
            KeyCode::Char(c) if c.is_uppercase() => KeyModifiers::SHIFT,
            _ => KeyModifiers::NONE,
        };
        self.hears(Event::Key(KeyEvent::new(code, modifiers)))
    }

    pub(super) fn types(&mut self, text: &str) -> Vec<Command> {
        text.chars().flat_map(|c| self.presses(KeyCode::Char(c))).collect()
    }
}
