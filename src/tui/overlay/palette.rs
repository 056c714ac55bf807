//! The command line: fuzzy over the command table, with completion and history.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tui_input::Input;

use crate::session::commands::{COMMANDS, Declaration, find};
use crate::tui::chrome::Brush;
use crate::tui::keymap::{Keymap, Where};
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Card, actions, routes};

/// Commands that are shown at once.
const SHOWN: usize = 9;

/// The commands that fit what is typed, best first, of those that are offered.
pub(in crate::tui) fn offers(typed: &str, offered: impl Fn(&Declaration) -> bool) -> Vec<&'static Declaration> {
    let allowed: Vec<_> = COMMANDS.iter().filter(|it| offered(it)).collect();
    let word = typed.trim_start().trim_start_matches(':');
    if word.is_empty() {
        return allowed;
    }
    let first = word.split_whitespace().next().unwrap_or_default();
    if word.contains(' ') {
        return allowed.into_iter().filter(|it| it.id == first).collect();
    }
    let haystack: Vec<String> = allowed.iter().map(|it| format!("{} {}", it.id, it.title)).collect();
    let mut matcher = frizbee::Matcher::new(word, &frizbee::Config::default());
    let mut found: Vec<_> =
        matcher.match_list(&haystack).iter().filter_map(|hit| allowed.get(hit.index as usize).copied()).collect();
    // What is typed in full, or as a beginning, goes before what merely resembles it.
    found.sort_by_key(|it| (it.id != word, !it.id.starts_with(word)));
    found
}

