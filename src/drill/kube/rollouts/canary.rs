//! How many pods a canary and the stable version have, where only their numbers divide traffic.
//!
//! Owns: the arithmetic of Argo Rollouts (`utils/replicaset/canary.go`). Pure. Must not: know an
//! object.

/// A ReplicaSet in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// `spec.replicas`.
    pub(super) wanted: i64,
    pub(super) available: i64,
}

/// What a Rollout asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) replicas: i64,
    pub(super) surge: i64,
    pub(super) unavailable: i64,
    /// The canary's share in per cent.
    pub(super) weight: i64,
}

impl Bounds {
    fn most(&self) -> i64 {
        self.replicas + self.surge
    }

    fn least(&self) -> i64 {
        self.replicas - self.unavailable
    }

    /// Pods of the canary and of the stable version that come closest to the weight: together the
    /// replicas, or one more if they may surge.
    pub(super) fn shares(&self) -> (i64, i64) {
        let (replicas, weight) = (self.replicas, self.weight);
        if replicas == 0 {
            return (0, 0);
        }
        let product = replicas * weight;
        let (low, high) = (product / 100, (product + 99) / 100);
        let is_tied = |total: i64| (total * weight) % 100 == 50;
        // Who asks for a share of several pods gets one pod at least.
        let zero = weight == 100 || weight == 0 || (replicas == 1 && self.surge == 0);
        let mut options = Vec::new();
        if high < replicas || zero {
            options.push((high, replicas));
        }
        if !is_tied(replicas) && (low != 0 || zero) {
            options.push((low, replicas));
        }
        if self.surge > 0 {
            options.push((high, replicas + 1));
            if !is_tied(replicas + 1) && (low != 0 || zero) {
                options.push((low, replicas + 1));
            }
        }
        let off = |(canary, total): &(i64, i64)| (*canary as f64 * 100.0 / *total as f64 - weight as f64).abs();
        // The first of those that are equally near.
        let best = options.into_iter().reduce(|best, next| if off(&next) < off(&best) { next } else { best });
        best.map_or((0, replicas), |(canary, total)| (canary, total - canary))
    }

    /// The next sizes of the canary and of the stable version, on the way to their shares. `others`:
    /// the pods of all other versions.
    pub(super) fn next(&self, canary: Count, stable: Count, others: i64) -> (i64, i64) {
        let (to_canary, to_stable) = self.shares();
        let (mut new, mut old) = (canary.wanted, stable.wanted);
        let mut spare = self.most() - canary.wanted - stable.wanted - others;
        if stable.wanted < to_stable && spare > 0 {
            old = to_stable.min(stable.wanted + spare);
            spare -= old - stable.wanted;
        }
        if canary.wanted < to_canary && spare > 0 {
            new = to_canary.min(canary.wanted + spare);
        }
        if others > 0 {
            // Those go first.
            return (new, old);
        }
        let grows = to_canary >= canary.wanted;
        let spared = spareable(canary, !grows) + spareable(stable, grows);
        if spared <= self.least() {
            return (new, old);
        }
        let down = spared - self.least();
        if grows {
            old = if stable.wanted > to_stable { to_stable.max(stable.wanted - down) } else { old };
            (old, new) = self.within((old, stable.available), (new, canary.available));
        } else {
            new = if canary.wanted > to_canary { to_canary.max(canary.wanted - down) } else { new };
            (new, old) = self.within((new, canary.available), (old, stable.available));
        }
        (new, old)
    }

    /// Keeps a version that shrinks and one that grows within the surge, and enough of them available.
    /// Each: its size to be, and what is available of it.
    fn within(&self, (shrinks, ready_there): (i64, i64), (grows, ready_here): (i64, i64)) -> (i64, i64) {
        let over = |grows: i64| (grows + shrinks - self.most()).max(0);
        let mut grown = grows - over(grows);
        let available = ready_there.min(shrinks) + ready_here.min(grown);
        let lost = (ready_here - grown).max(0);
        grown += lost.min((self.least() - available).max(0));
        (shrinks - over(grown), grown)
    }
}

/// How many pods of a version count for what may be stopped.
fn spareable(of: Count, whatever_their_state: bool) -> i64 {
    if of.wanted < of.available || whatever_their_state { of.wanted } else { of.available }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(replicas: i64, weight: i64, surge: i64, unavailable: i64) -> Bounds {
        Bounds { replicas, surge, unavailable, weight }
    }

    /// Figures of Argo Rollouts' own table.
    #[test]
    fn shares_are_those_of_argo_rollouts() {
        let told = [
            (10, 1, 1, (1, 10)),
            (10, 18, 1, (2, 9)),
            (10, 20, 1, (2, 8)),
            (10, 23, 1, (2, 8)),
            (10, 24, 1, (3, 8)),
            (10, 99, 1, (10, 1)),
            (10, 100, 1, (10, 0)),
            (10, 0, 1, (0, 10)),
            (5, 25, 2, (1, 4)),
            (4, 50, 1, (2, 2)),
            (0, 50, 1, (0, 0)),
        ];
        for (replicas, weight, surge, (canary, stable)) in told {
            let shares = bounds(replicas, weight, surge, 1).shares();
            assert_eq!(shares, (canary, stable), "{weight} % of {replicas}");
        }
    }

    /// From all stable to the share, and back, without fewer available than there have to be.
    #[test]
    fn the_way_there_and_back_keeps_the_bounds() {
        for (replicas, weight, surge, unavailable) in [(4, 50, 1, 1), (10, 30, 3, 2), (3, 10, 0, 1), (7, 100, 2, 0)] {
            let mut at = (0, replicas);
            for aim in [weight, 0] {
                let bounds = bounds(replicas, aim, surge, unavailable);
                for _ in 0..50 {
                    let count = |wanted| Count { wanted, available: wanted };
                    let next = bounds.next(count(at.0), count(at.1), 0);
                    assert!(next.0 + next.1 <= replicas + surge, "{next:?}");
                    assert!(next.0.min(at.0) + next.1.min(at.1) >= replicas - unavailable, "{at:?} to {next:?}");
                    at = next;
                }
                assert_eq!(at, bounds.shares(), "{aim} % of {replicas}");
            }
        }
    }

    #[test]
    fn a_canary_that_is_not_ready_takes_no_stable_pod_with_it_that_has_to_serve() {
        let bounds = bounds(4, 50, 1, 1);
        let stable = Count { wanted: 4, available: 4 };
        assert_eq!(bounds.next(Count::default(), stable, 0), (1, 3), "one more, one fewer");
        let unready = Count { wanted: 2, available: 0 };
        assert_eq!(bounds.next(unready, Count { wanted: 3, available: 3 }, 0), (2, 3), "three have to be available");
        let off = Bounds { weight: 0, ..bounds };
        assert_eq!(off.next(unready, Count { wanted: 3, available: 3 }, 0).0, 0, "an abort does not wait for it");
    }
}
