//! Entries for the tests of this room and of `report`.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Draft, Entry, EntryId, EntryKind, EntryOrigin};
use crate::model::name::{EnvId, Kind, ObjectPath, Origin, ServiceName, SourceId, Target, Uid};
use crate::model::plan::{Blast, Ends, FieldChange, Permission, Plan, PlanId, Preview, Replicas, Request, Room, Tier};
use crate::text::Safe;

use super::IncidentRecord;
pub(crate) use super::disk::memory::MemoryDisk;

/// 2026-11-21 03:00:00 UTC plus some minutes and seconds.
pub(crate) fn at(minute: u32, second: u32) -> World {
    let start = World::from_timestamp(1_795_230_000, 0).expect("it is a time");
    start + TimeDelta::minutes(i64::from(minute)) + TimeDelta::seconds(i64::from(second))
}

/// An entry of the program's own.
pub(crate) fn entry(id: &str, kind: EntryKind, occurred_at: World, title: &str) -> Entry {
    Entry { id: EntryId(Safe::from(id)), occurred_at, observed_at: occurred_at, draft: draft(kind, title) }
}

/// A draft of the program's own.
pub(crate) fn draft(kind: EntryKind, title: &str) -> Draft {
    Draft {
        kind,
        source: Safe::fixed("drill/prometheus"),
        subject: Safe::fixed("payments"),
        title: Safe::from(title),
        detail: None,
        actor: Actor::system(),
        service: None,
        before: None,
        after: None,
        evidence: Vec::new(),
        dedupe: None,
        origin: EntryOrigin::Auto,
        pinned: false,
        body: None,
    }
}

/// The same, done by a person.
pub(crate) fn by(name: &str, mut entry: Entry) -> Entry {
    entry.draft.actor =
        Actor { kind: ActorKind::Human, name: Safe::from(name), known_by: Some(Safe::fixed("ssh user")) };
    entry.draft.origin = EntryOrigin::Manual;
    entry
}

/// A plan to scale payments from 6 to 12, the same as `command`.
pub(crate) fn plan(id: &str, command: &str) -> Plan {
    let target = Target {
        origin: Origin { env: EnvId::from("drill"), source: SourceId::from("kubernetes") },
        kind: Kind::Deployment,
        path: ObjectPath::new("payments", "payments"),
        uid: Some(Uid::from("u-1")),
    };
    Plan {
        id: PlanId(Safe::from(id)),
        request: Request::Scale { target: target.clone(), to: Replicas::Exactly(12) },
        target,
        title: Safe::fixed("scale Deployment payments"),
        changes: vec![FieldChange {
            pointer: Safe::fixed("/spec/replicas"),
            label: Safe::fixed("replicas"),
            before: Safe::fixed("6"),
            after: Safe::fixed("12"),
            words: None,
        }],
        undo: Some(Safe::fixed("12 → 6, while nobody else has changed it")),
        blast: Blast {
            ready_before: 6,
            wanted_before: Some(6),
            wanted_after: 12,
            fewest_ready: Some(6),
            words: Safe::fixed("+6 of 6 (100 % more)"),
        },
        room: Room::Counted { fit: 6, wait: 0, words: Safe::fixed("6 of 6 fit now") },
        owners: Vec::new(),
        load: None,
        tier: Tier::Reversible,
        permission: Permission::Allowed,
        preview: Preview::Accepted,
        service: Some(ServiceName::from("payments")),
        services: Vec::new(),
        command: Safe::from(command),
        facts: Vec::new(),
        instead: None,
        ends: Ends::Stays,
        read_at: at(23, 0),
        expires_at: at(25, 0),
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: 300,
        raised_from: None,
    }
}

/// Waits for a receipt.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers").block_on(future)
}

/// What verification finds on a test's disk.
#[cfg(feature = "operator")]
pub(crate) fn verify_on(disk: &MemoryDisk, dir: &std::path::Path) -> super::Verified {
    super::verify::verify_on(disk, dir).expect("it can be read")
}

/// Every directory of an archive on a test's disk that holds journals: incidents and the rolling
/// ones.
pub(crate) fn journal_dirs(disk: &MemoryDisk) -> std::collections::BTreeSet<std::path::PathBuf> {
    let in_journal = |path: &std::path::PathBuf| path.parent().is_some_and(|dir| dir.ends_with(super::layout::JOURNAL));
    disk.files()
        .into_iter()
        .map(|(path, _)| path)
        .filter(in_journal)
        .filter_map(|path| Some(path.parent()?.parent()?.to_path_buf()))
        .collect()
}

/// Reads an incident from a test's disk.
pub(crate) fn read_on(disk: &MemoryDisk, dir: &std::path::Path) -> IncidentRecord {
    super::read::read_incident_on(disk, dir).expect("it is an incident")
}
