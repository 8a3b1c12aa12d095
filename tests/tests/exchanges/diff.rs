//! Two texts side by side, line by line.

use std::fmt::Write as _;

/// All lines of both: `-` what is only in the file, `+` what only the server said.
pub(crate) fn lines(file: &str, server: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (file.lines().collect(), server.lines().collect());
    // How many lines the rest of both has in common, by where the rests begin.
    let mut common = vec![vec![0_usize; right.len() + 1]; left.len() + 1];
    for l in (0..left.len()).rev() {
        for r in (0..right.len()).rev() {
            common[l][r] = if left[l] == right[r] {
                common[l + 1][r + 1] + 1
            } else {
                common[l + 1][r].max(common[l][r + 1])
            };
        }
    }
    let (mut l, mut r) = (0, 0);
    let mut text = String::new();
    while l < left.len() || r < right.len() {
        let (mark, line) = if l < left.len() && r < right.len() && left[l] == right[r] {
            (l, r) = (l + 1, r + 1);
            (' ', left[l - 1])
        } else if r == right.len() || l < left.len() && common[l + 1][r] >= common[l][r + 1] {
            l += 1;
            ('-', left[l - 1])
        } else {
            r += 1;
            ('+', right[r - 1])
        };
        writeln!(text, "  {mark} {line}").expect("a String");
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_differs_is_marked() {
        assert_eq!(super::lines("a\nb\nc", "a\nx\nc\nd"), "    a\n  - b\n  + x\n    c\n  + d\n");
    }
}
