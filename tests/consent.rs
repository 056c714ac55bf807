//! A second person's consent, between the processes of two users: the session that asks, in a
//! drill, and `warroom incident consent`.
//!
//! Only root can be another user for a test: run by anybody else it holds that one's own consent
//! does not count.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// Some user who is neither root nor whoever runs the test.
const BOB: u32 = 61_234;

fn warroom(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    command.args(arguments).env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state"));
    command.env("HOME", home).stdin(Stdio::null());
    command
}

struct Session {
    child: Child,
    keys: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Session {
    fn drill(home: &Path, out: &Path) -> Self {
        let out = out.to_string_lossy();
        let mut child = warroom(home, &["drill", "rate-limit-storm", "--plain", "--out", &out, "--speed", "2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (keys, lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        Self { child, keys, lines }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.keys, "{line}").unwrap();
    }

    /// Reads until a line holds one of `texts`.
    fn until(&mut self, texts: &[&str]) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if texts.iter().any(|text| line.contains(text)) {
                return line;
            }
            seen += &format!("{line}\n");
            if seen.len() > 1 << 20 {
                break;
            }
        }
        panic!("none of {texts:?} was said:\n{seen}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn share(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What `record.group_writes` does, for everybody, because a test has no group.
fn share_incident(dir: &Path) {
    share(dir, 0o777);
    for folder in ["journal", "tracks", "evidence"] {
        share(&dir.join(folder), 0o1777);
        for file in std::fs::read_dir(dir.join(folder)).unwrap() {
            share(&file.unwrap().path(), 0o644);
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_consent_of_another_user_lets_the_last_replica_go_and_ones_own_does_not() {
    let home = tempfile::tempdir().unwrap();
    let (home, out) = (home.path(), home.path().join("out"));
    let root = home.metadata().unwrap().uid() == 0;
    share(home, 0o755);
    let mut ana = Session::drill(home, &out);
    ana.says("open who takes the last one");
    let incident = ana.until(&["incident 20"]).trim_start_matches("incident ").to_owned();
    ana.says("write prod-eu to see what happens");
    ana.until(&["the write window is open"]);
    let plan = loop {
        ana.says("scale shop/mail 0");
        let line = ana.until(&["plan: ", "no workload", "no plan: "]);
        if line.contains("warroom incident consent") {
            break line;
        }
    };
    let command = plan.split("`warroom incident consent ").nth(1).unwrap().split('`').next().unwrap();
    let hash = command.split(' ').nth(1).unwrap();
    assert!(command.starts_with(&incident), "{plan}");
    let dir: PathBuf = out.join(&incident);
    let path = dir.to_string_lossy().into_owned();

    // The one who asked.
    let own = warroom(home, &["incident", "consent", &path, hash, "--yes"]).output().unwrap();
    let shown = text(&own);
    assert!(own.status.success() && shown.contains("Deployment shop/mail") && shown.contains("→ 0"), "{shown}");
    assert!(ana.until(&["does not count"]).contains("it takes another one"));
    ana.says("confirm mail");
    ana.until(&["not confirmed"]);
    if !root {
        return;
    }

    share(&out, 0o755);
    share_incident(&dir);
    // He does not type what is asked for: nothing is written.
    let mut bob = warroom(home, &["incident", "consent", &path, hash]);
    let refused = bob.uid(BOB).gid(BOB).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("No consent was given"), "{}", text(&refused));
    let mut bob = warroom(home, &["incident", "consent", &path, hash]);
    let mut bob =
        bob.uid(BOB).gid(BOB).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(bob.stdin.take().unwrap(), "mail").unwrap();
    let agreed = bob.wait_with_output().unwrap();
    assert!(agreed.status.success(), "{}", text(&agreed));
    assert!(ana.until(&["consents: "]).contains(&format!("(user {BOB})")));
    ana.says("confirm mail");
    assert!(ana.until(&["0 of 0 ready", "refused", "unknown"]).contains("0 of 0 ready"));
    ana.says("quit");
    let kinds = text(&warroom(home, &["incident", "show", &path]).output().unwrap());
    for kind in ["consent_asked", "consented", "intent", "outcome"] {
        assert!(kinds.contains(kind), "{kind} is missing:\n{kinds}");
    }
    let whole = warroom(home, &["incident", "verify", &path]).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole));
}

/// A person practises with the rules of the team.
#[test]
fn a_drill_goes_by_the_policies_of_the_configuration() {
    let home = tempfile::tempdir().unwrap();
    let (home, out) = (home.path(), home.path().join("out"));
    let folder = home.join("config").join("warroom");
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "[policies.mail]\nsay = \"two look at mail\"\ntargets = [\"shop/mail\"]\neffect = \"deny\"\n";
    std::fs::write(folder.join("config.toml"), policy).unwrap();
    let mut ana = Session::drill(home, &out);
    ana.says("open what the team says");
    ana.until(&["incident 20"]);
    ana.says("write prod-eu to see what happens");
    ana.until(&["the write window is open"]);
    let said = loop {
        ana.says("scale shop/mail +1");
        let line = ana.until(&["by policy", "press", "confirm", "no workload", "no plan: "]);
        if !line.contains("no workload") && !line.contains("no plan: ") {
            break line;
        }
    };
    assert!(said.contains("by policy mail: two look at mail"), "{said}");
}