/// The line that Enter runs. It ends with a space when arguments are still wanted.
pub(in crate::tui) fn chosen(typed: &str, at: usize, offers: &[&'static Declaration]) -> String {
    let typed = typed.trim().trim_start_matches(':');
    let typed = if typed == "q" { "quit" } else { typed };
    let first = typed.split_whitespace().next().unwrap_or_default();
    // As it is typed, unless something in the list was chosen.
    if find(first).is_some() && at == 0 {
        return typed.to_owned();
    }
    match offers.get(at) {
        Some(it) if it.args.is_empty() || it.args.starts_with('[') => it.id.to_owned(),
        Some(it) => format!("{} ", it.id),
        None => typed.to_owned(),
    }
}

/// The text of a note that is being typed.
pub(in crate::tui) fn noted(typed: &str) -> Option<&str> {
    let typed = typed.trim_start().trim_start_matches(':').strip_prefix("note")?;
    if typed.is_empty() { Some(typed) } else { typed.strip_prefix(char::is_whitespace) }
}

/// What Tab makes of the line.
pub(in crate::tui) fn complete(
    typed: &str,
    at: usize,
    offers: &[&'static Declaration],
    scene: &Scene<'_>,
) -> Option<String> {
    let line = typed.trim_start().trim_start_matches(':');
    let Some((id, rest)) = line.split_once(' ') else {
        return offers.get(at).map(|it| format!("{} ", it.id));
    };
    if find(id)?.args.starts_with("SERVICE ") {
        return routes::complete(id, rest, scene);
    }
    let names: Vec<String> = match find(id)?.args.split(' ').next()? {
        "WORKLOAD" => scene.workloads.iter().map(|row| row.key.path.to_string()).collect(),
        "ALERT" => scene.alerts.iter().map(|row| row.alert.name.to_string()).collect(),
        "[SERVICE]" => scene.services.iter().map(|row| row.name.to_string()).collect(),
        "WHOM" => vec!["developers".into()],
        choices if choices.contains('|') => choices.split('|').map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let fits = |name: &&String| name.starts_with(rest) || name.split('/').any(|part| part.starts_with(rest));
    names.iter().find(fits).map(|name| format!("{id} {name} "))
}

/// Draws it at the bottom of the body. Where the cursor belongs.
pub(super) fn draw(
    input: &Input,
    at: usize,
    keymap: &Keymap,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Position {
    let offers = offers(input.value(), actions::offered(scene));
    let mut card = Card::new(brush, Role::Dialog, body, 100, 12);
    card.title(Role::TitleFocus, "Command");
    let width = usize::from(body.width.min(100)).saturating_sub(6);
    let scroll = input.visual_scroll(width.max(1));
    let mut line = card.ink();
    line.put(Role::Key, ":").put(Role::Text, words::skip(input.value(), scroll));
    card.lines.push(line.line());
    let first = at.saturating_sub(SHOWN - 1);
    for (index, it) in offers.iter().enumerate().skip(first).take(SHOWN) {
        let mut ink = card.ink();
        let chosen = index == at;
        let args = if it.args.is_empty() { String::new() } else { format!(" {}", it.args) };
        ink.put(
            Role::Accent,
            if !chosen {
                " "
            } else if brush.ascii {
                ">"
            } else {
                "▸"
            },
        )
        .gap(1);
        ink.cell(if chosen { Role::Selected } else { Role::Name }, &format!("{}{args}", it.id), 26);
        ink.put(Role::Dim, it.title);
        card.lines.push(ink.line());
    }
    for _ in offers.len().min(SHOWN)..SHOWN {
        card.blank();
    }
    let mut help = card.ink();
    let typed = input.value().trim_start_matches(':').split_whitespace().next();
    match offers.get(at).filter(|it| typed == Some(it.id)) {
        Some(_) if noted(input.value()).is_some() => {
            let words = [("accept", "notes it"), ("edit-note", "writes it in your editor"), ("back", "leaves")];
            super::keys(&mut help, keymap, Where::Line, &words);
        }
        Some(it) => {
            help.put(Role::Dim, it.help);
        }
        None => {
            let words = [("accept", "runs"), ("complete", "completes"), ("up", "older lines"), ("back", "leaves")];
            super::keys(&mut help, keymap, Where::Line, &words);
        }
    }
    card.foot = vec![help.line()];
    let height = u16::try_from(card.lines.len() + 3).unwrap_or(body.height).min(body.height);
    let bottom = Rect::new(body.x, body.bottom() - height, body.width, height);
    let foot = card.draw(bottom, &mut 0, buffer);
    let x = 1 + input.visual_cursor().saturating_sub(scroll);
    Position::new(foot.x + u16::try_from(x).unwrap_or(0), bottom.y + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WritePolicy;
    use crate::session::WriteWindow;
    use crate::session::commands::Danger;
    use crate::tui::fixture::Fixture;

    #[test]
    fn commands_are_found_by_what_one_remembers_of_them() {
        let ids = |typed| offers(typed, |_| true).iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids("scale").first(), Some(&"scale"));
        assert_eq!(ids("postmort").first(), Some(&"export"));
        assert_eq!(ids("scale payments 1"), ["scale"]);
        assert!(ids("zzzz").is_empty());
        assert_eq!(ids("").len(), COMMANDS.len());
    }

    #[test]
    fn while_the_session_is_read_only_no_command_offers_to_act_but_the_one_that_ends_that() {
        let mut fixture = Fixture::burning();
        let acting = |fixture: &Fixture| -> Vec<&str> {
            let offers = offers("", actions::offered(&fixture.scene()));
            offers.iter().filter(|it| it.danger == Danger::Act).map(|it| it.id).collect()
        };
        assert!(acting(&fixture).contains(&"scale"), "the window is open");
        fixture.window = WriteWindow::Closed;
        assert_eq!(acting(&fixture), ["write"]);
        fixture.facing.write = WritePolicy::Deny;
        assert_eq!(acting(&fixture), Vec::<&str>::new());
    }

    #[test]
    fn enter_runs_what_is_typed_or_what_is_chosen() {
        assert_eq!(chosen("scale payments 12", 0, &offers("scale payments 12", |_| true)), "scale payments 12");
        assert_eq!(chosen("zoo", 0, &offers("zoo", |_| true)), "zoom");
        assert_eq!(chosen("scal", 0, &offers("scal", |_| true)), "scale ");
        assert_eq!(chosen(":q", 0, &[]), "quit");
    }
}
