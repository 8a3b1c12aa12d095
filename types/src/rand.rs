//! Randomness as a value, so that a simulated run is a function of its seed.

/// A source of random bytes. The server's shell draws them from the operating system; the
/// simulator from a seed.
pub trait Rand: Send + Sync + std::fmt::Debug + 'static {
    /// Fills `out` with random bytes, fit for keys and nonces in production.
    fn fill(&self, out: &mut [u8]);

    /// A random number over the whole range.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
