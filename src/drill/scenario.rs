//! Scenarios: what a drill's world is made of and what happens in it.
//!
//! Owns: the format of scenario files, their validation with positions, and the times that a seed
//! gives their events. Must not: simulate anything. What a key means stands at
//! its field; the shipped files are what a person copies to write another.

mod cloud;
mod read;
mod schema;
mod shipped;
mod units;
mod watch;
mod when;
mod workload;

pub(in crate::drill) use cloud::{BalancerShape, EcsShape, Part};
pub use read::ScenarioError;
pub use schema::Scenario;
pub(in crate::drill) use schema::{Event, File};
pub use shipped::{SHIPPED, Shipped};
pub(in crate::drill) use watch::{
    AlarmSpec, AlertRule, CompositeSpec, LogFormat, LogSpec, LogWhen, MetricSpec, Statistic,
};
pub use when::{Step, Times, Truth};
pub(in crate::drill) use workload::{Call, OnRefusal, RouteName, RouteShape, Runner, StepShape, Worker, Workload};
