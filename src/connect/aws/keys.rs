//! What an actuator signs its own requests with.
//!
//! Owns: lending credentials, the region and the endpoints that the reading clients have, by the
//! same rules: a drill has dummy credentials and stays on this machine. Must not: sign or send
//! anything.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::config::AwsAccess;
use crate::text::Safe;

use super::failure::root_cause;
use super::{Account, DRILL_REGION, LOGIN};

/// Credentials are not used any more this long before their end.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(60);

/// The keys of one account.
#[derive(Debug)]
pub struct Keys {
    account: Arc<Account>,
    kept: Mutex<Option<Lent>>,
}

/// Credentials, as long as they hold.
#[derive(Clone, Debug)]
pub struct Lent {
    /// What to sign with.
    pub credentials: Credentials,
    /// The environment's region.
    pub region: String,
    /// What to do when they are not accepted: the end of a sentence.
    pub login: Safe,
}

impl Keys {
    /// The keys that `access` names. Nothing is read yet.
    pub fn new(access: AwsAccess, drill: bool) -> Self {
        Self { account: Account::new(access, drill), kept: Mutex::default() }
    }

    /// Credentials that hold now. The error is a sentence.
    pub async fn lend(&self) -> Result<Lent, Safe> {
        let mut kept = self.kept.lock().await;
        // Credentials live in the real world, whatever time a drill tells.
        let soon = SystemTime::from(Clock::real().now()) + MARGIN;
        if let Some(lent) = kept.as_ref().filter(|lent| lent.credentials.expiry().is_none_or(|end| end > soon)) {
            return Ok(lent.clone());
        }
        let session = self.account.session().await.map_err(|why| Safe::from(why.to_string()))?;
        let login = session.login;
        let missing = |why: &str| Safe::from(format!("there are no valid AWS credentials ({why}); {login}"));
        let provider = session.sdk.credentials_provider().ok_or_else(|| missing("none are configured"))?;
        let credentials = tokio::time::timeout(LOGIN, provider.provide_credentials())
            .await
            .map_err(|_| missing("they did not come in time"))?
            .map_err(|error| missing(&root_cause(&error)))?;
        let region = session.sdk.region().map_or_else(|| DRILL_REGION.to_owned(), ToString::to_string);
        let lent = Lent { credentials, region, login };
        *kept = Some(lent.clone());
        Ok(lent)
    }

    /// The endpoint of one service, if it is not AWS' own. The error is a sentence.
    pub fn endpoint(&self, service: &str) -> Result<Option<String>, Safe> {
        self.account.endpoint(service).map_err(|why| Safe::from(why.to_string()))
    }

    /// AWS does not know them (any more): the next ones are read anew.
    pub async fn forget(&self) {
        *self.kept.lock().await = None;
        *self.account.session.lock().await = None;
    }
}
