//! Reading secrets: from the process environment, a file that only its owner can read, or a
//! command.
//!
//! Owns: how a secret is read and what is refused. Must not: keep one, print one, or put one
//! into an error: what a command printed may be half of the secret.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::Secret;

/// No secret is longer than this, in bytes.
const LONGEST: u64 = 64 * 1024;
/// How long a command may take, by the wall.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or not text.
    #[error("the environment variable {0} is not set: set it before starting, or use a file or a command")]
    NoVariable(String),
    /// There is nothing in it.
    #[error("the secret from {0} is empty: put it there")]
    Empty(String),
    /// Somebody else could read the file.
    #[error("the secret file {path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file could not be read.
    #[error("reading the secret file {path} failed: {why}; check the path and its permissions")]
    File {
        /// The file.
        path: String,
        /// What came back.
        why: String,
    },
    /// The command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Why a command gave no answer. Names the program, never its arguments or its output.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration names no program.
    #[error("the command for a secret is empty: give a program and its arguments")]
    Nothing,
    /// It could not be started.
    #[error("starting `{program}` for a secret failed: {why}; check that it is installed")]
    Start {
        /// The program.
        program: String,
        /// What came back.
        why: String,
    },
    /// It took too long.
    #[error("`{program}` gave no secret within {} s and was ended; run it by hand, it may want to ask something", LIMIT.as_secs())]
    Late {
        /// The program.
        program: String,
    },
    /// It failed.
    #[error("`{program}` gave no secret and ended with {status}; run it by hand to see why")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
    },
    /// It printed too much, or what is not text.
    #[error("what `{program}` printed is not a secret: it is longer than 64 KiB or not text")]
    Garbage {
        /// The program.
        program: String,
    },
}

impl Secret {
    /// Reads the secret. Line breaks at its end are not part of it.
    pub async fn read(&self) -> Result<SecretString, SecretError> {
        let (text, from) = match self {
            Self::Env(name) => (variable(name)?, format!("the environment variable {name}")),
            Self::File(path) => (file(path).await?, format!("the file {}", path.display())),
            Self::Command(command) => {
                let program = command.first().map_or("", String::as_str);
                (command_output(command).await?, format!("the command `{program}`"))
            }
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(SecretError::Empty(from)) } else { Ok(SecretString::from(text)) }
    }
}

#[allow(clippy::disallowed_methods, reason = "this room is the one that reads the process environment")]
fn variable(name: &str) -> Result<String, SecretError> {
    std::env::var(name).map_err(|_| SecretError::NoVariable(name.to_owned()))
}

async fn file(path: &Path) -> Result<String, SecretError> {
    let shown = path.display().to_string();
    let failed = |why: io::Error| SecretError::File { path: shown.clone(), why: why.to_string() };
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let before = tokio::fs::metadata(path).await.map_err(failed)?;
    if !before.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mode = file.metadata().await.map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: shown, mode });
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).await.map_err(failed)?;
    if text.len() as u64 > LONGEST {
        return Err(failed(io::Error::other("it is longer than 64 KiB")));
    }
    Ok(text)
}

/// The standard output of a command that runs without the terminal: it can neither read the
/// person's keys nor draw over the screen. It is killed, with what it started, when it takes
/// too long or is not waited for any more.
pub(crate) async fn command_output(command: &[String]) -> Result<String, CommandError> {
    let Some((program, arguments)) = command.split_first() else { return Err(CommandError::Nothing) };
    let program = program.clone();
    let child = start(&program, arguments)
        .map_err(|why| CommandError::Start { program: program.clone(), why: why.to_string() })?;
    let mut child = Group(child);
    let answer = async {
        let mut out = Vec::new();
        if let Some(stdout) = child.0.stdout.take() {
            stdout.take(LONGEST + 1).read_to_end(&mut out).await?;
        }
        let status = if out.len() as u64 > LONGEST { None } else { Some(child.0.wait().await?) };
        Ok::<_, io::Error>((out, status))
    };
    match tokio::time::timeout(LIMIT, answer).await {
        Err(_) => Err(CommandError::Late { program }),
        Ok(Err(why)) => Err(CommandError::Start { program, why: why.to_string() }),
        Ok(Ok((_, None))) => Err(CommandError::Garbage { program }),
        Ok(Ok((_, Some(status)))) if !status.success() => {
            Err(CommandError::Failed { program, status: status.to_string() })
        }
        Ok(Ok((out, Some(_)))) => String::from_utf8(out).map_err(|_| CommandError::Garbage { program }),
    }
}

