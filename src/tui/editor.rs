//! A text that is written in the person's own editor.
//!
//! Owns: the private file, the editor's process, and what became of both. Must not: touch the
//! terminal, which is given over before and taken back after.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::wall;
use crate::text::{BLOCK_CAP, Safe, clean_block};

/// Bytes of a text that are taken; a note is none of a megabyte.
const TEXT: u64 = BLOCK_CAP as u64;
/// An editor that is told to end is given this long, and so is a disk then.
const FAREWELL: Duration = Duration::from_millis(500);
/// A disk that takes longer for a note is one that hangs.
const DISK: Duration = Duration::from_secs(5);
/// Variables of the process that no editor needs and no editor's plugin should see.
const SECRETS: [&str; 4] =
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN"];

/// An editor that has the terminal. The disk is waited for beside the loop, and not for ever.
#[derive(Debug)]
pub(super) struct Editing {
    text: Text,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The file is being written; until when that is waited for.
    Preparing(JoinHandle<io::Result<()>>, Instant),
    /// The person writes.
    Open(Child),
    /// The file is being read, after the editor ended so; until when that is waited for.
    Reading { ended: io::Result<ExitStatus>, read: JoinHandle<io::Result<String>>, until: Instant },
}

/// What is written, where and with what.
#[derive(Clone, Debug)]
struct Text {
    editor: String,
    folder: PathBuf,
    file: PathBuf,
    before: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// The text, cleaned, not empty.
    Written(Safe),
    /// Nothing was left: the person thought better of it.
    Empty,
    /// The editor failed, or its text is too long: the text as it stood in the file then, or
    /// before, if the file is kept.
    Failed { why: String, text: Safe },
}

impl Editing {
    /// Has `text` written to a file that nobody else can read, to be opened by `editor`, a line for
    /// the shell as `$VISUAL` is. Needs a runtime.
    pub(super) fn start(editor: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("warroom-note-{}", ulid::Ulid::generate()));
        let file = folder.join("note.txt");
        let text = Text { editor: editor.to_owned(), folder, file, before: text.to_owned() };
        let preparing = text.clone();
        let prepared = tokio::task::spawn_blocking(move || preparing.prepare());
        Self { text, stage: Stage::Preparing(prepared, Instant::now() + DISK) }
    }

    /// Starts the editor as soon as its file is there, waits for its end, and reads the file, which is
    /// removed when that was answered. Cancelled and called again at will, until then.
    pub(super) async fn ended(&mut self) -> Edited {
        loop {
            self.stage = match &mut self.stage {
                Stage::Preparing(prepared, until) => {
                    let prepared = in_time(prepared, *until).await;
                    match prepared.and_then(|()| spawn(&self.text.editor, &self.text.file)) {
                        Ok(child) => Stage::Open(child),
                        Err(error) => {
                            self.text.remove();
                            return self.text.unopened(&error);
                        }
                    }
                }
                Stage::Open(child) => {
                    let (ended, file) = (child.wait().await, self.text.file.clone());
                    let read = tokio::task::spawn_blocking(move || read(&file));
                    Stage::Reading { ended, read, until: Instant::now() + DISK }
                }
                Stage::Reading { ended, read, until } => {
                    let text = in_time(read, *until).await;
                    return self.text.taken(ended, text);
                }
            };
        }
    }
}

/// What became of work with the disk, if that answers by then.
async fn in_time<T>(work: &mut JoinHandle<io::Result<T>>, until: Instant) -> io::Result<T> {
    match tokio::time::timeout_at(until, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(crash)) => Err(io::Error::other(crash)),
        Err(_) => Err(io::Error::other(format!("the disk did not answer within {} s", DISK.as_secs()))),
    }
}

impl Text {
    fn failed(&self, why: String) -> Edited {
        Edited::Failed { why, text: Safe::from(self.before.as_str()) }
    }

    fn unopened(&self, error: &io::Error) -> Edited {
        self.failed(format!("cannot start the editor `{}` on {}: {error}", self.editor, self.file.display()))
    }

