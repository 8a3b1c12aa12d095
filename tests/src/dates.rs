//! Dates as HTTP and XML write them, and back.

use crate::sign::civil_date;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT` of so many seconds since 1970.
pub fn http_date(epoch: u64) -> String {
    let (year, month, day) = civil_date(epoch / 86_400);
    let weekday = DAYS[usize::try_from(epoch / 86_400 % 7).expect("below 7")];
    let month = MONTHS[usize::try_from(month - 1).expect("below 12")];
    let (hour, minute, second) = (epoch / 3_600 % 24, epoch / 60 % 60, epoch % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// `1994-11-06T08:49:37.000Z` of so many seconds since 1970.
pub fn iso_date(epoch: u64) -> String {
    let (year, month, day) = civil_date(epoch / 86_400);
    let (hour, minute, second) = (epoch / 3_600 % 24, epoch / 60 % 60, epoch % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// The seconds since 1970 of what [`http_date`] writes.
pub fn parse_http_date(text: &str) -> Option<u64> {
    let month = MONTHS.iter().position(|month| Some(*month) == text.get(8..11))?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let day = days_until(number(12, 16)?, month as u64 + 1, number(5, 7)?)?;
    let epoch = day * 86_400 + number(17, 19)? * 3_600 + number(20, 22)? * 60 + number(23, 25)?;
    (http_date(epoch) == text).then_some(epoch)
}

/// The seconds since 1970 of what [`iso_date`] writes, with any milliseconds.
pub fn parse_iso_date(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let day = days_until(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let epoch = day * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let written = iso_date(epoch);
    let milliseconds = text.get(20..23)?.parse::<u16>();
    let same = written.get(..20) == text.get(..20) && text.len() == written.len();
    (same && milliseconds.is_ok() && text.ends_with('Z')).then_some(epoch)
}

fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::{http_date, iso_date, parse_http_date, parse_iso_date};

    #[test]
    fn dates_are_written_and_read_back() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso_date(784_111_777), "1994-11-06T08:49:37.000Z");
        for epoch in (0..4_000_000_000).step_by(86_400 * 13 + 4_321) {
            assert_eq!(parse_http_date(&http_date(epoch)), Some(epoch));
            assert_eq!(parse_iso_date(&iso_date(epoch)), Some(epoch));
        }
        assert_eq!(parse_http_date("yesterday"), None);
        assert_eq!(parse_iso_date("1994-13-06T08:49:37.000Z"), None);
    }
}
