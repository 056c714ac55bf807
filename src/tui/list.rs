//! A list whose selection is an identity, not a place: nothing jumps when rows come and go.

use crate::model::alert::AlertKey;
use crate::model::entry::EntryId;
use crate::model::name::{ObjectPath, Origin, ServiceName, WorkloadKey};
use crate::text::Safe;

use super::filter::Filter;

/// Which row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RowKey {
    Alert(Origin, AlertKey),
    Service(ServiceName),
    /// All services that are fine, on one line.
    Fine,
    Workload(Origin, WorkloadKey),
    /// All workloads that are well, on one line.
    Well,
    Pod(Origin, ObjectPath),
    Node(Origin, Safe),
    Change(Safe),
    Entry(EntryId),
}

/// What has a key. To be compared with one, it need not make its own: a list may have 10,000 rows.
pub(super) trait Keyed {
    fn key(&self) -> RowKey;
    fn has(&self, key: &RowKey) -> bool;
}

/// Where a list stands.
#[derive(Clone, Debug, Default)]
pub(super) struct ListView {
    pub(super) filter: Filter,
    /// The selected row. `None` in a list that follows its end: its last row.
    pub(super) selected: Option<RowKey>,
    /// Columns that long lines are scrolled by.
    pub(super) shift: usize,
    /// Rows that the last frame had room for.
    pub(super) height: usize,
    offset: usize,
    last: usize,
    /// Whether somebody went to a row here.
    chosen: bool,
}

/// Where to go in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    By(isize),
    First,
    Last,
}

impl ListView {
    /// Finds the first visible row and the selected one for these rows. `tail`: without a
    /// selection the end is shown.
    pub(super) fn place<K: Keyed>(&mut self, keys: &[K], height: usize, tail: bool) -> (usize, Option<usize>) {
        self.height = height;
        let Some(end) = keys.len().checked_sub(1) else {
            (self.offset, self.last) = (0, 0);
            return (0, None);
        };
        let bottom = keys.len().saturating_sub(height.max(1));
        let found = self.selected.as_ref().and_then(|key| match keys.get(self.last) {
            Some(row) if row.has(key) => Some(self.last),
            _ => keys.iter().position(|row| row.has(key)),
        });
        let at = match (found, &self.selected) {
            (Some(at), _) => at,
            // The row is gone: what stands in its place is selected.
            (None, Some(_)) => self.last.min(end),
            (None, None) if tail => end,
            (None, None) => 0,
        };
        if self.selected.is_some() || !tail {
            let row = keys.get(at);
            if row.map(|row| self.selected.as_ref().is_some_and(|key| row.has(key))) != Some(true) {
                self.selected = row.map(Keyed::key);
            }
        }
        // A list at its top stays there, so that what is worse and new is seen; elsewhere the
        // selected row stays on its line of the screen.
        let line = self.last.saturating_sub(self.offset);
        if self.offset > 0 || at >= height {
            self.offset = at.saturating_sub(line);
        }
        if at < self.offset {
            self.offset = at;
        }
        if height > 0 && at >= self.offset + height {
            self.offset = at + 1 - height;
        }
        self.offset = self.offset.min(bottom);
        self.last = at;
        (self.offset, Some(at))
    }

    /// As long as nobody went anywhere, the row that comes to stand first is the selected one.
    pub(super) fn stay_first(&mut self) {
        if !self.chosen {
            self.selected = None;
        }
    }

    /// Moves the selection.
    pub(super) fn go<K: Keyed>(&mut self, keys: &[K], to: Move, tail: bool) {
        let Some(end) = keys.len().checked_sub(1) else { return };
        let (_, at) = self.place(keys, self.height, tail);
        let at = at.unwrap_or(0);
        let next = match to {
            Move::By(rows) => at.saturating_add_signed(rows).min(end),
            Move::First => 0,
            Move::Last => end,
        };
        self.select_at(keys, next);
        if tail && next == end {
            self.selected = None;
        }
    }

    /// Selects a row and scrolls as little as is needed to show it.
    pub(super) fn select_at<K: Keyed>(&mut self, keys: &[K], at: usize) {
        self.selected = keys.get(at).map(Keyed::key);
        (self.last, self.chosen) = (at, true);
        if at < self.offset {
            self.offset = at;
        } else if self.height > 0 && at >= self.offset + self.height {
            self.offset = at + 1 - self.height;
        }
    }

    /// The first visible row of the last frame.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Keyed for RowKey {
        fn key(&self) -> RowKey {
            self.clone()
        }

        fn has(&self, key: &RowKey) -> bool {
            self == key
        }
    }

    fn keys(names: &[&str]) -> Vec<RowKey> {
        names.iter().map(|name| RowKey::Change(Safe::from(*name))).collect()
    }

    #[test]
    fn the_selected_row_stays_selected_when_rows_come_and_go() {
        let mut list = ListView::default();
        let rows = keys(&["a", "b", "c"]);
        assert_eq!(list.place(&rows, 5, false), (0, Some(0)));
        list.go(&rows, Move::By(1), false);
        assert_eq!(list.place(&keys(&["new", "a", "b", "c"]), 5, false), (0, Some(2)));
        assert_eq!(list.place(&keys(&["c", "b"]), 5, false), (0, Some(1)));
        assert_eq!(list.place(&keys(&["c", "d"]), 5, false), (0, Some(1)), "what stands in its place is selected");
    }

    #[test]
    fn a_scrolled_list_keeps_the_selected_row_on_its_line() {
        let mut list = ListView::default();
        let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let rows = keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
        list.place(&rows, 5, false);
        list.go(&rows, Move::By(10), false);
        let (offset, at) = list.place(&rows, 5, false);
        let line = at.unwrap() - offset;
        let mut grown = keys(&["x", "y"]);
        grown.extend(rows);
        let (offset, at) = list.place(&grown, 5, false);
        assert_eq!((at, at.unwrap() - offset), (Some(12), line));
    }

    #[test]
    fn a_list_that_follows_its_end_does_so_until_one_looks_up() {
        let mut list = ListView::default();
        let rows = keys(&["a", "b", "c"]);
        assert_eq!(list.place(&rows, 2, true), (1, Some(2)));
        let more = keys(&["a", "b", "c", "d"]);
        assert_eq!(list.place(&more, 2, true), (2, Some(3)));
        list.go(&more, Move::By(-1), true);
        let most = keys(&["a", "b", "c", "d", "e"]);
        assert_eq!(list.place(&most, 2, true).1, Some(2), "c stays selected");
        list.go(&most, Move::Last, true);
        assert_eq!(list.selected, None);
    }

    #[test]
    fn an_empty_list_and_no_room_are_no_trouble() {
        let mut list = ListView::default();
        assert_eq!(list.place(&keys(&[]), 0, false), (0, None));
        list.go(&keys(&[]), Move::Last, false);
        assert_eq!(list.place(&keys(&["a"]), 0, false).1, Some(0));
    }
}
