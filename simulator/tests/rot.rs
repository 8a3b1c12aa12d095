//! Rot in every kind of piece: a fixed share of what `simulator --rot` does.

use coffer_simulator::rot::PieceKind;
use coffer_simulator::{RunOptions, Summary, run};
use coffer_storage_engine::format::record::RecordKind;

#[test]
fn rot_is_named_never_served_and_takes_nothing_with_it() {
    let options = RunOptions { operations: 150, cuts: 2, rot: true, ..RunOptions::default() };
    let mut summary = Summary::default();
    for seed in 0..40 {
        let report = run(seed, &options);
        if let Some(failure) = &report.failure {
            panic!("seed {seed} with {options:?}: {:?}: {}", failure.kind, failure.text);
        }
        summary.add(report);
    }
    println!("{summary}");
    let written = [
        RecordKind::Command,
        RecordKind::Shard,
        RecordKind::Fragment,
        RecordKind::Start,
        RecordKind::EpochStart,
        RecordKind::GroupSet,
        RecordKind::SegmentFooter,
    ];
    let records =
        written.map(|kind| [PieceKind::RecordHeader(kind), PieceKind::RecordPayload(kind)]);
    let others = [
        PieceKind::Identity,
        PieceKind::SegmentSlot,
        PieceKind::BatchHead,
        PieceKind::RecordHeader(RecordKind::Mark),
        PieceKind::Index,
        PieceKind::Dump,
    ];
    for kind in others.into_iter().chain(records.into_iter().flatten()) {
        assert!(summary.rot.pieces(kind) >= 10, "{kind:?} hardly ever rotted: {summary}");
    }
}
