//! A second export keeps what people wrote.
//!
//! Automatic sections stand between `<!-- warroom:begin NAME -->` and `<!-- warroom:end NAME -->`
//! and are renewed; everything else is theirs. So is a section that they removed, and these
//! lines of the front matter: `status`, `owner`, `tags`, `title`, comments, and whatever they added.

/// Lines of the front matter that people own.
const THEIRS: [&str; 4] = ["status", "owner", "tags", "title"];

/// `existing` with its automatic sections and front matter taken from `new`.
pub fn renew(existing: &str, new: &str) -> String {
    let (old_front, old_body) = split_front(existing);
    let (new_front, new_body) = split_front(new);
    let mut out = match (old_front, new_front) {
        (Some(old), Some(new)) => format!("---\n{}---\n", merge_front(old, new)),
        (Some(old), None) => format!("---\n{old}---\n"),
        // They removed it.
        (None, _) => String::new(),
    };
    let mut rest = old_body;
    while let Some((before, name, inside, after)) = next_section(rest) {
        out.push_str(before);
        out.push_str(section(new_body, name).unwrap_or(inside));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The lines between `---` and `---`, and what follows.
fn split_front(text: &str) -> (Option<&str>, &str) {
    let parts = text.strip_prefix("---\n").and_then(|rest| {
        if let Some(body) = rest.strip_prefix("---\n") {
            return Some(("", body));
        }
        let end = rest.find("\n---\n")?;
        Some((rest.get(..=end)?, rest.get(end + 5..)?))
    });
    match parts {
        Some((front, body)) => (Some(front), body),
        None => (None, text),
    }
}

fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-').then_some(key).filter(|key| !key.is_empty())
}

/// The values of several lines that belong to a key, such as a list under `tags:`, go with it.
fn blocks(front: &str) -> Vec<(Option<&str>, String)> {
    let mut blocks: Vec<(Option<&str>, String)> = Vec::new();
    for line in front.lines() {
        match (key(line), blocks.last_mut()) {
            (None, Some((_, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (key, _) => blocks.push((key, format!("{line}\n"))),
        }
    }
    blocks
}

fn merge_front(old: &str, new: &str) -> String {
    let (old, new) = (blocks(old), blocks(new));
    let mut out = String::new();
    // Before the first key there is no key's value.
    let first = |blocks: &[(Option<&str>, String)]| {
        blocks.first().filter(|(key, _)| key.is_none()).map(|(_, block)| block.clone())
    };
    out.extend(first(&old).or_else(|| first(&new)));
    for (key, block) in new.iter().filter(|(key, _)| key.is_some()) {
        match old.iter().find(|(known, _)| known == key) {
            Some((_, theirs)) if key.is_some_and(|key| THEIRS.contains(&key)) => out.push_str(theirs),
            Some((_, before)) => {
                out.push_str(block);
                let remarks = before.lines().filter(|line| line.trim_start().starts_with('#'));
                out.extend(remarks.map(|line| format!("{line}\n")));
            }
            None => out.push_str(block),
        }
    }
    for (key, block) in &old {
        if key.is_some() && !new.iter().any(|(known, _)| known == key) {
            out.push_str(block);
        }
    }
    out
}

/// The next automatic section: what stands before it, its name, all of it with its markers, and
/// what follows. A section whose end was lost is people's text.
fn next_section(text: &str) -> Option<(&str, &str, &str, &str)> {
    const BEGIN: &str = "<!-- warroom:begin ";
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find(BEGIN)?;
        let after_begin = text.get(start + BEGIN.len()..)?;
        let name = after_begin.get(..after_begin.find(" -->")?)?;
        let end_marker = format!("<!-- warroom:end {name} -->");
        if let Some(length) = after_begin.find(&end_marker) {
            let end = start + BEGIN.len() + length + end_marker.len();
            return Some((text.get(..start)?, name, text.get(start..end)?, text.get(end..)?));
        }
        from = start + BEGIN.len();
    }
}

fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some((_, found, inside, after)) = next_section(rest) {
        if found == name {
            return Some(inside);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OLD: &str = "---\nstatus: in_review\nseverity: SEV3\ntags:\n  - db\nteam: shop\n---\n# Mine\n<!-- warroom:begin a -->\nold a\n<!-- warroom:end a -->\nmy words\n<!-- warroom:begin c -->\nkept\n<!-- warroom:end c -->\n";
    const NEW: &str = "---\nstatus: draft\nseverity: SEV2\ntags: []\n---\n# Theirs\n<!-- warroom:begin a -->\nnew a\n<!-- warroom:end a -->\n<!-- warroom:begin b -->\nb\n<!-- warroom:end b -->\n";

    #[test]
    fn what_people_wrote_survives_and_the_rest_is_new() {
        assert_eq!(
            renew(OLD, NEW),
            "---\nstatus: in_review\nseverity: SEV2\ntags:\n  - db\nteam: shop\n---\n# Mine\n<!-- warroom:begin a -->\nnew a\n<!-- warroom:end a -->\nmy words\n<!-- warroom:begin c -->\nkept\n<!-- warroom:end c -->\n"
        );
    }

    #[test]
    fn comments_in_the_front_matter_survive() {
        let old = "---\n# agreed with legal\nstatus: closed\nseverity: SEV3\n# was SEV1 until noon\n---\nx";
        let new = "---\nstatus: draft\nseverity: SEV2\n---\nx";
        let merged = "---\n# agreed with legal\nstatus: closed\nseverity: SEV2\n# was SEV1 until noon\n---\nx";
        assert_eq!(renew(old, new), merged);
        assert_eq!(renew(merged, new), merged, "not told twice");
    }

    #[test]
    fn a_section_whose_end_was_lost_is_left_alone() {
        let broken = "<!-- warroom:begin a -->\nmine now\n<!-- warroom:begin b -->\nold\n<!-- warroom:end b -->";
        let out = renew(broken, NEW);
        assert!(out.starts_with("<!-- warroom:begin a -->\nmine now\n") && out.contains("\nb\n"), "{out}");
    }

    proptest! {
        #[test]
        fn a_document_of_ones_own_is_kept_whole(text in "[^<]*") {
            prop_assume!(!text.starts_with("---"));
            prop_assert_eq!(renew(&text, NEW), text);
        }

        #[test]
        fn renewing_twice_changes_nothing(text in "(---\n|key: v\n|<!-- warroom:(begin|end) [ab] -->\n|x\n){0,12}") {
            let once = renew(&text, NEW);
            prop_assert_eq!(renew(&once, NEW), once.clone());
        }
    }
}
