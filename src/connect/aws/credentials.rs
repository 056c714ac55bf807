//! Credentials of the person who runs the program.
//!
//! The SDK's own chain is used as it is, but for one thing: it starts a profile's
//! `credential_process` with our terminal as its input. Here such a process runs without a
//! terminal, within a time, and can be killed; roles of the profile are assumed with what it gives.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::profile::Profile;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::config::command_output;
use crate::text::Safe;

/// A chain of profiles is no longer than this.
const LINKS: usize = 8;

/// What the person's profile says about credentials.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The profile's name.
    pub(super) profile: String,
    /// Whether it logs in by SSO.
    sso: bool,
    /// The process that gives the credentials.
    command: Option<String>,
    /// The roles to assume with them, in order.
    roles: Vec<Role>,
}

#[derive(Debug, PartialEq)]
struct Role {
    arn: String,
    external_id: Option<String>,
    session_name: Option<String>,
}

impl Found {
    /// What to do about credentials: the end of a sentence.
    pub(super) fn login(&self) -> Safe {
        let Self { profile, .. } = self;
        Safe::from(if self.sso {
            format!("run `aws sso login --profile {profile}`")
        } else if self.command.is_some() {
            format!("run the credential_process of profile {profile} by hand, it may want to ask something")
        } else {
            format!("renew the credentials of profile {profile}, or set another `profile`")
        })
    }
}

/// Looks at the profile, without getting credentials.
pub(super) async fn look(profile: Option<&str>) -> Result<Found, String> {
    let chosen = profile.map(|name| name.to_owned().into());
    let set = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), chosen)
        .await
        .map_err(|why| format!("AWS: the profile files cannot be read ({why}); mend ~/.aws/config"))?;
    let name = set.selected_profile();
    if profile.is_some() && set.get_profile(name).is_none() {
        return Err(format!("AWS: there is no profile {name} in ~/.aws/config; set `profile` to one that is there"));
    }
    let mut found = follow(name, |name| set.get_profile(name));
    // The chain asks the environment first: a profile that nobody chose by name is second.
    if profile.is_none() && EnvironmentVariableCredentialsProvider::new().provide_credentials().await.is_ok() {
        found.command = None;
    }
    Ok(found)
}

/// Follows `source_profile` to where the credentials come from.
fn follow<'a>(name: &str, profile: impl Fn(&str) -> Option<&'a Profile>) -> Found {
    let mut found = Found { profile: name.to_owned(), ..Found::default() };
    let mut at = profile(name);
    for _ in 0..LINKS {
        let Some(here) = at else { break };
        let text = |key: &str| here.get(key).map(str::to_owned);
        found.sso |= here.get("sso_session").or(here.get("sso_start_url")).is_some();
        let next = here.get("source_profile").filter(|next| *next != here.name());
        if let (Some(arn), Some(_)) = (text("role_arn"), next) {
            let (external_id, session_name) = (text("external_id"), text("role_session_name"));
            found.roles.insert(0, Role { arn, external_id, session_name });
        } else {
            // Keys in the profile itself win over a process, as in the SDK's own chain.
            let keys = here.get("aws_access_key_id").is_some();
            found.command = text("credential_process").filter(|_| !keys && !found.sso);
        }
        at = next.and_then(&profile);
    }
    found
}

/// The same configuration, with a process that runs without the terminal, if one is to run.
pub(super) async fn without_terminal(sdk: SdkConfig, found: &Found) -> SdkConfig {
    let Some(command) = found.command.clone() else { return sdk };
    let mut provider = SharedCredentialsProvider::new(Process { command });
    for role in &found.roles {
        let mut assume = AssumeRoleProvider::builder(&role.arn)
            .session_name(role.session_name.as_deref().unwrap_or("warroom"))
            .configure(&sdk);
        if let Some(id) = &role.external_id {
            assume = assume.external_id(id);
        }
        provider = SharedCredentialsProvider::new(assume.build_from_provider(provider).await);
    }
    sdk.into_builder().credentials_provider(provider).build()
}

