//! What the engine writes to the record: intents and outcomes.

use futures::future::BoxFuture;

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Body, Draft, EntryKind, EntryOrigin, Evidence};
use crate::model::plan::{Outcome, Plan, Refusal};
use crate::record::{Durability, Journal, Receipt};
use crate::text::{Safe, redact_safe};

use super::Warrant;
use super::guard::POLICY;

/// Where intents and outcomes go: the journal, or a test's stand-in that refuses or delays.
pub trait Recorder: Send + Sync {
    /// Makes what the first entry takes. Called when there is one to hand over, and awaited.
    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Hands an entry over; it is durable when the receipt says so.
    fn append(&self, draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt;
}

impl Recorder for Journal {
    fn append(&self, draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        Self::append(self, draft, occurred_at, observed_at, durability)
    }
}

/// The entry that has to be durable before anything is written.
pub(super) fn intent(plan: &Plan, warrant: Option<&Warrant>, actor: &Actor) -> Draft {
    let title = format!("about to {}: {}", plan.title, plan.changed());
    let against = plan.facts.iter().filter(|fact| fact.warns && *fact.label == *POLICY);
    // Whoever let it, and every rule that it overrides, by name.
    let let_by: Vec<Safe> =
        warrant.map(Warrant::words).into_iter().chain(against.map(|fact| fact.words.clone())).collect();
    Draft {
        detail: (!let_by.is_empty()).then(|| Safe::from(let_by.join("; "))),
        pinned: !let_by.is_empty(),
        body: Some(Body::Intent(Box::new(plan.clone()))),
        ..about(plan, actor, EntryKind::Intent, title)
    }
}

/// The entry that has to be durable before anybody is told how it ended.
pub(super) fn outcome(plan: &Plan, actor: &Actor, outcome: &Outcome) -> Draft {
    let ended = match outcome {
        Outcome::Verified { after_seconds: Some(seconds), words } => format!("{words} after {seconds} s"),
        Outcome::Verified { after_seconds: None, words } => format!("{words}, as a later look found"),
        other => format!("{}, {}", other.as_str(), other.words()),
    };
    let title = format!("{}: {}, {ended}", plan.title, plan.changed());
    Draft {
        body: Some(Body::Outcome { plan: plan.id.clone(), outcome: outcome.clone() }),
        ..about(plan, actor, EntryKind::Outcome, title)
    }
}

fn about(plan: &Plan, actor: &Actor, kind: EntryKind, title: String) -> Draft {
    // Of a change that takes more words, the title has them.
    let told = plan.changes.first().filter(|change| change.words.is_none());
    let (before, after) = told.map(|change| (change.before.clone(), change.after.clone())).unzip();
    Draft {
        kind,
        source: Safe::from(plan.target.origin.to_string()),
        subject: Safe::from(format!("{} {}", plan.target.kind, plan.target.path)),
        title: redact_safe(Safe::from(title)),
        detail: None,
        actor: actor.clone(),
        service: plan.service.clone(),
        before,
        after,
        evidence: vec![Evidence::query(plan.command.clone())],
        dedupe: None,
        origin: if actor.kind == ActorKind::Human { EntryOrigin::Manual } else { EntryOrigin::Auto },
        pinned: false,
        body: None,
    }
}
