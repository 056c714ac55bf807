//! Functions over ranges and instants.

use std::ops::RangeInclusive;

/// How many arguments a function takes; `None` if we do not have it.
pub(super) fn arguments(name: &str) -> Option<RangeInclusive<usize>> {
    Some(match name {
        "time" => 0..=0,
        "round" => 1..=2,
        "histogram_quantile" | "clamp_min" | "clamp_max" => 2..=2,
        "clamp" => 3..=3,
        "vector" | "scalar" | "abs" | "ceil" | "floor" | "sqrt" | "exp" | "ln" | "absent" | "sort" | "sort_desc"
        | "timestamp" => 1..=1,
        name if over_range(name).is_some() => 1..=1,
        _ => return None,
    })
}

/// What a range of samples comes to. `window` is the range's ends, milliseconds.
pub(super) type OverRange = fn(samples: &[(i64, f64)], window: (i64, i64)) -> Option<f64>;

pub(super) fn over_range(name: &str) -> Option<OverRange> {
    Some(match name {
        "rate" => |samples, window| extrapolated(samples, window, true, true),
        "increase" => |samples, window| extrapolated(samples, window, true, false),
        "delta" => |samples, window| extrapolated(samples, window, false, false),
        "irate" => |samples, _| {
            let (last_at, last) = *samples.last()?;
            let (before_at, before) = *samples.get(samples.len().checked_sub(2)?)?;
            let rise = if last < before { last } else { last - before };
            Some(rise / ((last_at - before_at) as f64 / 1000.0))
        },
        "avg_over_time" => |samples, _| mean(samples),
        "sum_over_time" => |samples, _| non_empty(samples).map(|all| all.iter().map(|(_, value)| value).sum()),
        "count_over_time" => |samples, _| non_empty(samples).map(|all| all.len() as f64),
        "max_over_time" => |samples, _| samples.iter().map(|(_, value)| *value).reduce(f64::max),
        "min_over_time" => |samples, _| samples.iter().map(|(_, value)| *value).reduce(f64::min),
        "last_over_time" => |samples, _| samples.last().map(|(_, value)| *value),
        "changes" => |samples, _| {
            non_empty(samples).map(|all| all.windows(2).filter(|pair| pair[0].1 != pair[1].1).count() as f64)
        },
        "resets" => |samples, _| {
            non_empty(samples).map(|all| all.windows(2).filter(|pair| pair[1].1 < pair[0].1).count() as f64)
        },
        _ => return None,
    })
}

fn non_empty(samples: &[(i64, f64)]) -> Option<&[(i64, f64)]> {
    (!samples.is_empty()).then_some(samples)
}

fn mean(samples: &[(i64, f64)]) -> Option<f64> {
    non_empty(samples).map(|all| all.iter().map(|(_, value)| value).sum::<f64>() / all.len() as f64)
}

/// Prometheus' `extrapolatedRate`: the rise between the first and the last sample, stretched to
/// the window, but not by more than half a sample interval where the series begins or ends inside,
/// and not below zero of a counter.
fn extrapolated(samples: &[(i64, f64)], window: (i64, i64), counter: bool, per_second: bool) -> Option<f64> {
    let ((first_at, first), (last_at, last)) = (*samples.first()?, *samples.last()?);
    if samples.len() < 2 {
        return None;
    }
    let mut rise = last - first;
    if counter {
        rise += samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum::<f64>();
    }
    let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
    let covered = seconds(first_at, last_at);
    let interval = covered / (samples.len() - 1) as f64;
    let threshold = interval * 1.1;
    let mut before = seconds(window.0, first_at);
    let mut after = seconds(last_at, window.1);
    if before >= threshold {
        before = interval / 2.0;
    }
    if counter && rise > 0.0 && first >= 0.0 {
        before = before.min(covered * (first / rise));
    }
    if after >= threshold {
        after = interval / 2.0;
    }
    let stretched = rise * ((covered + before + after) / covered);
    Some(if per_second { stretched / seconds(window.0, window.1) } else { stretched })
}

/// `histogram_quantile` over buckets `(le, cumulative count)`.
pub(super) fn bucket_quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Rates of buckets can be off by a rounding error; cumulative they cannot fall.
    let mut highest = 0.0_f64;
    for bucket in &mut buckets {
        highest = highest.max(bucket.1);
        bucket.1 = highest;
    }
    let (Some(last), true) = (buckets.last().copied(), buckets.len() >= 2) else { return f64::NAN };
    if last.0 != f64::INFINITY || last.1 == 0.0 || last.1.is_nan() {
        return f64::NAN;
    }
    let rank = q * last.1;
    let at = buckets.iter().position(|(_, count)| *count >= rank).unwrap_or(buckets.len() - 1);
    let Some((upper, count)) = buckets.get(at).copied() else { return f64::NAN };
    if upper == f64::INFINITY {
        return buckets.get(buckets.len().wrapping_sub(2)).map_or(f64::NAN, |(le, _)| *le);
    }
    let (lower, below) = match at.checked_sub(1).and_then(|at| buckets.get(at)) {
        Some(bucket) => *bucket,
        None if upper <= 0.0 => return upper,
        None => (0.0, 0.0),
    };
    if count == below { upper } else { lower + (upper - lower) * ((rank - below) / (count - below)) }
}
