//! What every plan for an object of this cluster has, whatever it changes.

use ulid::Ulid;

use crate::clock::World;
use crate::model::name::{Target, Uid};
use crate::model::plan::{Blast, Ends, Fact, Permission, Plan, PlanId, Preview, Refusal, Request, Room, Tier};
use crate::respond::Cluster;
use crate::respond::guard::{LIFETIME, refusal};
use crate::text::Safe;

use super::objects::Meta;
use super::{PATIENCE, said};

/// A plan of `want` for the object that was read, with nothing in it yet. Permission and preview
/// are filled in by the engine.
pub(super) fn draft(target: &Target, meta: &Meta, want: &Request, read_at: World, cluster: &Cluster) -> Plan {
    let not_asked = Safe::fixed("not asked yet");
    Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read_at.into()).to_string())),
        request: want.clone(),
        target: Target { uid: Some(Uid(Safe::from(meta.uid.as_str()))), ..target.clone() },
        title: Safe::from(want.words()),
        changes: Vec::new(),
        undo: None,
        blast: Blast::default(),
        room: Room::NotNeeded,
        owners: Vec::new(),
        load: cluster.load.clone(),
        tier: Tier::Reversible,
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: Safe::default(),
        facts: Vec::new(),
        instead: None,
        ends: Ends::Stays,
        read_at,
        expires_at: read_at + LIFETIME,
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: u32::try_from(PATIENCE.num_seconds()).unwrap_or(u32::MAX),
        raised_from: None,
    }
}

/// The object is the one that was picked, and it is going to stay.
pub(super) fn check_identity(target: &Target, meta: &Meta) -> Result<(), Refusal> {
    if meta.uid.is_empty() || target.uid.as_ref().is_some_and(|uid| *uid.as_str() != meta.uid) {
        return Err(refusal(format!(
            "{target} is another object than the one picked, of the same name: pick it again"
        )));
    }
    if meta.deletion_timestamp.is_some() {
        return Err(refusal(format!("{target} is being deleted: changing it would do nothing")));
    }
    Ok(())
}

/// A fact for people, of what the cluster says.
pub(super) fn fact(label: &'static str, words: &str) -> Fact {
    Fact { label: Safe::fixed(label), words: said(words), warns: false }
}

/// A fact that speaks against the plan.
pub(super) fn warning(label: &'static str, words: &str) -> Fact {
    Fact { warns: true, ..fact(label, words) }
}
