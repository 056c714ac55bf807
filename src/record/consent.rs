//! The second person of the top tier: what is asked, and who consented, by the record alone.
//!
//! Owns: the hash that a consent names, and the judgement whose consent counts. Must not: ask
//! anybody, or apply anything.
//!
//! A consent is an entry in a file of the incident's journal. What makes it a second person's is
//! what the system keeps and no process can pretend: the owner of that file.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::clock::World;
use crate::model::entry::{Body, Entry};
use crate::model::name::IncidentId;
use crate::model::plan::{Plan, PlanId};
use crate::text::Safe;

use super::chain::hash_of;
use super::disk::{Disk as _, RealDisk};
use super::journal::redacted;
use super::layout;
use super::read::{FileKind, RecordError, chained_files};

/// Digits of a hash that people read to each other.
const SHORT: usize = 8;
/// The system's own user is nobody in particular: whoever may become it is no second person.
const ROOT: u32 = 0;

/// What a consent to `plan` names: the incident, the asking (by the plan that was shown first, so
/// that no consent counts twice), and what the plan comes to. Reading the system again leaves it
/// as it is; any other change of a field, another target or a higher tier makes it another.
///
/// It is of the plan as the journal keeps it: whoever reads the record computes the same.
pub fn consent_hash(incident: &IncidentId, asked: &PlanId, plan: &Plan) -> Safe {
    let meaning = redacted::planned(plan.clone()).meaning();
    let parts = [incident.as_str(), asked.0.as_str(), &meaning];
    let lengths = parts.map(|part| part.len().to_string()).join(" ");
    hash_of(&[
        b"warroom consent\n",
        lengths.as_bytes(),
        b"\n",
        parts[0].as_bytes(),
        parts[1].as_bytes(),
        parts[2].as_bytes(),
    ])
    .into()
}

/// The first digits of a hash.
pub fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}

/// A plan that a second person was asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The plan, as it was shown.
    pub plan: Plan,
    /// What a consent names.
    pub hash: Safe,
    /// Who asked.
    pub by: Safe,
    /// When.
    pub at: World,
}

/// The plans of `incident` that a second person was asked about and that were not begun. One whose
/// hash is not its own is none of them.
pub fn awaiting(incident: &IncidentId, entries: &[Entry]) -> Vec<Asked> {
    let begun = |asked: &Plan| {
        entries.iter().any(
            |entry| matches!(&entry.draft.body, Some(Body::Intent(plan)) if consent_hash(incident, &asked.id, plan) == consent_hash(incident, &asked.id, asked)),
        )
    };
    entries
        .iter()
        .filter_map(|entry| match &entry.draft.body {
            Some(Body::ConsentAsked { plan, hash }) => Some(Asked {
                plan: (**plan).clone(),
                hash: hash.clone(),
                by: entry.draft.actor.name.clone(),
                at: entry.occurred_at,
            }),
            _ => None,
        })
        .filter(|asked| consent_hash(incident, &asked.plan.id, &asked.plan) == asked.hash)
        .filter(|asked| !begun(&asked.plan))
        .collect()
}

/// Somebody's consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Who says so, as they name themselves.
    pub name: Safe,
    /// The user that owns the file it stands in.
    pub uid: u32,
    /// Why it does not count, if so.
    pub void: Option<Safe>,
}

/// Who consented to the plan of `hash` in the incident's directory `dir`. It counts if the file it
/// stands in is whole, a plain file, and belongs to another user than `own`, the asking process's
/// own file, and not to root.
pub fn voices(dir: &Path, hash: &str, own: &Path) -> Result<Vec<Voice>, RecordError> {
    let failed = |error: std::io::Error| {
        RecordError::new(format!("cannot tell whose file {} is: {error}; consents cannot be counted", own.display()))
    };
    let own = own.symlink_metadata().map_err(failed)?.uid();
    voices_beside(dir, hash, own)
}

