//! Looking at a change until it is over: what is seen becomes an outcome, by world time.

use chrono::TimeDelta;

use crate::clock::{Clock, Hold, World};
use crate::model::plan::{Outcome, Plan, Progress};
use crate::respond::{Actuator, Seen};
use crate::text::Safe;

use super::places::Entered;

/// From one look to the next.
const EVERY: TimeDelta = TimeDelta::seconds(2);
/// How long a write that nobody answered may still come to light. After that the outcome is
/// unknown, which is what it is.
const GRACE: TimeDelta = TimeDelta::seconds(20);

/// A person who wants it over waits no longer for a system that cannot be read.
const BRIEF: TimeDelta = TimeDelta::seconds(30);

/// What is known of the write.
pub(super) enum Written {
    /// The system took it.
    Yes,
    /// It may have been taken or not; why that is not known.
    Unknown(Safe),
    /// The same, of an earlier process, which ended between the intent and the outcome.
    Left,
}

impl Written {
    /// Why it is not known, if so.
    fn unknown(&self) -> Option<Safe> {
        match self {
            Self::Yes => None,
            Self::Unknown(why) => Some(why.clone()),
            Self::Left => Some(Safe::fixed("the program ended between the intent and its outcome")),
        }
    }
}

/// One change that is watched.
pub(super) struct Watch<'a> {
    pub(super) actuator: &'a dyn Actuator,
    pub(super) clock: &'a Clock,
    pub(super) plan: &'a Plan,
    /// Where it goes on.
    pub(super) place: &'a Entered<'a>,
    /// When the write was sent, or, of an earlier process, when it was about to be.
    pub(super) since: World,
    /// From when on it is looked.
    pub(super) looking: World,
    /// Whether what cannot be read is waited for only for a while.
    pub(super) brief: bool,
    pub(super) written: Written,
}

impl Watch<'_> {
    /// Looks until the change is live, failed, overridden or timed out. The first look is at once,
    /// under the hold of the write: after a crash, or on a fast system, it may be the last. The error
    /// says why nobody can tell: the system could not be read for as long as the plan is patient, and
    /// whether it took the write is not known.
    pub(super) async fn run(&self, mut hold: Hold, told: &mut Told<'_>) -> Result<Outcome, Safe> {
        loop {
            let seen = self.actuator.progress(self.plan).await;
            // A write that nobody answered was taken all the same.
            if matches!(seen, Seen::Under { .. }) {
                self.place.written(self.plan);
            }
            let now = self.clock.now();
            match self.judge(seen, now)? {
                Progress::Ended(outcome) => return Ok(outcome),
                Progress::Under { words } => told.say(words),
            }
            drop(hold);
            hold = self.clock.due(now + EVERY).await;
        }
    }

    /// For how long what is as before may be an old reading.
    fn grace(&self) -> TimeDelta {
        let lag = self.actuator.lag();
        match self.written {
            Written::Yes => lag,
            Written::Unknown(_) | Written::Left => lag.max(GRACE),
        }
    }

    /// How long it took until it was live at `now`, if that is known.
    fn took(&self, now: World) -> Option<u32> {
        let seconds = u32::try_from((now - self.since).num_seconds().max(0)).unwrap_or(u32::MAX);
        (!matches!(self.written, Written::Left)).then_some(seconds)
    }

    fn judge(&self, seen: Seen, now: World) -> Result<Progress, Safe> {
        let looked = now - self.looking;
        let patient = looked < TimeDelta::seconds(i64::from(self.plan.patience_seconds));
        if let Some(undo) = self.place.undone_by() {
            return Ok(Progress::Ended(undone(seen, &undo)));
        }
        let ended = match (seen, self.written.unknown()) {
            (Seen::Live { words }, _) => Outcome::Verified { after_seconds: self.took(now), words },
            (Seen::Written { words }, _) => Outcome::Written { words },
            (Seen::Under { words }, _) if patient => return Ok(Progress::Under { words }),
            (Seen::Unread { why }, _) if patient && !(self.brief && looked >= BRIEF) => {
                return Ok(Progress::Under { words: why });
            }
            (Seen::Under { words }, _) => Outcome::TimedOut { words },
            (Seen::Gone { why } | Seen::Failed { why }, _) => Outcome::Failed { why },
            (Seen::Other { words }, _) => Outcome::Overridden { words },
            (Seen::AsBefore { words }, _) if now - self.since < self.grace() => {
                let words = Safe::from(format!("{words}; the write may still come to light"));
                return Ok(Progress::Under { words });
            }
            (Seen::AsBefore { words }, None) => Outcome::Overridden { words },
            (Seen::AsBefore { words }, Some(why)) => Outcome::Unknown { why: Safe::from(format!("{why}; {words}")) },
            (Seen::Unread { why }, None) => {
                Outcome::TimedOut { words: Safe::from(format!("it was written, but then {why}")) }
            }
            (Seen::Unread { why: unread }, Some(why)) => return Err(Safe::from(format!("{why}; {unread}"))),
        };
        Ok(Progress::Ended(ended))
    }
}

