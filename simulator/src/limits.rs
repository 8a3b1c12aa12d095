//! Sizes and triggers so small that a run of a few hundred operations meets all of them.

use std::time::Duration;

use coffer_storage_engine::Limits;

use crate::rng::Rng;

/// Objects up to this size travel with their command.
pub(crate) const SMALL_MAX: usize = 4 << 10;

/// Draws the limits of one run.
#[allow(clippy::needless_update)] // what a run does not care about stays as on a real drive
pub(crate) fn draw(rng: &mut Rng) -> Limits {
    let segment_len: u64 = *rng.pick(&[64 << 10, 64 << 10, 128 << 10, 256 << 10]);
    Limits {
        segment_len,
        pool_target: 1 + rng.index(3),
        small_max: SMALL_MAX,
        fragment_max: *rng.pick(&[4 << 10, 16 << 10]),
        md5_apart_min: SMALL_MAX,
        write_back: *rng.pick(&[4 << 10, 16 << 10, 8 << 20]),
        log_batch_max: 32 << 10,
        queue_bytes: 256 << 10,
        upload_budget: 512 << 10,
        checkpoint_commands: rng.between(10, 80),
        checkpoint_bytes: *rng.pick(&[8 << 10, 64 << 10]),
        overlay_max: 256 << 10,
        checkpoint_log_bytes: *rng.pick(&[32 << 10, 64 << 10, 256 << 10]),
        index_cache: 256 << 10,
        held_log_max: segment_len * rng.between(1, 3),
        part_min: *rng.pick(&[0, 1, 64, 2_000]),
        sweep_rows: *rng.pick(&[5, 8, 8, 40]),
        remember_completion: *rng.pick(&[
            Duration::from_hours(24),
            Duration::from_hours(24),
            Duration::from_millis(20),
            Duration::from_secs(3),
        ]),
        mark_after: Duration::from_millis(*rng.pick(&[5, 1_000])),
        ..Limits::for_drive(1 << 30)
    }
}
