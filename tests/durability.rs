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
        Running::of(command)
    }

    /// A session on the cluster of this kubeconfig, as on any real one.
    fn session(&self, kubeconfig: &str, how: &[&str]) -> Running {
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let context = text.lines().find_map(|line| line.strip_prefix("current-context: ")).unwrap();
        let context = context.trim_matches('"');
        self.facing(&format!("kubernetes = {{ kubeconfig = \"{kubeconfig}\", context = \"{context}\" }}"), how)
    }

    /// A session that faces these systems.
    fn facing(&self, systems: &str, how: &[&str]) -> Running {
        let config = format!("[environments.rehearsal]\nwrite = \"ask\"\n{systems}\n");
        let folder = self.0.path().join("warroom");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("config.toml");
        // Another session may be reading it.
        if std::fs::read_to_string(&file).is_ok_and(|text| text == config) {
            return self.plain(how);
        }
        std::fs::write(file, config).unwrap();
        self.plain(how)
    }

    fn plain(&self, how: &[&str]) -> Running {
        let mut command = self.warroom(how);
        command.arg("--plain");
        Running::of(command)
    }

    /// Its incidents, and what belongs to none.
    fn archive(&self) -> PathBuf {
        self.0.path().join("warroom").join("incidents")
    }

    /// Standard output of a run that ends by itself.
    fn told(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let output = self.warroom(arguments).output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    /// Kind and title of every entry of a directory.
    fn entries(&self, dir: &Path) -> Entries {
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
    fn of(mut command: Command) -> Self {
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
        Self { child, lines, printed: Vec::new() }
    }

    fn until(&mut self, what: &str) -> String {
        self.until_any(&[what])
    }

    fn until_any(&mut self, what: &[&str]) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if what.iter().any(|what| line.contains(what)) {
                        return line;
                    }
                }
                Err(_) => panic!("never printed {what:?}:\n{}", self.printed.join("\n")),
            }
        }
    }

    /// Asks for a plan until there is one: the cluster has to be read first.
    #[allow(clippy::disallowed_methods, reason = "the test waits by the wall")]
    fn plans(&mut self, wish: &str) {
        let begun = std::time::Instant::now();
        self.say(wish);
        while !self.until_any(&["plan: scale", "no plan: ", "no workload"]).contains("plan: scale") {
            assert!(begun.elapsed() < PATIENCE, "no plan is made:\n{}", self.printed.join("\n"));
            self.say(wish);
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

/// Kind and title of each.
type Entries = Vec<(String, String)>;

/// The entries among printed lines: `03:12:04Z alert_firing      title [who]`.
fn printed_entries(lines: &[String]) -> Entries {
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

/// A drill that was killed when it had printed `moment`: where, its incident, what had been printed
/// and what is kept.
fn killed_at(moment: &str) -> (Home, PathBuf, Entries, Entries) {
    loop {
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
        // On a busy machine the outcome may come before the signal: then nothing was cut off.
        if moment == "intent " && kept.iter().any(|(kind, _)| kind == "outcome") {
            continue;
        }
        return (home, incident.clone(), printed, kept);
    }
}

#[test]
fn killed_at_several_moments_nothing_that_was_printed_is_lost_and_the_next_start_offers_to_resume() {
    for moment in ["opened ", "intent ", "outcome "] {
        let (home, incident, printed, kept) = killed_at(moment);
        for entry in &printed {
            assert!(kept.contains(entry), "killed at {moment}: printed and lost: {entry:?}");
        }
        let (status, told) = home.told(&["incident", "verify", incident.to_str().unwrap()]);
        assert!(status.success(), "{told}");
        assert!(told.contains("every byte is as it was written"), "{told}");

        let id = incident.file_name().unwrap().to_str().unwrap();
        if moment == "intent " {
            let closing = home.warroom(&["incident", "close", incident.to_str().unwrap()]).output().unwrap();
            let why = String::from_utf8(closing.stderr).unwrap();
            assert!(!closing.status.success() && why.contains("no outcome is recorded of an action"), "{why}");
            assert!(why.contains("settles it at its start"), "{why}");
        }
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
        let shown = home.entries(&incident);
        let count = |wanted: &str| shown.iter().filter(|(kind, _)| kind == wanted).count();
        assert_eq!(count("intent"), count("outcome"), "nothing stays open");
        // The responder gives the incident its title soon after it was declared.
        assert!((1..=2).contains(&count("opened")), "declared once, titled at most once");
        assert_eq!(count("started"), 2);
    }
}

/// How many replicas of the mail service the cluster is asked for.
fn replicas(kubeconfig: &str) -> u64 {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let server = text.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap().trim_matches('"');
    let address = server.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut asked = std::net::TcpStream::connect(address).unwrap();
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = "/apis/apps/v1/namespaces/shop/deployments/mail/scale";
    write!(asked, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut asked, &mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str::<serde_json::Value>(body).unwrap()["spec"]["replicas"].as_u64().unwrap()
}

/// Which of two comes to print it first, and the other one.
#[allow(clippy::disallowed_methods, reason = "the test waits by the wall")]
fn first_to_print(mut both: [Running; 2], what: &str) -> (Running, Running) {
    let begun = std::time::Instant::now();
    loop {
        for at in 0..2 {
            if let Ok(line) = both[at].lines.recv_timeout(Duration::from_millis(20)) {
                both[at].printed.push(line.clone());
                if line.contains(what) {
                    let [one, other] = both;
                    return if at == 0 { (one, other) } else { (other, one) };
                }
            }
        }
        let printed: Vec<_> = both.iter().map(|one| one.printed.join("\n")).collect();
        assert!(begun.elapsed() < PATIENCE, "neither printed {what:?}:\n{}", printed.join("\n---\n"));
    }
}

/// Makes every file of a rolling journal as old as one that would be removed.
#[allow(clippy::disallowed_methods, reason = "the times of files are the wall's")]
fn age(dir: &Path) {
    let old = std::time::SystemTime::now() - Duration::from_secs(3 * 3600);
    for file in std::fs::read_dir(dir.join("journal")).unwrap() {
        let file = std::fs::File::options().append(true).open(file.unwrap().path()).unwrap();
        file.set_modified(old).unwrap();
    }
}

#[test]
fn killed_during_a_change_that_belongs_to_no_incident_the_next_start_reads_what_became_of_it() {
    let home = Home::new();
    let mut serve = home.warroom(&["drill", "rate-limit-storm", "--serve", "--speed", "20"]);
    serve.stdin(Stdio::null());
    let mut world = Running::of(serve);
    let kubeconfig = world.until("export KUBECONFIG=").trim_start_matches("export KUBECONFIG=").to_owned();
    world.until("# prometheus");

    let mut ana = home.session(&kubeconfig, &[]);
    ana.say("write rehearsal before anybody declares anything");
    ana.until("the write window is open");
    ana.plans("scale shop/mail +1");
    let before = replicas(&kubeconfig);
    ana.say("confirm");
    ana.until(" intent ");
    ana.kill();
    let all = folders(&home.archive().join(".rolling"));
    let [rolling] = &all[..] else { panic!("{all:?}") };
    let count = |wanted: &str| home.entries(rolling).iter().filter(|(kind, _)| kind == wanted).count();
    assert_eq!((count("intent"), count("outcome")), (1, 0));

    // Long after, a session that may change nothing finds it, and says what it is.
    age(rolling);
    let mut reads = home.session(&kubeconfig, &["--read-only"]);
    let told = reads.until("no outcome is recorded of ");
    assert!(told.contains("scale Deployment mail in rehearsal: replicas"), "{told}");
    let how = reads.until("left in flight");
    assert!(how.contains("warroom --env rehearsal"), "{how}");
    reads.say("quit");
    assert!(reads.child.wait().unwrap().success());
    assert!(rolling.is_dir() && count("outcome") == 0);

    // Those that may ask the cluster, by themselves and without a window, and say how it ended: two
    // that start together tell it once. Whether the write had gone out the cluster knows.
    age(rolling);
    let sent = replicas(&kubeconfig) == before + 1;
    let both = [home.session(&kubeconfig, &[]), home.session(&kubeconfig, &[])];
    // Who starts later may find nothing open any more.
    let (mut ben, mut cleo) = first_to_print(both, if sent { "mail: verified" } else { "mail: unknown" });
    cleo.say("quit");
    assert!(cleo.child.wait().unwrap().success());
    assert_eq!((count("intent"), count("outcome")), (1, 1));
    // What it was can be undone from here.
    ben.say("write rehearsal it is not needed");
    ben.until("the write window is open");
    ben.say("undo");
    ben.until("plan: ");
    ben.say("quit");
    assert!(ben.child.wait().unwrap().success());
    let (status, told) = home.told(&["incident", "verify", rolling.to_str().unwrap()]);
    assert!(status.success(), "{told}");

    // Nothing is open any more: it goes as every other.
    age(rolling);
    let mut last = home.session(&kubeconfig, &[]);
    last.say("quit");
    assert!(last.child.wait().unwrap().success());
    assert!(!rolling.exists());
}

#[test]
fn what_somebody_says_beside_an_incident_is_in_its_record_before_it_is_closed() {
    let home = Home::new();
    // Nobody listens there.
    let session = || home.facing("alertmanager = [{ url = \"http://127.0.0.1:1\" }]", &[]);
    let (mut ana, mut ben) = (session(), session());
    ana.say("open checkout fails");
    ana.until("is declared");
    ben.say("note the partner has a queue");
    ben.until(" note ");
    ana.say("close");
    ana.until("not closed yet: an entry of other sessions came into the record");
    ana.say("close");
    ana.until("is closed; ");
    for mut session in [ana, ben] {
        session.say("quit");
        assert!(session.child.wait().unwrap().success());
    }
    let all = folders(&home.archive());
    let [incident] = &all[..] else { panic!("{all:?}") };
    let notes: Vec<_> = home.entries(incident).into_iter().filter(|(kind, _)| kind == "note").collect();
    assert_eq!(notes, [("note".to_owned(), "the partner has a queue".to_owned())]);
    let (status, told) = home.told(&["incident", "verify", incident.to_str().unwrap()]);
    assert!(status.success(), "{told}");
}
