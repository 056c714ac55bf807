//! What users feel, in numbers, at one moment: told before and after each action.

use crate::clock::World;
use crate::model::name::ServiceName;
use crate::model::service::Unit;
use crate::observe::Picture;
use crate::text::Safe;

/// What is said where a value is not known any more.
const LOST: &str = "lost";

/// The last value of each service's signals.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vitals(Vec<Vital>);

/// One signal.
#[derive(Clone, Debug, PartialEq)]
struct Vital {
    service: ServiceName,
    signal: Safe,
    unit: Unit,
    /// `None` where its source has not told it for long: it is lost.
    value: Option<f64>,
    limit: Option<f64>,
}

impl Vital {
    fn words(&self) -> String {
        self.value.map_or_else(|| LOST.to_owned(), |value| self.unit.write(value))
    }

    /// Whether its value is beyond half its limit: others than those that a change is about feel
    /// it.
    fn hurts(&self) -> bool {
        let beyond = |(value, limit): (f64, f64)| value.abs() > limit.abs() / 2.0;
        self.value.zip(self.limit).is_some_and(beyond)
    }

    fn is_of(&self, about: Option<&ServiceName>) -> bool {
        Some(&self.service) == about
    }
}

impl Vitals {
    /// As the picture knows them at `now`. What no source ever told is not among them.
    pub(super) fn of(picture: &Picture, now: World) -> Self {
        let signals =
            picture.services.rows().iter().flat_map(|row| row.signals.iter().map(move |signal| (row, signal)));
        Self(
            signals
                .filter_map(|(row, signal)| {
                    let (_, value) = signal.latest()?;
                    Some(Vital {
                        service: row.name.clone(),
                        signal: signal.name.clone(),
                        unit: signal.unit,
                        value: (!signal.stale(now)).then_some(value),
                        limit: signal.threshold.map(|threshold| threshold.limit),
                    })
                })
                .collect(),
        )
    }

    /// `checkout errors 9.1 %; payments p99 9.8 s`: the signals of the service that a change is
    /// about, and those of others that are beyond half their limit. `None` if there are none.
    pub(super) fn told(&self, about: Option<&ServiceName>) -> Option<Safe> {
        let lines: Vec<_> = self
            .0
            .iter()
            .filter(|one| one.is_of(about) || one.hurts())
            .map(|one| format!("{} {} {}", one.service, one.signal, one.words()))
            .collect();
        (!lines.is_empty()).then(|| lines.join("; ").into())
    }

    /// `checkout errors 9.1 % → 0.4 %; payments p99 9.8 s → lost`: the signals of the service
    /// that a change is about, and what was beyond half its limit before or is now. `None` if
    /// nothing was.
    pub(super) fn compared(&self, now: &Self, about: Option<&ServiceName>) -> Option<Safe> {
        let of_now =
            |one: &Vital| now.0.iter().find(|other| other.service == one.service && other.signal == one.signal);
        // What was never told before, and is by now, has two sides as well.
        let new =
            now.0.iter().filter(|one| !self.0.iter().any(|old| old.service == one.service && old.signal == one.signal));
        let came = new.filter(|one| one.is_of(about) || one.hurts()).map(|one| (None, Some(one)));
        let lines: Vec<_> = self
            .0
            .iter()
            .map(|before| (Some(before), of_now(before)))
            .filter(|(before, after)| [before, after].into_iter().flatten().any(|one| one.is_of(about) || one.hurts()))
            .chain(came)
            .filter_map(|(before, after)| {
                let one = before.or(after)?;
                let [before, after] = [before, after].map(|one| one.map_or_else(|| LOST.to_owned(), Vital::words));
                Some(format!("{} {} {before} → {after}", one.service, one.signal))
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("; ").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vital(service: &str, value: Option<f64>, limit: Option<f64>) -> Vital {
        Vital { service: ServiceName::from(service), signal: Safe::fixed("errors"), unit: Unit::Ratio, value, limit }
    }

    fn vitals(values: &[(&str, f64)]) -> Vitals {
        Vitals(values.iter().map(|(service, value)| vital(service, Some(*value), Some(0.02))).collect())
    }

    #[test]
    fn a_change_tells_what_users_feel_of_its_own_service_and_of_those_that_hurt() {
        let payments = ServiceName::from("payments");
        let before = vitals(&[("checkout", 0.091), ("payments", 0.001), ("search", 0.002)]);
        assert_eq!(before.told(Some(&payments)).as_deref(), Some("checkout errors 9.1 %; payments errors 0.1 %"));
        assert_eq!(before.told(None).as_deref(), Some("checkout errors 9.1 %"));
        let after = vitals(&[("checkout", 0.004), ("payments", 0.001), ("search", 0.03)]);
        assert_eq!(
            before.compared(&after, Some(&payments)).as_deref(),
            Some("checkout errors 9.1 % → 0.4 %; payments errors 0.1 % → 0.1 %; search errors 0.2 % → 3.0 %")
        );
        assert_eq!(vitals(&[]).compared(&vitals(&[]), Some(&payments)), None);
    }

    #[test]
    fn a_signal_without_a_limit_is_told_of_the_service_that_a_change_is_about() {
        let payments = ServiceName::from("payments");
        let at = |value| Vitals(vec![vital("payments", Some(value), None), vital("search", Some(0.9), None)]);
        assert_eq!(at(0.5).told(Some(&payments)).as_deref(), Some("payments errors 50 %"));
        assert_eq!(at(0.5).compared(&at(0.25), Some(&payments)).as_deref(), Some("payments errors 50 % → 25 %"));
    }

    #[test]
    fn a_signal_that_was_lost_meanwhile_is_said_to_be_lost() {
        let payments = ServiceName::from("payments");
        let before = vitals(&[("payments", 0.091)]);
        for gone in [Vitals::default(), Vitals(vec![vital("payments", None, Some(0.02))])] {
            let told = before.compared(&gone, Some(&payments));
            assert_eq!(told.as_deref(), Some("payments errors 9.1 % → lost"));
        }
        assert_eq!(
            Vitals::default().compared(&before, Some(&payments)).as_deref(),
            Some("payments errors lost → 9.1 %")
        );
        let lost = Vitals(vec![vital("payments", None, Some(0.02))]);
        assert_eq!(lost.told(Some(&payments)).as_deref(), Some("payments errors lost"));
    }
}
