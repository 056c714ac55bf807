//! One cluster's read-only client, built when it is first needed and shared by all its sources.
//!
//! Owns: kubeconfig to client, credentials' renewal, and the rule that a drill stays on
//! loopback. Must not: hand out a client without the read-only layer.

use std::path::Path;
use std::time::Duration;

use kube::client::{Client, ClientBuilder};
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tokio::sync::{Mutex, watch};

use crate::clock::World;
use crate::config::KubeAccess;
use crate::connect::SourceError;
use crate::text::Safe;

use super::plugin;
use super::readonly::ReadOnlyLayer;

/// A connection on which nothing comes for so long, by the wall, is given up. Watches are ended by
/// the API server before; a log without a line for so long is opened again where it was read to.
const SILENCE: Duration = Duration::from_secs(330);

/// One cluster, for all sources that read it.
pub(super) struct Cluster {
    access: KubeAccess,
    drill: bool,
    built: Mutex<Option<Built>>,
    /// Whether all pods were listed once.
    pods_listed: watch::Sender<bool>,
}

struct Built {
    client: Client,
    /// The API server's URL.
    server: Safe,
    /// When its credentials end, by the calendar.
    until: Option<World>,
}

impl Cluster {
    /// Nothing is read or contacted yet. A `drill`'s cluster is on loopback or is refused.
    pub(super) fn new(access: KubeAccess, drill: bool) -> Self {
        Self { access, drill, built: Mutex::new(None), pods_listed: watch::Sender::new(false) }
    }

    /// All pods were listed.
    pub(super) fn pods_are_listed(&self) {
        self.pods_listed.send_replace(true);
    }

    /// Waits until all pods were listed, for so long by the wall: what is told of pods that are
    /// not known goes nowhere.
    pub(super) async fn pods_listed(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.pods_listed.subscribe().wait_for(|listed| *listed)).await;
    }

    /// How to reach it.
    pub(super) fn access(&self) -> &KubeAccess {
        &self.access
    }

    /// The client; built anew a minute before its credentials end.
    pub(super) async fn client(&self) -> Result<Client, SourceError> {
        let mut built = self.built.lock().await;
        if let Some(known) = built.as_ref().filter(|known| !plugin::is_over(known.until)) {
            return Ok(known.client.clone());
        }
        let fresh = self.build().await?;
        let client = fresh.client.clone();
        *built = Some(fresh);
        Ok(client)
    }

    /// The API server's URL, once a client was built: for errors.
    pub(super) async fn server(&self) -> Safe {
        let built = self.built.lock().await;
        built.as_ref().map_or_else(|| Safe::fixed("the API server"), |built| built.server.clone())
    }

    /// The cluster does not know us any more: the next client is built from the kubeconfig anew.
    pub(super) async fn forget(&self) {
        *self.built.lock().await = None;
    }

    async fn build(&self) -> Result<Built, SourceError> {
        let mut config = self.config().await?;
        let host = config.cluster_url.host().unwrap_or_default().to_owned();
        let local = is_loopback(&host);
        if self.drill && !local {
            return Err(fatal(format!(
                "connect to {host}: a drill only talks to this machine; use its own kubeconfig, not yours"
            )));
        }
        if local {
            // Nothing to gain, and an ambient proxy would lead elsewhere.
            config.proxy_url = None;
            config.disable_compression = true;
        }
        // The supervisor retries, and shows it; a retry in here would be invisible.
        config.default_retry = false;
        // A connection whose other end vanished looks like one with no news, for ever.
        config.read_timeout = Some(SILENCE);
        if config.auth_info.auth_provider.as_ref().is_some_and(|provider| provider.config.contains_key("cmd-path")) {
            return Err(fatal(
                "read the kubeconfig: its user has an auth-provider with a command, which Kubernetes removed in 1.26; \
                 use an exec plugin instead"
                    .into(),
            ));
        }
        let until = plugin::sign_in(&mut config).await?;
        let server = Safe::from(config.cluster_url.to_string().trim_end_matches('/'));
        let stack = ClientBuilder::try_from(config)
            .map_err(|error| fatal(format!("prepare the client for {host}: {}", super::call::causes(&error))))?;
        Ok(Built { client: stack.with_layer(&ReadOnlyLayer).build(), server, until })
    }

    async fn config(&self) -> Result<Config, SourceError> {
        let KubeAccess { kubeconfig: path, context, .. } = &self.access;
        let read = match path {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = match read {
            Ok(kubeconfig) => kubeconfig,
            // Inside a pod there is no kubeconfig, but an account.
            Err(error) => match Config::incluster() {
                Ok(config) if path.is_none() && context.is_none() => return Ok(config),
                _ => return Err(unreadable(path.as_deref(), &error)),
            },
        };
        let names: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let file = path.as_ref().map_or("the kubeconfig".to_owned(), |path| path.display().to_string());
        let wanted = context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|name| !name.is_empty());
        match wanted {
            None => {
                return Err(fatal(format!(
                    "pick a context in {file}: it has no current-context; name one of {}",
                    list(&names)
                )));
            }
            Some(name) if !names.contains(&name) => {
                return Err(fatal(format!("find the context {name:?} in {file}: it has {}; name one", list(&names))));
            }
            Some(_) => {}
        }
        let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| fatal(format!("use {file}: {}; correct it", super::call::causes(&error))))
    }
}

