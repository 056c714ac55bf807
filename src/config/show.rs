//! `config init`, `config check` and `config show`, as text for the command line to print.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::model::service::{Service, Side};

use super::problem::{file_error, sentence};
use super::schema::{DAYS, TIERS, UNITS};
use super::{
    Auth, AwsAccess, AwsCredentials, ColorChoice, Config, ConfigError, Environment, Freeze, HttpAccess, KubeAccess,
    Places, Policy, PolicyTest, ProcessEnv, Rule, Secret, Verdict, WritePolicy, load,
};

/// A commented configuration that shows every key. It loads as it is.
pub const EXAMPLE: &str = include_str!("../../assets/config/example.toml");

/// Writes the example to `path`, for its owner alone, and says so. Never overwrites.
pub fn init(path: &Path) -> Result<String, ConfigError> {
    if let Some(folder) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| file_error("make the folder", folder, &error))?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                let path = path.display();
                ConfigError::File(sentence(&format!(
                    "{path} is there already and was left as it is: move it away first"
                )))
            } else {
                file_error("write", path, &error)
            }
        })?;
    file.write_all(EXAMPLE.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| file_error("write", path, &error))?;
    Ok(format!("wrote {}: edit it, then run warroom config check\n", path.display()))
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// For people: the problems, one a line, or what the configuration holds.
    pub text: String,
    /// Whether there is no problem.
    pub good: bool,
}

/// Loads the configuration and says what is wrong with it, or what it holds.
pub fn check(places: &Places, env: &ProcessEnv) -> Checked {
    match load(places, env) {
        Ok(config) if config.files.is_empty() => Checked { text: lines(&config.notes), good: true },
        Ok(config) if !config.untrue.is_empty() => {
            let lines: Vec<_> = config.untrue.iter().map(|problem| format!("{problem}\n")).collect();
            Checked { text: lines.concat(), good: false }
        }
        Ok(config) => {
            let files: Vec<_> = config.files.iter().map(|file| file.display().to_string()).collect();
            let mut text = format!(
                "{}: {} and {}\n",
                files.join(", "),
                count(config.environments.len(), "environment"),
                count(config.services.len(), "service")
            );
            if let all @ 1.. = config.policies.len() {
                let tests = config.policies.iter().map(|policy| policy.tests.len()).sum();
                let policies = if all == 1 { "1 policy".to_owned() } else { format!("{all} policies") };
                let _ = writeln!(text, "{policies}, {} of theirs passed", count(tests, "test"));
            }
            for env in &config.environments {
                let production = if env.production { "production" } else { "not production" };
                let write = if env.write == WritePolicy::Ask { "may be changed" } else { "read-only" };
                let _ = writeln!(text, "{}: {production}, {write}, {}", env.name, systems(env));
            }
            Checked { text, good: true }
        }
        Err(error) => Checked { text: format!("{error}\n"), good: false },
    }
}

/// The whole configuration with its defaults, as TOML that loads to the same, but for the
/// arguments of commands that fetch secrets. No secret is in it, because none was read.
pub fn show(config: &Config) -> String {
    let mut out = Out(String::new());
    for note in &config.notes {
        let _ = writeln!(out.0, "# {note}");
    }
    for file in &config.files {
        let _ = writeln!(out.0, "# from {}", file.display());
    }
    if let Some(default) = &config.default_env {
        out.text("default_env", default);
    }
    out.section("record");
    out.text("dir", config.record.dir.display());
    out.maybe("group", config.record.group.as_ref());
    if config.record.group_writes {
        out.plain("group_writes", true);
    }
    out.section("screen");
    out.maybe("theme", config.screen.theme.as_ref());
    out.maybe("keymap", config.screen.keymap.as_ref());
    out.text("tz", config.screen.tz);
    if let Some(ascii) = config.screen.ascii {
        out.plain("ascii", ascii);
    }
    out.plain("mouse", config.screen.mouse);
    let color = match config.screen.color {
        ColorChoice::Auto => "auto",
        ColorChoice::Always => "always",
        ColorChoice::Never => "never",
    };
    out.text("color", color);
    for env in &config.environments {
        environment(&mut out, env);
    }
    for one in &config.services {
        service(&mut out, one);
    }
    for one in &config.policies {
        policy(&mut out, one);
    }
    out.0
}

