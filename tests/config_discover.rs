//! Starting without any configuration: what is found, what is not, and that it is said.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::path::Path;

use warroom::config::{AwsCredentials, Places, ProcessEnv, WritePolicy, discover};

fn env(variables: &[(&str, &str)]) -> ProcessEnv {
    ProcessEnv::of(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    home
}

fn notes(env: &ProcessEnv) -> String {
    discover(&Places::of(env).unwrap(), env).notes.iter().map(|note| format!("{note}\n")).collect()
}

#[test]
fn the_current_context_and_the_aws_profile_are_taken_read_only() {
    let kubeconfig =
        "apiVersion: v1\nclusters:\n- name: current-context\ncurrent-context: \"prod-eu\" # of today\nusers: []\n";
    let home = home(&[(".kube/config", kubeconfig), (".aws/config", "[profile prod]\n")]);
    let env = env(&[("HOME", home.path().to_str().unwrap()), ("AWS_PROFILE", "prod"), ("AWS_REGION", "eu-west-1")]);
    let config = discover(&Places::of(&env).unwrap(), &env);
    let found = &config.environments[0];
    assert_eq!((found.name.as_str(), found.write, found.production), ("prod-eu", WritePolicy::Deny, true));
    assert_eq!(found.kubernetes.as_ref().unwrap().context.as_deref(), Some("prod-eu"), "pinned, not ambient");
    let aws = found.aws.as_ref().unwrap();
    assert_eq!(aws.credentials, AwsCredentials::Ambient { profile: Some("prod".into()) });
    assert_eq!(config.default_env, Some(found.name.clone()));
    assert_eq!(
        notes(&env),
        "no environment configured in /etc/warroom/config.toml or ~/.config/warroom/config.toml: read-only on what this shell \
         can reach; warroom config init writes a first one\n\
         Kubernetes: context prod-eu, the current one of ~/.kube/config\n\
         AWS: profile prod (AWS_PROFILE), region eu-west-1; log groups: none named\n\
         Alertmanager, Prometheus, services: none, they are known from a configuration only\n"
    );
}

#[test]
fn what_is_not_there_is_said() {
    let home = home(&[]);
    let env = env(&[("HOME", home.path().to_str().unwrap())]);
    let text = notes(&env);
    assert!(text.contains("Kubernetes: none, ~/.kube/config names no file that is there"), "{text}");
    assert!(text.contains("AWS: none, there is neither AWS_PROFILE nor"), "{text}");
    let config = discover(&Places::of(&env).unwrap(), &env);
    assert!(config.environments[0].kubernetes.is_none() && config.environments[0].aws.is_none());
}

#[test]
fn of_several_kubeconfigs_the_first_that_says_counts() {
    let home =
        home(&[("a", "users: []\n"), ("b", r#"{"current-context": "from-json"}"#), ("c", "current-context: late\n")]);
    let list = std::env::join_paths(["a", "b", "c"].map(|name| home.path().join(name))).unwrap();
    let env = env(&[("HOME", "/home/ana"), ("KUBECONFIG", list.to_str().unwrap())]);
    assert!(notes(&env).contains("context from-json"));

    let home = self::home(&[("a", "current-context: \"\"\n")]);
    let env = self::env(&[("HOME", "/home/ana"), ("KUBECONFIG", home.path().join("a").to_str().unwrap())]);
    assert!(notes(&env).contains("KUBECONFIG has no current-context: kubectl config use-context"), "{}", notes(&env));
}

#[test]
fn a_pod_finds_its_cluster_and_its_role() {
    let env =
        env(&[("HOME", "/nowhere"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")]);
    let text = notes(&env);
    assert!(text.contains("Kubernetes: the cluster that this pod runs in"), "{text}");
    assert!(text.contains("AWS: the role that this process was given, in the profile's region"), "{text}");
}

#[test]
fn no_secret_of_the_process_is_kept() {
    let env = env(&[
        ("HOME", "/home/ana"),
        ("AWS_ACCESS_KEY_ID", "AKIAXYZZY"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter2"),
        ("HTTPS_PROXY", "http://ana:hunter2@proxy"),
    ]);
    assert!(env.aws.has_keys);
    assert_eq!(env.proxies, ["HTTPS_PROXY"]);
    let all = format!("{env:?} {}", notes(&env));
    assert!(!all.contains("hunter2") && !all.contains("AKIAXYZZY"), "{all}");
}

#[test]
fn files_are_where_xdg_says() {
    let home = Places::of(&env(&[("HOME", "/home/ana")])).unwrap();
    assert_eq!(home.config[1], Path::new("/home/ana/.config/warroom/config.toml"));
    assert_eq!(home.incidents, Path::new("/home/ana/.local/state/warroom/incidents"));
    assert_eq!(home.log, Path::new("/home/ana/.local/state/warroom/log"));
    let set = env(&[("HOME", "/home/ana"), ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "not/absolute")]);
    let set = Places::of(&set).unwrap();
    assert_eq!(set.themes, Path::new("/c/warroom/themes"));
    assert_eq!(set.incidents, home.incidents, "a relative one is ignored, as the specification says");
    assert!(Places::of(&env(&[])).unwrap_err().to_string().contains("set HOME"));
}

#[test]
fn who_sits_here_is_told_with_how_it_is_known() {
    let who = |variables: &[(&str, &str)]| {
        let actor = env(variables).person();
        (actor.name.to_string(), actor.known_by.map(|by| by.to_string()).unwrap_or_default())
    };
    assert_eq!(who(&[("USER", "ana")]), ("ana".into(), "login user".into()));
    assert_eq!(who(&[("LOGNAME", "ana"), ("SSH_CONNECTION", "1 2 3 4")]), ("ana".into(), "ssh user".into()));
    assert_eq!(who(&[("USER", "root"), ("SSH_USER", "ana")]), ("ana".into(), "ssh user".into()));
    assert_eq!(who(&[]).0, "unknown");
}

#[test]
fn the_locale_decides_on_ascii() {
    assert!(env(&[("LANG", "en_US.UTF-8")]).is_utf8());
    assert!(!env(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]).is_utf8());
    assert!(!env(&[]).is_utf8());
}