/// Runs a command for credentials.
#[derive(Debug)]
struct Process {
    command: String,
}

/// What it prints (AWS SDKs and Tools Reference Guide, "Process credential provider").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<DateTime<Utc>>,
}

impl ProvideCredentials for Process {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let command = ["sh".into(), "-c".into(), self.command.clone()];
            let printed = command_output(&command).await.map_err(|_| {
                CredentialsError::provider_error("the profile's credential_process failed or took too long")
            })?;
            // The parser's error could quote a key.
            let printed: Printed = serde_json::from_str(&printed).map_err(|_| {
                CredentialsError::provider_error("the profile's credential_process printed no credentials")
            })?;
            if printed.version != 1 {
                return Err(CredentialsError::provider_error("the profile's credential_process is not of version 1"));
            }
            let expires = printed.expiration.map(SystemTime::from);
            let Printed { access_key_id, secret_access_key, session_token, .. } = printed;
            Ok(Credentials::new(access_key_id, secret_access_key, session_token, expires, "credential_process"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::profile::Property;

    fn profile(name: &str, keys: &[(&str, &str)]) -> Profile {
        let property = |(key, value): &(&str, &str)| ((*key).to_owned(), Property::new((*key).into(), (*value).into()));
        Profile::new(name, keys.iter().map(property).collect())
    }

    fn followed(name: &str, profiles: &[Profile]) -> Found {
        follow(name, |wanted| profiles.iter().find(|profile| profile.name() == wanted))
    }

    #[test]
    fn a_process_is_found_behind_the_roles_that_are_assumed_with_it() {
        let profiles = [
            profile("prod", &[("role_arn", "arn:prod"), ("source_profile", "hub"), ("external_id", "x")]),
            profile("hub", &[("role_arn", "arn:hub"), ("source_profile", "base")]),
            profile("base", &[("credential_process", "vault creds")]),
        ];
        let found = followed("prod", &profiles);
        assert_eq!(found.command.as_deref(), Some("vault creds"));
        assert_eq!(found.roles.iter().map(|role| role.arn.as_str()).collect::<Vec<_>>(), ["arn:hub", "arn:prod"]);
        assert_eq!(found.roles[1].external_id.as_deref(), Some("x"));
        assert!(found.login().contains("credential_process of profile prod"));
    }

    #[test]
    fn who_logs_in_by_sso_is_told_how() {
        let profiles = [
            profile("prod", &[("role_arn", "arn:prod"), ("source_profile", "login")]),
            profile("login", &[("sso_session", "corp")]),
        ];
        assert_eq!(followed("prod", &profiles).login(), "run `aws sso login --profile prod`");
        let keys = [profile("old", &[("aws_access_key_id", "AKIA"), ("credential_process", "x")])];
        let found = followed("old", &keys);
        assert_eq!((found.command.as_deref(), found.login().contains("renew")), (None, true));
    }

    #[test]
    fn profiles_that_lead_in_a_circle_end() {
        let circle = [
            profile("a", &[("role_arn", "1"), ("source_profile", "b")]),
            profile("b", &[("role_arn", "2"), ("source_profile", "a")]),
        ];
        assert_eq!(followed("a", &circle).roles.len(), LINKS);
        assert_eq!(followed("nowhere", &circle), Found { profile: "nowhere".into(), ..Found::default() });
    }

    #[tokio::test]
    async fn what_a_process_prints_is_read_and_never_told() {
        let good = r#"echo '{"Version":1,"AccessKeyId":"AKIA1","SecretAccessKey":"s","SessionToken":"t","Expiration":"2036-01-01T00:00:00Z"}'"#;
        let credentials = Process { command: good.into() }.provide_credentials().await.unwrap();
        assert_eq!((credentials.access_key_id(), credentials.session_token()), ("AKIA1", Some("t")));
        assert!(credentials.expiry().is_some());
        for bad in
            ["echo hunter2", "echo '{\"Version\":2,\"AccessKeyId\":\"hunter2\",\"SecretAccessKey\":\"\"}'", "exit 1"]
        {
            let error = Process { command: bad.into() }.provide_credentials().await.unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
