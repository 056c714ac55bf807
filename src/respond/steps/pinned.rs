//! What a step sees of the environment: little, and only the systems that its environment of the
//! configuration names.
//!
//! A command that named no cluster would go to whatever context happens to be the current one:
//! so the context is pinned, and where the configuration names no cluster or account there is
//! none to be found.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use ulid::Ulid;

use crate::config::{AwsAccess, AwsCredentials, Environment, Inherited};
use crate::respond::kubernetes::Context;

/// Where a file is that is none.
const NOTHING: &str = "/dev/null";

/// Variables of the environment of a child.
pub(super) type Variables = Vec<(&'static str, OsString)>;

/// Variables, and the context of the cluster.
pub(super) struct Pinned {
    variables: Variables,
    /// The name of the context, and the files that it is found in.
    kubernetes: Option<(String, OsString)>,
    words: String,
}

impl Pinned {
    pub(super) fn of(env: &Environment, context: Option<&Context>) -> Self {
        Self::with(env, context, Inherited::read())
    }

    pub(super) fn with(env: &Environment, context: Option<&Context>, inherited: Inherited) -> Self {
        let mut variables = vec![("TERM", OsString::from("dumb"))];
        let mut words = vec!["TERM=dumb".to_owned()];
        for (name, value) in [("PATH", &inherited.path), ("HOME", &inherited.home), ("LANG", &inherited.lang)] {
            if let Some(value) = value {
                variables.push((name, value.clone()));
                words.insert(words.len() - 1, name.to_owned());
            }
        }
        let kubernetes = context.map(|context| {
            words.push(format!("KUBECONFIG (context {})", context.name));
            let file = context.kubeconfig.as_ref().map(|path| path.as_os_str().to_owned());
            let usual = || {
                let home = inherited.home.as_ref().map(PathBuf::from);
                home.map(|home| home.join(".kube/config").into_os_string())
            };
            (context.name.clone(), file.or_else(|| inherited.kubeconfig.clone()).or_else(usual).unwrap_or_default())
        });
        if kubernetes.is_none() {
            variables.push(("KUBECONFIG", NOTHING.into()));
            words.push("no cluster".to_owned());
        }
        account(env, &inherited, &mut variables, &mut words);
        Self { variables, kubernetes, words: words.join(", ") }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        self.words.clone()
    }

    /// The variables of one child, and the file that has to be there while it lives.
    pub(super) fn variables(&self) -> std::io::Result<(Variables, Option<Current>)> {
        let mut variables = self.variables.clone();
        let current = match &self.kubernetes {
            None => None,
            Some((context, files)) => {
                // Of several files the first that names a current context has it.
                let current = Current::new(context)?;
                let mut value = current.0.clone().into_os_string();
                if !files.is_empty() {
                    value.push(":");
                    value.push(files);
                }
                variables.push(("KUBECONFIG", value));
                Some(current)
            }
        };
        Ok((variables, current))
    }
}

/// The account by a profile that has a name, found where this program finds it. The chain of the SDK
/// would look for one in what a step is not given, and come to another account.
fn account(env: &Environment, inherited: &Inherited, variables: &mut Variables, words: &mut Vec<String>) {
    let profile = match &env.aws {
        Some(AwsAccess { credentials: AwsCredentials::Ambient { profile: Some(profile) }, region, .. }) => {
            Ok((profile, region.as_ref().map(OsString::from).or_else(|| inherited.aws_region.clone())))
        }
        Some(_) => Err("no AWS account: set `profile`"),
        None => Err("no AWS account"),
    };
    match profile {
        Ok((profile, region)) => {
            let found = [
                ("AWS_PROFILE", Some(OsString::from(profile))),
                ("AWS_REGION", region),
                ("AWS_CONFIG_FILE", inherited.aws_config_file.clone()),
                ("AWS_SHARED_CREDENTIALS_FILE", inherited.aws_credentials_file.clone()),
            ];
            for (name, value) in found {
                let Some(value) = value else { continue };
                words.push(format!("{name}={}", value.display()));
                variables.push((name, value));
            }
        }
        Err(none) => {
            for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
                variables.push((name, NOTHING.into()));
            }
            variables.push(("AWS_EC2_METADATA_DISABLED", "true".into()));
            words.push(none.to_owned());
        }
    }
}

/// A kubeconfig that only says which context is the current one, until it is dropped.
#[derive(Debug)]
pub(super) struct Current(PathBuf);

impl Current {
    fn new(context: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("warroom-context-{}", Ulid::generate()));
        let text = serde_json::json!({ "apiVersion": "v1", "kind": "Config", "current-context": context }).to_string();
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let current = Self(path);
        file.write_all(text.as_bytes())?;
        Ok(current)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        // Left over it does no harm: there is only a name in it.
        let _ = std::fs::remove_file(&self.0);
    }
}
