//! Pictures of the screen without a terminal: for `warroom snapshot` and the README.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use crate::clock::wall;
use crate::model::command::{Command, Pane, View};
use crate::record::timeline;
use crate::session::Core;

use super::ScreenError;
use super::chrome::{self, Brush};
use super::scene::Scene;
use super::screen::Options;
use super::state::State;
use super::term;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain text, a line a row.
    Text,
    /// Text with colours, for a terminal.
    Ansi,
    /// A picture for documents.
    Svg,
}

/// What is pictured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    /// Columns and rows.
    pub size: (u16, u16),
    /// The pane that has the focus.
    pub pane: Option<Pane>,
    /// Whether that pane has the whole screen.
    pub zoom: bool,
    /// How it is written.
    pub format: Format,
}

/// The screen as it would show `core` now.
pub fn picture(core: &Core, shot: Shot, options: &Options) -> Result<String, ScreenError> {
    let rows = timeline(&core.entries);
    of(&Scene::of(core, &rows), shot, options)
}

pub(super) fn of(scene: &Scene<'_>, shot: Shot, options: &Options) -> Result<String, ScreenError> {
    let theme = options.themes.load(&options.theme, options.depth)?;
    let mut state = State::new(options.keymap.clone(), options.zones.clone(), options.arm);
    let now = wall();
    if let Some(pane) = shot.pane {
        state.command(Command::View(View::FocusPane(pane)), scene, now);
    }
    state.zoom = shot.zoom;
    let mut buffer = Buffer::empty(Rect::new(0, 0, shot.size.0, shot.size.1));
    chrome::draw(&mut state, scene, &Brush { theme: &theme, ascii: options.ascii, wall: now }, &mut buffer);
    Ok(match shot.format {
        Format::Text => text(&buffer),
        Format::Ansi => ansi(&buffer),
        Format::Svg => svg(&buffer),
    })
}

/// The cells of one row that are drawn: a wide character hides the cell behind it.
fn row(buffer: &Buffer, y: u16) -> impl Iterator<Item = (u16, &Cell)> {
    let mut next = buffer.area.left();
    (buffer.area.left()..buffer.area.right()).filter_map(move |x| {
        let cell = buffer.cell((x, y))?;
        if x < next {
            return None;
        }
        next = x + cell.symbol().width().max(1) as u16;
        Some((x, cell))
    })
}

/// Plain text without blanks at the ends of lines.
pub(super) fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let line: String = row(buffer, y).map(|(_, cell)| cell.symbol()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn ansi(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        out.push_str(&term::sgr_row(row(buffer, y).map(|(_, cell)| cell)));
        out.push('\n');
    }
    out
}

const CELL: (f32, f32) = (8.4, 18.0);
const INK: &str = "#c8ccd4";
const PAPER: &str = "#14171c";
/// The 16 colours of the picture.
const COLORS: [&str; 16] = [
    "#14171c", "#e5534b", "#57ab5a", "#d4a72c", "#539bf5", "#b083f0", "#39c5cf", "#c8ccd4", "#636e7b", "#ff7b72",
    "#6bc46d", "#e3b341", "#6cb6ff", "#dcbdfb", "#56d4dd", "#ffffff",
];

fn css(color: Color, otherwise: &str) -> String {
    match color {
        Color::Reset => otherwise.to_owned(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        other => COLORS.get(usize::from(term::ansi_number(other))).copied().unwrap_or(otherwise).to_owned(),
    }
}

fn svg(buffer: &Buffer) -> String {
    let (w, h) = (f32::from(buffer.area.width) * CELL.0 + 24.0, f32::from(buffer.area.height) * CELL.1 + 24.0);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w:.0}\" height=\"{h:.0}\" viewBox=\"0 0 {w:.0} {h:.0}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace\" font-size=\"14\" xml:space=\"preserve\">"
    );
    for y in buffer.area.top()..buffer.area.bottom() {
        let cells: Vec<_> = row(buffer, y).collect();
        let mut at = 0;
        while let Some((x, first)) = cells.get(at) {
            let same = |cell: &Cell| (cell.fg, cell.bg, cell.modifier) == (first.fg, first.bg, first.modifier);
            let run = cells.iter().skip(at).take_while(|(_, cell)| same(cell)).count();
            let text: String = cells.iter().skip(at).take(run).map(|(_, cell)| cell.symbol()).collect();
            at += run;
            let reversed = first.modifier.contains(Modifier::REVERSED);
            let (fg, bg) = (css(first.fg, INK), css(first.bg, PAPER));
            let (fg, bg) = if reversed { (bg, fg) } else { (fg, bg) };
            let left = 12.0 + f32::from(*x) * CELL.0;
            let top = 12.0 + f32::from(y) * CELL.1;
            let wide = text.width() as f32 * CELL.0;
            if bg != PAPER {
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{bg}\"/>",
                    CELL.1
                );
            }
            if text.trim().is_empty() {
                continue;
            }
            let mut style = String::new();
            for (flag, attribute) in [
                (Modifier::BOLD, " font-weight=\"bold\""),
                (Modifier::DIM, " opacity=\"0.6\""),
                (Modifier::ITALIC, " font-style=\"italic\""),
                (Modifier::UNDERLINED, " text-decoration=\"underline\""),
            ] {
                if first.modifier.contains(flag) {
                    style.push_str(attribute);
                }
            }
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fg}\"{style}>{escaped}</text>",
                top + 13.5
            );
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}
