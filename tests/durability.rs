//! The program itself is killed while it records: everything that it printed as recorded is in
//! the record, which is whole, and the next start offers to resume.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// By the wall, for one more line of output.
const PATIENCE: Duration = Duration::from_secs(120);

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn records(&self) -> PathBuf {
        self.0.path().join("records")
    }

    fn warroom(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
        command.args(arguments).env("XDG_CONFIG_HOME", self.0.path()).env("XDG_STATE_HOME", self.0.path());
        command
    }

    fn drill(&self, how: &[&str]) -> Running {
        let mut command = self.warroom(how);
        command.args(["rate-limit-storm", "--speed", "600", "--seed", "1", "--out"]).arg(self.records());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The test has seen enough.
                let _ = tell.send(line);
            }
        });
        Running { child, lines, printed: Vec::new() }
    }

    /// Standard output of a run that ends by itself.
    fn told(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let output = self.warroom(arguments).output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    /// Kind and title of every entry of a directory.
    fn entries(&self, dir: &Path) -> Vec<(String, String)> {
        let (status, text) = self.told(&["incident", "show", "--json", dir.to_str().unwrap()]);
        assert!(status.success());
        let entry = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            (entry["kind"].as_str().unwrap().to_owned(), entry["title"].as_str().unwrap().to_owned())
        };
        text.lines().map(entry).collect()
    }
}

struct Running {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn until(&mut self, what: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(_) => panic!("never printed {what:?}:\n{}", self.printed.join("\n")),
            }
        }
    }

    /// What `kill -9` leaves of it: the lines that had been printed.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.printed.extend(self.lines.iter());
        std::mem::take(&mut self.printed)
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

/// Kind and title of the entries among printed lines: `03:12:04Z alert_firing      title [who]`.
fn printed_entries(lines: &[String]) -> Vec<(String, String)> {
    let entry = |line: &String| {
        let (time, rest) = line.split_once(' ')?;
        let kind = rest.get(..17)?.trim_end();
        let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let title = rest.get(18..)?.rsplit_once(" [")?.0;
        (time.len() == 9 && time.ends_with('Z') && is_kind).then(|| (kind.to_owned(), title.to_owned()))
    };
    lines.iter().filter_map(entry).collect()
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let members = std::fs::read_dir(root).unwrap().map(|member| member.unwrap().path());
    members.filter(|path| path.join("journal").is_dir()).collect()
}

#[test]
fn killed_at_several_moments_nothing_that_was_printed_is_lost_and_the_next_start_offers_to_resume() {
    for moment in ["opened ", "intent ", "outcome "] {
        let home = Home::new();
        let mut drill = home.drill(&["drill", "--autopilot"]);
        drill.until(moment);
        let printed = printed_entries(&drill.kill());
        assert!(printed.iter().any(|(kind, _)| kind == moment.trim()), "{printed:?}");

        let incidents = folders(&home.records());
        let [incident] = &incidents[..] else { panic!("{incidents:?}") };
        let mut kept = home.entries(incident);
        for rolling in folders(&home.records().join(".rolling")) {
            kept.extend(home.entries(&rolling));
        }
        for entry in &printed {
            assert!(kept.contains(entry), "killed at {moment}: printed and lost: {entry:?}");
        }
        let (status, told) = home.told(&["incident", "verify", incident.to_str().unwrap()]);
        assert!(status.success(), "{told}");
        assert!(told.contains("every byte is as it was written"), "{told}");

        let id = incident.file_name().unwrap().to_str().unwrap();
        let mut again = home.drill(&["--plain", "drill"]);
        let offer = again.until("left open: ");
        assert!(offer.contains(id) && offer.contains("`resume`"), "{offer}");
        assert_eq!(offer.contains("one action without a known outcome"), moment == "intent ", "{offer}");
        again.say("quit");
        // It has no incident to write a postmortem of, which it says.
        assert_eq!(again.child.wait().unwrap().code(), Some(1));
        // At the drill's own opening what was written lies ahead: it is opened where that ended.
        let mut again = home.drill(&["--plain", "--incident", id, "drill"]);
        again.until("is taken up again");
        if moment == "intent " {
            again.until("outcome ");
        }
        again.say("quit");
        assert!(again.child.wait().unwrap().success());
        let (status, told) = home.told(&["incident", "verify", incident.to_str().unwrap()]);
        assert!(status.success(), "{told}");
        let shown = home.entries(incident);
        let count = |wanted: &str| shown.iter().filter(|(kind, _)| kind == wanted).count();
        assert_eq!(count("intent"), count("outcome"), "nothing stays open");
        // The responder gives the incident its title soon after it was declared.
        assert!((1..=2).contains(&count("opened")), "declared once, titled at most once");
        assert_eq!(count("started"), 2);
    }
}
