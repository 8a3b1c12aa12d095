//! The engine under faults: a fixed share of what `make soak` does in full.

use coffer_simulator::{Place, RunOptions, Summary, run};

fn options(places: &[Place]) -> RunOptions {
    RunOptions { operations: 200, cuts: 6, places: places.to_vec(), ..RunOptions::default() }
}

/// Runs seeds and fails with what the first failing one saw.
fn seeds(seeds: std::ops::Range<u64>, options: &RunOptions) -> Summary {
    let mut summary = Summary::default();
    for seed in seeds {
        let report = run(seed, options);
        if let Some(failure) = &report.failure {
            panic!("seed {seed} with {options:?}: {:?}: {}", failure.kind, failure.text);
        }
        summary.add(report);
    }
    println!("{summary}");
    summary
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_torn() {
    let summary = seeds(0..120, &options(&[]));
    assert!(summary.cuts.values().sum::<u64>() > 100, "the power was hardly ever cut: {summary}");
    assert!(summary.operations > 120 * 150, "clients were hardly ever answered: {summary}");
}

#[test]
fn every_place_is_struck() {
    for place in Place::ALL {
        let summary = seeds(1_000..1_030, &options(&[place]));
        let struck = summary.cuts.get(&place).copied().unwrap_or_default();
        assert!(struck >= 5, "{} was struck {struck} times: {summary}", place.name());
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..8 {
        let (first, second) = (run(seed, &options(&[])), run(seed, &options(&[])));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.operations, second.operations, "seed {seed}");
    }
}
