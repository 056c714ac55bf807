//! Shares of traffic: what weights come to in percent, the weights that a person's shares mean,
//! and what carries them. The same for every system that divides traffic. Pure.
//!
//! Weights are written so that they sum to 100: Istio before 1.22 takes nothing else, and the
//! Gateway API, ELB and Route 53 take any. Not all of them are zero, then, and each is its
//! percentage.

/// What written weights sum to.
pub(super) const WHOLE: u32 = 100;

/// The weights that `shares` make of `now`: pairs of a place, each once, and its percentage. What
/// they leave over is divided between the other places in the proportion that these have now.
///
/// The error says what a person has to add or change.
pub(super) fn divided(now: &[u32], shares: &[(usize, u32)]) -> Result<Vec<u32>, String> {
    let asked: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
    let Some(left) = u64::from(WHOLE).checked_sub(asked) else {
        return Err(format!("the shares make {asked} %: give at most {WHOLE} % away"));
    };
    let mut after = vec![0; now.len()];
    for (at, share) in shares {
        *after.get_mut(*at).ok_or("there is no such destination")? = *share;
    }
    let others: Vec<usize> = (0..now.len()).filter(|at| shares.iter().all(|(named, _)| named != at)).collect();
    let total: u64 = others.iter().map(|at| u64::from(now[*at])).sum();
    match (left, others.as_slice(), total) {
        (0, ..) => {}
        (_, [], _) => return Err(format!("the shares make {asked} %: they have to make {WHOLE} %")),
        (_, [only], _) => after[*only] = small(left),
        (_, _, 0) => return Err(format!("none of the others gets any now: say who gets the other {left} %")),
        _ => {
            // By the largest remainder, so that nothing is lost by rounding.
            let mut rests: Vec<(u64, usize)> = Vec::new();
            let mut given = 0;
            for at in others {
                let exact = left * u64::from(now[at]);
                after[at] = small(exact / total);
                given += exact / total;
                rests.push((exact % total, at));
            }
            rests.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, at) in rests.into_iter().take(usize::try_from(left - given).unwrap_or(0)) {
                after[at] += 1;
            }
        }
    }
    Ok(after)
}

/// A number of at most [`WHOLE`].
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(WHOLE)
}

/// Each weight's share of all, in percent. All of nothing is nothing.
pub(super) fn percents(weights: &[u32]) -> Vec<f64> {
    let total: f64 = weights.iter().copied().map(f64::from).sum();
    weights.iter().map(|weight| if total > 0.0 { f64::from(*weight) * 100.0 / total } else { 0.0 }).collect()
}

/// `20 %`, `33.3 %`.
pub(super) fn words(percent: f64) -> String {
    let tenths = (percent * 10.0).round();
    if tenths % 10.0 == 0.0 { format!("{:.0} %", tenths / 10.0) } else { format!("{:.1} %", tenths / 10.0) }
}

/// How much of the traffic goes elsewhere, in percent.
pub(super) fn moved(before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).map(|(before, after)| (after - before).max(0.0)).sum()
}

/// What carries the traffic of a destination: `pod` and `ready pod`.
pub(super) struct Unit {
    pub(super) short: &'static str,
    pub(super) long: &'static str,
}

/// All that carry traffic by `weights`; `None` if of one destination that is not known.
pub(super) fn carrying(units: &[Option<u32>], weights: &[u32]) -> Option<u32> {
    let used = units.iter().zip(weights).filter(|(_, weight)| **weight > 0);
    used.map(|(units, _)| *units).try_fold(0, |all: u32, some| Some(all.saturating_add(some?)))
}

/// Whether all of it goes to one destination that has fewer than `carried` to carry it.
pub(super) fn narrows(units: &[Option<u32>], then: &[u32], carried: Option<u32>) -> bool {
    let takers: Vec<usize> = (0..then.len()).filter(|at| then[*at] > 0).collect();
    match (takers.as_slice(), carried) {
        ([one], Some(carried)) => units[*one].is_some_and(|units| units < carried),
        _ => false,
    }
}

