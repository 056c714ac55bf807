//! HTTP sources behind a proxy, as the proxy variables name it, through the program itself.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// A program that starts on a busy machine asks its sources within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request: its first line, and what the proxy is told of who asks.
type Asked = (String, Option<String>);

/// A server that answers everything with no alerts, and tells what it was asked.
fn server() -> (u16, Receiver<Asked>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            std::thread::spawn(move || serve(stream, &tell));
        }
    });
    (port, told)
}

fn serve(stream: TcpStream, tell: &Sender<Asked>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut stream = stream;
    while let Some(first) = lines.next() {
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let by = head.iter().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
        });
        // Whoever asked has got what it wanted and is gone.
        let _ = tell.send((first, by));
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Runs the program with these proxy variables until the Alertmanager at `url` was asked for: how.
fn read_alerts(url: &str, variables: &[(&str, &str)], asked: &Receiver<Asked>) -> Asked {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::fs::create_dir_all(home.join("config/warroom")).unwrap();
    let config = format!("[[environments.prod.alertmanager]]\nurl = \"{url}\"\nevery = \"1s\"\n");
    std::fs::write(home.join("config/warroom/config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_warroom"));
    command.arg("--plain").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    command.env("XDG_CONFIG_HOME", home.join("config")).env("XDG_STATE_HOME", home.join("state")).env("HOME", home);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.envs(variables.iter().copied()).env_remove("KUBECONFIG");
    let mut child = command.spawn().unwrap();
    let first = asked.recv_timeout(PATIENCE);
    child.stdin.take().unwrap().write_all(b"quit\n").unwrap();
    assert!(child.wait().unwrap().success());
    first.expect("it was never asked")
}

#[test]
fn a_source_is_read_through_the_proxy_whose_password_has_an_at_sign() {
    let (port, asked) = server();
    let proxy = format!("http://ana:p%40ss@127.0.0.1:{port}");
    // The trailing comma is what stopped another program.
    let variables = [("HTTP_PROXY", &*proxy), ("http_proxy", &*proxy), ("NO_PROXY", "localhost,.internal,")];
    let (first, by) = read_alerts("http://alerts.example.com", &variables, &asked);
    assert!(first.starts_with("GET http://alerts.example.com/api/v2/alerts?"), "{first}");
    // ana:p@ss
    assert_eq!(by.as_deref(), Some("Basic YW5hOnBAc3M="));
}

#[test]
fn what_no_proxy_names_and_what_is_on_this_machine_is_asked_itself() {
    let (direct, asked) = server();
    let (proxy, misled) = server();
    let proxy = format!("http://127.0.0.1:{proxy}");
    let variables = [("HTTP_PROXY", &*proxy), ("http_proxy", &*proxy), ("NO_PROXY", "example.org,")];
    let (first, by) = read_alerts(&format!("http://127.0.0.1:{direct}"), &variables, &asked);
    assert!(first.starts_with("GET /api/v2/alerts?"), "{first}");
    assert_eq!(by, None);
    assert!(misled.try_recv().is_err());
}
