//! Silences: made and ended in the Alertmanager that tells of the alerts.
//!
//! The id of a silence is known only after it was made, so what identifies it is the id of its
//! plan, which stands at the end of its comment: an answer that was lost and a crash are settled
//! by looking for that. Grafana serves the same shapes below `/api/alertmanager/grafana`: only
//! the base URL differs.
//!
//! Owns: clients of its own, with an allow-list below them. Must not: know the journal, or decide
//! what an outcome is.

#[cfg(test)]
pub(in crate::respond) mod fake;
mod look;
mod matching;
mod objects;
mod silence;
#[cfg(test)]
mod tests;
mod undo;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use http::Method;
use tokio::sync::OnceCell;

use crate::clock::Clock;
use crate::config::{Environment, HttpAccess};
use crate::model::matcher;
use crate::model::name::Kind;
use crate::model::plan::{Permission, Plan, Preview, Refusal, Request};
use crate::text::Safe;

use super::guard::refusal;
use super::http::{HttpError, Writer};
use super::{Ack, Actuator, Cluster, Intent, Seen, WriteError};
use objects::{Alert, Silence};

/// Replicas of a cluster that a gossip did not reach meet at the next full exchange:
/// `--cluster.pushpull-interval`, one minute by default. Which replica answers is not ours to say.
const LAG: TimeDelta = TimeDelta::seconds(60);
const ALERTS: &str = "/api/v2/alerts";
const SILENCES: &str = "/api/v2/silences";

/// The actuator of all Alertmanagers of one environment: a target's namespace says which.
pub(super) struct Alertmanagers {
    drill: bool,
    clock: Clock,
    servers: Vec<Place>,
    /// How long tests wait for an answer.
    #[cfg(test)]
    limit: Option<std::time::Duration>,
}

/// One Alertmanager, connected to when it is first needed: its CA may have to be read.
struct Place {
    access: HttpAccess,
    server: OnceCell<Server>,
}

/// What of its API is used.
struct Server {
    name: Safe,
    http: Writer,
}

/// The two writes, and what has to be read around them.
fn allowed(method: &Method, path: &[&str]) -> bool {
    matches!(
        (method.as_str(), path),
        ("POST", ["api", "v2", "silences"])
            | ("DELETE", ["api", "v2", "silence", _])
            | ("GET", ["api", "v2", "alerts" | "silences"])
            | ("GET", ["api", "v2", "silence", _])
    )
}

impl Server {
    /// The alerts that `matchers` hold of, as the server has it, whatever state they are in.
    async fn alerts(&self, matchers: &[crate::model::plan::Matcher]) -> Result<Vec<Alert>, HttpError> {
        let mut query = ["active", "silenced", "inhibited", "unprocessed"].map(|key| (key, "true".to_owned())).to_vec();
        query.extend(matchers.iter().map(|matcher| ("filter", matcher.to_string())));
        self.http.get(ALERTS, &query).await
    }

    async fn silences(&self) -> Result<Vec<Silence>, HttpError> {
        self.http.get(SILENCES, &[]).await
    }

    async fn silence(&self, id: &str) -> Result<Silence, HttpError> {
        self.http.get(&one(id)?, &[]).await
    }
}

/// The path of one silence. Its id goes into a path: it comes from a server.
fn one(id: &str) -> Result<String, HttpError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&id.len()) && id.chars().all(plain) {
        Ok(format!("/api/v2/silence/{id}"))
    } else {
        Err(HttpError::NotSent(Safe::from(format!("`{id}` is not the id of a silence"))))
    }
}

impl Alertmanagers {
    pub(super) fn new(env: &Environment, clock: Clock) -> Self {
        let place = |access: &HttpAccess| Place { access: access.clone(), server: OnceCell::new() };
        Self {
            drill: env.drill,
            clock,
            servers: env.alertmanager.iter().map(place).collect(),
            #[cfg(test)]
            limit: None,
        }
    }