/// `3 ready pods for 40 %, 13.3 % each; a pod carries 33.3 % now`, of what a destination would
/// take; and whether that is more than anything carries now. `None` if it is not known.
pub(super) fn load(
    unit: &Unit,
    units: &[Option<u32>],
    before: &[f64],
    after: &[f64],
    at: usize,
) -> Option<(String, bool)> {
    let each = |at: usize, percent: f64| units[at].filter(|units| *units > 0).map(|units| percent / f64::from(units));
    let most = (0..units.len()).filter(|at| before[*at] > 0.0).filter_map(|at| each(at, before[at])).reduce(f64::max);
    let (count, share) = (units[at]?, each(at, after[at])?);
    let now = most.map_or(String::new(), |most| format!("; a {} carries {} of it now", unit.short, words(most)));
    let plural = if count == 1 { "" } else { "s" };
    let text = format!("{count} {}{plural} for {}, {} each{now}", unit.long, words(after[at]), words(share));
    Some((text, most.is_some_and(|most| share > most * 1.001)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_named_is_divided_as_before() {
        assert_eq!(divided(&[100, 0], &[(1, 80)]), Ok(vec![20, 80]));
        assert_eq!(divided(&[1, 1], &[(0, 20), (1, 80)]), Ok(vec![20, 80]));
        assert_eq!(divided(&[60, 30, 10], &[(2, 40)]), Ok(vec![40, 20, 40]));
        assert_eq!(divided(&[1, 1, 1, 0], &[(3, 0)]), Ok(vec![34, 33, 33, 0]), "nothing is lost by rounding");
        assert_eq!(divided(&[0, 100], &[(1, 0)]), Ok(vec![100, 0]), "who is alone takes the rest");
    }

    #[test]
    fn shares_that_cannot_be_meant_say_what_is_missing() {
        assert!(divided(&[50, 50], &[(0, 60), (1, 60)]).unwrap_err().contains("120 %"));
        assert!(divided(&[50, 50], &[(0, 20), (1, 20)]).unwrap_err().contains("have to make 100 %"));
        assert!(divided(&[100, 0, 0], &[(0, 70)]).unwrap_err().contains("who gets the other 30 %"));
        assert!(divided(&[100, 0], &[(0, u32::MAX), (1, u32::MAX)]).is_err());
    }

    #[test]
    fn percents_are_short() {
        assert_eq!(percents(&[1, 2]).into_iter().map(words).collect::<Vec<_>>(), ["33.3 %", "66.7 %"]);
        assert_eq!((words(20.0), words(0.0), words(99.96)), ("20 %".into(), "0 %".into(), "100 %".into()));
        assert_eq!(percents(&[0, 0]), [0.0, 0.0]);
    }

    #[test]
    fn what_carries_the_traffic_is_counted_where_it_goes() {
        let units = [Some(6), Some(2), None];
        assert_eq!((carrying(&units, &[50, 50, 0]), carrying(&units, &[50, 0, 50])), (Some(8), None));
        assert!(narrows(&units, &[0, 100, 0], Some(6)) && !narrows(&units, &[0, 100, 0], Some(2)));
        assert!(!narrows(&units, &[50, 50, 0], Some(9)), "it is not all on one");
        let pod = Unit { short: "pod", long: "ready pod" };
        let (text, more) = load(&pod, &units, &[100.0, 0.0, 0.0], &[60.0, 40.0, 0.0], 1).unwrap();
        assert_eq!((text.as_str(), more), ("2 ready pods for 40 %, 20 % each; a pod carries 16.7 % of it now", true));
        assert_eq!(load(&pod, &units, &[100.0, 0.0, 0.0], &[60.0, 0.0, 40.0], 2), None);
    }

    proptest! {
        /// Property 7: in range, summing to the whole, and so never all zero.
        #[test]
        fn written_weights_are_in_range_sum_to_the_whole_and_are_never_all_zero(
            now in prop::collection::vec(prop_oneof![Just(0u32), 0u32..=1_000_000], 1..8),
            wishes in prop::collection::vec(prop::option::of(0u32..=110), 1..8),
        ) {
            let shares: Vec<_> =
                wishes.iter().take(now.len()).enumerate().filter_map(|(at, wish)| Some((at, (*wish)?))).collect();
            if let Ok(after) = divided(&now, &shares) {
                prop_assert_eq!(after.len(), now.len());
                prop_assert_eq!(after.iter().sum::<u32>(), WHOLE);
                prop_assert!(after.iter().all(|weight| *weight <= WHOLE) && after.iter().any(|weight| *weight > 0));
                for (at, share) in &shares {
                    prop_assert_eq!(after[*at], *share);
                }
                // Among those that were not named, who had more has not less, and who had nothing has
                // nothing, unless he alone is left.
                let others: Vec<_> = (0..now.len()).filter(|at| shares.iter().all(|(named, _)| named != at)).collect();
                for a in &others {
                    prop_assert!(others.len() == 1 || now[*a] > 0 || after[*a] == 0);
                    for b in &others {
                        prop_assert!(now[*a] <= now[*b] || after[*a] >= after[*b]);
                    }
                }
            } else {
                let asked: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
                let idle = now.iter().enumerate().filter(|(at, _)| shares.iter().all(|(named, _)| named != at));
                let (count, weight) = idle.fold((0, 0u64), |(n, sum), (_, w)| (n + 1, sum + u64::from(*w)));
                prop_assert!(asked > 100 || (asked < 100 && (count == 0 || (count > 1 && weight == 0))));
            }
        }
    }
}
