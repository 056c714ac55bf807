//! A row of numbers as a row of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block a value, scaled from the smallest to the largest; at most `width` blocks, each the
/// largest of its share of the values, so that a short peak stays visible.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let (Some(low), Some(high)) = (finite.iter().copied().reduce(f64::min), finite.iter().copied().reduce(f64::max)) else {
        return String::new();
    };
    let share = finite.len().div_ceil(width.max(1)).max(1);
    finite
        .chunks(share)
        .map(|chunk| {
            let value = chunk.iter().copied().fold(low, f64::max);
            let height = if high > low { (value - low) / (high - low) * 7.0 } else { 0.0 };
            BLOCKS[(height.round() as usize).min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn the_peak_stays_visible() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 7.0], 10), "▁▂▃█");
        assert_eq!(sparkline(&[0.0, 0.0, 9.0, 0.0], 2), "▁█");
        assert_eq!(sparkline(&[3.0, 3.0], 10), "▁▁");
        assert_eq!(sparkline(&[f64::NAN], 10), "");
    }
}