    /// For tests of servers that do not answer.
    #[cfg(test)]
    fn limit(self, limit: std::time::Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    async fn server(&self, name: &Safe) -> Result<&Server, Refusal> {
        let place = self.servers.iter().find(|place| **name == *place.access.name).ok_or_else(|| {
            refusal(format!("there is no Alertmanager `{name}` in this environment: nothing can be silenced there"))
        })?;
        let server = place.server.get_or_try_init(|| async {
            let http = Writer::new("Alertmanager", &place.access, self.drill, allowed).await.map_err(refusal)?;
            #[cfg(test)]
            let http = match self.limit {
                Some(limit) => http.limit(limit),
                None => http,
            };
            Ok(Server { name: Safe::from(place.access.name.as_str()), http })
        });
        server.await
    }

    async fn make(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let server = self.server(&want.target().path.namespace).await?;
        let now = self.clock.now();
        match want {
            Request::Silence { target, matchers, minutes, comment } => {
                let wish = silence::Wish { target, matchers, minutes: *minutes, until: None, comment };
                silence::plan(server, want, &wish, cluster, now).await
            }
            Request::Undo { plan } if !plan.request.is_undo() => undo::plan(server, want, plan, cluster, now).await,
            Request::Undo { plan } => undo::again(server, want, plan, cluster, now).await,
            other => Err(refusal(format!("cannot {}: an Alertmanager only silences", other.words()))),
        }
    }

    async fn perform(&self, intent: &Intent) -> Result<Ack, WriteError> {
        let plan = intent.plan();
        let server =
            self.server(&plan.target.path.namespace).await.map_err(|refusal| WriteError::Refused(refusal.why))?;
        match &plan.request {
            Request::Undo { plan: of } if plan.request.is_undo() => undo::write(server, plan, of).await,
            _ => silence::write(server, plan, &intent.proof().entry().draft.actor.name).await,
        }
    }

    async fn look(&self, plan: &Plan) -> Seen {
        match self.server(&plan.target.path.namespace).await {
            Ok(server) => look::look(server, plan, self.clock.now()).await,
            Err(refusal) => Seen::Gone { why: refusal.why },
        }
    }
}

impl Actuator for Alertmanagers {
    fn serves(&self, kind: Kind) -> bool {
        kind == Kind::Silence
    }

    fn plan<'a>(&'a self, want: &'a Request, cluster: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>> {
        Box::pin(self.make(want, cluster))
    }

    fn permitted<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Permission> {
        let why = Safe::fixed("an Alertmanager does not tell, and refuses the silence if it is not");
        Box::pin(async { Permission::Unknown { why } })
    }

    fn preview<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Preview> {
        Box::pin(async { Preview::Unavailable { why: Safe::fixed("an Alertmanager has no dry run") } })
    }

    fn write(&self, intent: Intent) -> BoxFuture<'_, Result<Ack, WriteError>> {
        Box::pin(async move { self.perform(&intent).await })
    }

    fn lag(&self) -> TimeDelta {
        LAG
    }

    fn progress<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Seen> {
        Box::pin(self.look(plan))
    }
}

/// What a failed write means.
fn write_error(plan: &Plan, error: &HttpError) -> WriteError {
    if error.changed_nothing() {
        WriteError::Refused(Safe::from(format!("{}: nothing was changed, the server refused it ({error})", plan.title)))
    } else {
        WriteError::Unknown(Safe::from(format!("whether it was written is not known: {error}")))
    }
}

/// What stands at the end of the comment of a plan's silence.
fn mark(plan: &Plan) -> String {
    format!("[warroom {}]", plan.id.0)
}

/// What a plan silences: the matchers of the request it began with.
fn matchers_of(plan: &Plan) -> &[crate::model::plan::Matcher] {
    match plan.request.origin() {
        Request::Silence { matchers, .. } => matchers,
        _ => &[],
    }
}

fn shown(matchers: &[crate::model::plan::Matcher]) -> String {
    matcher::braced(matchers)
}
