//! How large a row is, and where its randomness comes from.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The smaller number by default, the one of the matrix with `FULL=1`.
pub fn scaled<T>(small: T, full: T) -> T {
    if testbed::is_full() { full } else { small }
}

/// Randomness that `SEED=n` repeats. The seed is printed with the row's output.
pub fn random(row: &str) -> StdRng {
    StdRng::seed_from_u64(seed(row))
}

/// What `SEED=n` says, or any number. It is printed with the row's output.
pub fn seed(row: &str) -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().next_u64() % 1_000_000);
    println!("{row}: SEED={seed} repeats this run");
    seed
}