/// Starts it in a session of its own, which has no terminal. Where `setsid` is not installed, a
/// process group in the background has to do: it cannot read from the terminal.
fn start(program: &str, arguments: &[String]) -> io::Result<Child> {
    let prepare = |command: &mut Command| {
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    };
    let mut detached = Command::new("setsid");
    detached.arg(program);
    prepare(&mut detached);
    match detached.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut plain = Command::new(program);
            prepare(&mut plain);
            plain.process_group(0).spawn()
        }
        other => other,
    }
}

/// A child and what it started: both its session and its process group bear its number.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // No number: it has ended and was waited for, and its number may be another's by now.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn sh(script: &str) -> Secret {
        Secret::Command(vec!["sh".into(), "-c".into(), script.into()])
    }

    async fn read(secret: &Secret) -> Result<String, String> {
        secret.read().await.map(|secret| secret.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = read(&Secret::File(path.clone())).await.unwrap_err();
        assert!(refused.contains("0640") && refused.contains("chmod 600"), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&Secret::File(path)).await.unwrap(), "s3cret");
    }

    #[tokio::test]
    async fn what_is_not_there_is_named() {
        let error = read(&Secret::Env("WARROOM_TEST_NO_SUCH_VARIABLE".into())).await.unwrap_err();
        assert!(error.contains("WARROOM_TEST_NO_SUCH_VARIABLE is not set"), "{error}");
        let error = read(&Secret::File("/nonexistent/token".into())).await.unwrap_err();
        assert!(error.contains("/nonexistent/token"), "{error}");
        let error = read(&Secret::File("/dev/null".into())).await.unwrap_err();
        assert!(error.contains("not a regular file"), "{error}");
        let error = read(&Secret::Command(vec![])).await.unwrap_err();
        assert!(error.contains("empty"), "{error}");
    }

    #[tokio::test]
    async fn a_command_has_no_terminal_and_no_input() {
        assert_eq!(read(&sh("cat; echo token")).await.unwrap(), "token", "its input is empty");
        let tty = read(&sh("(: < /dev/tty) 2>/dev/null && echo has || echo none")).await.unwrap();
        assert_eq!(tty, "none");
    }

    #[tokio::test]
    async fn an_error_tells_nothing_of_what_the_command_printed() {
        let error = read(&sh("echo hunter2; echo hunter2 >&2; exit 3")).await.unwrap_err();
        assert!(error.contains("exit status: 3") && !error.contains("hunter2"), "{error}");
        let error = read(&sh("head -c 70000 /dev/zero | tr '\\0' x")).await.unwrap_err();
        assert!(error.contains("longer than 64 KiB"), "{error}");
        let error = read(&sh("true")).await.unwrap_err();
        assert!(error.contains("is empty"), "{error}");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("alive");
        let script = format!("mkfifo {0}; (exec 3<>{0}; sleep 1000) & sleep 1000", fifo.display());
        let secret = sh(&script);
        let reading = tokio::spawn(async move { read(&secret).await });
        let holders = || {
            let open = |pid: &str| {
                let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
                fds.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|target| target == fifo)
            };
            let pids = std::fs::read_dir("/proc").unwrap().flatten();
            pids.filter(|entry| open(&entry.file_name().to_string_lossy())).count()
        };
        while holders() == 0 {
            tokio::task::yield_now().await;
        }
        // As the time-out does: the future is dropped, and the group goes with it.
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        let deadline = crate::clock::wall() + Duration::from_secs(5);
        while holders() > 0 {
            assert!(crate::clock::wall() < deadline, "still alive");
            tokio::task::yield_now().await;
        }
    }
}
