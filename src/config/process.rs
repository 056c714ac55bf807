//! The process environment, read once, as plain data. No secret is kept: of credentials only
//! that they are there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::entry::{Actor, ActorKind};
use crate::text::Safe;

/// What the environment of the process says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessEnv {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, if it is absolute as its specification demands.
    pub xdg_config_home: Option<PathBuf>,
    /// `XDG_STATE_HOME`, if it is absolute.
    pub xdg_state_home: Option<PathBuf>,
    /// The files of `KUBECONFIG`, in their order.
    pub kubeconfig: Vec<PathBuf>,
    /// Whether the process runs in a cluster's pod (`KUBERNETES_SERVICE_HOST`).
    pub in_cluster: bool,
    /// What is said of AWS.
    pub aws: AwsEnv,
    /// Names of the proxy variables that are set. Their values may hold passwords.
    pub proxies: Vec<String>,
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// Whether `NO_COLOR` is set to anything but nothing.
    pub no_color: bool,
    /// The locale of text: `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub locale: Option<String>,
    /// Whether the session came over SSH (`SSH_CONNECTION`).
    pub ssh: bool,
    /// `SSH_USER`: who came, where many share one login.
    pub ssh_user: Option<String>,
    /// `USER`, else `LOGNAME`.
    pub user: Option<String>,
    /// Whether the terminal is tmux's (`TMUX`).
    pub tmux: bool,
    /// `VISUAL`, else `EDITOR`.
    pub editor: Option<String>,
    /// `WARROOM_LOG`: what the program's own log holds, in the filter language of `tracing`.
    pub log_filter: Option<String>,
}

/// What a command of a runbook is given of the environment, as it is.
#[cfg(feature = "operator")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inherited {
    /// `PATH`.
    pub(crate) path: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// `LANG`.
    pub(crate) lang: Option<OsString>,
    /// `KUBECONFIG`.
    pub(crate) kubeconfig: Option<OsString>,
    /// `AWS_CONFIG_FILE`.
    pub(crate) aws_config_file: Option<OsString>,
    /// `AWS_SHARED_CREDENTIALS_FILE`.
    pub(crate) aws_credentials_file: Option<OsString>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub(crate) aws_region: Option<OsString>,
}

#[cfg(feature = "operator")]
impl Inherited {
    #[allow(clippy::disallowed_methods, reason = "this room is the one that reads the process environment")]
    pub(crate) fn read() -> Self {
        let get = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            path: get("PATH"),
            home: get("HOME"),
            lang: get("LANG"),
            kubeconfig: get("KUBECONFIG"),
            aws_config_file: get("AWS_CONFIG_FILE"),
            aws_credentials_file: get("AWS_SHARED_CREDENTIALS_FILE"),
            aws_region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
        }
    }
}

/// What the environment says of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsEnv {
    /// `AWS_PROFILE`.
    pub profile: Option<String>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// `AWS_CONFIG_FILE`.
    pub config_file: Option<PathBuf>,
    /// `AWS_SHARED_CREDENTIALS_FILE`.
    pub credentials_file: Option<PathBuf>,
    /// Whether there is an access key in the environment.
    pub has_keys: bool,
    /// Whether a role's token or a container's credentials are offered.
    pub has_role: bool,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, by service in lower case, and `AWS_ENDPOINT_URL` by the
    /// empty name.
    pub endpoints: BTreeMap<String, String>,
}

impl ProcessEnv {
    /// Reads the environment of this process: the only place that does.
    pub fn read() -> Self {
        Self::of(std::env::vars_os())
    }

    /// The same from given variables.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables: BTreeMap<String, OsString> = variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let has = |name: &str| variables.contains_key(name);
        let path = |name: &str| variables.get(name).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let text = |name: &str| variables.get(name).and_then(|value| value.to_str()).map(str::to_owned);
        let endpoint = |name: &str| {
            let service = name.strip_prefix("AWS_ENDPOINT_URL")?;
            Some(service.strip_prefix('_').unwrap_or(service).to_ascii_lowercase())
        };
        let proxies = [
            "HTTPS_PROXY",
            "https_proxy",
            "HTTP_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
        ];
        Self {
            home: absolute("HOME"),
            xdg_config_home: absolute("XDG_CONFIG_HOME"),
            xdg_state_home: absolute("XDG_STATE_HOME"),
            kubeconfig: variables
                .get("KUBECONFIG")
                .map(|value| std::env::split_paths(value).filter(|path| !path.as_os_str().is_empty()).collect())
                .unwrap_or_default(),
            in_cluster: has("KUBERNETES_SERVICE_HOST"),
            aws: AwsEnv {
                profile: text("AWS_PROFILE"),
                region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
                config_file: path("AWS_CONFIG_FILE"),
                credentials_file: path("AWS_SHARED_CREDENTIALS_FILE"),
                has_keys: has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY"),
                has_role: [
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                ]
                .into_iter()
                .any(has),
                endpoints: variables.keys().filter_map(|name| Some((endpoint(name)?, text(name)?))).collect(),
            },
            proxies: proxies.into_iter().filter(|name| has(name)).map(str::to_owned).collect(),
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            no_color: has("NO_COLOR"),
            locale: text("LC_ALL").or_else(|| text("LC_CTYPE")).or_else(|| text("LANG")),
            ssh: has("SSH_CONNECTION"),
            ssh_user: text("SSH_USER"),
            user: text("USER").or_else(|| text("LOGNAME")),
            tmux: has("TMUX"),
            editor: text("VISUAL").or_else(|| text("EDITOR")),
            log_filter: text("WARROOM_LOG"),
        }
    }

    /// Whether text may hold more than ASCII.
    pub fn is_utf8(&self) -> bool {
        self.locale.as_ref().is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }

    /// Who sits here, as far as the machine knows: who came over SSH, else who logged in. A
    /// cluster's or an account's own answer is better where there is one.
    pub fn person(&self) -> Actor {
        let (name, known_by) = match (&self.ssh_user, &self.user) {
            (Some(name), _) => (Safe::from(name.as_str()), Some(Safe::fixed("ssh user"))),
            (None, Some(name)) if self.ssh => (Safe::from(name.as_str()), Some(Safe::fixed("ssh user"))),
            (None, Some(name)) => (Safe::from(name.as_str()), Some(Safe::fixed("login user"))),
            (None, None) => (Safe::fixed("unknown"), None),
        };
        Actor { kind: ActorKind::Human, name, known_by }
    }

    /// `path` with a leading `~/` replaced by the home directory.
    pub(super) fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    /// `path` as people write it, with `~` for the home directory.
    pub(super) fn short(&self, path: &Path) -> String {
        match self.home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }
}