    /// What was written. What cannot be taken is kept where it is.
    fn taken(&self, ended: &io::Result<ExitStatus>, text: io::Result<String>) -> Edited {
        let (editor, file) = (&self.editor, self.file.display());
        let text = match text {
            Ok(text) if text.len() as u64 > TEXT => {
                return self.failed(format!(
                    "not noted: the text is longer than {TEXT} bytes; it is kept in {file}, to be noted in parts"
                ));
            }
            Ok(text) => clean_block(text.trim()),
            Err(error) => {
                return self.failed(format!("cannot read what the editor `{editor}` wrote to {file}: {error}"));
            }
        };
        self.remove();
        match ended {
            Ok(status) if status.success() && text.is_empty() => Edited::Empty,
            Ok(status) if status.success() => Edited::Written(text),
            Ok(status) => {
                Edited::Failed { why: format!("the editor `{editor}` failed, {status}: nothing was noted"), text }
            }
            Err(error) => Edited::Failed { why: format!("cannot tell how the editor `{editor}` ended: {error}"), text },
        }
    }

    /// Beside the loop; nobody waits for it.
    fn remove(&self) {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder));
    }

    fn prepare(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(&self.folder)?;
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file)?;
        file.write_all(self.before.as_bytes())?;
        if self.before.is_empty() { Ok(()) } else { file.write_all(b"\n") }
    }
}

fn spawn(editor: &str, file: &Path) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    // The line may have arguments and quotes; the file's name is handed over beside it.
    command.arg("-c").arg(format!("{editor} \"$@\"")).arg("warroom").arg(file);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    for name in SECRETS {
        command.env_remove(name);
    }
    command.spawn()
}