fn voices_beside(dir: &Path, hash: &str, own: u32) -> Result<Vec<Voice>, RecordError> {
    let mut voices = Vec::new();
    let disk = RealDisk::default();
    // Cheaper than reading all: most files have no consent in them.
    let names = |path: &Path| {
        disk.read(path, layout::FILE_CAP)
            .is_ok_and(|bytes| bytes.windows(hash.len()).any(|part| part == hash.as_bytes()))
    };
    let folder = dir.join(layout::JOURNAL);
    let any = disk.list(&folder).unwrap_or_default().iter().any(|member| names(&folder.join(&member.name)));
    if hash.is_empty() || !any {
        return Ok(voices);
    }
    for file in chained_files(&disk, dir)? {
        if file.kind != FileKind::Journal {
            continue;
        }
        let Ok(facts) = file.path.symlink_metadata() else { continue };
        let entries = file.parsed::<Entry>().filter_map(|(_, entry)| entry.ok());
        let consents = entries
            .filter(|entry| matches!(&entry.draft.body, Some(Body::Consented { hash: named }) if *named == *hash));
        for entry in consents {
            let void = if !facts.is_file() || !file.scan.faults.is_empty() {
                Some("the file it stands in is not as it was written")
            } else if facts.uid() == own {
                Some("it comes from the user who asked: it takes another one")
            } else if facts.uid() == ROOT {
                Some("it comes from root, who is nobody in particular: it takes a person's own user")
            } else {
                None
            };
            voices.push(Voice { name: entry.draft.actor.name, uid: facts.uid(), void: void.map(Safe::fixed) });
        }
    }
    Ok(voices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::EntryKind;
    use crate::model::plan::{RESTARTED, Tier};
    use crate::record::testing::{at, draft, entry, plan, wait};
    use crate::record::{Archive, Durability, Journal, StartInfo};

    fn incident() -> IncidentId {
        IncidentId::from("2026-11-21-checkout")
    }

    fn asked(id: &str) -> Entry {
        let mut asked = entry("01", EntryKind::ConsentAsked, at(1, 0), "a second person is asked");
        let plan = Plan { tier: Tier::Grave, ..plan(id, "kubectl scale") };
        let hash = consent_hash(&incident(), &plan.id, &plan);
        asked.draft.body = Some(Body::ConsentAsked { plan: Box::new(plan), hash });
        asked
    }

    fn journal(archive: &Archive, id: &IncidentId) -> Journal {
        let info = StartInfo {
            incident: None,
            version: "1".into(),
            drill: false,
            env: "prod".into(),
            titles: Default::default(),
            actor: crate::model::entry::Actor::system(),
            at: at(0, 0),
        };
        archive.journal_for(id, info).unwrap()
    }

    #[test]
    fn a_plan_that_was_read_again_has_the_same_hash_and_another_change_another() {
        let old = plan("p1", "kubectl scale");
        let hash = |plan: &Plan| consent_hash(&incident(), &old.id, plan);
        let mut again = Plan { id: PlanId("p2".into()), read_at: at(30, 0), expires_at: at(31, 0), ..old.clone() };
        again.load = Some("cpu 99 %".into());
        again.blast.ready_before = 5;
        again.owners.clear();
        assert_eq!(hash(&again), hash(&old));
        let mut other = old.clone();
        other.changes[0].after = "11".into();
        assert_ne!(hash(&other), hash(&old));
        assert_ne!(hash(&Plan { tier: Tier::Grave, ..old.clone() }), hash(&old));
        // A restart writes the time at which it was planned: the same again is the same.
        let restarted = |before: &'static str, at: &'static str| {
            let mut plan = old.clone();
            (plan.changes[0].label, plan.changes[0].before) = (RESTARTED.into(), before.into());
            plan.changes[0].after = at.into();
            hash(&plan)
        };
        assert_eq!(restarted("null", "\"03:14:00Z\""), restarted("null", "\"03:16:00Z\""));
        assert_ne!(restarted("\"03:15:00Z\"", "\"03:16:00Z\""), restarted("null", "\"03:16:00Z\""), "somebody did");
        let mut elsewhere = old.clone();
        elsewhere.target.uid = None;
        assert_ne!(hash(&elsewhere), hash(&old));
        assert_ne!(consent_hash(&incident(), &PlanId("p9".into()), &old), hash(&old), "asked once, it counts once");
        assert_ne!(consent_hash(&"2026-11-22-checkout".into(), &old.id, &old), hash(&old));
    }

    #[test]
    fn the_record_tells_what_waits_and_a_plan_under_another_hash_does_not() {
        let mut forged = asked("p2");
        if let Some(Body::ConsentAsked { plan, .. }) = &mut forged.draft.body {
            plan.changes[0].after = "0".into();
        }
        let entries = [asked("p1"), forged];
        let waiting = awaiting(&incident(), &entries);
        assert_eq!(waiting.iter().map(|asked| asked.plan.id.0.as_str()).collect::<Vec<_>>(), ["p1"]);
        // Begun, under another id after a refresh: it waits no more.
        let mut intent = entry("03", EntryKind::Intent, at(2, 0), "about to");
        let begun = Plan { id: PlanId("p1b".into()), ..waiting[0].plan.clone() };
        intent.draft.body = Some(Body::Intent(Box::new(begun)));
        assert!(awaiting(&incident(), &[asked("p1"), intent]).is_empty());
    }

    #[test]
    fn a_consent_counts_if_its_file_belongs_to_another_user_and_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::new(dir.path());
        let id = archive.create("checkout", at(0, 0)).unwrap();
        let asking = journal(&archive, &id);
        let hash = "a".repeat(64);
        let find = |own| voices_beside(&archive.dir(&id), &hash, own).unwrap();
        assert!(find(1).is_empty());

        let second = journal(&archive, &id);
        let mut consent = draft(EntryKind::Consented, "consents");
        consent.body = Some(Body::Consented { hash: hash.as_str().into() });
        wait(second.append(consent, at(1, 0), at(1, 0), Durability::Now)).unwrap();
        let path = second.path();
        wait(second.close(at(2, 0))).unwrap();
        let uid = path.metadata().unwrap().uid();

        // The same user, by whatever process.
        let own = voices(&archive.dir(&id), &hash, &asking.path()).unwrap();
        assert!(own[0].void.as_deref().is_some_and(|why| why.contains("takes another one")), "{own:?}");
        // Another user; root is none.
        let other = find(uid + 1);
        assert_eq!(other[0].void.is_none(), uid != ROOT, "{other:?}");
        assert!(voices_beside(&archive.dir(&id), &"b".repeat(64), uid + 1).unwrap().is_empty());
        if uid == ROOT {
            std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
            assert_eq!(find(0)[0], Voice { name: "warroom".into(), uid: 1234, void: None });
        }
        // A byte that was changed.
        let text = std::fs::read_to_string(&path).unwrap().replace("\"consents\"", "\"consentS\"");
        std::fs::write(&path, text).unwrap();
        assert!(find(uid + 1)[0].void.as_deref().is_some_and(|why| why.contains("not as it was written")));
    }
}
