//! Credential plugins of a kubeconfig, run as killable children without the terminal.
//!
//! kube's own runner lets a plugin inherit the terminal, waits for it without a limit and puts
//! its *output* into the error. Owns: running the program, reading its `ExecCredential`
//! (client.authentication.k8s.io), and saying what went wrong without repeating a secret.
//! Must not: keep a credential longer than the client that it was read for.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use chrono::TimeDelta;
use kube::config::{Config, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::clock::{Clock, World};
use crate::connect::SourceError;
use crate::text::{Safe, clean_capped, redact};

/// A sign-in that takes longer than this is waiting for a person, who cannot see it.
const PATIENCE: Duration = Duration::from_secs(30);
/// A credential is renewed so long before it ends.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// Longest answer that is read.
const ANSWER_CAP: u64 = 1024 * 1024;

/// What a plugin gave.
#[derive(Default)]
struct Credential {
    /// A bearer token.
    token: Option<String>,
    /// A client certificate and its key, PEM.
    certificate: Option<(String, String)>,
    /// When it ends.
    until: Option<World>,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<AnswerStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerStatus {
    expiration_timestamp: Option<World>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Puts the credential that a plugin gives in the plugin's place, so that nobody else runs it. Says
/// when it ends, by the calendar. Without a plugin it does nothing.
pub(crate) async fn sign_in(config: &mut Config) -> Result<Option<World>, SourceError> {
    let Some(exec) = config.auth_info.exec.take() else { return Ok(None) };
    let credential = run(&exec).await?;
    config.auth_info.token = credential.token.map(Into::into);
    if let Some((certificate, key)) = credential.certificate {
        let encode = |pem: String| base64::engine::general_purpose::STANDARD.encode(pem);
        config.auth_info.client_certificate_data = Some(encode(certificate));
        config.auth_info.client_key_data = Some(encode(key).into());
    }
    Ok(credential.until)
}

/// Whether a credential that ends then is as good as over: it would end under way.
pub(crate) fn is_over(until: Option<World>) -> bool {
    // Credentials live in the real world, whatever time a drill tells.
    until.is_some_and(|until| until <= Clock::real().now() + MARGIN)
}

/// Runs the plugin and reads its credential. Every failure is `Unknown`: it is tried again
/// slowly, and a person may sign in elsewhere in between.
async fn run(exec: &ExecConfig) -> Result<Credential, SourceError> {
    let program = exec.command.as_deref().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    let denied = |what: String| {
        SourceError::Unknown(Safe::from(format!(
            "run the credential plugin {name:?} of the kubeconfig: {what}; sign in or run it in another terminal"
        )))
    };
    if program.is_empty() {
        return Err(SourceError::Fatal(Safe::fixed("the kubeconfig's credential plugin names no command; set one")));
    }
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
        return Err(denied("it insists on a terminal (interactiveMode Always), and this one is taken".into()));
    }
    let mut child = command(program, exec).spawn().map_err(|error| denied(format!("it did not start ({error})")))?;
    let answer = tokio::time::timeout(PATIENCE, output(&mut child)).await;
    match answer {
        Ok(Ok((true, out, _))) => parse(&out).ok_or_else(|| denied("its answer is not an ExecCredential".into())),
        Ok(Ok((false, _, complaint))) => Err(denied(match last_words(&complaint) {
            Some(words) => format!("it failed, saying {words:?}"),
            None => "it failed".into(),
        })),
        Ok(Err(error)) => Err(denied(format!("its answer could not be read ({error})"))),
        Err(_) => {
            kill_group(&child);
            Err(denied(format!("no answer within {} s, so it was ended", PATIENCE.as_secs())))
        }
    }
}

fn command(program: &str, exec: &ExecConfig) -> Command {
    let mut command = Command::new(program);
    command.args(exec.args.iter().flatten());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }
    for name in exec.drop_env.iter().flatten() {
        command.env_remove(name);
    }
    let mut spec = serde_json::json!({ "interactive": false });
    if exec.provide_cluster_info {
        // A cluster that cannot be written is one that the plugin has to do without.
        if let Ok(cluster) = serde_json::to_value(&exec.cluster) {
            spec["cluster"] = cluster;
        }
    }
    let info = serde_json::json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    // A group of its own: it can be ended with its children, and reading the terminal stops it
    // instead of stealing keys.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command
}

async fn output(child: &mut Child) -> std::io::Result<(bool, Vec<u8>, Vec<u8>)> {
    let (out, complaint) = (child.stdout.take(), child.stderr.take());
    let (out, complaint) = tokio::join!(bounded(out), bounded(complaint));
    Ok((child.wait().await?.success(), out?, complaint?))
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(ANSWER_CAP).read_to_end(&mut text).await?;
    }
    Ok(text)
}

fn kill_group(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended by itself just now.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

fn parse(out: &[u8]) -> Option<Credential> {
    let status = serde_json::from_slice::<Answer>(out).ok()?.status?;
    let credential = Credential {
        token: status.token.filter(|token| !token.is_empty()),
        certificate: status.client_certificate_data.zip(status.client_key_data),
        until: status.expiration_timestamp,
    };
    (credential.token.is_some() || credential.certificate.is_some()).then_some(credential)
}

/// The last line of a complaint without anything that could be a secret: known shapes go by
/// [`redact`], and so does every long word that mixes letters and digits.
fn last_words(complaint: &[u8]) -> Option<Safe> {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    let words: Vec<&str> = line
        .split_whitespace()
        .map(|word| {
            let mixed = word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_alphabetic());
            if word.len() > 24 && mixed && !word.starts_with("http") { "[redacted]" } else { word }
        })
        .collect();
    Some(clean_capped(&redact(&words.join(" ")), 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(script: &str) -> ExecConfig {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "/bin/sh",
            "args": ["-c", script],
            "provideClusterInfo": false,
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_plugin_gives_a_token_without_seeing_the_terminal() {
        let script = r#"
            if read line; then exit 3; fi
            case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 4;; esac
            echo '{"kind":"ExecCredential","status":{"token":"t0k","expirationTimestamp":"2026-11-21T04:00:00Z"}}'
        "#;
        let credential = run(&exec(script)).await.unwrap();
        assert_eq!(credential.token.as_deref(), Some("t0k"));
        assert_eq!(credential.until, Some("2026-11-21T04:00:00Z".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_failing_plugin_is_quoted_without_its_secrets() {
        let script = "echo 'secret-on-stdout'; echo 'first' >&2; \
            echo 'token eyJhbGciOiJSUzI1NiIsImtpZCI6Ik5 has expired' >&2; exit 1";
        let Err(SourceError::Unknown(why)) = run(&exec(script)).await else { panic!("not told") };
        assert!(why.contains("has expired") && why.contains("\"sh\""), "{why}");
        assert!(!why.contains("secret-on-stdout") && !why.contains("eyJ"), "{why}");
    }

    #[tokio::test]
    async fn an_answer_without_a_credential_is_refused() {
        let Err(SourceError::Unknown(why)) = run(&exec("echo '{\"status\":{}}'")).await else { panic!("not told") };
        assert!(why.contains("not an ExecCredential"), "{why}");
    }
}
