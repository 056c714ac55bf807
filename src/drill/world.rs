//! The world of a drill: services under load, what watches them, and what happens to them.
//!
//! Owns: one second after the other, each a pure function of the scenario, the seed and the
//! actions taken before. Must not: know wall time, or listen to anything; the servers read it.

mod alarms;
mod alerts;
mod calls;
mod fleet;
mod logs;
mod metrics;
mod physics;
mod pods;
mod rule;
mod story;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::drill) mod toy;
mod zones;

use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock;
use crate::drill::cloud::Cloud;
use crate::drill::kube::{Cluster, Kill, PodView, Taken};
use crate::drill::promql::Store;
use crate::drill::scenario::Scenario;

pub(in crate::drill) use alarms::{Alarm, AlarmState, Alarms, Metric, Transition, Watches};
pub(in crate::drill) use alerts::{ActiveAlert, Alerts, Silence};
pub(in crate::drill) use fleet::{Fleet, cluster_spec, route_specs};
pub(in crate::drill) use logs::{LogEvent, LogStore};
pub(in crate::drill) use rule::parse as alarm_rule;

use logs::Writer;
use metrics::Counters;
use physics::Physics;
use pods::Happened;
use story::{Happening, Story};
use zones::Zones;

/// Seconds between two scrapes, and between two readings of pods' usage.
pub(in crate::drill) const SCRAPE_SECONDS: i64 = 15;

/// The world.
pub struct World {
    scenario: Arc<Scenario>,
    now: clock::World,
    story: Story,
    fleet: Box<dyn Fleet>,
    physics: Physics,
    counters: Counters,
    store: Store,
    alerts: Alerts,
    alarms: Alarms,
    writer: Writer,
    logs: LogStore,
    taken: Vec<Taken>,
    cloud: Cloud,
    zones: Zones,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("scenario", &self.scenario.id()).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What somebody who was asked says, or that there is nobody of that name.
pub type Answer = Result<String, UnknownPerson>;

/// There is nobody of that name to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is nobody called `{whom}` to ask in this drill; there are: {known}")]
pub struct UnknownPerson {
    /// Who was asked for.
    pub whom: String,
    /// Who there is.
    pub known: String,
}

impl World {
    /// The world at its epoch, and its cluster.
    pub fn new(scenario: &Arc<Scenario>, seed: u64) -> (Self, Cluster) {
        let cluster = Cluster::new(cluster_spec(scenario), scenario.epoch(), seed);
        route_specs(scenario).iter().for_each(|route| cluster.divide(route));
        (Self::with_fleet(scenario, seed, Box::new(cluster.clone())), cluster)
    }

    pub(in crate::drill) fn with_fleet(scenario: &Arc<Scenario>, seed: u64, fleet: Box<dyn Fleet>) -> Self {
        Self {
            scenario: Arc::clone(scenario),
            now: scenario.epoch(),
            story: Story::new(scenario, seed),
            fleet,
            physics: Physics::new(scenario, seed),
            counters: Counters::new(scenario, seed),
            store: Store::default(),
            alerts: Alerts::new(scenario),
            alarms: Alarms::new(scenario),
            writer: Writer::new(scenario, seed),
            logs: LogStore::default(),
            taken: Vec::new(),
            cloud: Cloud::new(scenario),
            zones: Zones::default(),
        }
    }

