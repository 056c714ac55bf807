//! What users feel, in numbers, at one moment: told before and after each action.

use crate::model::name::ServiceName;
use crate::model::service::Unit;
use crate::observe::Picture;
use crate::text::Safe;

/// The last value of each service's signals that has a limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vitals(Vec<(ServiceName, Safe, Unit, f64, f64)>);

impl Vitals {
    /// As the picture knows them now.
    pub(super) fn of(picture: &Picture) -> Self {
        let signals =
            picture.services.rows().iter().flat_map(|row| row.signals.iter().map(move |signal| (row, signal)));
        Self(
            signals
                .filter_map(|(row, signal)| {
                    let limit = signal.threshold?.limit;
                    Some((row.name.clone(), signal.name.clone(), signal.unit, signal.latest()?.1, limit))
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
            .filter(|(service, _, _, value, limit)| Some(service) == about || value.abs() > limit.abs() / 2.0)
            .map(|(service, signal, unit, value, _)| format!("{service} {signal} {}", unit.write(*value)))
            .collect();
        (!lines.is_empty()).then(|| lines.join("; ").into())
    }

    /// `checkout errors 9.1 % → 0.4 %; payments p99 9.8 s → 5.2 s`: the signals of the service
    /// that a change is about, and what was beyond half its limit before or is now. `None` if
    /// nothing was.
    pub(super) fn compared(&self, now: &Self, about: Option<&ServiceName>) -> Option<Safe> {
        let lines: Vec<_> = self
            .0
            .iter()
            .filter_map(|(service, signal, unit, before, limit)| {
                let after = now.0.iter().find(|other| other.0 == *service && other.1 == *signal)?.3;
                let telling = Some(service) == about || before.abs().max(after.abs()) > limit.abs() / 2.0;
                telling.then(|| format!("{service} {signal} {} → {}", unit.write(*before), unit.write(after)))
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("; ").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals(values: &[(&str, f64)]) -> Vitals {
        let one = |(service, value): &(&str, f64)| {
            (ServiceName::from(*service), Safe::fixed("errors"), Unit::Ratio, *value, 0.02)
        };
        Vitals(values.iter().map(one).collect())
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
        assert_eq!(vitals(&[]).compared(&after, Some(&payments)), None);
    }
}
