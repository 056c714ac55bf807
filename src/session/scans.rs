//! What is looked for in the log, and what of it was found so far.
//!
//! Owns: which scan is current, and the order in which its answers are put together. Must not:
//! look through a line: that is done beside the loop, by the [`Scanner`](super::Scanner).

use crate::observe::logs::{Found, LogFilter, LogPattern, LogStore};

use super::Effect;

/// What a scan is for. A filter says which lines are shown, a search which are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Lines that do not pass are hidden.
    Filter,
    /// Lines that match are gone to.
    Search,
}

/// Which scan an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    /// What it is for.
    pub purpose: Purpose,
    /// Grows with each thing that is looked for.
    pub ticket: u64,
    /// Whether it is of lines that came since that was begun.
    pub new: bool,
}

/// What a front looks for in the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The filter, if the index does not answer it at once.
    pub filter: Option<LogFilter>,
    /// The search, if there is one.
    pub search: Option<LogFilter>,
}

/// All scans of a session.
#[derive(Debug, Default)]
pub struct Scans {
    wanted: Wanted,
    filter: Option<Looked>,
    search: Option<Looked>,
    ticket: u64,
}

/// One thing that is looked for.
#[derive(Debug)]
struct Looked {
    filter: LogFilter,
    ticket: u64,
    found: Found,
    /// The first scan, of all that was there, is under way.
    old: bool,
    /// What was found of lines that came since, while they are being looked through.
    new: Option<Found>,
    answered: bool,
}

/// An answer of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// Which scan it is of.
    pub errand: Errand,
    /// What was found since the last answer: the run that goes before it.
    pub found: Found,
    /// Nothing more comes.
    pub done: bool,
}

impl Scans {
    /// What is looked for.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What was found so far of the lines that pass `filter`. A filter of another level is
    /// served too if it lets fewer lines pass: the level is in the index.
    pub fn filtered(&self, filter: &LogFilter) -> Option<&Found> {
        let looked = self.filter.as_ref()?;
        let same = looked.filter.service == filter.service && looked.filter.pattern == filter.pattern;
        (same && looked.filter.level <= filter.level).then_some(&looked.found)
    }

    /// What was found so far of a search.
    pub fn searched(&self, pattern: &LogPattern) -> Option<&Found> {
        let looked = self.search.as_ref()?;
        let sought = looked.filter.pattern.as_ref();
        sought.is_some_and(|(sought, inverted)| sought == pattern && !inverted).then_some(&looked.found)
    }

    /// How many of the lines that are kept were looked at, and how many there are, while not all
    /// were.
    pub fn progress(&self, purpose: Purpose, logs: &LogStore) -> Option<(u64, u64)> {
        let looked = self.get(purpose)?;
        let all = logs.next().0 - logs.oldest().0;
        looked.old.then(|| (looked.found.len().min(all), all))
    }

    /// Whether a scan was started that has not said anything yet.
    pub fn awaited(&self) -> bool {
        [&self.filter, &self.search].into_iter().flatten().any(|looked| !looked.answered)
    }

    fn get(&self, purpose: Purpose) -> Option<&Looked> {
        match purpose {
            Purpose::Filter => self.filter.as_ref(),
            Purpose::Search => self.search.as_ref(),
        }
    }

    fn get_mut(&mut self, purpose: Purpose) -> &mut Option<Looked> {
        match purpose {
            Purpose::Filter => &mut self.filter,
            Purpose::Search => &mut self.search,
        }
    }

    /// Something else is looked for. The newest lines come first, those that come later are
    /// looked at as they come.
    pub(super) fn look(&mut self, wanted: Wanted, logs: &LogStore) -> Vec<Effect> {
        let before = std::mem::replace(&mut self.wanted, wanted.clone());
        let changes =
            [(Purpose::Filter, before.filter, wanted.filter), (Purpose::Search, before.search, wanted.search)];
        let changes = changes.into_iter().filter(|(_, before, now)| before != now);
        changes.map(|(purpose, _, now)| self.start(purpose, now, logs)).collect()
    }

    fn start(&mut self, purpose: Purpose, filter: Option<LogFilter>, logs: &LogStore) -> Effect {
        let Some(filter) = filter else {
            *self.get_mut(purpose) = None;
            return Effect::StopScan(purpose);
        };
        self.ticket += 1;
        let ticket = self.ticket;
        let scan = logs.scan(filter.clone(), logs.oldest(), logs.next());
        let found = Found::at(logs.next());
        *self.get_mut(purpose) = Some(Looked { filter, ticket, found, old: true, new: None, answered: false });
        Effect::Scan { errand: Errand { purpose, ticket, new: false }, scan }
    }

    /// A scan said something. What is not of the current one is left out.
    pub(super) fn scanned(&mut self, scanned: Scanned, logs: &LogStore) -> Vec<Effect> {
        let Errand { purpose, ticket, new } = scanned.errand;
        let Some(looked) = self.get_mut(purpose).as_mut().filter(|looked| looked.ticket == ticket) else {
            return Vec::new();
        };
        looked.answered = true;
        if !new {
            looked.old &= !scanned.done;
            looked.found.join(scanned.found);
        } else if let Some(mut so_far) = looked.new.take() {
            so_far.join(scanned.found);
            if scanned.done {
                // What left the store meanwhile is in neither.
                so_far.forget_before(looked.found.to());
                looked.found.join(so_far);
            } else {
                looked.new = Some(so_far);
            }
        }
        self.keep_up(logs)
    }

    /// Lines came, or left the store.
    pub(super) fn keep_up(&mut self, logs: &LogStore) -> Vec<Effect> {
        let mut effects = Vec::new();
        for purpose in [Purpose::Filter, Purpose::Search] {
            let Some(looked) = self.get_mut(purpose) else { continue };
            looked.found.forget_before(logs.oldest());
            if looked.new.is_none() && looked.found.to() < logs.next() {
                looked.new = Some(Found::at(logs.next()));
                let scan = logs.scan(looked.filter.clone(), looked.found.to(), logs.next());
                effects.push(Effect::Scan { errand: Errand { purpose, ticket: looked.ticket, new: true }, scan });
            }
        }
        effects
    }
}

#[cfg(test)]
#[path = "scans/tests.rs"]
mod tests;