    /// One second goes by.
    pub fn tick(&mut self) {
        self.now += TimeDelta::seconds(1);
        for happening in self.story.due(self.now) {
            match happening {
                Happening::Release(release) => {
                    self.fleet.release(&release.namespace, &release.name, &release.image, &release.by);
                }
                Happening::Zone(zone, loses) => self.zones.trouble(zone, loses),
            }
        }
        self.cloud.tick(self.now);
        self.fleet.tick(self.now);
        self.taken.extend(self.fleet.taken());

        let scenario = Arc::clone(&self.scenario);
        let file = &scenario.file;
        let views: Vec<Vec<PodView>> =
            file.workloads.iter().map(|workload| self.fleet.pods(workload.namespace(), workload.name())).collect();
        let hours = (self.now - scenario.epoch()).num_seconds() as f64 / 3600.0;
        // Pods that no traffic is sent to do nothing, as if they were not ready.
        let mut serving = views.clone();
        for ((workload, views), body) in file.workloads.iter().zip(&mut serving).zip(&mut self.physics.bodies) {
            let away = self.cloud.away(workload.path.get_ref(), self.now);
            body.lost = self.zones.step(file, &self.cloud, workload, views, &away);
            body.offered = self.cloud.offered(file, workload);
        }
        self.physics.route(&scenario, self.fleet.as_ref());
        self.physics.step(&scenario, hours, &serving);
        for ((workload, views), body) in file.workloads.iter().zip(&serving).zip(&mut self.physics.bodies) {
            let second = body.now;
            for happened in body.pods.step(views, &second) {
                match happened {
                    Happened::OutOfMemory(pod) => self.fleet.kill(workload.namespace(), &pod, Kill::OutOfMemory),
                    Happened::Probe(pod, answers) => self.fleet.set_ready(workload.namespace(), &pod, answers),
                }
            }
        }
        self.counters.count(&self.physics);
        self.writer.write(&scenario, &self.physics, &views, self.now, &mut self.logs, self.fleet.as_mut());
        if self.now.timestamp() % SCRAPE_SECONDS == 0 {
            self.scrape(&scenario, &views);
        }
    }

    fn scrape(&mut self, scenario: &Scenario, views: &[Vec<PodView>]) {
        let at = self.now.timestamp_millis();
        for (workload, body) in scenario.file.workloads.iter().zip(&self.physics.bodies) {
            for (pod, cpu, memory, _) in body.pods.usage() {
                self.fleet.set_usage(workload.namespace(), pod, cpu, memory);
            }
        }
        self.counters.publish(scenario, &self.physics, views, at, &mut self.store);
        self.alerts.evaluate(&self.store, self.now);
        self.alarms.sample(&self.store, self.now);
    }

    /// Runs up to `to`.
    pub fn run_to(&mut self, to: clock::World) {
        while self.now < to {
            self.tick();
        }
    }

    /// Asks somebody for something.
    ///
    /// # Errors
    /// If there is nobody of that name.
    pub fn ask(&mut self, whom: &str) -> Answer {
        self.story.ask(&self.scenario, whom, self.now)
    }

    /// World time of the last finished second.
    pub fn now(&self) -> clock::World {
        self.now
    }

    /// Changes that came in through the cluster's API, in order.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    pub(in crate::drill) fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    pub(in crate::drill) fn store(&self) -> &Store {
        &self.store
    }

    pub(in crate::drill) fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    pub(in crate::drill) fn alerts_mut(&mut self) -> &mut Alerts {
        &mut self.alerts
    }

    pub(in crate::drill) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    pub(in crate::drill) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    pub(in crate::drill) fn cloud_mut(&mut self) -> &mut Cloud {
        &mut self.cloud
    }

    /// The pods of a workload with the zone of each.
    pub(in crate::drill) fn pods_by_zone(&self, workload: &str) -> Vec<(String, PodView)> {
        let (namespace, name) = workload.split_once('/').unwrap_or(("", workload));
        let nodes = &self.scenario.file.nodes;
        let zone = |pod: &PodView| {
            nodes.iter().find(|node| Some(&node.name) == pod.node.as_ref()).map(|node| node.zone.clone())
        };
        let pods = self.fleet.pods(namespace, name).into_iter();
        pods.filter_map(|pod| Some((zone(&pod)?, pod))).collect()
    }

    pub(in crate::drill) fn logs(&self) -> &LogStore {
        &self.logs
    }
}
