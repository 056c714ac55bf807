//! Looking at a change until it is over: what is seen becomes an outcome, by world time.

use chrono::TimeDelta;

use crate::clock::{Clock, Hold, World};
use crate::model::plan::{Outcome, Plan, Progress};
use crate::respond::{Actuator, Seen};
use crate::text::Safe;

/// From one look to the next.
const EVERY: TimeDelta = TimeDelta::seconds(2);
/// How long a write that nobody answered may still come to light. After that the outcome is
/// unknown, which is what it is.
const GRACE: TimeDelta = TimeDelta::seconds(20);

/// What is known of the write.
pub(super) enum Written {
    /// The system took it.
    Yes,
    /// It may have been taken or not; why that is not known.
    Unknown(Safe),
}

/// One change that is watched.
pub(super) struct Watch<'a> {
    pub(super) actuator: &'a dyn Actuator,
    pub(super) clock: &'a Clock,
    pub(super) plan: &'a Plan,
    /// When the write was sent.
    pub(super) since: World,
    pub(super) written: Written,
}

impl Watch<'_> {
    /// Looks until the change is live, failed, overridden or timed out. The first look is at once,
    /// under the hold of the write: after a crash, or on a fast system, it may be the last.
    pub(super) async fn run(&self, mut hold: Hold, told: &mut Told<'_>) -> Outcome {
        loop {
            let seen = self.actuator.progress(self.plan).await;
            let now = self.clock.now();
            match self.judge(seen, now) {
                Progress::Ended(outcome) => return outcome,
                Progress::Under { words } => told.say(words),
            }
            drop(hold);
            hold = self.clock.due(now + EVERY).await;
        }
    }

    fn judge(&self, seen: Seen, now: World) -> Progress {
        let age = now - self.since;
        let patient = age < TimeDelta::seconds(i64::from(self.plan.patience_seconds));
        match (seen, &self.written) {
            (Seen::Live { words }, _) => Progress::Ended(Outcome::Verified {
                after_seconds: u32::try_from(age.num_seconds().max(0)).unwrap_or(u32::MAX),
                words,
            }),
            (Seen::Under { words }, _) if patient => Progress::Under { words },
            (Seen::Under { words }, _) => Progress::Ended(Outcome::TimedOut { words }),
            (Seen::Gone { why } | Seen::Failed { why }, _) => Progress::Ended(Outcome::Failed { why }),
            (Seen::Other { words }, _) | (Seen::AsBefore { words }, Written::Yes) => {
                Progress::Ended(Outcome::Overridden { words })
            }
            (Seen::AsBefore { words }, Written::Unknown(_)) if age < GRACE => {
                Progress::Under { words: Safe::from(format!("{words}; the write may still come to light")) }
            }
            (Seen::AsBefore { words }, Written::Unknown(why)) => {
                Progress::Ended(Outcome::Unknown { why: Safe::from(format!("{why}; {words}")) })
            }
            (Seen::Unread { why }, _) if patient => Progress::Under { words: why },
            (Seen::Unread { why }, Written::Yes) => {
                Progress::Ended(Outcome::TimedOut { words: Safe::from(format!("it was written, but then {why}")) })
            }
            (Seen::Unread { why: unread }, Written::Unknown(why)) => {
                Progress::Ended(Outcome::Unknown { why: Safe::from(format!("{why}; {unread}")) })
            }
        }
    }
}

/// Tells each step once.
pub(super) struct Told<'a> {
    tell: &'a (dyn Fn(Progress) + Send + Sync),
    last: Option<Safe>,
}

impl<'a> Told<'a> {
    pub(super) fn new(tell: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        Self { tell, last: None }
    }

    pub(super) fn under(&mut self, words: &'static str) {
        self.say(Safe::fixed(words));
    }

    fn say(&mut self, words: Safe) {
        if self.last.as_ref() != Some(&words) {
            (self.tell)(Progress::Under { words: words.clone() });
            self.last = Some(words);
        }
    }
}
