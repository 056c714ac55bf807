//! A service's runbook: a Markdown file on this machine.
//!
//! Owns: reading it, within bounds, and telling its commands from its text. Must not: run
//! anything. The text is untrusted like all text that arrives: whoever can write the file could
//! otherwise draw on the screen.

mod markdown;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::io::AsyncReadExt as _;

use crate::model::runbook::Runbook;
use crate::text::Safe;

/// No runbook is longer, in bytes.
const LARGEST: u64 = 512 * 1024;

/// Reads the file. The error says what was attempted and what to do.
pub async fn read_runbook(path: &Path) -> Result<Runbook, Safe> {
    let failed = |why: &dyn std::fmt::Display| {
        Safe::from(format!("reading the runbook {} failed: {why}; check `runbook` of its service", path.display()))
    };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let about = tokio::fs::metadata(path).await.map_err(|why| failed(&why))?;
    if !about.is_file() {
        return Err(failed(&"it is not a regular file"));
    }
    let file = tokio::fs::File::open(path).await.map_err(|why| failed(&why))?;
    let about = file.metadata().await.map_err(|why| failed(&why))?;
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).await.map_err(|why| failed(&why))?;
    let left = about.len().saturating_sub(bytes.len() as u64);
    let open_to_all = about.permissions().mode() & 0o002 != 0;
    // A large file takes a moment: not on a task that others wait for.
    let parsed = tokio::task::spawn_blocking(move || {
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if left > 0 {
            // Half a line, half a command.
            text.truncate(text.rfind('\n').map_or(0, |at| at + 1));
        }
        markdown::parse(&text)
    });
    let mut runbook = parsed.await.map_err(|_| failed(&"it could not be taken apart"))?;
    if left > 0 {
        runbook.cut = Some(Safe::from(format!("the file goes on for {left} bytes, which are not read")));
    }
    runbook.open_to_all = open_to_all;
    Ok(runbook)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_a_file_of_reasonable_size_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_runbook(folder.path()).await.unwrap_err();
        assert!(error.contains("not a regular file"), "{error}");
        let error = read_runbook(&folder.path().join("none.md")).await.unwrap_err();
        assert!(error.contains("none.md failed") && error.contains("check `runbook`"), "{error}");
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(read_runbook(&path).await.unwrap_err().contains("not a regular file"));

        let path = folder.path().join("long.md");
        std::fs::write(&path, format!("# Long\n\n{}```sh\necho end\n```\n", "a line of text\n\n".repeat(40_000)))
            .unwrap();
        let runbook = read_runbook(&path).await.unwrap();
        assert!(runbook.cut.unwrap().contains("bytes, which are not read"));
        assert!(runbook.blocks.len() <= markdown::MOST);
    }

    #[tokio::test]
    async fn who_could_have_written_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.md");
        std::fs::write(&path, b"```sh\necho \xff\n```\n").unwrap();
        for (mode, open) in [(0o644, false), (0o664, false), (0o646, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_runbook(&path).await.unwrap().open_to_all, open, "{mode:o}");
        }
    }
}
