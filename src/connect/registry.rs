//! All sources of an environment: one line for each kind.

use std::sync::Arc;

use crate::config::{Catalogue, Environment, HttpAccess};
use crate::model::name::Origin;

use super::alertmanager::Alertmanager;
use super::aws::{Account, Alarms, Logs};
use super::kubernetes;
use super::prometheus::Prometheus;
use super::{Connector, History, Source};

/// The sources of `env`, which read what `catalogue` declares. Nothing is contacted yet, and
/// what is wrong with a source's configuration is told by the source when it runs.
pub fn registry(env: &Environment, catalogue: Arc<Catalogue>) -> Vec<Connector> {
    let mut all = Vec::new();
    all.extend(env.kubernetes.iter().flat_map(|access| kubernetes::connectors(env, access, Arc::clone(&catalogue))));
    all.extend(env.alertmanager.iter().map(|access| alertmanager(env, access)));
    // The first is asked: two would tell the same signals twice.
    all.extend(env.prometheus.first().map(|access| prometheus(env, access, &catalogue)));
    all.extend(aws(env, &catalogue));
    all
}

fn connector(env: &Environment, name: &str, source: impl Source + 'static) -> Connector {
    let origin = Origin { env: env.name.clone(), source: name.into() };
    Connector { origin, source: Box::new(source), history: None }
}

fn with_history(connector: Connector, history: impl History + 'static) -> Connector {
    Connector { history: Some(Box::new(history)), ..connector }
}

fn alertmanager(env: &Environment, access: &HttpAccess) -> Connector {
    connector(env, &access.name, Alertmanager::new(access.clone(), env.drill))
}

fn prometheus(env: &Environment, access: &HttpAccess, catalogue: &Arc<Catalogue>) -> Connector {
    let (source, history) = Prometheus::new(access.clone(), Arc::clone(catalogue), env.drill);
    with_history(connector(env, &access.name, source), history)
}

fn aws(env: &Environment, catalogue: &Arc<Catalogue>) -> Vec<Connector> {
    let Some(access) = &env.aws else { return Vec::new() };
    let account = Account::new(access.clone(), env.drill);
    let (alarms, past) = Alarms::new(Arc::clone(&account));
    let mut all = vec![with_history(connector(env, "cloudwatch", alarms), past)];
    if let Some((logs, past)) = Logs::new(account, Arc::clone(catalogue)) {
        all.push(with_history(connector(env, "cloudwatch-logs", logs), past));
    }
    all
}
