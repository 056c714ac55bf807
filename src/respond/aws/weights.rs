//! Shares of traffic as weights: what a wish comes to, and what it means for people. Pure.

use crate::model::plan::Share;

/// Weights for `shares` of what now has the weights `before`, up to `most` each. The error is a
/// sentence.
///
/// If all destinations are named, their weights are as given. If some are not, those that are
/// named get that many per cent, and the rest of a hundred is divided as before.
pub(super) fn divided(before: &[(String, u32)], shares: &[Share], most: u32) -> Result<Vec<u32>, String> {
    let names = || before.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut given: Vec<Option<u32>> = vec![None; before.len()];
    for share in shares {
        let Some(at) = before.iter().position(|(name, _)| *name == *share.destination) else {
            return Err(format!("there is no destination `{}`; there are: {}", share.destination, names()));
        };
        if given[at].replace(share.weight).is_some() {
            return Err(format!("`{}` is named twice", share.destination));
        }
        if share.weight > most {
            return Err(format!("a weight of {} is more than {most}, the most there is", share.weight));
        }
    }
    if given.iter().all(Option::is_none) {
        let now: Vec<_> = before.iter().map(|(_, weight)| *weight).collect();
        let shares: Vec<_> =
            before.iter().enumerate().map(|(at, (name, _))| format!("{name} {} %", percent(&now, at))).collect();
        return Err(format!("name who gets another share; now it is {}", shares.join(", ")));
    }
    let named: u32 = given.iter().flatten().sum();
    let weights = if given.iter().all(Option::is_some) {
        given.into_iter().flatten().collect()
    } else {
        if named > 100 {
            return Err(format!(
                "{named} per cent are more than there is: name all destinations to give weights ({})",
                names()
            ));
        }
        let rest: Vec<u32> =
            before.iter().zip(&given).map(|((_, weight), given)| if given.is_some() { 0 } else { *weight }).collect();
        let parts = apportioned(&rest, 100 - named);
        given.into_iter().zip(parts).map(|(given, part)| given.unwrap_or(part)).collect::<Vec<u32>>()
    };
    if weights.iter().all(|weight| *weight == 0) {
        return Err("no destination would have any weight, which AWS takes as equal shares: nothing was planned".into());
    }
    Ok(weights)
}

/// `total` divided by `weights`, in whole numbers that add up; evenly if there is no weight.
fn apportioned(weights: &[u32], total: u32) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == 0 {
        // Nobody had anything: what is left over has no taker, and named ones have it all.
        return vec![0; weights.len()];
    }
    let exact = |weight: u32| u64::from(weight) * u64::from(total);
    let mut parts: Vec<u32> = weights.iter().map(|weight| u32::try_from(exact(*weight) / sum).unwrap_or(0)).collect();
    let mut order: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact(weights[*at]) % sum));
    let missing = total - parts.iter().sum::<u32>();
    for at in order.into_iter().cycle().take(missing as usize) {
        parts[at] += 1;
    }
    parts
}

/// The share that a weight comes to, per cent of all of them. All zero is an equal split.
pub(super) fn percent(weights: &[u32], at: usize) -> u32 {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let even = 100 / weights.len().max(1) as u64;
    let part = (u64::from(weights[at]) * 100 + sum / 2).checked_div(sum).unwrap_or(even);
    u32::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(given: &[(&str, u32)]) -> Vec<Share> {
        given.iter().map(|(name, weight)| Share { destination: (*name).into(), weight: *weight }).collect()
    }

    fn now(weights: &[u32]) -> Vec<(String, u32)> {
        weights.iter().enumerate().map(|(at, weight)| (format!("g{at}"), *weight)).collect()
    }

    #[test]
    fn what_is_not_named_keeps_its_part_of_the_rest() {
        assert_eq!(divided(&now(&[1, 0]), &shares(&[("g1", 10)]), 999), Ok(vec![90, 10]));
        assert_eq!(divided(&now(&[60, 30, 10]), &shares(&[("g2", 40)]), 999), Ok(vec![40, 20, 40]));
        assert_eq!(divided(&now(&[1, 1, 1, 0]), &shares(&[("g3", 0)]), 999), Ok(vec![34, 33, 33, 0]));
        assert_eq!(divided(&now(&[5, 5]), &shares(&[("g0", 300), ("g1", 7)]), 999), Ok(vec![300, 7]));
        assert_eq!(divided(&now(&[0, 5]), &shares(&[("g1", 30)]), 999), Ok(vec![0, 30]), "the only one has it all");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let why = |given: &[(&str, u32)], most| divided(&now(&[1, 0, 0]), &shares(given), most).unwrap_err();
        assert!(why(&[("blue", 10)], 999).contains("no destination `blue`; there are: g0, g1, g2"));
        assert!(why(&[("g0", 256)], 255).contains("more than 255"));
        assert!(why(&[("g0", 1), ("g0", 2)], 999).contains("named twice"));
        assert!(why(&[("g0", 60), ("g1", 60)], 999).contains("120 per cent"));
        assert!(why(&[("g0", 0), ("g1", 0), ("g2", 0)], 999).contains("equal shares"));
        assert!(why(&[("g0", 0)], 999).contains("equal shares"), "nobody else had anything");
        assert!(why(&[], 999).contains("now it is g0 100 %, g1 0 %, g2 0 %"));
    }

    proptest! {
        #[test]
        fn weights_stay_in_range_add_up_and_are_never_all_zero(
            before in proptest::collection::vec(0_u32..=255, 1..5),
            given in proptest::collection::vec((0_usize..5, 0_u32..=300), 1..5),
        ) {
            let named = shares(&given.iter().map(|(at, weight)| (["g0", "g1", "g2", "g3", "g4"][*at], *weight)).collect::<Vec<_>>());
            if let Ok(after) = divided(&now(&before), &named, 255) {
                prop_assert_eq!(after.len(), before.len());
                prop_assert!(after.iter().all(|weight| *weight <= 255));
                prop_assert!(after.iter().any(|weight| *weight > 0));
                let unnamed: u32 = before.iter().enumerate()
                    .filter(|(at, _)| given.iter().all(|(named, _)| named != at)).map(|(_, weight)| *weight).sum();
                if unnamed > 0 {
                    prop_assert_eq!(after.iter().sum::<u32>(), 100);
                }
            }
        }
    }
}
