//! A wrong configuration and a disk that cannot be written, through the program itself.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    command.args(arguments).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state")).env("HOME", home);
    command.env_remove("KUBECONFIG");
    command.output().unwrap()
}

fn configure(home: &Path, text: &str) {
    std::fs::create_dir_all(home.join("config/warroom")).unwrap();
    std::fs::write(home.join("config/warroom/config.toml"), text).unwrap();
}

#[test]
fn a_wrong_configuration_is_told_with_its_place_and_the_nearest_key() {
    let home = tempfile::tempdir().unwrap();
    configure(home.path(), "[environments.prod.kubernetes]\ncontext = \"prod\"\nnamespace = [\"shop\"]\n");
    let at = home.path().join("config/warroom/config.toml");
    for (arguments, code) in [(&[][..], 2), (&["--plain"], 2), (&["incident", "list"], 2), (&["config", "check"], 3)] {
        let output = run(home.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(told.contains(&format!("{}:3:1", at.display())), "{arguments:?}: {told}");
        assert!(told.contains("namespaces"), "{arguments:?}: {told}");
    }
    // A drill needs no configuration, and a wrong one keeps nobody from it.
    assert!(run(home.path(), &["drill"]).status.success());
}

#[test]
fn an_environment_that_is_not_configured_is_answered_with_those_that_are() {
    let home = tempfile::tempdir().unwrap();
    configure(home.path(), "[environments.prod-eu.kubernetes]\ncontext = \"prod\"\n");
    let output = run(home.path(), &["--plain", "--env", "prod-us"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("prod-us") && told.contains("prod-eu"), "{told}");
}

/// Runs `warroom --plain` with these lines on its standard input, then its end by `quit`: 1, because not
/// everything was recorded.
fn plain(home: &Path, lines: &str, until: &str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    command.arg("--plain").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state")).env("HOME", home);
    let mut child = command.env_remove("KUBECONFIG").spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(lines.as_bytes()).unwrap();
    let mut told = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        told += &format!("{line}\n");
        if line.contains(until) {
            let _ = keys.write_all(b"quit\n");
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    told
}

#[test]
fn a_place_for_records_that_cannot_be_written_is_told_at_once_and_the_session_goes_on() {
    let home = tempfile::tempdir().unwrap();
    // Also for root nothing can be made below a device.
    configure(
        home.path(),
        "record.dir = \"/dev/full/records\"\n[[environments.prod.alertmanager]]\nname = \"alertmanager\"\nurl = \"http://127.0.0.1:1\"\n",
    );
    let told = plain(home.path(), "", "not recorded");
    assert!(told.contains("/dev/full/records"), "{told}");
    assert!(told.contains("set record.dir to a folder"), "{told}");
    assert!(told.contains("actions are off, the screen goes on"), "{told}");
    let told = plain(home.path(), "open payments\n", "cannot be declared");
    assert!(told.contains("the journal takes no more entries"), "{told}");
}
