//! Kubernetes quantities: `100m`, `1.5Gi`, `123456789n`, `2e3`.
//!
//! Owns: their grammar (`k8s.io/apimachinery/pkg/api/resource`). Exact in whole numbers, and
//! rounded up as Kubernetes does. Must not: guess; what is not a quantity is `None`.

use crate::model::cluster::{Bytes, MilliCores};

/// CPU in thousandths of a core.
pub(super) fn millicores(text: &str) -> Option<MilliCores> {
    scaled(text, 1000)
}

/// Memory in bytes, or a bare number.
pub(super) fn whole(text: &str) -> Option<Bytes> {
    scaled(text, 1)
}

fn scaled(text: &str, unit: u128) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // More digits than this no quantity has; and `2..` has none.
    if whole.len() + fraction.len() > 24 || whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let (times, by) = factor(suffix)?;
    let divisor = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(by)?;
    let product = digits.checked_mul(times)?.checked_mul(unit)?;
    u64::try_from(product.div_ceil(divisor)).ok()
}

/// What a suffix multiplies with, and divides by.
fn factor(suffix: &str) -> Option<(u128, u128)> {
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let exponent: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10u128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_that_clusters_write() {
        for (text, milli) in [
            ("100m", 100),
            ("1", 1000),
            ("0.1", 100),
            ("1.5", 1500),
            ("0", 0),
            ("123456789n", 124),
            ("1500u", 2),
            ("2e3", 2_000_000),
            ("5E-1", 500),
            (".5", 500),
            ("3.", 3000),
        ] {
            assert_eq!(millicores(text), Some(milli), "{text}");
        }
        for (text, bytes) in [
            ("64Mi", 64 << 20),
            ("1.5Gi", 3 << 29),
            ("128974848", 128_974_848),
            ("129M", 129_000_000),
            ("12345Ki", 12345 << 10),
            ("1E", 1_000_000_000_000_000_000),
            ("400m", 1),
        ] {
            assert_eq!(whole(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "-1", "m", ".", "1.2.3", "1 Gi", "1ki", "1e999", "0x10", "99999999999999999999999999"] {
            assert_eq!(millicores(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}", number in "[0-9.]{0,30}[a-zA-Z]{0,2}[0-9+-]{0,4}") {
            let _ = (millicores(&text), whole(&text), millicores(&number), whole(&number));
        }
    }
}
