//! `warroom watch` beside the responders who write the record: another process, another reader.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn warroom(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    command.args(arguments).env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state"));
    command.env("HOME", home).stdin(Stdio::null());
    command
}

fn said(home: &Path, arguments: &[&str]) -> String {
    let output = warroom(home, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

struct Watching {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watching {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let mut child = warroom(home, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until a line holds `text`; the end of the stream is a failure.
    fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.contains(text) {
                return line;
            }
            seen += &format!("{line}\n");
        }
        panic!("`{text}` was not said:\n{seen}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_follows_an_incident_from_its_record_until_it_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert!(said(home, &["watch", "--plain"]).contains("No incident is open"));
    let id = said(home, &["incident", "open", "some checkouts fail"]).trim().to_owned();
    let mut watching = Watching::start(home, &["watch", "--plain"]);
    watching.until("some checkouts fail");
    watching.until("The team declared an incident.");
    said(home, &["incident", "note", &id, "the password of the database is hunter2"]);
    said(home, &["incident", "close", &id]);
    watching.until("The team closed the incident.");
    assert!(watching.child.wait().unwrap().success());
    assert!(said(home, &["watch", "--plain"]).contains(&id), "the closed one is offered");
    let again = said(home, &["watch", "--plain", &id]);
    assert!(again.contains("closed the incident") && !again.contains("hunter2"), "{again}");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    said(home.path(), &["incident", "open", "x"]);
    let output = warroom(home.path(), &["watch"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--plain"));
}
