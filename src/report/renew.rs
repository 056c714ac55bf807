//! Writing a document again without losing what people wrote into it.
//!
//! What the program writes stands between marks; only that is renewed. A section that people
//! deleted with its marks stays deleted.

/// Why a document was not renewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The file is not one of ours.
    #[error("the file holds none of the marks that tell the program's sections from people's text; choose another file")]
    Foreign,
    /// A section is begun and not ended.
    #[error("the section `{0}` has a begin mark and no end mark; put `<!-- warroom:end {0} -->` back, or choose another file")]
    Unended(String),
}

const BEGIN: &str = "warroom:begin ";
const END: &str = "warroom:end ";

/// `existing` with the program's sections taken from `fresh`. Marks stand on lines of their own,
/// as an HTML comment or, in the front matter, a YAML one.
pub fn renew(existing: &str, fresh: &str) -> Result<String, RenewError> {
    let mut out = String::with_capacity(existing.len() + 1024);
    let mut found = false;
    let mut lines = existing.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let Some(name) = mark(line, BEGIN) else {
            out.push_str(line);
            continue;
        };
        found = true;
        let mut old = line.to_owned();
        loop {
            let Some(line) = lines.next() else { return Err(RenewError::Unended(name.to_owned())) };
            old.push_str(line);
            if mark(line, END) == Some(name) {
                break;
            }
        }
        out.push_str(&section(fresh, name).unwrap_or(old));
    }
    if found { Ok(out) } else { Err(RenewError::Foreign) }
}

/// The name in a line that is a mark: `<!-- warroom:begin NAME -->` or `# warroom:begin NAME`.
fn mark<'a>(line: &'a str, sort: &str) -> Option<&'a str> {
    let line = line.trim();
    let inner = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")).or_else(|| line.strip_prefix("# "))?;
    let name = inner.strip_prefix(sort)?;
    (!name.is_empty() && !name.contains(' ')).then_some(name)
}

fn section(document: &str, name: &str) -> Option<String> {
    let mut lines = document.split_inclusive('\n').skip_while(|line| mark(line, BEGIN) != Some(name)).peekable();
    lines.peek()?;
    let mut out = String::new();
    for line in lines {
        out.push_str(line);
        if mark(line, END) == Some(name) {
            return Some(out);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "# T\n<!-- warroom:begin a -->\nold\n<!-- warroom:end a -->\nwhat people wrote\n<!-- warroom:begin b -->\nx\n<!-- warroom:end b -->\n";
    const NEW: &str = "# T\n<!-- warroom:begin a -->\nnew\n<!-- warroom:end a -->\nprompt\n<!-- warroom:begin c -->\nz\n<!-- warroom:end c -->\n";

    #[test]
    fn what_people_wrote_stays() {
        let renewed = renew(OLD, NEW).unwrap();
        assert!(renewed.contains("new") && !renewed.contains("old"));
        assert!(renewed.contains("what people wrote") && !renewed.contains("prompt"));
        assert!(renewed.contains("\nx\n"), "a section that is not made any more stays as it was");
    }

    #[test]
    fn a_foreign_file_is_left_alone() {
        assert_eq!(renew("my notes", NEW), Err(RenewError::Foreign));
        assert_eq!(renew("<!-- warroom:begin a -->\nold\n", NEW), Err(RenewError::Unended("a".into())));
    }
}
