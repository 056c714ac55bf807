//! The sections, one function each: from facts to lines of Markdown.

mod people;
mod story;
mod tables;

pub(super) use people::{communications, follow_ups, hints, questions};
pub(super) use story::{impact, summary};
pub(super) use tables::{
    AlertLine, ChangeLine, Chart, EvidenceItem, FullLine, TimelineLine, alerts, changes, charts, evidence, full, sources, timeline, unseen,
};
