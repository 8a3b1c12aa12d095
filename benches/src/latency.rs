//! Latencies in bounded memory: a log-linear histogram whose buckets are at most 1/64 wide, and
//! the exact maximum beside it.

use std::time::Duration;

/// Buckets per power of two.
const STEPS: u64 = 64;
/// Powers of two covered above the exact range; 2^40 ns are 18 minutes.
const OCTAVES: u64 = 40 - STEPS.ilog2() as u64;

/// A distribution of latencies.
#[derive(Clone, Debug)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        let len = usize::try_from(STEPS * (OCTAVES + 1)).expect("a few thousand fit");
        Self { buckets: vec![0; len], count: 0, sum: Duration::ZERO, max: Duration::ZERO }
    }
}

impl Latencies {
    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        let last = self.buckets.len() - 1;
        self.buckets[bucket_of(latency).min(last)] += 1;
        self.count += 1;
        self.sum += latency;
        self.max = self.max.max(latency);
    }

    /// Adds what another distribution holds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest one, exactly.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Duration {
        match u32::try_from(self.count) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(count) => self.sum / count,
        }
    }

    /// An upper bound, at most 1/64 too high, of the smallest latency that at least this share
    /// of all does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "counts of a bench stay far below 2^52"
        )]
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if count > 0 && seen >= wanted {
                return upper_edge(at).min(self.max);
            }
        }
        self.max
    }
}

/// The bucket of a latency: exact below [`STEPS`] nanoseconds, then [`STEPS`] buckets per octave.
fn bucket_of(latency: Duration) -> usize {
    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    let bucket = if nanos < STEPS {
        nanos
    } else {
        let octave = u64::from(nanos.ilog2()) - u64::from(STEPS.ilog2());
        STEPS * (octave + 1) + (nanos >> octave) - STEPS
    };
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The largest latency that falls into a bucket.
fn upper_edge(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return Duration::from_nanos(bucket);
    }
    let (octave, step) = (bucket / STEPS - 1, bucket % STEPS);
    Duration::from_nanos(((STEPS + step + 1) << octave) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_latency_lies_in_its_bucket() {
        for nanos in (0..100_000).chain([u64::from(u32::MAX), 1 << 39, (1 << 39) + 12_345]) {
            let latency = Duration::from_nanos(nanos);
            let bucket = bucket_of(latency);
            assert!(upper_edge(bucket) >= latency, "{nanos}");
            assert!(bucket == 0 || upper_edge(bucket - 1) < latency, "{nanos}");
        }
    }

    #[test]
    fn quantiles_are_within_a_sixty_fourth() {
        let mut latencies = Latencies::default();
        (1..=10_000).for_each(|micros| latencies.record(Duration::from_micros(micros)));
        let p99 = latencies.quantile(0.99);
        assert!(p99 >= Duration::from_micros(9_900), "{p99:?}");
        assert!(p99 <= Duration::from_micros(9_900 + 9_900 / 64), "{p99:?}");
        assert_eq!(latencies.max(), Duration::from_millis(10));
        assert_eq!(latencies.quantile(1.0), Duration::from_millis(10));
        assert_eq!(latencies.mean(), Duration::from_nanos(5_000_500));
    }

    #[test]
    fn what_exceeds_the_range_is_still_the_maximum() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(7_200));
        assert_eq!(latencies.max(), Duration::from_secs(7_200));
        assert!(latencies.quantile(0.5) > Duration::from_secs(1_000));
    }
}
