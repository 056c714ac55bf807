//! What the tests start, and where it keeps its files.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use tempfile::TempDir;

use crate::terminal::{PATIENCE, Terminal};

/// The port 1 of this machine refuses every connection.
const CONFIG: &str = r#"
[environments.prod-eu]
production = true
[environments.prod-eu.aws]
region = "eu-central-1"
[environments.prod-eu.aws.endpoints]
cloudwatch = "http://127.0.0.1:1"
cloudwatch_logs = "http://127.0.0.1:1"
sts = "http://127.0.0.1:1"
[[environments.prod-eu.alertmanager]]
url = "http://127.0.0.1:1"
[[environments.prod-eu.prometheus]]
url = "http://127.0.0.1:1"
"#;

/// A world to look at, and the words of its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) arguments: &'static [&'static str],
    pub(crate) header: &'static str,
}

pub(crate) const LIVE: World = World { arguments: &[], header: "PRODUCTION prod-eu" };
pub(crate) const DRILL: World = World { arguments: &["drill", "rate-limit-storm"], header: "DRILL prod-eu" };
/// A drill in which something happens every second.
pub(crate) const FAST: World =
    World { arguments: &["drill", "rate-limit-storm", "--speed", "30"], header: "DRILL prod-eu" };
pub(crate) const BOTH: [World; 2] = [LIVE, DRILL];

/// A home of its own.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("warroom")).unwrap();
        std::fs::create_dir_all(home.path().join("tmp")).unwrap();
        std::fs::write(home.path().join("warroom/config.toml"), CONFIG).unwrap();
        Self(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `program` in this home, with nothing of the test's own environment that matters.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        let home = self.path().to_str().unwrap();
        let tmp = self.path().join("tmp");
        for (name, value) in [
            ("XDG_CONFIG_HOME", home),
            ("XDG_STATE_HOME", home),
            ("HOME", home),
            ("TMPDIR", tmp.to_str().unwrap()),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("USER", "ana"),
            ("AWS_ACCESS_KEY_ID", "none"),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        for name in ["VISUAL", "EDITOR", "SSH_CONNECTION", "TMUX", "NO_COLOR", "COLORTERM", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
        command.cwd(home);
        command
    }

    /// The program in a terminal of that size.
    pub(crate) fn start(&self, world: World, columns: u16, rows: u16) -> Terminal {
        Terminal::start(self.command(env!("CARGO_BIN_EXE_warroom"), world.arguments), columns, rows)
    }

    /// Bytes of all records: they grow as long as something is recorded.
    pub(crate) fn recorded(&self) -> u64 {
        files(self.path()).iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl")).map(length).sum()
    }

    /// Waits until more is recorded than `before`.
    pub(crate) fn records_more(&self, before: u64) {
        until("nothing more was recorded", || self.recorded() > before);
    }

    /// Folders that the program left in its temporary directory.
    pub(crate) fn left_behind(&self) -> Vec<PathBuf> {
        let members = std::fs::read_dir(self.path().join("tmp")).unwrap();
        members.map(|member| member.unwrap().path()).collect()
    }
}

fn length(path: &PathBuf) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(members) = std::fs::read_dir(folder) else { return Vec::new() };
    members
        .flatten()
        .flat_map(|member| if member.path().is_dir() { files(&member.path()) } else { vec![member.path()] })
        .collect()
}

/// Waits until something outside the terminal is so.
pub(crate) fn until(otherwise: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
