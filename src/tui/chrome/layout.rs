//! Where panes stand. Heights follow from the screen's size alone, so that nothing moves when
//! rows come and go.

use ratatui::layout::Rect;

use crate::model::command::Pane;
use crate::tui::state::State;

/// Where everything stands.
pub(super) struct Split {
    pub(super) header: Rect,
    pub(super) situation: Rect,
    pub(super) body: Rect,
    pub(super) footer: Rect,
    /// Panes with their places, and whether they stand in boxes.
    pub(super) panes: Vec<((Pane, Rect), bool)>,
}

/// From this width panes stand side by side.
const TWO_COLUMNS: u16 = 100;
/// From this height all six panes are shown.
const ALL_ROWS: u16 = 34;
/// From this width changes and timeline share a row.
const WIDE: u16 = 160;

pub(super) fn split(area: Rect, state: &State) -> Split {
    let row = |y: u16, height: u16| Rect::new(area.x, y, area.width, height);
    // Two rows for the situation whether it needs them or not: panes must not move under the eye
    // when a clause comes or goes.
    let sentence = if area.height >= 24 { 2 } else { 1 };
    let body = row(area.y + 1 + sentence, area.height - 2 - sentence);
    let panes = if state.zoom {
        vec![((state.focus, body), area.width >= TWO_COLUMNS)]
    } else if area.width >= TWO_COLUMNS {
        boxes(body, state.focus)
    } else {
        stack(body, state.focus)
    };
    Split {
        header: row(area.y, 1),
        situation: row(area.y + 1, sentence),
        body,
        footer: row(area.bottom() - 1, 1),
        panes,
    }
}

/// Side by side, in boxes.
fn boxes(body: Rect, focus: Pane) -> Vec<((Pane, Rect), bool)> {
    let left = body.width * 54 / 100;
    let pair = |y: u16, height: u16, a: Pane, b: Pane| {
        [
            ((a, Rect::new(body.x, y, left, height)), true),
            ((b, Rect::new(body.x + left, y, body.width - left, height)), true),
        ]
    };
    let whole = |y: u16, height: u16, pane: Pane| ((pane, Rect::new(body.x, y, body.width, height)), true);
    let mut panes = Vec::new();
    if body.height < ALL_ROWS - 3 {
        // Two rows of two: what has the focus is always among them.
        let top = (body.height * 2 / 5).max(5);
        let right = match focus {
            Pane::Workloads | Pane::Timeline => focus,
            _ => Pane::Changes,
        };
        panes.extend(pair(body.y, top, Pane::Alerts, Pane::Services));
        panes.extend(pair(body.y + top, body.height - top, Pane::Logs, right));
        return panes;
    }
    let top = (body.height / 5).clamp(6, 10);
    if body.width >= WIDE {
        let bottom = (body.height / 3).clamp(8, 18);
        panes.extend(pair(body.y, top, Pane::Alerts, Pane::Services));
        panes.extend(pair(body.y + top, body.height - top - bottom, Pane::Logs, Pane::Workloads));
        panes.extend(pair(body.bottom() - bottom, bottom, Pane::Timeline, Pane::Changes));
        return panes;
    }
    let timeline = (body.height / 4).clamp(6, 14);
    let changes = if body.height >= 44 { 6 } else { 4 };
    panes.extend(pair(body.y, top, Pane::Alerts, Pane::Services));
    panes.extend(pair(body.y + top, body.height - top - changes - timeline, Pane::Logs, Pane::Workloads));
    panes.push(whole(body.bottom() - timeline - changes, changes, Pane::Changes));
    panes.push(whole(body.bottom() - timeline, timeline, Pane::Timeline));
    panes
}

/// One below the other, each under a rule. The last one is what has the focus when it is none of
/// the first three, else the logs.
fn stack(body: Rect, focus: Pane) -> Vec<((Pane, Rect), bool)> {
    let last = match focus {
        Pane::Workloads | Pane::Timeline => focus,
        _ => Pane::Logs,
    };
    let (alerts, services, changes) = match body.height {
        ..14 => (4, 0, 0),
        14..18 => (4, 4, 0),
        18..30 => (5, 5, 3),
        _ => (7, 7, 5),
    };
    let mut heights = vec![(Pane::Alerts, alerts), (Pane::Services, services), (Pane::Changes, changes), (last, 0)];
    // On the smallest screens a focused pane without a place takes that of the last.
    if heights.iter().any(|(pane, height)| *pane == focus && *pane != last && *height == 0) {
        heights.retain(|(pane, _)| *pane != focus);
        if let Some(slot) = heights.last_mut() {
            slot.0 = focus;
        }
    }
    let taken: u16 = heights.iter().map(|(_, height)| height).sum();
    if let Some(rest) = heights.last_mut() {
        rest.1 = body.height.saturating_sub(taken);
    }
    let mut y = body.y;
    let mut panes = Vec::new();
    for (pane, height) in heights.into_iter().filter(|(_, height)| *height > 0) {
        panes.push(((pane, Rect::new(body.x, y, body.width, height)), false));
        y += height;
    }
    panes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_fill_the_body_and_never_overlap_and_the_focus_is_always_shown() {
        for width in 60..220u16 {
            for height in 12..80u16 {
                let body = Rect::new(0, 2, width, height);
                for focus in Pane::ALL {
                    let panes = if width >= TWO_COLUMNS { boxes(body, focus) } else { stack(body, focus) };
                    let area: u32 =
                        panes.iter().map(|((_, rect), _)| u32::from(rect.width) * u32::from(rect.height)).sum();
                    assert_eq!(area, u32::from(width) * u32::from(height), "{width}×{height} {focus:?}");
                    assert!(
                        panes.iter().any(|((pane, rect), _)| *pane == focus && rect.height >= 3),
                        "{width}×{height} {focus:?}"
                    );
                    for (at, ((_, a), _)) in panes.iter().enumerate() {
                        assert_eq!(a.intersection(body), *a);
                        assert!(panes.iter().skip(at + 1).all(|((_, b), _)| !a.intersects(*b)));
                    }
                }
            }
        }
    }
}
