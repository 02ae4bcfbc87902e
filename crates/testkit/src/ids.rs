//! Identifiers that a test can predict.

use std::sync::atomic::{AtomicU64, Ordering};

use photinus_ports::ids::Ids;
use uuid::Uuid;

/// Version-4 identifiers from a seed: the same seed gives the same identifiers in the same order.
#[derive(Debug)]
pub struct Seeded {
    seed: u64,
    next: AtomicU64,
}

impl Seeded {
    /// Starts at the beginning of a seed's identifiers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }
}

/// Mixes a counter into a number without pattern (SplitMix64).
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Ids for Seeded {
    fn next(&self) -> Uuid {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let (high, low) = (mix(self.seed ^ mix(count)), mix(self.seed.wrapping_add(mix(count.wrapping_add(1 << 63)))));
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid()
    }

    fn secret(&self) -> Uuid {
        self.next()
    }
}
