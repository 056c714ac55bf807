//! Colours: their names, and how they are brought down to what a terminal shows.

use std::collections::BTreeMap;

use ratatui::style::{Color, Style};

use crate::tui::term::Depth;

/// The 16 colours by the names of files, with what they usually look like.
pub(super) const NAMES: [(&str, Color); 17] = [
    ("reset", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];

/// xterm's values of the 16 colours, in their order.
const XTERM: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

/// A palette's name, one of the 16, `#rrggbb`, or a number to 255.
pub(super) fn parse(text: &str, palette: &BTreeMap<String, String>) -> Option<Color> {
    // One step only: a palette names colours, not other names of itself.
    let text = palette.get(text).map_or(text, String::as_str);
    if let Some((_, color)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Some(*color);
    }
    if let Some(hex) = text.strip_prefix('#') {
        let value = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6)?;
        let [_, r, g, b] = value.to_be_bytes();
        return Some(Color::Rgb(r, g, b));
    }
    text.parse().ok().map(Color::Indexed)
}

/// The same style with colours that a terminal of that depth shows.
pub(super) fn reduce(mut style: Style, depth: Depth) -> Style {
    let down = |color: Color| match depth {
        Depth::True => Some(color),
        Depth::Mono => None,
        Depth::Ansi256 => Some(to_256(color)),
        Depth::Ansi16 => Some(to_16(color)),
    };
    style.fg = style.fg.and_then(down);
    style.bg = style.bg.and_then(down);
    style
}

const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

fn to_256(color: Color) -> Color {
    let Color::Rgb(r, g, b) = color else { return color };
    let step = |value: u8| {
        (0..6u8).min_by_key(|at| STEPS.get(usize::from(*at)).map_or(255, |step| step.abs_diff(value))).unwrap_or(0)
    };
    let (cr, cg, cb) = (step(r), step(g), step(b));
    let cube = rgb_of(16 + 36 * cr + 6 * cg + cb);
    let gray = ((u16::from(r) + u16::from(g) + u16::from(b)) / 3).saturating_sub(3).min(238) / 10;
    let gray = 232 + gray.min(23) as u8;
    if distance(rgb_of(gray), (r, g, b)) < distance(cube, (r, g, b)) {
        Color::Indexed(gray)
    } else {
        Color::Indexed(16 + 36 * cr + 6 * cg + cb)
    }
}

fn to_16(color: Color) -> Color {
    let rgb = match color {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Indexed(n) => rgb_of(n),
        named => return named,
    };
    let nearest = (0..16).min_by_key(|at| XTERM.get(*at).map_or(u32::MAX, |known| distance(*known, rgb))).unwrap_or(7);
    NAMES.get(nearest + 1).map_or(Color::Reset, |(_, color)| *color)
}

fn rgb_of(index: u8) -> (u8, u8, u8) {
    let step = |n: u8| STEPS.get(usize::from(n)).copied().unwrap_or(255);
    match index {
        0..=15 => XTERM.get(usize::from(index)).copied().unwrap_or((0, 0, 0)),
        16..=231 => {
            let n = index - 16;
            (step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        _ => {
            let level = 8 + 10 * (index - 232);
            (level, level, level)
        }
    }
}

/// The square of a distance that weighs green most, as eyes do.
fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    2 * square(a.0, b.0) + 4 * square(a.1, b.1) + 3 * square(a.2, b.2)
}
