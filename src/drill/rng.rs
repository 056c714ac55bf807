//! Chance that is the same for the same seed: the world's only source of it.
//!
//! Owns: the generator (SplitMix64, Steele, Lea and Flood 2014) and the few distributions the
//! physics draws from. Must not: know what is drawn.

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// The stream `name` of `seed`: streams of other names are independent, so that drawing once
    /// more in one part of the world does not change what happens in another.
    pub(super) fn named(seed: u64, name: &str) -> Self {
        // FNV-1a spreads names; the first draw spreads seeds that lie side by side.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut rng = Self(seed ^ hash);
        rng.0 = rng.next();
        rng
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in `[0, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits fill a double's mantissa.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly in `[-1, 1)`.
    pub(super) fn signed(&mut self) -> f64 {
        self.unit() * 2.0 - 1.0
    }

    /// Evenly in `0..below`; 0 if there is nothing below.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.next() % below }
    }

    /// Exponential with this mean.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// How many of independent rare things happen when `mean` are expected.
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        if mean <= 0.0 || !mean.is_finite() {
            return 0;
        }
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let (mut count, mut product) = (0, self.unit());
        while product > limit {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_and_name_give_one_stream_and_others_another() {
        let draw = |seed, name| {
            let mut rng = Rng::named(seed, name);
            [rng.next(), rng.next()]
        };
        assert_eq!(draw(1, "load"), draw(1, "load"));
        assert_ne!(draw(1, "load"), draw(2, "load"));
        assert_ne!(draw(1, "load"), draw(1, "logs"));
    }

    #[test]
    fn the_distributions_have_their_means() {
        let mut rng = Rng::named(7, "means");
        let mean = |draw: &mut dyn FnMut() -> f64| (0..20_000).map(|_| draw()).sum::<f64>() / 20_000.0;
        for expected in [0.3, 4.0, 200.0] {
            let found = mean(&mut || rng.poisson(expected) as f64);
            assert!((found - expected).abs() < expected * 0.05 + 0.02, "{found} for {expected}");
        }
        assert!((mean(&mut || rng.exponential(2.0)) - 2.0).abs() < 0.1);
        assert!(mean(&mut || rng.signed()).abs() < 0.02);
    }
}