fn policy(out: &mut Out, policy: &Policy) {
    let name = format!("policies.{}", quoted(&policy.name));
    let word = |tier| TIERS.iter().find(|(_, meant)| *meant == tier).map_or("", |(word, _)| *word);
    out.section(&name);
    out.text("say", &policy.say);
    out.list("environments", &policy.environments);
    out.list("kinds", &policy.kinds);
    out.list("targets", &policy.targets);
    out.list("actions", &policy.actions);
    out.list("tiers", &policy.tiers.iter().map(|tier| word(*tier)).collect::<Vec<_>>());
    out.list("services", &policy.services);
    match &policy.rule {
        Rule::Deny => out.text("effect", "deny"),
        Rule::SecondPerson => out.text("effect", "second-person"),
        Rule::LeastReady(ready) => {
            out.text("effect", "least-ready");
            out.plain("ready", ready);
        }
        Rule::MostTimes(times) => {
            out.text("effect", "most-times");
            out.plain("times", format!("{times:?}"));
        }
        Rule::Freeze(freeze) => {
            out.text("effect", "freeze");
            match freeze {
                Freeze::Once { from, to } => {
                    out.text("from", from.to_rfc3339());
                    out.text("to", to.to_rfc3339());
                }
                Freeze::Weekly { days, from, to, zone } => {
                    let word = |day| DAYS.iter().find(|(_, meant)| *meant == day).map_or("", |(word, _)| *word);
                    out.list("days", &days.iter().map(|day| word(*day)).collect::<Vec<_>>());
                    out.text("from", from.format("%H:%M"));
                    out.text("to", to.format("%H:%M"));
                    out.text("zone", zone);
                }
            }
        }
    }
    for PolicyTest { case, expect } in &policy.tests {
        out.item(&format!("{name}.tests"));
        out.text("action", &case.action);
        out.text("environment", &case.environment);
        out.text("kind", case.kind);
        out.text("target", &case.target);
        out.maybe("service", case.services.first());
        out.text("tier", word(case.tier));
        out.plain("ready", case.ready);
        out.plain("before", case.before);
        out.plain("wanted", case.wanted);
        if let Some(fewest) = case.fewest {
            out.plain("fewest", fewest);
        }
        out.text("at", case.at.to_rfc3339());
        out.plain("incident", case.incident);
        out.plain("undo", case.undo);
        out.text("expect", Verdict::word(*expect));
    }
}

