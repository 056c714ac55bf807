//! Shares of traffic: what weights come to in percent, and the weights that a person's shares
//! mean. Pure.
//!
//! Weights are written so that they sum to 100: Istio before 1.22 takes nothing else, and the
//! Gateway API takes any. Not all of them are zero, then, and each is its percentage.

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