/// How a change ends that was under way when its undo was written: what is seen by then is the
/// undo's to tell, and may be what was there before either.
fn undone(seen: Seen, undo: &Safe) -> Outcome {
    match seen {
        Seen::Gone { why } | Seen::Failed { why } => Outcome::Failed { why },
        Seen::AsBefore { words } | Seen::Other { words } => {
            Outcome::Overridden { words: Safe::from(format!("undone meanwhile by `{undo}`: {words}")) }
        }
        Seen::Under { .. } | Seen::Live { .. } | Seen::Written { .. } | Seen::Unread { .. } => {
            Outcome::Overridden { words: Safe::from(format!("undone meanwhile by `{undo}`")) }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use futures::future::BoxFuture;

    use super::*;
    use crate::model::name::Kind;
    use crate::model::plan::{Permission, Preview, Refusal, Request};
    use crate::record::testing::plan;
    use crate::respond::engine::places::Places;
    use crate::respond::{Ack, Cluster, Intent, WriteError};

    /// A system that tells what it is told to, and then the last of it for ever.
    struct Tells {
        lag: TimeDelta,
        seen: Mutex<VecDeque<Seen>>,
    }

    impl Actuator for Tells {
        fn serves(&self, _: Kind) -> bool {
            true
        }
        fn plan<'a>(&'a self, _: &'a Request, _: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>> {
            unreachable!("it is only looked at")
        }
        fn permitted<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Permission> {
            unreachable!("it is only looked at")
        }
        fn preview<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Preview> {
            unreachable!("it is only looked at")
        }
        fn write(&self, _: Intent) -> BoxFuture<'_, Result<Ack, WriteError>> {
            unreachable!("it is only looked at")
        }
        fn lag(&self) -> TimeDelta {
            self.lag
        }
        fn progress<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, Seen> {
            let mut seen = self.seen.lock().unwrap();
            let next = if seen.len() > 1 { seen.pop_front() } else { seen.front().cloned() };
            Box::pin(async move { next.unwrap() })
        }
    }

    /// How it ends, and after how many seconds.
    async fn ended(lag: i64, seen: &[Seen]) -> (Outcome, i64) {
        watched(lag, seen, Written::Yes).await
    }

    /// The same, of a write that was answered so.
    async fn watched(lag: i64, seen: &[Seen], written: Written) -> (Outcome, i64) {
        let (outcome, after) = looked(lag, seen, written, TimeDelta::zero()).await;
        (outcome.unwrap(), after)
    }

    /// The same, of a write so long ago. What nobody can tell is an error.
    async fn looked(lag: i64, seen: &[Seen], written: Written, ago: TimeDelta) -> (Result<Outcome, Safe>, i64) {
        let (clock, mut driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
        let looking = clock.now();
        let world = tokio::spawn(async move {
            loop {
                driver.settled().await;
                let to = driver.now() + TimeDelta::seconds(1);
                driver.advance(to);
                tokio::task::yield_now().await;
            }
        });
        let tells = Tells { lag: TimeDelta::seconds(lag), seen: Mutex::new(seen.iter().cloned().collect()) };
        let (plan, places) = (plan("p1", "kubectl"), Places::default());
        let place = places.enter(&plan, &plan.target.origin.env).unwrap();
        let since = looking - ago;
        let (actuator, clock, brief) = (&tells, &clock, false);
        let watch = Watch { actuator, clock, plan: &plan, place: &place, since, looking, brief, written };
        let outcome = watch.run(clock.hold(), &mut Told::new(&|_| ())).await;
        world.abort();
        (outcome, (clock.now() - looking).num_seconds())
    }

    fn before() -> Seen {
        Seen::AsBefore { words: "replicas is 6".into() }
    }

    #[tokio::test]
    async fn a_system_that_is_eventually_consistent_has_its_time_before_it_is_overridden() {
        let live = Seen::Live { words: "12 of 12".into() };
        let late = [before(), before(), before(), live];
        assert!(matches!(ended(60, &late).await.0, Outcome::Verified { .. }), "an old reading is none of a change");
        assert!(matches!(ended(0, &late).await, (Outcome::Overridden { .. }, ..2)), "it reads its own writes");
        let (outcome, after) = ended(60, &[before()]).await;
        assert!(matches!(outcome, Outcome::Overridden { .. }) && (60..70).contains(&after), "{outcome:?} {after}");
        let other = Seen::Other { words: "replicas is 9".into() };
        assert!(matches!(ended(60, &[other]).await, (Outcome::Overridden { .. }, ..2)), "a third value is no old one");
    }

    /// A write that nobody answered.
    fn unanswered() -> Written {
        Written::Unknown("no answer came".into())
    }

    #[tokio::test]
    async fn a_write_that_nobody_answered_may_still_come_to_light_and_is_unknown_after_that() {
        let (outcome, after) = watched(0, &[before()], unanswered()).await;
        let why = "no answer came; replicas is 6";
        assert_eq!(outcome, Outcome::Unknown { why: why.into() }, "never failed, never overridden");
        assert!((20..30).contains(&after), "it has its time: {after}");
        let (outcome, after) = watched(60, &[before()], unanswered()).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }) && (60..70).contains(&after), "{outcome:?} {after}");
        let live = Seen::Live { words: "12 of 12".into() };
        let late = [before(), before(), before(), live];
        assert!(matches!(watched(0, &late, unanswered()).await.0, Outcome::Verified { .. }));
        let other = Seen::Other { words: "replicas is 9".into() };
        assert!(matches!(watched(0, &[other], unanswered()).await.0, Outcome::Overridden { .. }));
        let gone = Seen::Gone { why: "it was replaced".into() };
        assert!(matches!(watched(0, &[gone], unanswered()).await.0, Outcome::Failed { .. }));
    }

    #[tokio::test]
    async fn a_system_that_cannot_be_read_is_asked_as_long_as_the_plan_is_patient() {
        let unread = || Seen::Unread { why: "the cluster does not answer".into() };
        let (outcome, after) = looked(0, &[unread()], unanswered(), TimeDelta::zero()).await;
        assert_eq!(outcome, Err("no answer came; the cluster does not answer".into()));
        assert!((300..310).contains(&after), "{after}");
        let (outcome, after) = ended(0, &[unread()]).await;
        let words = "it was written, but then the cluster does not answer";
        assert_eq!(outcome, Outcome::TimedOut { words: words.into() }, "what was taken is not unknown");
        assert!((300..310).contains(&after), "{after}");
        let back = [unread(), unread(), Seen::Live { words: "12 of 12".into() }];
        assert!(matches!(watched(0, &back, unanswered()).await.0, Outcome::Verified { .. }));
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_long_ago_is_looked_for_as_patiently_as_any_other() {
        let ago = TimeDelta::hours(14);
        let unread = || Seen::Unread { why: "the cluster does not answer".into() };
        let live = || Seen::Live { words: "12 of 12".into() };
        let under = Seen::Under { words: "9 of 12".into() };
        for seen in [vec![live()], vec![unread(), unread(), under, live()]] {
            let (outcome, _) = looked(0, &seen, Written::Left, ago).await;
            let found = Outcome::Verified { after_seconds: None, words: "12 of 12".into() };
            assert_eq!(outcome, Ok(found), "nobody knows how long it took");
        }
        let (outcome, after) = looked(60, &[before()], Written::Left, ago).await;
        assert!(matches!(outcome, Ok(Outcome::Unknown { .. })) && after < 2, "what came to light has: {outcome:?}");
        let (outcome, after) = looked(0, &[unread()], Written::Left, ago).await;
        let why = "the program ended between the intent and its outcome; the cluster does not answer";
        assert_eq!(outcome, Err(why.into()));
        assert!((300..310).contains(&after), "{after}");
    }

    #[tokio::test]
    async fn what_nothing_follows_from_is_written_and_not_verified() {
        let written = Seen::Written { words: "0 of 6 pods run it".into() };
        assert_eq!(ended(0, &[written]).await.0, Outcome::Written { words: "0 of 6 pods run it".into() });
    }
}
