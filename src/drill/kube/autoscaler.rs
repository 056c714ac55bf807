//! The HorizontalPodAutoscaler on CPU, with its default behaviour.
//!
//! Owns: the replica arithmetic of kube-controller-manager (`podautoscaler/horizontal.go`,
//! `replica_calculator.go`): 10 % tolerance, missing and unready pods counted against the
//! direction of the change, 300 s of stabilisation downwards, at most twice or four more in one
//! period upwards. Must not: touch anything but the scale of its target.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::clock::World;

use super::deployments::condition;
use super::events::Note;
use super::kinds::Kind;
use super::state::State;
use super::store::Key;
use super::value::{at, int, list, put, seconds, stamp, text};

/// `--horizontal-pod-autoscaler-downscale-stabilization`, in seconds.
const STABLE: u64 = 300;
/// `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;

/// What an autoscaler remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct ScalerRun {
    /// What it would have had, newest last.
    recommended: VecDeque<(World, i64)>,
}

/// What the metrics say.
struct Measure {
    /// Average use in per cent of the request, and in thousandths of a core.
    percent: i64,
    average: u64,
    wanted: i64,
}

impl State {
    pub(super) fn run_autoscalers(&mut self) {
        for key in self.store.keys(Kind::Autoscaler) {
            self.run_autoscaler(&key);
        }
    }

    fn run_autoscaler(&mut self, key: &Key) {
        let Some(object) = self.store.get(Kind::Autoscaler, key) else { return };
        let mut next = Value::clone(object);
        let now = stamp(self.now);
        let spec = at(&next, &["spec"]).clone();
        let target = Key::new(key.namespace.clone(), text(&spec, &["scaleTargetRef", "name"]));
        let Some(deployment) = self.store.get(Kind::Deployment, &target) else { return };
        let current = int(deployment, &["spec", "replicas"]);
        let least = spec.get("minReplicas").and_then(Value::as_i64).unwrap_or(1);
        let most = int(&spec, &["maxReplicas"]).max(least);
        let goal = list(&spec, &["metrics"])
            .first()
            .map_or(80, |metric| int(metric, &["resource", "target", "averageUtilization"]))
            .max(1);
        condition(
            &mut next,
            "AbleToScale",
            "True",
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
            &now,
        );
        put(&mut next, &["status", "currentReplicas"], json!(current));
        let mut desired = current;
        if current == 0 {
            condition(
                &mut next,
                "ScalingActive",
                "False",
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero",
                &now,
            );
            self.finish_autoscaler(next, 0, 0);
            return;
        }
        let mut why = "";
        let measure = self.measure_target(&target, current, goal);
        if current > most {
            (desired, why) = (most, "Current number of replicas above Spec.MaxReplicas");
            condition(
                &mut next,
                "ScalingLimited",
                "True",
                "TooManyReplicas",
                "the desired replica count is more than the maximum replica count",
                &now,
            );
        } else if current < least {
            (desired, why) = (least, "Current number of replicas below Spec.MinReplicas");
            condition(
                &mut next,
                "ScalingLimited",
                "True",
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
                &now,
            );
        } else if let Some(measure) = &measure {
            let stable = self.stabilise(key, current, measure.wanted);
            if stable == measure.wanted {
                condition(
                    &mut next,
                    "AbleToScale",
                    "True",
                    "ReadyForNewScale",
                    "recommended size matches current size",
                    &now,
                );
            } else {
                condition(
                    &mut next,
                    "AbleToScale",
                    "True",
                    "ScaleDownStabilized",
                    "recent recommendations were higher than current one, applying the highest recent recommendation",
                    &now,
                );
            }
            let ceiling = most.min((current * 2).max(current + 4));
            desired = stable.clamp(least, ceiling.max(least));
            let (limited, reason, message) = if stable > most {
                ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
            } else if stable > ceiling {
                ("True", "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
            } else if stable < least {
                ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
            } else {
                ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
            };
            condition(&mut next, "ScalingLimited", limited, reason, message, &now);
            why = if desired > current {
                "cpu resource utilization (percentage of request) above target"
            } else {
                "All metrics below target"
            };
        }
        match &measure {
            Some(measure) => {
                condition(
                    &mut next,
                    "ScalingActive",
                    "True",
                    "ValidMetricFound",
                    "the HPA was able to successfully calculate a replica count from cpu resource utilization \
                     (percentage of request)",
                    &now,
                );
                let average = format!("{}m", measure.average);
                let current = json!({"averageUtilization": measure.percent, "averageValue": average});
                let metric = json!([{"type": "Resource", "resource": {"name": "cpu", "current": current}}]);
                put(&mut next, &["status", "currentMetrics"], metric);
            }
            None => {
                condition(
                    &mut next,
                    "ScalingActive",
                    "False",
                    "FailedGetResourceMetric",
                    "the HPA was unable to compute the replica count: failed to get cpu utilization: no metrics \
                     returned from resource metrics API",
                    &now,
                );
            }
        }
        if desired != current {
            condition(
                &mut next,
                "AbleToScale",
                "True",
                "SucceededRescale",
                &format!("the HPA controller was able to update the target scale to {desired}"),
                &now,
            );
            put(&mut next, &["status", "lastScaleTime"], json!(now));
            self.set_replicas(&target, desired);
            let message = format!("New size: {desired}; reason: {why}");
            self.note(Note {
                kind: Kind::Autoscaler,
                key,
                source: "horizontal-pod-autoscaler",
                host: "",
                warning: false,
                reason: "SuccessfulRescale",
                message: &message,
                container: "",
            });
        }
        self.finish_autoscaler(next, current, desired);
    }

    fn finish_autoscaler(&mut self, mut next: Value, current: i64, desired: i64) {
        put(&mut next, &["status", "currentReplicas"], json!(current));
        put(&mut next, &["status", "desiredReplicas"], json!(desired));
        let generation = at(&next, &["metadata", "generation"]).clone();
        put(&mut next, &["status", "observedGeneration"], generation);
        // This API's conditions have no update time.
        if let Some(conditions) = next.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            for condition in conditions {
                super::value::cut(condition, &["lastUpdateTime"]);
            }
        }
        self.store.put(Kind::Autoscaler, next);
    }

