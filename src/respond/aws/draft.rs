//! From what a system's file found out to a plan: what all plans of AWS have in common.

use serde_json::Value;
use ulid::Ulid;

use crate::clock::World;
use crate::model::name::{Target, Uid};
use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Guard, Instead, Owner, Permission, Plan, PlanId, Preview, Request, Room, Tier,
};
use crate::respond::Cluster;
use crate::respond::guard::LIFETIME;
use crate::respond::kubernetes::quoted;
use crate::text::Safe;

/// What a system says of a change of its own.
pub(super) struct Draft {
    pub(super) title: String,
    /// The fields with words for people, as they are to be written.
    pub(super) changes: Vec<FieldChange>,
    pub(super) guards: Vec<Guard>,
    pub(super) undo: Option<Safe>,
    pub(super) blast: Blast,
    pub(super) room: Room,
    pub(super) owners: Vec<Owner>,
    pub(super) tier: Tier,
    /// The words of the command.
    pub(super) command: Vec<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) instead: Option<Instead>,
    pub(super) ends: Ends,
    /// Seconds.
    pub(super) patience: u32,
}

impl Draft {
    /// The plan. Permission and preview are filled in by the engine.
    pub(super) fn plan(self, want: &Request, target: &Target, uid: &str, read_at: World, cluster: &Cluster) -> Plan {
        let not_asked = Safe::fixed("not asked yet");
        let words: Vec<_> = self.command.iter().map(|word| quoted(word)).collect();
        Plan {
            id: PlanId(Safe::from(Ulid::from_datetime(read_at.into()).to_string())),
            request: want.clone(),
            target: Target { uid: Some(Uid(Safe::from(uid))), ..target.clone() },
            title: Safe::from(self.title),
            changes: self.changes,
            undo: self.undo,
            blast: self.blast,
            room: self.room,
            owners: self.owners,
            load: cluster.load.clone(),
            tier: self.tier,
            permission: Permission::Unknown { why: not_asked.clone() },
            preview: Preview::Unavailable { why: not_asked },
            service: cluster.service.clone(),
            services: Vec::new(),
            command: Safe::from(words.join(" ")),
            facts: self.facts,
            instead: self.instead,
            ends: self.ends,
            read_at,
            expires_at: read_at + LIFETIME,
            guards: self.guards,
            affects: Vec::new(),
            patience_seconds: self.patience,
            raised_from: None,
        }
    }
}

/// A field that is written.
pub(super) fn change(pointer: String, label: impl Into<Safe>, before: &Value, after: &Value) -> FieldChange {
    FieldChange {
        pointer: Safe::from(pointer),
        label: label.into(),
        before: Safe::from(before.to_string()),
        after: Safe::from(after.to_string()),
        words: None,
    }
}

/// The value that a plan writes to `pointer`.
pub(super) fn after(changes: &[FieldChange], pointer: &str) -> Option<Value> {
    let field = changes.iter().find(|field| *field.pointer == *pointer)?;
    serde_json::from_str(&field.after).ok()
}

pub(super) fn fact(label: &'static str, words: impl Into<Safe>) -> Fact {
    Fact { label: Safe::fixed(label), words: words.into(), warns: false }
}

pub(super) fn warning(label: &'static str, words: impl Into<Safe>) -> Fact {
    Fact { warns: true, ..fact(label, words) }
}

/// One step of a JSON Pointer (RFC 6901).
pub(super) fn step(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name behind the last step of a JSON Pointer.
pub(super) fn last_step(pointer: &str) -> String {
    pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

/// A text of an answer; empty if there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A count of an answer.
pub(super) fn count(value: &Value, pointer: &str) -> u32 {
    value.pointer(pointer).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// A list of an answer.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
