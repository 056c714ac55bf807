//! With no file: what the process can see from where it stands, read-only, and said in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::name::EnvId;
use crate::text::Safe;

use super::problem::sentence;
use super::{
    AwsAccess, AwsCredentials, Config, Environment, KubeAccess, LogAccess, Places, ProcessEnv, RecordSettings,
    ScreenSettings, WritePolicy,
};

/// A read-only configuration of the current kube context and the AWS environment, with notes on
/// what was found and what was not.
pub fn discover(places: &Places, env: &ProcessEnv) -> Config {
    let mut notes = vec![sentence(&format!(
        "no environment configured in {}: read-only on what this shell can reach; warroom config init writes a first one",
        places.config.iter().map(|path| env.short(path)).collect::<Vec<_>>().join(" or ")
    ))];
    let kubernetes = kubernetes(env, &mut notes);
    let aws = aws(env, &mut notes);
    notes.push(Safe::fixed("Alertmanager, Prometheus, services: none, they are known from a configuration only"));
    let name = kubernetes
        .as_ref()
        .and_then(|access| access.context.clone())
        .or_else(|| env.aws.profile.clone())
        .unwrap_or_else(|| "discovered".into());
    let name = EnvId::from(name.as_str());
    let environment = Environment {
        name: name.clone(),
        production: true,
        color: None,
        write: WritePolicy::Deny,
        write_window: Duration::from_secs(900),
        drill: false,
        kubernetes,
        aws,
        alertmanager: Vec::new(),
        prometheus: Vec::new(),
    };
    Config {
        environments: vec![environment],
        services: Vec::new(),
        policies: Vec::new(),
        untrue: Vec::new(),
        default_env: Some(name),
        record: RecordSettings { dir: places.incidents.clone(), group: None, group_writes: false },
        screen: ScreenSettings::default(),
        files: Vec::new(),
        notes,
    }
}

fn kubernetes(env: &ProcessEnv, notes: &mut Vec<Safe>) -> Option<KubeAccess> {
    let access = |context| KubeAccess {
        kubeconfig: None,
        context,
        namespaces: Vec::new(),
        usage_every: Duration::from_secs(15),
    };
    let (files, told) = match (&env.kubeconfig, &env.home) {
        (files, _) if !files.is_empty() => (files.clone(), "KUBECONFIG"),
        (_, Some(home)) => (vec![home.join(".kube/config")], "~/.kube/config"),
        _ => (Vec::new(), "~/.kube/config"),
    };
    let there: Vec<&PathBuf> = files.iter().filter(|file| file.is_file()).collect();
    let current = there.iter().find_map(|file| Some((current_context(file)?, env.short(file))));
    if let Some((context, file)) = current {
        notes.push(sentence(&format!("Kubernetes: context {context}, the current one of {file}")));
        return Some(access(Some(context)));
    }
    if env.in_cluster {
        notes.push(Safe::fixed("Kubernetes: the cluster that this pod runs in"));
        return Some(access(None));
    }
    notes.push(sentence(&if there.is_empty() {
        format!("Kubernetes: none, {told} names no file that is there")
    } else {
        format!("Kubernetes: none, {told} has no current-context: kubectl config use-context NAME sets one")
    }));
    None
}

/// The current context of a kubeconfig, which is YAML: a plain scalar at the top level, or JSON.
/// Contexts and credentials are left to the client; no YAML is needed for one name.
fn current_context(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&text) {
        return Some(json.get("current-context")?.as_str()?.to_owned()).filter(|name| !name.is_empty());
    }
    let value = text.lines().find_map(|line| line.strip_prefix("current-context:"))?.trim();
    let name = match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
        _ => value.split(" #").next()?.trim_end(),
    };
    (!name.is_empty()).then(|| name.to_owned())
}

fn aws(env: &ProcessEnv, notes: &mut Vec<Safe>) -> Option<AwsAccess> {
    let said = &env.aws;
    let file = |set: &Option<PathBuf>, usual: &str| {
        set.clone().or_else(|| Some(env.home.as_ref()?.join(usual))).filter(|path| path.is_file())
    };
    let config = file(&said.config_file, ".aws/config").or_else(|| file(&said.credentials_file, ".aws/credentials"));
    let from = match (&said.profile, &config) {
        (Some(profile), _) => format!("profile {profile} (AWS_PROFILE)"),
        (None, _) if said.has_keys => "the access key in the environment".to_owned(),
        (None, _) if said.has_role => "the role that this process was given".to_owned(),
        (None, Some(path)) => format!("the default profile of {}", env.short(path)),
        (None, None) => {
            notes.push(Safe::fixed(
                "AWS: none, there is neither AWS_PROFILE nor an access key, a role or ~/.aws/config",
            ));
            return None;
        }
    };
    let region = match &said.region {
        Some(region) => format!("region {region}"),
        None => "in the profile's region (AWS_REGION is not set)".to_owned(),
    };
    notes.push(sentence(&format!("AWS: {from}, {region}; log groups: none named")));
    Some(AwsAccess {
        credentials: AwsCredentials::Ambient { profile: said.profile.clone() },
        region: said.region.clone(),
        // The SDKs read AWS_ENDPOINT_URL_… themselves; ours would be said twice.
        endpoints: BTreeMap::new(),
        alarm_prefixes: Vec::new(),
        alarms_every: Duration::from_secs(30),
        logs: LogAccess {
            groups: Vec::new(),
            every: Duration::from_secs(10),
            live_tail: Vec::new(),
            calls_per_second: 2.0,
        },
    })
}
