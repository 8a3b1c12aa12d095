//! Figures of several rounds: the one in the middle counts, the outer ones are told beside it.

/// The figure in the middle; not a number if there is none.
pub(super) fn median(figures: &[f64]) -> f64 {
    let sorted = sorted(figures);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// `median (least to most)`.
pub(super) fn spread(figures: &[f64], digits: usize) -> String {
    let sorted = sorted(figures);
    match sorted.as_slice() {
        [] => "nothing".to_owned(),
        [only] => format!("{only:.digits$}"),
        [least, .., most] => {
            format!("{:.digits$} ({least:.digits$} to {most:.digits$})", median(figures))
        }
    }
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts_and_the_outer_ones_are_told() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0], 1), "2.0 (1.0 to 3.0)");
        assert_eq!(spread(&[7.25], 1), "7.2");
    }
}
