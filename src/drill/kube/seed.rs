//! Names and identities that a seed decides.
//!
//! Owns: the only source of "random" values of the cluster. Each value is a hash of the seed and
//! of what it is for, not the next number of a sequence: one more pod somewhere does not rename
//! the rest. Must not: read a clock or a random device.

use sha2::{Digest, Sha256};

/// Kubernetes' alphabet for generated names: no vowels, no look-alikes
/// (k8s.io/apimachinery `util/rand`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Decides names and UIDs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(pub(super) u64);

impl Seed {
    /// Sixteen bytes that depend on the seed and on `parts`.
    fn bytes(self, parts: &[&str]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(hash.finalize().iter()) {
            *to = *from;
        }
        out
    }

    /// A number below `bound` (at least 1).
    pub(super) fn below(self, bound: u64, parts: &[&str]) -> u64 {
        let bytes = self.bytes(parts);
        let number = bytes.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        number % bound.max(1)
    }

    /// A UID in the form of a version 4 UUID.
    pub(super) fn uid(self, parts: &[&str]) -> String {
        let bytes = self.bytes(parts);
        let mut out = String::with_capacity(36);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                out.push('-');
            }
            let byte = match index {
                6 => (byte & 0x0f) | 0x40,
                8 => (byte & 0x3f) | 0x80,
                _ => *byte,
            };
            out.push_str(&format!("{byte:02x}"));
        }
        out
    }

    /// Five characters for the end of a generated name.
    pub(super) fn suffix(self, parts: &[&str]) -> String {
        self.bytes(parts).iter().take(5).map(|byte| letter(*byte)).collect()
    }
}

/// The `pod-template-hash` of a pod template: a 32-bit hash in decimal, each digit through the
/// alphabet, as the Deployment controller writes it. It does not depend on the seed: the same
/// template is the same revision.
pub(super) fn template_hash(template: &str) -> String {
    let digest = Sha256::digest(template.as_bytes());
    let number = digest.iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    number.to_string().bytes().map(letter).collect()
}

fn letter(byte: u8) -> char {
    // The remainder is below the alphabet's length.
    char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_every_name() {
        let (one, two) = (Seed(1), Seed(2));
        assert_eq!(one.uid(&["pod", "a"]), one.uid(&["pod", "a"]));
        assert_ne!(one.uid(&["pod", "a"]), two.uid(&["pod", "a"]));
        assert_ne!(one.uid(&["ab", "c"]), one.uid(&["a", "bc"]), "parts are not run together");
        let uid = one.uid(&["pod", "a"]);
        assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
        assert!(one.suffix(&["x"]).bytes().all(|byte| ALPHABET.contains(&byte)));
        assert!(template_hash("{}").bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
