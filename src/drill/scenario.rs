//! Scenarios: what a drill's world is made of and what happens in it.
//!
//! Owns: the format of scenario files, their validation with positions, and the times that a seed
//! gives their events. Must not: simulate anything. The shipped scenarios are the files a person
//! copies to write another; `docs` of a key stand in the shipped file.

mod read;
mod schema;
mod shipped;
mod units;
mod when;

pub use read::ScenarioError;
pub use schema::Scenario;
pub(in crate::drill) use schema::{
    AlarmSpec, AlertRule, Call, CompositeSpec, LogFormat, LogSpec, LogWhen, MetricSpec, OnRefusal, Statistic, Worker,
    Workload,
};
pub use shipped::{SHIPPED, Shipped};
pub use when::{Step, Times, Truth};
