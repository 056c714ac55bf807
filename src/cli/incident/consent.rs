//! `warroom incident consent`: the second person of the top tier. Shows the plan as the record has
//! it, and writes the consent in a file of this user's own.

use std::io::{BufRead as _, Write as _};

use crate::clock::World;
use crate::model::card::{self, Line, Place, Tone};
use crate::model::entry::{Body, EntryKind};
use crate::record::{Archive, Asked, Sharing, awaiting, short};
use crate::text::Safe;

use super::{Exit, Failure, print, said, to_write, write};

/// Fewer digits than this may be anybody's.
const LEAST: usize = 8;

pub(super) fn run(id: &str, hash: &str, yes: bool) -> Result<Exit, Failure> {
    let (archive, record) = to_write(id)?;
    if record.closed_at().is_some() {
        return Err(anyhow::anyhow!("{} is closed: nothing waits in it", record.id).into());
    }
    let waiting = awaiting(&record.id, &record.entries);
    let asked = find(&waiting, hash).map_err(|why| anyhow::anyhow!("{}: {why}", record.id))?;
    print(&shown(asked, record.drill().then_some(Place::Drill)))?;
    if !yes && !agreed(asked)? {
        print("No consent was given.\n")?;
        return Ok(Exit::Failed);
    }
    let title =
        Safe::from(format!("consents to {}: {} ({})", asked.plan.title, asked.plan.changed(), short(&asked.hash)));
    let body = Body::Consented { hash: asked.hash.clone() };
    let subject = Safe::from(asked.plan.target.path.to_string());
    // Whoever asked has to be able to read it, also where this user has no configuration.
    let archive = match Sharing::like(&record.dir) {
        Sharing::Private => archive,
        shared => Archive::shared(archive.root, shared),
    };
    write(&archive, &record, said(EntryKind::Consented, &subject, title, Some(body)))?;
    print("The consent is in the record. It counts if this is another user than the one who asked.\n")?;
    Ok(Exit::Done)
}

fn find<'a>(waiting: &'a [Asked], hash: &str) -> Result<&'a Asked, String> {
    let hash = hash.to_ascii_lowercase();
    if hash.len() < LEAST {
        return Err(format!("give the first {LEAST} digits of the hash at least: the plan's screen has them"));
    }
    match waiting.iter().filter(|asked| asked.hash.starts_with(&hash)).collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] if waiting.is_empty() => Err("no plan waits for a second person".to_owned()),
        _ => {
            let all: Vec<_> =
                waiting.iter().map(|asked| format!("{} ({})", short(&asked.hash), asked.plan.title)).collect();
            Err(format!("`{hash}` is none of the plans that wait for a second person: {}", all.join(", ")))
        }
    }
}

/// The plan in words, as it was shown to whoever asks.
fn shown(asked: &Asked, place: Option<Place>) -> String {
    let at = |at: World| at.format("%Y-%m-%d %H:%M:%SZ").to_string();
    let mut lines = vec![
        Line::new("plan", asked.plan.title.to_string(), Tone::Name),
        Line::new("asked by", format!("{} at {}", asked.by, at(asked.at)), Tone::Text),
    ];
    lines.extend(card::lines(&asked.plan, place, asked.plan.read_at, &at));
    lines.push(Line::new("hash", asked.hash.to_string(), Tone::Text));
    lines.iter().map(|line| format!("{:<10}{}\n", line.label, line.text)).collect()
}

/// Asks for what nobody types by accident.
fn agreed(asked: &Asked) -> Result<bool, Failure> {
    let (name, short) = (asked.plan.name_to_type(), short(&asked.hash));
    let mut out = std::io::stdout();
    write!(out, "Type {name} or {short} to consent: ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let typed = line.trim();
    Ok(typed == name || typed == short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{at, plan};

    fn asked(hash: &str) -> Asked {
        Asked { plan: plan("p1", "kubectl scale"), hash: hash.into(), by: "ana".into(), at: at(0, 0) }
    }

    #[test]
    fn a_plan_is_found_by_the_beginning_of_its_hash_and_by_no_less() {
        let waiting = [asked("aaaaaaaa11"), asked("bbbbbbbb22")];
        assert_eq!(find(&waiting, "BBBBBBBB").map(|asked| asked.hash.as_str()), Ok("bbbbbbbb22"));
        assert!(find(&waiting, "bbb").is_err_and(|why| why.contains("first 8 digits")));
        assert!(find(&waiting, "cccccccc").is_err_and(|why| why.contains("aaaaaaaa (scale Deployment payments)")));
        assert!(find(&[], "cccccccc").is_err_and(|why| why.contains("no plan waits")));
    }

    #[test]
    fn all_of_the_plan_is_shown_before_anybody_consents() {
        let text = shown(&asked("aaaaaaaa11"), None);
        for part in
            ["drill", "Deployment payments/payments", "replicas 6 → 12", "asked by  ana", "kubectl scale", "aaaaaaaa11"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
}