    /// Changes `spec.replicas` of a deployment.
    pub(super) fn set_replicas(&mut self, key: &Key, replicas: i64) {
        self.store.edit(Kind::Deployment, key, |deployment| {
            if int(deployment, &["spec", "replicas"]) != replicas {
                let generation = int(deployment, &["metadata", "generation"]).saturating_add(1);
                put(deployment, &["spec", "replicas"], json!(replicas));
                put(deployment, &["metadata", "generation"], json!(generation));
            }
        });
    }

    /// Replicas for the measured use; `None` if nothing was measured.
    fn measure_target(&self, target: &Key, current: i64, goal: i64) -> Option<Measure> {
        let (mut used, mut asked, mut counted) = (0_u64, 0_u64, 0_i64);
        let (mut unready, mut missing) = (0_u64, 0_u64);
        let (mut unready_count, mut missing_count) = (0_i64, 0_i64);
        for (key, run) in self.pods_of(Kind::Deployment, target) {
            match self.measured.pods.get(key) {
                _ if !run.ready => (unready, unready_count) = (unready.saturating_add(run.cpu), unready_count + 1),
                None => (missing, missing_count) = (missing.saturating_add(run.cpu), missing_count + 1),
                Some((cpu, _)) => {
                    (used, asked, counted) = (used.saturating_add(*cpu), asked.saturating_add(run.cpu), counted + 1);
                }
            }
        }
        if counted == 0 || asked == 0 {
            return None;
        }
        let ratio_of = |used: u64, asked: u64| used as f64 * 100.0 / asked.max(1) as f64 / goal as f64;
        let ratio = ratio_of(used, asked);
        let percent = i64::try_from(used.saturating_mul(100) / asked).unwrap_or(i64::MAX);
        let average = used / u64::try_from(counted).unwrap_or(1);
        let near = |ratio: f64| (ratio - 1.0).abs() <= TOLERANCE;
        let up = ratio > 1.0;
        let count_unready = up && unready_count > 0;
        let wanted = if missing_count == 0 && !count_unready {
            if near(ratio) { current } else { (ratio * counted as f64).ceil() as i64 }
        } else {
            // Missing pods count as full when shrinking and as idle when growing.
            let used = if up { used } else { used.saturating_add(missing) };
            let asked = asked.saturating_add(missing).saturating_add(if count_unready { unready } else { 0 });
            let count = counted + missing_count + if count_unready { unready_count } else { 0 };
            let corrected = ratio_of(used, asked);
            let turned = (corrected > 1.0) != up;
            let wanted = (corrected * count as f64).ceil() as i64;
            let wrong_way = (corrected < 1.0 && wanted > current) || (corrected > 1.0 && wanted < current);
            if near(corrected) || turned || wrong_way { current } else { wanted }
        };
        Some(Measure { percent, average, wanted })
    }

    /// `stabilizeRecommendationWithBehaviors` with the default behaviour: at once upwards, the
    /// highest of the last 300 s downwards.
    fn stabilise(&mut self, key: &Key, current: i64, wanted: i64) -> i64 {
        let now = self.now;
        let memory = &mut self.scalers.entry(key.clone()).or_default().recommended;
        memory.retain(|(when, _)| now - *when < seconds(STABLE));
        memory.push_back((now, wanted));
        let highest = memory.iter().map(|(_, count)| *count).max().unwrap_or(wanted);
        if current < wanted { wanted } else { current.min(highest) }
    }
}