/// One byte more than is taken tells that there is more.
fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(TEXT + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Editing {
    /// The session ends while somebody writes: the editor is told to end. Where the text is, if
    /// more was saved than there was before; else nothing is left, unless the disk hangs.
    pub(super) fn end(self) -> Option<PathBuf> {
        let Self { text, stage } = self;
        let deadline = wall() + FAREWELL;
        let in_time = |over: &mut dyn FnMut() -> bool| {
            while !over() {
                if wall() >= deadline {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            true
        };
        match stage {
            // Nobody has written yet.
            Stage::Preparing(prepared, _) => {
                if in_time(&mut || prepared.is_finished()) {
                    let _ = std::fs::remove_dir_all(&text.folder);
                }
                return None;
            }
            Stage::Open(mut child) => {
                if let Some(id) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                    let _ = kill_process(id, Signal::TERM);
                }
                if !in_time(&mut || !matches!(child.try_wait(), Ok(None))) {
                    let _ = child.start_kill();
                }
            }
            Stage::Reading { read, .. } => {
                if !in_time(&mut || read.is_finished()) {
                    return Some(text.file);
                }
            }
        }
        match read(&text.file) {
            Ok(saved) if saved.trim() != text.before.trim() => Some(text.file),
            _ => {
                let _ = std::fs::remove_dir_all(&text.folder);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn edited(editor: &str, text: &str) -> (Edited, PathBuf) {
        let mut editing = Editing::start(editor, text);
        let folder = editing.text.folder.clone();
        (editing.ended().await, folder)
    }

    /// Returns when a folder is gone, which nobody else waits for.
    async fn gone(folder: &Path) {
        while folder.exists() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_saved_is_taken_in_clean_and_nothing_is_left_behind() {
        let (text, folder) = edited(r"printf 'pool is full\n\033]0;owned\007since 03:14\n' >", "").await;
        assert_eq!(text, Edited::Written(clean_block("pool is full\nsince 03:14")));
        gone(&folder).await;
    }

    #[tokio::test]
    async fn the_file_is_the_persons_alone_and_holds_what_was_typed() {
        let (text, _) = edited(r#"f() { stat -c '%a' "$1" "$(dirname "$1")" >> "$1"; }; f"#, "draft").await;
        assert_eq!(text, Edited::Written(clean_block("draft\n600\n700")));
    }

    #[tokio::test]
    async fn an_empty_text_is_no_note_and_a_failed_editor_is_told_with_what_it_wrote() {
        assert_eq!(edited("truncate -s 0", "draft").await.0, Edited::Empty);
        let (text, folder) = edited(r#"f() { echo more >> "$1"; exit 3; }; f"#, "draft").await;
        let Edited::Failed { why, text } = text else { panic!("{text:?}") };
        assert!(why.contains("exit status: 3") && why.contains("nothing was noted"), "{why}");
        assert_eq!(text, clean_block("draft\nmore"));
        gone(&folder).await;
        let Edited::Failed { why, .. } = edited("no-such-editor-anywhere", "").await.0 else { panic!() };
        assert!(why.contains("no-such-editor-anywhere"), "{why}");
    }

    #[tokio::test]
    async fn a_text_that_is_too_long_stays_in_its_file_and_is_told_where() {
        let (text, folder) = edited("head -c 70000 /dev/zero | tr '\\0' x >", "").await;
        let Edited::Failed { why, text } = text else { panic!("{text:?}") };
        let file = folder.join("note.txt");
        assert!(why.contains(&file.display().to_string()) && text.is_empty(), "{why}");
        assert_eq!(std::fs::metadata(&file).unwrap().len(), 70_000);
        std::fs::remove_dir_all(folder).unwrap();
        let (whole, folder) = edited("head -c 65536 /dev/zero | tr '\\0' x >", "").await;
        assert!(matches!(whole, Edited::Written(text) if text.len() == 65_536));
        gone(&folder).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_given_five_seconds_and_what_was_written_stays_where_it_is() {
        let mut editing = Editing::start("true", "draft");
        let file = editing.text.file.clone();
        let Stage::Preparing(prepared, until) = &mut editing.stage else { panic!("{editing:?}") };
        in_time(prepared, *until).await.unwrap();
        let begun = Instant::now();
        let read = tokio::spawn(std::future::pending());
        editing.stage = Stage::Reading { ended: Ok(ExitStatus::default()), read, until: begun + DISK };
        let Edited::Failed { why, text } = editing.ended().await else { panic!("it hangs") };
        assert_eq!((begun.elapsed().as_secs(), text.as_str()), (5, "draft"));
        assert!(why.contains("the disk did not answer within 5 s") && why.contains("note.txt"), "{why}");
        assert!(file.exists());

        editing.stage = Stage::Preparing(tokio::spawn(std::future::pending()), Instant::now() + DISK);
        let Edited::Failed { why, .. } = editing.ended().await else { panic!("it hangs") };
        assert!(why.starts_with("cannot start the editor `true` on "), "{why}");
    }

    #[tokio::test]
    async fn a_session_that_ends_tells_the_editor_and_keeps_only_what_was_saved() {
        let waits = async |saved: &str| {
            let place = tempfile::tempdir().unwrap();
            let begun = place.path().join("begun");
            assert!(std::process::Command::new("mkfifo").arg(&begun).status().unwrap().success());
            let editor = format!("f() {{ echo > {}; exec sleep 600; }}; f", begun.display());
            let mut editing = Editing::start(&editor, "draft");
            tokio::select! {
                edited = editing.ended() => panic!("{edited:?}"),
                begun = tokio::fs::read(&begun) => assert_eq!(begun.unwrap(), b"\n"),
            }
            std::fs::write(&editing.text.file, saved).unwrap();
            let folder = editing.text.folder.clone();
            assert_eq!(editing.end().is_some(), saved != "draft");
            folder
        };
        assert!(!waits("draft").await.exists());
        let kept = waits("draft and more").await;
        assert_eq!(std::fs::read_to_string(kept.join("note.txt")).unwrap(), "draft and more");
        std::fs::remove_dir_all(kept).unwrap();
    }

    #[tokio::test]
    async fn a_session_that_ends_while_a_note_is_read_says_where_it_is_and_before_anybody_wrote_leaves_nothing() {
        let editing = Editing::start("true", "draft");
        let folder = editing.text.folder.clone();
        assert_eq!(editing.end(), None);
        assert!(!folder.exists());

        // The editor has ended, and nobody has asked what came of it yet.
        let mut editing = Editing::start("true", "draft");
        let Stage::Preparing(prepared, until) = &mut editing.stage else { panic!("{editing:?}") };
        in_time(prepared, *until).await.unwrap();
        std::fs::write(&editing.text.file, "saved").unwrap();
        let file = editing.text.file.clone();
        let read = tokio::task::spawn_blocking(move || read(&file));
        editing.stage = Stage::Reading { ended: Ok(ExitStatus::default()), read, until: Instant::now() + DISK };
        let kept = editing.end().unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "saved");
        std::fs::remove_dir_all(kept.parent().unwrap()).unwrap();
    }
}
