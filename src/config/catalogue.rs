//! The service catalogue: which workload, log group, alarm and signal belongs to which service.

use std::collections::BTreeMap;

use crate::model::alert::Alert;
use crate::model::log::LogStream;
use crate::model::name::{Kind, ObjectPath, ServiceName, WorkloadKey};
use crate::model::service::{Service, SignalSpec};
use crate::text::Safe;

/// All declared services.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    services: Vec<Service>,
}

impl Catalogue {
    /// A catalogue of these services, in this order.
    pub fn new(services: Vec<Service>) -> Self {
        Self { services }
    }

    /// All services, in the order of the configuration.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// What users call the services that have a title.
    pub fn titles(&self) -> BTreeMap<ServiceName, Safe> {
        self.services.iter().filter_map(|service| Some((service.name.clone(), service.title.clone()?))).collect()
    }

    /// One service.
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.iter().find(|service| service.name == *name)
    }

    /// One signal of one service.
    pub fn signal(&self, service: &ServiceName, signal: &str) -> Option<&SignalSpec> {
        self.service(service)?.signals.iter().find(|spec| spec.name == signal)
    }

    /// The service that a workload belongs to.
    pub fn of_workload(&self, key: &WorkloadKey) -> Option<&ServiceName> {
        self.services
            .iter()
            .find(|service| {
                service.workloads.iter().any(|pattern| {
                    pattern.kind == key.kind && pattern.namespace == key.path.namespace && pattern.name == key.path.name
                })
            })
            .map(|service| &service.name)
    }

    /// The service that a route belongs to: the first that names it.
    pub fn of_route(&self, kind: Kind, path: &ObjectPath) -> Option<&ServiceName> {
        self.services
            .iter()
            .find(|service| service.routes.iter().any(|route| route.kind == kind && route.path == *path))
            .map(|service| &service.name)
    }

    /// The service that an alert is about: by the alarm names that services declare, else by a
    /// `service`, `app` or `job` label that names a declared service, else by the workload that
    /// its `namespace` and `deployment`, `statefulset` or `daemonset` labels name.
    pub fn of_alert(&self, alert: &Alert) -> Option<&ServiceName> {
        let declared =
            self.services.iter().find(|service| service.alarms.iter().any(|pattern| matches(pattern, &alert.name)));
        let labelled = || {
            ["service", "app", "job"].iter().find_map(|label| {
                let value = alert.labels.get(*label)?;
                self.services.iter().find(|service| service.name.0 == *value)
            })
        };
        declared.or_else(labelled).map(|service| &service.name).or_else(|| self.of_labelled_workload(alert))
    }

    fn of_labelled_workload(&self, alert: &Alert) -> Option<&ServiceName> {
        let namespace = alert.labels.get("namespace")?;
        [("deployment", Kind::Deployment), ("statefulset", Kind::StatefulSet), ("daemonset", Kind::DaemonSet)]
            .into_iter()
            .find_map(|(label, kind)| {
                let path = ObjectPath { namespace: namespace.clone(), name: alert.labels.get(label)?.clone() };
                self.of_workload(&WorkloadKey { kind, path })
            })
    }

    /// The service that a log stream belongs to: by its log group, or by the workload for pods'
    /// streams, whose group is `namespace/workload`.
    pub fn of_stream(&self, stream: &LogStream) -> Option<&ServiceName> {
        self.services
            .iter()
            .find(|service| {
                service.log_groups.contains(&stream.group)
                    || stream.group.split_once('/').is_some_and(|(namespace, name)| {
                        service.workloads.iter().any(|pattern| pattern.namespace == namespace && pattern.name == name)
                    })
            })
            .map(|service| &service.name)
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any run of characters.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(matches("Payments*", "PaymentsCPUHigh"));
        assert!(matches("*429", "PartnerRefusals429"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("exact", "exact"));
        assert!(!matches("exact", "exactly"));
        assert!(!matches("a*b*c", "a-c"));
        assert!(!matches("ab*ba", "aba"));
    }
}