fn unreadable(path: Option<&Path>, error: &KubeconfigError) -> SourceError {
    let (file, hint) = match (path, error) {
        (Some(path), _) => (path.display().to_string(), "correct `kubeconfig` in the configuration"),
        (None, KubeconfigError::ReadConfig(_, path)) => {
            (path.display().to_string(), "set KUBECONFIG or `kubeconfig` in the configuration")
        }
        (None, _) => ("the kubeconfig".into(), "set KUBECONFIG or `kubeconfig` in the configuration"),
    };
    // A parser quotes what it stumbled over, and a kubeconfig is full of secrets.
    let why = match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".into()
        }
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        KubeconfigError::FindPath => "there is neither KUBECONFIG nor a home directory".into(),
        _ => "it is not a kubeconfig".to_owned(),
    };
    fatal(format!("read {file}: {why}; {hint}"))
}

fn fatal(why: String) -> SourceError {
    SourceError::Fatal(Safe::from(why))
}

fn list(names: &[String]) -> String {
    match names.len() {
        0 => "none".into(),
        1..=8 => names.join(", "),
        more => format!("{} and {} more", names[..8].join(", "), more - 8),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn access(text: &str, context: Option<&str>) -> (tempfile::NamedTempFile, KubeAccess) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let access = KubeAccess {
            kubeconfig: Some(file.path().to_owned()),
            context: context.map(Into::into),
            namespaces: Vec::new(),
            usage_every: Duration::from_secs(15),
        };
        (file, access)
    }

    fn kubeconfig(server: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
             users: [{{name: u, user: {{token: t}}}}]\n\
             contexts: [{{name: a, context: {{cluster: c, user: u}}}}, {{name: b, context: {{cluster: c, user: u}}}}]\n"
        )
    }

    async fn fails(cluster: Cluster) -> String {
        match cluster.client().await {
            Err(SourceError::Fatal(why)) => why.to_string(),
            Err(other) => panic!("not fatal: {other}"),
            Ok(_) => panic!("a client was built"),
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let (file, access) = access("", None);
        let path = file.path().to_owned();
        drop(file);
        let why = fails(Cluster::new(access, false)).await;
        assert!(why.contains(path.to_str().unwrap()) && why.contains("no such file"), "{why}");
    }

    #[tokio::test]
    async fn a_context_that_is_not_in_it_is_named_with_those_that_are() {
        let (_file, access) = access(&kubeconfig("http://127.0.0.1:1"), Some("prod"));
        let why = fails(Cluster::new(access, false)).await;
        assert!(why.contains("\"prod\"") && why.contains("it has a, b"), "{why}");
    }

    #[tokio::test]
    async fn a_broken_kubeconfig_is_not_quoted() {
        let (_file, access) = access("users: [{name: u, user: {token: hunter2}}\n - :", None);
        let why = fails(Cluster::new(access, false)).await;
        assert!(why.contains("not a kubeconfig") && !why.contains("hunter2"), "{why}");
    }

    #[tokio::test]
    async fn a_drill_does_not_leave_this_machine() {
        let (_file, access) = access(&kubeconfig("http://203.0.113.7:6443"), None);
        let why = fails(Cluster::new(access, true)).await;
        assert!(why.contains("203.0.113.7") && why.contains("drill"), "{why}");
    }

    #[test]
    fn loopback_has_three_spellings() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "::1", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "localhost.example", "127.0.0.1.example", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