fn lines(notes: &[crate::text::Safe]) -> String {
    notes.iter().map(|note| format!("{note}\n")).collect()
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn systems(env: &Environment) -> String {
    let mut systems = Vec::new();
    if let Some(access) = &env.kubernetes {
        systems.push(match &access.context {
            Some(context) => format!("kubernetes (context {context})"),
            None => "kubernetes (the current context)".to_owned(),
        });
    }
    if env.aws.is_some() {
        systems.push("aws".to_owned());
    }
    systems.extend(env.alertmanager.iter().chain(&env.prometheus).map(|access| access.name.clone()));
    if systems.is_empty() { "no system to look at".to_owned() } else { systems.join(", ") }
}

struct Out(String);

impl Out {
    fn section(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn item(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[[{name}]]");
    }

    fn plain(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: impl Display) {
        self.plain(key, quoted(value));
    }

    fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn duration(&mut self, key: &str, value: Duration) {
        self.text(key, humantime::format_duration(value));
    }

    fn list<T: Display>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            self.plain(key, format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")));
        }
    }
}

fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn environment(out: &mut Out, env: &Environment) {
    let name = format!("environments.{}", quoted(&env.name));
    out.section(&name);
    out.plain("production", env.production);
    out.maybe("color", env.color.as_ref());
    out.text("write", if env.write == WritePolicy::Ask { "ask" } else { "deny" });
    out.duration("write_window", env.write_window);
    if let Some(access) = &env.kubernetes {
        kubernetes(out, &name, access);
    }
    if let Some(access) = &env.aws {
        aws(out, &name, access);
    }
    for (kind, list) in [("alertmanager", &env.alertmanager), ("prometheus", &env.prometheus)] {
        for access in list {
            out.item(&format!("{name}.{kind}"));
            http(out, access);
        }
    }
}

fn kubernetes(out: &mut Out, env: &str, access: &KubeAccess) {
    out.section(&format!("{env}.kubernetes"));
    out.maybe("kubeconfig", access.kubeconfig.as_ref().map(|path| path.display()));
    out.maybe("context", access.context.as_ref());
    out.list("namespaces", &access.namespaces);
    out.duration("usage_every", access.usage_every);
}

fn aws(out: &mut Out, env: &str, access: &AwsAccess) {
    out.section(&format!("{env}.aws"));
    if let AwsCredentials::Ambient { profile } = &access.credentials {
        out.maybe("profile", profile.as_ref());
    }
    out.maybe("region", access.region.as_ref());
    out.list("alarm_prefixes", &access.alarm_prefixes);
    out.duration("alarms_every", access.alarms_every);
    if !access.endpoints.is_empty() {
        out.section(&format!("{env}.aws.endpoints"));
        for (service, url) in &access.endpoints {
            out.text(service, url);
        }
    }
    out.section(&format!("{env}.aws.logs"));
    out.list("groups", &access.logs.groups);
    out.duration("every", access.logs.every);
    out.list("live_tail", &access.logs.live_tail);
    out.plain("calls_per_second", access.logs.calls_per_second);
}

fn http(out: &mut Out, access: &HttpAccess) {
    out.text("name", &access.name);
    out.text("url", &access.url);
    match &access.auth {
        Some(Auth::Bearer(kept)) => out.plain("bearer", secret(kept)),
        Some(Auth::Basic { user, password }) => {
            out.plain("basic", format!("{{ user = {}, password = {} }}", quoted(user), secret(password)));
        }
        None => {}
    }
    out.maybe("ca_file", access.ca_file.as_ref().map(|path| path.display()));
    out.plain("proxy", access.proxy);
    out.duration("every", access.every);
}

/// Where a secret is kept. Arguments of a command may be part of it.
fn secret(kept: &Secret) -> String {
    match kept {
        Secret::Env(name) => format!("{{ env = {} }}", quoted(name)),
        Secret::File(path) => format!("{{ file = {} }}", quoted(path.display())),
        Secret::Command(words) => {
            let program = words.first().map_or(String::new(), quoted);
            let more = if words.len() > 1 { ", \"…\"" } else { "" };
            format!("{{ command = [{program}{more}] }}")
        }
    }
}

fn service(out: &mut Out, one: &Service) {
    let name = format!("services.{}", quoted(&one.name));
    out.section(&name);
    out.maybe("title", one.title.as_ref());
    out.maybe("owner", one.owner.as_ref());
    let workloads: Vec<_> = one
        .workloads
        .iter()
        .map(|pattern| format!("{} {}/{}", pattern.kind, pattern.namespace, pattern.name))
        .collect();
    out.list("workloads", &workloads);
    out.list("routes", &one.routes);
    out.list("log_groups", &one.log_groups);
    out.list("alarms", &one.alarms);
    out.list("dashboards", &one.dashboards);
    out.maybe("runbook", one.runbook.as_ref());
    out.list("depends_on", &one.depends_on);
    for signal in &one.signals {
        out.item(&format!("{name}.signals"));
        out.text("name", &signal.name);
        out.text("query", &signal.query);
        if let Some((word, _)) = UNITS.iter().find(|(_, unit)| *unit == signal.unit) {
            out.text("unit", word);
        }
        if let Some(threshold) = &signal.threshold {
            out.plain(if threshold.side == Side::Above { "above" } else { "below" }, threshold.limit);
            out.duration("hold", threshold.hold);
            out.duration("recover", threshold.recover);
        }
    }
}
