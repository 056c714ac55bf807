//! Records as a shell names them: what is written goes to the record that was named and to no
//! other, and what cannot be done is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use warroom::clock::World;
use warroom::model::entry::{Actor, Body, Draft, EntryKind, EntryOrigin};
use warroom::record::{Archive, Durability, StartInfo, read_incident, verify};
use warroom::text::Safe;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let config = "default_env = \"prod-eu\"\n\
            [[environments.prod-eu.alertmanager]]\nurl = \"http://127.0.0.1:1\"\n\
            [[environments.prod-us.alertmanager]]\nurl = \"http://127.0.0.1:1\"\n";
        let folder = home.path().join("config/warroom");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), config).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn archive(&self) -> Archive {
        Archive::new(self.path().join("state/warroom/incidents"))
    }

    fn warroom(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
        command.args(arguments).current_dir(self.path()).env("HOME", self.path()).stdin(Stdio::null());
        command.env("XDG_CONFIG_HOME", self.path().join("config")).env("XDG_STATE_HOME", self.path().join("state"));
        command
    }

    fn ends(&self, arguments: &[&str]) -> Output {
        self.warroom(arguments).output().unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.ends(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a run that has to end so.
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.ends(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", errors(&output));
        errors(&output)
    }

    fn opens(&self, title: &str) -> (String, PathBuf) {
        let id = self.said(&["incident", "open", title]).trim().to_owned();
        let dir = self.archive().root.join(&id);
        (id, dir)
    }

    /// A record of another writer than this machine's sessions.
    fn written(&self, title: &str, drill: bool, env: &'static str) -> String {
        let at = World::from_timestamp(4_102_444_800, 0).unwrap();
        let info = StartInfo {
            titles: Default::default(),
            incident: None,
            version: Safe::fixed("0"),
            drill,
            env: Safe::fixed(env),
            actor: Actor::system(),
            at,
        };
        let (archive, title) = (self.archive(), Safe::from(title));
        let id = archive.create(&title, at).unwrap();
        let opened = Draft {
            kind: EntryKind::Opened,
            source: Safe::fixed("warroom"),
            subject: id.0.clone(),
            title: title.clone(),
            detail: None,
            actor: Actor::system(),
            service: None,
            before: None,
            after: None,
            evidence: Vec::new(),
            dedupe: None,
            origin: EntryOrigin::Manual,
            pinned: false,
            body: Some(Body::Opened { incident: id.clone(), title }),
        };
        let journal = archive.journal_for(&id, info).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(journal.append(opened, at, at, Durability::Now)).unwrap();
        runtime.block_on(journal.close(at)).unwrap();
        id.to_string()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn notes(dir: &Path) -> Vec<String> {
    let record = read_incident(dir).unwrap();
    let notes = record.entries.iter().filter(|entry| entry.draft.kind == EntryKind::Note);
    notes.map(|entry| entry.draft.title.to_string()).collect()
}

/// All that is in a directory, its folders' members included, with a change of modes.
fn copy(from: &Path, to: &Path, shared: bool) {
    std::fs::create_dir(to).unwrap();
    for member in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(member.file_name());
        if member.path().is_dir() {
            copy(&member.path(), &to, shared);
        } else {
            std::fs::copy(member.path(), to).unwrap();
        }
    }
    let mode = if shared { 0o2750 } else { 0o700 };
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_written_goes_to_the_record_that_was_named() {
    let home = Home::new();
    let (id, dir) = home.opens("some checkouts fail");
    let noted = home.warroom(&["incident", "note", ".", "from inside"]).current_dir(&dir).output().unwrap();
    assert!(noted.status.success(), "{}", errors(&noted));
    assert_eq!(notes(&dir), ["from inside"]);
    assert!(!dir.join(&id).exists(), "no incident inside the incident");

    // A copy is a record of its own, by its path and by its name beside it.
    let moved = home.path().join("moved");
    copy(&dir, &moved, true);
    home.said(&["incident", "note", "./moved", "by path"]);
    home.said(&["incident", "note", "moved", "by name"]);
    home.said(&["incident", "close", moved.to_str().unwrap()]);
    assert_eq!(notes(&moved), ["from inside", "by path", "by name"]);
    assert!(read_incident(&moved).unwrap().closed_at().is_some());
    assert_eq!(notes(&dir), ["from inside"]);
    assert!(read_incident(&dir).unwrap().closed_at().is_none());
    assert!(verify(&moved).unwrap().faults.is_empty() && verify(&dir).unwrap().faults.is_empty());
    // Whoever reads the others reads these.
    let modes = std::fs::read_dir(moved.join("journal")).unwrap().map(|file| {
        let file = file.unwrap();
        (file.metadata().unwrap().permissions().mode() & 0o777, file.file_name())
    });
    let shared = modes.filter(|(mode, _)| *mode == 0o640).count();
    assert_eq!(shared, 3, "each of what was added");
}

#[test]
fn a_drills_record_is_written_by_the_clock_of_its_world() {
    let home = Home::new();
    let id = home.written("rehearsed", true, "prod-eu");
    home.said(&["incident", "note", &id, "seen"]);
    home.said(&["incident", "close", &id]);
    let record = read_incident(&home.archive().root.join(&id)).unwrap();
    let opened = record.opened_at().unwrap();
    let closed = record.closed_at().expect("what is written last counts");
    assert!(closed > opened && closed < opened + chrono::TimeDelta::seconds(1), "{closed}");
    let first = record.entries.iter().map(|entry| entry.observed_at).min();
    assert_eq!(first, Some(opened), "no entry has this machine's time");
    assert!(home.refused(&["incident", "close", &id], 1).contains("closed already"));
}

#[test]
fn an_incident_is_opened_for_the_environment_that_was_named() {
    let home = Home::new();
    let env = |id: &str| {
        let record = read_incident(&home.archive().root.join(id)).unwrap();
        record.writers[0].env.to_string()
    };
    let there = home.said(&["incident", "open", "x", "--env", "prod-us"]);
    assert_eq!(env(there.trim()), "prod-us");
    assert_eq!(env(&home.opens("y").0), "prod-eu");
    let unknown = home.refused(&["incident", "open", "z", "--env", "prod-su"], 2);
    assert!(unknown.contains("there is no environment `prod-su`"), "{unknown}");
    assert_eq!(home.archive().list().unwrap().len(), 2);
}

#[test]
fn a_long_note_is_kept_whole_or_refused() {
    let home = Home::new();
    let (id, dir) = home.opens("x");
    let long = format!("{} the end", "word ".repeat(2_000));
    home.said(&["incident", "note", &id, &long]);
    home.said(&["incident", "note", &id, "first\nsecond"]);
    let record = read_incident(&dir).unwrap();
    let details: Vec<_> = record.entries.iter().filter_map(|entry| entry.draft.detail.as_ref()).collect();
    assert_eq!(details, [long.trim(), "second"]);
    let refused = home.refused(&["incident", "note", &id, &"x".repeat(70_000)], 2);
    assert!(refused.contains("nothing was written"), "{refused}");
    assert_eq!(notes(&dir).len(), 2);
}

#[test]
fn a_second_export_does_not_write_over_what_it_cannot_tell_from_its_own() {
    let home = Home::new();
    let (id, _) = home.opens("x");
    let file = home.path().join("x.md");
    home.said(&["export", &id, "-o", "x.md", "--flavor", "plain"]);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}my words\n")).unwrap();
    for flavor in ["plain", "confluence"] {
        let refused = home.refused(&["export", &id, "-o", "x.md", "--flavor", flavor], 1);
        assert!(refused.contains("there is a file already"), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{text}my words\n"));
}

#[cfg(feature = "operator")]
mod session {
    use super::*;

    /// A session that is told `lines` ahead.
    fn plain(home: &Home, arguments: &[&str], lines: &str) -> Output {
        talks(home.warroom(arguments).arg("--plain"), lines)
    }

    fn talks(command: &mut Command, lines: &str) -> Output {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // One that refuses to start reads nothing.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[test]
    fn a_drill_another_environments_record_and_a_copy_are_not_taken_up() {
        let home = Home::new();
        let drill = home.written("rehearsed", true, "prod-eu");
        let other = home.written("elsewhere", false, "prod-us");
        let (id, dir) = home.opens("here");
        let moved = home.path().join("moved");
        copy(&dir, &moved, false);
        let before = [&drill, &other, &id].map(|id| std::fs::read_dir(home.archive().root.join(id).join("journal")));
        let before = before.map(|files| files.unwrap().count());
        for (named, why) in [
            (drill.as_str(), "is a drill's record"),
            (other.as_str(), "`warroom --env prod-us --incident"),
            ("./moved", "a session writes there alone"),
        ] {
            let output = plain(&home, &["--incident", named], "quit\n");
            assert_eq!(output.status.code(), Some(2), "{named}: {}", errors(&output));
            assert!(errors(&output).contains(why), "{named}: {}", errors(&output));
        }
        let after = [&drill, &other, &id].map(|id| std::fs::read_dir(home.archive().root.join(id).join("journal")));
        assert_eq!(after.map(|files| files.unwrap().count()), before, "nothing was written to them");
        // By its path in the archive it is the same as by its id.
        let own = plain(&home, &["--incident", dir.to_str().unwrap()], "note taken up\nquit\n");
        assert!(own.status.success(), "{}", errors(&own));
        let there = plain(&home, &["--env", "prod-us", "--incident", &other], "quit\n");
        assert!(there.status.success(), "{}", errors(&there));
        assert!(notes(&dir).contains(&"incident taken up again".to_owned()), "{:?}", notes(&dir));
    }

    #[test]
    fn while_an_incident_is_taken_up_no_second_one_is_declared() {
        let home = Home::new();
        let (id, _) = home.opens("here");
        let output = plain(&home, &["--incident", &id], "open x\nquit\n");
        assert!(output.status.success(), "{}", errors(&output));
        let all: Vec<_> = home.archive().list().unwrap().into_iter().map(|one| one.id.to_string()).collect();
        assert_eq!(all, [id]);
    }

    #[test]
    fn a_session_whose_last_words_were_lost_fails_and_says_so() {
        let home = Home::new();
        // No file of the process grows beyond 8 KiB; without its signal a write fails, as on a full
        // disk.
        let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --plain";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_warroom")]).current_dir(home.path());
        for (name, value) in home.warroom(&[]).get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let lines = format!("open a full disk\n{}quit\n", format!("note {}\n", "x".repeat(400)).repeat(40));
        let output = talks(&mut command, &lines);
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        assert!(errors(&output).contains("not everything was recorded"), "{}", errors(&output));
    }

    #[test]
    fn lengths_of_time_that_no_calendar_holds_are_wrong_usage() {
        let home = Home::new();
        for arguments in [
            &["--plain", "--since", "300000y"][..],
            &["drill", "rate-limit-storm", "--plain", "--join-after", "300000y"],
            &["snapshot", "--drill", "rate-limit-storm", "--after", "300000y"],
        ] {
            let why = home.refused(arguments, 2);
            assert!(why.contains("days at most"), "{arguments:?}: {why}");
        }
    }
}
